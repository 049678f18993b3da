use super::*;
use loopgate_test_support::{in_namespace, run};
use std::path::Path;

#[test]
fn first() {
    in_namespace("linux::firewall::legacy::tests::first", || {
        run("iptables-legacy", &["-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]);
        let Reading::Read(ruleset) = read(&Root::new(Path::new("/")), Family::Ip).unwrap() else { panic!() };
        println!("{ruleset:#?}");
    });
}
