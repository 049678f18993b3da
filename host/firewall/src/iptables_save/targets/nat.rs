//! Address translation.

use std::net::IpAddr;
use std::str::FromStr;

use super::{note_of, verdicts};
use crate::iptables_save::grammar::{Extension, Instance, option};
use crate::iptables_save::values::{addresses, masked, range};
use crate::rule::{End, Op, Operand, Target, Translation, Verdict};
use crate::ruleset::{Family, Hook};

/// Targets of the table `nat`.
pub(super) const NAT: &[Extension] = &[
    Extension {
        names: &["DNAT"],
        options: &[option(&["--to-destination"], 1), option(&["--random"], 0), option(&["--persistent"], 0)],
        lower: |instance| to_address(instance, "--to-destination", End::Destination),
    },
    Extension {
        names: &["SNAT"],
        options: &[
            option(&["--to-source"], 1),
            option(&["--random"], 0),
            option(&["--random-fully"], 0),
            option(&["--persistent"], 0),
        ],
        lower: |instance| to_address(instance, "--to-source", End::Source),
    },
    Extension {
        names: &["REDIRECT"],
        options: &[option(&["--to-ports"], 1), option(&["--random"], 0)],
        lower: |instance| to_ports(instance, End::Destination, Target::Redirect),
    },
    Extension {
        names: &["MASQUERADE"],
        options: &[option(&["--to-ports"], 1), option(&["--random"], 0), option(&["--random-fully"], 0)],
        lower: |instance| to_ports(instance, End::Source, Target::Masquerade),
    },
    Extension { names: &["NETMAP"], options: &[option(&["--to"], 1)], lower: netmap },
    // Prefixes of IPv6 are translated without a connection.
    Extension { names: &["DNPT"], options: PREFIXES, lower: verdicts::unknown },
    Extension { names: &["SNPT"], options: PREFIXES, lower: verdicts::unknown },
];

const PREFIXES: &[crate::iptables_save::grammar::OptionSpec] = &[option(&["--src-pfx"], 1), option(&["--dst-pfx"], 1)];

/// Options that choose among ports and addresses, and are not modelled.
const CHOICES: [&str; 3] = ["--random", "--random-fully", "--persistent"];

type Ports = Option<(Operand, Operand)>;

/// `DNAT` and `SNAT`.
fn to_address(instance: &Instance<'_>, name: &str, end: End) -> Option<Vec<Op>> {
    let (target, ports) = destination(instance.text(name)?, instance.site.family)?;
    Some(translate(instance, Translation { end, target, ports }))
}

/// Some versions print what they cannot decode as several destinations, some of them empty. Where the packet goes is
/// not known then, but it is translated.
pub(super) fn garbled(instance: &Instance<'_>) -> Option<Translation> {
    let end = match *instance.extension.names.first()? {
        "DNAT" => End::Destination,
        "SNAT" => End::Source,
        _ => return None,
    };
    Some(Translation { end, target: Target::Unknown(instance.words()), ports: None })
}

fn translate(instance: &Instance<'_>, translation: Translation) -> Vec<Op> {
    let shown = note_of(instance, &CHOICES);
    shown.into_iter().chain([Op::Verdict(Verdict::Translate(translation))]).collect()
}

/// `10.0.0.1`, `10.0.0.1-10.0.0.9:80-90`, `:80`, `[fd00::1]:80`, `fd00::1`.
fn destination(text: &str, family: Family) -> Option<(Target, Ports)> {
    let (address, port) = match family {
        Family::Ip6 => split_ip6(text)?,
        _ => text.split_once(':').map_or((text, None), |(address, port)| (address, Some(port))),
    };
    let ports = match port {
        Some(port) => Some(port_range(port)?),
        None => None,
    };
    if address.is_empty() {
        return ports.map(|ports| (Target::Addresses(None), Some(ports)));
    }
    let range = addresses(address)?;
    let fits = range.start().is_ipv4() == (family == Family::Ip);
    let both = (Operand::Address(*range.start()), Operand::Address(*range.end()));
    fits.then_some((Target::Addresses(Some(both)), ports))
}

fn split_ip6(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(port) = text.strip_prefix(':')
        && !port.starts_with(':')
    {
        return Some(("", Some(port)));
    }
    let Some(inner) = text.strip_prefix('[') else { return Some((text, None)) };
    let (address, behind) = inner.split_once(']')?;
    if behind.is_empty() { Some((address, None)) } else { Some((address, Some(behind.strip_prefix(':')?))) }
}

/// `80` or `80-90`. A shifted range (`80-90/1080`) maps ports one by one and is not modelled.
fn port_range(text: &str) -> Option<(Operand, Operand)> {
    let range = range::<u16>(text, '-', None)?;
    Some((Operand::Port(*range.start()), Operand::Port(*range.end())))
}

fn to_ports(instance: &Instance<'_>, end: End, target: Target) -> Option<Vec<Op>> {
    let ports = match instance.value("--to-ports") {
        Some(_) => Some(port_range(instance.text("--to-ports")?)?),
        None => None,
    };
    Some(translate(instance, Translation { end, target, ports }))
}

/// The hook tells which end is mapped (`netmap_tg4`, `net/netfilter/xt_NETMAP.c`).
fn netmap(instance: &Instance<'_>) -> Option<Vec<Op>> {
    let end = match instance.site.hook {
        None | Some(Hook::Prerouting | Hook::Output) => End::Destination,
        Some(_) => End::Source,
    };
    let text = instance.text("--to")?;
    let (address, mask) = masked(text)?;
    let fits =
        IpAddr::from_str(text.split('/').next()?).is_ok() && address.is_ipv4() == (instance.site.family == Family::Ip);
    let translation = Translation { end, target: Target::Prefix(address, mask), ports: None };
    fits.then(|| vec![Op::Verdict(Verdict::Translate(translation))])
}
