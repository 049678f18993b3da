//! Matches (`iptables-extensions(8)`, "MATCH EXTENSIONS").

mod address;
mod address_type;
mod conntrack;
mod header;
mod mark;
mod obscure;
mod packet;
mod ports;
mod rate;
pub(super) mod set;
mod way;

use loopgate_facts::Untrusted;

use super::{Known, known};
use crate::rule::{Note, Op, Predicate, Test};
use crate::ruleset::Family;
pub(crate) use address::masked;
pub(crate) use address_type::op as address_type;
pub(crate) use conntrack::{is_guarded, together, with_connection};
pub(crate) use packet::extension_header;

/// All that are known.
pub(super) const TABLE: &[Known<Op>] = &[
    known("comment", 0, 256, |structure| {
        let text = structure.text(256)?;
        Some(Op::Note(Note::Other(format!("-m comment --comment \"{}\"", text.as_str()).into())))
    }),
    known("conntrack", 1, 152, conntrack::revision_1),
    known("conntrack", 2, 156, conntrack::revision_2),
    known("conntrack", 3, 164, conntrack::revision_3),
    known("state", 0, 4, conntrack::state),
    known("tcp", 0, 12, ports::tcp),
    known("udp", 0, 10, ports::udp),
    known("udplite", 0, 10, ports::udp),
    known("sctp", 0, 292, ports::sctp),
    known("dccp", 0, 16, ports::dccp),
    known("multiport", 1, 48, ports::multiport),
    known("icmp", 0, 4, packet::icmp).only(Family::Ip),
    known("icmp6", 0, 4, packet::icmpv6).only(Family::Ip6),
    known("pkttype", 0, 8, packet::packet_type),
    known("iprange", 1, 68, address::range),
    known("rpfilter", 0, 1, address::reverse_path),
    known("addrtype", 0, 12, address_type::revision_0).only(Family::Ip),
    known("addrtype", 1, 8, address_type::revision_1),
    known("mark", 1, 12, mark::packet),
    known("connmark", 1, 12, mark::connection),
    known("limit", 0, 40, rate::limit),
    known("hashlimit", 1, 56, rate::hashlimit_1),
    known("hashlimit", 2, 304, rate::hashlimit_2),
    known("hashlimit", 3, 312, rate::hashlimit_3),
    known("connlimit", 0, 32, rate::connlimit),
    known("connlimit", 1, 32, rate::connlimit),
    known("recent", 0, 212, rate::recent),
    known("recent", 1, 228, rate::recent),
    known("set", 0, 32, set::revision_0).only(Family::Ip),
    known("set", 1, 4, set::plain),
    known("set", 2, 4, set::plain),
    known("set", 3, 48, set::with_counters_3),
    known("set", 4, 48, set::with_counters_4),
    known("rt", 0, 280, |_| Some(extension_header("-m rt"))).only(Family::Ip6),
    known("hbh", 0, 40, |_| Some(extension_header("-m hbh"))).only(Family::Ip6),
    known("dst", 0, 40, |_| Some(extension_header("-m dst"))).only(Family::Ip6),
    known("frag", 0, 16, |_| Some(extension_header("-m frag"))).only(Family::Ip6),
    known("mac", 0, 12, obscure::mac),
    known("statistic", 0, 24, obscure::statistic),
    known("length", 0, 6, header::length),
    known("ttl", 0, 2, header::time_to_live).only(Family::Ip),
    known("hl", 0, 2, header::time_to_live).only(Family::Ip6),
    known("dscp", 0, 2, header::differentiated_services),
    known("tos", 1, 3, header::type_of_service),
    known("time", 0, 24, |_| Some(obscure("-m time", false))),
    known("cpu", 0, 8, obscure::cpu),
    known("helper", 0, 36, obscure::helper),
    known("owner", 1, 20, obscure::owner),
    known("devgroup", 0, 20, packet::device_group),
    known("policy", 0, 308, way::policy),
    known("physdev", 0, 66, way::bridge_port),
    known("string", 1, 160, obscure::string),
    known("socket", 1, 1, obscure::socket),
    known("socket", 2, 1, obscure::socket),
    known("socket", 3, 1, obscure::socket),
];

/// `struct xt_comment_info` (`xt_comment.h`).
pub(super) const COMMENT: Known<Untrusted> = known("comment", 0, 256, |structure| structure.text(256));

fn test(predicate: Predicate, inverted: bool) -> Test {
    Test { inverted, predicate }
}

fn all(tests: Vec<Test>) -> Op {
    Op::Match { inverted: false, all: tests }
}

fn single(predicate: Predicate, inverted: bool) -> Op {
    all(vec![test(predicate, inverted)])
}

/// A match that holds or not for a reason that is not known.
fn obscure(text: impl Into<Untrusted>, inverted: bool) -> Op {
    single(Predicate::Unknown(text.into()), inverted)
}
