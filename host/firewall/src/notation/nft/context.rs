//! What a rule has made sure of so far, and which of that goes without saying.

use crate::notation::names::{Kind, Layer, Network};
use crate::rule::{Load, Meta, PayloadBase};
use crate::ruleset::Family;

/// What is known of a packet that got so far.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) family: Family,
    pub(super) network: Option<Network>,
    pub(super) transport: Option<u8>,
    pub(super) ethernet: bool,
    /// Tests that have been written and that a header field behind them may imply: what they prove, and which item
    /// they are.
    pending: Vec<(Proof, usize)>,
}

/// What a test proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Ethernet,
    Network(Network),
    Transport(u8),
}

impl Context {
    pub(super) fn new(family: Family) -> Self {
        let network = match family {
            Family::Ip => Some(Network::Ipv4),
            Family::Ip6 => Some(Network::Ipv6),
            Family::Arp => Some(Network::Arp),
            Family::Inet | Family::Bridge | Family::Netdev => None,
        };
        Self { family, network, transport: None, ethernet: family == Family::Bridge, pending: Vec::new() }
    }

    /// Whether a field behind it can say as much as a test: a field of `ip` says more than the protocol, which is the
    /// family, where a table has several.
    fn goes_without_saying(&self, load: &Load) -> bool {
        let of_network = matches!(load, Load::Payload { base: PayloadBase::Network, .. });
        !of_network || matches!(self.family, Family::Ip | Family::Ip6)
    }

    /// What a comparison with one value proves.
    pub(super) fn proof(&self, load: &Load, kind: Kind, number: u64) -> Option<Proof> {
        let network = |network: Option<Network>| network.map(Proof::Network);
        match (load, self.family) {
            (Load::Meta(Meta::NetworkFamily), Family::Inet) => network(Network::of_family(number)),
            (Load::Meta(Meta::Protocol), Family::Bridge | Family::Netdev) => network(Network::of_ether_type(number)),
            (Load::Payload { base: PayloadBase::Link, offset: 12, length: 2 }, Family::Bridge | Family::Netdev) => {
                network(Network::of_ether_type(number))
            }
            (Load::Meta(Meta::InputInterfaceType), _) if number == 1 => Some(Proof::Ethernet),
            (Load::Meta(Meta::TransportProtocol), _) => u8::try_from(number).ok().map(Proof::Transport),
            (Load::Payload { base: PayloadBase::Network, .. }, _) if kind == Kind::Protocol => {
                u8::try_from(number).ok().map(Proof::Transport)
            }
            _ => None,
        }
    }

    /// Remembers what an item proves.
    pub(super) fn learn(&mut self, load: &Load, proof: Proof, item: usize) {
        match proof {
            Proof::Ethernet => self.ethernet = true,
            Proof::Network(network) => self.network = Some(network),
            Proof::Transport(protocol) => self.transport = Some(protocol),
        }
        if self.goes_without_saying(load) {
            self.pending.push((proof, item));
        }
    }

    /// The items that a header field implies.
    pub(super) fn implied(&mut self, layer: Option<Layer>) -> Vec<usize> {
        let implied = |proof: &Proof| match (layer, *proof) {
            (Some(Layer::Ethernet), Proof::Ethernet) => true,
            (Some(Layer::Network(wanted) | Layer::Transport(_, Some(wanted))), Proof::Network(proven)) => {
                wanted == proven
            }
            (Some(Layer::Transport(wanted, _)), Proof::Transport(proven)) => wanted == proven,
            _ => false,
        };
        let (implied, rest) = std::mem::take(&mut self.pending).into_iter().partition(|(proof, _)| implied(proof));
        self.pending = rest;
        let implied: Vec<_> = implied;
        implied.into_iter().map(|(_, item)| item).collect()
    }
}
