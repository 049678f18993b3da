//! What is said of the targets of published ports, for containers that network namespaces stand in for.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::process;

use loopgate_facts::{Facts, Gap, Listener, Origin};
use loopgate_test_support::{Namespace, in_namespace, ip, run};

use crate::Collector;
use crate::linux::LinuxCollector;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A container on a bridge, with port 8080 published to it.
fn container() -> Namespace {
    let container = Namespace::new();
    ip(&["link add wan type veth peer name far", "address add 192.0.2.1/24 dev wan", "link set wan up"]);
    ip(&["link set far up", "link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0"]);
    ip(&["link set docker0 up"]);
    connect(&container, "veth0");
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let rule = "tcp dport 8080 dnat to 172.17.0.2:80";
    let chain = "type nat hook prerouting priority dstnat";
    run("nft", &[&format!("add table ip nat; add chain ip nat pre {{ {chain}; }}; add rule ip nat pre {rule}")]);
    container
}

fn connect(container: &Namespace, device: &str) {
    ip(&[format!("link add {device} type veth peer name eth0 netns {}", container.pid())]);
    ip(&[format!("link set {device} master docker0 up")]);
    container.ip(&["link set eth0 up", "address add 172.17.0.2/16 dev eth0", "route add default via 172.17.0.1"]);
}

/// What the kernel shows, but for the control groups of some processes.
fn facts(members: &[(u32, &str)]) -> Facts {
    let root = tempfile::tempdir().unwrap();
    let proc = root.path().join("proc");
    fs::create_dir(&proc).unwrap();
    symlink("/etc", root.path().join("etc")).unwrap();
    let of_docker = root.path().join("var/lib/docker/containers").join(ID);
    fs::create_dir_all(&of_docker).unwrap();
    fs::write(of_docker.join("config.v2.json"), r#"{"Name":"/web","Config":{"Image":"nginx:1.27"}}"#).unwrap();
    for entry in fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        match members.iter().find(|(member, _)| Some(*member) == pid) {
            None => symlink(entry.path(), proc.join(entry.file_name())).unwrap(),
            Some((member, cgroup)) => {
                let directory = proc.join(member.to_string());
                fs::create_dir(&directory).unwrap();
                fs::write(directory.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
                for part in ["ns", "fd"] {
                    symlink(entry.path().join(part), directory.join(part)).unwrap();
                }
            }
        }
    }
    LinuxCollector::with_files_under(root.path()).collect()
}

fn published(facts: &Facts) -> &Listener {
    let found: Vec<_> = facts.listeners.iter().filter(|listener| listener.origin == Origin::PublishedPort).collect();
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0]
}

/// The runtime and id of the container that the port is said to be published to.
fn named(facts: &Facts) -> Option<(String, String)> {
    let container = published(facts).published.as_ref().unwrap().container.as_ref()?;
    Some((container.runtime.clone(), container.id.as_str().to_owned()))
}

fn docker(id: &str) -> String {
    format!("/system.slice/docker-{id}.scope")
}

fn listen(address: &str) -> TcpListener {
    TcpListener::bind(address.parse::<SocketAddr>().unwrap()).unwrap()
}

fn pids(facts: &Facts) -> Vec<u32> {
    published(facts).owners.iter().map(|owner| owner.pid).collect()
}

#[test]
fn a_published_port_is_named_with_its_container() {
    in_namespace("linux::targets::tests::a_published_port_is_named_with_its_container", || {
        let container = container();
        assert_eq!(named(&facts(&[])), None);
        let docker = facts(&[(container.pid(), &docker(ID))]);
        assert_eq!(named(&docker), Some(("docker".to_owned(), ID.to_owned())));
        let web = published(&docker).published.as_ref().unwrap().container.as_ref().unwrap();
        assert_eq!((&web.name, &web.image), (&Some("web".into()), &Some("nginx:1.27".into())));
        let of_published =
            |gap: &&Gap| gap.subject.as_ref().is_some_and(|subject| subject.as_str() == "published ports");
        assert_eq!(docker.gaps.iter().find(of_published), None);
    });
}

/// Demand 18: it has the owners of the socket that it leads to.
#[test]
fn the_processes_behind_a_published_port_own_it() {
    in_namespace("linux::targets::tests::the_processes_behind_a_published_port_own_it", || {
        let container = container();
        let _other_port = container.within(|| listen("0.0.0.0:81"));
        assert_eq!(pids(&facts(&[])), Vec::<u32>::new());
        for address in ["172.17.0.2:80", "0.0.0.0:80", "[::]:80"] {
            let _server = container.within(|| listen(address));
            assert_eq!(pids(&facts(&[])), [process::id()], "{address}");
        }
        let _other_address = container.within(|| listen("127.0.0.1:80"));
        assert_eq!(pids(&facts(&[])), Vec::<u32>::new());
    });
}

/// Anybody can have a network namespace with any address.
#[test]
fn a_namespace_that_no_packet_gets_to_is_not_taken_for_the_target() {
    in_namespace("linux::targets::tests::a_namespace_that_no_packet_gets_to_is_not_taken_for_the_target", || {
        let container = container();
        let decoy = Namespace::new();
        decoy.ip(&["address add 172.17.0.2/32 dev lo"]);
        let _server = decoy.within(|| listen("172.17.0.2:80"));
        let other = "f".repeat(64);
        let both = facts(&[(decoy.pid(), &docker(&other)), (container.pid(), &docker(ID))]);
        assert_eq!((pids(&both), named(&both).unwrap().1), (vec![], ID.to_owned()));
        drop(container);
        let alone = facts(&[(decoy.pid(), &docker(&other))]);
        assert_eq!((pids(&alone), named(&alone)), (vec![], None));
    });
}

#[test]
fn two_namespaces_with_the_address_on_one_link_leave_it_open() {
    in_namespace("linux::targets::tests::two_namespaces_with_the_address_on_one_link_leave_it_open", || {
        let (container, rival) = (container(), Namespace::new());
        connect(&rival, "veth1");
        let _server = rival.within(|| listen("172.17.0.2:80"));
        let both = facts(&[(container.pid(), &docker(ID))]);
        assert_eq!((pids(&both), named(&both)), (vec![], None));
    });
}
