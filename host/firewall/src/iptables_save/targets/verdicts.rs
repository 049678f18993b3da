//! Targets that decide.

use super::{note, note_of};
use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::iptables_save::names::{REJECT, REJECT6};
use crate::iptables_save::values::{find, mark, number};
use crate::rule::{Effect, Op, Operand, Unknown, Verdict};
use crate::ruleset::Family;

/// Targets that decide, and those whose decision is not known.
pub(super) const VERDICTS: &[Extension] = &[
    Extension { names: &["REJECT"], options: &[option(&["--reject-with"], 1)], lower: reject },
    Extension {
        names: &["NFQUEUE"],
        options: &[
            option(&["--queue-num"], 1),
            option(&["--queue-balance"], 1),
            option(&["--queue-bypass"], 0),
            option(&["--queue-cpu-fanout"], 0),
        ],
        lower: queue,
    },
    Extension {
        names: &["TPROXY"],
        options: &[option(&["--on-port"], 1), option(&["--on-ip"], 1), option(&["--tproxy-mark"], 1)],
        lower: transparent_proxy,
    },
    // It answers in the place of the listener and connects to it only then.
    Extension {
        names: &["SYNPROXY"],
        options: &[
            option(&["--sack-perm"], 0),
            option(&["--timestamp"], 0),
            option(&["--wscale"], 1),
            option(&["--mss"], 1),
            option(&["--ecn"], 0),
        ],
        lower: unknown,
    },
    Extension {
        names: &["CLUSTERIP"],
        options: &[
            option(&["--new"], 0),
            option(&["--hashmode"], 1),
            option(&["--clustermac"], 1),
            option(&["--total-nodes"], 1),
            option(&["--local-node"], 1),
            option(&["--hash-init"], 1),
        ],
        lower: unknown,
    },
];

/// What the target does to the packet is not known.
pub(super) fn unknown(instance: &Instance<'_>) -> Option<Vec<Op>> {
    Some(vec![not_known(instance)])
}

/// What the target does to the packet is not known.
pub(super) fn not_known(instance: &Instance<'_>) -> Op {
    let construct = format!("-j {}", instance.words().as_str()).into();
    Op::Unknown(Unknown { construct, only_matches: false })
}

fn reject(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let (names, default) = match instance.site.family {
        Family::Ip6 => (REJECT6, "icmp6-port-unreachable"),
        _ => (REJECT, "icmp-port-unreachable"),
    };
    let how = if instance.has("--reject-with") { find(instance.text("--reject-with")?, names)? } else { default };
    Some(vec![Op::Verdict(Verdict::Reject(how.into()))])
}

fn queue(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let shown = note_of(instance, &["--queue-num", "--queue-balance", "--queue-cpu-fanout"]);
    let verdict = Op::Verdict(Verdict::Queue { bypass: instance.has("--queue-bypass") });
    Some(shown.into_iter().chain([verdict]).collect())
}

/// Marks the packet, gives it to the socket, and accepts it (`tproxy_tg4`, `net/netfilter/xt_TPROXY.c`). Port 0 and
/// address 0 are the packet's own.
fn transparent_proxy(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let port = number(instance.text("--on-port")?)?;
    let address = match instance.text("--on-ip") {
        Some(text) => Some(text.parse::<std::net::IpAddr>().ok()?).filter(|address| !address.is_unspecified()),
        None => None,
    };
    let set_mark = match instance.text("--tproxy-mark") {
        Some(text) => mark(text).map(|(value, mask)| Some(Effect::SetMark { keep: !mask, xor: value }))?,
        None => None,
    };
    let proxy = Verdict::TransparentProxy {
        address: address.map(Operand::Address),
        port: Some(port).filter(|port| *port != 0).map(Operand::Port),
    };
    let shown = [note(instance), Op::Verdict(proxy)];
    Some(shown.into_iter().chain(set_mark.map(Op::Effect)).chain([Op::Verdict(Verdict::Accept)]).collect())
}
