//! Addresses (`xt_iprange.h`, `xt_rpfilter.h`).

use std::net::IpAddr;

use super::super::Structure;
use super::{all, single, test};
use crate::rule::{End, Op, Predicate, Test};

/// `struct xt_iprange_mtinfo`; `net/netfilter/xt_iprange.c`.
pub(super) fn range(structure: &mut Structure<'_>) -> Option<Op> {
    const ALL: u8 = 0b11_0011;
    let mut range = || Some((structure.address()?, structure.address()?));
    let (source, destination) = (range()?, range()?);
    let flags = structure.u8()?;
    if flags & !ALL != 0 {
        return None;
    }
    let ends = [(End::Source, source, 0), (End::Destination, destination, 1)];
    let asked = ends.into_iter().filter(|(.., bit)| flags & 1 << bit != 0);
    Some(all(asked.map(|(end, range, bit)| within(end, range, flags & 16 << bit != 0)).collect()))
}

fn within(end: End, (from, to): (IpAddr, IpAddr), inverted: bool) -> Test {
    let predicate = if from <= to {
        Predicate::AddressRange { end, range: from..=to }
    } else {
        Predicate::Unknown(format!("-m iprange with the empty range {from}-{to}").into())
    };
    test(predicate, inverted)
}

/// `struct xt_rpfilter_info`.
pub(super) fn reverse_path(structure: &mut Structure<'_>) -> Option<Op> {
    let flags = structure.u8()?;
    if flags > 0b1111 {
        return None;
    }
    let [loose, mark, accept_local, inverted] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
    Some(single(Predicate::ReversePath { loose, mark, accept_local }, inverted))
}

/// The bits of an address under a mask.
pub(crate) fn masked(address: IpAddr, mask: IpAddr) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => (address & mask).into(),
        (IpAddr::V6(address), IpAddr::V6(mask)) => (address & mask).into(),
        _ => address,
    }
}
