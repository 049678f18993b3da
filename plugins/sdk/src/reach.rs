//! Questions that many rules ask about who can reach a listener, and why.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use crate::prelude::{
    Area, BlockReason, Decision, Facts, Finding, InterfaceKind, IpAddress, Listener, NetworkInterface, Origin, Prefix,
    Reach, ReachVerdict, Reachability, RuleReference, Scope,
};

/// Whether packets of other machines arrive at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Those of some machine do.
    Reachable,
    /// It could not be told.
    Unknown,
    /// None do: rules, routing or the kernel keep them away.
    Shielded,
}

impl Listener {
    /// Whether packets of other machines arrive at it.
    pub fn exposure(&self) -> Exposure {
        if self.reach.certain > Reach::Host {
            Exposure::Reachable
        } else if self.reach.possible > Reach::Host {
            Exposure::Unknown
        } else {
            Exposure::Shielded
        }
    }

    /// Whether it is a port that address translation publishes, and no socket.
    pub fn is_published(&self) -> bool {
        self.origin == Origin::PublishedPort
    }
}

impl Facts {
    /// The interface of an index.
    pub fn interface(&self, index: u32) -> Option<&NetworkInterface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    /// The name of the interface of an index, to be read after "over".
    pub fn interface_name(&self, index: u32) -> String {
        self.interface(index).map_or_else(|| format!("the interface {index}"), |interface| interface.name.clone())
    }

    /// The rule at a position that a region or a decision names.
    pub fn rule(&self, position: Option<u32>) -> Option<&RuleReference> {
        self.firewall.rules.get(usize::try_from(position?).ok()?)
    }

    /// Whether something filters what comes in for this machine.
    pub fn filters_input(&self) -> bool {
        let filters = |hook: &str| matches!(hook, "input" | "prerouting" | "ingress");
        let mut chains = self.firewall.base_chains.iter();
        chains.any(|chain| filters(&chain.hook) && chain.kind == "filter" && (chain.drops || chain.rules > 0))
    }

