//! Which ports share an answer.

mod straight;

use loopgate_firewall::ip_set::IpSets;
use loopgate_firewall::rule::{Comparison, Load, Op, PayloadBase, Register, Verdict};
use straight::Host;

/// The port that stands for each of some ports, when a rule asks something of the port that packets are sent to.
fn representatives<const N: usize>(ops: Vec<Op>, ports: [u16; N]) -> [Option<u16>; N] {
    let load = Op::Load { what: Load::Payload { base: PayloadBase::Transport, offset: 2, length: 2 }, to: Register(0) };
    let rule = [vec![load], ops, vec![Op::Verdict(Verdict::Accept)]].concat();
    Host::new(IpSets::new(), &[&rule]).with(|evaluator, question| {
        let classes = evaluator.port_classes(question);
        ports.map(|port| classes.representative(port))
    })
}

fn compare(how: Comparison, value: &[u8]) -> Op {
    Op::Compare { register: Register(0), how, value: value.into() }
}

#[test]
fn ports_that_a_rule_does_not_tell_apart_share_an_answer() {
    let [of_22, of_80, of_443] = representatives(vec![compare(Comparison::Equal, &[0, 80])], [22, 80, 443]);
    assert_eq!(of_22, of_443);
    assert_eq!(of_80, Some(80));
}

#[test]
fn no_arithmetic_hides_what_a_rule_tells_apart() {
    let (from, to) = (Register(0), Register(0));
    let mask = Op::Mask { from, to, mask: [0xff, 0].into(), xor: [0, 0].into() };
    let swap = Op::SwapBytes { from, to, length: 2, size: 2 };
    let shift = Op::Shift { from, to, length: 2, left: false, by: 4 };
    for (ops, one, other) in [
        (vec![mask, compare(Comparison::Greater, &[0x10, 0])], 80, 0x2000),
        (vec![swap, compare(Comparison::Less, &[0, 0x50])], 0x0100, 0x0150),
        (vec![shift, compare(Comparison::Equal, &[0, 5])], 0x5000, 0x0050),
    ] {
        let [of_one, of_other] = representatives(ops.clone(), [one, other]);
        assert!(of_one.is_none() || of_one != of_other, "{ops:?}: {of_one:?} stands for both");
    }
}
