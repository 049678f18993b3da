//! Addresses: to and from the types of the standard library.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::prelude::{IpAddress, Prefix, Scope};

impl IpAddress {
    /// The address as the standard library has it.
    pub fn to_std(&self) -> IpAddr {
        match *self {
            Self::Ipv4(octets) => Ipv4Addr::from_octets(octets.into()).into(),
            Self::Ipv6(segments) => Ipv6Addr::from_segments(segments.into()).into(),
        }
    }

    /// The address as a number, most significant byte first.
    fn number(&self) -> u128 {
        match self.to_std() {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    /// Whether it is written as an IPv4 address. `::ffff:127.0.0.1` is not; see [`IpAddr::to_canonical`].
    pub fn is_ipv4(&self) -> bool {
        matches!(self, Self::Ipv4(_))
    }

    /// Whether it is written as an IPv6 address.
    pub fn is_ipv6(&self) -> bool {
        !self.is_ipv4()
    }

    /// Whether it is `127.0.0.0/8`, `::1`, or the former mapped into IPv6.
    pub fn is_loopback(&self) -> bool {
        self.to_std().to_canonical().is_loopback()
    }

    /// Whether it is `0.0.0.0`, `::`, or the former mapped into IPv6.
    pub fn is_unspecified(&self) -> bool {
        self.to_std().to_canonical().is_unspecified()
    }
}

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address.octets().into()),
            IpAddr::V6(address) => Self::Ipv6(address.segments().into()),
        }
    }
}

impl fmt::Display for IpAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_std().fmt(formatter)
    }
}

impl Prefix {
    /// Whether an address is in it. An IPv4 address is in no IPv6 prefix.
    pub fn contains(&self, address: &IpAddress) -> bool {
        let bits: u8 = if self.address.is_ipv4() { 32 } else { 128 };
        let (of, unused) = (self.address.number(), u32::from(bits.saturating_sub(self.length)));
        self.address.is_ipv4() == address.is_ipv4() && of.checked_shr(unused) == address.number().checked_shr(unused)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl Scope {
    /// The word that facts and policies use.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_survives_the_contract(address: IpAddr) {
            let converted = IpAddress::from(address);
            prop_assert_eq!(converted.to_std(), address);
            prop_assert_eq!(converted.to_string(), address.to_string());
        }
    }

    #[test]
    fn a_prefix_contains_what_shares_its_first_bits() {
        let prefix = |address: &str, length| Prefix { address: address.parse::<IpAddr>().unwrap().into(), length };
        for (prefix, address, is_in) in [
            (prefix("10.0.0.0", 8), "10.255.0.1", true),
            (prefix("10.0.0.0", 8), "11.0.0.1", false),
            (prefix("0.0.0.0", 0), "255.255.255.255", true),
            (prefix("0.0.0.0", 0), "::1", false),
            (prefix("::", 0), "ffff::", true),
            (prefix("::1", 128), "::1", true),
            (prefix("::1", 128), "::2", false),
            (prefix("192.0.2.1", 32), "192.0.2.1", true),
        ] {
            assert_eq!(prefix.contains(&address.parse::<IpAddr>().unwrap().into()), is_in, "{prefix} {address}");
        }
    }

    /// Demand 9: `::ffff:127.0.0.1` is loopback to plugins too.
    #[test]
    fn a_mapped_loopback_address_is_loopback() {
        let mapped = IpAddress::from("::ffff:127.0.0.1".parse::<IpAddr>().unwrap());
        assert!(mapped.is_loopback() && mapped.is_ipv6());
    }
}
