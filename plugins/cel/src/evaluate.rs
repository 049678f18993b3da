//! Evaluates checked expressions, within a budget.
//!
//! `&&`, `||`, `all` and `exists` are those of three-valued logic, as CEL has them: `false && x` is false though `x` is
//! not known. Everything else that meets something that is not known is not known itself.

use std::rc::Rc;

use loopgate_plugin::prelude::*;

use loopgate_selector::Glob;

use crate::budget::Budget;
use crate::program::{Comparison, Function, Loop, LoopKind, Node, Operation, Part, ReachTest};
use crate::record::{Field, HostName, Record, Seen};
use crate::text::shortened;
use crate::value::{List, Text, Value};

/// Why an expression has no value.
///
/// It is small and owns nothing: nearly everything here returns one or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Something that it needs is not known. What is true of the rest still stands.
    Unknown(Unknown),
    /// It took too many steps or too much memory. Nothing more is evaluated.
    Spent,
}

/// Something that has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A field could not be observed.
    Field(&'static str),
    /// A field is not there.
    Absent(&'static str),
    /// The reach of a listener is not known well enough.
    Reach,
    /// A setting was not observed: [`Machine::unseen`].
    Sysctl,
    /// A result is beyond 64 bits.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// An index that the list does not have.
    NoItem,
    /// A text that is no number.
    NoNumber,
    /// The tree is not one that the checker makes.
    Unchecked,
}

impl Machine<'_> {
    /// What is not known, in words.
    pub(crate) fn describe(&self, unknown: Unknown) -> String {
        match unknown {
            Unknown::Field(name) => format!("`{name}` is not known"),
            Unknown::Absent(name) => format!("there is no `{name}` (ask `has(...)` first)"),
            Unknown::Reach => "who can reach it is not known well enough".to_owned(),
            Unknown::Sysctl => format!("the setting `{}` was not observed", shortened(&self.unseen, LONGEST_NAME)),
            Unknown::Overflow => "a number grows beyond 64 bits".to_owned(),
            Unknown::DivisionByZero => "a division by zero".to_owned(),
            Unknown::NoItem => "a list has no item at that index".to_owned(),
            Unknown::NoNumber => "a text is no number".to_owned(),
            Unknown::Unchecked => "the expression was not checked".to_owned(),
        }
    }
}

