//! Makes a ruleset of the tables, chains and rules of a file.

use std::collections::HashMap;

use loopgate_facts::Untrusted;

use super::builtin::{self, Builtin};
use super::draft::{self, Draft, Part, TargetDraft};
use super::grammar::{Instance, Site, tests};
use super::sections::{ChainText, File, RuleText, TableText};
use super::words::{Word, words};
use super::{Assumption, Note, ParseError, Parsed, Problem, family, matches, targets};
use crate::loops;
use crate::rule::{Note as Remark, Op, Unknown, Verdict};
use crate::ruleset::{Backend, Chain, ChainId, Family, Notation, Policy, Rule, Table, TableId};

/// Lowers a whole file.
pub(super) fn file(file: &File<'_>, asked: Option<Family>) -> Result<Parsed, ParseError> {
    let mut parsed = Parsed { notes: file.notes.clone(), ..Parsed::default() };
    let families = family::of_tables(file, asked, &mut parsed.notes);
    for (text, family) in file.tables.iter().zip(families) {
        table(&mut parsed, text, family)?;
    }
    parsed.notes.sort_by_key(|note| note.line);
    match loops::find(&parsed.ruleset).and_then(|id| parsed.ruleset.chain(id)) {
        Some(chain) => Err(looping(chain)),
        None => Ok(parsed),
    }
}

/// At the first rule of a chain that leads back to itself.
fn looping(chain: &Chain) -> ParseError {
    let line = chain.rules.first().and_then(|rule| rule.line).unwrap_or(1);
    ParseError::at(line, Problem::Loop(chain.name.clone()))
}

fn table(parsed: &mut Parsed, text: &TableText<'_>, family: Family) -> Result<(), ParseError> {
    let name = Untrusted::from_bytes(text.name);
    let Some(builtin) = builtin::table(text.name) else {
        return Err(ParseError::at(text.line, Problem::UnknownTable(name)));
    };
    if parsed.ruleset.tables.iter().any(|other| other.family == family && other.name == name) {
        return Err(ParseError::at(text.line, Problem::TableTwice(name)));
    }
    let id = TableId(position(parsed.ruleset.tables.len()));
    let table = Table { backend: Backend::Legacy, family, name, dormant: false, notation: Notation::Iptables };
    parsed.ruleset.tables.push(table);
    let mut lowering = Lowering { parsed, builtin, table: id, family, chains: HashMap::new() };
    text.chains.iter().try_for_each(|chain| lowering.chain(chain))?;
    text.rules.iter().try_for_each(|rule| lowering.rule(rule))
}

