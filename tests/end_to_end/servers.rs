//! Real servers from Debian's packages in a namespace of their own: found with the right owner, scope and rule, and
//! gone from the report once they stop.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loopgate_test_support::{command, in_namespace};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{check, outcome, run, subjects};

/// A server that ends with the test.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let program = command.get_program().display().to_string();
        Self(child.unwrap_or_else(|error| panic!("{program} cannot be run (`make setup-test` installs it): {error}")))
    }

    /// Waits until something accepts connections.
    pub(crate) fn serving(self, address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        until(&format!("{address} accepts connections"), || TcpStream::connect(address).is_ok());
        self
    }

    /// Waits until a UDP port is bound, by the kernel's own table: trying to bind it could take it from the server.
    fn holding_udp(self, port: u16) -> Self {
        let bound = format!(":{port:04X} ");
        until(&format!("UDP port {port} is bound"), || fs::read_to_string("/proc/net/udp").unwrap().contains(&bound));
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A request first: nginx's master ends its workers then.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Looks again and again until something is so. A machine on which it never is fails the test.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Redis with a file that says one thing and a command line that says another, which is the one that counts.
fn redis(folder: &Path) -> Server {
    let configuration = folder.join("redis.conf");
    fs::write(&configuration, "bind 127.0.0.1 -::1\nprotected-mode yes\n").unwrap();
    let mut redis = command("redis-server");
    redis.arg(&configuration);
    redis.args(["--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir"]).arg(folder);
    Server::start(&mut redis).serving("127.0.0.1:6379")
}

fn nginx(folder: &Path) -> Server {
    let configuration = folder.join("nginx.conf");
    let at = folder.display();
    let text = format!(
        "user root; daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log;\n\
         events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         server {{ listen [::]:8080; }} }}\n"
    );
    fs::write(&configuration, text).unwrap();
    let mut nginx = command("nginx");
    nginx.arg("-c").arg(&configuration).arg("-e").arg(folder.join("error.log"));
    Server::start(&mut nginx).serving("[::1]:8080")
}

fn http_server(folder: &Path) -> Server {
    let mut python = command("python3");
    python.args(["-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory"]).arg(folder);
    Server::start(&mut python).serving("127.0.0.1:8000")
}

/// What avahi and its like hold: an unconnected UDP socket on the port of multicast DNS.
fn multicast_dns() -> Server {
    let program = "import socket, time\n\
                   s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                   s.bind(('0.0.0.0', 5353))\n\
                   time.sleep(600)\n";
    Server::start(command("python3").args(["-c", program])).holding_udp(5353)
}

fn listener<'a>(facts: &'a Value, id: &str) -> &'a Value {
    let listeners = facts["listeners"].as_array().unwrap();
    listeners.iter().find(|listener| listener["id"] == id).unwrap_or_else(|| panic!("no {id} in {facts:#}"))
}

fn owners(facts: &Value, id: &str) -> Vec<(u64, String)> {
    let owners = listener(facts, id)["owners"].as_array().unwrap();
    let owner = |owner: &Value| {
        let executable = owner["executable"].as_str().unwrap_or_default();
        let program = Path::new(executable).file_name().unwrap_or_default().to_string_lossy().into_owned();
        (owner["pid"].as_u64().unwrap(), program)
    };
    owners.iter().map(owner).collect()
}

fn has_owner(facts: &Value, id: &str, server: &Server, program: &str) -> bool {
    let pid = u64::from(server.0.id());
    owners(facts, id).iter().any(|(owner, name)| *owner == pid && name.starts_with(program))
}

/// An interface that other machines could send by.
fn add_a_way_in() {
    for arguments in [
        "link add eth0 type veth peer name peer0",
        "address add 10.9.0.1/24 dev eth0",
        "link set eth0 up",
        "link set peer0 up",
    ] {
        loopgate_test_support::run("ip", &arguments.split(' ').collect::<Vec<_>>());
    }
}

