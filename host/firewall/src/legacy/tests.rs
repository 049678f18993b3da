use proptest::prelude::*;

use super::*;
use crate::rule::{InterfaceEnd, Note, Op, Predicate, Test, Verdict};
use crate::ruleset::{ChainId, Hook, Policy};

const DROP: i32 = -1;
const ACCEPT: i32 = -2;
const RETURN: i32 = -5;

/// A table as the kernel gives it, which a test makes entry by entry.
#[derive(Clone, Default)]
struct Blob {
    entries: Vec<u8>,
    count: u32,
    /// Where the chains of hooks begin and end.
    hooks: [Option<(u32, u32)>; 5],
}

impl Blob {
    fn offset(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap()
    }

    /// Appends an entry with a header of zeros, which matches everything.
    fn entry(&mut self, target: &str, info: &[u8]) -> u32 {
        let offset = self.offset();
        let mut entry = vec![0; 112];
        entry[88..90].copy_from_slice(&112_u16.to_ne_bytes());
        let size = u16::try_from(32 + info.len()).unwrap();
        entry[90..92].copy_from_slice(&(112 + size).to_ne_bytes());
        entry.extend_from_slice(&size.to_ne_bytes());
        let mut name = target.as_bytes().to_vec();
        name.resize(30, 0);
        entry.extend_from_slice(&name);
        entry.extend_from_slice(info);
        self.entries.extend_from_slice(&entry);
        self.count += 1;
        offset
    }

    fn standard(&mut self, verdict: i32) -> u32 {
        let mut info = verdict.to_ne_bytes().to_vec();
        info.resize(8, 0);
        self.entry("", &info)
    }

    fn title(&mut self, name: &str) -> u32 {
        let mut info = name.as_bytes().to_vec();
        info.resize(32, 0);
        self.entry("ERROR", &info)
    }

    fn read(&self) -> Result<Ruleset, LegacyError> {
        let mut name = b"filter".to_vec();
        name.resize(32, 0);
        let size = self.offset().to_ne_bytes();
        let bit = |(number, hook): (usize, &Option<_>)| u32::from(hook.is_some()) << number;
        let valid: u32 = self.hooks.iter().enumerate().map(bit).sum();
        let mut info = [&name[..], &valid.to_ne_bytes()].concat();
        for hook in self.hooks {
            info.extend_from_slice(&hook.unwrap_or_default().0.to_ne_bytes());
        }
        for hook in self.hooks {
            info.extend_from_slice(&hook.unwrap_or_default().1.to_ne_bytes());
        }
        info.extend_from_slice(&self.count.to_ne_bytes());
        info.extend_from_slice(&size);
        let entries = [&name[..], &size, &[0; 4], &self.entries].concat();
        decode(&info, &entries, Family::Ip)
    }
}

/// An input chain with a rule and a policy, and what else a test adds behind it.
fn with_rule(verdict: i32, more: impl FnOnce(&mut Blob)) -> Blob {
    let mut blob = Blob::default();
    let begin = blob.standard(verdict);
    let policy = blob.standard(DROP);
    blob.hooks[1] = Some((begin, policy));
    more(&mut blob);
    blob.title("ERROR");
    blob
}

/// The size of an entry with a verdict, and of one with the name of a chain.
const STANDARD: i32 = 112 + 40;
const TITLE: i32 = 112 + 64;

fn flaw(blob: &Blob) -> (usize, Flaw) {
    let error = blob.read().unwrap_err();
    (error.offset, error.flaw)
}

#[test]
fn a_jump_leads_to_the_chain_whose_first_entry_it_names() {
    let jump = 2 * STANDARD + TITLE;
    let blob = with_rule(jump, |blob| {
        blob.title("users");
        blob.standard(ACCEPT);
        blob.standard(RETURN);
    });
    let ruleset = blob.read().unwrap();
    let [input, users] = ruleset.chains.as_slice() else { panic!("{ruleset:?}") };
    let base = input.base.as_ref().unwrap();
    assert_eq!((base.hook, base.priority, base.policy), (Hook::Input, 0, Policy::Drop));
    let verdict = |rule: &crate::ruleset::Rule| rule.ops.last().cloned();
    assert_eq!(verdict(&input.rules[0]), Some(Op::Verdict(Verdict::Jump(ChainId(1)))));
    assert_eq!((users.name.as_str(), users.rules.len()), ("users", 1));
    assert_eq!(verdict(&users.rules[0]), Some(Op::Verdict(Verdict::Accept)));
    assert_eq!(users.rules[0].line, Some(1));
}

