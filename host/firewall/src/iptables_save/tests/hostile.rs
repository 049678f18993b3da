//! Whatever the bytes, reading ends with a ruleset or an error, and what it says of positions is true.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::notation::iptables;
use crate::ruleset::{ChainId, RuleId};

const IP: &[u8] = include_bytes!("../../../tests/data/filter.iptables");
const IP6: &[u8] = include_bytes!("../../../tests/data/filter.ip6tables");

/// Words that mean something.
const WORDS: &[&str] = &[
    "-A",
    "INPUT",
    "-s",
    "!",
    "10.0.0.0/8",
    "::1/0",
    "-p",
    "tcp",
    "-m",
    "multiport",
    "--dports",
    "1,2:3,",
    "--dport",
    "-j",
    "-g",
    "X",
    "ACCEPT",
    "DNAT",
    "--to-destination",
    "[::1]:80",
    ":1-2/3",
    "\"",
    "\\",
    "--comment",
    "-i",
    "+",
    "-c",
    "[1:2]",
    "*filter",
    "COMMIT",
    ":X",
    "-",
    "-N",
    "-P",
    "--tcp-flags",
    "ALL",
    "recent",
    "--set",
    "0x",
    "4294967296",
    "set",
    "--match-set",
    "icmp",
    "--icmp-type",
    "255/9",
    "connlimit",
    "--connlimit-above",
    "TPROXY",
    "--on-port",
];

/// What holds for every ruleset that is read.
fn is_sound(text: &[u8]) {
    for family in [None, Some(Family::Ip), Some(Family::Ip6)] {
        match parse(text, family) {
            Ok(parsed) => positions_are_true(text, parsed),
            Err(error) => {
                let lines = text.split(|byte| *byte == b'\n').collect::<Vec<_>>();
                let line = lines[error.line as usize - 1];
                assert!(error.column.is_none_or(|column| column as usize <= line.len()), "{error}");
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

fn positions_are_true(text: &[u8], parsed: Parsed) {
    let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
    let mut ruleset = parsed.ruleset;
    for rule in ruleset.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
        let line = lines[rule.line.unwrap() as usize - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert_eq!(rule.text.take().unwrap(), loopgate_facts::Untrusted::from_bytes(line));
    }
    for (chain, id) in ruleset.chains.iter().zip(0..) {
        for (_, position) in chain.rules.iter().zip(0..) {
            iptables::rule(&ruleset, RuleId { chain: ChainId(id), position });
        }
    }
}

proptest! {
    #[test]
    fn garbage(text: Vec<u8>) {
        is_sound(&text);
    }

    #[test]
    fn garbage_as_the_options_of_a_rule(rule in "[ -~]{0,60}") {
        is_sound(format!("*filter\n:X - [0:0]\n-A X {rule}\nCOMMIT\n").as_bytes());
    }

    #[test]
    fn words_in_any_order(words in prop::collection::vec(select(WORDS), 0..20)) {
        is_sound(format!("*filter\n:X - [0:0]\n-A INPUT {}\nCOMMIT\n", words.join(" ")).as_bytes());
        is_sound(words.join(" ").replace(" X ", "\n").as_bytes());
    }

    #[test]
    fn a_file_with_some_bytes_changed(
        text in select(&[IP, IP6][..]),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..8),
    ) {
        let mut text = text.to_vec();
        for (place, byte) in changes {
            *place.get_mut(&mut text) = byte;
        }
        is_sound(&text);
    }

    #[test]
    fn a_file_with_a_part_cut_out(text in select(&[IP, IP6][..]), from: Index, length in 0..200_usize) {
        let from = from.index(text.len());
        let to = (from + length).min(text.len());
        is_sound(&[&text[..from], &text[to..]].concat());
    }
}