/// Exit code and verdict where no rule finds anything. Where the firewall is not read, nobody knows who reaches what.
fn verdict_of_nothing_found() -> (i32, Option<&'static str>) {
    let facts = run(["facts"]).json();
    let is_read = facts["gaps"].as_array().unwrap().iter().all(|gap| gap["area"] != "firewall");
    if is_read { (0, Some("compliant")) } else { (3, Some("incomplete")) }
}

/// Demand 11: a wildcard is a wildcard, and what has stopped is gone.
/// Demand 13: every process that holds a socket is named with its executable.
/// Demand 25: the socket counts, not what a configuration file says.
#[test]
fn servers_are_found_with_owner_scope_and_rule_until_they_stop() {
    in_namespace("servers::servers_are_found_with_owner_scope_and_rule_until_they_stop", || {
        let folder = TempDir::new().unwrap();
        add_a_way_in();
        let quiet = verdict_of_nothing_found();
        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), quiet, "before: {report:#}");

        let redis = redis(folder.path());
        let nginx = nginx(folder.path());
        let python = http_server(folder.path());
        let udp = multicast_dns();

        let facts = run(["facts"]).json();
        assert!(has_owner(&facts, "tcp/0.0.0.0:6379", &redis, "redis"), "{facts:#}");
        assert!(has_owner(&facts, "tcp/[::]:8080", &nginx, "nginx"), "{facts:#}");
        assert!(has_owner(&facts, "tcp/127.0.0.1:8000", &python, "python3"), "{facts:#}");
        assert!(has_owner(&facts, "udp/0.0.0.0:5353", &udp, "python3"), "{facts:#}");
        assert_eq!(owners(&facts, "tcp/[::]:8080").len(), 3, "nginx's master and both workers");
        assert_eq!(listener(&facts, "tcp/[::]:8080")["ipv6_only"], true);
        assert_eq!(listener(&facts, "tcp/127.0.0.1:8000")["scope"], "loopback");

        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), (1, Some("not-compliant")));
        let wildcards = ["udp/0.0.0.0:5353", "tcp/0.0.0.0:6379", "tcp/[::]:8080"];
        let mut found = subjects(&report, "listeners/wildcard-bind");
        found.sort_by_key(|subject| wildcards.iter().position(|wildcard| wildcard == subject));
        assert_eq!(found, wildcards);
        assert_eq!(subjects(&report, "listeners/sensitive-service"), ["tcp/0.0.0.0:6379"]);
        let findings = report["findings"].as_array().unwrap();
        let sensitive = findings.iter().find(|finding| finding["rule"] == "listeners/sensitive-service").unwrap();
        assert_eq!(sensitive["severity"], "critical", "recognised by its name, not by its port alone: {sensitive:#}");

        drop((redis, nginx, python, udp));
        let (code, report) = check();
        assert_eq!((code, report["verdict"].as_str()), quiet, "after: {report:#}");
        if quiet.0 == 0 {
            assert_eq!(outcome(&report, "listeners/sensitive-service"), "pass");
        }
        assert_eq!(subjects(&report, "listeners/sensitive-service"), Vec::<String>::new());
        assert!(run(["facts"]).json()["listeners"].as_array().unwrap().is_empty());
    });
}

#[test]
fn the_table_of_listeners_names_address_port_owner_and_reach() {
    in_namespace("servers::the_table_of_listeners_names_address_port_owner_and_reach", || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(address.ip(), IpAddr::from([127, 0, 0, 1]));
        let table = run(["listeners"]);
        let row = table.stdout.lines().find(|line| line.contains(&address.port().to_string())).unwrap();
        for cell in ["tcp", "127.0.0.1", "host", &std::process::id().to_string()] {
            assert!(row.contains(cell), "{cell} is missing in: {row}");
        }
        assert_eq!(table.code, 0);
    });
}
