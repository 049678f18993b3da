//! Routes that do more with a packet than send it on (`LWTUNNEL_ENCAP_*`, `include/uapi/linux/lwtunnel.h`).

use loopgate_facts::{Bypass, BypassKind};

use crate::linux::netlink::{Attribute, find, u32_at};

/// What a route does to packets that come in: with it they can go on to a socket past prerouting, with other addresses
/// than they came with (`lwtunnel_input`, `net/core/lwtunnel.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tunnel(u16);

/// `RTA_ENCAP_TYPE` (`include/uapi/linux/rtnetlink.h`).
pub(super) const RTA_ENCAP_TYPE: u16 = 21;

const SEG6_LOCAL: u16 = 7;
const ILA: u16 = 3;
const BPF: u16 = 6;

/// The tunnel that an attribute names, if it does anything to packets that come in. One that is not known is taken to.
pub(super) fn tunnel(kind: Option<Attribute<'_>>) -> Option<Tunnel> {
    // None, MPLS, IP, IPv6, SRv6, RPL, IOAM and xfrm: they wrap what is sent.
    const SENDING: [u16; 8] = [0, 1, 2, 4, 5, 8, 9, 10];
    let kind = kind?.value.first_chunk().map(|kind| u16::from_ne_bytes(*kind))?;
    (!SENDING.contains(&kind)).then_some(Tunnel(kind))
}

/// The tunnels of the next hops of a route (`struct rtnexthop`).
pub(super) fn tunnels_of_hops(mut bytes: &[u8]) -> Option<Tunnel> {
    const HEADER: usize = 8;
    while u32_at(bytes, 4).is_some() {
        let length = bytes.first_chunk().map_or(0, |length| usize::from(u16::from_ne_bytes(*length)));
        let attributes = bytes.get(HEADER..length).unwrap_or_default();
        if let Some(found) = find(attributes, RTA_ENCAP_TYPE).ok().and_then(tunnel) {
            return Some(found);
        }
        bytes = bytes.get(length.next_multiple_of(4).max(HEADER)..).unwrap_or_default();
    }
    None
}

impl Tunnel {
    /// As a fact. Where it takes its packets to is not followed.
    pub(super) fn bypass(self) -> Bypass {
        let kind = match self {
            Self(SEG6_LOCAL) => "seg6local".to_owned(),
            Self(ILA) => "ila".to_owned(),
            Self(BPF) => "bpf".to_owned(),
            Self(other) => format!("type {other}"),
        };
        Bypass { interface: None, kind: BypassKind::Other, detail: format!("routes with encap {kind}").into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16) -> Vec<u8> {
        [&6_u16.to_ne_bytes()[..], &RTA_ENCAP_TYPE.to_ne_bytes(), &kind.to_ne_bytes(), &[0; 2]].concat()
    }

    #[test]
    fn what_only_wraps_packets_is_no_bypass() {
        for (kind, expected) in [(SEG6_LOCAL, true), (BPF, true), (ILA, true), (2, false), (5, false), (99, true)] {
            let bytes = attribute(kind);
            assert_eq!(tunnel(find(&bytes, RTA_ENCAP_TYPE).unwrap()).is_some(), expected, "{kind}");
        }
        assert_eq!(Tunnel(7).bypass().detail.as_str(), "routes with encap seg6local");
        assert_eq!(Tunnel(99).bypass().detail.as_str(), "routes with encap type 99");
    }

    #[test]
    fn every_next_hop_is_looked_at() {
        let hop = |attributes: &[u8]| {
            let length = u16::try_from(8 + attributes.len()).unwrap();
            [&length.to_ne_bytes()[..], &[0; 2], &2_u32.to_ne_bytes(), attributes].concat()
        };
        let hops = [hop(&[]), hop(&attribute(SEG6_LOCAL))].concat();
        assert_eq!(tunnels_of_hops(&hops), Some(Tunnel(SEG6_LOCAL)));
        assert_eq!(tunnels_of_hops(&hop(&attribute(5))), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = tunnels_of_hops(&bytes);
        }
    }
}
