use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::ip_set::IpSetId;
use crate::rule::{Effect, End, IpSetChange, IpSetQuestion, IpSetReference, Predicate, Target, Test, Verdict};

fn extension<'a>(name: &'a str, revision: u8, family: Family, info: &'a [u8]) -> Extension<'a> {
    Extension { name: name.as_bytes(), revision, family, info }
}

fn unknown(op: &Op) -> bool {
    matches!(op, Op::Unknown(_))
}

/// The tests of a match that is not inverted as a whole.
fn tests(op: Op) -> Vec<Test> {
    match op {
        Op::Match { inverted: false, all } => all,
        op => panic!("{op:?}"),
    }
}

/// An `addrtype` of revision 1 about the destination.
fn destination_type(types: u16, flags: u32, family: Family) -> Op {
    let info = [&[0; 2][..], &types.to_ne_bytes(), &flags.to_ne_bytes()].concat();
    match_op(&extension("addrtype", 1, family, &info))
}

#[test]
fn only_a_structure_of_the_right_length_is_read() {
    for length in 0..64 {
        let info = vec![0; length];
        let understood = !unknown(&match_op(&extension("mark", 1, Family::Ip, &info)));
        assert_eq!(understood, length == 12 || length == 16, "{length} bytes");
    }
}

#[test]
fn another_name_revision_or_family_is_not_read() {
    let info = [0; 16];
    let read = |name, revision, family| !unknown(&match_op(&extension(name, revision, family, &info)));
    assert!(read("mark", 1, Family::Ip) && read("mark\0\0", 1, Family::Ip6));
    assert!(!read("mark", 0, Family::Ip) && !read("mark", 2, Family::Ip) && !read("marks", 1, Family::Ip));
    assert!(!read("mark", 1, Family::Bridge) && !read("mark", 1, Family::Arp));
}

#[test]
fn what_is_not_understood_says_what_it_is_and_how_far_it_reaches() {
    let bpf = extension("bpf", 1, Family::Ip, &[]);
    let construct = "xt match \"bpf\" revision 1".into();
    assert_eq!(match_op(&bpf), Op::Unknown(Unknown { construct, only_matches: true }));
    let construct = "xt target \"bpf\" revision 1".into();
    assert_eq!(target_ops(&bpf), [Op::Unknown(Unknown { construct, only_matches: false })]);
}

#[test]
fn an_inversion_that_is_neither_yes_nor_no_is_not_guessed_at() {
    let mut info = [0; 12];
    info[8] = 2;
    assert!(unknown(&match_op(&extension("mark", 1, Family::Ip, &info))));
}

/// `addrtype_match_v6` (`net/netfilter/xt_addrtype.c`) requires each type, where IPv4 requires one of them.
#[test]
fn types_of_ipv6_addresses_are_a_matter_of_the_address() {
    let multicast = tests(destination_type(1 << 5, 0, Family::Ip6));
    let address = IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0));
    let expected = Predicate::AddressMask { end: End::Destination, address, mask: address };
    assert_eq!(multicast, [Test { inverted: false, predicate: expected }]);
    assert_eq!(tests(destination_type(1 << 1, 0, Family::Ip6)).len(), 3);
    assert!(matches!(destination_type(1 << 1, 2, Family::Ip6), Op::Match { inverted: true, all } if all.len() == 3));
    let blackhole = tests(destination_type(1 << 6, 0, Family::Ip6));
    assert!(matches!(blackhole[0].predicate, Predicate::Unknown(_)));
    let ipv4 = tests(destination_type(1 << 1 | 1 << 5, 2, Family::Ip));
    assert!(matches!(ipv4[..], [Test { inverted: true, predicate: Predicate::AddressType { types: 34, .. } }]));
}

/// `struct xt_conntrack_mtinfo3` with flags, inversions and states.
fn conntrack(matches: u16, inverted: u16, states: u16) -> Vec<Test> {
    let mut info = vec![0; 146];
    for value in [matches, inverted, states, 0] {
        info.extend_from_slice(&value.to_ne_bytes());
    }
    info.resize(168, 0);
    tests(match_op(&extension("conntrack", 3, Family::Ip, &info)))
}

/// `conntrack_mt` (`net/netfilter/xt_conntrack.c`).
#[test]
fn a_packet_without_a_connection_passes_on_its_state_alone() {
    let tracked = Test { inverted: true, predicate: Predicate::ConntrackState(65) };
    // `! --ctorigsrc`: only the connection is asked about.
    let source = conntrack(1 << 2, 1 << 2, 0);
    assert_eq!(source[0], tracked);
    assert!(source[1].inverted && matches!(source[1].predicate, Predicate::ConntrackAddress { .. }));
    // `--ctstate NEW --ctorigsrc`: no packet without a connection passes the first.
    let new = conntrack(1 | 1 << 2, 0, 8);
    assert!(matches!(new[1].predicate, Predicate::ConntrackAddress { .. }));
    // `--ctstate INVALID --ctorigsrc` and `! --ctstate NEW --ctorigsrc`: some pass whatever the second says.
    for state in [conntrack(1 | 1 << 2, 0, 1), conntrack(1 | 1 << 2, 1, 8), conntrack(1 | 1 << 2, 0, 256)] {
        assert!(matches!(state[1].predicate, Predicate::Unknown(_)), "{state:?}");
    }
}

