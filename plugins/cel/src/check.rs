//! Checks an expression before anything is judged: names, fields, functions and types. What passes is a [`Node`].
//!
//! The crate `cel` knows types only while it evaluates. A rule that is wrong would be noticed on the one machine where it
//! matters, so this checker gives every expression a type, and every problem its place.

mod calls;
mod loops;

use std::net::IpAddr;

use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, operators};
use loopgate_plugin::nearest;
use loopgate_plugin::prelude::*;

pub(crate) use calls::FUNCTIONS;

use crate::program::{Comparison, Node, Operation, Part};
use crate::record::{Field, Kind};
use crate::source::{self, Fault};
use crate::types::{Element, Type};
use crate::value::{Text, Value};

/// A checked expression.
pub(crate) struct Checked {
    /// What to evaluate.
    pub(crate) node: Node,
    /// The type of its value.
    pub(crate) of: Type,
    /// The areas of the facts that it names.
    pub(crate) areas: Vec<Area>,
    /// The fields of the subject that it names and that evidence can show: as they are written, and how to read them.
    pub(crate) named: Vec<(String, Node)>,
    /// Whether it asks who can reach a listener.
    pub(crate) names_reach: bool,
}

/// Checks an expression about a subject.
pub(crate) fn check(source: &str, subject: Kind) -> Result<Checked, Vec<Fault>> {
    let tree = source::parse(source)?;
    let mut checker = Checker::new(subject);
    let typed = checker.expression(&tree);
    let faults: Vec<_> = checker.faults.iter().map(|(node, text)| Fault::at(source, *node, text.clone())).collect();
    match typed {
        Ok((node, of)) if faults.is_empty() => {
            let Checker { areas, named, names_reach, .. } = checker;
            Ok(Checked { node, of, areas, named, names_reach })
        }
        _ => Err(faults),
    }
}

/// Checks a condition.
pub(crate) fn check_condition(source: &str, subject: Kind) -> Result<Checked, Vec<Fault>> {
    let checked = check(source, subject)?;
    if checked.of == Type::BOOL {
        return Ok(checked);
    }
    Err(vec![Fault::of_all(format!("it should be true or false, and is {}", checked.of))])
}

/// What is wrong was noted already.
struct Noted;

type Typed = Result<(Node, Type), Noted>;

struct Checker {
    /// The subject, and the variables of the loops around, innermost last.
    variables: Vec<(String, Type)>,
    faults: Vec<(u64, String)>,
    areas: Vec<Area>,
    named: Vec<(String, Node)>,
    names_reach: bool,
}

impl Checker {
    fn new(subject: Kind) -> Self {
        let mut checker = Self {
            variables: vec![(subject.name().to_owned(), subject.one())],
            faults: Vec::new(),
            areas: Vec::new(),
            named: Vec::new(),
            names_reach: false,
        };
        checker.need_areas_of(subject);
        checker
    }

    fn fault<T>(&mut self, at: u64, message: impl Into<String>) -> Result<T, Noted> {
        self.faults.push((at, message.into()));
        Err(Noted)
    }

    fn need(&mut self, area: &Area) {
        if !self.areas.contains(area) {
            self.areas.push(area.clone());
        }
    }

    /// The areas without which not every record of a kind was seen.
    fn need_areas_of(&mut self, kind: Kind) {
        match kind {
            // Published ports have no socket: they are hidden where the firewall may not be read.
            Kind::Listener => [Area::Listeners, Area::Firewall].iter().for_each(|area| self.need(area)),
            Kind::Interface => self.need(&Area::Interfaces),
            Kind::Name => self.need(&Area::HostsFile),
            Kind::Sysctl => self.need(&Area::Sysctls),
            Kind::Host => self.need(&Area::Host),
            Kind::Owner | Kind::Container | Kind::Published | Kind::InterfaceAddress => {}
        }
    }

