//! What was once said otherwise than the kernel does, of rules that it has or that a file holds. Each case was found by
//! the differential tests, where the kernel was asked, and made as small as it could be.

#![allow(clippy::unwrap_used, reason = "in helpers of tests, which clippy does not take for tests")]

use std::net::{IpAddr, SocketAddr};

use loopgate_facts::{BlockReason, ReachVerdict};
use loopgate_firewall::Ruleset;
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Device, Endpoint, Evaluator, Fate, Machine, Question, Responder};
use loopgate_firewall::iptables_save::parse;
use loopgate_firewall::nft_json;
use loopgate_firewall::routing::{
    FibAnswer, FibQuestion, ForwardQuestion, InputQuestion, InputRoute, OutputQuestion, OutputRoute, Routing,
};
use loopgate_firewall::ruleset::{Backend, Family};

const LO: u32 = 1;
const ETH0: u32 = 2;
const ETH1: u32 = 3;
const TCP: u8 = 6;
const UDP: u8 = 17;
const LOCAL: u8 = 2;
const UNICAST: u8 = 1;

/// A host with two devices. What is not its own is behind `eth0`, where packets can be forwarded to.
struct Host {
    devices: Vec<Device>,
}

impl Host {
    fn new() -> Self {
        let device = |index, name: &str, hardware, addresses: &[&str]| Device {
            index,
            name: name.into(),
            hardware,
            group: Some(0),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            bridged: false,
            bypasses: Vec::new(),
            ipv6: true,
            lower: Vec::new(),
            in_vrf: false,
        };
        let devices = vec![
            device(LO, "lo", Device::LOOPBACK, &["127.0.0.1", "::1"]),
            device(ETH0, "eth0", 1, &["10.9.0.1", "fd09::1"]),
            device(ETH1, "eth1", 1, &["10.77.0.1", "fd77::1"]),
        ];
        Self { devices }
    }

    fn own(&self, version: IpVersion) -> AddressSet {
        let of_version = |address: &&IpAddr| IpVersion::of(**address) == version;
        let addresses = self.devices.iter().flat_map(|device| &device.addresses).filter(of_version);
        addresses.fold(AddressSet::empty(version), |sum, address| sum.union(&AddressSet::single(*address)))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.own(IpVersion::of(address)).contains(address)
    }

    fn parted<A>(&self, addresses: &AddressSet, own: A, others: A) -> Vec<(AddressSet, A)> {
        let mine = self.own(addresses.version());
        vec![(addresses.intersection(&mine), own), (addresses.difference(&mine), others)]
    }
}

impl Routing for Host {
    fn input(&self, question: &InputQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        let route = if question.destination.is_loopback() && question.interface != LO {
            InputRoute::Blocked(BlockReason::Martian)
        } else if self.is_own(question.destination) {
            InputRoute::Local
        } else {
            InputRoute::Forward { interface: ETH0 }
        };
        vec![(question.sources.clone(), route)]
    }

    fn forward(&self, question: &ForwardQuestion<'_>) -> Vec<(AddressSet, InputRoute)> {
        self.parted(question.destinations, InputRoute::Local, InputRoute::Forward { interface: ETH0 })
    }

    fn output(&self, question: &OutputQuestion<'_>) -> Vec<(AddressSet, OutputRoute)> {
        let others = OutputRoute::Leaves { interface: question.bound_interface.unwrap_or(ETH0) };
        self.parted(question.destinations, OutputRoute::Leaves { interface: LO }, others)
    }

    fn fib(&self, question: &FibQuestion<'_>) -> Vec<(AddressSet, FibAnswer)> {
        self.parted(question.addresses, FibAnswer::AddressType(LOCAL), FibAnswer::AddressType(UNICAST))
    }

    fn depends_on_ports(&self, _: IpVersion) -> bool {
        false
    }
}

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    To(&'static str),
    Blocked(BlockReason),
    Unknown,
}

/// A packet: the device that it comes in by, its protocol, where it comes from and where it is sent to.
type Packet = (u32, u8, &'static str, &'static str);

