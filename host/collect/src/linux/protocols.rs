//! Which transport protocols the kernel has, and so which of them can have listeners.
//!
//! `/proc/net/protocols` lists what is registered. It is read before anything is asked, because asking for a protocol
//! that is a module would load that module (`sock_load_diag_module`, `net/core/sock_diag.c`), and observing must change
//! nothing.

use std::collections::BTreeMap;
use std::io;

use loopgate_facts::{Area, Protocol};
use rustix::system::uname;

use super::root::Root;
use super::rtnetlink::{AF_INET, AF_INET6};
use crate::gaps::Gaps;

/// One list of sockets to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Query {
    /// What its sockets are in the facts.
    pub(super) protocol: Protocol,
    /// The number of the protocol (`IPPROTO_*`).
    pub(super) number: u16,
    /// The address family (`AF_*`).
    pub(super) family: u8,
    /// Whether its sockets are the Multipath TCP face of TCP listeners.
    pub(super) multipath: bool,
}

/// A protocol by the names that the kernel registers it under.
struct Known {
    protocol: Protocol,
    number: u16,
    ipv4: &'static str,
    ipv6: &'static str,
}

/// `struct proto.name` in net/ipv4, net/ipv6, net/sctp and net/mptcp; numbers from `include/uapi/linux/in.h`.
const KNOWN: [Known; 5] = [
    Known { protocol: Protocol::Tcp, number: 6, ipv4: "TCP", ipv6: "TCPv6" },
    Known { protocol: Protocol::Udp, number: 17, ipv4: "UDP", ipv6: "UDPv6" },
    Known { protocol: Protocol::Udplite, number: 136, ipv4: "UDP-Lite", ipv6: "UDPLITEv6" },
    Known { protocol: Protocol::Sctp, number: 132, ipv4: "SCTP", ipv6: "SCTPv6" },
    Known { protocol: Protocol::Tcp, number: MPTCP, ipv4: "MPTCP", ipv6: "MPTCPv6" },
];

const MPTCP: u16 = 262;

/// What to ask for on a machine.
#[derive(Clone, Debug)]
pub(super) struct Queries(Vec<Query>);

impl Queries {
    /// The lists that the kernel of this machine has.
    pub(super) fn on_this_machine(root: &Root, gaps: &mut Gaps) -> Self {
        match registered(root) {
            Ok(protocols) => {
                report_unread(&protocols, gaps);
                Self::of(|name| protocols.contains_key(name)).without_idle_multipath(&protocols, kernel_version())
            }
            Err(error) => {
                let unknown = "listeners of protocols other than TCP and UDP";
                gaps.subject(Area::Listeners, "/proc/net/protocols", error, unknown);
                Self::of(|name| ["TCP", "TCPv6", "UDP", "UDPv6"].contains(&name))
            }
        }
    }

    fn of(is_registered: impl Fn(&str) -> bool) -> Self {
        let families = KNOWN.iter().flat_map(|known| [(known, AF_INET, known.ipv4), (known, AF_INET6, known.ipv6)]);
        let asked = families.filter(|(_, _, name)| is_registered(name));
        Self(asked.map(|(known, family, _)| known.query(family)).collect())
    }

    /// Leaves out Multipath TCP lists that are empty, as most are: the kernel walks its whole table of connections for
    /// one, which takes longer than all other lists together.
    ///
    /// The number of sockets tells since Linux 6.2, and since 6.6 a socket that it missed would still be on the list of
    /// TCP; so it is trusted from then on.
    fn without_idle_multipath(mut self, protocols: &Registered, kernel: Option<(u32, u32)>) -> Self {
        let is_idle = |family| {
            let name = if family == AF_INET { "MPTCP" } else { "MPTCPv6" };
            protocols.get(name) == Some(&Some(0))
        };
        if kernel >= Some((6, 6)) {
            self.0.retain(|query| !(query.multipath && is_idle(query.family)));
        }
        self
    }

    /// Those of the Multipath TCP faces of TCP listeners.
    pub(super) fn multipath(&self) -> Vec<Query> {
        self.0.iter().copied().filter(|query| query.multipath).collect()
    }

    /// All others.
    pub(super) fn plain(&self) -> Vec<Query> {
        self.0.iter().copied().filter(|query| !query.multipath).collect()
    }
}

