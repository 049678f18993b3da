//! The controls of the CIS benchmarks, with each of the tools, on a fresh Debian machine with real servers: a compliant
//! machine passes, and every single thing that is wrong about loopback fails the control of that tool and changes nothing
//! else.

use std::collections::BTreeMap;
use std::fs;

use loopgate_test_support::{in_namespace_of_processes, run as program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::debian::{Debian, Servers};
use crate::managers::{Firewalld, ufw};
use crate::support::{outcome, run};

/// Outcomes by the rule that they are of.
type Outcomes = BTreeMap<String, String>;

/// What the organisation adds to the benchmark: what is approved to listen. The two others listen on loopback alone, which
/// needs no approval.
const APPROVED: &str = r#"
schema = 1
extends = ["cis"]

[[approved]]
executable = "/usr/sbin/sshd"
port = 22
reach = "public"
owner = "operations"
reason = "administration"

[[approved]]
executable = "/usr/sbin/nginx"
port = 80
reach = "public"
owner = "web team"
reason = "the shop"
"#;

/// The report on this machine, as if it ran a distribution.
fn report((id, version): (&str, &str)) -> Value {
    let folder = TempDir::new().unwrap();
    let [policy, facts] = ["policy.toml", "facts.json"].map(|name| folder.path().join(name).display().to_string());
    let mut observed = run(["facts"]).json();
    observed["host"]["distribution"] = json!({ "id": id, "version_id": version, "id_like": [] });
    fs::write(&facts, observed.to_string()).unwrap();
    fs::write(&policy, APPROVED).unwrap();
    run(["check", "--format", "json", "--policy", &policy, "--facts", &facts]).json()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The outcomes of the rules of the plugin.
pub(crate) fn outcomes() -> Outcomes {
    of_rules(&report(DEBIAN))
}

fn of_rules(report: &Value) -> Outcomes {
    let rules = report["rules"].as_array().unwrap().iter();
    let own =
        rules.filter_map(|rule| Some((rule["id"].as_str()?.strip_prefix("cis/")?.to_owned(), text(&rule["outcome"]))));
    own.collect()
}

/// The controls of the benchmark for the distribution.
fn controls(report: &Value) -> &Value {
    let [section] = report["controls"].as_array().unwrap().as_slice() else { panic!("one benchmark is for a machine") };
    &section["controls"]
}

/// The outcome of the control that one rule answers.
fn of_control<'a>(report: &'a Value, rule: &str) -> &'a Value {
    let answered = controls(report).as_array().unwrap().iter().find(|control| control["rules"] == json!([rule]));
    &answered.unwrap_or_else(|| panic!("no control that {rule} answers"))["outcome"]
}

/// All that a report says of the machine beside a rule, what it found, and the control that it answers.
fn beside(report: &Value, rule: &str) -> Value {
    let keep = |section: &Value, key: &str, is: &Value| {
        let entries = section.as_array().unwrap().iter();
        entries.filter(|entry| entry[key] != *is).cloned().collect::<Vec<_>>()
    };
    json!({
        "rules": keep(&report["rules"], "id", &json!(rule)),
        "findings": keep(&report["findings"], "rule", &json!(rule)),
        "controls": keep(controls(report), "rules", &json!([rule])),
        "gaps": report["gaps"],
    })
}

const DEBIAN: (&str, &str) = ("debian", "12");
/// The benchmark that has a control for firewalld.
const RED_HAT: (&str, &str) = ("rhel", "9.4");

/// A machine that some of the controls are applicable to.
struct Machine {
    _servers: Servers,
    _debian: Debian,
    distribution: (&'static str, &'static str),
    compliant: Value,
}

impl Machine {
    /// Manages it, and sees that it is compliant: that the controls that are named pass, and the others are not
    /// applicable.
    fn new(manage: impl FnOnce(), applicable: &[&str]) -> Self {
        let debian = Debian::new();
        let servers = debian.servers();
        manage();
        let distribution = if applicable.contains(&"loopback-firewalld") { RED_HAT } else { DEBIAN };
        let compliant = report(distribution);
        for (control, outcome) in &of_rules(&compliant) {
            let expected = if applicable.contains(&control.as_str()) { "pass" } else { "not-applicable" };
            assert_eq!(outcome, expected, "{control}");
        }
        assert_eq!((&compliant["exit_code"], &compliant["findings"]), (&json!(0), &json!([])), "{compliant:#}");
        Self { _servers: servers, _debian: debian, distribution, compliant }
    }