/// A file has at most as many lines as it has bytes, which is far less than 32 bits hold.
fn position(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

struct Lowering<'f, 'p> {
    parsed: &'p mut Parsed,
    builtin: &'static Builtin,
    table: TableId,
    family: Family,
    /// The chains of the table by name.
    chains: HashMap<&'f [u8], ChainId>,
}

impl<'f> Lowering<'f, '_> {
    fn chain(&mut self, text: &ChainText<'f>) -> Result<(), ParseError> {
        let name = || Untrusted::from_bytes(text.name);
        let policy = match text.policy.as_deref() {
            Some(b"ACCEPT") | None => Policy::Accept,
            Some(b"DROP") => Policy::Drop,
            Some(other) => return Err(bad_policy(text, other)),
        };
        if self.chains.contains_key(text.name) {
            return Err(ParseError::at(text.line, Problem::ChainTwice(name())));
        }
        let base = self.builtin.base(text.name, policy);
        match (&base, &text.policy) {
            (None, Some(policy)) => return Err(bad_policy(text, policy)),
            (Some(_), None) => self.parsed.notes.push(Note { line: text.line, what: Assumption::Policy }),
            _ => {}
        }
        self.add(text.name, base);
        Ok(())
    }

    fn add(&mut self, name: &'f [u8], base: Option<crate::ruleset::Base>) -> ChainId {
        let id = ChainId(position(self.parsed.ruleset.chains.len()));
        let chain = Chain { table: self.table, name: Untrusted::from_bytes(name), base, rules: Vec::new() };
        self.parsed.ruleset.chains.push(chain);
        self.chains.insert(name, id);
        id
    }

    fn rule(&mut self, text: &RuleText<'f>) -> Result<(), ParseError> {
        let words: Vec<_> = words(text.text).collect();
        let (counters, rest) = counters(&words);
        let [_, name, rest @ ..] = rest else {
            return Err(ParseError::at(text.line, Problem::NotALine(Untrusted::from_bytes(text.text))));
        };
        let chain = self.chain_of(text, name)?;
        let site = Site { family: self.family, hook: self.hook(chain) };
        let draft = draft::read(text.text, rest, site);
        let mut rule = Rule { line: Some(text.line), text: Some(Untrusted::from_bytes(text.text)), ..Rule::default() };
        rule.comment = comment(&draft);
        rule.ops.extend(counters.or_else(|| option_counters(rest)));
        rule.ops.extend(self.ops(text, &draft)?);
        // Of a million rules, what lists keep in reserve is half of the memory.
        rule.ops.shrink_to_fit();
        if let Some(chain) = self.parsed.ruleset.chains.get_mut(chain.0 as usize) {
            chain.rules.push(rule);
        }
        Ok(())
    }

    fn hook(&self, chain: ChainId) -> Option<crate::ruleset::Hook> {
        Some(self.parsed.ruleset.chain(chain)?.base.as_ref()?.hook)
    }

    /// The chain that a rule is in. Those of the kernel are there without being declared.
    fn chain_of(&mut self, text: &RuleText<'f>, name: &Word<'f>) -> Result<ChainId, ParseError> {
        let bytes = text.text.get(name.start..name.end).unwrap_or_default();
        if let Some(id) = self.chains.get(bytes) {
            return Ok(*id);
        }
        let Some(base) = self.builtin.base(bytes, Policy::Accept) else {
            let problem = Problem::UndeclaredChain(Untrusted::from_bytes(bytes));
            return Err(ParseError::within(text.line, name.start, problem));
        };
        self.parsed.notes.push(Note { line: text.line, what: Assumption::Policy });
        Ok(self.add(bytes, Some(base)))
    }

    fn ops(&self, text: &RuleText<'f>, draft: &Draft<'_>) -> Result<Vec<Op>, ParseError> {
        if draft.broken {
            return Ok(vec![unknown(Untrusted::from_bytes(text.text), false)]);
        }
        let mut ops: Vec<_> = basic(draft).into_iter().collect();
        ops.extend(draft.parts.iter().flat_map(part));
        if let Some(target) = &draft.target {
            ops.extend(self.target(text, target)?);
        }
        Ok(ops)
    }

    /// What `-j` and `-g` do. A chain of the table goes before an extension of the same name, as
    /// `iptcc_map_target` (`libiptc/libiptc.c`) has it; with options it can only be the extension, so neither is sure.
    fn target(&self, text: &RuleText<'f>, target: &TargetDraft<'_>) -> Result<Vec<Op>, ParseError> {
        let has_options = !target.stray.is_empty() || target.instance.as_ref().is_some_and(Instance::has_options);
        if let Some(verdict) = standard(target)
            && !has_options
        {
            return Ok(vec![Op::Verdict(verdict)]);
        }
        let chain = self.chains.get(&*target.word.value).filter(|chain| self.hook(**chain).is_none());
        match (chain, &target.instance) {
            (Some(chain), _) if !has_options => Ok(vec![Op::Verdict(jump(*chain, target.goto))]),
            (None, Some(instance)) => Ok(instance.lower().unwrap_or_else(|| targets::garbled(instance))),
            (None, None) if !has_options => {
                let problem = Problem::UndeclaredChain(Untrusted::from_bytes(&target.word.value));
                Err(ParseError::within(text.line, target.word.start, problem))
            }
            _ => Ok(vec![unknown(target_words(target), false)]),
        }
    }
}

