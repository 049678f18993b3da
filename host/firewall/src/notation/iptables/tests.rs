//! What is shown is what was read. Against the tools themselves it is compared in `tests/iptables_save.rs`.

use super::*;
use crate::iptables_save::parse_table;
use crate::rule::{Comparison, Load, Meta, PayloadBase, Register};
use crate::ruleset::ChainId;

const FIRST: RuleId = RuleId { chain: ChainId(1), position: 0 };

/// The first rule of a table with a chain `X`, and what is shown of it without the text of the file.
fn shown(table: &str, family: Family, rule: &str) -> (Vec<Op>, String) {
    let text = format!("-N X\n-A {rule}\n");
    let parsed = parse_table(text.as_bytes(), Some(family), table).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut ruleset = parsed.ruleset;
    let first = &mut ruleset.chains[1].rules[0];
    first.text = None;
    (first.ops.clone(), super::rule(&ruleset, FIRST).as_str().to_owned())
}

fn is_shown_as_written(table: &str, family: Family, rules: &str) {
    for rule in rules.lines() {
        let (ops, text) = shown(table, family, rule);
        assert_eq!(text, format!("-A {rule}"));
        assert_eq!(shown(table, family, text.strip_prefix("-A ").unwrap()).0, ops, "{rule}");
    }
}

#[test]
fn filtering() {
    let rules = r#"INPUT -s 10.0.0.0/8 ! -d 1.2.3.4/32 -i eth0 ! -o ppp+ -p tcp -f -j ACCEPT
INPUT -s 10.0.3.0/255.0.255.0 -p 253
INPUT -p tcp -m comment --comment "it\'s \"1\" \\ 2" -m tcp --sport 1024:65535 ! --dport 22 -j X
INPUT -p udp -m udp --dport 53 -m multiport --sports 1,2:3 -g X
INPUT -p sctp -m multiport ! --ports 1,2 -m multiport --dports 5,6 -j RETURN
INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE --tcp-option 8
INPUT -p icmp -m icmp --icmp-type 3/4 -m icmp ! --icmp-type any
INPUT -m conntrack --ctstate INVALID,NEW,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT -j DROP
INPUT -m conntrack ! --ctstate NEW --ctproto 6 --ctorigsrc 10.0.0.0/8 --ctrepldst 1.1.1.1 --ctorigdstport 1:2
INPUT -m conntrack --ctstatus SEEN_REPLY,ASSURED --ctdir ORIGINAL -m conntrack --ctstatus NONE
INPUT -m addrtype --src-type LOCAL ! --dst-type UNICAST,BROADCAST --limit-iface-in
INPUT -m addrtype --src-type LOCAL --limit-iface-in -m addrtype --dst-type UNICAST
INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 1.1.1.1-2.2.2.2
INPUT -m mark ! --mark 0x1/0xff -m connmark --mark 0x5 -m pkttype --pkt-type multicast
INPUT -m ttl ! --ttl-eq 5 -m ttl --ttl-lt 5 -m dscp ! --dscp 0x0a -m tos --tos 0x10/0xff -m length ! --length 1:9
INPUT -m policy --dir in --pol none -m policy --dir out --pol ipsec --strict --reqid 1 ! --spi 0x10 -j DROP
INPUT -m physdev ! --physdev-is-in --physdev-in e+ --physdev-is-out --physdev-out e1 ! --physdev-is-bridged
INPUT -m rpfilter --loose --validmark --accept-local --invert
INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[x] \"y\" " --log-level 7
INPUT -m recent --update --seconds 30 --hitcount 6 --name DEFAULT --mask 255.255.255.255 --rsource -j DROP
INPUT -m mac ! --mac-source 00:11:22:33:44:55 -m string --string "a b" --algo bm --to 65535
INPUT -m weird --x 1 -j REJECT --reject-with tcp-reset
INPUT -j NFQUEUE --queue-num 5 --queue-bypass
INPUT -j QUEUE
INPUT -j WEIRD --y"#;
    is_shown_as_written("filter", Family::Ip, rules);
}

#[test]
fn filtering_of_ipv6() {
    let rules = "INPUT -s fe80::/10 ! -d ::1/128 -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
INPUT -s fd00::1/ffff::ffff -m hl --hl-eq 255 -j REJECT --reject-with icmp6-adm-prohibited
INPUT -m rt --rt-type 0 -j DROP";
    is_shown_as_written("filter", Family::Ip6, rules);
}

#[test]
fn translations() {
    let rules = "PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90
PREROUTING -j DNAT --to-destination 10.0.0.1 --random --persistent
PREROUTING -p tcp -j DNAT --to-destination 172.17.0.2:80-81/6000
PREROUTING -j DNAT --to-destination :8080
PREROUTING -p tcp -j REDIRECT --to-ports 80-90
PREROUTING -p tcp -j REDIRECT
PREROUTING -d 1.1.1.0/24 -j NETMAP --to 2.2.2.0/24
POSTROUTING -j SNAT --to-source 10.0.0.1
POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-2048
POSTROUTING -j MASQUERADE --random-fully";
    is_shown_as_written("nat", Family::Ip, rules);
    let rules = "PREROUTING -p tcp -j DNAT --to-destination [fd00::1-fd00::9]:80
PREROUTING -p tcp -j DNAT --to-destination fd00::1";
    is_shown_as_written("nat", Family::Ip6, rules);
}

