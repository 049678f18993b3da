//! Calls of functions. `f(a, b)` and `a.f(b)` are the same.

use cel::common::ast::CallExpr;
use loopgate_plugin::nearest;
use loopgate_plugin::prelude::*;

use super::{Checker, Noted, Typed, written};
use crate::program::{Function, Network, Node, ReachTest};
use crate::record::Kind;
use crate::types::{Element, REACHES, Type};
use crate::value::{Text, Value};
use loopgate_selector::Glob;

/// A function: its name, how it is called, and what it says.
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    form: Form,
}

/// What the arguments of a function are, and what it answers.
#[derive(Clone, Copy)]
enum Form {
    /// Arguments of fixed types.
    Plain(Function, &'static [Argument], Type),
    /// A text, and patterns that are written down.
    Globs,
    /// An address, and networks that are written down.
    Networks,
    /// A listener, and how far away senders are.
    Reach(ReachTest),
}

#[derive(Clone, Copy)]
enum Argument {
    Text,
    Int,
    Address,
    /// A text or a list.
    Sized,
    /// Anything that a message can show and that is no list.
    Shown,
}

const fn plain(
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    form: (Function, &'static [Argument], Type),
) -> Signature {
    Signature { name, usage, about, form: Form::Plain(form.0, form.1, form.2) }
}

/// Every function.
pub(crate) static FUNCTIONS: &[Signature] = &[
    Signature {
        name: "in_cidr",
        usage: "in_cidr(address, \"10.0.0.0/8\")",
        about: "Whether an address is in a network, or in one of a list of networks. An IPv4 address is in no IPv6 network.",
        form: Form::Networks,
    },
    plain(
        "is_loopback",
        "is_loopback(address)",
        "Whether an address is in 127.0.0.0/8 or is ::1.",
        (Function::IsLoopback, &[Argument::Address], Type::BOOL),
    ),
    plain(
        "is_private",
        "is_private(address)",
        "Whether an address is private: RFC 1918, fc00::/7, fec0::/10.",
        (Function::IsPrivate, &[Argument::Address], Type::BOOL),
    ),
    plain(
        "in_range",
        "in_range(port, 8000, 8999)",
        "Whether a number is at least the first and at most the last.",
        (Function::InRange, &[Argument::Int, Argument::Int, Argument::Int], Type::BOOL),
    ),
    Signature {
        name: "glob",
        usage: "glob(text, \"/home/**\")",
        about: "Whether a whole text matches a pattern, or one of a list of patterns: `?` is one character but `/`, `*` any \
                run of characters but `/`, `**` any run of characters, everything else itself.",
        form: Form::Globs,
    },
    Signature {
        name: "reach_at_most",
        usage: "reach_at_most(listener, \"private\")",
        about: "Whether nobody farther away can reach a listener. An answer that the rules leave open is not known.",
        form: Form::Reach(ReachTest::AtMost),
    },
    Signature {
        name: "reach_at_least",
        usage: "reach_at_least(listener, \"public\")",
        about: "Whether somebody that far away can reach a listener.",
        form: Form::Reach(ReachTest::AtLeast),
    },
    plain(
        "sysctl_value",
        "sysctl_value(\"net.ipv4.ip_forward\")",
        "The value of a kernel setting, as text. A setting that was not observed is not known.",
        (Function::SysctlValue, &[Argument::Text], Type::TEXT),
    ),
    plain(
        "size",
        "size(list)",
        "How many items a list has, or how many characters a text.",
        (Function::Size, &[Argument::Sized], Type::INT),
    ),
    plain(
        "contains",
        "text.contains(\"part\")",
        "Whether a text has a part.",
        (Function::Contains, &[Argument::Text, Argument::Text], Type::BOOL),
    ),
    plain(
        "startsWith",
        "text.startsWith(\"start\")",
        "Whether a text begins so.",
        (Function::StartsWith, &[Argument::Text, Argument::Text], Type::BOOL),
    ),
    plain(
        "endsWith",
        "text.endsWith(\"end\")",
        "Whether a text ends so.",
        (Function::EndsWith, &[Argument::Text, Argument::Text], Type::BOOL),
    ),
    plain(
        "lowerAscii",
        "text.lowerAscii()",
        "A text with its ASCII letters in lower case.",
        (Function::LowerAscii, &[Argument::Text], Type::TEXT),
    ),
    plain("int", "int(text)", "The number that a text is.", (Function::Int, &[Argument::Text], Type::INT)),
    plain(
        "string",
        "string(value)",
        "A number, an address or a truth as text.",
        (Function::String, &[Argument::Shown], Type::TEXT),
    ),
];

impl Checker {
    pub(super) fn call(&mut self, at: u64, call: &CallExpr) -> Typed {
        if let Some(typed) = self.operator(at, call) {
            return typed;
        }
        let arguments: Vec<_> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let Some(signature) = FUNCTIONS.iter().find(|signature| signature.name == call.func_name) else {
            return self.unknown_function(at, &call.func_name);
        };
        let typed: Vec<_> = arguments.iter().map(|argument| self.expression(argument)).collect();
        let typed = typed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let arguments = arguments.iter().map(|argument| argument.id).zip(typed).map(|(id, (node, of))| (id, node, of));
        let arguments: Vec<_> = arguments.collect();
        match signature.form {
            Form::Plain(function, expected, of) => self.plain_call(at, signature, (function, expected, of), arguments),
            Form::Globs => self.globs_call(at, signature, arguments),
            Form::Networks => self.networks_call(at, signature, arguments),
            Form::Reach(test) => self.reach_call(at, signature, test, arguments),
        }
    }

    fn unknown_function<T>(&mut self, at: u64, name: &str) -> Result<T, Noted> {
        let loops = ["all", "exists", "exists_one", "map", "filter"];
        if loops.contains(&name) {
            return self
                .fault(at, format!("`{name}` is asked of a list, with a name for its items: `list.{name}(x, ...)`"));
        }
        if name == "has" {
            return self.fault(at, "`has` is asked of a field: `has(owner.user)`");
        }
        if name == "matches" {
            return self.fault(at, "there are no regular expressions here: ask `glob(text, pattern)`");
        }
        let known: Vec<_> = FUNCTIONS.iter().map(|signature| signature.name).chain(loops).collect();
        let message = match nearest(name, &known) {
            Some(nearest) => format!("the function `{name}` is unknown; did you mean `{nearest}`?"),
            None => format!("the function `{name}` is unknown: there are {}", known.join(", ")),
        };
        self.fault(at, message)
    }

    fn wrong_count<T>(&mut self, at: u64, signature: &Signature) -> Result<T, Noted> {
        self.fault(at, format!("wrong number of arguments: it is called as `{}`", signature.usage))
    }

    fn plain_call(
        &mut self,
        at: u64,
        signature: &Signature,
        (function, expected, of): (Function, &[Argument], Type),
        arguments: Vec<(u64, Node, Type)>,
    ) -> Typed {
        if arguments.len() != expected.len() {
            return self.wrong_count(at, signature);
        }
        if function == Function::SysctlValue {
            self.need(&Area::Sysctls);
        }
        let nodes =
            arguments.into_iter().zip(expected).map(|(argument, kind)| self.argument(signature, argument, *kind));
        let nodes: Vec<_> = nodes.collect();
        Ok((Node::Call(function, nodes.into_iter().collect::<Result<_, _>>()?), of))
    }

    fn argument(&mut self, signature: &Signature, argument: (u64, Node, Type), kind: Argument) -> Result<Node, Noted> {
        let (id, node, found) = argument;
        let beside = if matches!(kind, Argument::Address) { Type::ADDRESS } else { Type::BOOL };
        let (node, found) = self.as_address(id, node, found, beside)?;
        if kind.takes(found) {
            return Ok(node);
        }
        let message = format!("{} is no argument here: it is called as `{}`", found, signature.usage);
        self.fault(id, message)
    }

    fn networks_call(&mut self, at: u64, signature: &Signature, arguments: Vec<(u64, Node, Type)>) -> Typed {
        let Ok([address, (networks_at, networks, _)]) = <[_; 2]>::try_from(arguments) else {
            return self.wrong_count(at, signature);
        };
        let address = self.argument(signature, address, Argument::Address)?;
        let Some(texts) = written_texts(&networks) else {
            return self.fault(networks_at, "a network is written down: a text, or a list of texts, in quotes");
        };
        match texts.iter().map(|text| Network::parse(text)).collect::<Result<Vec<_>, _>>() {
            Ok(networks) => Ok((Node::InNetworks(Box::new(address), networks), Type::BOOL)),
            Err(message) => self.fault(networks_at, message),
        }
    }

    fn globs_call(&mut self, at: u64, signature: &Signature, arguments: Vec<(u64, Node, Type)>) -> Typed {
        let Ok([text, (patterns_at, patterns, _)]) = <[_; 2]>::try_from(arguments) else {
            return self.wrong_count(at, signature);
        };
        let text = self.argument(signature, text, Argument::Text)?;
        let Some(texts) = written_texts(&patterns) else {
            return self.fault(patterns_at, "a pattern is written down: a text, or a list of texts, in quotes");
        };
        match texts.iter().map(|text| Glob::parse(text)).collect::<Result<Vec<_>, _>>() {
            Ok(globs) => Ok((Node::Globs(Box::new(text), globs), Type::BOOL)),
            Err(message) => self.fault(patterns_at, message),
        }
    }

    fn reach_call(
        &mut self,
        at: u64,
        signature: &Signature,
        test: ReachTest,
        arguments: Vec<(u64, Node, Type)>,
    ) -> Typed {
        let Ok([(listener_at, listener, of), (reach_at, reach, _)]) = <[_; 2]>::try_from(arguments) else {
            return self.wrong_count(at, signature);
        };
        if of != Kind::Listener.one() {
            return self.fault(listener_at, format!("{of} is no listener: it is called as `{}`", signature.usage));
        }
        self.need(&Area::Firewall);
        self.names_reach = true;
        self.refuse_unknown_word(reach_at, &reach, Type::One(Element::Word(REACHES)))?;
        match written(&reach).and_then(reach_of) {
            Some(reach) => Ok((Node::Reach(Box::new(listener), test, reach), Type::BOOL)),
            None => self.fault(reach_at, format!("a reach is written down: one of {}", REACHES.join(", "))),
        }
    }
}

impl Argument {
    fn takes(self, of: Type) -> bool {
        match self {
            Self::Text => of.is_text(),
            Self::Int => of == Type::INT,
            Self::Address => of == Type::ADDRESS,
            Self::Sized => of.is_text() || matches!(of, Type::List(_)),
            Self::Shown => matches!(of, Type::One(_)) && of.can_be_shown(),
        }
    }
}

/// The texts that a node writes down: one, or a list.
fn written_texts(node: &Node) -> Option<Vec<&str>> {
    match node {
        Node::List(values) if !values.is_empty() => values.iter().map(text_of).collect(),
        node => written(node).map(|text| vec![text]),
    }
}

fn text_of<'a>(value: &'a Value<'static>) -> Option<&'a str> {
    if let Value::Text(Text::Made(text)) = value { Some(text) } else { None }
}

fn reach_of(word: &str) -> Option<Reach> {
    let all = [Reach::None, Reach::Host, Reach::Link, Reach::Private, Reach::Public];
    REACHES.iter().zip(all).find(|(known, _)| **known == word).map(|(_, reach)| reach)
}