    /// The regions of packets from other machines.
    pub fn from_outside<'facts>(
        &'facts self,
        regions: &'facts [Reachability],
    ) -> impl Iterator<Item = &'facts Reachability> {
        regions.iter().filter(|region| !self.interface(region.interface).is_some_and(NetworkInterface::is_loopback))
    }

    /// Who can reach a listener and what decides so, as the rest of a sentence about it: `and anybody can reach it over
    /// eth0, by ...`, `though no other machine can reach it: ...`.
    pub fn reach_clause(&self, listener: &Listener) -> String {
        match listener.exposure() {
            Exposure::Reachable => self.reachable_clause(listener),
            Exposure::Unknown => format!("and who can reach it could not be told: {}", self.why_unknown(listener)),
            Exposure::Shielded => format!("though no other machine can reach it: {}", self.why_shielded(listener)),
        }
    }

    fn reachable_clause(&self, listener: &Listener) -> String {
        let who = listener.reach.certain.whom();
        let Some(region) = self.farthest(listener, ReachVerdict::Reachable) else {
            return format!("and {who} can reach it");
        };
        let over = self.interface_name(region.interface);
        match self.rule(region.decided_by) {
            Some(rule) => format!("and {who} can reach it over {over}, by {rule}"),
            None => format!("and {who} can reach it over {over}: no rule stops them"),
        }
    }

    /// Why it could not be told who reaches a listener.
    pub fn why_unknown(&self, listener: &Listener) -> String {
        let unknown = self.farthest(listener, ReachVerdict::Unknown);
        let reason = unknown.and_then(|region| region.unknown_because.first().cloned());
        let gap = || self.gaps_in(&Area::Firewall).next().map(|gap| gap.reason.clone());
        reason.or_else(gap).unwrap_or_else(|| "nothing is known of its reach".to_owned())
    }

    fn why_shielded(&self, listener: &Listener) -> String {
        match self.farthest(listener, ReachVerdict::Blocked) {
            Some(region) => self.why_blocked(region.reason.as_ref(), region.decided_by),
            None => "no interface leads to another".to_owned(),
        }
    }

    /// What keeps packets away: the rule or policy, or what the kernel does by itself.
    pub fn why_blocked(&self, reason: Option<&BlockReason>, decided_by: Option<u32>) -> String {
        match (self.rule(decided_by), reason) {
            (Some(rule), _) => rule.to_string(),
            (None, Some(reason)) => reason.to_string(),
            (None, None) => "the reason is not known".to_owned(),
        }
    }

    /// What a decision says, in words.
    pub fn describe_decision(&self, decision: &Decision) -> String {
        match decision.verdict {
            ReachVerdict::Reachable => match self.rule(decision.decided_by) {
                Some(rule) => format!("let in by {rule}"),
                None => "let in: no rule stops them".to_owned(),
            },
            ReachVerdict::Blocked => {
                format!("kept out: {}", self.why_blocked(decision.reason.as_ref(), decision.decided_by))
            }
            ReachVerdict::Unknown => {
                let because = decision.unknown_because.first().map_or("the reason is not known", String::as_str);
                format!("could not be told: {because}")
            }
        }
    }

    /// The region of packets from outside with a verdict that tells most.
    fn farthest<'facts>(
        &'facts self,
        listener: &'facts Listener,
        verdict: ReachVerdict,
    ) -> Option<&'facts Reachability> {
        self.telling(listener, verdict).first().copied()
    }

    /// For each interface to the outside the region with a verdict that tells most, and those first that tell most.
    fn telling<'facts>(&'facts self, listener: &'facts Listener, verdict: ReachVerdict) -> Vec<&'facts Reachability> {
        let regions = self.from_outside(&listener.reachability).filter(|region| region.verdict == verdict);
        let mut regions: Vec<_> = regions.collect();
        regions.sort_by_key(|region| std::cmp::Reverse(self.weight(region)));
        let mut seen = BTreeSet::new();
        regions.retain(|region| seen.insert(region.interface));
        regions
    }

    /// Of some regions the one that tells most.
    pub fn most_telling<'facts>(
        &self,
        regions: impl IntoIterator<Item = &'facts Reachability>,
    ) -> Option<&'facts Reachability> {
        // Of equals the first, while `max_by_key` gives the last.
        let regions: Vec<_> = regions.into_iter().collect();
        regions.into_iter().rev().max_by_key(|region| self.weight(region))
    }

    /// How much a region tells: far sources more than near ones, a rule more than none, and an address on the interface
    /// that carries it, a public one and a real network before those that only this machine has.
    fn weight(&self, region: &Reachability) -> impl Ord + use<> {
        let interface = self.interface(region.interface);
        let entries = interface.map(|interface| interface.addresses.as_slice()).unwrap_or_default();
        let own = || entries.iter().filter(|entry| region.destinations.contains(&entry.address));
        let is_public = own().any(|entry| entry.scope == Scope::Public);
        let is_real = interface.is_some_and(|it| !matches!(it.kind, InterfaceKind::Bridge | InterfaceKind::Veth));
        (region.farthest, region.decided_by.is_some(), own().next().is_some(), is_public, is_real)
    }

    /// A region in words: `10.0.0.5:80 over eth0 from 0.0.0.0/0: reachable, by ...`.
    pub fn describe_region(&self, region: &Reachability) -> String {
        let to = region.describe_destinations();
        let over = self.interface_name(region.interface);
        let from = region.describe_sources();
        let translated = match &region.translated_to {
            Some(target) => format!(", translated to {}", SocketAddr::new(target.address.to_std(), target.port)),
            None => String::new(),
        };
        let why = match (region.verdict, self.rule(region.decided_by)) {
            (ReachVerdict::Reachable, None) => "no rule stops it".to_owned(),
            (ReachVerdict::Reachable, Some(rule)) => rule.to_string(),
            (ReachVerdict::Blocked, _) => self.why_blocked(region.reason.as_ref(), region.decided_by),
            (ReachVerdict::Unknown, _) => region.unknown_because.join(", "),
        };
        format!("{to} over {over} from {from}{translated}: {}, {why}", region.verdict)
    }
}

