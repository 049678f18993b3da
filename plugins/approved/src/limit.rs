//! How far an approved listener may reach.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use loopgate_plugin::prelude::*;
use loopgate_plugin::{Parameter, Place, describe_sources};
use serde_json::{Value, json};

/// How far a listener may reach. This machine itself always may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As far as this.
    Reach(Reach),
    /// From these networks.
    Networks(Vec<IpNet>),
}

/// Nothing beyond this machine: what an entry that could not be read allows.
impl Default for Limit {
    fn default() -> Self {
        Self::Reach(Reach::Host)
    }
}

/// Whether a listener keeps to a limit.
#[derive(Debug)]
pub(crate) enum Kept<'facts> {
    /// It does.
    Yes,
    /// It does not: packets of this region are too many, among them those of these sources.
    No {
        /// The region that tells most.
        region: Option<&'facts Reachability>,
        /// Those of its sources that are not allowed, in words.
        beyond: Option<String>,
    },
    /// It could not be told; why.
    Unknown(String),
}

const WORDS: [(&str, Reach); 4] =
    [("host", Reach::Host), ("link", Reach::Link), ("private", Reach::Private), ("public", Reach::Public)];

impl Limit {
    /// Whether a listener keeps to it.
    pub(crate) fn is_kept<'facts>(&self, facts: &'facts Facts, listener: &'facts Listener) -> Kept<'facts> {
        match self {
            Self::Reach(reach) => within_reach(*reach, facts, listener),
            Self::Networks(networks) => within_networks(networks, facts, listener),
        }
    }
}

fn within_reach<'facts>(limit: Reach, facts: &'facts Facts, listener: &'facts Listener) -> Kept<'facts> {
    if listener.reach.certain > limit {
        let is_beyond = |region: &&Reachability| region.verdict == ReachVerdict::Reachable && region.farthest > limit;
        let region = facts.most_telling(facts.from_outside(&listener.reachability).filter(is_beyond));
        return Kept::No { region, beyond: region.map(Reachability::describe_sources) };
    }
    if listener.reach.possible > limit { Kept::Unknown(facts.why_unknown(listener)) } else { Kept::Yes }
}

fn within_networks<'facts>(networks: &[IpNet], facts: &'facts Facts, listener: &'facts Listener) -> Kept<'facts> {
    if listener.reachability.is_empty() {
        return Kept::Unknown(facts.why_unknown(listener));
    }
    let open = || facts.from_outside(&listener.reachability).filter(|it| it.verdict != ReachVerdict::Blocked);
    let beyond = |region: &Reachability| !beyond(networks, region).is_empty();
    let too_far = open().filter(|region| region.verdict == ReachVerdict::Reachable && beyond(region));
    if let Some(region) = facts.most_telling(too_far) {
        return Kept::No { region: Some(region), beyond: Some(describe(self::beyond(networks, region))) };
    }
    // What is left is within the networks as far as it is listed and known.
    let mut open = open();
    if open.any(|region| region.verdict == ReachVerdict::Unknown && beyond(region)) {
        return Kept::Unknown(facts.why_unknown(listener));
    }
    let is_cut = |region: &Reachability| region.verdict != ReachVerdict::Blocked && region.unlisted_sources > 0;
    match listener.reachability.iter().find(|region| is_cut(region) && !covers_everything(networks, region)) {
        Some(region) => Kept::Unknown(format!("{} of its sources are not listed", region.unlisted_sources)),
        None => Kept::Yes,
    }
}

/// Whether every address is allowed, so that it does not matter which ones are not listed.
fn covers_everything(networks: &[IpNet], region: &Reachability) -> bool {
    let whole: IpNet = if region.is_ipv4() { Ipv4Net::default().into() } else { Ipv6Net::default().into() };
    subtract(whole, networks, FINEST).is_empty()
}

/// The listed sources of a region that no network allows.
fn beyond(networks: &[IpNet], region: &Reachability) -> Vec<IpNet> {
    let excluded = region.excluded_sources.iter().filter_map(net);
    let taken: Vec<IpNet> = networks.iter().copied().chain(excluded).collect();
    region.sources.iter().filter_map(net).flat_map(|source| subtract(source, &taken, FINEST)).collect()
}

/// Some prefixes in words, the widest first.
fn describe(mut nets: Vec<IpNet>) -> String {
    nets.sort_by_key(|net| (net.prefix_len(), *net));
    let prefixes: Vec<Prefix> =
        nets.iter().map(|net| Prefix { address: net.addr().into(), length: net.prefix_len() }).collect();
    describe_sources(&prefixes, &[], 0)
}

