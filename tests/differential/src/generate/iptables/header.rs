//! Matches of the IP header, and of how packets come and leave.

use super::{Making, Scope};
use crate::generate::draw::Version;
use crate::ruleset::Part;

/// Packets of the tests have a time to live of 64, no type of service, and few bytes.
pub(super) fn field(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(25);
    let (key, text) = match making.draw.number(0..8) {
        0..3 => return Some(time_to_live(making, not)),
        3 => ("dscp", format!("-m dscp {not}--dscp {}", making.draw.pick(&["0", "0x05", "0x2e", "8"]))),
        4 => ("dscp", format!("-m dscp {not}--dscp-class {}", making.draw.pick(&["EF", "CS1", "BE", "AF21"]))),
        5 => {
            ("tos", format!("-m tos {not}--tos {}", making.draw.pick(&["0", "0x10", "0/0x3f", "0x10/0x10", "8/0xfc"])))
        }
        _ => {
            let lengths = ["2000:65535", "40:1500", "0:39", "60", "0:65535", "100:", "1:9"];
            ("length", format!("-m length {not}--length {}", making.draw.pick(&lengths)))
        }
    };
    Some(Part::new(key, text))
}

fn time_to_live(making: &mut Making<'_>, not: &str) -> Part {
    let key = if making.version == Version::V4 { "ttl" } else { "hl" };
    let value = making.draw.pick(&["1", "3", "62", "63", "64", "65", "255"]);
    let how = making.draw.pick(&["eq", "lt", "gt"]);
    let not = if how == "eq" { not } else { "" };
    Part::new(key, format!("-m {key} {not}--{key}-{how} {value}"))
}

/// No packet of the tests comes by a bridge or is protected.
pub(super) fn way(making: &mut Making<'_>, _: &Scope) -> Option<Part> {
    let not = making.not(40);
    if making.draw.chance(50) {
        // The kernel takes them only where a packet has come in, or is about to leave.
        let direction = if matches!(making.place.chain, "PREROUTING" | "INPUT") { "in" } else { "out" };
        let policy = making.draw.pick(&["none", "none", "ipsec", "ipsec --proto esp", "ipsec --reqid 5 --strict"]);
        return Some(Part::new("policy", format!("-m policy --dir {direction} --pol {policy}")));
    }
    let option = match making.place.chain {
        "PREROUTING" | "INPUT" => making.draw.pick(&["--physdev-in eth0", "--physdev-in e+", "--physdev-is-in"]),
        "FORWARD" => making.draw.pick(&["--physdev-in eth0", "--physdev-is-bridged", "--physdev-is-in"]),
        _ => return None,
    };
    Some(Part::new("physdev", format!("-m physdev {not}{option}")))
}
