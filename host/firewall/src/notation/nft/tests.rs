//! Bytecode as the kernel has it, which differs from what a listing as JSON is lowered to.

use super::*;
use crate::rule::{Comparison, End, LookupResult, Meta, Operand, PayloadBase, Target, Translation, Unknown, Verdict};
use crate::ruleset::{Backend, Chain, ChainId, Element, Key, Notation, Rule, Set, Table, TableId};

fn shown_with(family: Family, ops: Vec<Op>, sets: Vec<Set>) -> String {
    let table = Table { backend: Backend::NfTables, family, name: "t".into(), dormant: false, notation: Notation::Nft };
    let rules = vec![Rule { ops, ..Rule::default() }];
    let chain = Chain { table: TableId(0), name: "c".into(), base: None, rules };
    let ruleset = Ruleset { tables: vec![table], chains: vec![chain], sets, ..Ruleset::default() };
    rule(&ruleset, RuleId { chain: ChainId(0), position: 0 }).as_str().to_owned()
}

fn shown(family: Family, ops: Vec<Op>) -> String {
    shown_with(family, ops, Vec::new())
}

fn meta(meta: Meta) -> Op {
    Op::Load { what: Load::Meta(meta), to: Register(0) }
}

fn payload(base: PayloadBase, offset: u32, length: u32) -> Op {
    Op::Load { what: Load::Payload { base, offset, length }, to: Register(0) }
}

fn equal(value: &[u8]) -> Op {
    Op::Compare { register: Register(0), how: Comparison::Equal, value: value.into() }
}

fn tcp() -> [Op; 2] {
    [meta(Meta::TransportProtocol), equal(&[6])]
}

#[test]
fn fields_that_are_loaded_at_once_are_shown_one_by_one() {
    let ports = [payload(PayloadBase::Transport, 0, 4), equal(&[0, 22, 0, 33])];
    assert_eq!(shown(Family::Inet, [tcp(), ports].concat()), "tcp sport 22 tcp dport 33");
}

#[test]
fn a_protocol_without_ports_has_none() {
    let protocol = [meta(Meta::NetworkFamily), equal(&[10]), meta(Meta::TransportProtocol), equal(&[58])];
    let both = [payload(PayloadBase::Transport, 0, 2), equal(&[128, 0])];
    let text = shown(Family::Inet, [&protocol[..], &both[..]].concat());
    assert_eq!(text, "icmpv6 type echo-request icmpv6 code no-route");
}

#[test]
fn a_protocol_goes_without_saying_only_where_the_field_behind_it_says_as_much() {
    let protocol = [payload(PayloadBase::Network, 9, 1), equal(&[6])];
    let port = [payload(PayloadBase::Transport, 2, 2), equal(&[0, 22])];
    assert_eq!(shown(Family::Ip, [protocol.clone(), port.clone()].concat()), "tcp dport 22");
    let ipv4 = [meta(Meta::NetworkFamily), equal(&[2])];
    assert_eq!(shown(Family::Inet, [ipv4.clone(), protocol, port.clone()].concat()), "ip protocol tcp tcp dport 22");
    assert_eq!(shown(Family::Inet, [ipv4, tcp(), port.clone()].concat()), "meta nfproto ipv4 tcp dport 22");
    assert_eq!(shown(Family::Inet, port.to_vec()), "th dport 22");
}

#[test]
fn operands_of_a_translation_come_from_registers() {
    let ops = vec![
        Op::Immediate { to: Register(0), data: [10, 0, 0, 1].into() },
        Op::Immediate { to: Register(4), data: [0x1f, 0x90].into() },
        Op::Verdict(Verdict::Translate(Translation {
            end: End::Destination,
            target: Target::Addresses(Some((Operand::Register(Register(0)), Operand::Register(Register(0))))),
            ports: Some((Operand::Register(Register(4)), Operand::Register(Register(4)))),
        })),
    ];
    assert_eq!(shown(Family::Inet, ops), "dnat ip to 10.0.0.1:8080");
}

#[test]
fn what_has_no_words_is_shown_in_brackets() {
    assert_eq!(shown(Family::Inet, vec![equal(&[1])]), "[@reg0 == 0x01]");
    assert_eq!(shown(Family::Inet, vec![meta(Meta::Mark)]), "[meta mark]");
    let unknown = Op::Unknown(Unknown { construct: "expression \"osf\"".into(), only_matches: true });
    assert_eq!(shown(Family::Inet, vec![unknown]), "[expression \"osf\"]");
    // More bytes than the key has.
    assert_eq!(shown(Family::Inet, vec![meta(Meta::TransportProtocol), equal(&[6, 0])]), "[meta l4proto == 0x0600]");
    assert_eq!(shown(Family::Inet, vec![meta(Meta::Other(99)), equal(&[6])]), "[meta key 99 == 0x06]");
}

#[test]
fn a_long_set_within_a_rule_is_shortened_and_counted() {
    let element = |port: u16| {
        let key = Key::Exact(port.to_be_bytes().into());
        Element { key, data: None, limited: false, expires: None }
    };
    let set = Set {
        table: TableId(0),
        name: "__set0".into(),
        anonymous: true,
        changes: false,
        fields: vec![2],
        field_types: vec![13],
        data_length: None,
        elements: (1..=10).map(element).collect(),
        incomplete: None,
    };
    let lookup = Op::Lookup { set: SetId(0), key: Register(0), inverted: true, result: LookupResult::Nothing };
    let ops = [tcp().to_vec(), vec![payload(PayloadBase::Transport, 2, 2), lookup]].concat();
    let text = shown_with(Family::Inet, ops, vec![set]);
    assert_eq!(text, "tcp dport != { 1, 2, 3, 4, 5, 6, 7, 8, ... (10 elements) }");
}