#[test]
fn states_of_a_connection_are_told_apart() {
    let states = |mask| conntrack(1, 0, mask)[0].predicate.clone();
    for (mask, expected) in [(1, 1), (2, 2), (4, 4), (8, 8), (64, 128), (128, 256), (256, 64), (0x86, 0x106)] {
        assert_eq!(states(mask), Predicate::ConntrackState(expected));
    }
}

#[test]
fn ports_that_are_shifted_or_prefixes_are_not_taken_for_a_plain_translation() {
    for flags in [1_u32 << 5, 1 << 6, 1 << 7] {
        let info = [&flags.to_ne_bytes()[..], &[0; 44]].concat();
        let ops = target_ops(&extension("DNAT", 2, Family::Ip, &info));
        let [Op::Verdict(Verdict::Translate(translation))] = ops.as_slice() else { panic!("{ops:?}") };
        assert!(matches!(translation.target, Target::Unknown(_)));
    }
}

/// `struct nf_nat_range2`: what is not modelled is named as `iptables-save(8)` prints it.
#[test]
fn shifted_ports_are_named_as_iptables_prints_them() {
    let shown = |flags: u32, address: [u8; 4], ports: [u16; 3]| {
        let address = [&address[..], &[0; 12]].concat();
        let ports: Vec<u8> = ports.iter().flat_map(|port| port.to_be_bytes()).collect();
        let info = [&flags.to_ne_bytes()[..], &address, &address, &ports, &[0; 2]].concat();
        match target_ops(&extension("DNAT", 2, Family::Ip, &info)).as_slice() {
            [Op::Verdict(Verdict::Translate(translation))] => match &translation.target {
                Target::Unknown(text) => text.as_str().to_owned(),
                target => panic!("{target:?}"),
            },
            ops => panic!("{ops:?}"),
        }
    };
    let (address, ports) = ([172, 17, 0, 2], [80, 81, 6000]);
    assert_eq!(shown(0x23, address, ports), "DNAT --to-destination 172.17.0.2:80-81/6000");
    assert_eq!(shown(0x22, address, ports), "DNAT --to-destination :80-81/6000");
    assert_eq!(shown(0x43, address, [80, 80, 0]), "DNAT --to-destination 172.17.0.2:80 (flags 0x43)");
    assert_eq!(shown(0x03, address, [81, 80, 0]), "DNAT --to-destination 172.17.0.2:81-80");
}

#[test]
fn a_shifted_connection_mark_is_not_understood() {
    let connmark = |shift| {
        let mut info = [0; 16];
        (info[13], info[14]) = (shift, 2);
        target_ops(&extension("CONNMARK", 2, Family::Ip, &info))
    };
    assert!(matches!(connmark(0)[..], [Op::Effect(Effect::RestoreMark { keep: u32::MAX, mask: 0 })]));
    assert!(unknown(&connmark(1)[0]));
}

#[test]
fn a_set_is_named_by_its_number_and_the_parts_of_its_key() {
    let info = [&7_u16.to_ne_bytes()[..], &[2, 0b1000_0011], &[0; 4]].concat();
    let set = extension("set", 1, Family::Ip, &info);
    let [test] = tests(match_op(&set)).try_into().unwrap();
    let set = IpSetReference { id: IpSetId::Number(7), ends: vec![End::Source, End::Destination] };
    let asked = Predicate::InIpSet(IpSetQuestion { set, return_nomatch: true, counters: false });
    assert_eq!(test, Test { inverted: true, predicate: asked });
}

#[test]
fn a_set_is_asked_alike_in_every_revision() {
    let set = [&7_u16.to_ne_bytes()[..], &[2, 0b0000_0101]].concat();
    let first = [&7_u16.to_ne_bytes()[..], &[0; 26], &[2, 0b0000_0101], &[0; 2]].concat();
    let counted = |at: usize, flags: u32| {
        let mut info = [&set[..], &[0; 36], &flags.to_ne_bytes(), &[0; 4]].concat();
        info.iter_mut().skip(at).take(usize::from(at > 0)).for_each(|byte| *byte = 4);
        info
    };
    let asked = |revision, info: &[u8]| match tests(match_op(&extension("set", revision, Family::Ip, info))).as_slice()
    {
        [Test { inverted: true, predicate: Predicate::InIpSet(question) }] => question.clone(),
        tests => panic!("{tests:?}"),
    };
    let plain = IpSetQuestion {
        set: IpSetReference { id: IpSetId::Number(7), ends: vec![End::Destination, End::Source] },
        return_nomatch: false,
        counters: false,
    };
    assert_eq!(asked(0, &first), plain);
    assert_eq!(asked(2, &[&set[..], &[0; 4]].concat()), plain);
    for (revision, operator) in [(3, 8), (4, 16), (3, 24), (4, 32)] {
        assert_eq!(asked(revision, &counted(0, 0)), plain);
        assert_eq!(asked(revision, &counted(0, 0b1000_1000)), IpSetQuestion { return_nomatch: true, ..plain.clone() });
        assert_eq!(asked(revision, &counted(operator, 0)), IpSetQuestion { counters: true, ..plain.clone() });
        assert!(unknown(&match_op(&extension("set", revision, Family::Ip, &counted(0, 2)))));
    }
    assert!(unknown(&match_op(&extension("set", 2, Family::Inet, &[&set[..], &[0; 4]].concat()))));
}