#[test]
fn marks_and_writes() {
    let rules = "PREROUTING -j MARK --set-xmark 0x1/0xff
PREROUTING -j CONNMARK --set-xmark 0x1/0xffffffff
PREROUTING -j CONNMARK --save-mark --nfmask 0xf --ctmask 0xf0
PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
PREROUTING -p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1
PREROUTING -j DSCP --set-dscp 0x10
PREROUTING -j CT --zone 5
PREROUTING -j TEE --gateway 10.0.0.1
PREROUTING -j CLASSIFY --set-class 1:2";
    is_shown_as_written("mangle", Family::Ip, rules);
    assert_eq!(shown("raw", Family::Ip, "PREROUTING -j NOTRACK").1, "-A PREROUTING -j CT --notrack");
}

/// What is shown of operations of a rule of `iptables-nft`.
fn shown_of(ops: Vec<Op>) -> String {
    let mut ruleset = parse_table(b"-N X\n-A INPUT -p tcp\n", Some(Family::Ip), "filter").unwrap().ruleset;
    let rule = &mut ruleset.chains[1].rules[0];
    (rule.text, rule.ops) = (None, ops);
    super::rule(&ruleset, FIRST).as_str().to_owned()
}

fn load(what: Load) -> Op {
    Op::Load { what, to: Register(0) }
}

fn compare(how: Comparison, value: &[u8]) -> Op {
    Op::Compare { register: Register(0), how, value: value.into() }
}

#[test]
fn what_is_no_shape_of_iptables_stands_in_brackets() {
    let source = Load::Payload { base: PayloadBase::Network, offset: 12, length: 4 };
    let less = vec![load(source.clone()), compare(Comparison::Less, &[10, 0, 0, 0])];
    assert_eq!(shown_of(less), "-A INPUT [ip saddr < 10.0.0.0]");
    // Bits outside the mask: never equal, which no address with a mask says.
    let mask = Op::Mask { from: Register(0), to: Register(0), mask: [255, 0, 0, 0].into(), xor: [0; 4].into() };
    let never = vec![load(source), mask, compare(Comparison::Equal, &[10, 1, 0, 0])];
    assert_eq!(shown_of(never), "-A INPUT [ip saddr & 255.0.0.0 == 10.1.0.0]");
    let other_register = Op::Compare { register: Register(1), how: Comparison::Equal, value: [6].into() };
    let text = shown_of(vec![load(Load::Meta(Meta::TransportProtocol)), other_register]);
    assert_eq!(text, "-A INPUT [@reg1 == 0x06] [meta l4proto]");
}

#[test]
fn nothing_is_hidden_behind_a_target() {
    let verdict = |verdict| Op::Verdict(verdict);
    let text = shown_of(vec![verdict(crate::rule::Verdict::Accept), verdict(crate::rule::Verdict::Drop)]);
    assert_eq!(text, "-A INPUT [drop] -j ACCEPT");
    let log = Op::Note(Note::Other("log prefix \"a b\"".into()));
    assert_eq!(shown_of(vec![log]), "-A INPUT -j NFLOG --nflog-prefix \"a b\"");
}

/// What is asked of a connection or an extension header only holds where there is one, which no rule says.
#[test]
fn tests_that_a_match_implies_are_not_shown() {
    is_shown_as_written("raw", Family::Ip, "PREROUTING -m connmark ! --mark 0x1 -j DROP");
    is_shown_as_written("raw", Family::Ip, "PREROUTING -m conntrack --ctproto 6 --ctorigsrc 10.0.0.0/8 -j DROP");
    is_shown_as_written("filter", Family::Ip6, "INPUT -m rt --rt-type 0 -j DROP");
}

/// Whatever a rule does, its text is that of a tool, and not that of the types here.
#[test]
fn nothing_is_shown_as_the_program_has_it() {
    let test = |predicate| Op::Match { inverted: false, all: vec![Test { inverted: false, predicate }] };
    let port = Predicate::Ports { ends: vec![crate::rule::End::Source], ranges: vec![1..=2] };
    let not_both =
        vec![Test { inverted: false, predicate: port }, Test { inverted: true, predicate: Predicate::Fragment }];
    let proxy = crate::rule::Verdict::TransparentProxy {
        address: None,
        port: Some(crate::rule::Operand::Register(Register(3))),
    };
    for (op, expected) in [
        (test(Predicate::TcpFlags { mask: 0xc0, set: 0x40 }), "[TCP flags 0x40 of 0xc0]"),
        (test(Predicate::PacketType(7)), "[packet type 7]"),
        (test(Predicate::ConntrackState(0x8000)), "[connection states 0x8000]"),
        (test(Predicate::Icmp { protocol: 1, kinds: 1..=2, codes: 3..=4 }), "[types 1-2 and codes 3-4 of protocol 1]"),
        (Op::Match { inverted: true, all: not_both }, "[not all of: -m multiport --sports 1:2 ! -f]"),
        (load(Load::Meta(Meta::Other(77))), "[meta key 77]"),
        (Op::Verdict(proxy), "[tproxy to :[@reg3]]"),
        (Op::Verdict(crate::rule::Verdict::Continue), "[continue]"),
    ] {
        assert_eq!(shown_of(vec![op]), format!("-A INPUT {expected}"));
    }
}