fn becomes(ruleset: &Ruleset, (interface, protocol, source, destination): Packet) -> (ReachVerdict, String) {
    let host = Host::new();
    let machine = Machine { ruleset, devices: &host.devices, routing: &host };
    let destination: SocketAddr = destination.parse().unwrap();
    let endpoint = Endpoint { address: destination.ip(), port: destination.port() };
    let sources = AddressSet::all(IpVersion::of(endpoint.address));
    let responder = Responder::default();
    let question = Question { interface, protocol, destination: endpoint, sources, responder };
    let answer = Evaluator::new(machine).ask(&question);
    let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }));
    let part = judged.iter().find(|part| part.region.contains(source.parse().unwrap(), 40_000)).unwrap();
    let to = part.translated.map_or(destination, |to| SocketAddr::new(to.address, to.port));
    let words = part.reason.map_or_else(|| to.to_string(), |reason| reason.to_string());
    (part.verdict, words)
}

fn expect(rules: &str, packet: Packet, outcome: &Outcome) {
    let family = if packet.3.starts_with('[') { Family::Ip6 } else { Family::Ip };
    let ruleset = parse(rules.as_bytes(), Some(family)).unwrap().ruleset;
    let (verdict, words) = becomes(&ruleset, packet);
    let as_expected = match outcome {
        Outcome::To(to) => verdict == ReachVerdict::Reachable && words == *to,
        Outcome::Blocked(reason) => verdict == ReachVerdict::Blocked && words == reason.as_str(),
        Outcome::Unknown => verdict == ReachVerdict::Unknown,
    };
    assert!(as_expected, "{packet:?} with\n{rules}\nis {verdict} ({words}), not {outcome:?}");
}

/// `*table` and its rules, as `iptables-save` writes them.
macro_rules! save {
    ($($line:literal)*) => { concat!($($line, "\n",)*) };
}

#[test]
fn an_answer_to_an_own_address_never_leaves() {
    let spoofed = (ETH1, UDP, "fd09::1", "[fd09::1]:123");
    let nothing = save!("*filter" ":INPUT ACCEPT" "COMMIT");
    expect(nothing, spoofed, &Outcome::Blocked(BlockReason::AnswerNotRouted));
}

#[test]
fn ipv6_refuses_the_impossible_before_it_translates() {
    let dnat = save!("*nat" ":PREROUTING ACCEPT" "-A PREROUTING -j DNAT --to-destination fd09::1" "COMMIT");
    let martian = Outcome::Blocked(BlockReason::Martian);
    expect(dnat, (ETH0, TCP, "2001:db8::1", "[::1]:80"), &martian);
    expect(dnat, (ETH0, TCP, "::1", "[fd77::1]:80"), &martian);
    expect(dnat, (ETH0, TCP, "ff02::1", "[fd77::1]:80"), &martian);
    expect(dnat, (ETH0, TCP, "2001:db8::1", "[fd77::1]:80"), &Outcome::To("[fd09::1]:80"));
}

#[test]
fn link_local_senders_are_answered_by_the_interface_they_were_seen_on() {
    let rules = save!("*filter" ":OUTPUT ACCEPT" "-A OUTPUT -o eth0 -j DROP" "COMMIT");
    expect(rules, (ETH1, TCP, "fe80::2", "[fd09::1]:53"), &Outcome::To("[fd09::1]:53"));
    expect(rules, (ETH0, TCP, "fe80::2", "[fd09::1]:53"), &Outcome::Blocked(BlockReason::AnswerBlocked));
}

/// `IP_PKTINFO`: servers of UDP answer by the interface that they were asked by, if they want to.
#[test]
fn a_program_can_choose_by_which_interface_its_datagrams_leave() {
    let rules = save!("*filter" ":OUTPUT ACCEPT" "-A OUTPUT -o eth0 -j DROP" "COMMIT");
    expect(rules, (ETH1, TCP, "192.0.2.1", "10.9.0.1:53"), &Outcome::Blocked(BlockReason::AnswerBlocked));
    expect(rules, (ETH1, UDP, "192.0.2.1", "10.9.0.1:53"), &Outcome::Unknown);
    expect(rules, (ETH0, UDP, "192.0.2.1", "10.9.0.1:53"), &Outcome::Blocked(BlockReason::AnswerBlocked));
    let both = save!("*filter" ":OUTPUT ACCEPT" "-A OUTPUT -p udp -j DROP" "COMMIT");
    expect(both, (ETH1, UDP, "192.0.2.1", "10.9.0.1:53"), &Outcome::Blocked(BlockReason::AnswerBlocked));
}

