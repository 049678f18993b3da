//! Filters of traffic control that act on packets (`tc(8)`): before ingress hooks, and behind the last hook of the way
//! out.

use loopgate_facts::{Bypass, BypassKind, Untrusted};

use super::Bypasses;
use crate::linux::interfaces::Devices;
use crate::linux::netlink::{NetlinkError, Request, dump, find, u32_at};
use crate::linux::rtnetlink::{NETLINK_ROUTE, short};

pub(super) fn observe(devices: &Devices, bypasses: &mut Bypasses) {
    let disciplines = match disciplines() {
        Ok(disciplines) => disciplines,
        Err(error) => return bypasses.refuse("traffic control", &error),
    };
    for (index, parent, direction) in disciplines.iter().flat_map(Discipline::places) {
        let interface = Some(devices.name(index));
        match filters(index, parent) {
            Ok(kinds) if kinds.is_empty() => {}
            Ok(kinds) => bypasses.found.push(Bypass {
                interface,
                kind: BypassKind::TrafficControl,
                detail: format!("{direction} filters: {}", summary(kinds)).into(),
            }),
            Err(error) => bypasses.found.push(Bypass {
                interface,
                kind: BypassKind::TrafficControl,
                detail: format!("{direction} filters that cannot be read: {error}").into(),
            }),
        }
    }
}

fn summary(mut kinds: Vec<Untrusted>) -> String {
    let count = kinds.len();
    kinds.sort();
    kinds.dedup();
    let kinds: Vec<_> = kinds.iter().map(Untrusted::as_str).collect();
    format!("{count} of {}", kinds.join(", "))
}

/// A queueing discipline of a device.
#[derive(Debug, PartialEq, Eq)]
struct Discipline {
    device: u32,
    handle: u32,
    kind: Vec<u8>,
}

/// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS` (`include/uapi/linux/pkt_sched.h`). The older `ingress`
/// has the same handle, and the same parent for its filters.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// `TC_H_INGRESS` without its minor number: the handle that `tc` gives it.
const INGRESS_HANDLE: u32 = 0xffff_0000;

impl Discipline {
    /// Where its filters can be: the parents to ask for.
    fn places(&self) -> Vec<(u32, u32, &'static str)> {
        let place = |parent, direction| (self.device, parent, direction);
        match self.kind.as_slice() {
            b"clsact" => vec![place(INGRESS, "ingress"), place(EGRESS, "egress")],
            b"ingress" => vec![place(INGRESS_HANDLE, "ingress")],
            // The discipline of a device that has none, which has no handle either.
            b"noqueue" => Vec::new(),
            _ if self.handle == 0 => Vec::new(),
            _ => vec![place(self.handle, "egress")],
        }
    }
}

/// `sizeof(struct tcmsg)`: family, padding, index, handle, parent, info.
const HEADER: usize = 20;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

fn disciplines() -> Result<Vec<Discipline>, NetlinkError> {
    const RTM_NEWQDISC: u16 = 36;
    const RTM_GETQDISC: u16 = 38;
    let body = vec![0; HEADER];
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETQDISC, answer: RTM_NEWQDISC, body };
    dump(&request, |payload| parse_discipline(payload).map(Some))
}

fn parse_discipline(payload: &[u8]) -> Result<Discipline, NetlinkError> {
    let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let kind = find(rest, TCA_KIND)?.map(|kind| kind.bytes().to_vec()).unwrap_or_default();
    let number = |offset| u32_at(header, offset).ok_or_else(short);
    Ok(Discipline { device: number(4)?, handle: number(8)?, kind })
}

/// The kinds of the filters at a place that do something to packets.
fn filters(device: u32, parent: u32) -> Result<Vec<Untrusted>, NetlinkError> {
    const RTM_NEWTFILTER: u16 = 44;
    const RTM_GETTFILTER: u16 = 46;
    let mut body = vec![0; HEADER];
    for (offset, number) in [(4, device), (12, parent)] {
        if let Some(place) = body.get_mut(offset..offset + 4) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
    }
    let request = Request { protocol: NETLINK_ROUTE, kind: RTM_GETTFILTER, answer: RTM_NEWTFILTER, body };
    dump(&request, acting)
}

/// The kind of a filter, if it acts.
fn acting(payload: &[u8]) -> Result<Option<Untrusted>, NetlinkError> {
    let (_, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let Some(kind) = find(rest, TCA_KIND)? else { return Ok(None) };
    // A filter chain without an entry yet is announced without options.
    let Some(options) = find(rest, TCA_OPTIONS)? else { return Ok(None) };
    Ok(acts(kind.bytes(), options.value)?.then(|| kind.text()))
}

/// Kinds of filters, and the attributes that hold what they do besides choosing a class (`TCA_*_ACT`, `TCA_*_POLICE`,
/// `include/uapi/linux/pkt_cls.h`).
const ACTIONS: [(&[u8], &[u16]); 8] = [
    (b"u32", &[6, 7]),
    (b"route", &[5, 6]),
    (b"fw", &[2, 4]),
    (b"flow", &[9, 10]),
    (b"basic", &[3, 4]),
    (b"cgroup", &[1, 2]),
    (b"flower", &[3]),
    (b"matchall", &[2]),
];

/// Whether a filter does more than choose a class. One of another kind, such as `bpf`, is taken to.
fn acts(kind: &[u8], options: &[u8]) -> Result<bool, NetlinkError> {
    let Some((_, attributes)) = ACTIONS.iter().find(|(known, _)| *known == kind) else { return Ok(true) };
    for attribute in *attributes {
        if find(options, *attribute)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = parse_discipline(&bytes);
            let _ = acting(&bytes);
            let _ = acting(&[&[0; HEADER][..], &bytes].concat());
            let _ = acts(b"u32", &bytes);
        }
    }
}
