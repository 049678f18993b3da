//! The distribution, by `os-release(5)`.
//!
//! A reader of its own: those that there are as crates take quotes off and leave escapes and broken lines as they are.

use std::collections::BTreeMap;
use std::io;

use loopgate_facts::{Area, Distribution, Untrusted};

use super::root::Root;
use crate::gaps::Gaps;

/// Reads the file of the administrator, or else that of the vendor.
pub(super) fn observe(root: &Root, gaps: &mut Gaps) -> Option<Distribution> {
    let or_else_of_vendor = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => read(root, "usr/lib/os-release"),
        _ => Err(error),
    };
    match read(root, "etc/os-release").or_else(or_else_of_vendor) {
        Ok(text) => Some(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            gaps.subject(Area::Host, "os-release", error, "which distribution this is");
            None
        }
    }
}

fn read(root: &Root, path: &str) -> io::Result<Vec<u8>> {
    root.read(path, 64 << 10)
}

fn parse(text: &[u8]) -> Distribution {
    let values: BTreeMap<&[u8], Vec<u8>> = text.split(|&byte| byte == b'\n').filter_map(assignment).collect();
    let value = |name: &[u8]| values.get(name).filter(|value| !value.is_empty());
    let words = value(b"ID_LIKE").into_iter().flat_map(|words| words.split(|&byte| byte == b' '));
    Distribution {
        id: value(b"ID").map_or_else(|| "linux".into(), |id| Untrusted::from_bytes(id)),
        version_id: value(b"VERSION_ID").map(|version| Untrusted::from_bytes(version)),
        id_like: words.filter(|word| !word.is_empty()).map(Untrusted::from_bytes).collect(),
    }
}

/// The name and the value of a line, if it is an assignment as a shell reads it. Of several with one name the last
/// counts, as in a shell.
fn assignment(line: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let line = line.trim_ascii();
    let equals = line.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (line.get(..equals)?, line.get(equals + 1..)?);
    let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let value = match value {
        [b'"', quoted @ .., b'"'] => unescaped(quoted)?,
        [b'\'', quoted @ .., b'\''] if !quoted.contains(&b'\'') => quoted.to_vec(),
        plain if !plain.iter().any(|byte| SPECIAL.contains(byte)) => plain.to_vec(),
        _ => return None,
    };
    is_name.then_some((name, value))
}

/// What an unquoted value of a shell cannot hold as it is.
const SPECIAL: &[u8] = b" \t;&|<>()$`\\\"'";

/// What stands between double quotes, where a backslash escapes the characters that are special there; `None` if one of
/// them stands unescaped, for then a shell would take it for something else.
fn unescaped(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next()? {
                escaped @ (b'"' | b'\\' | b'$' | b'`') => plain.push(escaped),
                other => plain.extend([b'\\', other]),
            },
            b'"' | b'$' | b'`' => return None,
            byte => plain.push(byte),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// Id, version and likes of a text.
    fn of(text: &str) -> (String, Option<String>, Vec<String>) {
        let Distribution { id, version_id, id_like } = parse(text.as_bytes());
        let plain = |text: Untrusted| text.as_str().to_owned();
        (plain(id), version_id.map(plain), id_like.into_iter().map(plain).collect())
    }

    #[test]
    fn distributions_are_read_as_they_write_themselves() {
        for (text, id, version, like) in [
            // Debian 12, Ubuntu 24.04, RHEL 9, AlmaLinux 9, openSUSE Leap, Arch, Alpine.
            (
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
                "debian",
                Some("12"),
                "",
            ),
            ("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n", "ubuntu", Some("24.04"), "debian"),
            (
                "NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.4\"\n",
                "rhel",
                Some("9.4"),
                "fedora",
            ),
            (
                "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"",
                "almalinux",
                Some("9.4"),
                "rhel centos fedora",
            ),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.5\"\n",
                "opensuse-leap",
                Some("15.5"),
                "suse opensuse",
            ),
            ("NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n", "arch", None, ""),
            ("NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n", "alpine", Some("3.20.3"), ""),
        ] {
            let (found, found_version, found_like) = of(text);
            assert_eq!((found.as_str(), found_version.as_deref()), (id, version), "{text}");
            assert_eq!(found_like.join(" "), like, "{text}");
        }
    }

    #[test]
    fn quoting_is_that_of_a_shell() {
        for (value, id) in [
            ("'a b'", Some("a b")),
            (r#""a\"b\\c\$d\`e""#, Some(r#"a"b\c$d`e"#)),
            (r#""a\bc""#, Some(r"a\bc")),
            ("a-b.c_1", Some("a-b.c_1")),
            // A shell would take these otherwise, or for no assignment at all.
            ("a b", None),
            ("\"a", None),
            ("\"", None),
            ("\"a\"b\"", None),
            ("'a'b'", None),
            (r#""a\""#, None),
            ("\"$(id)\"", None),
            ("a;b", None),
            ("\"a\"'b'", None),
        ] {
            assert_eq!(of(&format!("ID={value}\n")).0, id.unwrap_or("linux"), "{value}");
        }
    }

    #[test]
    fn what_is_no_assignment_is_passed_over_and_the_last_of_a_name_counts() {
        let text = "# ID=comment\n\nID\n=x\nI D=x\n  ID=first\nID=last\r\nVERSION_ID=\n";
        assert_eq!(of(text), ("last".to_owned(), None, Vec::new()));
    }

    /// What is said of a machine with these files.
    fn observed(files: &[(&str, &str)]) -> (Option<String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let mut gaps = Gaps::default();
        let found = observe(&Root::new(folder.path()), &mut gaps);
        (found.map(|found| found.id.as_str().to_owned()), gaps.into_vec().len())
    }

    #[test]
    fn the_file_of_the_administrator_goes_before_that_of_the_vendor() {
        let (etc, vendor) = (("etc/os-release", "ID=a"), ("usr/lib/os-release", "ID=b"));
        assert_eq!(observed(&[etc, vendor]), (Some("a".to_owned()), 0));
        assert_eq!(observed(&[vendor]), (Some("b".to_owned()), 0));
        assert_eq!(observed(&[]), (None, 0));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_gap() {
        let large = "#".repeat(65 << 10);
        assert_eq!(observed(&[("etc/os-release", &large), ("usr/lib/os-release", "ID=b")]), (None, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            parse(&bytes);
        }

        #[test]
        fn what_is_quoted_is_read_back(value in "[ -~]{0,20}") {
            let escaped: String =
                value.chars().flat_map(|c| "\"\\$`".contains(c).then_some('\\').into_iter().chain([c])).collect();
            let read = assignment(format!("ID=\"{escaped}\"").as_bytes()).map(|(_, value)| value);
            prop_assert_eq!(read, Some(value.into_bytes()));
        }
    }
}
