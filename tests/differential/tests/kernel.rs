//! The bounded part of the differential test. `make soak` tries as much as asked.

#![allow(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::env;
use std::path::Path;
use std::time::Duration;

use loopgate_test_differential::report::Report;
use loopgate_test_differential::run::{Amount, run};
use loopgate_test_support::is_passed_over;

/// Rulesets to try, and for how long at most: `LOOPGATE_COUNT` and `LOOPGATE_SECONDS` say otherwise.
const RULESETS: u64 = 1500;
const SECONDS: u64 = 90;

/// The share of probes that may be unknown, in thousandths of a percent.
const UNKNOWN: u64 = 1000;

/// Of a hundred rulesets, how many the tools may refuse.
const REFUSED: u64 = 10;

/// Demand 20: what is said of rules of each tool and family is what the kernel does.
#[test]
fn the_evaluator_says_what_the_kernel_does() {
    if is_passed_over("the_evaluator_says_what_the_kernel_does") {
        return;
    }
    let number = |name: &str, otherwise| env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let amount = Amount {
        seed: number("LOOPGATE_SEED", 1),
        rulesets: number("LOOPGATE_COUNT", RULESETS),
        time: Duration::from_secs(number("LOOPGATE_SECONDS", SECONDS)),
    };
    let report = run(Path::new(env!("CARGO_BIN_EXE_loopgate-soak")), amount).unwrap();
    println!("{report}");
    judge(&report);
}

fn judge(report: &Report) {
    assert!(report.contradictions.is_empty(), "{}", report.contradictions.join("\n"));
    assert!(report.unknown_share() < UNKNOWN, "too much is unknown: {report}");
    assert!(report.refused * 100 <= report.rulesets * REFUSED, "the tools refuse too many rulesets: {report}");
    assert!(report.probes > 0 && report.delivered > report.probes / 10, "too little gets through to tell: {report}");
    for key in COMMONEST {
        assert!(report.keys.contains_key(key), "no ruleset had `{key}`: {report}");
    }
}

/// The commonest matches of real rulesets, by how often they occur in them, and the verdicts and translations.
const COMMONEST: [&str; 46] = [
    "dport",
    "iifname",
    "ip daddr",
    "ip saddr",
    "ct state",
    "oifname",
    "ip6 daddr",
    "ip6 saddr",
    "icmp type",
    "ip protocol",
    "icmpv6 type",
    "iif",
    "sport",
    "tcp flags",
    "l4proto",
    "ip6 nexthdr",
    "mark",
    "fib type",
    "ct status",
    "pkttype",
    "nfproto",
    "iifgroup",
    "limit",
    "ct mark",
    "conntrack",
    "multiport",
    "addrtype",
    "iprange",
    "accept",
    "drop",
    "reject",
    "jump",
    "goto",
    "return",
    "continue",
    "notrack",
    "dnat",
    "dnat map",
    "redirect",
    "masquerade",
    "snat",
    "vmap dport",
    "vmap @map",
    "meta mark set",
    "MARK",
    "CONNMARK",
];