#[test]
fn a_target_names_the_sets_that_it_changes() {
    let info =
        |add: u16, delete: u16| [&add.to_ne_bytes()[..], &[1, 2], &delete.to_ne_bytes(), &[2, 4], &[0; 8]].concat();
    let changes = |info: &[u8]| match target_ops(&extension("SET", 2, Family::Ip, info)).as_slice() {
        [Op::Effect(Effect::ChangeIpSets(changes))] => changes.clone(),
        ops => panic!("{ops:?}"),
    };
    let change =
        |number, ends, deletes| IpSetChange { set: IpSetReference { id: IpSetId::Number(number), ends }, deletes };
    let added = change(3, vec![End::Source], false);
    let deleted = change(4, vec![End::Destination, End::Source], true);
    assert_eq!(changes(&info(3, 4)), [added.clone(), deleted]);
    assert_eq!(changes(&info(3, u16::MAX)), [added]);
}

fn families() -> impl Strategy<Value = Family> {
    prop::sample::select(vec![Family::Ip, Family::Ip6, Family::Inet, Family::Bridge, Family::Arp, Family::Netdev])
}

/// Every structure that is known, by its name, revision and padded length.
fn shapes() -> impl Strategy<Value = (&'static str, u8, usize)> {
    let matches = matches::TABLE.iter().map(|known| (known.name, known.revision, known.size.next_multiple_of(8)));
    let targets = targets::TABLE.iter().map(|known| (known.name, known.revision, known.size.next_multiple_of(8)));
    prop::sample::select(matches.chain(targets).collect::<Vec<_>>())
}

/// Bytes that are often small, as flags and counts are.
fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), 0_u8..8, any::<u8>()], length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_structure_breaks_a_decoder(
        ((name, revision, _), info) in shapes().prop_flat_map(|shape| (Just(shape), bytes(shape.2))),
        family in families(),
    ) {
        let extension = extension(name, revision, family, &info);
        match_op(&extension);
        prop_assert!(!target_ops(&extension).is_empty());
        comment(&extension);
    }

    #[test]
    fn no_garbage_breaks_a_decoder(
        name in prop::collection::vec(any::<u8>(), 0..40),
        revision: u8,
        family in families(),
        info in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let extension = Extension { name: &name, revision, family, info: &info };
        match_op(&extension);
        target_ops(&extension);
    }
}

/// `struct nf_nat_ipv4_multi_range_compat` for `-j NETMAP --to 10.77.0.0/24`.
#[test]
fn a_prefix_is_the_bits_in_which_both_ends_agree() {
    let info = |flags: u32, high: [u8; 4]| {
        [&1_u32.to_ne_bytes()[..], &flags.to_ne_bytes(), &[10, 77, 0, 0], &high, &[0; 4]].concat()
    };
    let netmap = |info: &[u8]| target_ops(&extension("NETMAP", 0, Family::Ip, info));
    let target = Target::Prefix("10.77.0.0".parse().unwrap(), "255.255.255.0".parse().unwrap());
    let expected = crate::rule::Translation { end: End::Destination, target, ports: None };
    assert_eq!(netmap(&info(1, [10, 77, 0, 255])), [Op::Verdict(Verdict::Translate(expected))]);
    assert!(unknown(&netmap(&info(0, [10, 77, 0, 255]))[0]) && unknown(&netmap(&info(3, [10, 77, 0, 255]))[0]));
}

#[test]
fn each_end_has_a_group_of_its_own() {
    let info = |flags: u32| [flags, 1, 2, 3, 4].map(u32::to_ne_bytes).concat();
    let groups = |flags| match_op(&extension("devgroup", 0, Family::Ip, &info(flags)));
    let group =
        |end, group, mask, inverted| Test { inverted, predicate: Predicate::InterfaceGroup { end, group, mask } };
    let (input, output) = (crate::rule::InterfaceEnd::Input, crate::rule::InterfaceEnd::Output);
    assert_eq!(tests(groups(1 | 2 | 4)), [group(input, 1, 2, true), group(output, 3, 4, false)]);
    assert!(unknown(&groups(16)));
}
