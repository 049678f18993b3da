//! Tables and chains.

use loopgate_facts::Untrusted;

use super::fields::{Fields, Flaw, message, until_nul};
use super::{Builder, Names, next_id};
use crate::attribute::{Attribute, attributes};
use crate::ruleset::{
    Backend, Base, Chain, ChainId, ChainKind, DeviceName, Family, Hook, Notation, Policy, Ruleset, Table, TableId,
};

/// `NFPROTO_*` (`include/uapi/linux/netfilter.h`).
pub(super) fn family(number: u8) -> Result<Family, Flaw> {
    Ok(match number {
        1 => Family::Inet,
        2 => Family::Ip,
        3 => Family::Arp,
        5 => Family::Netdev,
        7 => Family::Bridge,
        10 => Family::Ip6,
        _ => return Err(Flaw::Value { kind: 0, value: number.into() }),
    })
}

/// `enum nft_table_attributes`.
pub(super) fn add_table(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    const NFTA_TABLE_NAME: u16 = 1;
    const NFTA_TABLE_FLAGS: u16 = 2;
    const NFTA_TABLE_HANDLE: u16 = 4;
    const NFT_TABLE_F_DORMANT: u32 = 1;
    let (family_number, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let (family, name) = (family(family_number)?, fields.text(NFTA_TABLE_NAME)?);
    let id = TableId(next_id(&builder.ruleset.tables)?);
    builder.ruleset.tables.push(Table {
        backend: Backend::NfTables,
        family,
        name: Untrusted::from_bytes(name),
        dormant: fields.u32_or_0(NFTA_TABLE_FLAGS)? & NFT_TABLE_F_DORMANT != 0,
        notation: Notation::Nft,
    });
    let handle = fields.u64(NFTA_TABLE_HANDLE).unwrap_or_default();
    builder.names.push(Names { handle, ..Names::default() });
    builder.tables.entry((family, name.into())).or_insert(id);
    Ok(())
}

/// `enum nft_chain_attributes`.
pub(super) fn add(builder: &mut Builder, payload: &[u8]) -> Result<(), Flaw> {
    const NFTA_CHAIN_TABLE: u16 = 1;
    const NFTA_CHAIN_HANDLE: u16 = 2;
    const NFTA_CHAIN_NAME: u16 = 3;
    const NFTA_CHAIN_HOOK: u16 = 4;
    let (family_number, rest) = message(payload)?;
    let fields = Fields::lenient(rest)?;
    let table = builder.find_table(family_number, fields.text(NFTA_CHAIN_TABLE)?)?;
    let name = fields.text(NFTA_CHAIN_NAME)?;
    let registered = order(builder.names(table)?.handle, fields.u64(NFTA_CHAIN_HANDLE).unwrap_or_default());
    let hook = fields.get(NFTA_CHAIN_HOOK);
    let base = hook.map(|hook| base(&fields, hook, family(family_number)?, registered)).transpose()?;
    let id = ChainId(next_id(&builder.ruleset.chains)?);
    let chain = Chain { table, name: Untrusted::from_bytes(name), base, rules: Vec::new() };
    builder.ruleset.chains.push(chain);
    builder.names_mut(table)?.chains.entry(name.into()).or_insert(id);
    Ok(())
}

/// Handles of chains count within their table, and those of tables within the machine. A chain that was added to an
/// older table later cannot be told from one that was there before.
fn order(table: u64, chain: u64) -> u64 {
    table.min(u32::MAX.into()) << 32 | chain.min(u32::MAX.into())
}

/// `enum nft_hook_attributes`.
fn base(chain: &Fields<'_>, hook: &[u8], family: Family, registered: u64) -> Result<Base, Flaw> {
    const NFTA_CHAIN_POLICY: u16 = 5;
    const NFTA_HOOK_HOOKNUM: u16 = 1;
    const NFTA_HOOK_PRIORITY: u16 = 2;
    let fields = Fields::lenient(hook)?;
    let number = fields.u32(NFTA_HOOK_HOOKNUM)?;
    Ok(Base {
        hook: hook_of(family, number).ok_or(Flaw::Value { kind: NFTA_HOOK_HOOKNUM, value: number.into() })?,
        priority: fields.u32(NFTA_HOOK_PRIORITY)?.cast_signed(),
        kind: kind(chain)?,
        policy: match chain.u32(NFTA_CHAIN_POLICY)? {
            0 => Policy::Drop,
            1 => Policy::Accept,
            _ => return Err(chain.unknown_value(NFTA_CHAIN_POLICY)),
        },
        devices: devices(&fields)?,
        registered,
    })
}

/// `NF_INET_*` and `NF_NETDEV_*` (`include/uapi/linux/netfilter.h`), `NF_BR_*` (`netfilter_bridge.h`), `NF_ARP_*`
/// (`netfilter_arp.h`).
fn hook_of(family: Family, number: u32) -> Option<Hook> {
    const ROUTED: &[Hook] =
        &[Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting, Hook::Ingress];
    let hooks = match family {
        Family::Inet => ROUTED,
        Family::Ip | Family::Ip6 | Family::Bridge => ROUTED.get(..5)?,
        Family::Arp => &[Hook::Input, Hook::Output, Hook::Forward],
        Family::Netdev => &[Hook::Ingress, Hook::Egress],
    };
    hooks.get(number as usize).copied()
}

fn kind(chain: &Fields<'_>) -> Result<ChainKind, Flaw> {
    const NFTA_CHAIN_TYPE: u16 = 7;
    match chain.text(NFTA_CHAIN_TYPE)? {
        b"filter" => Ok(ChainKind::Filter),
        b"nat" => Ok(ChainKind::Nat),
        b"route" => Ok(ChainKind::Route),
        _ => Err(Flaw::Value { kind: NFTA_CHAIN_TYPE, value: 0 }),
    }
}

fn devices(hook: &Fields<'_>) -> Result<Vec<DeviceName>, Flaw> {
    const NFTA_HOOK_DEV: u16 = 3;
    const NFTA_HOOK_DEVS: u16 = 4;
    match (hook.get(NFTA_HOOK_DEVS), hook.get(NFTA_HOOK_DEV)) {
        (Some(list), _) => attributes(list).map(|device| device_name(device?)).collect(),
        (None, Some(device)) => Ok(vec![DeviceName::Is(until_nul(device).to_vec())]),
        (None, None) => Ok(Vec::new()),
    }
}

/// A prefix of names is `NFTA_DEVICE_PREFIX`, and in Linux 6.16 was a name without a NUL.
fn device_name(device: Attribute<'_>) -> Result<DeviceName, Flaw> {
    const NFTA_DEVICE_NAME: u16 = 1;
    const NFTA_DEVICE_PREFIX: u16 = 2;
    let name = device.bytes().to_vec();
    match device.kind {
        NFTA_DEVICE_NAME if device.value.contains(&0) => Ok(DeviceName::Is(name)),
        NFTA_DEVICE_NAME | NFTA_DEVICE_PREFIX => Ok(DeviceName::BeginsWith(name)),
        kind => Err(Flaw::UnknownAttribute(kind)),
    }
}

/// The tables that `iptables-nft` uses, and the chains that it hooks (`xtables_ipv4`, iptables `iptables/nft.c`).
const IPTABLES: &[(&str, &[&str])] = &[
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("security", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// Marks the tables that look as `iptables-nft` makes them.
pub(super) fn mark_notation(ruleset: &mut Ruleset) {
    let mut base_chains = vec![Vec::new(); ruleset.tables.len()];
    for chain in ruleset.chains.iter().filter(|chain| chain.base.is_some()) {
        if let Some(names) = base_chains.get_mut(chain.table.0 as usize) {
            names.push(chain.name.as_str());
        }
    }
    for (table, names) in ruleset.tables.iter_mut().zip(base_chains) {
        if is_iptables(table, &names) {
            table.notation = Notation::Iptables;
        }
    }
}

fn is_iptables(table: &Table, base_chains: &[&str]) -> bool {
    let built_in = IPTABLES.iter().find(|(name, _)| *name == table.name.as_str());
    matches!(table.family, Family::Ip | Family::Ip6)
        && !base_chains.is_empty()
        && built_in.is_some_and(|(_, built_in)| base_chains.iter().all(|name| built_in.contains(name)))
}
