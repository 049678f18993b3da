//! ufw, with a configuration of its own.

use std::path::Path;

use loopgate_test_support::{in_namespace, run as program};
use tempfile::TempDir;

use super::machine::{WAYS, listen, peer};
use super::verdicts::compare;

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
