//! Targets that change marks.

use crate::iptables_save::grammar::{Extension, Instance, OptionSpec, option};
use crate::iptables_save::targets::verdicts;
use crate::iptables_save::values::{mark, number};
use crate::rule::{Effect, Op};

/// Targets that change the mark of the packet or of the connection.
pub(super) const MARKS: &[Extension] = &[
    Extension { names: &["MARK"], options: &[SET_X, SET, AND, OR, XOR], lower: packet },
    Extension {
        names: &["CONNMARK"],
        options: &[
            SET_X,
            SET,
            AND,
            OR,
            XOR,
            option(&["--save-mark"], 0),
            option(&["--restore-mark"], 0),
            option(&["--ctmask"], 1),
            option(&["--nfmask"], 1),
            option(&["--mask"], 1),
        ],
        lower: connection,
    },
    // The mark becomes a hash of addresses and ports.
    Extension {
        names: &["HMARK"],
        options: &[
            option(&["--hmark-tuple"], 1),
            option(&["--hmark-mod"], 1),
            option(&["--hmark-offset"], 1),
            option(&["--hmark-rnd"], 1),
            option(&["--hmark-src-prefix"], 1),
            option(&["--hmark-dst-prefix"], 1),
            option(&["--hmark-sport-mask"], 1),
            option(&["--hmark-dport-mask"], 1),
            option(&["--hmark-spi-mask"], 1),
            option(&["--hmark-sport"], 1),
            option(&["--hmark-dport"], 1),
            option(&["--hmark-spi"], 1),
            option(&["--hmark-proto-mask"], 1),
        ],
        lower: verdicts::unknown,
    },
];

const SET_X: OptionSpec = option(&["--set-xmark"], 1);
const SET: OptionSpec = option(&["--set-mark"], 1);
const AND: OptionSpec = option(&["--and-mark"], 1);
const OR: OptionSpec = option(&["--or-mark"], 1);
const XOR: OptionSpec = option(&["--xor-mark"], 1);

fn packet(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let (keep, xor) = set(instance)?;
    Some(vec![Op::Effect(Effect::SetMark { keep, xor })])
}

fn connection(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let effect = match (instance.has("--save-mark"), instance.has("--restore-mark")) {
        (false, false) => set(instance).map(|(keep, xor)| Effect::SetConntrackMark { keep, xor })?,
        (true, false) => {
            masks(instance).map(|(of_connection, mask)| Effect::SaveMark { keep: !of_connection, mask })?
        }
        (false, true) => masks(instance).map(|(mask, of_packet)| Effect::RestoreMark { keep: !of_packet, mask })?,
        (true, true) => return None,
    };
    Some(vec![Op::Effect(effect)])
}

/// The masks of the connection's and of the packet's mark (`connmark_tg_shift`, `net/netfilter/xt_connmark.c`).
fn masks(instance: &Instance<'_>) -> Option<(u32, u32)> {
    let mask = |name| match instance.value(name).or_else(|| instance.value("--mask")) {
        Some(text) => number(std::str::from_utf8(text).ok()?),
        None => Some(u32::MAX),
    };
    Some((mask("--ctmask")?, mask("--nfmask")?))
}

/// `mark = (mark & keep) ^ xor` of the one option that says so (`mark_tg`, `net/netfilter/xt_mark.c`;
/// `extensions/libxt_MARK.c`).
fn set(instance: &Instance<'_>) -> Option<(u32, u32)> {
    let [given] = instance.given.as_slice() else { return None };
    let (value, mask) = mark(given.text()?)?;
    match *given.option.names.first()? {
        "--set-xmark" => Some((!mask, value)),
        "--set-mark" => Some((!(mask | value), value)),
        "--and-mark" => Some((value, 0)),
        "--or-mark" => Some((!value, value)),
        "--xor-mark" => Some((u32::MAX, value)),
        _ => None,
    }
}
