//! Words of a command line, and what they mean.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use loopgate_firewall::rule::{
    Comparison, Direction, Effect, End, InterfaceEnd, Note, Op, Operand, PayloadBase, Predicate, Rate, Target, Test,
    Translation, Unknown, Verdict,
};

/// A rule: where it stands, its words, and the operations that its matches and its target come to.
pub(super) struct Case {
    pub(super) table: &'static str,
    pub(super) chain: &'static str,
    pub(super) words: &'static str,
    pub(super) ops: Vec<Op>,
    /// `iptables-nft` writes it as expressions of `nf_tables`.
    pub(super) is_native: bool,
}

impl Case {
    fn native(self) -> Self {
        Self { is_native: true, ..self }
    }
}

fn case(table: &'static str, chain: &'static str, words: &'static str, ops: Vec<Op>) -> Case {
    Case { table, chain, words, ops, is_native: false }
}

fn input(words: &'static str, ops: Vec<Op>) -> Case {
    case("filter", "INPUT", words, ops)
}

fn yes(predicate: Predicate) -> Test {
    Test { inverted: false, predicate }
}

fn not(predicate: Predicate) -> Test {
    Test { inverted: true, predicate }
}

fn all(tests: &[Test]) -> Vec<Op> {
    vec![Op::Match { inverted: false, all: tests.to_vec() }]
}

fn tracked() -> Test {
    not(Predicate::ConntrackState(65))
}

