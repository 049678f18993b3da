//! ufw, with a configuration of its own.

use std::path::Path;

use loopgate_test_support::{in_namespace, run as program};
use tempfile::TempDir;

use super::machine::{WAYS, listen, listen_at, peer};
use super::verdicts::{compare, trace};
use crate::support::run;

/// Puts copies of ufw's files in place of those of the machine, which only this one command sees, and runs lines of
/// ufw's arguments.
const SCRIPT: &str = r#"
cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf "$1"
: >"$1/sysctl.conf"
mkdir "$1/applications.d" "$1.lib"
cp /etc/default/ufw "$1.default"
cp /lib/ufw/ufw-init /lib/ufw/ufw-init-functions "$1.lib"
mount --bind "$1" /etc/ufw
mount --bind "$1.default" /etc/default/ufw
mount --bind "$1.lib" /lib/ufw
mount -t tmpfs none /run
while read -r line; do ufw $line; done
"#;

/// Runs ufw once for each line of arguments, and enables it.
pub(crate) fn ufw(lines: &str) {
    let folder = TempDir::new().unwrap();
    let etc = folder.path().join("ufw");
    std::fs::create_dir(&etc).unwrap();
    let script = format!("{} <<'END'\n{lines}--force enable\nEND\n", SCRIPT.trim_end());
    program("unshare", &["--mount", "sh", "-euc", &script, "sh", text(&etc)]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const RULES: &str = "\
allow 22/tcp
limit 2222/tcp
limit from 203.0.113.0/24 to any port 3389 proto tcp
deny from 198.51.100.0/25 to any port 443
allow 443
prepend deny from 2001:db8:bad::/48
reject 23/tcp
reject from 10.0.1.0/24 to any port 25
allow 25
allow in on lan to any port 5432 proto tcp
deny in on lan to any port 80
allow 80/tcp
allow proto tcp from any to any port 5000:5002
allow proto tcp from 192.0.2.0/24 to any port 3306,6379,8000
allow from 192.168.7.7
allow from fd00:1::/64 to any port 8080 proto tcp
allow proto tcp from 10.0.0.0/8 to 10.0.0.1 port 2379,9090
allow to 192.0.2.1 port 9000
allow to 2001:db8::1 port 6443
deny in on wan from 10.0.0.0/8
allow in on wan from 172.16.0.0/12 to any port 873
allow 631
allow 3000
allow 53/udp
allow log-all 8443/tcp
";

#[test]
fn verdicts_about_ufw_are_what_connections_find() {
    in_namespace("managers::ufw::verdicts_about_ufw_are_what_connections_find", || {
        let peer = peer();
        let listeners = listen();
        ufw(RULES);
        let counts = compare(&peer, &listeners, &WAYS);
        assert_eq!(counts.accepted + counts.refused + counts.silent, 1000);
        assert!(counts.accepted > 150 && counts.refused > 20 && counts.silent > 300, "{counts:?}");
    });
}

#[test]
fn ufw_that_rejects_by_default_is_read_so() {
    in_namespace("managers::ufw::ufw_that_rejects_by_default_is_read_so", || {
        let peer = peer();
        let listeners = listen();
        ufw("default reject incoming\nlogging high\nallow 22\nallow from 10.0.0.0/25 to any port 5432\ndeny 80\n");
        let counts = compare(&peer, &listeners, &WAYS);
        assert!(counts.refused > 800, "{counts:?}");
    });
}

#[test]
fn the_trace_says_what_of_ufw_blocks() {
    in_namespace("managers::ufw::the_trace_says_what_of_ufw_blocks", || {
        let _peer = peer();
        ufw("deny from 10.0.1.0/24\ndeny from 192.0.2.0/24 to any port 5432\nallow 22\n");
        let to_all = trace("tcp/5432", &[]);
        for said in ["blocked", "nothing listens there now", "-P INPUT DROP", "-s 10.0.1.0/24 -j DROP"] {
            assert!(to_all.contains(said), "{said} is not in {to_all}");
        }
        let rule = "-A ufw-user-input -s 192.0.2.0/24 -p tcp -m tcp --dport 5432 -j DROP";
        let [neighbour, stranger] = ["192.0.2.9", "203.0.113.5"].map(|from| trace("tcp/5432", &["--from", from]));
        assert!(neighbour.contains("blocked") && neighbour.contains(rule), "{neighbour}");
        assert!(stranger.contains("-P INPUT DROP"), "{stranger}");
    });
}

#[test]
fn the_table_of_listeners_says_how_far_ufw_lets_peers_be() {
    in_namespace("managers::ufw::the_table_of_listeners_says_how_far_ufw_lets_peers_be", || {
        let _peer = peer();
        ufw(
            "allow 22\ndeny 23\nallow in on lan from 10.0.0.0/24 to any port 25\nallow from 192.168.7.0/24 to any port 53\n",
        );
        let _listeners = [22, 23, 25, 53].map(|port| listen_at(([0, 0, 0, 0], port).into()));
        let table = run(["listeners"]).stdout;
        let reach_of = |port: &str| {
            let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            rows.find(|row| row.get(2) == Some(&port)).unwrap_or_else(|| panic!("no {port} in {table}"))[3].to_owned()
        };
        assert_eq!(["22", "23", "25", "53"].map(reach_of), ["public", "host", "link", "private"]);
    });
}