impl Reachability {
    /// Whether it is of IPv4 packets.
    pub fn is_ipv4(&self) -> bool {
        self.destinations.first().is_some_and(IpAddress::is_ipv4)
    }

    /// The first address and port that packets are sent to, and how many more addresses there are.
    fn describe_destinations(&self) -> String {
        let first = self.destinations.first().map(|address| SocketAddr::new(address.to_std(), self.port).to_string());
        let first = first.unwrap_or_else(|| format!("port {}", self.port));
        match self.destinations.len().saturating_sub(1) {
            0 => first,
            1 => format!("{first} and 1 more address"),
            more => format!("{first} and {more} more addresses"),
        }
    }

    /// Its sources in words.
    pub fn describe_sources(&self) -> String {
        describe_sources(&self.sources, &self.excluded_sources, self.unlisted_sources)
    }

    /// Whether packets from an address are of this region; `None` where not all of its sources are listed, and this is
    /// not among those that are.
    pub fn is_from(&self, address: &IpAddress) -> Option<bool> {
        let is_among = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.contains(address));
        let is_listed = is_among(&self.sources) && !is_among(&self.excluded_sources);
        (is_listed || self.unlisted_sources == 0).then_some(is_listed)
    }
}

impl Finding {
    /// Adds who can reach a listener from outside, and by which rules: the regions that tell most.
    pub fn reach_of(self, facts: &Facts, listener: &Listener) -> Self {
        let wanted = match listener.exposure() {
            Exposure::Reachable => ReachVerdict::Reachable,
            Exposure::Unknown => ReachVerdict::Unknown,
            Exposure::Shielded => ReachVerdict::Blocked,
        };
        let regions = facts.telling(listener, wanted);
        let label = wanted.as_str();
        let shown = regions.iter().take(MOST_REGIONS);
        let finding = shown.fold(self, |finding, region| finding.evidence(label, facts.describe_region(region)));
        match regions.len().saturating_sub(MOST_REGIONS) {
            0 => finding,
            more => finding.evidence(label, format!("over {more} more interfaces")),
        }
    }
}

impl Finding {
    /// Adds where a published port leads to, and the rule that translates.
    pub fn publication_of(self, facts: &Facts, listener: &Listener) -> Self {
        let Some(published) = &listener.published else { return self };
        let target = SocketAddr::new(published.target.address.to_std(), published.target.port);
        let finding = self.evidence("leads to", target.to_string());
        let finding = match &published.container {
            Some(container) => finding.evidence("container", container.describe()),
            None => finding,
        };
        match facts.rule(Some(published.rule)) {
            Some(rule) => finding.evidence("published by", rule.to_string()),
            None => finding,
        }
    }
}

/// A set of addresses in words: `0.0.0.0/0`, `::/0 except 2001:db8::/32`; of many prefixes the first and how many more
/// there are.
pub fn describe_sources(sources: &[Prefix], excluded: &[Prefix], unlisted: u64) -> String {
    let listed = describe_prefixes(sources, unlisted);
    if excluded.is_empty() { listed } else { format!("{listed} except {}", describe_prefixes(excluded, 0)) }
}

/// Some prefixes in words, of many the first and how many more there are, or that they are most of all addresses.
fn describe_prefixes(prefixes: &[Prefix], unlisted: u64) -> String {
    const SHOWN: usize = 4;
    let share = |prefix: &Prefix| 1_u128.checked_shl(127_u32.saturating_sub(prefix.length.into())).unwrap_or(0);
    let is_most = prefixes.iter().map(share).fold(0, u128::saturating_add) >= 1 << 126;
    if prefixes.len() > SHOWN && is_most {
        let is_ipv4 = prefixes.iter().all(|prefix| prefix.address.is_ipv4());
        return format!("most of {}", if is_ipv4 { "0.0.0.0/0" } else { "::/0" });
    }
    let shown: Vec<_> = prefixes.iter().take(SHOWN).map(ToString::to_string).collect();
    let shown = shown.join(" ");
    match unlisted.saturating_add(prefixes.len().saturating_sub(SHOWN) as u64) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A machine with hundreds of bridges is shown with the ways that tell most.
const MOST_REGIONS: usize = 4;

impl Reach {
    /// Those that are within it, as the subject of a sentence: `anybody`.
    pub fn whom(self) -> &'static str {
        match self {
            Self::None => "nobody",
            Self::Host => "this machine alone",
            Self::Link => "every machine on the same link",
            Self::Private => "machines with private addresses",
            Self::Public => "anybody",
        }
    }
}

