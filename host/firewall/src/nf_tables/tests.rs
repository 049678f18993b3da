//! Tests of the decoder on messages made here. What real kernels send is tried in `loopgate-collect`.

use proptest::prelude::*;

use super::*;
use crate::attribute::append;
use crate::rule::{LookupResult, Op, Register};
use crate::ruleset::{Data, Key};

const INET: u8 = 1;

/// A message of a family with attributes.
fn message(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    [vec![INET, 0, 0, 0], nested(attributes)].concat()
}

fn nested(attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in attributes {
        append(&mut bytes, *kind, value);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn number(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn value(bytes: &[u8]) -> Vec<u8> {
    nested(&[(1, bytes.to_vec())])
}

fn verdict(code: i32) -> Vec<u8> {
    nested(&[(2, nested(&[(1, code.to_be_bytes().to_vec())]))])
}

/// A table `t` with a chain `c` and a set `s` with the flags.
fn builder(flags: u32) -> Builder {
    let mut builder = Builder::new();
    builder.table(&message(&[(1, text("t"))])).unwrap();
    builder.chain(&message(&[(1, text("t")), (3, text("c"))])).unwrap();
    let set = [(1, text("t")), (2, text("s")), (3, number(flags)), (4, number(13)), (5, number(2))];
    builder.set(&message(&[&set[..], &[(6, number(0xffff_ff00))]].concat())).unwrap();
    builder
}

fn elements(list: &[Vec<(u16, Vec<u8>)>]) -> Vec<u8> {
    let list: Vec<_> = list.iter().map(|element| (1, nested(element))).collect();
    message(&[(1, text("t")), (2, text("s")), (3, nested(&list))])
}

fn rule(expressions: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let list: Vec<_> =
        expressions.iter().map(|(name, data)| (1, nested(&[(1, text(name)), (2, data.clone())]))).collect();
    message(&[(1, text("t")), (2, text("c")), (4, nested(&list))])
}

/// The operations of a rule.
fn lowered(flags: u32, expressions: &[(&str, Vec<u8>)]) -> Vec<Op> {
    let mut builder = builder(flags);
    builder.rule(&rule(expressions)).unwrap();
    builder.finish().chains.remove(0).rules.remove(0).ops
}

fn is_unknown(op: &Op, name: &str) -> bool {
    matches!(op, Op::Unknown(unknown) if unknown.construct.as_str().contains(name))
}

#[test]
fn keys_at_which_intervals_begin_and_end_become_ranges() {
    let begin = |port: u16| vec![(1, value(&port.to_be_bytes()))];
    let end = |port: u16| vec![(1, value(&port.to_be_bytes())), (3, number(1))];
    let mut builder = builder(set::NFT_SET_INTERVAL);
    builder.elements(&elements(&[begin(60_000), end(31), begin(21), end(21)])).unwrap();
    builder.elements(&elements(&[begin(10), begin(5), end(0), vec![(3, number(2))]])).unwrap();
    let set = builder.finish().sets.remove(0);
    let range = |first: u16, last: u16| Key::Range(first.to_be_bytes().into(), last.to_be_bytes().into());
    let keys: Vec<_> = set.elements.into_iter().map(|element| element.key).collect();
    assert_eq!(set.incomplete, None);
    assert_eq!(keys, [Key::CatchAll, range(5, 9), range(10, 20), range(21, 30), range(60_000, u16::MAX)]);
}

#[test]
fn an_element_that_is_not_understood_makes_its_set_incomplete() {
    let unknown_attribute = vec![(1, value(&[0, 1])), (20, number(1))];
    let wrong_length = vec![(1, value(&[1]))];
    let end_without_intervals = vec![(1, value(&[0, 1])), (3, number(1))];
    for element in [unknown_attribute, wrong_length, end_without_intervals] {
        let mut builder = builder(0);
        builder.elements(&elements(&[vec![(1, value(&[0, 1]))], element])).unwrap();
        assert!(builder.finish().sets[0].incomplete.is_some());
    }
}

#[test]
fn an_element_that_jumps_to_nowhere_makes_its_map_incomplete() {
    const NFT_SET_MAP: u32 = 8;
    let jump = nested(&[(2, nested(&[(1, (-3_i32).to_be_bytes().to_vec()), (2, text("x"))]))]);
    let mut builder = builder(NFT_SET_MAP);
    builder.elements(&elements(&[vec![(1, value(&[0, 1])), (2, verdict(0))]])).unwrap();
    builder.elements(&elements(&[vec![(1, value(&[0, 2])), (2, jump)]])).unwrap();
    let set = builder.finish().sets.remove(0);
    assert_eq!(set.elements[0].data, Some(Data::Verdict(crate::rule::Verdict::Drop)));
    assert!(set.incomplete.unwrap().as_str().contains("chain \"x\" does not exist"));
}

#[test]
fn what_is_not_known_of_an_expression_is_unknown_with_its_name() {
    let load = |extra: &[(u16, Vec<u8>)]| nested(&[&[(1, number(1)), (2, number(3))], extra].concat());
    assert!(matches!(lowered(0, &[("meta", load(&[]))])[..], [Op::Load { to: Register(0), .. }]));
    for (name, data) in [
        ("meta", load(&[(9, number(1))])),
        ("meta", nested(&[(1, number(24)), (2, number(3))])),
        ("meta", nested(&[(1, number(4)), (2, number(99)), (3, number(1))])),
        ("payload", nested(&[(1, number(1)), (2, number(1)), (3, number(u32::MAX)), (4, number(4))])),
        ("payload", nested(&[(1, number(23)), (2, number(1)), (3, number(0)), (4, number(5))])),
        ("range", nested(&[(1, number(1)), (2, number(0)), (3, value(&[1])), (4, value(&[1, 2]))])),
        ("bitwise", nested(&[(1, number(1)), (2, number(1)), (3, number(2)), (4, value(&[1])), (5, value(&[1, 2]))])),
        ("lookup", nested(&[(1, text("nowhere")), (2, number(1))])),
        ("lookup", nested(&[(1, text("s")), (2, number(1)), (5, number(2))])),
        ("immediate", nested(&[(1, number(0)), (2, verdict(77))])),
        ("brandnew", Vec::new()),
    ] {
        let ops = lowered(0, &[(name, data.clone())]);
        assert!(is_unknown(&ops[0], name) && ops.len() == 1, "{name} {data:?}: {ops:?}");
    }
}

#[test]
fn what_comes_behind_a_verdict_map_is_not_known() {
    const NFT_SET_MAP: u32 = 8;
    let lookup = ("lookup", nested(&[(1, text("s")), (2, number(1)), (3, number(0))]));
    let drop = ("immediate", nested(&[(1, number(0)), (2, verdict(0))]));
    let is_map = |op: &Op| matches!(op, Op::Lookup { result: LookupResult::Verdict, .. });
    assert!(is_map(&lowered(NFT_SET_MAP, std::slice::from_ref(&lookup))[0]));
    let ops = lowered(NFT_SET_MAP, &[lookup, drop]);
    assert!(is_map(&ops[0]) && is_unknown(&ops[1], "verdict map"), "{ops:?}");
}

#[test]
fn a_message_that_names_what_is_not_there_is_an_error_with_its_position() {
    let mut builder = builder(0);
    builder.rule(&rule(&[])).unwrap();
    let error = builder.rule(&message(&[(1, text("t")), (2, text("\u{1b}[31m"))])).unwrap_err();
    assert_eq!(error.to_string(), "rule message 1 of its kind: chain \"\\u{1b}[31m\" does not exist");
}

/// Every kind of message behind a header.
fn stream(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, payload) in messages {
        let length = u32::try_from(16 + payload.len()).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend([*kind, 10]);
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

fn expression_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(expression::names())
}

/// Attributes of which many are what an expression could have.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        (0_u32..30).prop_map(number),
        any::<u32>().prop_map(number),
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| value(&bytes)),
        (-6_i32..10).prop_map(verdict),
        Just(text("s")),
        any::<u64>().prop_map(|number| number.to_be_bytes().to_vec()),
    ];
    prop::collection::vec((0_u16..12, value), 0..8).prop_map(|list| nested(&list))
}

