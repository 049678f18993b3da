//! The notation of `nft list ruleset`.
//!
//! A rule is bytecode: loads, masks and comparisons of registers. What the notation has one word for is recognised, and
//! the tests of a protocol that a header field implies are left out, as `nft` leaves them out. Anything else is shown
//! in brackets.
//!
//! | module | what it does |
//! | --- | --- |
//! | `context` | what the rule has made sure of so far, and which of that goes without saying |
//! | `expressions` | loads, as header fields and keys |
//! | `values` | bytes, as addresses, numbers and names |
//! | `elements` | sets and maps |
//! | `matches` | comparisons and lookups |
//! | `statements` | effects, translations and verdicts |

mod context;
mod elements;
mod expressions;
mod matches;
mod statements;
mod values;

use loopgate_facts::Untrusted;

use crate::rule::{Combination, Load, Op, REGISTERS, Register};
use crate::ruleset::{Family, RuleId, Ruleset, SetId};

use context::Context;
use expressions::Mask;
pub(crate) use expressions::raw as load;
use values::Form;

/// A rule as `nft list ruleset` prints it, in one line.
///
/// Sets within a rule are shortened to their first elements. What the model does not hold is not there: the flags of a
/// translation, the number of a queue.
pub fn rule(ruleset: &Ruleset, id: RuleId) -> Untrusted {
    let Some((rule, table)) = ruleset.rule(id).zip(ruleset.table_of(id.chain)) else { return Untrusted::default() };
    words(ruleset, table.family, &rule.ops, rule.comment.as_ref()).into()
}

/// Operations of a rule.
pub(super) fn words(ruleset: &Ruleset, family: Family, ops: &[Op], comment: Option<&Untrusted>) -> String {
    let mut writer = Writer::new(ruleset, family);
    let mut rest = ops;
    while let [op, behind @ ..] = rest {
        let taken = writer.op(op, behind);
        rest = behind.get(taken..).unwrap_or_default();
    }
    writer.finish(comment)
}

/// Writes one rule.
struct Writer<'r> {
    ruleset: &'r Ruleset,
    context: Context,
    /// What is in the registers, by where a value begins.
    cells: Vec<Option<Cell<'r>>>,
    items: Vec<Item>,
}

/// Some words of the rule.
struct Item {
    text: String,
    /// It goes without saying.
    hidden: bool,
}

/// A value in a register.
#[derive(Clone)]
struct Cell<'r> {
    content: Content<'r>,
    mask: Option<Mask>,
    /// To the left, by how many bits.
    shifts: Vec<(bool, u32)>,
    /// Its bytes are in the order of the network although its kind has them in that of the machine.
    swapped: bool,
    /// Something showed it.
    used: bool,
}

