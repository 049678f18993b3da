//! Rulesets that are kept: those of the tree, and those of a folder that `LOOPGATE_RULESETS` names.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use loopgate_test_differential::packet::Protocol;
use loopgate_test_differential::plan::{HOST_V4, HOST_V6, entry};
use loopgate_test_support::rulesets;

use super::*;

/// Rules of nft, with the constructs that the random ones do not have.
const UNUSUAL: &str = r#"
table inet t {
    chain early {
        type filter hook prerouting priority -200
        fib saddr . iif oif missing tcp dport 1-9 drop
        fib saddr . iif oif exists tcp dport 10 drop
        fib saddr . mark . iif oif 0 tcp dport 11 drop
        fib saddr oifname "eth1" tcp dport 12 drop
        fib saddr . iif oif "eth0" tcp dport 13 drop
        fib daddr . iif type != local tcp dport 14 drop
        fib saddr oif != 0 tcp dport 15 drop
    }
    chain in {
        type filter hook input priority 0; policy drop
        tcp dport 20 tcp option maxseg size 1460 accept
        tcp dport 21 tcp option maxseg size < 500 drop
        tcp dport 22 tcp option maxseg exists accept
        tcp dport 23 tcp option window count 7 accept
        tcp dport 24 exthdr frag missing accept
        tcp dport 25 rt type 0 drop
        tcp dport 26 frag id 1 drop
        tcp dport 27 hbh nexthdr tcp drop
        tcp dport 28 ip option rr missing accept
        tcp dport 29 socket transparent 1 accept
        tcp dport 30 ct event set new,destroy accept
        tcp dport 31 meta iifgroup default accept
        tcp dport 32 ip saddr & 255.0.0.255 == 10.0.0.2 accept
        tcp dport 33 ct original ip daddr 10.9.0.1 accept
        tcp dport 20-33 accept
    }
}
table ip n {
    chain pre {
        type nat hook prerouting priority -100
        tcp dport 40 dnat to 10.77.0.20-10.77.0.21
        tcp dport 41 dnat to 10.77.0.20-10.77.0.22
        tcp dport 42 dnat to 10.9.0.5-10.9.0.5
        tcp dport 43 dnat to 10.77.0.20:80-90
        tcp dport 44 redirect to :8080
    }
}
"#;

/// The same for iptables, where the older backend and nf_tables hold the same structures.
const EXTENSIONS: &str = "\
*raw
:PREROUTING ACCEPT
-A PREROUTING -p tcp -m tcp --dport 1 -m conntrack ! --ctorigsrc 10.9.0.0/16 -j DROP
-A PREROUTING -p tcp -m tcp --dport 2 -m conntrack --ctstate INVALID --ctorigdstport 2 -j DROP
-A PREROUTING -p tcp -m tcp --dport 3 -m connmark ! --mark 0x1 -j DROP
-A PREROUTING -p tcp -m tcp --dport 4 -m conntrack ! --ctstatus CONFIRMED -j DROP
-A PREROUTING -p tcp -m tcp --dport 5 -m devgroup --src-group 0x0 -j DROP
-A PREROUTING -p tcp -m tcp --dport 6 -m devgroup ! --src-group 0x1/0x3 -j DROP
-A PREROUTING -p tcp -m tcp --dport 7 -m addrtype --src-type UNICAST -j DROP
-A PREROUTING -p tcp -m tcp --dport 8 -m addrtype ! --src-type LOCAL --dst-type LOCAL -j DROP
-A PREROUTING -p tcp -m tcp --dport 9 -j CT --notrack
COMMIT
*filter
:INPUT DROP
-A INPUT -p tcp -m tcp --dport 9 -m conntrack --ctstate INVALID,UNTRACKED --ctproto 6 -j DROP
-A INPUT -p tcp -m tcp --dport 10 -m conntrack ! --ctstate RELATED --ctorigdstport 10 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 1:19 -j ACCEPT
COMMIT
";

const PREFIXES: &str = "\
*nat
:PREROUTING ACCEPT
:own -
-A PREROUTING -p tcp -m tcp --dport 1:3 -j own
-A own -p tcp -m tcp --dport 1 -j NETMAP --to 10.77.0.0/24
-A own -p tcp -m tcp --dport 2 -j NETMAP --to 10.9.0.5/32
COMMIT
";

const HEADERS: &str = "\
*filter
:INPUT DROP
-A INPUT -p tcp -m tcp --dport 1 -m rt --rt-type 0 -j DROP
-A INPUT -p tcp -m tcp --dport 2 -m frag --fragid 1 -j DROP
-A INPUT -p tcp -m tcp --dport 3 -m hbh ! --hbh-len 5 -j DROP
-A INPUT -p tcp -m tcp --dport 4 -m dst --dst-len 5 -j DROP
-A INPUT -p tcp -m tcp --dport 1:9 -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT
-A PREROUTING -p tcp -m tcp --dport 5 -j NETMAP --to fd77::/64
COMMIT
";