fn bad_policy(chain: &ChainText<'_>, policy: &[u8]) -> ParseError {
    let (name, policy) = (Untrusted::from_bytes(chain.name), Untrusted::from_bytes(policy));
    ParseError::at(chain.line, Problem::Policy { chain: name, policy })
}

fn unknown(construct: Untrusted, only_matches: bool) -> Op {
    Op::Unknown(Unknown { construct, only_matches })
}

fn jump(chain: ChainId, goto: bool) -> Verdict {
    if goto { Verdict::Goto(chain) } else { Verdict::Jump(chain) }
}

/// The verdicts that need no extension.
fn standard(target: &TargetDraft<'_>) -> Option<Verdict> {
    match &*target.word.value {
        _ if target.goto => None,
        b"ACCEPT" => Some(Verdict::Accept),
        b"DROP" => Some(Verdict::Drop),
        b"RETURN" => Some(Verdict::Return),
        b"QUEUE" => Some(Verdict::Queue { bypass: false }),
        _ => None,
    }
}

fn target_words(target: &TargetDraft<'_>) -> Untrusted {
    let option = if target.goto { "-g" } else { "-j" };
    let mut text = match &target.instance {
        Some(instance) => format!("{option} {}", instance.words().as_str()),
        None => format!("{option} {}", Untrusted::from_bytes(&target.word.value).as_str()),
    };
    for raw in &target.stray {
        text.push(' ');
        text.push_str(Untrusted::from_bytes(raw).as_str());
    }
    Untrusted::from(text)
}

/// The options of every rule as one match, as `ip_packet_match` (`net/ipv4/netfilter/ip_tables.c`) tests them at once.
fn basic(draft: &Draft<'_>) -> Option<Op> {
    let given: Vec<_> = draft.basic.iter().filter(|given| !matches::is_any_protocol(given)).cloned().collect();
    match tests(&given) {
        Some(all) if all.is_empty() => None,
        Some(all) => Some(Op::Match { inverted: false, all }),
        None => {
            let raw: Vec<_> = given.iter().map(|given| given.raw).collect();
            Some(unknown(Untrusted::from_bytes(&raw.join(&b' ')), true))
        }
    }
}

fn part(part: &Part<'_>) -> Vec<Op> {
    match part {
        Part::Match(instance) => instance.lower().unwrap_or_else(|| vec![unknown(match_words(instance), true)]),
        Part::Unknown(raw) => vec![unknown(Untrusted::from_bytes(raw), true)],
    }
}

fn match_words(instance: &Instance<'_>) -> Untrusted {
    Untrusted::from(format!("-m {}", instance.words().as_str()))
}

/// The last comment, as `iptables -L` would show it last.
fn comment(draft: &Draft<'_>) -> Option<Untrusted> {
    let value = draft.parts.iter().rev().find_map(|part| match part {
        Part::Match(instance) => instance.value("--comment"),
        Part::Unknown(_) => None,
    });
    value.map(Untrusted::from_bytes)
}

/// `[packets:bytes]` before a rule, and the words behind it.
fn counters<'w, 'a>(words: &'w [Word<'a>]) -> (Option<Op>, &'w [Word<'a>]) {
    match words {
        [first, rest @ ..] if first.value.starts_with(b"[") => {
            let numbers = first.value.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
            let mut numbers = numbers.unwrap_or_default().split(|byte| *byte == b':');
            (counter(numbers.next(), numbers.next()), rest)
        }
        _ => (None, words),
    }
}

/// `-c packets bytes`.
fn option_counters(words: &[Word<'_>]) -> Option<Op> {
    let behind = words.iter().position(|word| word.is("-c") || word.is("--set-counters"))? + 1;
    let [packets, bytes] = words.get(behind..behind + 2)? else { return None };
    counter(Some(&packets.value), Some(&bytes.value))
}

fn counter(packets: Option<&[u8]>, bytes: Option<&[u8]>) -> Option<Op> {
    let number = |text: Option<&[u8]>| std::str::from_utf8(text?).ok()?.parse().ok();
    Some(Op::Note(Remark::Counter { packets: number(packets)?, bytes: number(bytes)? }))
}