    /// Sees that one thing that was done fails one control, and changes nothing else that the report says.
    fn assert_broken(&self, control: &str, what: &str) {
        let (broken, rule) = (report(self.distribution), format!("cis/{control}"));
        assert_eq!((outcome(&self.compliant, &rule), outcome(&broken, &rule)), ("pass", "fail"), "after {what}");
        assert_eq!((of_control(&self.compliant, &rule), of_control(&broken, &rule)), (&json!("pass"), &json!("fail")));
        assert_eq!(beside(&broken, &rule), beside(&self.compliant, &rule), "after {what}");
    }

    fn assert_compliant(&self) {
        assert_eq!(of_rules(&report(self.distribution)), of_rules(&self.compliant));
    }
}

const NFT: [&str; 6] = [
    "input iif lo accept",
    "input ip saddr 127.0.0.0/8 drop",
    "input ip6 saddr ::1 drop",
    "output oif lo accept",
    "input ct state established,related accept",
    "input tcp dport { 22, 80 } accept",
];

fn nft(rules: &[&str]) {
    let chain =
        |hook| format!("add chain inet filter {hook} {{ type filter hook {hook} priority filter; policy drop; }}");
    let mut lines = vec!["flush ruleset".to_owned(), "add table inet filter".to_owned()];
    lines.extend(["input", "output"].map(chain));
    lines.push("add rule inet filter output ct state established,related accept".to_owned());
    lines.extend(rules.iter().map(|rule| format!("add rule inet filter {rule}")));
    program("nft", &[&lines.join("\n")]);
}

#[test]
fn single_mistakes_with_nft_fail_the_control_for_nftables() {
    in_namespace_of_processes("cis::single_mistakes_with_nft_fail_the_control_for_nftables", || {
        let machine = Machine::new(|| nft(&NFT), &["loopback-nftables", "mta-local-only"]);
        for wrong in 0..4 {
            let mut rules = NFT.to_vec();
            let removed = rules.remove(wrong);
            nft(&rules);
            machine.assert_broken("loopback-nftables", removed);
        }
        let mut opened_first = NFT.to_vec();
        opened_first.rotate_right(1);
        nft(&opened_first);
        machine.assert_broken("loopback-nftables", "opening a port first");
        let one_address = NFT.map(|rule| if rule.contains("127") { "input ip saddr 127.0.0.1 drop" } else { rule });
        nft(&one_address);
        machine.assert_broken("loopback-nftables", "dropping one address of 127.0.0.0/8");
        nft(&NFT);
        machine.assert_compliant();
    });
}

/// Rules of iptables for both versions, but for those that a mistake leaves out.
fn iptables(form: &str, without: Option<(&str, &str)>) {
    for (version, loopback) in [("", "127.0.0.0/8"), ("6", "::1")] {
        let rules = [
            "INPUT -i lo -j ACCEPT".to_owned(),
            format!("INPUT -s {loopback} -j DROP"),
            "OUTPUT -o lo -j ACCEPT".to_owned(),
            "INPUT -p tcp --dport 22 -j ACCEPT".to_owned(),
            "INPUT -p tcp --dport 80 -j ACCEPT".to_owned(),
            "OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".to_owned(),
        ];
        let is_kept = |rule: &&String| without.is_none_or(|(of, part)| of != version || !rule.contains(part));
        let rules: Vec<_> = rules.iter().filter(is_kept).map(|rule| format!("-A {rule}\n")).collect();
        assert_eq!(rules.len(), if without.is_some_and(|(of, _)| of == version) { 5 } else { 6 });
        let save =
            format!("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n{}COMMIT\n", rules.concat());
        program("sh", &["-c", &format!("ip{version}tables-{form}-restore <<'END'\n{save}END\n")]);
    }
}

fn single_mistakes_with_iptables(form: &str) {
    let applicable =
        ["loopback-iptables", "loopback-ip6tables", "open-ports-iptables", "open-ports-ip6tables", "mta-local-only"];
    let machine = Machine::new(|| iptables(form, None), &applicable);
    for (version, control) in [("", "loopback-iptables"), ("6", "loopback-ip6tables")] {
        for part in ["-i lo", "-s ", "-o lo"] {
            iptables(form, Some((version, part)));
            machine.assert_broken(control, part);
        }
    }
    for (version, control) in [("", "open-ports-iptables"), ("6", "open-ports-ip6tables")] {
        for part in ["--dport 22", "--dport 80"] {
            iptables(form, Some((version, part)));
            machine.assert_broken(control, part);
        }
    }
}

#[test]
fn single_mistakes_with_iptables_fail_the_control_for_the_version() {
    in_namespace_of_processes("cis::single_mistakes_with_iptables_fail_the_control_for_the_version", || {
        single_mistakes_with_iptables("nft");
    });
}

