//! Reach and the firewall, in the form of the contract.
//!
//! A machine can have tens of thousands of regions that a few rules decide. So that a guest gets them in milliseconds,
//! each rule is handed over once and referred to by position, interfaces go by index, and long lists are cut.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use loopgate_facts as facts;
use loopgate_facts::Sources;

use super::super::bindings::loopgate::policy::types as wit;
use super::{address, container, optional, prefix, protocol, text};

/// The most prefixes that a guest gets of one set of sources.
const MAX_SOURCES: usize = 16;

/// The most reasons and notes that a guest gets of one verdict.
const MAX_NOTES: usize = 8;

/// The most bytes that a guest gets of the text of a rule.
const MAX_RULE_BYTES: usize = 1024;

/// Converts what refers to rules and interfaces, and collects the rules.
pub(super) struct Reach<'facts> {
    links: facts::Links<'facts>,
    by_name: HashMap<&'facts facts::Untrusted, &'facts facts::Interface>,
    positions: HashMap<Key<'facts>, u32>,
    rules: Vec<wit::RuleReference>,
}

impl<'facts> Reach<'facts> {
    pub(super) fn new(interfaces: &'facts [facts::Interface]) -> Self {
        let by_name = interfaces.iter().map(|interface| (&interface.name, interface)).collect();
        Self { links: facts::Links::of(interfaces), by_name, positions: HashMap::new(), rules: Vec::new() }
    }

    /// The firewall, with every rule that was referred to until now and those that it refers to itself.
    pub(super) fn firewall(mut self, facts: &'facts facts::Facts) -> wit::Firewall {
        let firewall = &facts.firewall;
        wit::Firewall {
            backends: firewall.backends.iter().map(backend).collect(),
            managers: firewall.managers.as_deref().map(managers),
            base_chains: firewall.base_chains.iter().map(base_chain).collect(),
            loopback: firewall.loopback.iter().map(|entry| self.loopback(entry)).collect(),
            spoofed_loopback: firewall.spoofed_loopback.iter().map(|entry| self.spoofed(entry)).collect(),
            default_input: firewall.default_input.iter().map(|unused| self.unused(unused)).collect(),
            opened: firewall.opened.iter().map(|opened| self.opened(opened)).collect(),
            shadowed: wit::Shadowing {
                rules: firewall.shadowed.iter().map(|rule| self.shadowed(rule)).collect(),
                unlisted_rules: firewall.unlisted_shadowed,
                complete: firewall.shadowed_complete,
            },
            bypasses: facts.bypasses.iter().map(|bypass| self.bypass(bypass)).collect(),
            rules: self.rules,
            extra: Vec::new(),
        }
    }

    pub(super) fn bounds(&self, listener: &facts::Listener) -> wit::ReachBounds {
        let bounds = self.links.reach(listener);
        wit::ReachBounds { certain: reach(bounds.certain), possible: reach(bounds.possible) }
    }

    pub(super) fn published(&mut self, published: &'facts facts::Published) -> wit::Published {
        wit::Published {
            target: endpoint(published.target),
            interface: published.interface.as_ref().map(|name| self.index(name)),
            rule: self.position(&published.rule),
            container: published.container.as_ref().map(container),
            listener: optional(published.listener.as_ref().map(facts::ListenerId::text)),
            extra: Vec::new(),
        }
    }

    /// Regions, one for each interface.
    pub(super) fn regions(&mut self, regions: &'facts [facts::Reachability]) -> Vec<wit::Reachability> {
        let each = regions.iter().flat_map(|region| region.interfaces.iter().map(move |name| (name, region)));
        each.map(|(name, region)| self.region(name, region)).collect()
    }

    fn region(&mut self, name: &'facts facts::Untrusted, region: &'facts facts::Reachability) -> wit::Reachability {
        let Sources { listed, excluded, unlisted } = few(&region.sources, &region.excluded_sources);
        wit::Reachability {
            interface: self.index(name),
            destinations: region.destinations.iter().copied().map(address).collect(),
            port: region.port,
            sources: listed.into_iter().map(prefix).collect(),
            excluded_sources: excluded.into_iter().map(prefix).collect(),
            unlisted_sources: region.unlisted_sources.saturating_add(unlisted),
            farthest: reach(self.links.farthest(name, region)),
            verdict: verdict(region.verdict),
            reason: region.reason.map(reason),
            unknown_because: first(&region.unknown_because),
            path: path(region.path),
            translated_to: region.translated_to.map(endpoint),
            decided_by: region.decided_by.as_ref().map(|rule| self.position(rule)),
            narrowed_by: region.narrowed_by.iter().map(|rule| self.position(rule)).collect(),
            notes: first(&region.notes),
            extra: Vec::new(),
        }
    }

