//! Addresses: how far one reaches by its range alone, and prefixes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The scope of an address: how far packets to it can come from, judged by its range alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// `127.0.0.0/8` (RFC 1122, 3.2.1.3) and `::1` (RFC 4291, 2.5.3).
    Loopback,
    /// `169.254.0.0/16` (RFC 3927) and `fe80::/10` (RFC 4291, 2.5.6).
    LinkLocal,
    /// RFC 1918, unique local `fc00::/7` (RFC 4193) and the deprecated site-local `fec0::/10` (RFC 3879).
    Private,
    /// `100.64.0.0/10`, shared by carriers and overlay networks (RFC 6598).
    Shared,
    /// Everything else that can be a unicast address. Reserved ranges count as public: the cautious reading.
    Public,
    /// `0.0.0.0` and `::`: bound to every local address.
    Unspecified,
    /// `224.0.0.0/4`, `ff00::/8`, and the limited broadcast address `255.255.255.255`.
    Multicast,
}

impl Scope {
    /// The scope of an address. An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) has the scope of the IPv4 address,
    /// because that is what the kernel binds (`ip(7)`, `ipv6(7)`).
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_ipv4(address),
            IpAddr::V6(address) => Self::of_ipv6(address),
        }
    }

    fn of_ipv4(address: Ipv4Addr) -> Self {
        let [first, second, ..] = address.octets();
        match address {
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_link_local() => Self::LinkLocal,
            _ if address.is_private() => Self::Private,
            _ if first == 100 && second & 0b1100_0000 == 64 => Self::Shared,
            _ if address.is_multicast() || address.is_broadcast() => Self::Multicast,
            _ => Self::Public,
        }
    }

    fn of_ipv6(address: Ipv6Addr) -> Self {
        let [first, ..] = address.segments();
        match address {
            _ if address.is_unspecified() => Self::Unspecified,
            _ if address.is_loopback() => Self::Loopback,
            _ if address.is_multicast() => Self::Multicast,
            _ if address.is_unicast_link_local() => Self::LinkLocal,
            _ if address.is_unique_local() || first & 0xffc0 == 0xfec0 => Self::Private,
            _ => Self::Public,
        }
    }

    /// The word that reports and JSON use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A network prefix such as `127.0.0.0/8`. Bits of the address behind the prefix do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// A prefix of `length` bits, 0 to 32 for IPv4 and 0 to 128 for IPv6.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, PrefixError> {
        if length > bits(address) {
            return Err(PrefixError::TooLong { length, most: bits(address) });
        }
        Ok(Self { address, length })
    }

    /// The address before the slash.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The number of leading bits that are fixed.
    pub fn length(self) -> u8 {
        self.length
    }

    /// The first and the last address as numbers, most significant byte first.
    pub fn range(self) -> RangeInclusive<u128> {
        let (number, unused) = match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 96),
            IpAddr::V6(address) => (address.to_bits(), 0),
        };
        let host = u128::MAX.checked_shr(unused + u32::from(self.length)).unwrap_or(0);
        number & !host..=number | host
    }

    /// Whether every address of `other` is in this one.
    pub fn contains(self, other: Self) -> bool {
        let (range, inner) = (self.range(), other.range());
        self.address.is_ipv4() == other.address.is_ipv4()
            && range.contains(inner.start())
            && range.contains(inner.end())
    }

    /// Whether an address is in it; one of the other version never is.
    pub fn has(self, address: IpAddr) -> bool {
        let number = match address {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        self.address.is_ipv4() == address.is_ipv4() && self.range().contains(&number)
    }

    /// Whether the prefix is one address.
    pub fn is_single_address(self) -> bool {
        self.length == bits(self.address)
    }
}

/// The width of an address in bits.
pub(crate) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = text.split_once('/').ok_or(PrefixError::Syntax)?;
        let address = address.parse().map_err(|_| PrefixError::Syntax)?;
        let length = length.parse().map_err(|_| PrefixError::Syntax)?;
        Self::new(address, length)
    }
}

/// Why a text is not a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `address/length`.
    #[error("not a prefix: expected address/length, such as 127.0.0.0/8")]
    Syntax,
    /// More bits than the address has.
    #[error("a prefix length of {length} is more than the {most} bits of the address")]
    TooLong {
        /// The length that was given.
        length: u8,
        /// The width of the address.
        most: u8,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scopes_follow_the_registries() {
        for (address, scope) in [
            ("127.0.0.1", Scope::Loopback),
            ("127.255.255.254", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("169.254.1.1", Scope::LinkLocal),
            ("fe80::1", Scope::LinkLocal),
            ("10.0.0.1", Scope::Private),
            ("172.31.255.255", Scope::Private),
            ("172.32.0.0", Scope::Public),
            ("fd00::1", Scope::Private),
            ("fec0::1", Scope::Private),
            ("100.64.0.1", Scope::Shared),
            ("100.128.0.0", Scope::Public),
            ("8.8.8.8", Scope::Public),
            ("2001:db8::1", Scope::Public),
            ("::2", Scope::Public),
            ("0.0.0.1", Scope::Public),
            ("0.0.0.0", Scope::Unspecified),
            ("::", Scope::Unspecified),
            ("::ffff:0.0.0.0", Scope::Unspecified),
            ("224.0.0.251", Scope::Multicast),
            ("255.255.255.255", Scope::Multicast),
            ("ff02::fb", Scope::Multicast),
        ] {
            assert_eq!(Scope::of(address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn prefixes_are_checked() {
        assert_eq!("10.0.0.0/8".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("10.0.0.0/33".parse::<Prefix>(), Err(PrefixError::TooLong { length: 33, most: 32 }));
        assert_eq!("10.0.0.0".parse::<Prefix>(), Err(PrefixError::Syntax));
        assert!("::1/128".parse::<Prefix>().unwrap().is_single_address());
    }

    proptest! {
        #[test]
        fn a_prefix_survives_its_text(address: IpAddr, length in 0_u8..=32) {
            let prefix = Prefix::new(address, length).unwrap();
            prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
        }
    }
}