/// A prefix is cut no more often than an address has bits.
const FINEST: u8 = 128;

/// What is left of a prefix without others, as prefixes. Each of `taken` cuts at most once a bit, so that there are few.
fn subtract(prefix: IpNet, taken: &[IpNet], depth: u8) -> Vec<IpNet> {
    if taken.iter().any(|net| net.contains(&prefix)) {
        return Vec::new();
    }
    let inside: Vec<IpNet> = taken.iter().copied().filter(|net| prefix.contains(net)).collect();
    match (inside.is_empty(), depth.checked_sub(1), prefix.subnets(prefix.prefix_len().saturating_add(1))) {
        (false, Some(depth), Ok(halves)) => halves.flat_map(|half| subtract(half, &inside, depth)).collect(),
        _ => vec![prefix],
    }
}

fn net(prefix: &Prefix) -> Option<IpNet> {
    IpNet::new(prefix.address.to_std(), prefix.length).ok()
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach(reach) => reach.fmt(formatter),
            Self::Networks(networks) => {
                let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
                formatter.write_str(&networks.join(" "))
            }
        }
    }
}

impl Parameter for Limit {
    fn schema() -> Value {
        let network = json!({ "type": "string", "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$" });
        json!({ "anyOf": [{ "enum": WORDS.map(|(word, _)| word) }, { "type": "array", "items": network, "minItems": 1 }] })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        match value {
            Value::Array(items) if !items.is_empty() => networks(items, place),
            _ => {
                let found = WORDS.into_iter().find(|(word, _)| value.as_str() == Some(word));
                if found.is_none() {
                    place.problem(
                        "expected host, link, private, public, or a list of networks such as [\"10.0.0.0/8\"]",
                    );
                }
                found.map(|(_, reach)| Self::Reach(reach))
            }
        }
    }
}

fn networks(items: &[Value], place: &mut Place<'_>) -> Option<Limit> {
    let read = |(index, item): (usize, &Value)| network(item, &mut place.item(index));
    let networks: Vec<Option<IpNet>> = items.iter().enumerate().map(read).collect();
    networks.into_iter().collect::<Option<Vec<IpNet>>>().map(Limit::Networks)
}

fn network(item: &Value, place: &mut Place<'_>) -> Option<IpNet> {
    let text = item.as_str().unwrap_or_default();
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let read = text.parse::<IpNet>().ok().or_else(address);
    match read {
        None => place.problem("expected a network such as 10.0.0.0/8, or an address"),
        Some(net) if net.trunc() != net => {
            place.problem(format!("the address has bits behind its prefix; did you mean {}?", net.trunc()));
            return None;
        }
        Some(_) => {}
    }
    read
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_left_of_a_prefix_is_what_no_other_takes() {
        let left = |prefix: &str, taken: &[&str]| subtract(prefix.parse().unwrap(), &nets(taken), FINEST);
        assert_eq!(left("10.0.0.0/8", &["10.0.0.0/8"]), []);
        assert_eq!(left("10.0.0.0/8", &["0.0.0.0/0"]), []);
        assert_eq!(left("10.0.0.0/8", &["10.0.0.0/9"]), nets(&["10.128.0.0/9"]));
        assert_eq!(left("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]), []);
        assert_eq!(left("10.0.0.0/8", &["192.168.0.0/16", "::/0"]), nets(&["10.0.0.0/8"]));
        assert_eq!(left("::/0", &["::1/128"]).len(), 128);
    }

    proptest! {
        #[test]
        fn an_address_is_left_exactly_if_nothing_takes_it(
            base: u32, length in 0_u8..=32, taken in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..6), address: u32,
        ) {
            let net = |bits: u32, length| IpNet::new(std::net::Ipv4Addr::from(bits).into(), length).unwrap().trunc();
            let prefix = net(base, length);
            let taken: Vec<IpNet> = taken.into_iter().map(|(bits, length)| net(bits, length)).collect();
            let address: IpAddr = std::net::Ipv4Addr::from(address).into();
            let is_left = subtract(prefix, &taken, FINEST).iter().any(|net| net.contains(&address));
            let expected = prefix.contains(&address) && !taken.iter().any(|net| net.contains(&address));
            prop_assert_eq!(is_left, expected);
        }
    }
}