#[derive(Clone)]
enum Content<'r> {
    Load(&'r Load),
    Constant(&'r [u8]),
    /// What a map gives: the key and the map in words, the map, and how its keys are shown.
    Mapped(String, SetId, Vec<Form>),
    /// Something that has no notation.
    Other(String),
}

impl<'r> Writer<'r> {
    fn new(ruleset: &'r Ruleset, family: Family) -> Self {
        let cells = vec![None; usize::from(REGISTERS)];
        Self { ruleset, context: Context::new(family), cells, items: Vec::new() }
    }

    /// Writes an operation, and says how many of those behind it are written with it.
    fn op(&mut self, op: &'r Op, behind: &'r [Op]) -> usize {
        match op {
            Op::Load { what, to } => self.put(*to, Content::Load(what)),
            Op::Immediate { to, data } => self.put(*to, Content::Constant(data)),
            Op::Mask { from, to, mask, xor } => self.mask(*from, *to, &Mask { mask: mask.to_vec(), xor: xor.to_vec() }),
            Op::Shift { from, to, left, by, .. } => self.change(*from, *to, |cell| cell.shifts.push((*left, *by))),
            Op::SwapBytes { from, to, .. } => self.change(*from, *to, |cell| cell.swapped = !cell.swapped),
            Op::Combine { from, other, to, how, .. } => {
                let how = match how {
                    Combination::And => "and",
                    Combination::Or => "or",
                    Combination::Xor => "xor",
                };
                let text = format!("{} {how} {}", self.raw(*from), self.raw(*other));
                self.take(*from);
                self.take(*other);
                self.put(*to, Content::Other(text));
            }
            Op::Compare { register, how, value } => return self.compare(*register, *how, value, behind),
            Op::Range { register, inverted, from, to } => self.range(*register, *inverted, from, to),
            Op::Lookup { set, key, inverted, result } => self.lookup(*set, *key, *inverted, *result),
            Op::Update { .. } => self.update(op),
            Op::Match { inverted, all } => self.test_family(*inverted, all),
            Op::Rate(rate) => self.say(rate.text.as_str()),
            Op::Effect(effect) => self.effect(effect),
            Op::Verdict(verdict) => self.verdict(verdict),
            Op::Note(note) => self.note(note),
            Op::Unknown(unknown) => self.say(format!("[{}]", unknown.construct.as_str())),
        }
        0
    }

    /// Puts a value into a register. What nothing showed is shown before it goes.
    fn put(&mut self, register: Register, content: Content<'r>) {
        self.show_unused(usize::from(register.0));
        let cell = Cell { content, mask: None, shifts: Vec::new(), swapped: false, used: false };
        if let Some(place) = self.cells.get_mut(usize::from(register.0)) {
            *place = Some(cell);
        }
    }

    fn change(&mut self, from: Register, to: Register, change: impl FnOnce(&mut Cell<'r>)) {
        let Some(mut cell) = self.cell(from).cloned() else {
            return self.say(format!("[{}]", raw_register(from)));
        };
        change(&mut cell);
        if let Some(place) = self.cells.get_mut(usize::from(to.0)) {
            *place = Some(cell);
        }
    }

    fn mask(&mut self, from: Register, to: Register, mask: &Mask) {
        self.change(from, to, |cell| {
            if cell.shifts.is_empty() && !cell.swapped {
                cell.mask = Some(cell.mask.take().map_or_else(|| mask.clone(), |first| first.then(mask)));
            } else {
                cell.content = Content::Other(format!("{} {}", cell.raw(), mask.raw()));
                cell.mask = None;
            }
        });
    }

    fn cell(&self, register: Register) -> Option<&Cell<'r>> {
        self.cells.get(usize::from(register.0))?.as_ref()
    }

    /// The value of a register, which is shown now.
    fn take(&mut self, register: Register) -> Option<Cell<'r>> {
        let cell = self.cells.get_mut(usize::from(register.0))?.as_mut()?;
        cell.used = true;
        Some(cell.clone())
    }

    fn raw(&self, register: Register) -> String {
        self.cell(register).map_or_else(|| raw_register(register), Cell::raw)
    }

    fn say(&mut self, text: impl Into<String>) {
        self.items.push(Item { text: text.into(), hidden: false });
    }

    fn show_unused(&mut self, position: usize) {
        let unused = self.cells.get(position).and_then(Option::as_ref).filter(|cell| !cell.used);
        if let Some(text) = unused.map(|cell| format!("[{}]", cell.raw())) {
            self.say(text);
        }
    }

    fn finish(mut self, comment: Option<&Untrusted>) -> String {
        for position in 0..self.cells.len() {
            self.show_unused(position);
        }
        if let Some(comment) = comment {
            self.say(format!("comment \"{}\"", comment.as_str()));
        }
        let shown = self.items.iter().filter(|item| !item.hidden && !item.text.is_empty());
        shown.map(|item| item.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Cell<'_> {
    /// What is in it, in words that say nothing but that.
    fn raw(&self) -> String {
        let content = match &self.content {
            Content::Load(load) => expressions::raw(load),
            Content::Constant(bytes) => values::hexadecimal(bytes),
            Content::Mapped(text, ..) | Content::Other(text) => text.clone(),
        };
        let mask = self.mask.iter().map(|mask| format!(" {}", mask.raw()));
        let shifts = self.shifts.iter().map(|(left, by)| format!(" {} {by}", if *left { "<<" } else { ">>" }));
        let swapped = self.swapped.then(|| " swapped".to_owned());
        content + &mask.chain(shifts).chain(swapped).collect::<String>()
    }
}

fn raw_register(register: Register) -> String {
    format!("@reg{}", register.0)
}

#[cfg(test)]
mod tests;
