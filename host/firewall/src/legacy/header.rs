//! What an entry itself tests: addresses, interfaces, the protocol (`struct ipt_ip`, `struct ip6t_ip6`).

use crate::rule::{End, InterfaceEnd, Predicate, Test};
use crate::ruleset::Family;
use crate::xt::{Structure, masked};

/// Where the parts of an entry are.
pub(super) struct Layout {
    pub(super) family: Family,
    /// The length of what comes before the matches.
    pub(super) size: usize,
    /// From the protocol to the offsets.
    before_offsets: usize,
    /// From the offsets to the counters.
    before_counters: usize,
    /// The flag that makes a jump a goto.
    goto: u8,
    read: fn(&mut Structure<'_>) -> Option<(Flags, u16)>,
}

impl Layout {
    pub(super) fn of(family: Family) -> Self {
        match family {
            Family::Ip6 => {
                Self { family, size: 168, before_offsets: 7, before_counters: 8, goto: 4, read: Flags::ipv6 }
            }
            _ => Self { family, size: 112, before_offsets: 4, before_counters: 4, goto: 2, read: Flags::ipv4 },
        }
    }
}

/// The part of an entry before its matches.
pub(super) struct Header {
    pub(super) tests: Vec<Test>,
    /// A jump does not come back.
    pub(super) goto: bool,
    pub(super) target_offset: usize,
    pub(super) next_offset: usize,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// Flags, and those that invert.
#[derive(Clone, Copy)]
struct Flags {
    flags: u8,
    inverted: u8,
}

// Flags that invert, `IPT_INV_*` and `IP6T_INV_*`.
const INPUT: u8 = 0x01;
const OUTPUT: u8 = 0x02;
const SOURCE: u8 = 0x08;
const DESTINATION: u8 = 0x10;
const FRAGMENT: u8 = 0x20;
const PROTOCOL: u8 = 0x40;

impl Flags {
    /// The flags, and the protocol to test, 0 for none.
    fn ipv4(fields: &mut Structure<'_>) -> Option<(Self, u16)> {
        let (protocol, flags) = (fields.u16()?, fields.u8()?);
        Some((Self { flags, inverted: fields.u8()? }, protocol))
    }

    /// The protocol counts only with a flag (`ip6_packet_match`, `net/ipv6/netfilter/ip6_tables.c`).
    fn ipv6(fields: &mut Structure<'_>) -> Option<(Self, u16)> {
        const F_PROTO: u8 = 1;
        let protocol = fields.u16()?;
        let _class = fields.u8()?;
        let flags = fields.u8()?;
        let protocol = if flags & F_PROTO == 0 { 0 } else { protocol };
        Some((Self { flags, inverted: fields.u8()? }, protocol))
    }
}

impl Header {
    /// Reads the part of an entry before its matches.
    pub(super) fn read(bytes: &[u8], layout: &Layout) -> Option<Self> {
        let mut fields = Structure::new(bytes, layout.family);
        let addresses = Addresses::read(&mut fields)?;
        let interfaces = Interfaces::read(&mut fields)?;
        let (flags, protocol) = (layout.read)(&mut fields)?;
        fields.skip(layout.before_offsets)?;
        let (target_offset, next_offset) = (fields.u16()?.into(), fields.u16()?.into());
        fields.skip(layout.before_counters)?;
        let (packets, bytes) = (fields.u64()?, fields.u64()?);
        let mut tests = addresses.tests(flags.inverted);
        tests.extend(interfaces.tests(flags.inverted));
        tests.extend(protocol_test(protocol, flags.inverted));
        if layout.family == Family::Ip {
            tests.extend(fragment_test(flags));
        }
        let goto = flags.flags & layout.goto != 0;
        Some(Self { tests, goto, target_offset, next_offset, packets, bytes })
    }
}

fn protocol_test(protocol: u16, inverted: u8) -> Option<Test> {
    let inverted = inverted & PROTOCOL != 0;
    let predicate = match u8::try_from(protocol) {
        Ok(0) => return None,
        Ok(protocol) => Predicate::Protocol(protocol),
        Err(_) => Predicate::Unknown(format!("the protocol {protocol}, which cannot be").into()),
    };
    Some(Test { inverted, predicate })
}

/// A rule that asks for no fragment, and that inverted, holds for none (`ip_packet_match`,
/// `net/ipv4/netfilter/ip_tables.c`).
fn fragment_test(Flags { flags, inverted }: Flags) -> Option<Test> {
    const F_FRAG: u8 = 1;
    let inverted = inverted & FRAGMENT != 0;
    if flags & F_FRAG != 0 {
        return Some(Test { inverted, predicate: Predicate::Fragment });
    }
    inverted.then(|| unknown("an inverted fragment flag without the flag"))
}

/// What `iptables(8)` cannot write.
fn unknown(text: &str) -> Test {
    Test { inverted: false, predicate: Predicate::Unknown(text.into()) }
}

struct Addresses {
    source: (std::net::IpAddr, std::net::IpAddr),
    destination: (std::net::IpAddr, std::net::IpAddr),
}

impl Addresses {
    /// The addresses come first, and their masks after them.
    fn read(fields: &mut Structure<'_>) -> Option<Self> {
        let family = fields.family();
        let mut address = || if family == Family::Ip6 { fields.ipv6() } else { fields.ipv4() };
        let (source, destination) = (address()?, address()?);
        Some(Self { source: (source, address()?), destination: (destination, address()?) })
    }

