//! The static host table, `hosts(5)`.

use std::net::IpAddr;

use loopgate_facts::{HostsEntry, Scope, Untrusted};

/// What the host table says of `localhost` and of the loopback addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HostTable {
    /// The entries that name `localhost` or carry a loopback address.
    pub(crate) entries: Vec<HostsEntry>,
    /// Whether a lookup of exactly `localhost` finds an entry, so that the C library asks nobody else.
    pub(crate) names_localhost: bool,
}

impl HostTable {
    /// Reads a table as glibc does (`nss/nss_files/files-hosts.c`): one address and its names a line, `#` begins a
    /// comment, any white space separates, and a line without a valid address or without a name is skipped.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut table = Self::default();
        for (number, line) in (1_u32..).zip(text.split(|&byte| byte == b'\n')) {
            if let Some((entry, zoned)) = parse_line(number, line) {
                table.add(entry, zoned);
            }
        }
        table
    }

    fn add(&mut self, entry: HostsEntry, zoned: bool) {
        let is = |name: &Untrusted| name.as_str().eq_ignore_ascii_case("localhost");
        // glibc skips addresses with a zone, so they answer nothing.
        self.names_localhost |= !zoned && entry.names.iter().any(is);
        if Scope::of(entry.address) == Scope::Loopback || entry.names.iter().any(means_localhost) {
            self.entries.push(entry);
        }
    }
}

/// One entry, and whether its address carries a zone (`fe80::1%lo0`, as macOS ships it).
fn parse_line(line: u32, text: &[u8]) -> Option<(HostsEntry, bool)> {
    // For glibc, which reads lines as C strings, a NUL ends a line.
    let text = text.split(|&byte| byte == b'#' || byte == 0).next()?;
    let mut fields = text.split(|&byte| is_space(byte)).filter(|field| !field.is_empty());
    let (address, zoned) = parse_address(fields.next()?)?;
    let names: Vec<_> = fields.map(Untrusted::from_bytes).collect();
    (!names.is_empty()).then_some((HostsEntry { line, address, names }, zoned))
}

fn parse_address(field: &[u8]) -> Option<(IpAddr, bool)> {
    let text = str::from_utf8(field).ok()?;
    match text.split_once('%') {
        Some((address, _)) => Some((IpAddr::V6(address.parse().ok()?), true)),
        None => Some((text.parse().ok()?, false)),
    }
}

/// `isspace(3)` in the C locale; unlike Rust's it includes the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// Whether a name is one that programs take for the loopback interface: `localhost` and everything below it (RFC 6761,
/// 6.3), and the names that distributions give to 127.0.0.1 and `::1`.
fn means_localhost(name: &Untrusted) -> bool {
    let name = name.as_str().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    name.ends_with(".localhost") || LOCAL_NAMES.contains(&name)
}

const LOCAL_NAMES: [&str; 9] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
    "ipv6-localhost",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<(u32, String, Vec<String>)> {
        let entry = |entry: HostsEntry| {
            let names = entry.names.iter().map(|name| name.as_str().to_owned()).collect();
            (entry.line, entry.address.to_string(), names)
        };
        HostTable::parse(text.as_bytes()).entries.into_iter().map(entry).collect()
    }

    #[test]
    fn entries_for_localhost_and_loopback_addresses_are_kept_with_their_lines() {
        let found = lines("# table\n127.0.0.1\tlocalhost build # mine\r\n\n10.0.0.5 db\n::1 ip6-loopback\n");
        assert_eq!(
            found,
            [
                (2, "127.0.0.1".into(), vec!["localhost".into(), "build".into()]),
                (5, "::1".into(), vec!["ip6-loopback".into()]),
            ]
        );
    }

    #[test]
    fn localhost_on_another_address_is_kept() {
        assert_eq!(lines("10.0.0.5 LocalHost")[0].1, "10.0.0.5");
        assert_eq!(lines("192.0.2.1 app.localhost")[0].1, "192.0.2.1");
        assert_eq!(lines("192.0.2.1 notlocalhost"), []);
    }

    #[test]
    fn lines_that_the_c_library_skips_are_skipped() {
        for line in
            ["127.1 localhost", "127.0.0.01 localhost", "127.0.0.1", "localhost 127.0.0.1", "#127.0.0.1 localhost"]
        {
            assert_eq!(lines(line), [], "{line}");
        }
    }

    #[test]
    fn a_zone_is_shown_but_answers_nothing() {
        let table = HostTable::parse(b"fe80::1%lo0 localhost");
        assert_eq!(table.entries.len(), 1);
        assert!(!table.names_localhost);
    }

    #[test]
    fn a_nul_ends_a_line_as_it_does_for_the_c_library() {
        assert!(!HostTable::parse(b"127.0.0.1 x\0 localhost").names_localhost);
    }

    #[test]
    fn only_the_very_name_answers_a_lookup() {
        assert!(HostTable::parse(b"10.0.0.1 x LOCALHOST").names_localhost);
        assert!(!HostTable::parse(b"127.0.0.1 localhost.localdomain").names_localhost);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table(bytes: Vec<u8>) {
            HostTable::parse(&bytes);
        }

        #[test]
        fn an_entry_is_found_whatever_surrounds_it(before in "[^\n]*", after in "[^\n]*", space in "[ \t]{1,4}") {
            let text = format!("{before}\n127.0.0.1{space}localhost\n{after}");
            let table = HostTable::parse(text.as_bytes());
            prop_assert!(table.names_localhost);
            prop_assert!(table.entries.iter().any(|entry| entry.line == 2));
        }
    }
}
