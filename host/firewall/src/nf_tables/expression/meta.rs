//! What is known about a packet.

use super::Context;
use crate::nf_tables::fields::{Fields, Flaw, rest_behind};
use crate::rule::{Effect, Load, Meta, Op};

/// The keys by number (`enum nft_meta_keys`), with their names (`nft(8)`) and lengths in bytes
/// (`nft_meta_get_init`, `net/netfilter/nft_meta.c`).
const KEYS: &[(Meta, &str, u32)] = &[
    (Meta::Length, "length", 4),
    (Meta::Protocol, "protocol", 2),
    (Meta::Priority, "priority", 4),
    (Meta::Mark, "mark", 4),
    (Meta::InputInterface, "iif", 4),
    (Meta::OutputInterface, "oif", 4),
    (Meta::InputInterfaceName, "iifname", 16),
    (Meta::OutputInterfaceName, "oifname", 16),
    (Meta::InputInterfaceType, "iiftype", 2),
    (Meta::OutputInterfaceType, "oiftype", 2),
    (Meta::SocketUser, "skuid", 4),
    (Meta::SocketGroup, "skgid", 4),
    (Meta::Trace, "nftrace", 1),
    (Meta::RouteClass, "rtclassid", 4),
    (Meta::SecurityMark, "secmark", 4),
    (Meta::NetworkFamily, "nfproto", 1),
    (Meta::TransportProtocol, "l4proto", 1),
    (Meta::BridgeInputPort, "ibrname", 16),
    (Meta::BridgeOutputPort, "obrname", 16),
    (Meta::PacketType, "pkttype", 1),
    (Meta::Cpu, "cpu", 4),
    (Meta::InputInterfaceGroup, "iifgroup", 4),
    (Meta::OutputInterfaceGroup, "oifgroup", 4),
    (Meta::ControlGroup, "cgroup", 4),
    (Meta::Random, "random", 4),
    (Meta::SecurityPath, "ipsec", 1),
    (Meta::InputInterfaceKind, "iifkind", 16),
    (Meta::OutputInterfaceKind, "oifkind", 16),
    (Meta::BridgePortVlan, "ibrpvid", 2),
    (Meta::BridgeVlanProtocol, "ibrvproto", 2),
    (Meta::Time, "time", 8),
    (Meta::Day, "day", 1),
    (Meta::Hour, "hour", 4),
    (Meta::SlaveInterface, "sdif", 4),
    (Meta::SlaveInterfaceName, "sdifname", 16),
    (Meta::BridgeBroute, "broute", 1),
];

/// `enum nft_meta_attributes`.
pub(super) fn lower(context: &mut Context<'_>, fields: &Fields<'_>) -> Result<(), Flaw> {
    const NFTA_META_DREG: u16 = 1;
    const NFTA_META_KEY: u16 = 2;
    const NFTA_META_SREG: u16 = 3;
    let number = fields.u32(NFTA_META_KEY)?;
    let key = KEYS.get(number as usize);
    if let Some(from) = fields.optional_register(NFTA_META_SREG, key.map_or(1, |key| key.2))? {
        match key {
            Some((Meta::Mark, ..)) => context.ops.push(Op::Effect(Effect::SetMarkFrom(from))),
            Some((_, name, _)) => context.write(None, format!("meta {name}")),
            None => return Err(Flaw::Value { kind: NFTA_META_KEY, value: number.into() }),
        }
    } else if let Some((key, _, length)) = key {
        context.load(Load::Meta(*key), fields.register(NFTA_META_DREG, *length)?);
    } else {
        // How much it writes is not known either.
        let to = fields.register(NFTA_META_DREG, 1)?;
        context.load_opaque(format!("meta key {number}"), rest_behind(to), to);
    }
    Ok(())
}

/// The length of a value in bytes; one that is not known takes all that there is.
pub(super) fn length(key: Meta) -> Option<u32> {
    KEYS.iter().find(|known| known.0 == key).map(|known| known.2)
}
