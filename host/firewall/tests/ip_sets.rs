//! Questions to sets of `ipset(8)`. The kernel itself is asked by the differential test.

#![allow(clippy::unwrap_used, reason = "in helpers of tests, which clippy does not take for tests")]

mod straight;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use loopgate_facts::ReachVerdict;
use loopgate_firewall::attribute::append;
use loopgate_firewall::evaluate::Fate;
use loopgate_firewall::ip_set::{self, Builder, IpSetId, IpSets, Members, decode_stream};
use loopgate_firewall::rule::{Effect, End, IpSetChange, IpSetQuestion, IpSetReference, Op, Predicate, Test, Verdict};
use loopgate_firewall::ruleset::{ChainId, Family, RuleId};
use loopgate_firewall::{Ruleset, iptables_save, notation};
use proptest::prelude::*;

use straight::{Host, TCP};

// Attributes (`include/uapi/linux/netfilter/ipset/ip_set.h`).
const ADDRESS: u16 = 1;
const PREFIX: u16 = 3;
const PORT: u16 = 4;
const PROTOCOL: u16 = 7;
const FLAGS: u16 = 8;
const NAME: u16 = 18;
const NOMATCH: u32 = 4;

fn attributes(list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in list {
        append(&mut bytes, *kind, value);
    }
    bytes
}

fn ipv4(address: Ipv4Addr) -> Vec<u8> {
    attributes(&[(1, &address.octets())])
}

fn address(text: &str) -> Vec<u8> {
    attributes(&[(ADDRESS, &ipv4(text.parse().unwrap()))])
}

fn network(address: Ipv4Addr, prefix: u8, nomatch: bool) -> Vec<u8> {
    let flags = if nomatch { NOMATCH.to_be_bytes() } else { [0; 4] };
    attributes(&[(ADDRESS, &ipv4(address)), (PREFIX, &[prefix]), (FLAGS, &flags)])
}

/// The message in which the kernel lists a set of IPv4 addresses, or of sets.
fn message(number: u16, name: &str, kind: &str, members: &[Vec<u8>]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|member| (7, member.as_slice())).collect();
    let family = if kind == "list:set" { 0 } else { 2 };
    let text = |text: &str| [text.as_bytes(), &[0]].concat();
    let body = attributes(&[
        (2, &text(name)),
        (3, &text(kind)),
        (4, &[0]),
        (5, &[family]),
        (11, &number.to_be_bytes()),
        (7, &[]),
        (8, &attributes(&members)),
    ]);
    [&[2, 0, 0, 0], body.as_slice()].concat()
}

/// The message that goes on with the members of a set.
fn more(name: &str, members: &[Vec<u8>]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|member| (7, member.as_slice())).collect();
    [vec![2, 0, 0, 0], attributes(&[(2, &[name.as_bytes(), &[0]].concat()), (8, &attributes(&members))])].concat()
}

fn sets(messages: &[Vec<u8>]) -> IpSets {
    let mut builder = Builder::new();
    for message in messages {
        builder.message(message).unwrap();
    }
    builder.finish()
}

fn named(number: u16, ends: &[End]) -> IpSetReference {
    IpSetReference { id: IpSetId::Number(number), ends: ends.to_vec() }
}

fn source(number: u16) -> IpSetQuestion {
    IpSetQuestion { set: named(number, &[End::Source]), return_nomatch: false, counters: false }
}

fn asks(question: IpSetQuestion, inverted: bool) -> Op {
    Op::Match { inverted: false, all: vec![Test { inverted, predicate: Predicate::InIpSet(question) }] }
}

fn adds(number: u16) -> Op {
    Op::Effect(Effect::ChangeIpSets(vec![IpSetChange { set: named(number, &[End::Source]), deletes: false }]))
}

/// A host with sets that drops whatever no rule accepts.
impl Host {
    /// Accepts what is in a set, or what is not.
    fn accepting(ip_sets: IpSets, question: IpSetQuestion, inverted: bool) -> Self {
        Self::new(ip_sets, &[&[asks(question, inverted), Op::Verdict(Verdict::Accept)]])
    }

    /// What comes of a connection to port 22 from each address, and why it is not known where it is not.
    fn ask(&self, sources: &[Ipv4Addr]) -> Vec<(ReachVerdict, String)> {
        self.with(|evaluator, question| {
            let answer = evaluator.ask(question);
            let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_)));
            let outcome = |source: &Ipv4Addr| {
                let part = judged.iter().find(|part| part.region.contains((*source).into(), 50_000)).unwrap();
                (part.verdict, part.unknown_because.first().map(|why| why.as_str().to_owned()).unwrap_or_default())
            };
            sources.iter().map(outcome).collect()
        })
    }

    fn opens_to(&self, sources: &[&str]) -> Vec<bool> {
        let sources: Vec<Ipv4Addr> = sources.iter().map(|source| source.parse().unwrap()).collect();
        self.ask(&sources)
            .into_iter()
            .map(|(verdict, because)| {
                assert_ne!(verdict, ReachVerdict::Unknown, "{because}");
                verdict == ReachVerdict::Reachable
            })
            .collect()
    }

    fn unknown_because(&self) -> String {
        let [(verdict, because)] = self.ask(&[Ipv4Addr::new(192, 0, 2, 1)]).try_into().unwrap();
        assert_eq!(verdict, ReachVerdict::Unknown);
        because
    }
}