impl Reach {
    /// The word that facts and policies use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Host => "host",
            Self::Link => "link",
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl ReachVerdict {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reachable => "reachable",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ReachVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Dropped => "a rule drops it",
            Self::Rejected => "a rule rejects it",
            Self::Martian => "the kernel drops it as martian",
            Self::NotRouted => "there is no route to it",
            Self::Elsewhere => "it arrives elsewhere",
            Self::OtherInterface => "the listener takes nothing from this interface",
            Self::AnswerBlocked => "a rule keeps the answer from leaving",
            Self::AnswerNotRouted => "there is no route back",
            Self::Other(reason) => reason,
        })
    }
}

impl RuleReference {
    /// Whether it is the policy of a chain and no rule.
    pub fn is_policy(&self) -> bool {
        self.handle.is_none() && self.line.is_none()
    }
}

impl fmt::Display for RuleReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, text, .. } = self;
        if self.is_policy() {
            return write!(formatter, "the {text} of {family} {table} {chain}");
        }
        write!(formatter, "`{text}` ({family} {table} {chain}")?;
        match (self.handle, self.line) {
            (Some(handle), _) => write!(formatter, ", handle {handle})"),
            (None, Some(line)) => write!(formatter, ", rule {line})"),
            (None, None) => write!(formatter, ")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(handle: Option<u64>, line: Option<u32>, text: &str) -> RuleReference {
        RuleReference {
            backend: "nf-tables".to_owned(),
            family: "ip".to_owned(),
            table: "filter".to_owned(),
            chain: "INPUT".to_owned(),
            handle,
            line,
            text: text.to_owned(),
            extra: Vec::new(),
        }
    }

    #[test]
    fn sets_of_addresses_are_short() {
        let prefix = |last: u8, length| Prefix { address: IpAddress::Ipv4((last, 0, 0, 0)), length };
        assert_eq!(describe_prefixes(&[prefix(0, 0)], 0), "0.0.0.0/0");
        assert_eq!(describe_prefixes(&[prefix(10, 8), prefix(11, 8)], 3), "10.0.0.0/8 11.0.0.0/8 and 3 more");
        let small: Vec<_> = (1..=6).map(|last| prefix(last, 8)).collect();
        assert_eq!(describe_prefixes(&small, 0), "1.0.0.0/8 2.0.0.0/8 3.0.0.0/8 4.0.0.0/8 and 2 more");
        let large = [prefix(0, 2), prefix(64, 3), prefix(96, 4), prefix(112, 5), prefix(128, 2)];
        assert_eq!(describe_prefixes(&large, 100), "most of 0.0.0.0/0");
        let excluded = describe_sources(&[prefix(0, 0)], &[prefix(10, 8), prefix(11, 8)], 0);
        assert_eq!(excluded, "0.0.0.0/0 except 10.0.0.0/8 11.0.0.0/8");
    }

    #[test]
    fn rules_are_named_so_that_they_are_found() {
        let shown = |rule: RuleReference| rule.to_string();
        assert_eq!(shown(rule(Some(12), Some(3), "drop")), "`drop` (ip filter INPUT, handle 12)");
        assert_eq!(shown(rule(None, Some(3), "-A INPUT -j DROP")), "`-A INPUT -j DROP` (ip filter INPUT, rule 3)");
        assert_eq!(shown(rule(None, None, "policy drop")), "the policy drop of ip filter INPUT");
    }
}