#[test]
fn a_rule_without_a_target_goes_on_with_the_next() {
    let ruleset = with_rule(STANDARD, |_| {}).read().unwrap();
    assert_eq!(ruleset.chains[0].rules[0].ops, [Op::Note(Note::Counter { packets: 0, bytes: 0 })]);
}

#[test]
fn jumps_to_where_no_chain_begins_are_refused() {
    for target in [0, 8, 2 * STANDARD, 2 * STANDARD + TITLE, i32::MAX] {
        let target_offset = usize::try_from(target).unwrap();
        assert_eq!(flaw(&with_rule(target, |_| {})), (0, Flaw::Jump(target_offset)), "{target}");
    }
    for verdict in [-3, -6, i32::MIN] {
        assert_eq!(flaw(&with_rule(verdict, |_| {})), (0, Flaw::Verdict(verdict)));
    }
}

#[test]
fn a_loop_that_a_packet_can_come_to_is_refused() {
    let chain = 2 * STANDARD + TITLE;
    let looping = |blob: &mut Blob| {
        blob.title("loop");
        blob.standard(chain);
        blob.standard(RETURN);
    };
    assert_eq!(flaw(&with_rule(chain, looping)).1, Flaw::Loop);
    with_rule(ACCEPT, looping).read().unwrap();
}

#[test]
fn a_chain_ends_as_it_must() {
    let endless = with_rule(ACCEPT, |blob| {
        blob.title("endless");
        blob.standard(ACCEPT);
    });
    assert_eq!(flaw(&endless).1, Flaw::Endless);
    let mut policy = with_rule(ACCEPT, |_| {});
    policy.hooks[1] = Some((0, 0));
    assert_eq!(flaw(&policy).1, Flaw::Stray);
    policy.hooks[1] = Some((8, 0));
    assert_eq!(flaw(&policy).1, Flaw::Stray);
    policy.hooks[1] = Some((0, 8));
    assert_eq!(flaw(&policy).1, Flaw::Hook);
    policy.hooks[2] = Some((0, u32::try_from(STANDARD).unwrap()));
    policy.hooks[1] = policy.hooks[2];
    assert_eq!(flaw(&policy).1, Flaw::Hook);
    policy.hooks[1] = None;
    let returning = with_rule(ACCEPT, |blob| blob.entries[144..148].copy_from_slice(&RETURN.to_ne_bytes()));
    returning.read().unwrap();
}

#[test]
fn what_has_the_wrong_size_is_refused() {
    let blob = with_rule(ACCEPT, |_| {});
    for (position, value, expected) in [
        (88, 0_u16, Flaw::Size("list of matches")),
        (88, 113, Flaw::Alignment),
        (90, 0, Flaw::Size("target")),
        (90, 112, Flaw::Size("target")),
        (90, 65528, Flaw::Size("target")),
        (112, 31, Flaw::Size("target")),
        (112, 65535, Flaw::Size("target")),
        (112, 34, Flaw::Size("target")),
        (88, 120, Flaw::Size("match")),
    ] {
        let mut broken = blob.clone();
        broken.entries[position..position + 2].copy_from_slice(&value.to_ne_bytes());
        assert_eq!(flaw(&broken), (0, expected), "{value} at {position}");
    }
    let mut fewer = blob.clone();
    fewer.count = 2;
    assert!(matches!(flaw(&fewer).1, Flaw::Count { what: "entries", found: 3, said: 2 }));
}