const MEMBER: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

fn friends() -> IpSets {
    sets(&[message(3, "friends", "hash:ip", &[address(MEMBER)])])
}

/// Demand 26: members of a set decide.
#[test]
fn members_are_let_in_and_others_are_not() {
    assert_eq!(Host::accepting(friends(), source(3), false).opens_to(&[MEMBER, OTHER]), [true, false]);
    assert_eq!(Host::accepting(friends(), source(3), true).opens_to(&[MEMBER, OTHER]), [false, true]);
}

#[test]
fn exceptions_are_asked_for_only_where_there_can_be_some() {
    let excepted = |number| IpSetQuestion { return_nomatch: true, ..source(number) };
    assert_eq!(Host::accepting(friends(), excepted(3), false).opens_to(&[MEMBER, OTHER]), [true, false]);
    let networks = [network([192, 0, 2, 0].into(), 24, false), network([192, 0, 2, 2].into(), 32, true)];
    let known = sets(&[message(1, "nets", "hash:net", &networks)]);
    assert_eq!(Host::accepting(known.clone(), source(1), false).opens_to(&[MEMBER, OTHER]), [true, false]);
    assert_eq!(Host::accepting(known, excepted(1), false).opens_to(&[MEMBER, OTHER]), [false, true]);
}

#[test]
fn a_set_with_more_parts_than_are_asked_for_has_nothing() {
    let service = [address(MEMBER), attributes(&[(PROTOCOL, &[TCP]), (PORT, &22_u16.to_be_bytes())])].concat();
    let known = sets(&[message(0, "services", "hash:ip,port", &[service])]);
    let question = |ends: &[End]| IpSetQuestion { set: named(0, ends), ..source(0) };
    let both = question(&[End::Source, End::Destination]);
    assert_eq!(Host::accepting(known.clone(), both, false).opens_to(&[MEMBER, OTHER]), [true, false]);
    let three = question(&[End::Source, End::Destination, End::Source]);
    assert_eq!(Host::accepting(known.clone(), three, false).opens_to(&[MEMBER, OTHER]), [true, false]);
    assert_eq!(Host::accepting(known.clone(), source(0), false).opens_to(&[MEMBER, OTHER]), [false, false]);
    assert_eq!(Host::accepting(known, source(0), true).opens_to(&[MEMBER, OTHER]), [true, true]);
}

#[test]
fn a_set_tells_ports_apart_however_large_it_is() {
    let service = |address: Ipv4Addr, port: u16| {
        let rest = attributes(&[(PROTOCOL, &[TCP]), (PORT, &port.to_be_bytes())]);
        [attributes(&[(ADDRESS, &ipv4(address))]), rest].concat()
    };
    let others = |count: u16| (0..count).map(|number| service([11, 0, 0, 1].into(), 10_000 + number));
    for count in [0, 10_000] {
        let members: Vec<_> = others(count).chain([service(MEMBER.parse().unwrap(), 22)]).collect();
        let first = message(0, "services", "hash:ip,port", &[]);
        let rest = members.chunks(500).map(|members| more("services", members));
        let known = sets(&std::iter::once(first).chain(rest).collect::<Vec<_>>());
        let both = IpSetQuestion { set: named(0, &[End::Source, End::Destination]), ..source(0) };
        let host = Host::accepting(known, both, false);
        assert_eq!(host.opens_to(&[MEMBER, OTHER]), [true, false]);
        let stands_for = host.with(|evaluator, question| {
            let classes = evaluator.port_classes(question);
            [22, 23].map(|port| classes.representative(port))
        });
        assert!(stands_for[0].is_none() || stands_for[0] != stands_for[1], "{count} others: {stands_for:?}");
    }
}

#[test]
fn a_set_of_another_family_has_nothing() {
    let mut known = friends();
    known.get_mut(&IpSetId::Number(3)).unwrap().family = Some(Family::Ip6);
    assert_eq!(Host::accepting(known.clone(), source(3), false).opens_to(&[MEMBER]), [false]);
    assert_eq!(Host::accepting(known, source(3), true).opens_to(&[MEMBER]), [true]);
}