proptest! {
    #[test]
    fn garbage_never_panics(kind: u8, bytes: Vec<u8>) {
        let _ = decode_stream(&bytes);
        let _ = decode_stream(&stream(&[(kind % 20, bytes)]));
    }

    #[test]
    fn expressions_of_garbage_never_panic(
        flags in 0_u32..0x200,
        list in prop::collection::vec((expression_name(), attributes()), 1..6),
    ) {
        let mut builder = Builder::new();
        builder.table(&message(&[(1, text("t"))])).unwrap();
        builder.chain(&message(&[(1, text("t")), (3, text("c"))])).unwrap();
        let set = [(1, text("t")), (2, text("s")), (3, number(flags)), (5, number(2)), (6, number(0)), (7, number(4))];
        let _ = builder.set(&message(&set));
        builder.rule(&rule(&list)).unwrap();
        let ruleset = builder.finish();
        // A target may do nothing.
        let least = list.iter().filter(|(name, _)| *name != "target").count();
        prop_assert!(ruleset.chains[0].rules[0].ops.len() >= least);
    }

    #[test]
    fn elements_of_garbage_never_panic(flags in 0_u32..16, list in prop::collection::vec(attributes(), 0..6)) {
        let mut builder = builder(flags);
        let list: Vec<_> = list.into_iter().map(|element| (1, element)).collect();
        let _ = builder.elements(&message(&[(1, text("t")), (2, text("s")), (3, nested(&list))]));
        builder.finish();
    }

    #[test]
    fn intervals_cover_what_lies_between_begin_and_end(ports in prop::collection::btree_set(1_u16..2000, 1..40)) {
        let mut builder = builder(set::NFT_SET_INTERVAL);
        let key = |port: u16| (1, value(&port.to_be_bytes()));
        let list: Vec<_> = ports.iter().enumerate().rev()
            .map(|(position, port)| if position % 2 == 0 { vec![key(*port)] } else { vec![key(*port), (3, number(1))] })
            .collect();
        builder.elements(&elements(&list)).unwrap();
        let set = builder.finish().sets.remove(0);
        let covered = |port: u16| set.elements.iter().any(|element| match &element.key {
            Key::Exact(key) => **key == port.to_be_bytes(),
            Key::Range(first, last) => **first <= port.to_be_bytes()[..] && port.to_be_bytes()[..] <= **last,
            Key::CatchAll => true,
        });
        for port in (0..2100).step_by(7).chain(ports.iter().flat_map(|port| port - 1..port + 2)) {
            prop_assert_eq!(covered(port), ports.iter().filter(|begin| **begin <= port).count() % 2 == 1, "{}", port);
        }
    }
}

/// By the name of the field the evaluator knows what ordinary packets have there.
#[test]
fn fields_of_tcp_options_have_their_names() {
    let named = |(kind, offset, length): (u8, u32, u32)| {
        let option = [(1, number(8)), (2, vec![kind]), (3, number(offset)), (4, number(length)), (6, number(1))];
        let mut builder = builder(0);
        builder.rule(&rule(&[("exthdr", nested(&option))])).unwrap();
        match builder.finish().chains[0].rules[0].ops.as_slice() {
            [Op::Load { what: crate::rule::Load::Opaque { name, .. }, .. }] => name.as_str().to_owned(),
            ops => panic!("{ops:?}"),
        }
    };
    assert_eq!(named((2, 2, 2)), "tcp option maxseg size");
    assert_eq!(named((2, 0, 1)), "tcp option maxseg");
    assert_eq!(named((3, 2, 1)), "tcp option window count");
}