fn ports(ends: &[End], ranges: &[RangeInclusive<u16>]) -> Predicate {
    Predicate::Ports { ends: ends.to_vec(), ranges: ranges.to_vec() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn obscure(text: &str) -> Predicate {
    Predicate::Unknown(text.into())
}

fn time_to_live(how: Comparison, value: u8) -> Predicate {
    Predicate::TimeToLive { how, value }
}

fn ipsec(end: InterfaceEnd, protected: bool, more: &str) -> Predicate {
    Predicate::Ipsec { end, protected, more: more.into() }
}

/// What is asked of the tunnel is named as it was written.
fn tunnel(words: &'static str) -> Case {
    let more = words.strip_prefix("-m policy --dir in --pol ipsec ").unwrap();
    input(words, all(&[yes(ipsec(InterfaceEnd::Input, true, more))]))
}

fn port(end: InterfaceEnd, name: Option<&str>) -> Predicate {
    Predicate::BridgePort { end, name: name.map(Into::into) }
}

fn usually(usually: bool, text: &str) -> Vec<Op> {
    vec![Op::Rate(Rate { text: text.into(), usually })]
}

fn note(text: &str) -> Vec<Op> {
    vec![Op::Note(Note::Other(text.into()))]
}

fn effect(effect: Effect) -> Vec<Op> {
    vec![Op::Effect(effect)]
}

fn writes(payload: Option<(PayloadBase, u32, u32)>, name: &str) -> Vec<Op> {
    effect(Effect::Write { payload, name: name.into() })
}

fn reject(with: &str) -> Vec<Op> {
    vec![Op::Verdict(Verdict::Reject(with.into()))]
}

fn translate(end: End, target: Target, ports: Option<(u16, u16)>) -> Vec<Op> {
    let ports = ports.map(|(lowest, highest)| (Operand::Port(lowest), Operand::Port(highest)));
    vec![Op::Verdict(Verdict::Translate(Translation { end, target, ports }))]
}

fn addresses(lowest: &str, highest: &str) -> Target {
    Target::Addresses(Some((Operand::Address(ip(lowest)), Operand::Address(ip(highest)))))
}

fn range(end: End, from: &str, to: &str) -> Predicate {
    Predicate::AddressRange { end, range: ip(from)..=ip(to) }
}

fn masked(end: End, address: &str, mask: &str) -> Predicate {
    Predicate::AddressMask { end, address: ip(address), mask: ip(mask) }
}

fn of_type(end: End, types: u16) -> Predicate {
    Predicate::AddressType { end, types, input_interface: false, output_interface: false }
}

use Direction::{Original, Reply};
use End::{Destination, Source};

const LOCAL: u16 = 1 << 2;

/// What means the same in both families.
fn both() -> Vec<Case> {
    [connections(), headers(), rates(), obscures(), changes(), translations()].into_iter().flatten().collect()
}

fn connections() -> Vec<Case> {
    vec![
        input("-m conntrack --ctstate NEW", all(&[yes(Predicate::ConntrackState(8))])),
        input("-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT", all(&[not(Predicate::ConntrackState(262))])),
        input("-m conntrack --ctstate INVALID,UNTRACKED,SNAT", all(&[yes(Predicate::ConntrackState(193))])),
        input("-m state --state NEW,UNTRACKED", all(&[yes(Predicate::ConntrackState(72))])),
        input("-m conntrack --ctproto 6", all(&[tracked(), yes(Predicate::ConntrackProtocol(6))])),
        input("-m conntrack --ctdir ORIGINAL", all(&[tracked(), yes(Predicate::ConntrackDirection(Original))])),
        input("-m conntrack --ctdir REPLY", all(&[tracked(), not(Predicate::ConntrackDirection(Original))])),
        input("-m conntrack --ctstatus NONE", all(&[tracked(), yes(Predicate::ConntrackStatus(0))])),
        input(
            "-m conntrack --ctstate NEW ! --ctstatus SEEN_REPLY,ASSURED",
            all(&[yes(Predicate::ConntrackState(8)), not(Predicate::ConntrackStatus(6))]),
        ),
        input("-m conntrack --ctexpire 1:20", all(&[tracked(), yes(obscure("-m conntrack --ctexpire 1:20"))])),
        input(
            "-p tcp -m conntrack --ctorigdstport 80:90 ! --ctreplsrcport 70",
            all(&[
                tracked(),
                yes(Predicate::ConntrackPort { direction: Original, end: Destination, range: 80..=90 }),
                not(Predicate::ConntrackPort { direction: Reply, end: Source, range: 70..=70 }),
            ]),
        ),
        input(
            "-p tcp -m multiport --dports 22,80:90,443",
            all(&[yes(ports(&[Destination], &[22..=22, 80..=90, 443..=443]))]),
        ),
        input("-p udp -m multiport ! --sports 53", all(&[not(ports(&[Source], &[53..=53]))])),
        input("-p sctp -m multiport --ports 7:9", all(&[yes(ports(&[Source, Destination], &[7..=9]))])),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        input("-m addrtype --dst-type LOCAL", all(&[yes(of_type(Destination, LOCAL))])),
        input("-m addrtype ! --src-type LOCAL", all(&[not(of_type(Source, LOCAL))])),
        input(
            "-m addrtype --dst-type LOCAL --limit-iface-in",
            all(&[yes(Predicate::AddressType {
                end: Destination,
                types: LOCAL,
                input_interface: true,
                output_interface: false,
            })]),
        ),
        input("-p tcp --dport 22", all(&[yes(ports(&[Destination], &[22..=22]))])).native(),
        input(
            "-p tcp ! --sport 1024: --dport :99",
            all(&[not(ports(&[Source], &[1024..=65535])), yes(ports(&[Destination], &[0..=99]))]),
        )
        .native(),
        input("-p tcp --syn", all(&[yes(Predicate::TcpFlags { mask: 0x17, set: 2 })])).native(),
        input("-p tcp ! --tcp-flags SYN,RST,ACK SYN", all(&[not(Predicate::TcpFlags { mask: 0x16, set: 2 })])).native(),
        input("-p tcp ! --tcp-option 8", all(&[not(Predicate::TcpOption(8))])),
        input(
            "-p udp --sport 53 ! --dport 60:70",
            all(&[yes(ports(&[Source], &[53..=53])), not(ports(&[Destination], &[60..=70]))]),
        )
        .native(),
        input(
            "-p sctp ! --sport 5 --dport 6:7",
            all(&[not(ports(&[Source], &[5..=5])), yes(ports(&[Destination], &[6..=7]))]),
        ),
        input(
            "-p dccp --sport 5 ! --dport 6:7",
            all(&[yes(ports(&[Source], &[5..=5])), not(ports(&[Destination], &[6..=7]))]),
        ),
        input("-m mac ! --mac-source 02:00:00:00:00:0a", all(&[not(obscure("-m mac --mac-source 02:00:00:00:00:0a"))])),
        input("-m pkttype --pkt-type broadcast", all(&[yes(Predicate::PacketType(1))])),
        input("-m pkttype ! --pkt-type multicast", all(&[not(Predicate::PacketType(2))])),
        input("-m mark ! --mark 0x1/0xff", all(&[not(Predicate::Mark { value: 1, mask: 0xff })])).native(),
        input(
            "-m connmark --mark 0x2/0xf0f",
            all(&[tracked(), yes(Predicate::ConntrackMark { value: 2, mask: 0xf0f })]),
        ),
        input(
            "-m connmark ! --mark 0x2",
            all(&[tracked(), not(Predicate::ConntrackMark { value: 2, mask: u32::MAX })]),
        ),
    ]
}

fn rates() -> Vec<Case> {
    vec![
        input("-m recent --set --name a", usually(true, "-m recent --set --name a")),
        input("-m recent ! --set --name a", usually(false, "-m recent ! --set --name a")),
        input(
            "-m recent --update --seconds 30 --hitcount 6 --name a",
            usually(false, "-m recent --update --name a --seconds 30 --hitcount 6"),
        ),
        input("-m recent ! --rcheck --name a", usually(true, "-m recent ! --rcheck --name a")),
        input("-m recent --remove --name a", usually(false, "-m recent --remove --name a")),
        input(
            "-m limit --limit 3/minute --limit-burst 10",
            usually(true, "-m limit --limit 3/minute --limit-burst 10"),
        )
        .native(),
        input(
            "-m hashlimit --hashlimit-upto 5/hour --hashlimit-name h",
            usually(true, "-m hashlimit --hashlimit-upto 5/hour --hashlimit-name h"),
        ),
        input(
            "-m hashlimit --hashlimit-above 7/day --hashlimit-mode srcip --hashlimit-name i",
            usually(false, "-m hashlimit --hashlimit-above 7/day --hashlimit-name i"),
        ),
        input("-m connlimit --connlimit-above 3", usually(false, "-m connlimit --connlimit-above 3")),
        input("-m connlimit --connlimit-upto 3", usually(true, "-m connlimit --connlimit-upto 3")),
        input("-m connlimit --connlimit-above 0", usually(true, "-m connlimit --connlimit-above 0")),
    ]
}

fn obscures() -> Vec<Case> {
    vec![
        case(
            "raw",
            "PREROUTING",
            "-m rpfilter --loose --validmark --invert",
            all(&[not(Predicate::ReversePath { loose: true, mark: true, accept_local: false })]),
        ),
        case(
            "raw",
            "PREROUTING",
            "-m rpfilter --accept-local",
            all(&[yes(Predicate::ReversePath { loose: false, mark: false, accept_local: true })]),
        ),
        input("-m length ! --length 1:9", all(&[not(Predicate::Length(1..=9))])),
        input("-m dscp --dscp 10", all(&[yes(Predicate::DifferentiatedServices(10))])),
        input("-m tos ! --tos 0x10", all(&[not(Predicate::TypeOfService { value: 0x10, mask: 0xff })])),
        input("-m tos --tos Minimize-Cost", all(&[yes(Predicate::TypeOfService { value: 2, mask: 0x3f })])),
        input("-m time --timestart 10:00", all(&[yes(obscure("-m time"))])),
        input(
            "-m statistic --mode random --probability 0.25",
            all(&[yes(obscure("-m statistic --mode random --probability 0.2500"))]),
        ),
        input(
            "-m statistic --mode nth ! --every 3 --packet 0",
            all(&[not(obscure("-m statistic --mode nth --every 3"))]),
        ),
        input("-m string --algo bm ! --string abc", all(&[not(obscure("-m string --string \"abc\""))])),
        input("-m cpu ! --cpu 1", all(&[not(obscure("-m cpu --cpu 1"))])),
        input("-m helper --helper ftp", all(&[yes(obscure("-m helper --helper \"ftp\""))])),
        case(
            "filter",
            "OUTPUT",
            "-m owner ! --uid-owner 0 --gid-owner 0",
            all(&[not(obscure("-m owner --uid-owner 0-0")), yes(obscure("-m owner --gid-owner 0-0"))]),
        ),
        input(
            "-m devgroup ! --src-group 0x1/0x3",
            all(&[not(Predicate::InterfaceGroup { end: InterfaceEnd::Input, group: 1, mask: 3 })]),
        ),
        input("-m policy --dir in --pol none", all(&[yes(ipsec(InterfaceEnd::Input, false, ""))])),
        case(
            "filter",
            "FORWARD",
            "-m policy --dir out --pol ipsec --reqid 1 ! --spi 0x10 --proto esp --mode tunnel",
            all(&[yes(ipsec(InterfaceEnd::Output, true, "--reqid 1 ! --spi 0x10 --proto esp --mode tunnel"))]),
        ),
        input(
            "-m policy --dir in --pol ipsec --strict --proto esp --next --proto ah --mode transport",
            all(&[yes(ipsec(InterfaceEnd::Input, true, "--strict --proto esp --next --proto ah --mode transport"))]),
        ),
        input("-m physdev --physdev-in e0", all(&[yes(port(InterfaceEnd::Input, Some("e0")))])),
        case(
            "filter",
            "FORWARD",
            "-m physdev ! --physdev-is-in ! --physdev-in e+ --physdev-is-out --physdev-out e1 --physdev-is-bridged",
            all(&[
                not(port(InterfaceEnd::Input, None)),
                not(port(InterfaceEnd::Input, Some("e+"))),
                yes(port(InterfaceEnd::Output, None)),
                yes(port(InterfaceEnd::Output, Some("e1"))),
                yes(Predicate::Bridged),
            ]),
        ),
        input("-m socket --transparent", all(&[yes(obscure("-m socket --transparent"))])),
    ]
}

fn changes() -> Vec<Case> {
    vec![
        input("-j LOG --log-prefix \"no: \"", note("-j LOG --log-prefix \"no: \"")),
        input("-j NFLOG --nflog-group 5 --nflog-prefix p", note("-j NFLOG --nflog-group 5 --nflog-prefix \"p\""))
            .native(),
        case("raw", "PREROUTING", "-j TRACE", note("-j TRACE")).native(),
        case("mangle", "INPUT", "-j MARK --set-xmark 0x5/0xff", effect(Effect::SetMark { keep: !0xff, xor: 5 })),
        case("mangle", "INPUT", "-j MARK --or-mark 0x4", effect(Effect::SetMark { keep: !4, xor: 4 })),
        case(
            "mangle",
            "INPUT",
            "-j CONNMARK --set-xmark 0x5/0xff",
            effect(Effect::SetConntrackMark { keep: !0xff, xor: 5 }),
        ),
        case(
            "mangle",
            "INPUT",
            "-j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff",
            effect(Effect::SaveMark { keep: !0xff, mask: 0xf0 }),
        ),
        case(
            "mangle",
            "INPUT",
            "-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff",
            effect(Effect::RestoreMark { keep: !0xf0, mask: 0xff }),
        ),
        case("raw", "PREROUTING", "-j CT --notrack", effect(Effect::NoTrack)),
        case("raw", "PREROUTING", "-j NOTRACK", effect(Effect::NoTrack)),
        case("raw", "PREROUTING", "-j CT --zone 5", writes(None, "ct zone 5")),
    ]
}

fn translations() -> Vec<Case> {
    vec![
        case("nat", "POSTROUTING", "-j MASQUERADE", translate(Source, Target::Masquerade, None)),
        case(
            "nat",
            "POSTROUTING",
            "-p tcp -j MASQUERADE --to-ports 1000-2000",
            translate(Source, Target::Masquerade, Some((1000, 2000))),
        ),
        case(
            "nat",
            "PREROUTING",
            "-p tcp -j REDIRECT --to-ports 8080",
            translate(Destination, Target::Redirect, Some((8080, 8080))),
        ),
        case("nat", "OUTPUT", "-j REDIRECT", translate(Destination, Target::Redirect, None)),
        case(
            "nat",
            "PREROUTING",
            "-p tcp -j DNAT --to-destination :8080",
            translate(Destination, Target::Addresses(None), Some((8080, 8080))),
        ),
        case("mangle", "POSTROUTING", "-j CLASSIFY --set-class 1:2", writes(None, "meta priority")),
        case(
            "mangle",
            "FORWARD",
            "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu",
            [all(&[yes(Predicate::TcpFlags { mask: 0x17, set: 2 })]), writes(None, "tcp option maxseg size")].concat(),
        )
        .native(),
        case("mangle", "POSTROUTING", "-j CHECKSUM --checksum-fill", writes(None, "udp checksum")),
        input("-j AUDIT --type accept", note("-j AUDIT")),
        input("-j NFQUEUE --queue-num 3 --queue-bypass", vec![Op::Verdict(Verdict::Queue { bypass: true })]),
        input("-j NFQUEUE --queue-num 3", vec![Op::Verdict(Verdict::Queue { bypass: false })]),
    ]
}

pub(super) fn ipv4() -> Vec<Case> {
    let icmp = |kinds: RangeInclusive<u8>, codes| Predicate::Icmp { protocol: 1, kinds, codes };
    let of = |direction, end, address, mask| Predicate::ConntrackAddress {
        direction,
        end,
        address: ip(address),
        mask: ip(mask),
    };
    let mut cases = both();
    cases.extend([
        input(
            "-m conntrack --ctstate NEW ! --ctorigsrc 10.0.0.0/8 --ctrepldst 10.1.2.3",
            all(&[
                yes(Predicate::ConntrackState(8)),
                not(of(Original, Source, "10.0.0.0", "255.0.0.0")),
                yes(of(Reply, Destination, "10.1.2.3", "255.255.255.255")),
            ]),
        ),
        input("-m iprange --src-range 10.0.0.5-10.0.0.9", all(&[yes(range(Source, "10.0.0.5", "10.0.0.9"))])),
        input(
            "-m iprange ! --src-range 10.0.0.5-10.0.0.9 ! --dst-range 1.1.1.1-2.2.2.2",
            all(&[not(range(Source, "10.0.0.5", "10.0.0.9")), not(range(Destination, "1.1.1.1", "2.2.2.2"))]),
        ),
        input(
            "-m addrtype --src-type UNICAST,LOCAL ! --dst-type BROADCAST,MULTICAST",
            all(&[yes(of_type(Source, 6)), not(of_type(Destination, 40))]),
        ),
        input("-p icmp --icmp-type echo-request", all(&[yes(icmp(8..=8, 0..=255))])),
        input("-p icmp ! --icmp-type 3/4", all(&[not(icmp(3..=3, 4..=4))])),
        input("-p icmp --icmp-type any", all(&[yes(icmp(0..=255, 0..=255))])),
        input("-m ttl --ttl-lt 5", all(&[yes(time_to_live(Comparison::Less, 5))])),
        input("-m ttl ! --ttl-eq 5", all(&[not(time_to_live(Comparison::Equal, 5))])),
        tunnel("-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-dst 10.0.0.0/8 --tunnel-src 1.2.3.4"),
        input("-j REJECT", reject("icmp-port-unreachable")),
        input("-j REJECT --reject-with icmp-net-unreachable", reject("icmp-net-unreachable")),
        input("-j REJECT --reject-with icmp-host-unreachable", reject("icmp-host-unreachable")),
        input("-j REJECT --reject-with icmp-proto-unreachable", reject("icmp-proto-unreachable")),
        input("-j REJECT --reject-with icmp-net-prohibited", reject("icmp-net-prohibited")),
        input("-j REJECT --reject-with icmp-host-prohibited", reject("icmp-host-prohibited")),
        input("-j REJECT --reject-with icmp-admin-prohibited", reject("icmp-admin-prohibited")),
        input("-p tcp -j REJECT --reject-with tcp-reset", reject("tcp-reset")),
        case(
            "nat",
            "PREROUTING",
            "-j DNAT --to-destination 10.0.0.1",
            translate(Destination, addresses("10.0.0.1", "10.0.0.1"), None),
        ),
        case(
            "nat",
            "PREROUTING",
            "-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --random",
            translate(Destination, addresses("10.0.0.1", "10.0.0.9"), Some((80, 90))),
        ),
        case(
            "nat",
            "PREROUTING",
            "-p tcp --dport 5000:5010 -j DNAT --to-destination 10.0.0.1:80-90/5000",
            [
                all(&[yes(ports(&[Destination], &[5000..=5010]))]),
                translate(Destination, Target::Unknown("DNAT --to-destination 10.0.0.1:80-90/5000".into()), None),
            ]
            .concat(),
        )
        .native(),
        case(
            "nat",
            "POSTROUTING",
            "-j SNAT --to-source 10.0.0.1-10.0.0.9",
            translate(Source, addresses("10.0.0.1", "10.0.0.9"), None),
        ),
        case(
            "nat",
            "INPUT",
            "-j SNAT --to-source 10.0.0.1",
            translate(Source, addresses("10.0.0.1", "10.0.0.1"), None),
        ),
        case(
            "mangle",
            "PREROUTING",
            "-p tcp -j TPROXY --on-port 3128 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x3",
            proxy(Some("127.0.0.1"), 3128),
        ),
        case("mangle", "INPUT", "-j DSCP --set-dscp 10", writes(Some((PayloadBase::Network, 1, 1)), "ip dscp")),
        case("mangle", "INPUT", "-j TOS --set-tos 0x10", writes(Some((PayloadBase::Network, 1, 1)), "ip dscp")),
        case("mangle", "INPUT", "-j TTL --ttl-set 64", writes(Some((PayloadBase::Network, 8, 1)), "ip ttl")),
        case("mangle", "INPUT", "-j TEE --gateway 10.0.0.1", note("-j TEE")),
        input("-m bpf --bytecode \"1,6 0 0 1\"", unknown("xt match \"bpf\" revision 1", true)),
        case(
            "nat",
            "PREROUTING",
            "-j NETMAP --to 10.0.0.0/8",
            translate(Destination, Target::Prefix(ip("10.0.0.0"), ip("255.0.0.0")), None),
        ),
        case("mangle", "INPUT", "-p tcp -j ECN --ecn-tcp-remove", unknown("xt target \"ECN\" revision 0", false)),
    ]);
    cases
}

fn header(text: &str) -> Vec<Op> {
    all(&[yes(Predicate::HeaderPresent(text.into())), yes(obscure(text))])
}

fn unknown(construct: &str, only_matches: bool) -> Vec<Op> {
    vec![Op::Unknown(Unknown { construct: construct.into(), only_matches })]
}

fn proxy(address: Option<&str>, port: u16) -> Vec<Op> {
    let address = address.map(|address| Operand::Address(ip(address)));
    vec![
        Op::Effect(Effect::SetMark { keep: !3, xor: 1 }),
        Op::Verdict(Verdict::TransparentProxy { address, port: Some(Operand::Port(port)) }),
        Op::Verdict(Verdict::Accept),
    ]
}

pub(super) fn ipv6() -> Vec<Case> {
    let icmp = |kind, codes| Predicate::Icmp { protocol: 58, kinds: kind..=kind, codes };
    let mut cases = both();
    cases.extend([
        input(
            "-m conntrack --ctorigdst fd00::/8",
            all(&[
                tracked(),
                yes(Predicate::ConntrackAddress {
                    direction: Original,
                    end: Destination,
                    address: ip("fd00::"),
                    mask: ip("ff00::"),
                }),
            ]),
        ),
        input("-m iprange ! --dst-range fd00::1-fd00::9", all(&[not(range(Destination, "fd00::1", "fd00::9"))])),
        input("-m addrtype --dst-type MULTICAST", all(&[yes(masked(Destination, "ff00::", "ff00::"))])),
        input("-p icmpv6 --icmpv6-type neighbour-solicitation", all(&[yes(icmp(135, 0..=255))])),
        input("-p icmpv6 ! --icmpv6-type 1/4", all(&[not(icmp(1, 4..=4))])),
        input("-m rt --rt-type 0 --rt-segsleft 0", header("-m rt")),
        input("-m hbh --hbh-len 8", header("-m hbh")),
        input("-m dst ! --dst-len 8", header("-m dst")),
        input("-m frag --fragid 5", header("-m frag")),
        input("-m hl --hl-gt 5", all(&[yes(time_to_live(Comparison::Greater, 5))])),
        tunnel("-m policy --dir in --pol ipsec --mode tunnel --tunnel-src fd00::/8"),
        case("mangle", "INPUT", "-j HL --hl-set 64", writes(Some((PayloadBase::Network, 7, 1)), "ip6 hoplimit")),
        input("-j REJECT", reject("icmp6-port-unreachable")),
        input("-j REJECT --reject-with icmp6-no-route", reject("icmp6-no-route")),
        input("-j REJECT --reject-with icmp6-adm-prohibited", reject("icmp6-adm-prohibited")),
        input("-j REJECT --reject-with icmp6-addr-unreachable", reject("icmp6-addr-unreachable")),
        input("-j REJECT --reject-with icmp6-policy-fail", reject("icmp6-policy-fail")),
        input("-j REJECT --reject-with icmp6-reject-route", reject("icmp6-reject-route")),
        input("-p tcp -j REJECT --reject-with tcp-reset", reject("tcp-reset")),
        case(
            "nat",
            "PREROUTING",
            "-p tcp -j DNAT --to-destination [fd00::1-fd00::9]:80-90",
            translate(Destination, addresses("fd00::1", "fd00::9"), Some((80, 90))),
        ),
        case(
            "nat",
            "PREROUTING",
            "-j DNAT --to-destination fd00::1",
            translate(Destination, addresses("fd00::1", "fd00::1"), None),
        ),
        case(
            "nat",
            "POSTROUTING",
            "-j SNAT --to-source fd00::1",
            translate(Source, addresses("fd00::1", "fd00::1"), None),
        ),
        case("mangle", "PREROUTING", "-p tcp -j TPROXY --on-port 3128 --tproxy-mark 0x1/0x3", proxy(None, 3128)),
        case("mangle", "INPUT", "-j DSCP --set-dscp 10", writes(Some((PayloadBase::Network, 0, 2)), "ip6 dscp")),
    ]);
    cases
}

/// Words without a match or a target, and the tests of the entry itself.
pub(super) fn headers_ipv4() -> Vec<(&'static str, Vec<Test>)> {
    vec![
        ("", vec![]),
        ("-s 10.0.0.0/8", vec![yes(masked(Source, "10.0.0.0", "255.0.0.0"))]),
        ("! -d 10.1.2.3", vec![not(masked(Destination, "10.1.2.3", "255.255.255.255"))]),
        ("-s 10.0.0.3/255.0.0.255", vec![yes(masked(Source, "10.0.0.3", "255.0.0.255"))]),
        ("! -s 0.0.0.0/0", vec![not(masked(Source, "0.0.0.0", "0.0.0.0"))]),
        ("-i eth0", vec![yes(device(InterfaceEnd::Input, "eth0", false))]),
        ("! -i eth+", vec![not(device(InterfaceEnd::Input, "eth", true))]),
        ("-i abcdefghijklmno", vec![yes(device(InterfaceEnd::Input, "abcdefghijklmno", false))]),
        ("-p tcp", vec![yes(Predicate::Protocol(6))]),
        ("! -p udp", vec![not(Predicate::Protocol(17))]),
        ("-f", vec![yes(Predicate::Fragment)]),
        ("! -f", vec![not(Predicate::Fragment)]),
        (
            "-s 10.0.0.1 -d 10.0.0.2 -i lo ! -p icmp",
            vec![
                yes(masked(Source, "10.0.0.1", "255.255.255.255")),
                yes(masked(Destination, "10.0.0.2", "255.255.255.255")),
                yes(device(InterfaceEnd::Input, "lo", false)),
                not(Predicate::Protocol(1)),
            ],
        ),
    ]
}

pub(super) fn headers_ipv6() -> Vec<(&'static str, Vec<Test>)> {
    vec![
        ("", vec![]),
        ("-s fd00::/8", vec![yes(masked(Source, "fd00::", "ff00::"))]),
        ("! -d fd00::1", vec![not(masked(Destination, "fd00::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))]),
        ("-d ::5/::ff", vec![yes(masked(Destination, "::5", "::ff"))]),
        ("! -i eth0", vec![not(device(InterfaceEnd::Input, "eth0", false))]),
        ("-p tcp", vec![yes(Predicate::Protocol(6))]),
        ("! -p ipv6-icmp", vec![not(Predicate::Protocol(58))]),
    ]
}

fn device(end: InterfaceEnd, name: &str, prefix: bool) -> Predicate {
    Predicate::Interface { end, name: name.as_bytes().to_vec(), prefix }
}