fn list(members: &[&str]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|name| attributes(&[(NAME, name.as_bytes())])).collect();
    message(9, "all", "list:set", &members)
}

#[test]
fn a_set_of_sets_has_what_any_of_them_has() {
    let first = message(3, "friends", "hash:ip", &[address(MEMBER)]);
    let second = message(4, "family", "hash:ip", &[address(OTHER)]);
    let known = sets(&[first, second, list(&["friends", "family"])]);
    let host = Host::accepting(known, source(9), false);
    assert_eq!(host.opens_to(&[MEMBER, OTHER, "192.0.2.3"]), [true, true, false]);
}

#[test]
fn what_is_not_known_of_a_set_is_named() {
    let because = |known, question| Host::accepting(known, question, false).unknown_because();
    assert_eq!(because(IpSets::new(), source(5)), "what is in the ipset with the number 5");
    let counted = IpSetQuestion { counters: true, ..source(3) };
    assert_eq!(because(friends(), counted), "what the ipset friends (hash:ip) has counted");
    let cards = || message(4, "cards", "hash:mac", &[]);
    let known = sets(&[cards()]);
    assert_eq!(because(known, source(4)), "what is in the ipset cards (hash:mac): its type is not known");
    let known = sets(&[cards(), list(&["cards"])]);
    assert_eq!(because(known, source(9)), "what is in the ipset all (list:set): cards: its type is not known");
    let known = sets(&[list(&["cards"])]);
    assert_eq!(because(known, source(9)), "what is in the ipset all (list:set): one of its sets was not listed");
}

#[test]
fn a_set_that_a_rule_added_to_is_not_known_any_more() {
    let accepting = [asks(source(3), false), Op::Verdict(Verdict::Accept)];
    let because = |known, number: u16| Host::new(known, &[&[adds(number)], &accepting]).unknown_because();
    assert_eq!(because(sets(&[message(3, "friends", "hash:ip", &[])]), 3), "what is in the ipset friends (hash:ip)");
    let friends_of = |more: Vec<u8>| sets(&[message(3, "friends", "hash:ip", &[]), more]);
    // By way of a set of sets, and of one that may be such.
    assert_eq!(because(friends_of(list(&["friends"])), 9), "what is in the ipset friends (hash:ip)");
    assert_eq!(because(friends_of(message(8, "odd", "list:odd", &[])), 8), "what is in the ipset friends (hash:ip)");
    let other = friends_of(message(8, "other", "hash:ip", &[]));
    assert_eq!(Host::new(other, &[&[adds(8)], &accepting]).opens_to(&[MEMBER]), [false]);
}

#[test]
fn rules_are_shown_with_the_names_of_their_sets() {
    let question =
        IpSetQuestion { set: named(3, &[End::Source, End::Destination]), return_nomatch: true, counters: false };
    let host = Host::new(friends(), &[&[asks(question, true), adds(3)], &[asks(source(4), false)]]);
    let text = |position| notation::iptables::rule(&host.ruleset, RuleId { chain: ChainId(0), position });
    let shown = "-A INPUT -m set ! --match-set friends src,dst --return-nomatch -j SET --add-set friends src";
    assert_eq!(text(0).as_str(), shown);
    assert_eq!(text(1).as_str(), "-A INPUT -m set --match-set (number 4) src");
    assert_eq!(host.ruleset.named_ip_sets(), BTreeSet::from([3, 4].map(IpSetId::Number)));
}

#[test]
fn files_of_rules_and_of_sets_are_taken_together() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A INPUT -m set --match-set friends src -m set ! --match-set services src,dst -j ACCEPT\nCOMMIT\n";
    let rules = iptables_save::parse(rules.as_bytes(), Some(Family::Ip)).unwrap().ruleset;
    let alone = Host { ruleset: rules.clone() };
    assert_eq!(alone.unknown_because(), "what is in the ipset friends");
    let text = "# of a host\ncreate friends hash:net family inet hashsize 64\nadd friends 192.0.2.0/30 comment \"a b\"\n\
        create services hash:ip,port timeout 0\nadd services 192.0.2.2,tcp:22 timeout 9\n";
    assert!(ip_set::is_save(text.as_bytes()));
    let mut host = Host { ruleset: Ruleset { ip_sets: ip_set::parse(text.as_bytes()).unwrap(), ..Ruleset::default() } };
    host.ruleset.append(rules);
    assert_eq!(host.opens_to(&[MEMBER, OTHER, "192.0.2.7"]), [true, false, false]);
    host.ruleset.append(Ruleset { ip_sets: ip_set::parse(text.as_bytes()).unwrap(), ..Ruleset::default() });
    assert_eq!(host.unknown_because(), "what is in the ipset friends (hash:net): it is there more than once");
}

