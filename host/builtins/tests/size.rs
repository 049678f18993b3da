//! A machine with many listeners, interfaces and addresses fits into the limits of a guest, in milliseconds.

#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the bans are for the product"
)]

mod machine;

use std::net::IpAddr;
use std::time::Instant;

use loopgate_engine::{Engine, Outcome, Plugin, PreparedFacts, RuleResult};
use loopgate_facts::{
    BlockReason, Facts, Interface, InterfaceAddress, InterfaceKind, InterfaceSettings, Listener, MAX_DOCUMENT_BYTES,
    Prefix, Protocol, ReachPath, ReachVerdict, Reachability, RpFilter, RuleReference, Scope,
};

const LISTENERS: u16 = 200;
const INTERFACES: u8 = 4;
const ADDRESSES: u8 = 8;

/// Everything at once: 19,200 regions, each with a list of sources that is cut and with the most rules beside it.
fn large_machine() -> Facts {
    let mut facts = machine::patched("{}").unwrap();
    let settings = facts.interfaces[1].settings;
    facts.interfaces.truncate(1);
    facts.interfaces.extend((1..=INTERFACES).map(|number| interface(number, settings)));
    facts.firewall.spoofed_loopback.clear();
    facts.firewall.default_input.clear();
    let regions = regions();
    facts.listeners = (1..=LISTENERS).map(|number| listener(2000 + number, &regions)).collect();
    facts.normalise();
    facts
}

fn interface(number: u8, settings: InterfaceSettings) -> Interface {
    let entry = |last| {
        let address = IpAddr::from([10, number, 0, last]);
        InterfaceAddress { address, prefix_length: 24, scope: Scope::of(address), flags: Vec::new() }
    };
    Interface {
        name: format!("eth{number}").into(),
        index: 10 + u32::from(number),
        kind: InterfaceKind::Ethernet,
        up: true,
        running: true,
        mtu: 1500,
        master: None,
        addresses: (1..=ADDRESSES).map(entry).collect(),
        settings: InterfaceSettings { rp_filter: Some(RpFilter::Loose), ..settings },
    }
}

fn rule(handle: u64) -> RuleReference {
    RuleReference {
        backend: "nf-tables".to_owned(),
        family: "inet".to_owned(),
        table: "filter".into(),
        chain: "input".into(),
        handle: Some(handle),
        line: None,
        text: format!("ip saddr @blocked tcp dport {handle} counter packets 0 bytes 0 drop").into(),
    }
}

fn regions() -> Vec<Reachability> {
    let single = |number: u32| Prefix::new(IpAddr::V4(number.into()), 32).unwrap();
    let many: Vec<_> = (0..1000).map(|number| single(number * 4_000_000)).collect();
    let verdicts = [ReachVerdict::Reachable, ReachVerdict::Blocked, ReachVerdict::Unknown];
    let mut regions = Vec::new();
    for (number, last) in (1..=INTERFACES).flat_map(|number| (1..=ADDRESSES).map(move |last| (number, last))) {
        for (part, verdict) in many.chunks(334).zip(verdicts) {
            let (sources, unlisted_sources) = Reachability::shortened(part.iter().copied());
            regions.push(Reachability {
                interfaces: vec![format!("eth{number}").into()],
                destinations: vec![IpAddr::from([10, number, 0, last])],
                port: 0,
                sources,
                excluded_sources: Vec::new(),
                unlisted_sources,
                verdict,
                reason: (verdict == ReachVerdict::Blocked).then_some(BlockReason::Dropped),
                unknown_because: if verdict == ReachVerdict::Unknown { vec!["xt bpf".into()] } else { Vec::new() },
                path: ReachPath::Input,
                translated_to: None,
                decided_by: Some(rule(u64::from(number))),
                narrowed_by: (1..=16).map(rule).collect(),
                notes: Vec::new(),
            });
        }
    }
    regions
}

fn listener(port: u16, regions: &[Reachability]) -> Listener {
    let reachability = regions.iter().map(|region| Reachability { port, ..region.clone() }).collect();
    Listener { reachability, ..Listener::at(Protocol::Tcp, IpAddr::from([0; 4]), port) }
}

/// Demand 6: a large machine costs little.
#[test]
fn a_large_machine_is_judged_within_the_limits() {
    let facts = large_machine();
    let count: usize = facts.listeners.iter().map(|listener| listener.reachability.len()).sum();
    assert_eq!(count, 19_200);
    let engine = Engine::new().unwrap();
    let start = Instant::now();
    let prepared = PreparedFacts::new(&facts);
    eprintln!("converting {count} regions: {:?}", start.elapsed());
    for builtin in loopgate_builtins::all() {
        let rule =
            r#"{"rules": [{"id": "r", "title": "t", "check": "reach_at_least(listener, 'none')", "message": "m"}]}"#;
        let parameters = if builtin.name == "cel" { rule } else { "{}" };
        let plugin = Plugin::from_builtin(&engine, builtin).unwrap().configure(parameters).unwrap();
        let start = Instant::now();
        let results = plugin.evaluate(&prepared).unwrap();
        eprintln!("{}: {:?}", builtin.name, start.elapsed());
        assert!(results.iter().all(Option::is_some), "{}: a rule is missing", builtin.name);
        if builtin.name == "listeners" {
            let is_found = |result: &RuleResult| matches!(&result.outcome, Outcome::Fail { findings, .. } if findings.len() == usize::from(LISTENERS));
            assert!(results.iter().flatten().any(is_found), "{results:#?}");
        }
    }
}

/// Many large machines fit into a document; the largest lists repeat for every listener and address.
#[test]
fn a_large_machine_fits_into_a_document() {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut facts = large_machine();
    for region in facts.listeners.iter_mut().flat_map(|listener| &mut listener.reachability) {
        region.narrowed_by.truncate(2);
        region.sources.truncate(64);
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, &facts).unwrap();
    assert!(count.0 < MAX_DOCUMENT_BYTES, "{} bytes", count.0);
}
