//! Matches that depend on how much traffic there was.

use super::words;
use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::iptables_save::values::number;
use crate::rule::{Op, Rate};

/// Matches of rates and counts.
pub(super) const RATES: &[Extension] = &[
    Extension {
        names: &["limit"],
        options: &[option(&["--limit"], 1), option(&["--limit-burst"], 1)],
        lower: |instance| rate(instance, true),
    },
    Extension {
        names: &["hashlimit"],
        options: &[
            option(&["--hashlimit-upto", "--hashlimit"], 1).or_not(),
            option(&["--hashlimit-above"], 1).or_not(),
            option(&["--hashlimit-mode"], 1),
            option(&["--hashlimit-srcmask"], 1),
            option(&["--hashlimit-dstmask"], 1),
            option(&["--hashlimit-name"], 1),
            option(&["--hashlimit-burst"], 1),
            option(&["--hashlimit-htable-size"], 1),
            option(&["--hashlimit-htable-max"], 1),
            option(&["--hashlimit-htable-gcinterval"], 1),
            option(&["--hashlimit-htable-expire"], 1),
            option(&["--hashlimit-rate-match"], 0),
            option(&["--hashlimit-rate-interval"], 1),
        ],
        lower: |instance| below_or_above(instance, "--hashlimit-upto", "--hashlimit-above"),
    },
    Extension {
        names: &["connlimit"],
        options: &[
            option(&["--connlimit-upto"], 1).or_not(),
            option(&["--connlimit-above"], 1).or_not(),
            option(&["--connlimit-mask"], 1),
            option(&["--connlimit-saddr"], 0),
            option(&["--connlimit-daddr"], 0),
        ],
        lower: connections,
    },
    Extension {
        names: &["recent"],
        options: &[
            option(&["--set"], 0).or_not(),
            option(&["--rcheck"], 0).or_not(),
            option(&["--update"], 0).or_not(),
            option(&["--remove"], 0).or_not(),
            option(&["--seconds"], 1),
            option(&["--reap"], 0),
            option(&["--hitcount"], 1),
            option(&["--rttl"], 0),
            option(&["--name"], 1),
            option(&["--mask"], 1),
            option(&["--rsource"], 0),
            option(&["--rdest"], 0),
        ],
        lower: recent,
    },
];

fn rate(instance: &Instance<'_>, usually: bool) -> Option<Vec<Op>> {
    Some(vec![Op::Rate(Rate { text: words(instance), usually })])
}

/// A peer that is not being throttled stays below.
fn below_or_above(instance: &Instance<'_>, below: &str, above: &str) -> Option<Vec<Op>> {
    match (instance.get(below), instance.get(above)) {
        (Some(below), None) => rate(instance, !below.inverted),
        (None, Some(above)) => rate(instance, above.inverted),
        _ => None,
    }
}

/// The packet that is asked about belongs to the first connection of its peer, which counts (`connlimit_mt`,
/// `net/netfilter/xt_connlimit.c`): a limit of 0 is exceeded at once.
fn connections(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let (given, above) = match (instance.get("--connlimit-upto"), instance.get("--connlimit-above")) {
        (Some(given), None) => (given, false),
        (None, Some(given)) => (given, true),
        _ => return None,
    };
    let limit: u32 = number(given.text()?)?;
    rate(instance, ((limit == 0) == above) != given.inverted)
}

/// `--set` holds once the address is in the list; the others hold where it was there before, which an ordinary peer's
/// is not (`recent_mt`, `net/netfilter/xt_recent.c`).
fn recent(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let actions = ["--set", "--rcheck", "--update", "--remove"];
    let mut given = actions.iter().filter_map(|action| Some((*action, instance.get(action)?)));
    let (action, first) = given.next()?;
    if given.next().is_some() {
        return None;
    }
    rate(instance, (action == "--set") != first.inverted)
}
