//! What `localhost` means: in `/etc/hosts`, and to the system's resolver.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loopgate_facts::{Area, Names, Resolution};

use super::nsswitch::{Local, network_source};
use super::root::Root;
use crate::gaps::Gaps;
use crate::hosts::HostTable;

/// How long the resolver may take. It reads a file or asks a service of the machine.
const LIMIT: Duration = Duration::from_secs(1);

/// Reads the host table and asks the resolver.
pub(super) fn observe(root: &Root) -> (Names, Gaps) {
    let mut gaps = Gaps::default();
    let table = host_table(root, &mut gaps);
    let local = Local {
        hosts_names_localhost: table.as_ref().map(|table| table.names_localhost),
        has_myhostname: has_module(root, "libnss_myhostname.so.2"),
    };
    let localhost = resolve(root, local, &mut gaps);
    let hosts = table.unwrap_or_default().entries;
    (Names { hosts, localhost }, gaps)
}

/// The host table; `hosts(5)` lets a machine have none.
fn host_table(root: &Root, gaps: &mut Gaps) -> Option<HostTable> {
    match root.read("etc/hosts", 1 << 20) {
        Ok(text) => Some(HostTable::parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(HostTable::default()),
        Err(error) => {
            gaps.subject(Area::HostsFile, "/etc/hosts", error, "what the host table says of localhost");
            None
        }
    }
}

fn resolve(root: &Root, local: Local, gaps: &mut Gaps) -> Option<Resolution> {
    let question = may_ask(root, local).and_then(|()| ask());
    let unknown = "what the resolver answers for localhost";
    question.map_err(|reason| gaps.area(Area::Resolver, reason, unknown)).ok()
}

/// Whether no packet will leave the machine; otherwise why one could.
fn may_ask(root: &Root, local: Local) -> Result<(), String> {
    match network_source(&switch(root)?, local) {
        None => Ok(()),
        Some(source) => {
            Err(format!("no local source is sure to know localhost, so the question could go to `{source}`"))
        }
    }
}

/// The configuration of the name service switch. musl has none: it asks the host table and then DNS.
fn switch(root: &Root) -> Result<String, String> {
    if cfg!(target_env = "musl") {
        return Ok("hosts: files dns".to_owned());
    }
    match root.read("etc/nsswitch.conf", 1 << 20) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("/etc/nsswitch.conf cannot be read, so the question could go anywhere: {error}")),
    }
}

/// Whether a module of the name service switch is in one of the folders that the dynamic linker searches.
fn has_module(root: &Root, file: &str) -> bool {
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["lib", "lib64", "usr/lib", "usr/lib64"].map(str::to_owned);
    let multiarch = ["lib", "usr/lib"].map(|folder| format!("{folder}/{triplet}"));
    folders.iter().chain(&multiarch).any(|folder| root.has(&format!("{folder}/{file}")))
}

/// Asks `getaddrinfo(3)`, which cannot be cancelled: a thread that hangs is left behind.
fn ask() -> Result<Resolution, String> {
    let (sender, receiver) = mpsc::channel();
    let question = move || {
        let answer = ("localhost", 0).to_socket_addrs().map(|found| distinct(found.map(|address| address.ip())));
        // Nobody listens any more if the answer came too late.
        let _ = sender.send(answer.map_or_else(|error| failure(&error), Resolution::Addresses));
    };
    thread::Builder::new().spawn(question).map_err(|error| format!("no thread for the resolver: {error}"))?;
    receiver.recv_timeout(LIMIT).map_err(|_| format!("the resolver did not answer within {} s", LIMIT.as_secs()))
}

fn failure(error: &io::Error) -> Resolution {
    Resolution::Failed(error.to_string().into())
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in addresses {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is observed on a machine whose `/etc` has the given files.
    fn observe_with(files: &[(&str, &str)]) -> (Names, Vec<Area>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        for (name, content) in files {
            fs::write(folder.path().join("etc").join(name), content).unwrap();
        }
        let (names, gaps) = observe(&Root::new(folder.path()));
        (names, gaps.into_vec().into_iter().map(|gap| gap.area).collect())
    }

    #[test]
    fn a_question_that_could_leave_the_machine_is_not_asked() {
        let (names, gaps) = observe_with(&[("nsswitch.conf", "hosts: files dns"), ("hosts", "127.0.0.1 here")]);
        assert_eq!((names.localhost, gaps), (None, vec![Area::Resolver]));
    }

    #[test]
    fn a_machine_without_a_host_table_has_no_gap_in_it() {
        let (names, gaps) = observe_with(&[("nsswitch.conf", "hosts: dns")]);
        assert_eq!((names.hosts.len(), gaps), (0, vec![Area::Resolver]));
    }

    #[test]
    fn a_host_table_beyond_all_measure_is_a_gap() {
        let (_, gaps) = observe_with(&[("nsswitch.conf", "hosts: files dns"), ("hosts", &"#".repeat((1 << 20) + 1))]);
        assert_eq!(gaps, [Area::HostsFile, Area::Resolver]);
    }

    #[test]
    fn repeated_addresses_are_one_and_the_order_stays() {
        let addresses = ["::1", "127.0.0.1", "::1"].map(|text| text.parse().unwrap());
        assert_eq!(distinct(addresses.into_iter()), addresses[..2]);
    }
}