#[test]
fn an_answer_that_is_not_tracked_comes_from_the_wrong_address() {
    let rules = save!(
        "*raw" ":OUTPUT ACCEPT" "-A OUTPUT -j CT --notrack" "COMMIT"
        "*nat" ":PREROUTING ACCEPT" "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.9.0.1" "COMMIT"
    );
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.77.0.1:80"), &Outcome::Blocked(BlockReason::AnswerBlocked));
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.77.0.1:81"), &Outcome::To("10.77.0.1:81"));
}

#[test]
fn an_answer_to_an_untracked_packet_begins_a_connection() {
    let untracked = "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j NOTRACK\nCOMMIT\n";
    let query = (ETH0, UDP, "192.0.2.1", "10.9.0.1:53");
    let rules = |more: &str| format!("{untracked}{more}");
    let reply = save!("*filter" ":OUTPUT ACCEPT" "-A OUTPUT -m conntrack --ctdir REPLY -j REJECT" "COMMIT");
    expect(&rules(reply), query, &Outcome::To("10.9.0.1:53"));
    let masquerade = save!("*nat" ":POSTROUTING ACCEPT" "-A POSTROUTING -j MASQUERADE" "COMMIT");
    expect(&rules(masquerade), query, &Outcome::Unknown);
}

#[test]
fn a_masqueraded_sender_is_not_seen_in_the_answer_before_it_is_translated_back() {
    let rules = save!(
        "*raw" ":PREROUTING ACCEPT" "-A PREROUTING -d 10.9.0.1 -j NOTRACK" "COMMIT"
        "*nat" ":PREROUTING ACCEPT" ":POSTROUTING ACCEPT"
        "-A PREROUTING -j DNAT --to-destination 10.9.0.30" "-A POSTROUTING -j MASQUERADE" "COMMIT"
    );
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.77.0.1:80"), &Outcome::Unknown);
}

#[test]
fn a_source_that_is_translated_on_input_is_not_followed() {
    let rules = save!("*nat" ":INPUT ACCEPT" "-A INPUT -s 192.0.2.0/24 -j SNAT --to-source 10.77.0.1" "COMMIT");
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::Unknown);
    expect(rules, (ETH0, TCP, "198.51.100.1", "10.9.0.1:80"), &Outcome::To("10.9.0.1:80"));
}

#[test]
fn over_loopback_a_packet_leaves_before_it_arrives() {
    let confirmed = save!(
        "*filter" ":INPUT DROP" "-A INPUT -m conntrack --ctstatus CONFIRMED -j ACCEPT" "COMMIT"
    );
    expect(confirmed, (LO, TCP, "10.9.0.1", "10.9.0.1:80"), &Outcome::To("10.9.0.1:80"));
    expect(confirmed, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::Blocked(BlockReason::Dropped));

    // What translates the source on input is not even entered.
    let translated = save!("*nat" ":INPUT ACCEPT" "-A INPUT -j SNAT --to-source 10.77.0.1" "COMMIT");
    expect(translated, (LO, TCP, "10.9.0.1", "10.9.0.1:80"), &Outcome::To("10.9.0.1:80"));
}

#[test]
fn an_answer_over_loopback_comes_from_where_the_packet_was_sent_to() {
    let rules = save!(
        "*nat" ":OUTPUT ACCEPT" "-A OUTPUT -p tcp -j DNAT --to-destination 10.9.0.1:8443" "COMMIT"
        "*filter" ":INPUT DROP" "-A INPUT -p tcp --dport 8443 -j ACCEPT" "-A INPUT -s 10.9.0.1 -j ACCEPT" "COMMIT"
    );
    expect(rules, (LO, TCP, "127.0.0.1", "10.9.0.1:22"), &Outcome::To("10.9.0.1:8443"));
    expect(rules, (LO, TCP, "127.0.0.1", "10.77.0.1:22"), &Outcome::Blocked(BlockReason::AnswerBlocked));
}