impl From<Unknown> for Stop {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

type Result<T> = std::result::Result<T, Stop>;

/// What expressions are evaluated over, and what evaluating them may cost.
pub(crate) struct Machine<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) names: &'a [HostName<'a>],
    pub(crate) budget: Budget,
    subject: Record<'a>,
    /// The items of the loops around, innermost last.
    variables: Vec<Value<'a>>,
    /// The last setting that was asked for and not observed.
    unseen: String,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(facts: &'a Facts, names: &'a [HostName<'a>], budget: Budget) -> Self {
        Self { facts, names, budget, subject: Record::Host(facts), variables: Vec::new(), unseen: String::new() }
    }

    /// Evaluates an expression about a subject.
    pub(crate) fn evaluate(&mut self, node: &'a Node, subject: Record<'a>) -> Result<Value<'a>> {
        self.begin(subject);
        self.value(node)
    }

    /// Evaluates a condition about a subject.
    pub(crate) fn evaluate_condition(&mut self, node: &'a Node, subject: Record<'a>) -> Result<bool> {
        self.begin(subject);
        self.truth(node)
    }

    fn begin(&mut self, subject: Record<'a>) {
        self.subject = subject;
        self.budget.begin();
    }

    /// The value of an operand, which is mostly a field.
    #[inline]
    fn operand(&mut self, node: &'a Node) -> Result<Value<'a>> {
        match node {
            Node::Field(of, field) => {
                self.budget.step()?;
                self.field(of, field)
            }
            Node::Const(Value::Text(Text::Made(text))) => Ok(Value::text(text)),
            node => self.value(node),
        }
    }

    fn value(&mut self, node: &'a Node) -> Result<Value<'a>> {
        self.budget.step()?;
        Ok(match node {
            Node::Const(Value::Text(Text::Made(text))) => Value::text(text),
            Node::Const(value) => value.clone(),
            Node::List(values) => Value::List(List::Kept(values)),
            Node::Variable(index) => self.variables.get(*index).cloned().ok_or(Unknown::Unchecked)?,
            Node::Subject => Value::Record(self.subject),
            Node::Facts(part) => self.part(*part),
            Node::Field(of, field) => self.field(of, field)?,
            Node::If(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.truth(condition)? { yes } else { no };
                self.value(chosen)?
            }
            Node::Negate(of) => Value::Int(self.int(of)?.checked_neg().ok_or(Unknown::Overflow)?),
            Node::Calculate(how, one, other) => Value::Int(calculate(*how, self.int(one)?, self.int(other)?)?),
            Node::JoinTexts(one, other) => self.join_texts(one, other)?,
            Node::MakeList(nodes) => self.make_list(nodes)?,
            Node::JoinLists(one, other) => self.join_lists(one, other)?,
            Node::Index(list, index) => self.item(list, index)?,
            Node::Loop(it) if it.kind == LoopKind::Map => self.map(it)?,
            Node::Call(function, arguments) => self.call(*function, arguments)?,
            _ => Value::Bool(self.truth(node)?),
        })
    }

    /// The value of a condition. Most of what is evaluated is one, so it goes by without a [`Value`].
    fn truth(&mut self, node: &'a Node) -> Result<bool> {
        self.budget.step()?;
        match node {
            Node::Const(Value::Bool(value)) => Ok(*value),
            Node::Field(of, field) => Ok(self.field(of, field)?.as_bool().ok_or(Unknown::Unchecked)?),
            Node::Not(of) => self.truth(of).map(|value| !value),
            Node::And(one, other) => self.either(one, other, false),
            Node::Or(one, other) => self.either(one, other, true),
            Node::Equal(one, other) => self.equal(one, other),
            Node::Compare(how, one, other) => self.compare(*how, one, other),
            Node::In(item, list) => self.is_in(item, list),
            Node::Has(of, field) => self.has(of, field),
            Node::Globs(text, globs) => self.globs(text, globs),
            Node::InNetworks(address, networks) => {
                let address = self.operand(address)?.as_address().ok_or(Unknown::Unchecked)?;
                self.budget.work(networks.len())?;
                Ok(networks.iter().any(|network| network.contains(address)))
            }
            Node::Reach(listener, test, reach) => self.reach(listener, *test, *reach),
            Node::Loop(it) => match it.kind {
                LoopKind::All => self.search(it, false),
                LoopKind::Exists => self.search(it, true),
                LoopKind::ExistsOne => self.exists_one(it),
                LoopKind::Map => Err(Unknown::Unchecked.into()),
            },
            node if node.is_value() => Ok(self.value(node)?.as_bool().ok_or(Unknown::Unchecked)?),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn int(&mut self, node: &'a Node) -> Result<i64> {
        if let Node::Const(Value::Int(number)) = node {
            return Ok(*number);
        }
        Ok(self.operand(node)?.as_int().ok_or(Unknown::Unchecked)?)
    }

    fn text(&mut self, node: &'a Node) -> Result<Text<'a>> {
        match self.operand(node)? {
            Value::Text(text) => Ok(text),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn list(&mut self, node: &'a Node) -> Result<List<'a>> {
        match self.operand(node)? {
            Value::List(list) => Ok(list),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    #[inline]
    fn record(&mut self, node: &'a Node) -> Result<Record<'a>> {
        if matches!(node, Node::Subject) {
            return Ok(self.subject);
        }
        if let Node::Variable(index) = node
            && let Some(Value::Record(record)) = self.variables.get(*index)
        {
            return Ok(*record);
        }
        match self.value(node)? {
            Value::Record(record) => Ok(record),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn part(&self, part: Part) -> Value<'a> {
        match part {
            Part::Host => Value::Record(Record::Host(self.facts)),
            Part::Listeners => Value::List(List::Listeners(&self.facts.listeners)),
            Part::Interfaces => Value::List(List::Interfaces(&self.facts.interfaces)),
            Part::Names => Value::List(List::Names(self.names)),
            Part::Sysctls => Value::List(List::Sysctls(&self.facts.sysctls)),
        }
    }

    #[inline]
    fn field(&mut self, of: &'a Node, field: &'static Field) -> Result<Value<'a>> {
        match field.get.get(self.record(of)?) {
            Seen::Value(value) => Ok(value),
            Seen::Absent => Err(Unknown::Absent(field.name).into()),
            Seen::Unknown => Err(Unknown::Field(field.name).into()),
        }
    }

    /// A field that everything has is there if it is known. One that can be missing is asked for in vain where it is not
    /// known whether it is.
    fn has(&mut self, of: &'a Node, field: &'static Field) -> Result<bool> {
        match field.get.get(self.record(of)?) {
            Seen::Value(_) => Ok(true),
            Seen::Unknown if field.can_be_absent => Err(Unknown::Field(field.name).into()),
            Seen::Absent | Seen::Unknown => Ok(false),
        }
    }

    /// `one && other` for `decisive` false, `one || other` for true: one side that is decisive is enough.
    fn either(&mut self, one: &'a Node, other: &'a Node, decisive: bool) -> Result<bool> {
        match self.truth(one) {
            Ok(value) if value == decisive => Ok(decisive),
            Ok(_) => self.truth(other),
            Err(Stop::Spent) => Err(Stop::Spent),
            Err(unknown) => match self.truth(other) {
                Ok(value) if value == decisive => Ok(decisive),
                Err(Stop::Spent) => Err(Stop::Spent),
                _ => Err(unknown),
            },
        }
    }

    fn equal(&mut self, one: &'a Node, other: &'a Node) -> Result<bool> {
        let one = self.operand(one)?;
        self.budget.read(&one)?;
        if let Node::Const(other) = other {
            return Ok(one.equals(other).ok_or(Unknown::Unchecked)?);
        }
        let other = self.value(other)?;
        Ok(one.equals(&other).ok_or(Unknown::Unchecked)?)
    }

    fn compare(&mut self, how: Comparison, one: &'a Node, other: &'a Node) -> Result<bool> {
        let one = self.operand(one)?;
        if let (Value::Int(one), Node::Const(Value::Int(other))) = (&one, other) {
            return Ok(how.holds(one.cmp(other)));
        }
        let other = self.operand(other)?;
        self.budget.read(&one)?;
        let order = match (&one, &other) {
            (Value::Int(one), Value::Int(other)) => one.cmp(other),
            (Value::Text(one), Value::Text(other)) => one.as_str().cmp(other.as_str()),
            _ => return Err(Unknown::Unchecked.into()),
        };
        Ok(how.holds(order))
    }

    fn is_in(&mut self, item: &'a Node, list: &'a Node) -> Result<bool> {
        let item = self.operand(item)?;
        if let Node::List(values) = list {
            self.budget.work(values.len())?;
            return Ok(values.iter().any(|value| value.equals(&item) == Some(true)));
        }
        let list = self.list(list)?;
        for index in 0..list.len() {
            self.budget.step()?;
            self.budget.read(&item)?;
            let found = list.get(index).and_then(|value| value.equals(&item)).ok_or(Unknown::Unchecked)?;
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn join_texts(&mut self, one: &'a Node, other: &'a Node) -> Result<Value<'a>> {
        let (one, other) = (self.text(one)?, self.text(other)?);
        let (one, other) = (one.as_str(), other.as_str());
        self.budget.make_text(one.len().saturating_add(other.len()))?;
        Ok(Value::made([one, other].concat()))
    }

    fn make_list(&mut self, nodes: &'a [Node]) -> Result<Value<'a>> {
        self.budget.make_list(nodes.len())?;
        let items = nodes.iter().map(|node| self.value(node)).collect::<Result<Vec<_>>>()?;
        Ok(Value::List(List::Made(items.into())))
    }

    fn join_lists(&mut self, one: &'a Node, other: &'a Node) -> Result<Value<'a>> {
        let (one, other) = (self.list(one)?, self.list(other)?);
        self.budget.make_list(one.len().saturating_add(other.len()))?;
        let items = |list: &List<'a>| (0..list.len()).filter_map(|index| list.get(index)).collect::<Vec<_>>();
        let all: Rc<[_]> = items(&one).into_iter().chain(items(&other)).collect();
        Ok(Value::List(List::Made(all)))
    }

    fn item(&mut self, list: &'a Node, index: &'a Node) -> Result<Value<'a>> {
        let (list, index) = (self.list(list)?, self.int(index)?);
        let index = usize::try_from(index).map_err(|_| Unknown::NoItem)?;
        Ok(list.get(index).ok_or(Unknown::NoItem)?)
    }

    /// Evaluates with the variable of a loop.
    fn with<T>(&mut self, item: Value<'a>, evaluate: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.budget.step()?;
        self.variables.push(item);
        let result = evaluate(self);
        self.variables.pop();
        result
    }

    /// `all` for `decisive` false, `exists` for true: one item that is decisive is enough, whatever is not known.
    fn search(&mut self, it: &'a Loop, decisive: bool) -> Result<bool> {
        let list = self.list(&it.range)?;
        let mut unknown = None;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            match self.with(item, |machine| machine.truth(&it.body)) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(Stop::Spent) => return Err(Stop::Spent),
                Err(stop) => unknown = unknown.or(Some(stop)),
            }
        }
        unknown.map_or(Ok(!decisive), Err)
    }

    fn exists_one(&mut self, it: &'a Loop) -> Result<bool> {
        let list = self.list(&it.range)?;
        let mut count = 0_u32;
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            count = count.saturating_add(u32::from(self.with(item, |machine| machine.truth(&it.body))?));
        }
        Ok(count == 1)
    }

    fn map(&mut self, it: &'a Loop) -> Result<Value<'a>> {
        let list = self.list(&it.range)?;
        self.budget.make_list(0)?;
        let mut made = Vec::new();
        for item in (0..list.len()).filter_map(|index| list.get(index)) {
            let one = self.with(item, |machine| {
                let wanted = it.filter.as_ref().map_or(Ok(true), |filter| machine.truth(filter))?;
                if wanted { machine.value(&it.body).map(Some) } else { Ok(None) }
            })?;
            self.budget.make_items(usize::from(one.is_some()))?;
            made.extend(one);
        }
        Ok(Value::List(List::Made(made.into())))
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Result<Value<'a>> {
        match (function, arguments) {
            (Function::Contains, [one, other]) => {
                self.budget.work(STEPS_OF_A_SEARCH)?;
                self.two_texts(one, other, |one, other| one.contains(other))
            }
            (Function::StartsWith, [one, other]) => self.two_texts(one, other, |one, other| one.starts_with(other)),
            (Function::EndsWith, [one, other]) => self.two_texts(one, other, |one, other| one.ends_with(other)),
            (Function::LowerAscii, [of]) => {
                let text = self.text(of)?;
                self.budget.make_text(text.as_str().len())?;
                Ok(Value::made(text.as_str().to_ascii_lowercase()))
            }
            (Function::Size, [of]) => self.size(of),
            (Function::Int, [of]) => {
                let text = self.text(of)?;
                self.budget.work(STEPS_OF_A_NUMBER)?;
                self.budget.read_text(text.as_str())?;
                Ok(Value::Int(text.as_str().trim().parse().map_err(|_| Unknown::NoNumber)?))
            }
            (Function::String, [of]) => self.string(of),
            (Function::IsLoopback, [of]) => self.scope(of, &[Scope::Loopback]),
            (Function::IsPrivate, [of]) => self.scope(of, &[Scope::Private]),
            (Function::InRange, [number, first, last]) => {
                let (number, first, last) = (self.int(number)?, self.int(first)?, self.int(last)?);
                Ok(Value::Bool((first..=last).contains(&number)))
            }
            (Function::SysctlValue, [name]) => self.sysctl_value(name),
            _ => Err(Unknown::Unchecked.into()),
        }
    }

    fn two_texts(
        &mut self,
        one: &'a Node,
        other: &'a Node,
        test: impl FnOnce(&str, &str) -> bool,
    ) -> Result<Value<'a>> {
        let (one, other) = (self.text(one)?, self.text(other)?);
        self.budget.read_text(one.as_str())?;
        self.budget.read_text(other.as_str())?;
        Ok(Value::Bool(test(one.as_str(), other.as_str())))
    }

    fn size(&mut self, of: &'a Node) -> Result<Value<'a>> {
        let size = match self.value(of)? {
            Value::List(list) => list.len(),
            Value::Text(text) => {
                self.budget.read_text(text.as_str())?;
                text.as_str().chars().count()
            }
            _ => return Err(Unknown::Unchecked.into()),
        };
        Ok(Value::Int(i64::try_from(size).map_err(|_| Unknown::Overflow)?))
    }

    fn string(&mut self, of: &'a Node) -> Result<Value<'a>> {
        let value = self.value(of)?;
        if let Value::Text(_) = value {
            return Ok(value);
        }
        self.budget.work(STEPS_OF_A_NUMBER)?;
        self.budget.make_text(LONGEST_NUMBER)?;
        Ok(Value::made(value.to_string()))
    }

    fn globs(&mut self, of: &'a Node, globs: &'a [Glob]) -> Result<bool> {
        let text = self.text(of)?;
        for glob in globs {
            // What it takes is known afterwards; what it can take at most must be there before.
            self.budget.afford(1 + glob.most_work(text.as_str().len()) / PLACES_A_STEP)?;
            let (is_match, work) = glob.matches(text.as_str());
            self.budget.work(1 + work / PLACES_A_STEP)?;
            if is_match {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn scope(&mut self, of: &'a Node, scopes: &[Scope]) -> Result<Value<'a>> {
        let address = self.operand(of)?.as_address().ok_or(Unknown::Unchecked)?;
        Ok(Value::Bool(scopes.contains(&crate::address::scope(address))))
    }

    fn sysctl_value(&mut self, name: &'a Node) -> Result<Value<'a>> {
        let name = self.text(name)?;
        self.budget.work(self.facts.sysctls.len().saturating_mul(2))?;
        let sysctl = self.facts.sysctl(name.as_str());
        let Some(sysctl) = sysctl else {
            name.as_str().clone_into(&mut self.unseen);
            return Err(Unknown::Sysctl.into());
        };
        Ok(Value::text(&sysctl.value))
    }

    fn reach(&mut self, listener: &'a Node, test: ReachTest, reach: Reach) -> Result<bool> {
        let Record::Listener(listener) = self.record(listener)? else { return Err(Unknown::Unchecked.into()) };
        let ReachBounds { certain, possible } = listener.reach;
        match test {
            ReachTest::AtMost if possible <= reach => Ok(true),
            ReachTest::AtMost if certain > reach => Ok(false),
            ReachTest::AtLeast if certain >= reach => Ok(true),
            ReachTest::AtLeast if possible < reach => Ok(false),
            _ => Err(Unknown::Reach.into()),
        }
    }
}

/// Bytes of the longest number or address as text.
const LONGEST_NUMBER: usize = 48;

/// Steps of looking for a text in another, beside its length.
const STEPS_OF_A_SEARCH: usize = 8;

/// Steps of making a text of a number or an address, or a number of a text.
const STEPS_OF_A_NUMBER: usize = 8;

/// Longest name of a setting that a reason quotes, in characters.
const LONGEST_NAME: usize = 64;

/// Places of a pattern that are looked at for one step of the budget.
const PLACES_A_STEP: usize = 4;

fn calculate(how: Operation, one: i64, other: i64) -> Result<i64> {
    let result = match how {
        Operation::Divide | Operation::Remainder if other == 0 => return Err(Unknown::DivisionByZero.into()),
        Operation::Add => one.checked_add(other),
        Operation::Subtract => one.checked_sub(other),
        Operation::Multiply => one.checked_mul(other),
        Operation::Divide => one.checked_div(other),
        Operation::Remainder => one.checked_rem(other),
    };
    Ok(result.ok_or(Unknown::Overflow)?)
}
