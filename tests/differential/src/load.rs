//! Loads rulesets into the kernel, in this thread's network namespace.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use loopgate_test_support::command;

use crate::nftables::Nftables;
use crate::ruleset::{Ruleset, Tool};

/// Loads rulesets, each in place of the one before.
pub struct Loader {
    nftables: Nftables,
    /// Tables of the older backend that were made: they can be emptied, but not be taken away.
    legacy: BTreeSet<(Tool, String)>,
}

/// The chains of the tables of iptables that the kernel makes with them.
fn built_in_chains(table: &str) -> &'static [&'static str] {
    match table {
        "raw" => &["PREROUTING", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        _ => &["INPUT", "FORWARD", "OUTPUT"],
    }
}

impl Loader {
    /// A loader for this thread's network namespace.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self { nftables: Nftables::open()?, legacy: BTreeSet::new() })
    }

    /// Loads a ruleset in place of the one before. The error is what the tool says.
    pub fn load(&mut self, ruleset: &Ruleset) -> Result<(), String> {
        self.empty_legacy_tables(ruleset)?;
        self.nftables.run(&format!("flush ruleset\n{}", ruleset.text_for(Tool::Nft)))?;
        for tool in ruleset.tools().into_iter().filter(|tool| *tool != Tool::Nft) {
            if matches!(tool, Tool::IptablesLegacy | Tool::Ip6tablesLegacy) {
                let tables = ruleset.tables.iter().filter(|table| table.tool == tool);
                self.legacy.extend(tables.map(|table| (tool, table.name.clone())));
            }
            restore(tool, &ruleset.text_for(tool))?;
        }
        Ok(())
    }

    fn empty_legacy_tables(&self, ruleset: &Ruleset) -> Result<(), String> {
        for tool in [Tool::IptablesLegacy, Tool::Ip6tablesLegacy] {
            let mut text = String::new();
            let is_loaded = |name: &str| ruleset.tables.iter().any(|table| table.tool == tool && table.name == name);
            for (_, name) in self.legacy.iter().filter(|(of, name)| *of == tool && !is_loaded(name)) {
                _ = writeln!(text, "*{name}");
                for chain in built_in_chains(name) {
                    _ = writeln!(text, ":{chain} ACCEPT [0:0]");
                }
                text.push_str("COMMIT\n");
            }
            if !text.is_empty() {
                restore(tool, &text)?;
            }
        }
        Ok(())
    }
}

fn restore(tool: Tool, text: &str) -> Result<(), String> {
    let run = || {
        // The lock of iptables is of the machine, which the namespace has nothing to do with.
        let lock = std::env::temp_dir().join(format!("loopgate-xtables-{}.lock", std::process::id()));
        let mut child = command(tool.program())
            .env("XTABLES_LOCKFILE", lock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()))?;
        child.wait_with_output()
    };
    let output = run().map_err(|error| format!("{}: {error}", tool.program()))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
