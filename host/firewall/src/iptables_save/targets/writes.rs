//! Targets that write to the packet, or to what is known about it.

use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::iptables_save::matches::set::reference;
use crate::iptables_save::targets::verdicts;
use crate::rule::{Effect, IpSetChange, Op, PayloadBase};
use crate::ruleset::Family;

/// Where something is written: base, offset, length.
type Place = (PayloadBase, u32, u32);

/// Targets that write.
pub(super) const WRITES: &[Extension] = &[
    Extension {
        names: &["CT"],
        options: &[
            option(&["--notrack"], 0),
            option(&["--helper"], 1),
            option(&["--timeout"], 1),
            option(&["--ctevents"], 1),
            option(&["--expevents"], 1),
            option(&["--zone"], 1),
            option(&["--zone-orig"], 1),
            option(&["--zone-reply"], 1),
        ],
        lower: connection,
    },
    Extension { names: &["NOTRACK"], options: &[], lower: |_| Some(vec![Op::Effect(Effect::NoTrack)]) },
    Extension { names: &["CLASSIFY"], options: &[option(&["--set-class"], 1)], lower: |it| write(it, None) },
    Extension { names: &["SECMARK"], options: &[option(&["--selctx"], 1)], lower: |it| write(it, None) },
    Extension {
        names: &["CONNSECMARK"],
        options: &[option(&["--save"], 0), option(&["--restore"], 0)],
        lower: |it| write(it, None),
    },
    // The position of an option of TCP is not fixed; nothing that decides reads it.
    Extension {
        names: &["TCPMSS"],
        options: &[option(&["--set-mss"], 1), option(&["--clamp-mss-to-pmtu"], 0)],
        lower: |it| write(it, None),
    },
    Extension { names: &["TCPOPTSTRIP"], options: &[option(&["--strip-options"], 1)], lower: |it| write(it, None) },
    Extension {
        names: &["DSCP"],
        options: &[option(&["--set-dscp"], 1), option(&["--set-dscp-class"], 1)],
        lower: |it| write(it, Some(type_of_service(it))),
    },
    Extension {
        names: &["TOS"],
        options: &[
            option(&["--set-tos"], 1),
            option(&["--and-tos"], 1),
            option(&["--or-tos"], 1),
            option(&["--xor-tos"], 1),
        ],
        lower: |it| write(it, Some(type_of_service(it))),
    },
    Extension {
        names: &["ECN"],
        options: &[
            option(&["--ecn-tcp-remove"], 0),
            option(&["--ecn-tcp-cwr"], 1),
            option(&["--ecn-tcp-ece"], 1),
            option(&["--ecn-ip-ect"], 1),
        ],
        lower: |it| write(it, Some((PayloadBase::Transport, 12, 2))),
    },
    Extension {
        names: &["TTL"],
        options: &[option(&["--ttl-set"], 1), option(&["--ttl-dec"], 1), option(&["--ttl-inc"], 1)],
        lower: |it| write(it, Some((PayloadBase::Network, 8, 1))),
    },
    Extension {
        names: &["HL"],
        options: &[option(&["--hl-set"], 1), option(&["--hl-dec"], 1), option(&["--hl-inc"], 1)],
        lower: |it| write(it, Some((PayloadBase::Network, 7, 1))),
    },
    Extension {
        names: &["SET"],
        options: &[
            option(&["--add-set"], 2),
            option(&["--del-set"], 2),
            option(&["--map-set"], 2),
            option(&["--exist"], 0),
            option(&["--timeout"], 1),
            option(&["--map-mark"], 0),
            option(&["--map-prio"], 0),
            option(&["--map-queue"], 0),
        ],
        lower: set,
    },
];

fn write(instance: &Instance<'_>, payload: Option<Place>) -> Option<Vec<Op>> {
    Some(vec![Op::Effect(Effect::Write { payload, name: instance.words() })])
}

/// The second byte of IPv4, or bits of the first two of IPv6.
fn type_of_service(instance: &Instance<'_>) -> Place {
    match instance.site.family {
        Family::Ip6 => (PayloadBase::Network, 0, 2),
        _ => (PayloadBase::Network, 1, 1),
    }
}

fn connection(instance: &Instance<'_>) -> Option<Vec<Op>> {
    if instance.has("--notrack") {
        return (instance.given.len() == 1).then(|| vec![Op::Effect(Effect::NoTrack)]);
    }
    write(instance, None)
}

/// What is in a set changes; mapping can set the mark of the packet.
fn set(instance: &Instance<'_>) -> Option<Vec<Op>> {
    if instance.has("--map-set") {
        return verdicts::unknown(instance);
    }
    let change = |(option, deletes)| {
        let given = instance.get(option)?;
        Some(reference(&given.values).map(|set| IpSetChange { set, deletes }))
    };
    let changes = [("--add-set", false), ("--del-set", true)].into_iter().filter_map(change);
    Some(vec![Op::Effect(Effect::ChangeIpSets(changes.collect::<Option<_>>()?))])
}