impl Known {
    fn query(&self, family: u8) -> Query {
        let Self { protocol, number, .. } = *self;
        Query { protocol, number, family, multipath: number == MPTCP }
    }
}

/// The first two numbers of the release, such as 6 and 18.
fn kernel_version() -> Option<(u32, u32)> {
    let system = uname();
    let mut numbers = system.release().to_str().ok()?.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The registered protocols by name, with the number of their sockets in the network namespace.
type Registered = BTreeMap<String, Option<u32>>;

fn registered(root: &Root) -> io::Result<Registered> {
    let table = root.read("proc/net/protocols", 1 << 20)?;
    let protocols = parse(&String::from_utf8_lossy(&table));
    // A network namespace without TCP does not exist: this is not the file that it should be.
    if !protocols.contains_key("TCP") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not list TCP"));
    }
    Ok(protocols)
}

/// `name size sockets ...`, below a heading (`proto_seq_printf`, `net/core/sock.c`).
fn parse(table: &str) -> Registered {
    table.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, Option<u32>)> {
    let mut columns = line.split_whitespace();
    let name = columns.next()?.to_owned();
    Some((name, columns.nth(1).and_then(|sockets| sockets.parse().ok())))
}

/// Protocols whose listeners this version does not read.
fn report_unread(protocols: &Registered, gaps: &mut Gaps) {
    const UNREAD: [(&str, &str); 2] = [("DCCP", "dccp"), ("SMC", "smc")];
    for (name, subject) in UNREAD.iter().filter(|(name, _)| protocols.contains_key(*name)) {
        let reason = format!("this version of loopgate does not read {name}");
        gaps.subject(Area::Listeners, *subject, reason, format!("listeners of {name}"));
    }
}

impl Query {
    /// What gaps call it.
    pub(super) fn name(self) -> String {
        let protocol = if self.multipath { "mptcp" } else { self.protocol.as_str() };
        let family = if self.family == AF_INET { "ipv4" } else { "ipv6" };
        format!("{protocol} over {family}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "protocol  size sockets  memory press\nUDPv6     1472      0       0   NI\n\
                         TCPv6     2432      0     218   no\nUDP       1344 0\nTCP  2304 1\nMPTCP 1 1\n";

    fn names(queries: Queries) -> Vec<String> {
        queries.0.into_iter().map(Query::name).collect()
    }

    #[test]
    fn only_registered_protocols_are_asked_for() {
        let protocols = parse(TABLE);
        let asked = Queries::of(|name| protocols.contains_key(name));
        let expected = ["tcp over ipv4", "tcp over ipv6", "udp over ipv4", "udp over ipv6", "mptcp over ipv4"];
        assert_eq!(names(asked), expected);
    }

    #[test]
    fn multipath_tcp_is_asked_for_unless_it_surely_has_no_socket() {
        for (sockets, kernel, asked) in [
            ("0", Some((6, 6)), false),
            ("0", Some((7, 0)), false),
            ("1", Some((6, 18)), true),
            ("-1", Some((6, 18)), true),
            ("0", Some((6, 5)), true),
            ("0", Some((5, 10)), true),
            ("0", None, true),
        ] {
            let protocols = parse(&format!("heading\nMPTCP 1 {sockets}\n"));
            let queries = Queries::of(|name| protocols.contains_key(name)).without_idle_multipath(&protocols, kernel);
            assert_eq!(!queries.multipath().is_empty(), asked, "{sockets} sockets on {kernel:?}");
        }
    }

    #[test]
    fn without_the_list_tcp_and_udp_are_asked_for_and_the_rest_is_a_gap() {
        let mut gaps = Gaps::default();
        let asked = Queries::on_this_machine(&Root::new("/nonexistent".as_ref()), &mut gaps);
        assert_eq!(asked.0.len(), 4);
        assert_eq!(gaps.into_vec().len(), 1);
    }

    #[test]
    fn a_protocol_that_is_not_read_is_a_gap() {
        let mut gaps = Gaps::default();
        report_unread(&parse("heading\nDCCP 1 1\nTCP 1 1\n"), &mut gaps);
        assert_eq!(gaps.into_vec()[0].subject, Some("dccp".into()));
    }
}