const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/firewall/tests/data");

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn rules_of_the_tree_are_the_same_from_the_kernel_and_as_text() {
    in_namespace("kept::rules_of_the_tree_are_the_same_from_the_kernel_and_as_text", || {
        let mut host = Host::new();
        let tree = Path::new(TREE);
        host.try_kept(Tool::Nft, "unusual", UNUSUAL);
        host.try_kept(Tool::Nft, "native.nft", &read(tree, "native.nft"));
        for (name, text) in [("extensions", EXTENSIONS), ("prefixes", PREFIXES)] {
            host.try_both(false, name, text);
        }
        for (name, text) in
            [("extensions", &EXTENSIONS.replace("10.9.0.0/16", "fd09::/16")), ("headers", &HEADERS.into())]
        {
            host.try_both(true, name, text);
        }
        for name in ["filter", "native"] {
            host.try_both(false, name, &read(tree, &format!("{name}.iptables")));
            host.try_both(true, name, &read(tree, &format!("{name}.ip6tables")));
        }
        assert_eq!(host.refused, [""; 0]);
        host.judge();
    });
}

/// Files that nf_tables cannot load, and others that the tools refuse, are counted and left out.
#[test]
fn rules_of_a_folder_are_the_same_from_the_kernel_and_as_text() {
    let Some(folder) = rulesets("rules_of_a_folder_are_the_same_from_the_kernel_and_as_text") else { return };
    in_namespace("kept::rules_of_a_folder_are_the_same_from_the_kernel_and_as_text", || {
        let mut host = Host::new();
        for path in files(&folder) {
            let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
            let text = read(folder, name);
            if is_nft(&path) {
                // nft 1.0.6 does not take the name of this priority at this hook.
                host.try_kept(
                    Tool::Nft,
                    name,
                    &text.replace("hook output priority dstnat", "hook output priority -100"),
                );
            } else {
                host.try_both(name.contains("ip6tables"), name, &text);
            }
        }
        assert!(host.rulesets.len() > 1, "{folder:?} has no rulesets");
        host.judge();
    });
}

fn is_nft(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "nft")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let folders = ["generated", "moby", "misc", "iptables-semantics"].map(|name| folder.join(name));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_save = (name.contains("tables-save") || name.ends_with("tables-S")) && !name.contains(".Ln.");
        is_save || is_nft(path)
    });
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths
}

impl Host {
    /// Tries what one tool loads on the ports that it names.
    fn try_kept(&mut self, tool: Tool, name: &str, text: &str) {
        if let Err(error) = self.loader.load_texts(&[(tool, text.to_owned())]) {
            let line = error.lines().next().unwrap_or_default();
            self.refused.push(format!("{name} by {}: {line}", tool.program()));
            return;
        }
        let questions = self.questions(tool, text);
        let different = self.compare_loaded(&[tool], &questions);
        self.different.extend(different.into_iter().take(3).map(|found| format!("{name}: {}", found.shown)));
    }

    /// The same with iptables of nf_tables and the older one.
    fn try_both(&mut self, is_ip6: bool, name: &str, text: &str) {
        let tools = if is_ip6 {
            [Tool::Ip6tablesNft, Tool::Ip6tablesLegacy]
        } else {
            [Tool::IptablesNft, Tool::IptablesLegacy]
        };
        for tool in tools {
            self.try_kept(tool, name, text);
        }
    }

    fn questions(&self, tool: Tool, text: &str) -> Vec<Question> {
        let mut addresses: Vec<IpAddr> = vec![HOST_V4[0].into(), HOST_V4[5].into(), HOST_V6[0].into()];
        addresses.retain(|address| match tool {
            Tool::Nft | Tool::Ipset => true,
            Tool::IptablesNft | Tool::IptablesLegacy => address.is_ipv4(),
            Tool::Ip6tablesNft | Tool::Ip6tablesLegacy => address.is_ipv6(),
        });
        let mut questions = Vec::new();
        for link in [0, 1, entry::HOST] {
            for port in ports(text) {
                for to in addresses.iter().map(|address| SocketAddr::new(*address, port)) {
                    questions.extend(
                        [Protocol::Tcp, Protocol::Udp].map(|protocol| question(&self.surroundings, link, protocol, to)),
                    );
                }
            }
        }
        questions
    }
}

/// The most ports of one ruleset that are asked about, and the most lines times ports.
const PORTS: usize = 24;
const LINES: usize = 1200;

/// Numbers that may be ports, and one that nothing names.
fn ports(text: &str) -> BTreeSet<u16> {
    let words = text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let named: BTreeSet<u16> = words.filter(|port| *port > 0).collect();
    let most = (LINES / text.lines().count().max(1)).clamp(2, PORTS);
    let step = named.len().div_ceil(most).max(1);
    named.into_iter().step_by(step).chain([22, 61_234]).collect()
}
