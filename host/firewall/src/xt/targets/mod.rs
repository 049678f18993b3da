//! Targets (`iptables-extensions(8)`, "TARGET EXTENSIONS").

mod connection;
mod mark;
mod note;
mod queue;
mod reject;
mod set;
mod translate;
mod write;

use super::{Known, known};
use crate::rule::Op;
use crate::ruleset::Family;

/// All that are known.
pub(super) const TABLE: &[Known<Vec<Op>>] = &[
    known("REJECT", 0, 4, reject::ipv4).only(Family::Ip),
    known("REJECT", 0, 4, reject::ipv6).only(Family::Ip6),
    known("LOG", 0, 32, note::log),
    known("NFLOG", 0, 76, note::nflog),
    known("TRACE", 0, 0, |_| Some(note::other("-j TRACE"))),
    known("AUDIT", 0, 1, |_| Some(note::other("-j AUDIT"))),
    known("TEE", 1, 40, |_| Some(note::other("-j TEE"))),
    known("IDLETIMER", 0, 40, |_| Some(note::other("-j IDLETIMER"))),
    known("LED", 0, 40, |_| Some(note::other("-j LED"))),
    known("RATEEST", 0, 32, |_| Some(note::other("-j RATEEST"))),
    known("SET", 1, 8, set::changes),
    known("SET", 2, 16, set::changes),
    known("SET", 3, 20, set::with_map),
    known("MARK", 2, 8, mark::packet),
    known("CONNMARK", 1, 16, mark::connection_1),
    known("CONNMARK", 2, 16, mark::connection_2),
    known("CT", 0, 40, connection::revision_0),
    known("CT", 1, 72, connection::revision_1),
    known("CT", 2, 72, connection::revision_1),
    known("NOTRACK", 0, 0, |_| Some(connection::notrack())),
    known("DNAT", 0, 20, translate::destination_0).only(Family::Ip),
    known("DNAT", 1, 40, translate::destination_1),
    known("DNAT", 2, 44, translate::destination_2),
    known("SNAT", 0, 20, translate::source_0).only(Family::Ip),
    known("SNAT", 1, 40, translate::source_1),
    known("SNAT", 2, 44, translate::source_2),
    known("REDIRECT", 0, 20, translate::redirect_ipv4).only(Family::Ip),
    known("REDIRECT", 0, 40, translate::redirect_ipv6).only(Family::Ip6),
    known("MASQUERADE", 0, 20, translate::masquerade_ipv4).only(Family::Ip),
    known("MASQUERADE", 0, 40, translate::masquerade_ipv6).only(Family::Ip6),
    known("NETMAP", 0, 20, translate::prefix_ipv4).only(Family::Ip),
    known("NETMAP", 0, 40, translate::prefix_ipv6).only(Family::Ip6),
    known("TPROXY", 0, 16, translate::transparent_proxy_0).only(Family::Ip),
    known("TPROXY", 1, 28, translate::transparent_proxy_1),
    known("NFQUEUE", 0, 2, |_| Some(queue::queue(false))),
    known("NFQUEUE", 1, 4, |_| Some(queue::queue(false))),
    known("NFQUEUE", 2, 6, queue::with_bypass),
    known("NFQUEUE", 3, 6, queue::with_bypass),
    known("CLASSIFY", 0, 4, |_| Some(write::other("meta priority"))),
    known("TCPMSS", 0, 2, |_| Some(write::other("tcp option maxseg size"))),
    known("TCPOPTSTRIP", 0, 32, |_| Some(write::other("tcp options"))),
    known("CHECKSUM", 0, 1, |_| Some(write::other("udp checksum"))),
    known("SECMARK", 1, 264, |_| Some(write::other("meta secmark"))),
    known("CONNSECMARK", 0, 1, |_| Some(write::other("ct secmark"))),
    known("DSCP", 0, 1, write::traffic_class),
    known("TOS", 1, 2, write::traffic_class),
    known("TTL", 0, 2, |_| Some(write::ttl())).only(Family::Ip),
    known("HL", 0, 2, |_| Some(write::hop_limit())).only(Family::Ip6),
];
