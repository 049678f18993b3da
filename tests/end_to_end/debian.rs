//! A fresh Debian machine: nginx, Redis, `PostgreSQL` and sshd from their packages, on two networks of IPv4 and one of IPv6.
//!
//! The servers have configurations of their own that say what those of the packages say of addresses, so that what is
//! configured or running on the machine that the tests run on is neither seen nor touched.

mod server;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use loopgate_test_support::{Namespace, command, ip, run as program};
use tempfile::TempDir;

pub(crate) use server::Server;

const HERE: &[&str] = &[
    "link set eth0 up",
    "address add 192.0.2.1/24 dev eth0",
    "address add 10.9.0.1/24 dev eth0",
    "address add 2001:db8::1/64 dev eth0 nodad",
    "route add default via 192.0.2.254 dev eth0",
    "route add default via 2001:db8::fe dev eth0",
];

/// Everybody reaches the web, the local network alone reaches sshd and `PostgreSQL`.
const RULES: &str = "\
    flush ruleset
    table inet filter {
        chain input {
            type filter hook input priority 0; policy drop;
            iif lo accept
            ct state established,related accept
            meta l4proto ipv6-icmp accept
            tcp dport 80 accept
            ip saddr 10.9.0.0/24 tcp dport { 22, 5432 } accept
        }
    }";

/// The machine without its servers: another one on its link, and a folder for its files.
pub(crate) struct Debian {
    folder: TempDir,
    _peer: Namespace,
}

/// The four servers of the machine.
pub(crate) struct Servers {
    pub(crate) nginx: Server,
    pub(crate) redis: Server,
    pub(crate) sshd: Server,
    pub(crate) postgres: Server,
}

impl Debian {
    pub(crate) fn new() -> Self {
        let peer = Namespace::new();
        ip(&[format!("link add eth0 type veth peer name eth0 netns {}", peer.pid())]);
        peer.ip(&["link set eth0 up"]);
        ip(HERE);
        Self { folder: TempDir::new().unwrap(), _peer: peer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The servers with the addresses that the packages give them.
    pub(crate) fn servers(&self) -> Servers {
        Servers {
            nginx: self.nginx(&["0.0.0.0", "::"]),
            redis: self.redis(&[], &["127.0.0.1", "::1"]),
            sshd: self.sshd(&["0.0.0.0", "::"]),
            postgres: self.postgres(&["127.0.0.1", "::1"]),
        }
    }

    /// nginx on port 80 of some addresses, with two workers.
    pub(crate) fn nginx(&self, addresses: &[&str]) -> Server {
        let at = self.folder.path().display();
        let addresses = endpoints(addresses, 80);
        let listen = lines(&addresses, "listen", "; ");
        let text = format!(
            "user root; daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
             fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
             server {{ {listen}}} }}\n"
        );
        let configuration = self.path("nginx.conf");
        fs::write(&configuration, text).unwrap();
        let mut nginx = command("nginx");
        nginx.arg("-c").arg(&configuration).arg("-e").arg(self.path("error.log"));
        Server::start(&mut nginx).serving(&addresses)
    }

    /// Redis with what the file of the package says, and then on its command line, which is what counts, `options`. They
    /// make it serve port 6379 of some addresses.
    pub(crate) fn redis(&self, options: &[&str], addresses: &[&str]) -> Server {
        let configuration = self.path("redis.conf");
        fs::write(&configuration, "bind 127.0.0.1 -::1\nprotected-mode yes\n").unwrap();
        let mut redis = command("redis-server");
        redis.arg(&configuration).args(["--port", "6379", "--save", "", "--dir"]).arg(self.folder.path());
        Server::start(redis.args(options)).serving(&endpoints(addresses, 6379))
    }

    /// sshd on port 22 of some addresses. It wants a folder in `/run`, which it gets in a mount namespace of its own.
    pub(crate) fn sshd(&self, addresses: &[&str]) -> Server {
        let (key, configuration) = (self.path("host_key"), self.path("sshd_config"));
        if !key.exists() {
            program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key.display().to_string()]);
        }
        let addresses = endpoints(addresses, 22);
        let listen = lines(&addresses, "ListenAddress", "\n");
        let text = format!("{listen}HostKey {}\nPidFile none\nUsePAM no\n", key.display());
        fs::write(&configuration, text).unwrap();
        let script = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -f \"$0\"";
        let mut sshd = command("unshare");
        sshd.args(["--mount", "sh", "-c", script]).arg(configuration);
        Server::start(&mut sshd).serving(&addresses)
    }

    /// `PostgreSQL` on port 5432 of some addresses. Started again, it has the same data.
    pub(crate) fn postgres(&self, addresses: &[&str]) -> Server {
        let (programs, data) = (postgres_programs(), self.path("postgres"));
        if !data.exists() {
            let mut initdb = as_postgres();
            initdb.arg(programs.join("initdb")).arg("-D").arg(&data);
            initdb.args(["--username=postgres", "--auth=trust", "--no-sync", "--locale=C"]);
            let output = initdb.stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let mut postgres = as_postgres();
        postgres.arg(programs.join("postgres")).arg("-D").arg(&data).arg("-k").arg(&data);
        postgres.arg("-c").arg(format!("listen_addresses={}", addresses.join(",")));
        Server::start(&mut postgres).serving(&endpoints(addresses, 5432))
    }

    /// A file server that somebody started on port 8000 of an address, and no package.
    pub(crate) fn http_server(&self, address: &str) -> Server {
        let mut python = command("python3");
        python.args(["-m", "http.server", "8000", "--bind", address, "--directory"]).arg(self.folder.path());
        Server::start(&mut python).serving(&endpoints(&[address], 8000))
    }
}

/// Filters by the rules of the machine, and by no others.
pub(crate) fn load_rules() {
    program("nft", &[RULES]);
}

fn endpoints(addresses: &[&str], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(address.parse::<IpAddr>().unwrap(), port)).collect()
}

/// A configuration that says the same of each address.
fn lines(addresses: &[SocketAddr], key: &str, end: &str) -> String {
    addresses.iter().map(|address| format!("{key} {address}{end}")).collect::<Vec<_>>().concat()
}

/// The folder of the programs of `PostgreSQL`, whichever version there is.
pub(crate) fn postgres_programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (`make setup-test` does it)");
    versions.map(|version| version.unwrap().path().join("bin")).find(|bin| bin.join("postgres").exists()).unwrap()
}

/// `PostgreSQL` does not run as root: in a user namespace below this one, it is its own user.
fn as_postgres() -> Command {
    let id = |option: &str| program("id", &[option, "postgres"]).trim().to_owned();
    let mut unshare = command("unshare");
    unshare.arg("--user").arg(format!("--map-user={}", id("-u"))).arg(format!("--map-group={}", id("-g")));
    unshare
}
