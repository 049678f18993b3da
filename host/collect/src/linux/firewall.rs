//! Reads what filters and translates packets from the kernel, with no external program.

pub mod ip_sets;
pub mod legacy;
pub mod nf_tables;

use loopgate_facts::{Area, BackendKind, BackendState, FirewallBackend, RulesetCounts, Untrusted};
use loopgate_firewall::Ruleset;
use loopgate_firewall::ip_set::IpSetId;
use loopgate_firewall::ruleset::Family;

use super::root::Root;
use crate::gaps::Gaps;
use nf_tables::Reading;

/// The rules of this network namespace, as far as they could be read.
pub(super) struct Rules {
    ruleset: Ruleset,
    states: Vec<(BackendKind, BackendState)>,
    unread_sets: Option<ip_sets::Unreadable>,
}

/// Reads the rules of every part of the kernel that filters. What cannot be read leaves the packets that come to it
/// unknown.
pub(super) fn read(root: &Root) -> Rules {
    let mut rules = Rules { ruleset: Ruleset::default(), states: Vec::new(), unread_sets: None };
    match nf_tables::read() {
        Ok(Reading::Read(ruleset)) => rules.add(BackendKind::NfTables, ruleset),
        Ok(Reading::Absent) => rules.states.push((BackendKind::NfTables, BackendState::Absent)),
        Err(error) => rules.unreadable(BackendKind::NfTables, Family::Inet, error.to_string()),
    }
    for (kind, family) in [(BackendKind::IpTables, Family::Ip), (BackendKind::Ip6Tables, Family::Ip6)] {
        match legacy::read(root, family) {
            Ok(legacy::Reading::Read(ruleset)) => rules.add(kind, ruleset),
            Ok(legacy::Reading::Absent) => rules.states.push((kind, BackendState::Absent)),
            Err(error) => rules.unreadable(kind, family, error.to_string()),
        }
    }
    rules.read_sets();
    rules
}

impl Rules {
    /// Reads the sets that rules of iptables name. What cannot be read is unknown wherever it is asked.
    fn read_sets(&mut self) {
        let number = |id| match id {
            IpSetId::Number(number) => Some(number),
            IpSetId::Name(_) => None,
        };
        let numbers = self.ruleset.named_ip_sets().into_iter().filter_map(number).collect();
        self.ruleset.ip_sets = ip_sets::read(&numbers).unwrap_or_else(|why| {
            let sets = ip_sets::unknown(&numbers, &why);
            self.unread_sets = Some(why);
            sets
        });
    }

    fn add(&mut self, kind: BackendKind, ruleset: Ruleset) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let counts = RulesetCounts {
            tables: count(ruleset.tables.len()),
            chains: count(ruleset.chains.len()),
            rules: count(ruleset.chains.iter().map(|chain| chain.rules.len()).sum()),
            sets: count(ruleset.sets.len()),
        };
        self.ruleset.append(ruleset);
        self.states.push((kind, BackendState::Read(counts)));
    }

    fn unreadable(&mut self, kind: BackendKind, family: Family, why: String) {
        let why = Untrusted::from(why);
        self.ruleset.append(Ruleset::unreadable(family, &why));
        self.states.push((kind, BackendState::Unreadable(why)));
    }

    /// Adds what is beside the rules.
    pub(super) fn append(&mut self, rules: Ruleset) {
        self.ruleset.append(rules);
    }

    pub(super) fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    pub(super) fn into_ruleset(self) -> Ruleset {
        self.ruleset
    }

    /// What came of reading each part.
    pub(super) fn backends(&self) -> Vec<FirewallBackend> {
        self.states.iter().map(|(kind, state)| FirewallBackend { kind: *kind, state: state.clone() }).collect()
    }

    /// Records what could not be read.
    pub(super) fn report(&self, gaps: &mut Gaps) {
        for (kind, state) in &self.states {
            if let BackendState::Unreadable(why) = state {
                let unknown = "which of its rules let a packet through, and which ports they publish";
                gaps.subject(Area::Firewall, kind.as_str(), why.as_str(), unknown);
            }
        }
        if let Some(why) = &self.unread_sets {
            gaps.subject(Area::Firewall, "ipset", why, "which packets its sets hold, where a rule asks one");
        }
    }
}