    fn loopback(&mut self, entry: &'facts facts::LoopbackTraffic) -> wit::LoopbackTraffic {
        wit::LoopbackTraffic {
            address: address(entry.address),
            protocol: protocol(entry.protocol),
            decision: self.decision(&entry.decision),
        }
    }

    fn spoofed(&mut self, entry: &'facts facts::SpoofedLoopback) -> wit::SpoofedLoopback {
        wit::SpoofedLoopback {
            interface: self.index(&entry.interface),
            prefix: prefix(entry.prefix),
            end: match entry.end {
                facts::SpoofedEnd::Source => wit::SpoofedEnd::Source,
                facts::SpoofedEnd::Destination => wit::SpoofedEnd::Destination,
            },
            decision: self.decision(&entry.decision),
            by_rules: entry.by_rules.as_ref().map(|decision| self.decision(decision)),
        }
    }

    fn unused(&mut self, unused: &'facts facts::UnusedPort) -> wit::UnusedPort {
        wit::UnusedPort {
            protocol: protocol(unused.protocol),
            port: unused.port,
            reachability: self.regions(&unused.reachability),
        }
    }

    fn opened(&mut self, opened: &'facts facts::OpenedPort) -> wit::OpenedPort {
        let Sources { listed, excluded, unlisted } = few(&opened.sources, &opened.excluded_sources);
        wit::OpenedPort {
            protocol: protocol(opened.protocol),
            first_port: opened.first_port,
            last_port: opened.last_port,
            interface: opened.interface.as_ref().map(|name| self.index(name)),
            sources: listed.into_iter().map(prefix).collect(),
            excluded_sources: excluded.into_iter().map(prefix).collect(),
            unlisted_sources: opened.unlisted_sources.saturating_add(unlisted),
            rule: self.position(&opened.rule),
            extra: Vec::new(),
        }
    }

    fn shadowed(&mut self, shadowed: &'facts facts::ShadowedRule) -> wit::ShadowedRule {
        let Sources { listed, excluded, unlisted } = few(&shadowed.sources, &shadowed.excluded_sources);
        wit::ShadowedRule {
            rule: self.position(&shadowed.rule),
            decided_by: self.position(&shadowed.decided_by),
            effect: match shadowed.effect {
                facts::RuleEffect::LetsIn => wit::RuleEffect::LetsIn,
                facts::RuleEffect::KeepsOut => wit::RuleEffect::KeepsOut,
            },
            never_matches: shadowed.never_matches,
            sources: listed.into_iter().map(prefix).collect(),
            excluded_sources: excluded.into_iter().map(prefix).collect(),
            unlisted_sources: shadowed.unlisted_sources.saturating_add(unlisted),
            listeners: shadowed.listeners.iter().map(|id| text(id.text())).collect(),
            unlisted_listeners: shadowed.unlisted_listeners,
            extra: Vec::new(),
        }
    }

    fn bypass(&self, bypass: &facts::Bypass) -> wit::Bypass {
        wit::Bypass {
            interface: bypass.interface.as_ref().map(|name| self.index(name)),
            kind: bypass.kind.as_str().to_owned(),
            detail: text(&bypass.detail),
            extra: Vec::new(),
        }
    }

    fn decision(&mut self, decision: &'facts facts::Decision) -> wit::Decision {
        wit::Decision {
            verdict: verdict(decision.verdict),
            reason: decision.reason.map(reason),
            unknown_because: first(&decision.unknown_because),
            decided_by: decision.decided_by.as_ref().map(|rule| self.position(rule)),
        }
    }

    /// The index of an interface. Facts that name one which they do not have are refused before they get here; no
    /// interface has the index 0.
    fn index(&self, name: &facts::Untrusted) -> u32 {
        self.by_name.get(name).map_or(0, |interface| interface.index)
    }

    /// The position of a rule in the list that the guest gets.
    fn position(&mut self, rule: &'facts facts::RuleReference) -> u32 {
        let next = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        *self.positions.entry(Key(rule)).or_insert_with(|| {
            self.rules.push(rule_reference(rule));
            next
        })
    }
}

/// A rule to look up. Its number and line tell most rules apart, so its texts are compared and not hashed.
#[derive(PartialEq, Eq)]
struct Key<'facts>(&'facts facts::RuleReference);

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0.handle, self.0.line, self.0.text.as_str().len(), self.0.chain.as_str().len()).hash(state);
    }
}

fn rule_reference(rule: &facts::RuleReference) -> wit::RuleReference {
    wit::RuleReference {
        backend: rule.backend.clone(),
        family: rule.family.clone(),
        table: text(&rule.table),
        chain: text(&rule.chain),
        handle: rule.handle,
        line: rule.line,
        text: cut(rule.text.as_str()),
        extra: Vec::new(),
    }
}

/// The first bytes of a text, up to a whole character.
fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_RULE_BYTES);
    text.get(..end).unwrap_or_default().to_owned()
}