#[test]
fn other_families_and_other_tables_are_refused() {
    assert_eq!(decode(&[], &[], Family::Inet).unwrap_err().flaw, Flaw::Family);
    assert_eq!(decode(&[0; 83], &[], Family::Ip).unwrap_err().flaw, Flaw::Info(83));
    let mut info = [0; 84];
    info[..3].copy_from_slice(b"any");
    info[32] = 2;
    assert_eq!(decode(&info, &[0; 40], Family::Ip).unwrap_err().flaw, Flaw::Table("any".into()));
}

/// An entry whose header has these bytes at these places; the tests that it comes to.
fn header(changes: &[(usize, &[u8])]) -> Vec<Test> {
    let mut blob = with_rule(ACCEPT, |_| {});
    for (position, bytes) in changes {
        blob.entries[*position..position + bytes.len()].copy_from_slice(bytes);
    }
    let ruleset = blob.read().unwrap();
    match ruleset.chains[0].rules[0].ops.first() {
        Some(Op::Match { inverted: false, all }) => all.clone(),
        _ => Vec::new(),
    }
}

#[test]
fn interfaces_are_compared_as_far_as_their_mask_goes() {
    let named = |name: &[u8], prefix| Predicate::Interface { end: InterfaceEnd::Input, name: name.to_vec(), prefix };
    let odd = Predicate::Unknown("an interface under an odd mask".into());
    let ones = [0xff; 16];
    for (name, mask, expected) in [
        (&b"eth0"[..], &ones[..5], named(b"eth0", false)),
        (b"eth", &ones[..3], named(b"eth", true)),
        (b"", &ones[..1], named(b"", false)),
        (b"a\0b", &ones[..4], odd.clone()),
        (b"eth0", &[0xff, 0, 0xff], odd.clone()),
        (b"eth0", &[0x0f], odd),
    ] {
        let tests = header(&[(16, name), (48, mask)]);
        assert_eq!(tests, [Test { inverted: false, predicate: expected }], "{name:?} {mask:?}");
    }
    let inverted = header(&[(83, &[1])]);
    assert_eq!(inverted, [Test { inverted: true, predicate: named(b"", true) }]);
}

#[test]
fn an_inverted_fragment_flag_without_the_flag_is_not_nothing() {
    let fragment = |inverted| Test { inverted, predicate: Predicate::Fragment };
    assert_eq!(header(&[(82, &[1])]), [fragment(false)]);
    assert_eq!(header(&[(82, &[1, 0x20])]), [fragment(true)]);
    assert!(matches!(header(&[(83, &[0x20])])[..], [Test { predicate: Predicate::Unknown(_), .. }]));
}

#[test]
fn a_protocol_is_a_number_of_eight_bits() {
    let protocol = |number: u16, inverted| header(&[(80, &number.to_ne_bytes()), (83, &[inverted])]);
    assert_eq!(protocol(6, 0x40), [Test { inverted: true, predicate: Predicate::Protocol(6) }]);
    assert_eq!(protocol(0, 0x40), []);
    assert!(matches!(protocol(262, 0)[..], [Test { predicate: Predicate::Unknown(_), .. }]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_garbage_breaks_the_decoder(
        info in prop::collection::vec(any::<u8>(), 84),
        entries in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = decode(&info, &entries, Family::Ip);
        let _ = decode(&info, &entries, Family::Ip6);
    }

    #[test]
    fn no_change_to_a_table_breaks_the_decoder(
        verdicts in prop::collection::vec(-6_i32..1200, 1..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        hooks in prop::collection::vec(prop::option::of((0_u32..1200, 0_u32..1200)), 5),
        keep_hooks: bool,
    ) {
        let mut blob = with_rule(verdicts[0], |blob| {
            blob.title("chain");
            for verdict in &verdicts {
                blob.standard(*verdict);
            }
            blob.standard(RETURN);
        });
        for (position, byte) in changes {
            let position = position.index(blob.entries.len());
            blob.entries[position] = byte;
        }
        if !keep_hooks {
            blob.hooks = hooks.try_into().unwrap();
        }
        let _ = blob.read();
    }
}
