//! Whether the system's resolver can be asked for `localhost` without a packet leaving the machine.
//!
//! The C library asks the sources of the `hosts:` line of `nsswitch.conf(5)` in order. A source that knows `localhost`
//! ends the search; one that does not passes it on, in the end to DNS. So the decision follows the search with
//! everything that each source may answer, and forbids the question if any path leads to the network.

/// What is known of the sources that are on the machine itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Local {
    /// `/etc/hosts` names `localhost`; `None` where it could not be read.
    pub(super) hosts_names_localhost: Option<bool>,
    /// The module of `nss-myhostname(8)` is installed.
    pub(super) has_myhostname: bool,
}

/// The default without a `hosts:` line. Since glibc 2.35 it is `files dns`; this is the older one, by which a version
/// that cannot be told is judged.
const DEFAULT: &str = "dns [!UNAVAIL=return] files";

/// The source that could send a packet, if the search for `localhost` may reach one.
pub(super) fn network_source(configuration: &str, local: Local) -> Option<String> {
    // What white space is, and where a line ends, glibc sees otherwise than Rust does in such a text.
    if !configuration.is_ascii() || configuration.contains('\0') {
        return Some("text in /etc/nsswitch.conf that is not ASCII".to_owned());
    }
    let line = hosts_line(configuration).unwrap_or(DEFAULT);
    for step in steps(line) {
        let statuses = step.statuses(local);
        if statuses.is_empty() {
            return Some(step.source.to_owned());
        }
        if !statuses.iter().any(|&status| step.continues_at(status)) {
            return None;
        }
    }
    None
}

/// What a source answers (`nsswitch.conf(5)`, "STATUS").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Success,
    NotFound,
    Unavailable,
    TryAgain,
}

use Status::{NotFound, Success, TryAgain, Unavailable};

/// Sources that know the names of containers and machines, or names below `.local`, and ask nobody for others.
const OTHER_NAMES_ONLY: [&str; 6] =
    ["libvirt", "libvirt_guest", "mdns4_minimal", "mdns6_minimal", "mdns_minimal", "mymachines"];

/// A source and the actions behind it.
#[derive(Debug)]
struct Step<'a> {
    source: &'a str,
    actions: Vec<&'a str>,
}

impl Step<'_> {
    /// Every status that a source on the machine may answer for `localhost`; none for a source that may use the
    /// network.
    fn statuses(&self, local: Local) -> Vec<Status> {
        match self.source {
            "files" => files(local.hosts_names_localhost),
            "myhostname" if local.has_myhostname => vec![Success],
            // A module that is not installed is "unavailable". systemd-resolved answers `localhost` by itself
            // (`systemd-resolved.service(8)`, "Synthetic records"), but need not run.
            "myhostname" | "resolve" | "altfiles" | "usrfiles" | "db" => vec![Success, NotFound, Unavailable],
            source if OTHER_NAMES_ONLY.contains(&source) => vec![NotFound, Unavailable],
            _ => Vec::new(),
        }
    }

    /// Whether the search goes on after a status. The last action for it counts; without one, success ends the
    /// search.
    fn continues_at(&self, status: Status) -> bool {
        let decided = self.actions.iter().rev().find_map(|action| decision(action, status));
        decided.unwrap_or(status != Success)
    }
}

fn files(names_localhost: Option<bool>) -> Vec<Status> {
    match names_localhost {
        Some(true) => vec![Success],
        Some(false) => vec![NotFound, Unavailable],
        None => vec![Success, NotFound, Unavailable, TryAgain],
    }
}

/// What an action such as `!UNAVAIL=return` says of a status: go on, or not; `None` if it does not concern it.
fn decision(action: &str, status: Status) -> Option<bool> {
    let (condition, then) = action.split_once('=')?;
    let (negated, name) = match condition.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, condition),
    };
    let concerns = parse_status(name)? == status;
    (concerns != negated).then(|| !then.eq_ignore_ascii_case("return"))
}

fn parse_status(name: &str) -> Option<Status> {
    match name.to_ascii_lowercase().as_str() {
        "success" => Some(Success),
        "notfound" => Some(NotFound),
        "unavail" => Some(Unavailable),
        "tryagain" => Some(TryAgain),
        _ => None,
    }
}