fn first(texts: &[facts::Untrusted]) -> Vec<String> {
    texts.iter().take(MAX_NOTES).map(text).collect()
}

/// A set of sources in at most [`MAX_SOURCES`] prefixes of each kind. Of one that takes more, the widest prefixes of
/// the set itself and the number of the others: a guest must never take excluded addresses for some of the set.
fn few(sources: &[facts::Prefix], excluded: &[facts::Prefix]) -> Sources {
    if sources.len() <= MAX_SOURCES && excluded.len() <= MAX_SOURCES {
        return Sources { listed: sources.to_vec(), excluded: excluded.to_vec(), unlisted: 0 };
    }
    if excluded.is_empty() {
        return widest(sources.to_vec());
    }
    let is_ipv4 = sources.iter().all(|prefix| prefix.address().is_ipv4());
    let ranges = facts::without(sources, excluded);
    widest(ranges.into_iter().flat_map(|range| facts::prefixes_of(is_ipv4, range)).collect())
}

/// The widest prefixes in order, and the number of those that were left out.
fn widest(mut prefixes: Vec<facts::Prefix>) -> Sources {
    let unlisted = prefixes.len().saturating_sub(MAX_SOURCES) as u64;
    prefixes.sort_by_key(|prefix| prefix.length());
    prefixes.truncate(MAX_SOURCES);
    prefixes.sort_unstable();
    Sources { listed: prefixes, excluded: Vec::new(), unlisted }
}

fn endpoint(endpoint: SocketAddr) -> wit::Endpoint {
    wit::Endpoint { address: address(endpoint.ip()), port: endpoint.port() }
}

fn backend(backend: &facts::FirewallBackend) -> wit::FirewallBackend {
    let state = match &backend.state {
        facts::BackendState::Read(counts) => wit::BackendState::Read(counts_of(*counts)),
        facts::BackendState::Absent => wit::BackendState::Absent,
        facts::BackendState::Unreadable(why) => wit::BackendState::Unreadable(text(why)),
    };
    wit::FirewallBackend { kind: backend.kind.as_str().to_owned(), state }
}

fn managers(managers: &[facts::FirewallManager]) -> Vec<String> {
    managers.iter().map(|manager| manager.as_str().to_owned()).collect()
}

fn counts_of(counts: facts::RulesetCounts) -> wit::RulesetCounts {
    let facts::RulesetCounts { tables, chains, rules, sets } = counts;
    wit::RulesetCounts { tables, chains, rules, sets }
}

fn base_chain(chain: &facts::BaseChain) -> wit::BaseChain {
    wit::BaseChain {
        hook: chain.hook.as_str().to_owned(),
        priority: chain.priority,
        backend: chain.backend.as_str().to_owned(),
        family: chain.family.as_str().to_owned(),
        table: text(&chain.table),
        chain: text(&chain.chain),
        kind: chain.kind.as_str().to_owned(),
        drops: chain.policy == facts::ChainPolicy::Drop,
        devices: chain.devices.iter().map(text).collect(),
        rules: chain.rules,
        extra: Vec::new(),
    }
}

fn reach(reach: facts::Reach) -> wit::Reach {
    match reach {
        facts::Reach::None => wit::Reach::None,
        facts::Reach::Host => wit::Reach::Host,
        facts::Reach::Link => wit::Reach::Link,
        facts::Reach::Private => wit::Reach::Private,
        facts::Reach::Public => wit::Reach::Public,
    }
}

fn verdict(verdict: facts::ReachVerdict) -> wit::ReachVerdict {
    match verdict {
        facts::ReachVerdict::Reachable => wit::ReachVerdict::Reachable,
        facts::ReachVerdict::Blocked => wit::ReachVerdict::Blocked,
        facts::ReachVerdict::Unknown => wit::ReachVerdict::Unknown,
    }
}

fn reason(reason: facts::BlockReason) -> wit::BlockReason {
    use facts::BlockReason as Reason;
    match reason {
        Reason::Dropped => wit::BlockReason::Dropped,
        Reason::Rejected => wit::BlockReason::Rejected,
        Reason::Martian => wit::BlockReason::Martian,
        Reason::NotRouted => wit::BlockReason::NotRouted,
        Reason::Elsewhere => wit::BlockReason::Elsewhere,
        Reason::OtherInterface => wit::BlockReason::OtherInterface,
        Reason::AnswerBlocked => wit::BlockReason::AnswerBlocked,
        Reason::AnswerNotRouted => wit::BlockReason::AnswerNotRouted,
    }
}

fn path(path: facts::ReachPath) -> wit::ReachPath {
    match path {
        facts::ReachPath::Input => wit::ReachPath::Input,
        facts::ReachPath::Forward => wit::ReachPath::Forward,
        facts::ReachPath::Neither => wit::ReachPath::Neither,
    }
}
