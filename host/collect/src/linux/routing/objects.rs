//! Next hops that have numbers of their own (`ip-nexthop(8)`), which routes can name instead of saying where they lead.

use std::collections::HashMap;

use super::tunnels::{Tunnel, tunnel};
use crate::linux::netlink::{Attribute, NetlinkError, Request, dump, find, u32_at};
use crate::linux::rtnetlink::{NETLINK_ROUTE, short};

/// The next hops by number.
#[derive(Debug, Default)]
pub(super) struct Objects(HashMap<u32, Object>);

/// A next hop, or a group of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Object {
    interface: Option<u32>,
    members: Vec<u32>,
    tunnel: Option<Tunnel>,
}

impl Objects {
    pub(super) fn read() -> Result<Self, NetlinkError> {
        const RTM_NEWNEXTHOP: u16 = 104;
        const RTM_GETNEXTHOP: u16 = 106;
        let (kind, answer, body) = (RTM_GETNEXTHOP, RTM_NEWNEXTHOP, vec![0; HEADER]);
        let found = dump(&Request { protocol: NETLINK_ROUTE, kind, answer, body }, parse)?;
        Ok(Self(found.into_iter().collect()))
    }

    /// The interfaces that a route by an object leads over; `None` where it is not known.
    pub(super) fn interfaces(&self, number: u32) -> Option<Vec<u32>> {
        let Self(objects) = self;
        let object = objects.get(&number)?;
        let members = object.members.iter().map(|member| objects.get(member)?.interface);
        object.interface.map(Some).into_iter().chain(members).collect()
    }

    pub(super) fn tunnels(&self) -> impl Iterator<Item = Tunnel> {
        self.0.values().filter_map(|object| object.tunnel)
    }
}

/// `sizeof(struct nhmsg)`: family, scope, protocol, padding, flags.
const HEADER: usize = 8;

fn parse(payload: &[u8]) -> Result<Option<(u32, Object)>, NetlinkError> {
    const NHA_ID: u16 = 1;
    const NHA_GROUP: u16 = 2;
    const NHA_OIF: u16 = 5;
    const NHA_ENCAP_TYPE: u16 = 7;
    /// `sizeof(struct nexthop_grp)`, which begins with the number of the member.
    const MEMBER: usize = 8;
    let (_, rest) = payload.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let Some(number) = find(rest, NHA_ID)?.map(Attribute::u32).transpose()? else { return Ok(None) };
    let group = find(rest, NHA_GROUP)?.map_or(&[][..], |attribute| attribute.value);
    Ok(Some((
        number,
        Object {
            interface: find(rest, NHA_OIF)?.map(Attribute::u32).transpose()?,
            members: group.chunks_exact(MEMBER).filter_map(|member| u32_at(member, 0)).collect(),
            tunnel: tunnel(find(rest, NHA_ENCAP_TYPE)?),
        },
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_leads_over_the_interfaces_of_its_members() {
        let single = |interface| Object { interface, ..Object::default() };
        let group = |members: &[u32]| Object { members: members.to_vec(), ..Object::default() };
        let objects = [
            (1, single(Some(4))),
            (2, single(Some(5))),
            (3, single(None)),
            (10, group(&[1, 2])),
            (11, group(&[1, 9])),
            (12, group(&[3])),
        ];
        let objects = Objects(objects.into_iter().collect());
        assert_eq!(objects.interfaces(1), Some(vec![4]));
        assert_eq!(objects.interfaces(3), Some(Vec::new()));
        assert_eq!(objects.interfaces(10), Some(vec![4, 5]));
        for number in [11, 12, 77] {
            assert_eq!(objects.interfaces(number), None, "{number}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse(&[&[0; HEADER][..], &bytes].concat());
        }
    }
}
