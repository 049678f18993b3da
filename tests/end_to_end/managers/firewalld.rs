//! firewalld, with a configuration, a message bus and a folder of run-time files of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use loopgate_test_support::{command, in_namespace};
use tempfile::TempDir;

use super::machine::{WAYS, Way, listen, peer};
use super::verdicts::compare;

/// Puts folders of its own in place of those of the machine, which only these commands see; writes the configuration
/// with the arguments that it reads, a line each, up to an empty one; starts a bus and firewalld, says so, and ends
/// both when its input ends.
const SCRIPT: &str = r#"
mkdir "$1/zones" "$1/services" "$1/policies" "$1/ipsets" "$1/icmptypes" "$1/helpers"
printf 'DefaultZone=public\nFirewallBackend=%s\n' "$2" >"$1/firewalld.conf"
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mkdir /run/dbus
cat >/run/bus.conf <<END
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy>
</busconfig>
END
while read -r line && [ -n "$line" ]; do eval "firewall-offline-cmd --system-config '$1' $line"; done
dbus-daemon --config-file=/run/bus.conf --nofork --print-address=3 3>/run/address &
bus=$!
until [ -s /run/address ]; do sleep 0.01; done
firewalld --nofork --nopid --system-config "$1" &
firewalld=$!
until firewall-cmd --state; do kill -0 "$firewalld"; sleep 0.05; done
echo ready
read -r line || :
kill -9 "$firewalld" "$bus"
wait
"#;

/// firewalld, until it is dropped.
pub(crate) struct Firewalld {
    process: Child,
    _folder: TempDir,
}

impl Firewalld {
    /// Starts it with what lines of arguments of `firewall-offline-cmd` configure.
    pub(crate) fn start(backend: &str, lines: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = command("unshare");
        command.args(["--mount", "sh", "-euc", SCRIPT, "sh"]).arg(folder.path()).arg(backend);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.as_mut().unwrap().write_all(format!("{lines}\n").as_bytes()).unwrap();
        let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        assert!(lines.into_iter().any(|line| line == "ready"), "firewalld does not start");
        Self { process, _folder: folder }
    }
}

impl Drop for Firewalld {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

const ZONES: &str = "\
--zone=public --add-interface=wan
--zone=internal --add-interface=lan
--zone=public --add-service=http
--zone=public --add-port=5000-5002/tcp
--zone=public --remove-service-from-zone=ssh
--zone=public --add-rich-rule='rule family=ipv4 source address=203.0.113.0/26 port port=5432 protocol=tcp accept'
--zone=public --add-rich-rule='rule family=ipv4 source address=203.0.113.64/26 port port=80 protocol=tcp reject'
--zone=public --add-rich-rule='rule family=ipv6 source address=2001:db8:5::/48 port port=3306 protocol=tcp accept'
--zone=public --add-rich-rule='rule family=ipv4 source NOT address=192.0.2.0/24 port port=25 protocol=tcp drop'
--zone=public --add-rich-rule='rule priority=10 port port=25 protocol=tcp accept'
--zone=public --add-rich-rule='rule port port=443 protocol=tcp accept limit value=100/s'
--zone=public --add-rich-rule='rule family=ipv4 destination address=192.0.2.1 port port=9000 protocol=tcp log prefix=x accept'
--zone=public --add-forward-port=port=8081:proto=tcp:toport=8000
--zone=public --add-forward-port=port=2222:proto=tcp:toport=22
--zone=internal --add-port=6000/tcp
--zone=internal --add-port=2379/tcp
--zone=internal --add-rich-rule='rule family=ipv4 source address=10.0.0.128/25 drop'
--zone=internal --add-rich-rule='rule family=ipv4 source address=10.0.0.0/25 forward-port port=8443 protocol=tcp to-port=443'
--zone=internal --add-rich-rule='rule priority=-5 port port=23 protocol=tcp drop'
--zone=drop --add-source=198.51.100.0/25
--zone=block --add-source=172.16.0.0/12
--zone=trusted --add-source=192.168.7.0/25
--zone=drop --add-source=2001:db8:bad::/64
--zone=work --add-source=100.64.0.0/10
--zone=work --add-port=7000/tcp
--zone=work --set-target=ACCEPT
--zone=work --add-rich-rule='rule family=ipv4 port port=6443 protocol=tcp reject'
";

/// Tries the ways, and gives how many connections there were and how many of them were accepted.
fn compare_with(backend: &str, ways: &[Way]) -> (usize, usize) {
    let peer = peer();
    let listeners = listen();
    let _firewalld = Firewalld::start(backend, ZONES);
    let counts = compare(&peer, &listeners, ways);
    assert!(counts.refused > 300 && counts.silent > 100, "{counts:?}");
    (counts.accepted + counts.refused + counts.silent, counts.accepted)
}

#[test]
fn verdicts_about_firewalld_are_what_connections_find() {
    in_namespace("managers::firewalld::verdicts_about_firewalld_are_what_connections_find", || {
        let (tried, accepted) = compare_with("nftables", &WAYS);
        assert!(tried == 1000 && accepted > 150, "{accepted} of {tried}");
    });
}

#[test]
fn verdicts_about_firewalld_with_iptables_are_what_connections_find() {
    in_namespace("managers::firewalld::verdicts_about_firewalld_with_iptables_are_what_connections_find", || {
        let (tried, accepted) = compare_with("iptables", &WAYS[..2]);
        assert!(tried == 650 && accepted > 100, "{accepted} of {tried}");
    });
}
