//! What the rules do with packets to a port that nobody listens on: the default of an interface and an IP version.

use std::collections::BTreeMap;

use loopgate_plugin::prelude::*;

/// A way into the machine: the index of an interface, and whether the packets are IPv4.
pub(crate) type Way = (u32, bool);

/// The default of one way in, over the protocols and addresses that were asked for.
#[derive(Default)]
pub(crate) struct InputDefault<'facts> {
    /// A packet of another machine arrives at an unused port.
    pub(crate) open: Option<(&'facts Protocol, &'facts Reachability)>,
    /// It could not be told of some packet.
    pub(crate) unknown: Option<&'facts Reachability>,
    /// A rule or policy blocks some packet: something filters here.
    pub(crate) filtered: Option<&'facts Reachability>,
}

impl InputDefault<'_> {
    /// Whether nothing comes in, as far as is known.
    pub(crate) fn is_closed(&self) -> bool {
        self.open.is_none() && self.unknown.is_none() && self.filtered.is_some()
    }
}

/// The defaults of every way into the machine.
pub(crate) fn defaults(facts: &Facts) -> BTreeMap<Way, InputDefault<'_>> {
    let mut ways: BTreeMap<Way, InputDefault<'_>> = BTreeMap::new();
    for unused in &facts.firewall.default_input {
        for region in facts.from_outside(&unused.reachability).filter(|region| region.farthest > Reach::Host) {
            let way = ways.entry((region.interface, region.is_ipv4())).or_default();
            match region.verdict {
                ReachVerdict::Reachable => widest(&mut way.open, &unused.protocol, region),
                ReachVerdict::Unknown => way.unknown = way.unknown.or(Some(region)),
                ReachVerdict::Blocked if is_filtered(region) => way.filtered = way.filtered.or(Some(region)),
                ReachVerdict::Blocked => {}
            }
        }
    }
    ways
}

/// Of several ways that are open, the one to the farthest sources tells most.
fn widest<'facts>(
    open: &mut Option<(&'facts Protocol, &'facts Reachability)>,
    protocol: &'facts Protocol,
    region: &'facts Reachability,
) {
    if open.is_none_or(|(_, other)| other.farthest < region.farthest) {
        *open = Some((protocol, region));
    }
}

/// A rule blocks it, not routing or the kernel.
fn is_filtered(region: &Reachability) -> bool {
    matches!(region.reason, Some(BlockReason::Dropped | BlockReason::Rejected))
}

/// `IPv4` or `IPv6`.
pub(crate) fn version(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "IPv4" } else { "IPv6" }
}