#[test]
fn single_mistakes_with_legacy_iptables_fail_the_control_for_the_version() {
    in_namespace_of_processes("cis::single_mistakes_with_legacy_iptables_fail_the_control_for_the_version", || {
        single_mistakes_with_iptables("legacy");
    });
}

fn managed_by_ufw(lines: &str) {
    program("nft", &["flush ruleset"]);
    ufw(&format!("default deny outgoing\n{lines}"));
}

#[test]
fn single_mistakes_with_ufw_fail_the_control_for_ufw() {
    in_namespace_of_processes("cis::single_mistakes_with_ufw_fail_the_control_for_ufw", || {
        let right = "deny in from 127.0.0.0/8\ndeny in from ::1\nallow 22\nallow 80\n";
        let applicable = ["loopback-ufw", "open-ports-ufw", "mta-local-only"];
        let machine = Machine::new(|| managed_by_ufw(right), &applicable);
        for wrong in [
            "deny in from ::1\nallow 22\nallow 80\n",
            "deny in from 127.0.0.0/8\nallow 22\nallow 80\n",
            "allow 22\ndeny in from 127.0.0.0/8\ndeny in from ::1\nallow 80\n",
        ] {
            managed_by_ufw(wrong);
            machine.assert_broken("loopback-ufw", wrong);
        }
        for (program_of, rule) in [
            ("iptables-nft", "ufw-before-input -i lo -j ACCEPT"),
            ("iptables-nft", "ufw-before-output -o lo -j ACCEPT"),
            ("ip6tables-nft", "ufw6-before-input -i lo -j ACCEPT"),
            ("ip6tables-nft", "ufw6-before-output -o lo -j ACCEPT"),
        ] {
            managed_by_ufw(right);
            program(program_of, &["-D"].into_iter().chain(rule.split(' ')).collect::<Vec<_>>());
            machine.assert_broken("loopback-ufw", rule);
        }
        for port in ["22", "80"] {
            managed_by_ufw(&right.replace(&format!("allow {port}"), "allow 23"));
            machine.assert_broken("open-ports-ufw", "opening another port than the one that listens");
        }
    });
}

/// What firewalld is told to drop.
const FIREWALLD: [&str; 2] = ["--zone=drop --add-source=127.0.0.0/8\n", "--zone=drop --add-source=::1\n"];

/// firewalld, which lets everybody reach sshd by itself.
fn firewalld(backend: &str, dropped: &[&str]) -> Firewalld {
    Firewalld::start(backend, &format!("--zone=public --add-service=http\n{}", dropped.concat()))
}

#[test]
fn single_mistakes_with_firewalld_fail_the_control_for_firewalld() {
    in_namespace_of_processes("cis::single_mistakes_with_firewalld_fail_the_control_for_firewalld", || {
        let [v4, v6] = FIREWALLD;
        let mut running = None;
        let mut manage = |dropped: &[&str]| {
            drop(running.take());
            program("nft", &["flush ruleset"]);
            running = Some(firewalld("nftables", dropped));
        };
        let machine = Machine::new(|| manage(&[v4, v6]), &["loopback-firewalld", "mta-local-only"]);
        program("nft", &["insert rule inet firewalld filter_INPUT iifname lo drop"]);
        machine.assert_broken("loopback-firewalld", "dropping what comes in by lo");
        manage(&[v6]);
        machine.assert_broken("loopback-firewalld", "leaving 127.0.0.0/8 out");
        manage(&[v4]);
        machine.assert_compliant();
        program("nft", &["flush chain inet firewalld filter_PREROUTING"]);
        machine.assert_broken("loopback-firewalld", "leaving ::1 out, without IPv6_rpfilter");
    });
}

/// With the older back end its rules are those of iptables, and still its own.
#[test]
fn firewalld_with_iptables_is_not_taken_for_iptables() {
    in_namespace_of_processes("cis::firewalld_with_iptables_is_not_taken_for_iptables", || {
        let mut running = None;
        let manage = || running = Some(firewalld("iptables", &FIREWALLD));
        let machine = Machine::new(manage, &["loopback-firewalld", "mta-local-only"]);
        program("iptables-nft", &["-I", "INPUT_ZONES", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]);
        machine.assert_broken("loopback-firewalld", "opening a port first");
    });
}

#[test]
fn without_a_packet_filter_one_control_says_so() {
    in_namespace_of_processes("cis::without_a_packet_filter_one_control_says_so", || {
        let debian = Debian::new();
        let _servers = debian.servers();
        let failed: Vec<_> = outcomes().into_iter().filter(|(_, outcome)| outcome == "fail").collect();
        assert_eq!(failed, [("loopback-nftables".to_owned(), "fail".to_owned())]);
    });
}