    fn expression(&mut self, tree: &IdedExpr) -> Typed {
        match &tree.expr {
            Expr::Literal(literal) => self.literal(tree.id, literal),
            Expr::Ident(name) => self.name(tree.id, name),
            Expr::Select(select) => self.select(tree.id, select),
            Expr::Call(call) => self.call(tree.id, call),
            Expr::List(list) => self.list(tree.id, list),
            Expr::Comprehension(it) => self.comprehension(tree.id, it),
            Expr::Map(_) | Expr::Struct(_) => {
                self.fault(tree.id, "maps and messages have no use here: no field is one")
            }
            Expr::Unspecified => self.fault(tree.id, "there is nothing here"),
        }
    }

    fn literal(&mut self, at: u64, literal: &LiteralValue) -> Typed {
        match literal {
            LiteralValue::Boolean(value) => Ok((Node::Const(Value::Bool(*value.inner())), Type::BOOL)),
            LiteralValue::Int(value) => Ok((Node::Const(Value::Int(*value.inner())), Type::INT)),
            LiteralValue::String(value) => Ok((Node::Const(Value::made(value.inner())), Type::TEXT)),
            LiteralValue::Null => self.fault(at, "nothing is null here: ask `has(...)` whether there is a value"),
            LiteralValue::UInt(_) => self.fault(at, "every number here is signed: leave out the `u`"),
            LiteralValue::Double(_) => self.fault(at, "every number here is a whole one"),
            LiteralValue::Bytes(_) => self.fault(at, "nothing here is bytes: leave out the `b`"),
        }
    }

    fn name(&mut self, at: u64, name: &str) -> Typed {
        if let Some((index, (_, of))) = self.variables.iter().enumerate().rev().find(|(_, (known, _))| known == name) {
            let node = index.checked_sub(1).map_or(Node::Subject, Node::Variable);
            return Ok((node, *of));
        }
        if let Some((_, part, kind)) = PARTS.iter().find(|(known, ..)| *known == name) {
            self.need_areas_of(*kind);
            let of = if *part == Part::Host { kind.one() } else { kind.list() };
            return Ok((Node::Facts(*part), of));
        }
        let known: Vec<_> = self.variables.iter().map(|(name, _)| name.clone()).collect();
        let known: Vec<_> = known.iter().map(String::as_str).chain(PARTS.iter().map(|(name, ..)| *name)).collect();
        let message = match nearest(name, &known) {
            Some(nearest) => format!("`{name}` is unknown; did you mean `{nearest}`?"),
            None => format!("`{name}` is unknown: there are {}", known.join(", ")),
        };
        self.fault(at, message)
    }

    fn select(&mut self, at: u64, select: &SelectExpr) -> Typed {
        let (of, of_type) = self.expression(&select.operand)?;
        let field = self.field(at, of_type, &select.field)?;
        if let Some(area) = field.area {
            self.need(area);
        }
        self.names_reach |= field.name == "reach";
        if select.test {
            return Ok((Node::Has(Box::new(of), field), Type::BOOL));
        }
        self.note_named(&of, of_type, field);
        Ok((Node::Field(Box::new(of), field), field.of))
    }

