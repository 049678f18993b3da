//! A bound as its authors print it: the first rule that matches decides (`iptables -L -n`).

use std::net::Ipv4Addr;

use loopgate_firewall::address_set::AddressSet;

use super::host::Host;

/// What is accepted.
pub(crate) struct Bound(Vec<Rule>);

struct Rule {
    accepts: bool,
    /// `None` for every protocol.
    protocol: Option<u8>,
    source: AddressSet,
    destination: AddressSet,
    /// `None` for every port.
    port: Option<u16>,
}

/// Where packets are sent to: protocol, address, port.
pub(crate) type Destination = (u8, Ipv4Addr, u16);

impl Bound {
    /// Reads the rules of INPUT, and refuses what it does not know.
    pub(crate) fn parse(text: &str) -> Self {
        let input = text.lines().skip_while(|line| !line.starts_with("Chain INPUT")).skip(1);
        let rules = input.take_while(|line| !line.starts_with("Chain")).filter(|line| !line.trim().is_empty());
        Self(rules.filter(|line| !line.starts_with("target")).map(Rule::parse).collect())
    }

    /// The ports that it names.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.0.iter().filter_map(|rule| rule.port)
    }

    /// Of some sources, those that are accepted. What no rule matches is, as the policies say.
    pub(crate) fn accepted(&self, sources: &AddressSet, destination: Destination) -> AddressSet {
        let mut left = sources.clone();
        let mut accepted = Host::nobody();
        for rule in self.0.iter().filter(|rule| rule.is_about(destination)) {
            let here = left.intersection(&rule.source);
            left = left.difference(&here);
            if rule.accepts {
                accepted = accepted.union(&here);
            }
        }
        accepted.union(&left)
    }
}

impl Rule {
    fn parse(line: &str) -> Self {
        let words: Vec<_> = line.split_whitespace().collect();
        let [target, protocol, "--", source, destination, rest @ ..] = words.as_slice() else { panic!("{line}") };
        Self {
            accepts: match *target {
                "ACCEPT" => true,
                "DROP" => false,
                _ => panic!("{line}"),
            },
            protocol: match *protocol {
                "all" => None,
                "icmp" => Some(1),
                "tcp" => Some(6),
                "udp" => Some(17),
                _ => panic!("{line}"),
            },
            source: Host::prefix(source),
            destination: Host::prefix(destination),
            port: match rest {
                [] => None,
                [of, port] if of == protocol => Some(port.strip_prefix("dpt:").expect(line).parse().expect(line)),
                _ => panic!("{line}"),
            },
        }
    }

    fn is_about(&self, (protocol, address, port): Destination) -> bool {
        self.protocol.is_none_or(|own| own == protocol)
            && self.destination.contains(address.into())
            && self.port.is_none_or(|own| own == port)
    }
}
