//! Matches of how the packet came and how it leaves.

use loopgate_facts::Untrusted;

use super::all;
use crate::iptables_save::grammar::{Extension, Given, Instance, OptionSpec, option, test};
use crate::rule::{InterfaceEnd, Op, Predicate, Test};

/// What is asked of a protected packet, which `!` may stand before.
const fn asked(names: &'static [&'static str]) -> OptionSpec {
    option(names, 1).or_not()
}

/// Matches of the way of a packet.
pub(super) const WAY: &[Extension] = &[
    Extension {
        names: &["physdev"],
        options: &[
            test(&["--physdev-in"], 1, |given| named_port(given, InterfaceEnd::Input)),
            test(&["--physdev-out"], 1, |given| named_port(given, InterfaceEnd::Output)),
            test(&["--physdev-is-in"], 0, |_| Some(port(InterfaceEnd::Input, None))),
            test(&["--physdev-is-out"], 0, |_| Some(port(InterfaceEnd::Output, None))),
            test(&["--physdev-is-bridged"], 0, |_| Some(Predicate::Bridged)),
        ],
        lower: all,
    },
    Extension {
        names: &["policy"],
        options: &[
            option(&["--dir"], 1),
            option(&["--pol"], 1),
            option(&["--strict"], 0),
            asked(&["--reqid"]),
            asked(&["--spi"]),
            asked(&["--proto"]),
            asked(&["--mode"]),
            asked(&["--tunnel-src"]),
            asked(&["--tunnel-dst"]),
            option(&["--next"], 0),
        ],
        lower: policy,
    },
];

fn named_port(given: &Given<'_>, end: InterfaceEnd) -> Option<Predicate> {
    let name = given.value().filter(|name| !name.is_empty())?;
    Some(port(end, Some(Untrusted::from_bytes(name))))
}

fn port(end: InterfaceEnd, name: Option<Untrusted>) -> Predicate {
    Predicate::BridgePort { end, name }
}

fn policy(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let end = match instance.text("--dir")? {
        "in" => InterfaceEnd::Input,
        "out" => InterfaceEnd::Output,
        _ => return None,
    };
    let protected = match instance.text("--pol")? {
        "ipsec" => true,
        "none" => false,
        _ => return None,
    };
    let is_more = |given: &&Given<'_>| !["--dir", "--pol"].iter().any(|name| given.option.names.contains(name));
    let more: Vec<_> = instance.given.iter().filter(is_more).map(|given| given.raw).collect();
    let more = Untrusted::from_bytes(&more.join(&b' '));
    let test = Test { inverted: false, predicate: Predicate::Ipsec { end, protected, more } };
    Some(vec![Op::Match { inverted: false, all: vec![test] }])
}
