//! Matches that are known, and whose outcome nothing tells: they only match or not.

use super::opaque;
use crate::iptables_save::grammar::{Extension, Instance, OptionSpec, option};
use crate::rule::{Op, Unknown};
use crate::xt;

/// An option that `!` may stand before.
const fn either(names: &'static [&'static str], arity: usize) -> OptionSpec {
    option(names, arity).or_not()
}

const fn extension(names: &'static [&'static str], options: &'static [OptionSpec]) -> Extension {
    Extension { names, options, lower: opaque }
}

/// A match of an extension header, which ordinary packets do not have.
const fn header(names: &'static [&'static str], options: &'static [OptionSpec]) -> Extension {
    Extension { names, options, lower: |instance| Some(vec![xt::extension_header(super::words(instance).as_str())]) }
}

/// What `iptables-extensions(8)` has besides.
pub(super) const OPAQUE: &[Extension] = &[
    extension(&["ah"], &[either(&["--ahspi"], 1), either(&["--ahlen"], 1), option(&["--ahres"], 0)]),
    extension(&["bpf"], &[option(&["--bytecode"], 1), option(&["--object-pinned"], 1)]),
    extension(&["cgroup"], &[either(&["--path"], 1), either(&["--cgroup"], 1)]),
    extension(
        &["cluster"],
        &[
            option(&["--cluster-total-nodes"], 1),
            either(&["--cluster-local-node"], 1),
            either(&["--cluster-local-nodemask"], 1),
            option(&["--cluster-hash-seed"], 1),
        ],
    ),
    extension(
        &["connbytes"],
        &[either(&["--connbytes"], 1), option(&["--connbytes-dir"], 1), option(&["--connbytes-mode"], 1)],
    ),
    extension(&["connlabel"], &[either(&["--label"], 1), option(&["--set"], 0)]),
    extension(&["cpu"], &[either(&["--cpu"], 1)]),
    header(&["dst"], &[either(&["--dst-len"], 1), option(&["--dst-opts"], 1), option(&["--dst-not-strict"], 0)]),
    extension(&["ecn"], &[either(&["--ecn-tcp-cwr"], 0), either(&["--ecn-tcp-ece"], 0), either(&["--ecn-ip-ect"], 1)]),
    extension(&["esp"], &[either(&["--espspi"], 1)]),
    extension(&["eui64"], &[]),
    header(
        &["frag"],
        &[
            either(&["--fragid"], 1),
            either(&["--fraglen"], 1),
            option(&["--fragres"], 0),
            option(&["--fragfirst"], 0),
            option(&["--fragmore"], 0),
            option(&["--fraglast"], 0),
        ],
    ),
    header(&["hbh"], &[either(&["--hbh-len"], 1), option(&["--hbh-opts"], 1), option(&["--hbh-not-strict"], 0)]),
    extension(&["helper"], &[either(&["--helper"], 1)]),
    extension(&["ipcomp"], &[either(&["--ipcompspi"], 1), option(&["--compres"], 0)]),
    extension(&["ipv6header"], &[either(&["--header"], 1), option(&["--soft"], 0)]),
    extension(
        &["ipvs"],
        &[
            either(&["--ipvs"], 0),
            either(&["--vproto"], 1),
            either(&["--vaddr"], 1),
            either(&["--vport"], 1),
            option(&["--vdir"], 1),
            either(&["--vmethod"], 1),
            either(&["--vportctl"], 1),
        ],
    ),
    extension(&["mac"], &[either(&["--mac-source"], 1)]),
    extension(&["mh"], &[either(&["--mh-type"], 1)]),
    extension(&["nfacct"], &[option(&["--nfacct-name"], 1)]),
    extension(&["osf"], &[either(&["--genre"], 1), option(&["--ttl"], 1), option(&["--log"], 1)]),
    extension(
        &["owner"],
        &[
            either(&["--uid-owner"], 1),
            either(&["--gid-owner"], 1),
            either(&["--socket-exists"], 0),
            option(&["--suppl-groups"], 0),
        ],
    ),
    extension(&["quota"], &[either(&["--quota"], 1)]),
    extension(
        &["rateest"],
        &[
            option(&["--rateest"], 1),
            option(&["--rateest1"], 1),
            option(&["--rateest2"], 1),
            option(&["--rateest-delta"], 0),
            either(&["--rateest-lt"], 0),
            either(&["--rateest-gt"], 0),
            either(&["--rateest-eq"], 0),
        ],
    ),
    extension(&["realm"], &[either(&["--realm"], 1)]),
    header(
        &["rt"],
        &[
            either(&["--rt-type"], 1),
            either(&["--rt-segsleft"], 1),
            either(&["--rt-len"], 1),
            option(&["--rt-0-res"], 0),
            option(&["--rt-0-addrs"], 1),
            option(&["--rt-0-not-strict"], 0),
        ],
    ),
    Extension {
        names: &["socket"],
        options: &[option(&["--nowildcard"], 0), option(&["--transparent"], 0), option(&["--restore-skmark"], 0)],
        lower: socket,
    },
    extension(
        &["statistic"],
        &[option(&["--mode"], 1), either(&["--probability"], 1), either(&["--every"], 1), option(&["--packet"], 1)],
    ),
    extension(
        &["string"],
        &[
            option(&["--from"], 1),
            option(&["--to"], 1),
            option(&["--algo"], 1),
            option(&["--icase"], 0),
            either(&["--string"], 1),
            either(&["--hex-string"], 1),
        ],
    ),
    extension(&["tcpmss"], &[either(&["--mss"], 1)]),
    extension(
        &["time"],
        &[
            option(&["--datestart"], 1),
            option(&["--datestop"], 1),
            option(&["--timestart"], 1),
            option(&["--timestop"], 1),
            either(&["--monthdays"], 1),
            either(&["--weekdays", "--days"], 1),
            option(&["--kerneltz"], 0),
            option(&["--utc"], 0),
            option(&["--localtz"], 0),
            option(&["--contiguous"], 0),
        ],
    ),
    extension(&["u32"], &[either(&["--u32"], 1)]),
];

/// `--restore-skmark` gives the packet the mark of the socket, whatever that is.
fn socket(instance: &Instance<'_>) -> Option<Vec<Op>> {
    if instance.has("--restore-skmark") {
        let construct = super::words(instance);
        return Some(vec![Op::Unknown(Unknown { construct, only_matches: false })]);
    }
    opaque(instance)
}
