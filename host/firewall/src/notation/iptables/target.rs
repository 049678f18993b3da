//! What is done, in the words of iptables.

use std::net::IpAddr;

use super::{quote, tests_of};
use crate::Ruleset;
use crate::iptables_save::is_target;
use crate::rule::{Effect, End, Note, Op, Operand, Target, Translation, Verdict};
use crate::ruleset::ChainId;

/// A target.
pub(super) struct Shown {
    /// It, with `-j` or `-g`.
    pub(super) words: String,
    /// What follows in the rule is part of it.
    pub(super) whole: bool,
}

/// Targets that are shown from a note because the operations that follow it say less.
const WITH_OPERATIONS: [&str; 6] = ["NFQUEUE", "TPROXY", "DNAT", "SNAT", "REDIRECT", "MASQUERADE"];

/// The target that operations begin with.
pub(super) fn target(ops: &[Op], ruleset: &Ruleset) -> Option<Shown> {
    let (words, whole) = match ops {
        [Op::Note(Note::Other(text)), ..] => (note(text.as_str())?, is_with_operations(text.as_str())),
        [Op::Verdict(Verdict::TransparentProxy { address, port }), behind @ ..] => {
            (transparent_proxy(address.as_ref(), port.as_ref(), behind)?, true)
        }
        [Op::Verdict(verdict), ..] => (self::verdict(verdict, ruleset)?, false),
        [Op::Effect(effect), ..] => (self::effect(effect, ruleset)?, false),
        _ => return None,
    };
    Some(Shown { words, whole })
}

fn is_with_operations(text: &str) -> bool {
    text.split(' ').next().is_some_and(|name| WITH_OPERATIONS.contains(&name))
}

/// A target that is its own note, or a log of `nf_tables`, which `iptables-nft` writes for `NFLOG`.
fn note(text: &str) -> Option<String> {
    if is_target(text) {
        return Some(format!("-j {text}"));
    }
    if text == "log" {
        return Some("-j NFLOG".to_owned());
    }
    let prefix = text.strip_prefix("log prefix \"")?.strip_suffix('"')?;
    Some(format!("-j NFLOG --nflog-prefix {}", quote(prefix)))
}

fn verdict(verdict: &Verdict, ruleset: &Ruleset) -> Option<String> {
    Some(match verdict {
        Verdict::Accept => "-j ACCEPT".to_owned(),
        Verdict::Drop => "-j DROP".to_owned(),
        Verdict::Return => "-j RETURN".to_owned(),
        Verdict::Jump(chain) => format!("-j {}", chain_name(*chain, ruleset)?),
        Verdict::Goto(chain) => format!("-g {}", chain_name(*chain, ruleset)?),
        Verdict::Reject(how) => format!("-j REJECT --reject-with {}", how.as_str().replace(' ', "-")),
        Verdict::Queue { bypass: false } => "-j QUEUE".to_owned(),
        Verdict::Queue { bypass: true } => "-j NFQUEUE --queue-bypass".to_owned(),
        Verdict::Translate(translation) => translate(translation)?,
        _ => return None,
    })
}

fn chain_name(chain: ChainId, ruleset: &Ruleset) -> Option<String> {
    Some(quote(ruleset.chain(chain)?.name.as_str()))
}

fn effect(effect: &Effect, ruleset: &Ruleset) -> Option<String> {
    Some(match effect {
        Effect::SetMark { keep, xor } => format!("-j MARK --set-xmark {}", set(*keep, *xor)),
        Effect::SetConntrackMark { keep, xor } => format!("-j CONNMARK --set-xmark {}", set(*keep, *xor)),
        Effect::SaveMark { keep, mask } => {
            format!("-j CONNMARK --save-mark --nfmask {mask:#x} --ctmask {:#x}", !keep)
        }
        Effect::RestoreMark { keep, mask } => {
            format!("-j CONNMARK --restore-mark --nfmask {:#x} --ctmask {mask:#x}", !keep)
        }
        Effect::ChangeIpSets(changes) => changes.iter().fold("-j SET".to_owned(), |text, change| {
            let option = if change.deletes { "--del-set" } else { "--add-set" };
            format!("{text} {option} {}", tests_of::ip_set(&change.set, ruleset))
        }),
        Effect::NoTrack => "-j CT --notrack".to_owned(),
        Effect::Write { name, .. } if is_target(name.as_str()) => format!("-j {}", name.as_str()),
        _ => return None,
    })
}

fn set(keep: u32, xor: u32) -> String {
    format!("{xor:#x}/{:#x}", !keep)
}

/// The mark that follows is part of it, and so is the verdict.
fn transparent_proxy(address: Option<&Operand>, port: Option<&Operand>, behind: &[Op]) -> Option<String> {
    let port = match port {
        None => 0,
        Some(Operand::Port(port)) => *port,
        Some(_) => return None,
    };
    let address = match address {
        None => String::new(),
        Some(Operand::Address(address)) => format!(" --on-ip {address}"),
        Some(_) => return None,
    };
    let mark = match behind.first() {
        Some(Op::Effect(Effect::SetMark { keep, xor })) => format!(" --tproxy-mark {}", set(*keep, *xor)),
        _ => String::new(),
    };
    Some(format!("-j TPROXY --on-port {port}{address}{mark}"))
}

fn translate(translation: &Translation) -> Option<String> {
    let ports = match &translation.ports {
        None => None,
        Some((Operand::Port(low), Operand::Port(high))) if low == high => Some(low.to_string()),
        Some((Operand::Port(low), Operand::Port(high))) => Some(format!("{low}-{high}")),
        Some(_) => return None,
    };
    let to_ports = ports.as_ref().map(|ports| format!(" --to-ports {ports}")).unwrap_or_default();
    Some(match (&translation.target, translation.end) {
        (Target::Addresses(addresses), end) => {
            let to = to(addresses.as_ref(), ports.as_deref())?;
            match end {
                End::Destination => format!("-j DNAT --to-destination {to}"),
                End::Source => format!("-j SNAT --to-source {to}"),
            }
        }
        (Target::Redirect, End::Destination) => format!("-j REDIRECT{to_ports}"),
        (Target::Masquerade, End::Source) => format!("-j MASQUERADE{to_ports}"),
        (Target::Prefix(address, mask), _) => format!("-j NETMAP --to {}", tests_of::masked(*address, *mask)),
        (Target::Unknown(text), _) if is_target(text.as_str()) => format!("-j {}", text.as_str()),
        _ => return None,
    })
}

/// `10.0.0.1-10.0.0.9:80-90`; an IPv6 address with ports stands in brackets.
fn to(addresses: Option<&(Operand, Operand)>, ports: Option<&str>) -> Option<String> {
    let ports = ports.map(|ports| format!(":{ports}"));
    let Some(addresses) = addresses else { return ports };
    let (Operand::Address(low), Operand::Address(high)) = addresses else { return None };
    let range = if low == high { low.to_string() } else { format!("{low}-{high}") };
    Some(match (low, ports) {
        (IpAddr::V6(_), Some(ports)) => format!("[{range}]{ports}"),
        (_, ports) => range + &ports.unwrap_or_default(),
    })
}