#[test]
fn at_the_priority_of_conntrack_nothing_tells_what_runs_first() {
    let rules = save!("*raw" ":PREROUTING ACCEPT" "-A PREROUTING -m conntrack --ctstate NEW -j DROP" "COMMIT");
    let mut ruleset = parse(rules.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    for table in &mut ruleset.tables {
        table.backend = Backend::NfTables;
    }
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    for (priority, verdict) in
        [(-201, ReachVerdict::Reachable), (-200, ReachVerdict::Unknown), (-199, ReachVerdict::Blocked)]
    {
        for base in ruleset.chains.iter_mut().filter_map(|chain| chain.base.as_mut()) {
            base.priority = priority;
        }
        assert_eq!(becomes(&ruleset, packet).0, verdict, "priority {priority}");
    }
}

#[test]
fn an_answer_is_looked_for_in_the_zone_that_its_own_rules_choose() {
    let zone = "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j CT --zone 3\n";
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    expect(&format!("{zone}COMMIT\n"), packet, &Outcome::To("10.9.0.1:80"));
    let nat = save!("*nat" ":PREROUTING ACCEPT" "-A PREROUTING -p tcp -j DNAT --to-destination 10.9.0.1:8080" "COMMIT");
    expect(&format!("{zone}COMMIT\n{nat}"), packet, &Outcome::Unknown);
    let both = format!("{zone}:OUTPUT ACCEPT\n-A OUTPUT -j CT --zone 3\nCOMMIT\n{nat}");
    expect(&both, packet, &Outcome::To("10.9.0.1:8080"));
}

#[test]
fn what_has_a_zone_stays_tracked() {
    let rules = save!(
        "*raw" ":PREROUTING ACCEPT" ":OUTPUT ACCEPT"
        "-A PREROUTING -j CT --zone 3" "-A PREROUTING -j CT --notrack" "-A OUTPUT -j CT --zone 3" "COMMIT"
        "*filter" ":INPUT DROP" "-A INPUT -m conntrack --ctstate NEW -j ACCEPT" "COMMIT"
    );
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::To("10.9.0.1:80"));
}

