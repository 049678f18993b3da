//! Messages with expressions in braces: `{listener.id} is reached by {listener.reach}`. `{{` and `}}` are braces.

use crate::check::check;
use crate::evaluate::{Machine, Stop};
use crate::program::Node;
use crate::record::{Kind, Record};
use crate::source::Fault;
use crate::text::shortened;

/// Longest message, in characters.
const MAX_MESSAGE: usize = 1000;

/// Longest value within a message, in characters.
const MAX_VALUE: usize = 200;

/// Most expressions in one message.
const MAX_EXPRESSIONS: usize = 16;

/// A message to fill in.
pub(crate) struct Template {
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Value(Node),
}

impl Template {
    /// Reads a template about a subject.
    pub(crate) fn parse(text: &str, subject: Kind) -> Result<Self, Vec<Fault>> {
        if text.trim().is_empty() {
            return Err(vec![Fault::of_all("it is empty".to_owned())]);
        }
        let (mut template, mut faults) = (Self { parts: Vec::new() }, Vec::new());
        let pieces = pieces(text).map_err(|fault| vec![fault])?;
        if pieces.iter().filter(|piece| matches!(piece, Piece::Expression { .. })).count() > MAX_EXPRESSIONS {
            return Err(vec![Fault::of_all(format!("it has more than {MAX_EXPRESSIONS} expressions"))]);
        }
        for piece in pieces {
            match piece {
                Piece::Text(text) => template.parts.push(Part::Text(text)),
                Piece::Expression { start, source } => {
                    let added = template.add(source, subject);
                    faults.extend(
                        added.err().into_iter().flatten().map(|fault| fault.within(start..start + source.len())),
                    );
                }
            }
        }
        if faults.is_empty() { Ok(template) } else { Err(faults) }
    }

    fn add(&mut self, source: &str, subject: Kind) -> Result<(), Vec<Fault>> {
        let checked = check(source, subject)?;
        if !checked.of.can_be_shown() {
            return Err(vec![Fault::of_all(format!("{} cannot be shown: name a field of it", checked.of))]);
        }
        self.parts.push(Part::Value(checked.node));
        Ok(())
    }

    /// Fills it in. What is not known is said to be so: the finding stands without it.
    pub(crate) fn fill<'a>(&'a self, machine: &mut Machine<'a>, subject: Record<'a>) -> Result<String, Stop> {
        let mut message = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => message.push_str(text),
                Part::Value(node) => message.push_str(&shown(machine, node, subject)?),
            }
        }
        Ok(shortened(&message, MAX_MESSAGE))
    }
}

/// The value of an expression as text.
pub(crate) fn shown<'a>(machine: &mut Machine<'a>, node: &'a Node, subject: Record<'a>) -> Result<String, Stop> {
    match machine.evaluate(node, subject) {
        Ok(value) => {
            machine.budget.show(&value)?;
            Ok(shortened(&value.to_string(), MAX_VALUE))
        }
        Err(Stop::Unknown(_)) => Ok("(not known)".to_owned()),
        Err(Stop::Spent) => Err(Stop::Spent),
    }
}

enum Piece<'text> {
    Text(String),
    Expression { start: usize, source: &'text str },
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            plain.extend(from.chars().next());
            rest = behind;
            continue;
        }
        let start = text.len() - from.len();
        let Some(inside) = from.strip_prefix('{') else {
            return Err(
                Fault::of_all("a `}` without its `{`; a brace is written `}}`".to_owned()).within(start..start + 1)
            );
        };
        let Some(end) = end_of_expression(inside) else {
            return Err(
                Fault::of_all("a `{` without its `}`; a brace is written `{{`".to_owned()).within(start..start + 1)
            );
        };
        pieces.push(Piece::Text(std::mem::take(&mut plain)));
        let (source, behind) = inside.split_at(end);
        pieces.push(Piece::Expression { start: start + 1, source });
        rest = behind.strip_prefix('}').unwrap_or(behind);
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// Where an expression ends: at the first brace that is not within a text of its own.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '}') => return Some(index),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong, and with which part of the template.
    fn faults(text: &str) -> Vec<String> {
        let faults = Template::parse(text, Kind::Listener).err().unwrap_or_default();
        faults
            .into_iter()
            .map(|fault| format!("{} [{}]", fault.message, text.get(fault.part.unwrap()).unwrap()))
            .collect()
    }

    #[test]
    fn a_template_has_expressions_and_braces() {
        assert_eq!(faults("{listener.id} {{is}} on {listener.port + 1}"), [""; 0]);
        assert_eq!(faults("{string(listener.port) + '}'}"), [""; 0]);
    }

    #[test]
    fn what_is_wrong_with_it_has_its_place() {
        assert_eq!(faults("on {listener.prot}"), ["a `listener` has no field `prot`; did you mean `port`? [.prot]"]);
        assert_eq!(faults("on {listener.port"), ["a `{` without its `}`; a brace is written `{{` [{]"]);
        assert_eq!(faults("on }"), ["a `}` without its `{`; a brace is written `}}` [}]"]);
        assert_eq!(faults("{listener}"), ["a `listener` cannot be shown: name a field of it [listener]"]);
        assert_eq!(faults("{}"), ["it is empty []"]);
    }
}
