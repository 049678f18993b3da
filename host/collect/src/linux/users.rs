//! The local user database, `/etc/passwd` (`passwd(5)`).
//!
//! The name service switch is not asked: it could send packets to a directory server.

use std::collections::BTreeMap;

use loopgate_facts::Untrusted;

use super::root::Root;

/// User names by user id.
#[derive(Debug, Default)]
pub(super) struct Users(BTreeMap<u32, Untrusted>);

impl Users {
    /// Reads the database; users of an unreadable one have no names.
    pub(super) fn read(root: &Root) -> Self {
        root.read("etc/passwd", 16 << 20).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &[u8]) -> Self {
        let mut users = BTreeMap::new();
        for (uid, name) in text.split(|&byte| byte == b'\n').filter_map(parse_line) {
            // The first entry of a user id is the one that the C library finds.
            users.entry(uid).or_insert_with(|| Untrusted::from_bytes(name));
        }
        Self(users)
    }

    /// The name of a user.
    pub(super) fn name(&self, uid: u32) -> Option<Untrusted> {
        self.0.get(&uid).cloned()
    }
}

/// `name:password:uid:...`; lines that begin with `+` or `-` belong to NIS.
fn parse_line(line: &[u8]) -> Option<(u32, &[u8])> {
    let mut fields = line.split(|&byte| byte == b':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(b"+") && !name.starts_with(b"-"))?;
    let uid = str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
    Some((uid, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_user_id_counts() {
        let users = Users::parse(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:\n+nis:x:7::::\nbad\nwww:x:33:33::/:\n");
        assert_eq!(users.name(0), Some("root".into()));
        assert_eq!(users.name(33), Some("www".into()));
        assert_eq!(users.name(7), None);
    }
}