#[test]
fn nothing_tells_which_backend_translates_first() {
    let text = |target: &str| format!("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -j {target}\nCOMMIT\n");
    let rules = |target| parse(text(target).as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let mut ruleset = rules("DNAT --to-destination 10.9.0.1:8080");
    for table in &mut ruleset.tables {
        table.backend = Backend::NfTables;
    }
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    assert_eq!(becomes(&ruleset, packet), (ReachVerdict::Reachable, "10.9.0.1:8080".into()));
    ruleset.append(rules("REDIRECT --to-ports 8081"));
    let refused = parse(b"*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 8081 -j DROP\nCOMMIT\n", Some(Family::Ip));
    ruleset.append(refused.unwrap().ruleset);
    assert_eq!(becomes(&ruleset, packet).0, ReachVerdict::Unknown);
}

/// What comes to a port is the first fragment, or whole.
#[test]
fn a_rule_about_fragments_behind_the_first_is_about_nothing_that_opens_a_port() {
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    let accepted = save!("*filter" ":INPUT DROP" "-A INPUT -f -j ACCEPT" "COMMIT");
    expect(accepted, packet, &Outcome::Blocked(BlockReason::Dropped));
    let dropped = save!("*filter" ":INPUT ACCEPT" "-A INPUT -f -j DROP" "COMMIT");
    expect(dropped, packet, &Outcome::To("10.9.0.1:80"));
}

/// Legacy tables stay when their rules go; beside many chains of nf_tables with marks their order does not matter.
#[test]
fn an_empty_chain_of_the_older_backend_has_any_order() {
    let rules = |text: &str| parse(text.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let mut ruleset = rules("*filter\n:INPUT ACCEPT\nCOMMIT\n");
    for number in 0..9 {
        let mut mark = rules("*filter\n:INPUT ACCEPT\n-A INPUT -j MARK --set-mark 1\nCOMMIT\n");
        mark.tables[0].backend = Backend::NfTables;
        mark.tables[0].name = format!("t{number}").into();
        ruleset.append(mark);
    }
    let (verdict, _) = becomes(&ruleset, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"));
    assert_eq!(verdict, ReachVerdict::Reachable);
}

/// The older backend has one such chain: of two files that have it, one is what iptables-nft saved.
#[test]
fn files_of_both_backends_do_not_tell_which_translates_first() {
    let text = |to: &str| format!("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -j DNAT --to-destination {to}\nCOMMIT\n");
    let rules = |to| parse(text(to).as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let mut ruleset = rules("10.9.0.1:8080");
    ruleset.append(rules("10.77.0.1:8081"));
    let refused = parse(b"*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 8081 -j DROP\nCOMMIT\n", Some(Family::Ip));
    ruleset.append(refused.unwrap().ruleset);
    assert_eq!(becomes(&ruleset, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80")).0, ReachVerdict::Unknown);
}

#[test]
fn a_packet_with_a_template_is_new_before_it_is_tracked() {
    let rules = save!(
        "*raw" ":PREROUTING ACCEPT" "-A PREROUTING -p tcp -j CT --helper ftp"
        "-A PREROUTING -m conntrack --ctstate NEW -j DROP" "COMMIT"
    );
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::Blocked(BlockReason::Dropped));
    expect(rules, (ETH0, UDP, "192.0.2.1", "10.9.0.1:80"), &Outcome::To("10.9.0.1:80"));
}

/// Without a connection neither a test of it nor its inversion holds (`conntrack_mt`, `connmark_mt`).
#[test]
fn what_files_ask_of_a_connection_does_not_hold_without_one() {
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    let rules = save!(
        "*raw" ":PREROUTING ACCEPT"
        "-A PREROUTING -m conntrack ! --ctorigsrc 10.9.0.0/16 -j DROP"
        "-A PREROUTING -m connmark ! --mark 0x1 -j DROP"
        "-A PREROUTING -m conntrack ! --ctstatus CONFIRMED -j DROP" "COMMIT"
    );
    expect(rules, packet, &Outcome::To("10.9.0.1:80"));
    let rules = save!(
        "*raw" ":PREROUTING ACCEPT"
        "-A PREROUTING -m conntrack --ctstate INVALID --ctorigdstport 80 -j DROP" "COMMIT"
    );
    expect(rules, packet, &Outcome::Unknown);
}

/// For IPv6 the type is a matter of the address, and all types must hold (`addrtype_mt6`).
#[test]
fn types_of_ipv6_addresses_in_files_are_a_matter_of_the_address() {
    let rules = save!("*filter" ":INPUT ACCEPT" "-A INPUT -m addrtype --src-type UNICAST -j DROP" "COMMIT");
    expect(rules, (ETH0, TCP, "2001:db8::1", "[fd09::1]:80"), &Outcome::Blocked(BlockReason::Dropped));
    let rules = save!("*filter" ":INPUT ACCEPT" "-A INPUT -m addrtype --src-type LOCAL,UNICAST -j DROP" "COMMIT");
    expect(rules, (ETH0, TCP, "2001:db8::1", "[fd09::1]:80"), &Outcome::To("[fd09::1]:80"));
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::Blocked(BlockReason::Dropped));
}

#[test]
fn a_prefix_is_replaced_in_chains_that_others_jump_to_as_well() {
    let rules = save!(
        "*nat" ":PREROUTING ACCEPT" ":own -" "-A PREROUTING -p tcp -j own" "-A own -j NETMAP --to 10.77.0.0/24" "COMMIT"
    );
    expect(rules, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::To("10.77.0.1:80"));
}

/// Ordinary packets have no extension headers, and extraordinary ones may: these are let in both ways.
#[test]
fn a_rule_about_extension_headers_is_not_about_ordinary_packets() {
    for rule in ["-m rt --rt-type 0", "-m frag --fraglast", "-m hbh ! --hbh-len 5", "-m dst --dst-len 5"] {
        let rules = format!("*filter\n:INPUT ACCEPT\n-A INPUT {rule} -j DROP\nCOMMIT\n");
        expect(&rules, (ETH0, TCP, "2001:db8::1", "[fd09::1]:80"), &Outcome::To("[fd09::1]:80"));
    }
}

#[test]
fn a_rule_asks_for_the_group_of_the_interface() {
    let rules = |option: &str| format!("*filter\n:INPUT DROP\n-A INPUT -m devgroup {option} -j ACCEPT\nCOMMIT\n");
    let packet = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    for group in ["--src-group default", "--src-group 0x0", "--src-group 0xf0/0xf", "! --src-group 0x1"] {
        expect(&rules(group), packet, &Outcome::To("10.9.0.1:80"));
    }
    expect(&rules("! --src-group 0x0"), packet, &Outcome::Blocked(BlockReason::Dropped));
    expect(&rules("--src-group of-a-file"), packet, &Outcome::Unknown);
}

/// A listing of one chain at ingress that drops.
fn at_ingress(device: &str) -> Ruleset {
    let listing = format!(
        r#"{{ "nftables": [
            {{ "table": {{ "family": "netdev", "name": "t", "handle": 1 }} }},
            {{ "chain": {{ "family": "netdev", "table": "t", "name": "c", "handle": 1, "type": "filter",
                "hook": "ingress", {device} "prio": 0, "policy": "drop" }} }}
        ] }}"#
    );
    nft_json::parse(listing.as_bytes()).unwrap().ruleset
}

#[test]
fn a_chain_sees_the_devices_whose_names_begin_as_it_says() {
    let sources = "192.0.2.1";
    let verdict = |device, interface| becomes(&at_ingress(device), (interface, TCP, sources, "10.9.0.1:80")).0;
    let [named, beginning, every] = [r#""dev": "eth0","#, r#""dev": "eth*","#, r#""dev": ["lo", "*"],"#];
    assert_eq!([ETH0, ETH1].map(|device| verdict(named, device)), [ReachVerdict::Blocked, ReachVerdict::Reachable]);
    // A name that ends in a star is a prefix to some versions of the tool, and the name of one device to others.
    assert_eq!([ETH0, ETH1].map(|device| verdict(beginning, device)), [ReachVerdict::Unknown; 2]);
    assert_eq!(verdict(every, ETH1), ReachVerdict::Unknown);
}

/// nft 1.0.6 lists no devices.
#[test]
fn a_chain_whose_devices_are_not_listed_may_see_any() {
    let (verdict, _) = becomes(&at_ingress(""), (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"));
    assert_eq!(verdict, ReachVerdict::Unknown);
}

/// `nft` lists a range of addresses that is a prefix as one.
#[test]
fn a_translation_to_a_prefix_is_one_to_a_range() {
    let translated = |address: &str, flags: &str| {
        let listing = format!(
            r#"{{ "nftables": [
                {{ "table": {{ "family": "ip", "name": "t", "handle": 1 }} }},
                {{ "chain": {{ "family": "ip", "table": "t", "name": "c", "handle": 1, "type": "nat",
                    "hook": "prerouting", "prio": -100, "policy": "accept" }} }},
                {{ "rule": {{ "family": "ip", "table": "t", "chain": "c", "handle": 2, "expr": [
                    {{ "dnat": {{ "addr": {address} {flags} }} }} ] }} }}
            ] }}"#
        );
        let ruleset = nft_json::parse(listing.as_bytes()).unwrap().ruleset;
        becomes(&ruleset, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"))
    };
    let one = translated(r#"{ "prefix": { "addr": "10.77.0.1", "len": 32 } }"#, "");
    assert_eq!(one, (ReachVerdict::Reachable, "10.77.0.1:80".into()));
    let replaced = translated(r#"{ "prefix": { "addr": "10.77.0.0", "len": 24 } }"#, r#", "flags": "netmap""#);
    assert_eq!(replaced, (ReachVerdict::Reachable, "10.77.0.1:80".into()));
    for wrong in
        [r#"{ "prefix": { "addr": "10.77.0.1", "len": 33 } }"#, r#"{ "prefix": { "addr": "fd00::", "len": 64 } }"#]
    {
        assert_eq!(translated(wrong, "").0, ReachVerdict::Unknown, "{wrong}");
    }
}

/// Rules of a chain at input that drops what they do not decide, beside a set of addresses that has one.
fn with_set(rules: &[&str]) -> Ruleset {
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| format!(r#"{{ "rule": {{ "family": "ip", "table": "t", "chain": "c", "expr": [ {rule} ] }} }}"#))
        .collect();
    let listing = format!(
        r#"{{ "nftables": [
            {{ "table": {{ "family": "ip", "name": "t" }} }},
            {{ "chain": {{ "family": "ip", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0,
                "policy": "drop" }} }},
            {{ "set": {{ "family": "ip", "table": "t", "name": "s", "type": "ipv4_addr", "flags": ["dynamic"],
                "elem": ["192.0.2.7"] }} }},
            {} ] }}"#,
        rules.join(",")
    );
    nft_json::parse(listing.as_bytes()).unwrap().ruleset
}

const ACCEPT: &str = r#"{ "accept": null }"#;
const DROP: &str = r#"{ "drop": null }"#;

fn of_port(port: u16, then: &str) -> String {
    let field = r#"{ "payload": { "protocol": "tcp", "field": "dport" } }"#;
    format!(r#"{{ "match": {{ "op": "==", "left": {field}, "right": {port} }} }}, {then}"#)
}

const IN_SET: &str =
    r#"{ "match": { "op": "==", "left": { "payload": { "protocol": "ip", "field": "saddr" } }, "right": "@s" } }"#;
const ADDS: &str =
    r#"{ "set": { "op": "update", "elem": { "payload": { "protocol": "ip", "field": "saddr" } }, "set": "@s" } }"#;

/// Port knocking: the packet that is let in is the second of its sender.
#[test]
fn a_sender_can_be_added_to_a_set_before() {
    let verdict = |rules: &[&str], source| becomes(&with_set(rules), (ETH0, TCP, source, "10.9.0.1:8080")).0;
    let (knock, let_in) = (of_port(80, ADDS), of_port(8080, &format!("{IN_SET}, {ACCEPT}")));
    assert_eq!(verdict(&[&knock, &let_in], "192.0.2.7"), ReachVerdict::Reachable);
    assert_eq!(verdict(&[&knock, &let_in], "192.0.2.8"), ReachVerdict::Unknown);
    assert_eq!(verdict(&[&let_in], "192.0.2.8"), ReachVerdict::Blocked);
    // A ban concerns nobody who was not banned.
    let (ban, banned, rest) = (of_port(80, ADDS), format!("{IN_SET}, {DROP}"), of_port(8080, ACCEPT));
    assert_eq!(verdict(&[&ban, &banned, &rest], "192.0.2.7"), ReachVerdict::Blocked);
    assert_eq!(verdict(&[&ban, &banned, &rest], "192.0.2.8"), ReachVerdict::Reachable);
}

#[test]
fn what_is_written_into_a_packet_can_keep_it_from_its_socket() {
    let write = |key: &str, value: &str| format!(r#"{{ "mangle": {{ "key": {key}, "value": {value} }} }}, {ACCEPT}"#);
    let verdict = |rule: &str| becomes(&with_set(&[rule]), (ETH0, TCP, "192.0.2.1", "10.9.0.1:80")).0;
    let field =
        |protocol: &str, field: &str| format!(r#"{{ "payload": {{ "protocol": "{protocol}", "field": "{field}" }} }}"#);
    assert_eq!(verdict(&write(&field("tcp", "flags"), "4")), ReachVerdict::Unknown);
    assert_eq!(verdict(&write(&field("tcp", "dport"), "81")), ReachVerdict::Unknown);
    assert_eq!(verdict(&write(r#"{ "meta": { "key": "pkttype" } }"#, r#""other""#)), ReachVerdict::Unknown);
    assert_eq!(verdict(&write(&field("ip", "dscp"), "8")), ReachVerdict::Reachable);
    assert_eq!(verdict(&write(r#"{ "meta": { "key": "priority" } }"#, "8")), ReachVerdict::Reachable);
}

/// Each rule may mark a packet or not, which makes two kinds of packets of each that there were.
#[test]
fn marks_that_are_set_by_chance_do_not_take_for_ever() {
    let rules: Vec<_> = (0..30)
        .map(|bit| {
            format!("-A INPUT -m statistic --mode random --probability 0.5 -j MARK --set-xmark {0}/{0}\n", 1 << bit)
        })
        .collect();
    let save = format!("*filter\n:INPUT DROP\n{}-A INPUT -m mark --mark 0x5 -j ACCEPT\nCOMMIT\n", rules.concat());
    expect(&save, (ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), &Outcome::Unknown);
}

/// `xt_hl.c`, `xt_dscp.c` and `xt_length.c` of `net/netfilter`: ordinary packets have one value, and senders choose
/// others.
#[test]
fn fields_of_the_header_are_those_of_ordinary_packets() {
    let (syn, datagram) = ((ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), (ETH0, UDP, "192.0.2.1", "10.9.0.1:80"));
    let passes = Outcome::To("10.9.0.1:80");
    for (drop, of_syn, of_datagram) in [
        ("ttl --ttl-eq 3", &passes, &passes),
        ("ttl --ttl-gt 64", &passes, &passes),
        ("ttl --ttl-lt 65", &Outcome::Unknown, &Outcome::Unknown),
        ("dscp --dscp 5", &passes, &passes),
        ("tos ! --tos 0x10/0x10", &Outcome::Unknown, &Outcome::Unknown),
        ("tos --tos 0x1/0x3", &passes, &passes),
        ("tos --tos 0x1/0x2", &passes, &passes),
        ("length --length 2000:", &passes, &Outcome::Unknown),
        ("length --length :39", &passes, &Outcome::Unknown),
        ("length --length :27", &passes, &passes),
        ("length --length 60", &Outcome::Unknown, &Outcome::Unknown),
        ("length --length :1500", &Outcome::Unknown, &Outcome::Unknown),
        ("length --length 20:", &Outcome::Blocked(BlockReason::Dropped), &Outcome::Blocked(BlockReason::Dropped)),
    ] {
        let rules = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m {drop} -j DROP\nCOMMIT\n");
        expect(&rules, syn, of_syn);
        expect(&rules, datagram, of_datagram);
    }
    let of_ipv6 = (ETH0, TCP, "2001:db8::1", "[fd09::1]:80");
    for drop in
        ["hl --hl-eq 3", "dscp --dscp 0x3f", "tos --tos 0x81/0xff", "length --length :59", "length --length 500:"]
    {
        let rules = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m {drop} -j DROP\nCOMMIT\n");
        expect(&rules, of_ipv6, &Outcome::To("[fd09::1]:80"));
    }
}

/// What a rule wrote is not what the sender chose.
#[test]
fn fields_of_the_header_that_a_rule_wrote_are_not_ordinary_any_more() {
    let written = |write: &str, drop: &str| {
        format!(
            "*mangle\n-A PREROUTING -j {write}\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m {drop} -j DROP\nCOMMIT\n"
        )
    };
    let syn = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    expect(&written("TTL --ttl-set 3", "ttl --ttl-eq 3"), syn, &Outcome::Unknown);
    expect(&written("DSCP --set-dscp 5", "dscp --dscp 5"), syn, &Outcome::Unknown);
    let of_ipv6 = (ETH0, TCP, "2001:db8::1", "[fd09::1]:80");
    expect(&written("HL --hl-set 3", "hl --hl-eq 3"), of_ipv6, &Outcome::Unknown);
    expect(&written("TOS --set-tos 5", "tos --tos 5"), of_ipv6, &Outcome::Unknown);
}

/// `policy_mt` (`net/netfilter/xt_policy.c`): without keys nothing comes in protected, and without policies nothing
/// leaves so.
#[test]
fn nothing_is_protected_where_there_is_no_ipsec() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:OUTPUT DROP [0:0]\n\
        -A INPUT -p tcp -m policy --dir in --pol none -j ACCEPT\n\
        -A INPUT -p udp -m policy --dir in --pol ipsec --reqid 5 -j ACCEPT\n\
        -A OUTPUT -m policy --dir out --pol ipsec -j DROP\n-A OUTPUT -m policy --dir out --pol none -j ACCEPT\nCOMMIT\n";
    let (syn, datagram) = ((ETH0, TCP, "192.0.2.1", "10.9.0.1:80"), (ETH0, UDP, "192.0.2.1", "10.9.0.1:80"));
    expect(rules, syn, &Outcome::To("10.9.0.1:80"));
    expect(rules, datagram, &Outcome::Blocked(BlockReason::Dropped));
    let mut ruleset = parse(rules.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    ruleset.ipsec = true;
    assert_eq!(becomes(&ruleset, syn).0, ReachVerdict::Unknown);
    assert_eq!(becomes(&ruleset, datagram).0, ReachVerdict::Unknown);
}

/// `physdev_mt` (`net/netfilter/xt_physdev.c`): of what came by no bridge each option says no, and inverted yes.
#[test]
fn what_came_by_no_bridge_has_no_port_of_one() {
    let syn = (ETH0, TCP, "192.0.2.1", "10.9.0.1:80");
    let options = ["--physdev-in e0", "--physdev-is-in", "--physdev-is-out", "--physdev-is-bridged"];
    for option in options {
        for (rule, outcome) in [
            (option.to_owned(), Outcome::To("10.9.0.1:80")),
            (format!("! {option}"), Outcome::Blocked(BlockReason::Dropped)),
            (format!("! --physdev-out e1 {option}"), Outcome::To("10.9.0.1:80")),
            (format!("! --physdev-out e1 ! {option}"), Outcome::Blocked(BlockReason::Dropped)),
        ] {
            let rules = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m physdev {rule} -j DROP\nCOMMIT\n");
            expect(&rules, syn, &outcome);
        }
    }
}
