//! Targets that change sets of `ipset(8)` (`xt_set.h`). The next rule follows.

use super::super::Structure;
use super::super::matches::set::reference;
use crate::rule::{Effect, IpSetChange, Op};

/// `struct xt_set_info_target_v1` and `struct xt_set_info_target_v2`.
pub(super) fn changes(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let both = [change(structure, false), change(structure, true)].into_iter().flatten();
    Some(vec![Op::Effect(Effect::ChangeIpSets(both.collect::<Option<_>>()?))])
}

/// `struct xt_set_info_target_v3`. A member can give the packet a mark (`--map-set`), which is not understood.
pub(super) fn with_map(structure: &mut Structure<'_>) -> Option<Vec<Op>> {
    let changes = changes(structure)?;
    (structure.u16()? == NO_SET).then_some(changes)
}

/// `IPSET_INVALID_ID` (`ipset/ip_set.h`).
const NO_SET: u16 = 65_535;

/// What is done to the set of a `struct xt_set_info`: nothing where it names none.
fn change(structure: &mut Structure<'_>, deletes: bool) -> Vec<Option<IpSetChange>> {
    let info = structure.bytes(4).unwrap_or_default();
    let read = || Structure::new(info, structure.family());
    if read().u16() == Some(NO_SET) {
        return Vec::new();
    }
    vec![reference(&mut read()).map(|(set, _)| IpSetChange { set, deletes })]
}
