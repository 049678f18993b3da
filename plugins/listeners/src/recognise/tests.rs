use loopgate_plugin::{Container, Endpoint, Origin, Published, Reach, ReachBounds};

use super::*;
use crate::catalogue;

fn owner(executable: &str, command_line: &[&str]) -> Owner {
    Owner {
        pid: 7,
        name: executable.rsplit('/').next().unwrap_or_default().to_owned(),
        executable: Some(executable.to_owned()),
        command_line: command_line.iter().map(|word| (*word).to_owned()).collect(),
        uid: None,
        user: None,
        cgroup: None,
        unit: None,
        container: None::<Container>,
        extra: Vec::new(),
    }
}

fn listener(port: u16, owners: Vec<Owner>) -> Listener {
    Listener {
        id: format!("tcp/0.0.0.0:{port}"),
        protocol: Protocol::Tcp,
        address: IpAddress::Ipv4((0, 0, 0, 0)),
        port,
        scope: Scope::Unspecified,
        ipv6_only: None,
        zone: None,
        bound_interface: None,
        origin: Origin::Socket,
        uids: Vec::new(),
        owners,
        published: None,
        reach: ReachBounds { certain: Reach::Public, possible: Reach::Public },
        reachability: Vec::new(),
        extra: Vec::new(),
    }
}

#[test]
fn behind_a_published_port_the_port_of_the_target_counts() {
    let target = Endpoint { address: IpAddress::Ipv4((172, 17, 0, 2)), port: 6379 };
    let published = Published { target, interface: None, rule: 0, container: None, listener: None, extra: Vec::new() };
    let mut listener = listener(16379, vec![owner("/usr/bin/docker-proxy", &["docker-proxy"])]);
    assert_eq!(name(&listener), None);
    listener.published = Some(published);
    assert_eq!(name(&listener).as_deref(), Some("Redis"));
}

/// The name of what is recognised, and by what.
fn seen(listener: &Listener) -> Option<(String, Sign)> {
    let catalogue = Catalogue::new(catalogue::built_in());
    recognise(&catalogue, listener).map(|found| (found.service.name.clone(), found.sign))
}

fn name(listener: &Listener) -> Option<String> {
    seen(listener).map(|(name, _)| name)
}

#[test]
fn the_owner_goes_before_the_port() {
    let ray = owner("/usr/lib/python3/dist-packages/ray/core/src/ray/gcs/gcs_server", &["gcs_server"]);
    assert_eq!(name(&listener(6379, vec![ray])).as_deref(), Some("Ray"));
    let redis = owner("/usr/bin/redis-server", &["/usr/bin/redis-server *:7000"]);
    let sign = Sign::Executable("/usr/bin/redis-server".to_owned());
    assert_eq!(seen(&listener(7000, vec![redis])), Some(("Redis".to_owned(), sign)));
}

/// Debian's redis-server is a link to redis-check-rdb, so the kernel names that as the executable.
#[test]
fn a_program_that_looks_at_its_own_name_is_recognised_by_that() {
    let multi_call = |name: &str, command_line: &[&str]| Owner {
        name: name.to_owned(),
        ..owner("/usr/bin/redis-check-rdb", command_line)
    };
    let by_name = |name: &str| Some(("Redis".to_owned(), Sign::Name(name.to_owned())));
    let renamed = multi_call("redis-server", &["redis-server 0.0.0.0:7000"]);
    assert_eq!(seen(&listener(7000, vec![renamed])), by_name("redis-server"));
    let by_argument = multi_call("bio_close_file", &["/usr/bin/redis-server 0.0.0.0:7000"]);
    assert_eq!(seen(&listener(7000, vec![by_argument])), by_name("redis-server"));
}