#[test]
fn a_file_of_sets_has_errors_with_their_lines_and_sets_that_are_unknown() {
    let error = |text: &str| ip_set::parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error("create a hash:ip\n\nflush a\n"), "line 3: this is not a line of ipset save: flush a");
    assert_eq!(error("create a hash:ip\ncreate a hash:ip\n"), "line 2: the set a is there twice");
    assert_eq!(error("add a 10.0.0.1\n"), "line 1: there is no set a");
    let unknown = [
        "create a hash:mac\nadd a 02:00:00:00:00:01",
        "create a hash:ip new 1",
        "create a hash:ip\nadd a 10.0.0.1-10.0.0.9",
        "create a hash:ip\nadd a 10.0.0.1 new",
        "create a hash:ip\nadd a fd00::1",
        "create a hash:net\nadd a 10.0.0.0/33",
        "create a hash:ip,port\nadd a 10.0.0.1,odd:1",
        "create a hash:net,iface\nadd a 10.0.0.0/8,physdev:eth0",
        "create a list:set\nadd a b",
    ];
    for text in unknown {
        let sets = ip_set::parse(text.as_bytes()).unwrap();
        assert!(sets.values().all(|set| matches!(set.members, Members::Unknown(_))), "{text}");
    }
}

/// Networks of a small space with the lengths of their prefixes, and whether they are exceptions.
fn networks() -> impl Strategy<Value = BTreeMap<(u8, u8), bool>> {
    let network = (any::<u8>(), 24_u8..=32, any::<bool>()).prop_map(|(host, prefix, nomatch)| {
        let mask = u8::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
        ((prefix, host & mask), nomatch)
    });
    prop::collection::vec(network, 0..20).prop_map(|networks| networks.into_iter().collect())
}

/// What the kernel finds: the lengths one after the other, the longest first.
fn found(networks: &BTreeMap<(u8, u8), bool>, host: u8) -> Option<bool> {
    (24..=32_u8).rev().find_map(|prefix| {
        let mask = u8::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
        networks.get(&(prefix, host & mask)).copied()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_most_specific_network_decides(networks in networks(), inverted: bool, return_nomatch: bool) {
        let members: Vec<_> = networks
            .iter()
            .map(|((prefix, host), nomatch)| network([10, 0, 0, *host].into(), *prefix, *nomatch))
            .collect();
        let known = sets(&[message(0, "nets", "hash:net", &members)]);
        let host = Host::accepting(known, IpSetQuestion { return_nomatch, ..source(0) }, inverted);
        let sources: Vec<_> = (0..=u8::MAX).map(|host| Ipv4Addr::new(10, 0, 0, host)).collect();
        for (number, (verdict, _)) in (0..=u8::MAX).zip(host.ask(&sources)) {
            let is_in = found(&networks, number) == Some(return_nomatch);
            prop_assert_eq!(verdict == ReachVerdict::Reachable, is_in != inverted, "10.0.0.{}", number);
            prop_assert_ne!(verdict, ReachVerdict::Unknown);
        }
    }
}

/// Attributes whose types and lengths are often those that are read.
fn noise(depth: u32) -> BoxedStrategy<Vec<u8>> {
    let plain = prop_oneof![
        prop::collection::vec(prop_oneof![Just(0), Just(2), Just(32), any::<u8>()], 0..20),
        prop::sample::select(vec![&b"a\0"[..], b"hash:net\0", b"hash:ip,port\0", b"list:set\0", b"hash:net,iface\0"])
            .prop_map(<[u8]>::to_vec),
    ];
    let value = if depth == 0 { plain.boxed() } else { prop_oneof![plain, noise(depth - 1)].boxed() };
    let list = prop::collection::vec((0_u16..32, value), 0..10);
    list.prop_map(|list| attributes(&list.iter().map(|(kind, value)| (*kind, value.as_slice())).collect::<Vec<_>>()))
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_break_the_decoder(bytes: Vec<u8>) {
        let _ = decode_stream(&bytes);
        let _ = ip_set::parse(&bytes);
        let _ = Builder::new().message(&bytes);
    }

    #[test]
    fn no_attributes_break_the_decoder(messages in prop::collection::vec(noise(3), 1..3)) {
        let mut builder = Builder::new();
        for message in messages {
            let _ = builder.message(&[&[2, 0, 0, 0], message.as_slice()].concat());
        }
        builder.missing();
        builder.finish();
    }

    #[test]
    fn no_members_break_the_decoder(
        kind in prop::sample::select(vec![
            "bitmap:ip", "bitmap:ip,mac", "bitmap:port", "hash:ip", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net",
            "hash:net", "hash:net,port", "hash:net,iface", "hash:net,net", "hash:net,port,net", "list:set",
        ]),
        members in prop::collection::vec(noise(1), 0..6),
    ) {
        sets(&[message(0, "a", kind, &members)]);
    }
}
