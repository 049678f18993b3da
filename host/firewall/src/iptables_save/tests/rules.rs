//! What rules mean.

use std::net::IpAddr;

use super::*;
use crate::ip_set::IpSetId;
use crate::rule::{
    Comparison, Effect, End, InterfaceEnd, IpSetChange, IpSetQuestion, IpSetReference, Note as Remark, Operand,
    Predicate, Rate, Target, Test, Translation, Unknown, Verdict,
};

fn matching(tests: Vec<(bool, Predicate)>) -> Op {
    let all = tests.into_iter().map(|(inverted, predicate)| Test { inverted, predicate }).collect();
    Op::Match { inverted: false, all }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn unknown(construct: &str, only_matches: bool) -> Op {
    Op::Unknown(Unknown { construct: construct.into(), only_matches })
}

#[test]
fn addresses_interfaces_and_protocols() {
    let source = Predicate::AddressMask { end: End::Source, address: address("10.0.0.0"), mask: address("255.0.0.0") };
    let interface = Predicate::Interface { end: InterfaceEnd::Input, name: b"eth".to_vec(), prefix: true };
    let expected = [matching(vec![(true, source), (false, interface), (false, Predicate::Protocol(6))])];
    assert_eq!(ops("! -s 10.1.2.3/8 -i eth+ -p tcp"), expected);
    assert_eq!(ops("-s ! 10.0.0.0/255.0.0.0 -i eth+ -p 6"), expected);
    assert_eq!(ops("-p all"), []);
    assert_eq!(ops("-s 10.0.0.1,10.0.0.2"), [unknown("-s 10.0.0.1,10.0.0.2", true)]);
}

#[test]
fn ports_of_tcp_with_or_without_loading_it() {
    let port = Predicate::Ports { ends: vec![End::Destination], ranges: vec![22..=23] };
    let flags = Predicate::TcpFlags { mask: 0x17, set: 2 };
    let expected = [
        matching(vec![(false, Predicate::Protocol(6))]),
        matching(vec![(true, port), (false, flags)]),
        Op::Verdict(Verdict::Accept),
    ];
    assert_eq!(ops("-p tcp -m tcp ! --dport 22:23 --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT"), expected);
    assert_eq!(ops("-p tcp --dport ! 22:23 --syn -j ACCEPT"), expected);
}

#[test]
fn states_and_rates() {
    let established = [matching(vec![(false, Predicate::ConntrackState(6))])];
    assert_eq!(ops("-m conntrack --ctstate RELATED,ESTABLISHED"), established);
    assert_eq!(ops("-m state --state RELATED,ESTABLISHED"), established);
    let usually = |rule: &str| match ops(rule).as_slice() {
        [Op::Rate(Rate { text, usually })] => {
            assert_eq!(text.as_str(), rule);
            *usually
        }
        other => panic!("{other:?}"),
    };
    assert!(usually("-m limit --limit 3/min --limit-burst 10"));
    assert!(usually("-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource"));
    assert!(!usually("-m recent --update --seconds 30 --hitcount 6 --name DEFAULT"));
    assert!(usually("-m recent ! --rcheck --name DEFAULT"));
    assert!(!usually("-m hashlimit --hashlimit-above 3/sec --hashlimit-name x"));
    assert!(!usually("-m connlimit --connlimit-above 3"));
    assert!(usually("-m connlimit --connlimit-upto 3"));
}

#[test]
fn sets_are_named_with_what_is_asked() {
    let question = |return_nomatch, counters| {
        let set = IpSetReference { id: IpSetId::Name("blocked".into()), ends: vec![End::Source, End::Destination] };
        Predicate::InIpSet(IpSetQuestion { set, return_nomatch, counters })
    };
    let cases = [
        ("-m set --match-set blocked src,dst", false, question(false, false)),
        ("-m set ! --match-set blocked src,dst --return-nomatch", true, question(true, false)),
        ("-m set --match-set blocked src,dst ! --update-counters --packets-gt 3", false, question(false, true)),
    ];
    for (rule, inverted, predicate) in cases {
        assert_eq!(ops(rule), [matching(vec![(inverted, predicate)])]);
    }
    let odd = "-m set --match-set blocked left";
    assert_eq!(ops(odd), [unknown(odd, true)]);
    let set = IpSetReference { id: IpSetId::Name("seen".into()), ends: vec![End::Source] };
    let changes = vec![IpSetChange { set, deletes: false }];
    assert_eq!(ops("-j SET --add-set seen src --exist --timeout 9"), [Op::Effect(Effect::ChangeIpSets(changes))]);
}

#[test]
fn matches_without_a_model_are_named() {
    for rule in ["-m mac ! --mac-source 00:11:22:33:44:55", "-m cpu --cpu 1", "-m eui64"] {
        assert_eq!(ops(rule), [matching(vec![(false, Predicate::Unknown(rule.into()))])]);
    }
}

#[test]
fn fields_of_the_header() {
    let compared = |how, value| Predicate::TimeToLive { how, value };
    let of_type = |value, mask| Predicate::TypeOfService { value, mask };
    for (rule, inverted, predicate) in [
        ("-m ttl --ttl-eq 3", false, compared(Comparison::Equal, 3)),
        ("-m ttl ! --ttl 3", true, compared(Comparison::Equal, 3)),
        ("-m ttl --ttl-lt 3", false, compared(Comparison::Less, 3)),
        ("-m hl --hl-gt 255", false, compared(Comparison::Greater, 255)),
        ("-m dscp ! --dscp 0x3f", true, Predicate::DifferentiatedServices(63)),
        ("-m dscp --dscp-class ef", false, Predicate::DifferentiatedServices(46)),
        ("-m tos --tos 0x10", false, of_type(0x10, 0xff)),
        ("-m tos ! --tos 0x10/0x1f", true, of_type(0x10, 0x1f)),
        ("-m tos --tos Minimize-Delay", false, of_type(0x10, 0x3f)),
        ("-m length ! --length 40", true, Predicate::Length(40..=40)),
        ("-m length --length :40", false, Predicate::Length(0..=40)),
        ("-m length --length 40:", false, Predicate::Length(40..=65535)),
    ] {
        assert_eq!(ops(rule), [matching(vec![(inverted, predicate)])], "{rule}");
    }
    for odd in [
        "-m ttl ! --ttl-lt 3",
        "-m ttl --ttl-eq 256",
        "-m ttl",
        "-m ttl --ttl-lt 3 --ttl-gt 1",
        "-m dscp --dscp 64",
        "-m dscp --dscp-class XX",
        "-m tos --tos 5/256",
        "-m length --length 9:1",
    ] {
        assert_eq!(ops(odd), [unknown(odd, true)]);
    }
}

#[test]
fn ways_of_a_packet() {
    let ipsec = |end, protected, more: &str| Predicate::Ipsec { end, protected, more: more.into() };
    let port = |end, name: Option<&str>| Predicate::BridgePort { end, name: name.map(Into::into) };
    let (input, output) = (InterfaceEnd::Input, InterfaceEnd::Output);
    for (rule, tests) in [
        ("-m policy --dir in --pol none", vec![(false, ipsec(input, false, ""))]),
        (
            "-m policy --dir out --pol ipsec --strict ! --reqid 5",
            vec![(false, ipsec(output, true, "--strict ! --reqid 5"))],
        ),
        (
            "-m physdev ! --physdev-in e0 --physdev-out e+",
            vec![(true, port(input, Some("e0"))), (false, port(output, Some("e+")))],
        ),
        (
            "-m physdev --physdev-is-in ! --physdev-is-out ! --physdev-is-bridged",
            vec![(false, port(input, None)), (true, port(output, None)), (true, Predicate::Bridged)],
        ),
    ] {
        assert_eq!(ops(rule), [matching(tests)], "{rule}");
    }
    for odd in
        ["-m policy --dir in", "-m policy --pol none", "-m policy --dir up --pol none", "-m physdev --physdev-in"]
    {
        assert_eq!(ops(odd), [unknown(odd, true)]);
    }
}

#[test]
fn what_is_not_understood_stays_in_its_place() {
    let drop = Op::Verdict(Verdict::Drop);
    let tcp = matching(vec![(false, Predicate::Protocol(6))]);
    let rule = "-p tcp -m weird ! --x \"a b\" -m tcp --dport no -j DROP";
    let expected = [tcp, unknown("-m weird ! --x \"a b\"", true), unknown("-m tcp --dport no", true), drop.clone()];
    assert_eq!(ops(rule), expected);
    assert_eq!(ops("--new-option 1 -j DROP"), [unknown("--new-option 1", true), drop]);
    assert_eq!(ops("-j WEIRD --x"), [unknown("-j WEIRD --x", false)]);
    assert_eq!(ops("-j REJECT --x"), [unknown("-j REJECT --x", false)]);
    assert_eq!(ops("-j DROP -j ACCEPT"), [unknown("-A INPUT -j DROP -j ACCEPT", false)]);
    assert_eq!(ops("-m comment --comment \"x -j DROP"), [unknown("-A INPUT -m comment --comment \"x -j DROP", false)]);
}

#[test]
fn an_option_may_come_once() {
    assert_eq!(ops("-m tcp --dport 1 --dport 2"), [unknown("-m tcp --dport 1 --dport 2", true)]);
    assert_eq!(ops("-m limit ! --limit 1/s"), [unknown("-m limit ! --limit 1/s", true)]);
    assert_eq!(ops("-s 1.1.1.1 -s 2.2.2.2"), [unknown("-s 1.1.1.1 -s 2.2.2.2", true)]);
}

#[test]
fn translations() {
    let translated = |rule: &str| match ops_in("nat", Family::Ip, &format!("PREROUTING -j {rule}")).pop() {
        Some(Op::Verdict(Verdict::Translate(translation))) => translation,
        other => panic!("{other:?}"),
    };
    let at = |text: &str| Operand::Address(address(text));
    let target = Target::Addresses(Some((at("172.17.0.2"), at("172.17.0.2"))));
    let ports = Some((Operand::Port(80), Operand::Port(80)));
    let expected = Translation { end: End::Destination, target, ports: ports.clone() };
    assert_eq!(translated("DNAT --to-destination 172.17.0.2:80"), expected);
    assert_eq!(translated("DNAT --to-destination 172.17.0.2:80 --random"), expected);
    let expected = Translation { end: End::Destination, target: Target::Redirect, ports };
    assert_eq!(translated("REDIRECT --to-ports 80"), expected);
    for garbled in ["DNAT --to-destination  --random --to-destination 0.0.0.0:0", "DNAT --to-destination :1-5/9"] {
        assert!(matches!(translated(garbled).target, Target::Unknown(_)), "{garbled}");
    }
}

#[test]
fn translations_of_ipv6() {
    let rule = "PREROUTING -j DNAT --to-destination [fd00::1]:80";
    let at = Operand::Address(address("fd00::1"));
    let expected = Translation {
        end: End::Destination,
        target: Target::Addresses(Some((at.clone(), at))),
        ports: Some((Operand::Port(80), Operand::Port(80))),
    };
    assert_eq!(ops_in("nat", Family::Ip6, rule), [Op::Verdict(Verdict::Translate(expected))]);
}

#[test]
fn marks() {
    let mark = |options: &str| ops_in("mangle", Family::Ip, &format!("INPUT -j {options}")).pop().unwrap();
    let set = |keep, xor| Op::Effect(Effect::SetMark { keep, xor });
    assert_eq!(mark("MARK --set-xmark 0x1/0xff"), set(0xffff_ff00, 1));
    assert_eq!(mark("MARK --set-mark 0x100/0xff"), set(0xffff_fe00, 0x100));
    assert_eq!(mark("MARK --and-mark 0xf0"), set(0xf0, 0));
    assert_eq!(mark("MARK --or-mark 0xf0"), set(!0xf0, 0xf0));
    assert_eq!(mark("MARK --xor-mark 1"), set(u32::MAX, 1));
    let save = Effect::SaveMark { keep: !0xf0, mask: 0xf };
    assert_eq!(mark("CONNMARK --save-mark --nfmask 0xf --ctmask 0xf0"), Op::Effect(save));
    let restore = Effect::RestoreMark { keep: !0xf, mask: 0xf0 };
    assert_eq!(mark("CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf0"), Op::Effect(restore));
}

#[test]
fn quotes_counters_and_comments() {
    let text = "*filter\n[12:345] -A INPUT -m comment --comment \"a \\\"b\\\" \\\\ -j DROP\" -j ACCEPT\nCOMMIT\n";
    let parsed = parse(text.as_bytes(), Some(Family::Ip)).unwrap();
    let rule = &parsed.ruleset.chains[0].rules[0];
    assert_eq!(rule.comment, Some("a \"b\" \\ -j DROP".into()));
    let counter = Op::Note(Remark::Counter { packets: 12, bytes: 345 });
    assert_eq!(rule.ops, [counter, Op::Verdict(Verdict::Accept)]);
    assert_eq!(rule.text.as_ref().unwrap().as_str(), text.lines().nth(1).unwrap());
}

#[test]
fn a_chain_goes_before_a_target_of_its_name() {
    let ops = |rule: &str| {
        let text = format!("*filter\n:LOG - [0:0]\n-A INPUT {rule}\nCOMMIT\n");
        let parsed = parse(text.as_bytes(), Some(Family::Ip)).unwrap();
        parsed.ruleset.chains[1].rules[0].ops.clone()
    };
    assert_eq!(ops("-j LOG"), [Op::Verdict(Verdict::Jump(crate::ruleset::ChainId(0)))]);
    assert_eq!(ops("-j LOG --log-uid"), [unknown("-j LOG --log-uid", false)]);
}

#[test]
fn a_rule_with_more_words_than_iptables_takes_is_unknown() {
    let rule = format!("INPUT{}", " -m tcp".repeat(200));
    let text = format!("-A {rule}");
    assert_eq!(ops_in("filter", Family::Ip, &rule), [unknown(&text, false)]);
}