/// The sources of the last `hosts:` line; glibc lets a later line win.
fn hosts_line(configuration: &str) -> Option<&str> {
    let lines = configuration.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter_map(|line| line.strip_prefix("hosts:")).next_back()
}

fn steps(line: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut in_actions = false;
    for word in line.split_inclusive(['[', ']']).flat_map(str::split_whitespace) {
        let text = word.trim_matches(['[', ']']);
        match steps.last_mut() {
            Some(step) if in_actions && !text.is_empty() => step.actions.push(text),
            _ if !text.is_empty() => steps.push(Step { source: text, actions: Vec::new() }),
            _ => {}
        }
        in_actions = if word.ends_with('[') { true } else { in_actions && !word.ends_with(']') };
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LISTED: Local = Local { hosts_names_localhost: Some(true), has_myhostname: false };
    const MISSING: Local = Local { hosts_names_localhost: Some(false), has_myhostname: false };
    const UNREADABLE: Local = Local { hosts_names_localhost: None, has_myhostname: false };
    const INSTALLED: Local = Local { hosts_names_localhost: Some(false), has_myhostname: true };

    #[test]
    fn a_text_that_the_c_library_may_read_otherwise_is_not_trusted() {
        for text in ["hosts: dns\n\u{a0}hosts: files", "hosts: files\0 dns"] {
            assert!(network_source(text, LISTED).is_some(), "{text:?}");
        }
    }

    #[test]
    fn the_question_is_asked_only_where_the_answer_is_local() {
        for (line, local, network) in [
            // As Debian, Fedora, Ubuntu, NixOS and Arch ship it.
            ("files dns", LISTED, None),
            ("files dns", MISSING, Some("dns")),
            ("files dns", UNREADABLE, Some("dns")),
            ("files myhostname resolve [!UNAVAIL=return] dns", LISTED, None),
            ("files myhostname resolve [!UNAVAIL=return] dns", INSTALLED, None),
            ("files myhostname resolve [!UNAVAIL=return] dns", MISSING, Some("dns")),
            ("files mdns4_minimal [NOTFOUND=return] dns", LISTED, None),
            ("files mdns4_minimal [NOTFOUND=return] dns", MISSING, Some("dns")),
            ("mymachines resolve [!UNAVAIL=return] files myhostname dns", LISTED, None),
            ("mymachines resolve [!UNAVAIL=return] files myhostname dns", MISSING, Some("dns")),
            ("mymachines resolve [!UNAVAIL=return] files myhostname dns", INSTALLED, None),
            // As people write it.
            ("dns files", LISTED, Some("dns")),
            ("files", MISSING, None),
            ("files [NOTFOUND=return] dns", MISSING, Some("dns")),
            ("files [!SUCCESS=return] dns", MISSING, None),
            ("files [SUCCESS=continue] dns", LISTED, Some("dns")),
            ("files [success=merge] dns", LISTED, Some("dns")),
            ("files[NOTFOUND=return UNAVAIL=return]dns", MISSING, None),
            ("mdns4 files", LISTED, Some("mdns4")),
            ("ldap files", LISTED, Some("ldap")),
            ("whatever files", LISTED, Some("whatever")),
            ("", LISTED, None),
        ] {
            let found = network_source(&format!("passwd: files\nhosts: {line} # why\n"), local);
            assert_eq!(found.as_deref(), network, "{line} {local:?}");
        }
    }

    #[test]
    fn without_a_line_the_older_default_is_assumed() {
        assert_eq!(network_source("passwd: files", LISTED).as_deref(), Some("dns"));
    }

    proptest! {
        #[test]
        fn any_line_is_decided(line: String) {
            network_source(&format!("hosts: {line}"), LISTED);
        }

        #[test]
        fn dns_first_is_never_asked(rest in "[a-z\\[\\]=! ]*") {
            prop_assert_eq!(network_source(&format!("hosts: dns {rest}"), LISTED), Some("dns".to_owned()));
        }
    }
}