    fn field(&mut self, at: u64, of: Type, name: &str) -> Result<&'static Field, Noted> {
        let Type::One(Element::Record(kind)) = of else {
            let hint = if matches!(of, Type::List(_)) { "; ask `all` or `exists` of its items" } else { "" };
            return self.fault(at, format!("{of} has no field `{name}`{hint}"));
        };
        if let Some(field) = kind.field(name) {
            return Ok(field);
        }
        let known: Vec<_> = kind.fields().iter().map(|field| field.name).collect();
        let message = match nearest(name, &known) {
            Some(nearest) => {
                format!("{} `{}` has no field `{name}`; did you mean `{nearest}`?", kind.article(), kind.name())
            }
            None => format!("{} `{}` has no field `{name}`: it has {}", kind.article(), kind.name(), known.join(", ")),
        };
        self.fault(at, message)
    }

    /// Keeps the fields of the subject that evidence can show.
    fn note_named(&mut self, of: &Node, of_type: Type, field: &'static Field) {
        let (Node::Subject, Type::One(Element::Record(kind))) = (of, of_type) else { return };
        let name = format!("{}.{}", kind.name(), field.name);
        if field.of.can_be_shown() && field.name != "id" && self.named.iter().all(|(known, _)| *known != name) {
            self.named.push((name, Node::Field(Box::new(Node::Subject), field)));
        }
    }

    fn list(&mut self, at: u64, list: &ListExpr) -> Typed {
        if !list.optional_indices.is_empty() {
            return self.fault(at, "optional values have no use here");
        }
        let items: Vec<_> = list.elements.iter().map(|item| (item.id, self.expression(item))).collect();
        let (mut nodes, mut element) = (Vec::new(), Element::Nothing);
        for (id, item) in items {
            let (node, Type::One(one)) = item? else { return self.fault(id, "there are no lists of lists here") };
            let Some(joined) = element.join(one) else {
                return self
                    .fault(id, format!("the items of a list are of one type, and this is {one} after {element}"));
            };
            element = joined;
            nodes.push(node);
        }
        Ok((kept(nodes), Type::List(element)))
    }

    fn operands(&mut self, call: &CallExpr) -> Result<[(u64, Node, Type); 2], Noted> {
        let [one, other] = call.args.as_slice() else { return Err(Noted) };
        // Both are looked at before the first that is wrong counts, so that each has its fault named.
        let typed = (self.expression(one), self.expression(other));
        let ((one_node, one_type), (other_node, other_type)) = (typed.0?, typed.1?);
        Ok([(one.id, one_node, one_type), (other.id, other_node, other_type)])
    }

    fn condition(&mut self, tree: &IdedExpr) -> Result<Node, Noted> {
        let (node, of) = self.expression(tree)?;
        if of == Type::BOOL {
            Ok(node)
        } else {
            self.fault(tree.id, format!("this should be true or false, and is {of}"))
        }
    }

    fn conditions(&mut self, call: &CallExpr) -> Result<[Box<Node>; 2], Noted> {
        let [one, other] = call.args.as_slice() else { return Err(Noted) };
        let (one, other) = (self.condition(one), self.condition(other));
        Ok([Box::new(one?), Box::new(other?)])
    }

    /// An operator, which the parser writes as a call.
    fn operator(&mut self, at: u64, call: &CallExpr) -> Option<Typed> {
        Some(match call.func_name.as_str() {
            operators::LOGICAL_AND => self.conditions(call).map(|[one, other]| (Node::And(one, other), Type::BOOL)),
            operators::LOGICAL_OR => self.conditions(call).map(|[one, other]| (Node::Or(one, other), Type::BOOL)),
            operators::LOGICAL_NOT => self.not(call),
            operators::CONDITIONAL => self.conditional(at, call),
            operators::EQUALS => self.equality(at, call).map(|node| (node, Type::BOOL)),
            operators::NOT_EQUALS => self.equality(at, call).map(|node| (Node::Not(Box::new(node)), Type::BOOL)),
            operators::LESS => self.comparison(at, call, Comparison::Less),
            operators::LESS_EQUALS => self.comparison(at, call, Comparison::LessOrEqual),
            operators::GREATER => self.comparison(at, call, Comparison::Greater),
            operators::GREATER_EQUALS => self.comparison(at, call, Comparison::GreaterOrEqual),
            operators::IN => self.membership(at, call),
            operators::ADD => self.addition(at, call),
            operators::SUBSTRACT => self.calculation(at, call, Operation::Subtract),
            operators::MULTIPLY => self.calculation(at, call, Operation::Multiply),
            operators::DIVIDE => self.calculation(at, call, Operation::Divide),
            operators::MODULO => self.calculation(at, call, Operation::Remainder),
            operators::NEGATE => self.negation(at, call),
            operators::INDEX => self.index(at, call),
            operators::OPT_INDEX | operators::OPT_SELECT => self.fault(at, "optional values have no use here"),
            _ => return None,
        })
    }

    fn not(&mut self, call: &CallExpr) -> Typed {
        let [of] = call.args.as_slice() else { return Err(Noted) };
        Ok((Node::Not(Box::new(self.condition(of)?)), Type::BOOL))
    }

    fn negation(&mut self, at: u64, call: &CallExpr) -> Typed {
        let [of] = call.args.as_slice() else { return Err(Noted) };
        match self.expression(of)? {
            (node, Type::INT) => Ok((Node::Negate(Box::new(node)), Type::INT)),
            (_, of) => self.fault(at, format!("only a number has a negative, and this is {of}")),
        }
    }

    fn conditional(&mut self, at: u64, call: &CallExpr) -> Typed {
        let [condition, yes, no] = call.args.as_slice() else { return Err(Noted) };
        let typed = (self.condition(condition), self.expression(yes), self.expression(no));
        let (condition, (yes, yes_type), (no, no_type)) = (typed.0?, typed.1?, typed.2?);
        match yes_type.join(no_type) {
            Some(of) => Ok((Node::If(Box::new([condition, yes, no])), of)),
            None => self.fault(at, format!("one side of `:` is {yes_type}, the other is {no_type}")),
        }
    }

    fn equality(&mut self, at: u64, call: &CallExpr) -> Result<Node, Noted> {
        let [(one_at, one, one_type), (other_at, other, other_type)] = self.operands(call)?;
        let (one, one_type) = self.as_address(one_at, one, one_type, other_type)?;
        let (other, other_type) = self.as_address(other_at, other, other_type, one_type)?;
        self.refuse_unknown_word(one_at, &one, other_type)?;
        self.refuse_unknown_word(other_at, &other, one_type)?;
        match one_type.join(other_type) {
            Some(Type::One(Element::Bool | Element::Int | Element::Text | Element::Word(_) | Element::Address)) => {
                Ok(Node::Equal(Box::new(one), Box::new(other)))
            }
            Some(of) => self.fault(at, format!("{of} cannot be compared: compare its fields or items")),
            None => self.fault(at, format!("{one_type} is never equal to {other_type}")),
        }
    }

    /// A text that is written down beside an address is an address.
    fn as_address(&mut self, at: u64, node: Node, of: Type, beside: Type) -> Typed {
        if beside != Type::ADDRESS || !of.is_text() {
            return Ok((node, of));
        }
        let address = written(&node).map(str::to_owned);
        match address.as_deref().map(str::parse::<IpAddr>) {
            Some(Ok(address)) => Ok((Node::Const(Value::Address(address.to_canonical())), Type::ADDRESS)),
            Some(Err(_)) => {
                let text = address.unwrap_or_default();
                let hint = if text.contains('/') { "; ask `in_cidr`" } else { "" };
                self.fault(at, format!("`{text}` is no address{hint}"))
            }
            None => self.fault(at, "an address can be compared with an address or with one that is written down"),
        }
    }

    /// A word that a field can never be is a mistake, not a comparison that fails.
    fn refuse_unknown_word(&mut self, at: u64, node: &Node, beside: Type) -> Result<(), Noted> {
        let Type::One(Element::Word(words)) = beside else { return Ok(()) };
        let Some(word) = written(node).filter(|word| !words.contains(word)) else { return Ok(()) };
        let message = match nearest(word, words) {
            Some(nearest) => format!("it is never `{word}`; did you mean `{nearest}`?"),
            None => format!("it is never `{word}`: it can be {}", words.join(", ")),
        };
        self.fault(at, message)
    }

    fn comparison(&mut self, at: u64, call: &CallExpr, how: Comparison) -> Typed {
        let [(_, one, one_type), (_, other, other_type)] = self.operands(call)?;
        let is_word = |of| matches!(of, Type::One(Element::Word(_)));
        match one_type.join(other_type) {
            _ if is_word(one_type) || is_word(other_type) => {
                self.fault(at, "words have no order; of reaches, ask `reach_at_most` or `reach_at_least`")
            }
            Some(Type::INT | Type::TEXT) => Ok((Node::Compare(how, Box::new(one), Box::new(other)), Type::BOOL)),
            _ => self.fault(at, format!("{one_type} and {other_type} have no order")),
        }
    }

    fn membership(&mut self, at: u64, call: &CallExpr) -> Typed {
        let [(item_at, item, item_type), (list_at, list, list_type)] = self.operands(call)?;
        let Type::List(element) = list_type else {
            return self.fault(list_at, format!("behind `in` there should be a list, and this is {list_type}"));
        };
        let (list, element) = self.as_addresses(list_at, list, element, item_type)?;
        let (item, item_type) = self.as_address(item_at, item, item_type, Type::One(element))?;
        self.refuse_unknown_words(list_at, &list, item_type)?;
        self.refuse_unknown_word(item_at, &item, Type::One(element))?;
        match item_type.join(Type::One(element)) {
            Some(Type::One(Element::Record(_))) => self.fault(at, "records cannot be compared: compare their fields"),
            Some(_) => Ok((Node::In(Box::new(item), Box::new(list)), Type::BOOL)),
            None => self.fault(at, format!("{item_type} is in no list of {element}")),
        }
    }

    fn refuse_unknown_words(&mut self, at: u64, list: &Node, beside: Type) -> Result<(), Noted> {
        let Node::List(values) = list else { return Ok(()) };
        let values: Vec<_> = values.iter().map(|value| Node::Const(value.clone())).collect();
        values.iter().try_for_each(|value| self.refuse_unknown_word(at, value, beside))
    }

    /// Texts that are written down where addresses are looked for are addresses.
    fn as_addresses(&mut self, at: u64, list: Node, of: Element, item: Type) -> Result<(Node, Element), Noted> {
        if item != Type::ADDRESS || !of.is_text() {
            return Ok((list, of));
        }
        let Node::List(values) = list else {
            return self.fault(at, "an address can be looked for among addresses, or among some that are written down");
        };
        let of_text = Type::One(of);
        let addresses = values.into_iter().map(|value| self.as_address(at, Node::Const(value), of_text, item));
        let addresses: Vec<_> = addresses.collect();
        let addresses = addresses.into_iter().map(|address| address.map(|(node, _)| node));
        Ok((kept(addresses.collect::<Result<_, _>>()?), Element::Address))
    }

    fn addition(&mut self, at: u64, call: &CallExpr) -> Typed {
        let [(_, one, one_type), (_, other, other_type)] = self.operands(call)?;
        let (one, other) = (Box::new(one), Box::new(other));
        match one_type.join(other_type) {
            Some(Type::INT) => Ok((Node::Calculate(Operation::Add, one, other), Type::INT)),
            Some(Type::One(of)) if of.is_text() => Ok((Node::JoinTexts(one, other), Type::TEXT)),
            Some(of @ Type::List(_)) => Ok((Node::JoinLists(one, other), of)),
            _ => self.fault(at, format!("{one_type} and {other_type} have no sum")),
        }
    }

    fn calculation(&mut self, at: u64, call: &CallExpr, how: Operation) -> Typed {
        let [(_, one, one_type), (_, other, other_type)] = self.operands(call)?;
        if (one_type, other_type) == (Type::INT, Type::INT) {
            return Ok((Node::Calculate(how, Box::new(one), Box::new(other)), Type::INT));
        }
        self.fault(at, format!("only numbers can be reckoned with, and these are {one_type} and {other_type}"))
    }

    fn index(&mut self, at: u64, call: &CallExpr) -> Typed {
        let [(_, list, list_type), (index_at, index, index_type)] = self.operands(call)?;
        match (list_type, index_type) {
            (Type::List(Element::Nothing), _) => self.fault(at, "an empty list has no items"),
            (Type::List(element), Type::INT) => Ok((Node::Index(Box::new(list), Box::new(index)), Type::One(element))),
            (Type::List(_), _) => self.fault(index_at, format!("an index is a number, and this is {index_type}")),
            _ => self.fault(at, format!("only a list has items, and this is {list_type}")),
        }
    }
}

/// The parts of the facts that every expression can name.
pub(crate) const PARTS: [(&str, Part, Kind); 5] = [
    ("listeners", Part::Listeners, Kind::Listener),
    ("interfaces", Part::Interfaces, Kind::Interface),
    ("names", Part::Names, Kind::Name),
    ("sysctls", Part::Sysctls, Kind::Sysctl),
    ("host", Part::Host, Kind::Host),
];

/// The text that a node writes down.
fn written(node: &Node) -> Option<&str> {
    match node {
        Node::Const(Value::Text(Text::Made(text))) => Some(text),
        _ => None,
    }
}

/// A list: of values alone, it is made once.
fn kept(nodes: Vec<Node>) -> Node {
    let values: Option<Vec<_>> =
        nodes.iter().map(|node| if let Node::Const(value) = node { Some(value.clone()) } else { None }).collect();
    values.map_or(Node::MakeList(nodes), Node::List)
}
