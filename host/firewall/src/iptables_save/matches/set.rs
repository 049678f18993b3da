//! The match that asks a set of `ipset(8)`.

use loopgate_facts::Untrusted;

use crate::ip_set::IpSetId;
use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::rule::{End, IpSetQuestion, IpSetReference, Op, Predicate, Test};

/// It.
pub(super) const SET: &[Extension] = &[Extension {
    names: &["set"],
    options: &[
        option(&["--match-set", "--set"], 2).or_not(),
        option(&["--return-nomatch"], 0),
        option(&["--update-counters"], 0).or_not(),
        option(&["--update-subcounters"], 0).or_not(),
        option(&["--packets-eq"], 1).or_not(),
        option(&["--packets-lt"], 1),
        option(&["--packets-gt"], 1),
        option(&["--bytes-eq"], 1).or_not(),
        option(&["--bytes-lt"], 1),
        option(&["--bytes-gt"], 1),
    ],
    lower,
}];

fn lower(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let asked = instance.get("--match-set")?;
    let is_counted = |name: &&str| name.starts_with("--packets") || name.starts_with("--bytes");
    let counters = instance.given.iter().any(|given| given.option.names.iter().any(is_counted));
    let set = reference(&asked.values)?;
    let question = IpSetQuestion { set, return_nomatch: instance.has("--return-nomatch"), counters };
    let test = Test { inverted: asked.inverted, predicate: Predicate::InIpSet(question) };
    Some(vec![Op::Match { inverted: false, all: vec![test] }])
}

/// A set with the ends of the packet that are asked for: `NAME src,dst`.
pub(in crate::iptables_save) fn reference(values: &[&[u8]]) -> Option<IpSetReference> {
    /// `IPSET_DIM_MAX` (`ipset/ip_set.h`).
    const MOST_ENDS: usize = 6;
    let [name, ends] = values else { return None };
    let end = |word: &[u8]| match word {
        b"src" => Some(End::Source),
        b"dst" => Some(End::Destination),
        _ => None,
    };
    let ends: Vec<_> = ends.split(|byte| *byte == b',').map(end).collect::<Option<_>>()?;
    (ends.len() <= MOST_ENDS).then(|| IpSetReference { id: IpSetId::Name(Untrusted::from_bytes(name)), ends })
}
