//! Verdicts lie between bounds that others proved.
//!
//! C. Diekmann and others compute of a ruleset what it accepts for sure and what it may accept, with a program that is
//! formally verified (`diekmann/Iptables_Semantics`, `thy/Iptables_Semantics/Examples`): of the chain INPUT of the
//! table filter, for packets that are new. With `LOOPGATE_RULESETS` the bounds of real hosts are compared that it has
//! in `iptables-semantics`; without, only those of a ruleset of our own.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "the bans are for the product")]

mod closures {
    pub(crate) mod bound;
    pub(crate) mod host;
}

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;

use closures::bound::Bound;
use closures::host::Host;
use loopgate_facts::ReachVerdict;
use loopgate_firewall::address_set::AddressSet;
use loopgate_test_support::rulesets;

/// The sources that the authors take an interface to carry: they have no interfaces, and put sources in their place.
#[derive(Clone, Copy, Debug)]
struct Carried {
    interface: &'static str,
    sources: &'static [&'static str],
}

const LOOPBACK: Carried = Carried { interface: "lo", sources: &["127.0.0.0/8"] };
const OUTSIDE: Carried = Carried {
    interface: "eth0",
    sources: &[
        "0.0.0.0/2",
        "64.0.0.0/3",
        "96.0.0.0/4",
        "112.0.0.0/5",
        "120.0.0.0/6",
        "124.0.0.0/7",
        "126.0.0.0/8",
        "128.0.0.0/1",
    ],
};

/// Where packets are sent to: an address of the host, and one that only rules about loopback name.
const DESTINATIONS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::LOCALHOST];

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Compared {
    questions: usize,
    sources: u128,
    reachable: u128,
    unknown: u128,
}

/// Compares everything that comes in by some interfaces, from every source and to every port that the bounds name.
fn compare(dump: &str, lower: &Bound, upper: &Bound, ways: &[Carried]) -> (Compared, Vec<String>) {
    let host = Host::new(dump);
    let mut compared = Compared::default();
    let mut wrong = Vec::new();
    for way in ways {
        let sources = way.sources.iter().fold(Host::nobody(), |sum, prefix| sum.union(&Host::prefix(prefix)));
        for (protocol, port) in asked(lower, upper) {
            for to in DESTINATIONS {
                let [reachable, blocked] = host.ask(way.interface, (protocol, to, port), &sources);
                let question = format!("{} {protocol} {to}:{port}", way.interface);
                let [surely, perhaps] = [lower, upper].map(|bound| bound.accepted(&sources, (protocol, to, port)));
                compared.questions += 1;
                compared.sources += size(&sources);
                compared.reachable += size(&reachable);
                compared.unknown += size(&sources.difference(&reachable).difference(&blocked));
                // What is accepted for sure is reachable; what is reachable may be accepted; the rest is blocked.
                wrong.extend(outside(&question, ReachVerdict::Blocked, &surely.intersection(&blocked)));
                wrong.extend(outside(&question, ReachVerdict::Unknown, &surely.difference(&reachable)));
                wrong.extend(outside(&question, ReachVerdict::Reachable, &reachable.difference(&perhaps)));
            }
        }
    }
    (compared, wrong)
}

fn asked(lower: &Bound, upper: &Bound) -> BTreeSet<(u8, u16)> {
    let named = [lower, upper].into_iter().flat_map(Bound::ports);
    let ports: BTreeSet<u16> = named.flat_map(|port| [port, port.saturating_add(1)]).chain([1]).collect();
    ports.into_iter().flat_map(|port| [(6, port), (17, port)]).collect()
}

fn size(addresses: &AddressSet) -> u128 {
    addresses.ranges().map(|range| range.end() - range.start() + 1).sum()
}

fn outside(question: &str, verdict: ReachVerdict, addresses: &AddressSet) -> Option<String> {
    let first = addresses.first()?;
    Some(format!("{question}: {first} and {} others are {verdict}", size(addresses) - 1))
}