    fn tests(&self, inverted: u8) -> Vec<Test> {
        let ends = [(End::Source, self.source, SOURCE), (End::Destination, self.destination, DESTINATION)];
        let asked = ends.into_iter().filter(|(_, (address, mask), flag)| {
            inverted & flag != 0 || !mask.is_unspecified() || (address.is_ipv4() && !address.is_unspecified())
        });
        let tests = asked.map(|(end, (address, mask), flag)| {
            // Bits outside the mask do not count for IPv6 (`ipv6_masked_addr_cmp`), and never match for IPv4.
            let address = if address.is_ipv6() { masked(address, mask) } else { address };
            let predicate = Predicate::AddressMask { end, address, mask };
            Test { inverted: inverted & flag != 0, predicate }
        });
        tests.collect()
    }
}

/// `IFNAMSIZ` (`linux/if.h`).
const NAME: usize = 16;

struct Interfaces {
    input: ([u8; NAME], [u8; NAME]),
    output: ([u8; NAME], [u8; NAME]),
}

impl Interfaces {
    fn read(fields: &mut Structure<'_>) -> Option<Self> {
        let (input, output) = (fields.array()?, fields.array()?);
        Some(Self { input: (input, fields.array()?), output: (output, fields.array()?) })
    }

    fn tests(&self, inverted: u8) -> impl Iterator<Item = Test> {
        let ends = [(InterfaceEnd::Input, &self.input, INPUT), (InterfaceEnd::Output, &self.output, OUTPUT)];
        ends.into_iter().filter_map(move |(end, (name, mask), flag)| {
            let inverted = inverted & flag != 0;
            let any = mask.iter().all(|&byte| byte == 0);
            (!any || inverted).then(|| Test { inverted, predicate: interface(end, name, mask) })
        })
    }
}

/// The kernel compares the bytes of the mask, which is all ones up to the end of the name, with its NUL unless any
/// name that begins so will do (`ifname_compare_aligned`, `include/linux/netfilter/x_tables.h`).
fn interface(end: InterfaceEnd, name: &[u8], mask: &[u8]) -> Predicate {
    let length = mask.iter().take_while(|&&byte| byte == 0xff).count();
    let (compared, rest) = (name.get(..length).unwrap_or_default(), mask.get(length..).unwrap_or_default());
    let is_whole = compared.last() == Some(&0);
    let name = compared.strip_suffix(&[0]).unwrap_or(compared);
    if name.contains(&0) || rest.iter().any(|&byte| byte != 0) {
        return Predicate::Unknown("an interface under an odd mask".into());
    }
    Predicate::Interface { end, name: name.to_vec(), prefix: !is_whole }
}
