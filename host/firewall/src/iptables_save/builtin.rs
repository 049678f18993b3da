//! The tables of iptables, and the chains that the kernel enters by itself.

use crate::ruleset::{Base, ChainKind, Hook, Policy};

use Hook::{Forward, Input, Output, Postrouting, Prerouting};

/// A table of iptables.
pub(super) struct Builtin {
    /// Its name.
    pub(super) name: &'static str,
    chains: &'static [(&'static str, Hook, i32, ChainKind)],
}

/// Tables, hooks and priorities as `net/ipv4/netfilter/iptable_{raw,mangle,nat,filter,security}.c` register them
/// (`enum nf_ip_hook_priorities`, `include/uapi/linux/netfilter_ipv4.h`).
const TABLES: [Builtin; 5] = [
    Builtin {
        name: "raw",
        chains: &[("PREROUTING", Prerouting, -300, ChainKind::Filter), ("OUTPUT", Output, -300, ChainKind::Filter)],
    },
    Builtin {
        name: "mangle",
        chains: &[
            ("PREROUTING", Prerouting, -150, ChainKind::Filter),
            ("INPUT", Input, -150, ChainKind::Filter),
            ("FORWARD", Forward, -150, ChainKind::Filter),
            ("OUTPUT", Output, -150, ChainKind::Route),
            ("POSTROUTING", Postrouting, -150, ChainKind::Filter),
        ],
    },
    Builtin {
        name: "nat",
        chains: &[
            ("PREROUTING", Prerouting, -100, ChainKind::Nat),
            ("INPUT", Input, 100, ChainKind::Nat),
            ("OUTPUT", Output, -100, ChainKind::Nat),
            ("POSTROUTING", Postrouting, 100, ChainKind::Nat),
        ],
    },
    Builtin { name: "filter", chains: &FILTERING[0] },
    Builtin { name: "security", chains: &FILTERING[1] },
];

/// `filter` and `security` have the same chains.
const FILTERING: [[(&str, Hook, i32, ChainKind); 3]; 2] = [
    [
        ("INPUT", Input, 0, ChainKind::Filter),
        ("FORWARD", Forward, 0, ChainKind::Filter),
        ("OUTPUT", Output, 0, ChainKind::Filter),
    ],
    [
        ("INPUT", Input, 50, ChainKind::Filter),
        ("FORWARD", Forward, 50, ChainKind::Filter),
        ("OUTPUT", Output, 50, ChainKind::Filter),
    ],
];

/// The table of a name.
pub(super) fn table(name: &[u8]) -> Option<&'static Builtin> {
    TABLES.iter().find(|table| table.name.as_bytes() == name)
}

impl Builtin {
    /// Where the kernel enters a chain of this table, if it does.
    pub(super) fn base(&self, chain: &[u8], policy: Policy) -> Option<Base> {
        let &(_, hook, priority, kind) = self.chains.iter().find(|(name, ..)| name.as_bytes() == chain)?;
        Some(Base { hook, priority, kind, policy, devices: Vec::new(), registered: 0 })
    }
}
