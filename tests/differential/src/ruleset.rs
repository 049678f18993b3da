//! A ruleset as text with a structure, so that parts of it can be left out when it is shrunk.

use std::fmt::{self, Write as _};

/// A ruleset, as some tools load it, one table after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables, in the order they are loaded.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Who loads it.
    pub tool: Tool,
    /// Its name; with `nft(8)` its family too: `inet t0`.
    pub name: String,
    /// Sets and maps, of `nft(8)` and of `ipset(8)`.
    pub sets: Vec<Set>,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// The program that loads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Tool {
    Ipset,
    Nft,
    IptablesNft,
    Ip6tablesNft,
    IptablesLegacy,
    Ip6tablesLegacy,
}

impl Tool {
    /// The program that reads what [`Ruleset::text_for`] gives.
    pub fn program(self) -> &'static str {
        match self {
            Self::Ipset => "ipset",
            Self::Nft => "nft",
            Self::IptablesNft => "iptables-nft-restore",
            Self::Ip6tablesNft => "ip6tables-nft-restore",
            Self::IptablesLegacy => "iptables-legacy-restore",
            Self::Ip6tablesLegacy => "ip6tables-legacy-restore",
        }
    }
}

/// A set or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// `set NAME` or `map NAME`; of `ipset(8)` the name alone.
    pub name: String,
    /// Its type and flags.
    pub header: String,
    /// Its elements.
    pub elements: Vec<String>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// For a base chain of `nft(8)`, its type, hook and priority; empty for others and for other tools.
    pub base: String,
    /// The policy drops.
    pub drops: bool,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule: its parts, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The parts.
    pub parts: Vec<Part>,
}

/// A match or a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is, for the count of what was covered: `ip saddr`, `accept`.
    pub key: &'static str,
    /// It as the tool reads it.
    pub text: String,
}

impl Part {
    /// A part.
    pub fn new(key: &'static str, text: impl Into<String>) -> Self {
        Self { key, text: text.into() }
    }
}

impl Ruleset {
    /// The tools that load it.
    pub fn tools(&self) -> Vec<Tool> {
        let mut tools: Vec<Tool> = self.tables.iter().map(|table| table.tool).collect();
        tools.sort();
        tools.dedup();
        tools
    }

    /// What a tool loads, as text.
    pub fn text_for(&self, tool: Tool) -> String {
        let mut text = String::new();
        for table in self.tables.iter().filter(|table| table.tool == tool) {
            text.push_str(&match tool {
                Tool::Ipset => table.ipset(),
                Tool::Nft => table.nft(),
                _ => table.save_format(),
            });
        }
        text
    }

    /// The matches and statements that it uses.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let rules = self.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        rules.flat_map(|rule| &rule.parts).map(|part| part.key)
    }
}

impl fmt::Display for Ruleset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tool in self.tools() {
            writeln!(formatter, "# {}\n{}", tool.program(), self.text_for(tool))?;
        }
        Ok(())
    }
}

impl Table {
    fn nft(&self) -> String {
        let mut text = format!("table {} {{\n", self.name);
        for set in &self.sets {
            _ = writeln!(text, "  {} {{ {};", set.name, set.header);
            if !set.elements.is_empty() {
                _ = writeln!(text, "    elements = {{ {} }}", set.elements.join(", "));
            }
            text.push_str("  }\n");
        }
        for chain in &self.chains {
            _ = writeln!(text, "  chain {} {{", chain.name);
            if !chain.base.is_empty() {
                _ = writeln!(text, "    {}; policy {};", chain.base, if chain.drops { "drop" } else { "accept" });
            }
            for rule in &chain.rules {
                _ = writeln!(text, "    {rule}");
            }
            text.push_str("  }\n");
        }
        text.push_str("}\n");
        text
    }

    /// The format of `ipset save`.
    fn ipset(&self) -> String {
        let mut text = String::new();
        for set in &self.sets {
            _ = writeln!(text, "create {} {}", set.name, set.header);
            for element in &set.elements {
                _ = writeln!(text, "add {} {element}", set.name);
            }
        }
        text
    }

    /// The format of `iptables-save(8)`.
    fn save_format(&self) -> String {
        let mut text = format!("*{}\n", self.name);
        for chain in &self.chains {
            let policy = match (chain.name.chars().all(|letter| letter.is_ascii_uppercase()), chain.drops) {
                (false, _) => "-",
                (true, false) => "ACCEPT",
                (true, true) => "DROP",
            };
            _ = writeln!(text, ":{} {policy} [0:0]", chain.name);
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                _ = writeln!(text, "-A {} {rule}", chain.name);
            }
        }
        text.push_str("COMMIT\n");
        text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.parts.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(formatter, "{space}{}", part.text)?;
        }
        Ok(())
    }
}