/// Bounds that were derived by hand. The limit may hold or not; whoever is in neither is refused.
const OWN: &str = "\
*filter
:INPUT DROP [0:0]
:OUTPUT DROP [0:0]
:known - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -s 192.0.2.128/25 -j DROP
-A INPUT -p tcp -m tcp --dport 22 -j known
-A INPUT -p udp -m udp --dport 53 -m length --length 60 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate NEW -j ACCEPT
-A known -s 192.0.2.0/24 -j ACCEPT
-A known -s 198.51.100.0/24 -j RETURN
-A known -j DROP
COMMIT
";
const OWN_LOWER: &str = "\
Chain INPUT (policy ACCEPT)
target     prot opt source               destination
ACCEPT     all  --  127.0.0.0/8          0.0.0.0/0
DROP       all  --  192.0.2.128/25       0.0.0.0/0
ACCEPT     tcp  --  192.0.2.0/24         0.0.0.0/0            tcp dpt:22
ACCEPT     tcp  --  0.0.0.0/0            0.0.0.0/0            tcp dpt:80
DROP       all  --  0.0.0.0/0            0.0.0.0/0
";
const OWN_UPPER: &str = "\
Chain INPUT (policy ACCEPT)
target     prot opt source               destination
ACCEPT     all  --  127.0.0.0/8          0.0.0.0/0
DROP       all  --  192.0.2.128/25       0.0.0.0/0
ACCEPT     tcp  --  192.0.2.0/24         0.0.0.0/0            tcp dpt:22
ACCEPT     udp  --  0.0.0.0/0            0.0.0.0/0            udp dpt:53
ACCEPT     tcp  --  0.0.0.0/0            0.0.0.0/0            tcp dpt:80
DROP       all  --  0.0.0.0/0            0.0.0.0/0

Chain FORWARD (policy ACCEPT)
";

#[test]
fn verdicts_lie_between_bounds_that_were_derived_by_hand() {
    let (lower, upper) = (Bound::parse(OWN_LOWER), Bound::parse(OWN_UPPER));
    let (compared, wrong) = compare(OWN, &lower, &upper, &[LOOPBACK, OUTSIDE]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared.reachable > 0 && compared.unknown > 0, "{compared:?}");
    // And what lies outside is noticed.
    assert!(!compare(OWN, &upper, &upper, &[OUTSIDE]).1.is_empty());
    assert!(
        !compare(OWN, &lower, &Bound::parse("Chain INPUT\nDROP all -- 0.0.0.0/0 0.0.0.0/0\n"), &[OUTSIDE]).1.is_empty()
    );
}

#[test]
fn verdicts_about_real_hosts_lie_between_bounds_that_were_proved() {
    let Some(folder) = rulesets("verdicts_about_real_hosts_lie_between_bounds_that_were_proved") else { return };
    let read = |name: &str| fs::read_to_string(folder.join("iptables-semantics").join(name)).expect(name);
    for (dump, bounds) in [
        ("IPPartEval__config_random_srv__iptables-save", "IPPartEval__config_random_srv__iptables.INP.Ln"),
        (
            "IPPartEval__gopherproxy.meulie.net__iptables-save",
            "IPPartEval__gopherproxy.meulie.net__iptables-save.Ln.INP",
        ),
    ] {
        let [lower, upper] = ["lower", "upper"].map(|end| Bound::parse(&read(&format!("{bounds}.{end}"))));
        let (compared, wrong) = compare(&read(dump), &lower, &upper, &[LOOPBACK, OUTSIDE]);
        eprintln!("{dump}: {compared:?}");
        assert!(wrong.is_empty(), "{dump}: {}", wrong.join("\n"));
        assert!(compared.reachable > 0, "{compared:?}");
    }
}

/// The authors take this host's eth0 to carry 172.16.2.0/24 and nothing else, and put these sources where the rules
/// have the interface, `-i eth0 -j ACCEPT` among them. The kernel asks for the interface: whoever comes in by it is
/// accepted. With each interface carrying what they take it to, the bounds hold.
#[test]
fn of_a_host_with_an_interface_of_one_network_the_bounds_hold_for_that_network() {
    let name = "of_a_host_with_an_interface_of_one_network_the_bounds_hold_for_that_network";
    let Some(folder) = rulesets(name) else { return };
    let dump = "IPPartEval__medium-sized-company__iptables-save";
    let read = |end: &str| fs::read_to_string(folder.join("iptables-semantics").join(format!("{dump}{end}"))).unwrap();
    let (lower, upper) = (Bound::parse(&read(".Ln.INP.lower")), Bound::parse(&read(".Ln.INP.upper")));
    let company = Carried { interface: "eth0", sources: &["172.16.2.0/24"] };
    let others = Carried { interface: "eth1", sources: &["0.0.0.0/2", "128.0.0.0/3", "192.0.0.0/2"] };
    let (compared, wrong) = compare(&read(""), &lower, &upper, &[LOOPBACK, company, others]);
    eprintln!("{dump}: {compared:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (_, by_the_wrong_interface) = compare(&read(""), &lower, &upper, &[OUTSIDE]);
    assert!(by_the_wrong_interface.iter().all(|wrong| wrong.ends_with("are reachable")), "{by_the_wrong_interface:?}");
    assert!(!by_the_wrong_interface.is_empty());
}
