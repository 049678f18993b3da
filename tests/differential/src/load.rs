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
    /// There are sets of `ipset(8)`.
    sets: bool,
}

/// How often sets are tried to be taken away: the kernel forgets the rules that named them a little later.
const PATIENCE: usize = 1000;

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
        Ok(Self { nftables: Nftables::open()?, legacy: BTreeSet::new(), sets: false })
    }

    /// Loads a ruleset in place of the one before. The error is what the tool says.
    pub fn load(&mut self, ruleset: &Ruleset) -> Result<(), String> {
        let texts: Vec<_> = ruleset.tools().into_iter().map(|tool| (tool, ruleset.text_for(tool))).collect();
        self.load_texts(&texts)
    }

    /// The same for what the tools read.
    pub fn load_texts(&mut self, texts: &[(Tool, String)]) -> Result<(), String> {
        self.empty_legacy_tables(texts)?;
        let of_nft = texts.iter().filter(|(tool, _)| *tool == Tool::Nft).map(|(_, text)| text.as_str());
        self.nftables.run(&format!("flush ruleset\n{}", of_nft.collect::<String>()))?;
        self.forget_sets()?;
        for (tool, text) in texts.iter().filter(|(tool, _)| *tool != Tool::Nft) {
            self.sets |= *tool == Tool::Ipset;
            if matches!(tool, Tool::IptablesLegacy | Tool::Ip6tablesLegacy) {
                self.legacy.extend(tables_of(text).map(|name| (*tool, name.to_owned())));
            }
            restore(*tool, text)?;
        }
        Ok(())
    }

    /// Those that are members of others have to leave them first.
    fn forget_sets(&mut self) -> Result<(), String> {
        let mut tries = 0;
        while self.sets {
            match restore(Tool::Ipset, "flush\ndestroy\n") {
                Ok(()) => self.sets = false,
                Err(error) if tries == PATIENCE => return Err(error),
                Err(_) => tries += 1,
            }
        }
        Ok(())
    }

    fn empty_legacy_tables(&self, texts: &[(Tool, String)]) -> Result<(), String> {
        for tool in [Tool::IptablesLegacy, Tool::Ip6tablesLegacy] {
            let mut text = String::new();
            // Those that name sets are in the way of taking the sets away.
            let is_loaded = |name: &str| {
                !self.sets && texts.iter().any(|(of, text)| *of == tool && tables_of(text).any(|loaded| loaded == name))
            };
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

/// The tables of what `iptables-save(8)` prints.
fn tables_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim().strip_prefix('*'))
}

fn restore(tool: Tool, text: &str) -> Result<(), String> {
    let run = || {
        let options: &[&str] = if tool == Tool::Ipset { &["-exist", "restore"] } else { &[] };
        let mut child = command(tool.program())
            .args(options)
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