/// Demand 28: a port-forwarder is not taken for the service behind it.
#[test]
fn a_port_alone_says_how_much_is_known_of_the_owner() {
    let by_port = |owners| seen(&listener(6379, owners));
    let redis = |owner_is| Some(("Redis".to_owned(), Sign::Port(owner_is)));
    assert_eq!(by_port(vec![]), redis(OwnerIs::Unseen));
    for forwarder in ["docker-proxy", "rootlesskit", "rootlessport", "pasta.avx2", "slirp4netns"] {
        let seen = by_port(vec![owner(&format!("/usr/bin/{forwarder}"), &[])]);
        assert_eq!(seen, redis(OwnerIs::Anything), "{forwarder}");
    }
    assert_eq!(by_port(vec![owner("/usr/bin/python3.11", &["python3", "app.py"])]), redis(OwnerIs::Anything));
    assert_eq!(by_port(vec![owner("/usr/sbin/nginx", &["nginx"])]), redis(OwnerIs::Unrelated));
    assert_eq!(name(&listener(6380, vec![])), None);
}

#[test]
fn every_owner_counts_and_the_worst_is_named() {
    let owners = vec![owner("/usr/lib/systemd/systemd", &[]), owner("/usr/bin/dockerd", &["dockerd"])];
    assert_eq!(name(&listener(4243, owners)).as_deref(), Some("the Docker API"));
}

#[test]
fn interpreters_are_recognised_by_their_command_line() {
    let jupyter = owner("/usr/bin/python3.11", &["/usr/bin/python3", "/usr/local/bin/jupyter-lab", "--ip=0.0.0.0"]);
    let sign = Sign::CommandLine("/usr/local/bin/jupyter-lab".to_owned());
    assert_eq!(seen(&listener(9999, vec![jupyter])), Some(("Jupyter".to_owned(), sign)));
    let tunnel = owner("/usr/bin/ssh", &["ssh", "-L", "7000:localhost:7000", "jupyter-lab"]);
    assert_eq!(name(&listener(7000, vec![tunnel])), None);
}

#[test]
fn a_debugger_is_on_the_port_that_its_option_opens() {
    let node = |option| owner("/usr/bin/node", &["node", option, "app.js"]);
    let on = |port, option| name(&listener(port, vec![node(option)]));
    let inspector = Some("a Node.js inspector".to_owned());
    assert_eq!(on(9230, "--inspect=0.0.0.0:9230"), inspector);
    assert_eq!(on(8080, "--inspect=0.0.0.0:9230"), None);
    assert_eq!(on(9229, "--inspect"), inspector);
    assert_eq!(on(8080, "--inspect"), None);
    assert_eq!(on(41_237, "--inspect-brk=0"), inspector);
    assert_eq!(on(9230, "--inspector-like=9230"), None);
    let java = owner("/usr/bin/java", &["java", "-agentlib:jdwp=transport=dt_socket,server=y,address=*:8000", "-jar"]);
    assert_eq!(name(&listener(8000, vec![java])).as_deref(), Some("a Java debugger"));
}

#[test]
fn a_deleted_executable_and_a_unit_are_recognised() {
    let redis = owner("/usr/bin/redis-server (deleted)", &[]);
    assert_eq!(name(&listener(1, vec![redis])).as_deref(), Some("Redis"));
    let mut java = owner("/usr/bin/java", &["java", "-jar", "x.jar"]);
    java.unit = Some("elasticsearch@two.service".to_owned());
    let sign = Sign::Unit("elasticsearch@two.service".to_owned());
    assert_eq!(seen(&listener(1, vec![java])), Some(("Elasticsearch".to_owned(), sign)));
}

#[test]
fn docker_is_judged_by_port_where_its_ports_differ_in_danger() {
    let dockerd = || vec![owner("/usr/bin/dockerd", &["dockerd"])];
    assert_eq!(name(&listener(2376, dockerd())).as_deref(), Some("the Docker API behind TLS"));
    assert_eq!(name(&listener(2377, dockerd())), None);
}

#[test]
fn the_transport_counts() {
    let mut mdns = listener(5353, vec![owner("/opt/chrome/chrome", &["chrome", "--remote-debugging-port=0"])]);
    assert_eq!(name(&mdns).as_deref(), Some("Chrome DevTools"));
    mdns.protocol = Protocol::Udp;
    assert_eq!(name(&mdns), None);
}
