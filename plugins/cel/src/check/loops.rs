//! Loops. The parser expands `all`, `exists`, `exists_one`, `map` and `filter` into comprehensions of one shape each,
//! with a variable that nobody can write; they are recognised by what that variable begins with.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::{Checker, Noted, Typed};
use crate::program::{Loop, LoopKind, Node};
use crate::types::Type;

impl Checker {
    pub(super) fn comprehension(&mut self, at: u64, it: &ComprehensionExpr) -> Typed {
        let Some(macro_call) = MacroCall::of(it) else {
            return self.fault(at, "this loop is unknown: there are all, exists, exists_one, map and filter");
        };
        let (range, range_type) = self.expression(&it.iter_range)?;
        let Type::List(element) = range_type else {
            return self.fault(it.iter_range.id, format!("only a list can be looped over, and this is {range_type}"));
        };
        self.variables.push((it.iter_var.clone(), Type::One(element)));
        let parts = self.loop_parts(at, &macro_call);
        self.variables.pop();
        let (filter, body, of) = parts?;
        Ok((Node::Loop(Box::new(Loop { kind: macro_call.kind, range, filter, body })), of))
    }

    fn loop_parts(&mut self, at: u64, call: &MacroCall<'_>) -> Result<(Option<Node>, Node, Type), Noted> {
        if call.kind != LoopKind::Map {
            return Ok((None, self.condition(call.body)?, Type::BOOL));
        }
        let filter = call.filter.map(|filter| self.condition(filter));
        let (body, of) = self.expression(call.body)?;
        let filter = filter.transpose()?;
        match of {
            Type::One(element) => Ok((filter, body, Type::List(element))),
            Type::List(_) => self.fault(at, "there are no lists of lists here"),
        }
    }
}

struct MacroCall<'tree> {
    kind: LoopKind,
    filter: Option<&'tree IdedExpr>,
    body: &'tree IdedExpr,
}

impl<'tree> MacroCall<'tree> {
    fn of(it: &'tree ComprehensionExpr) -> Option<Self> {
        let step = arguments(&it.loop_step);
        match (&it.accu_init.expr, step) {
            (Expr::Literal(LiteralValue::Boolean(init)), Some((_, [_, body]))) => {
                let kind = if *init.inner() { LoopKind::All } else { LoopKind::Exists };
                Some(Self { kind, filter: None, body })
            }
            (Expr::Literal(LiteralValue::Int(_)), Some((_, [body, ..]))) => {
                Some(Self { kind: LoopKind::ExistsOne, filter: None, body })
            }
            (Expr::List(_), Some((operators::ADD, [_, item]))) => Self::map(None, item),
            (Expr::List(_), Some((operators::CONDITIONAL, [filter, sum, _]))) => {
                let (_, [_, item]) = arguments(sum)? else { return None };
                Self::map(Some(filter), item)
            }
            _ => None,
        }
    }

    fn map(filter: Option<&'tree IdedExpr>, item: &'tree IdedExpr) -> Option<Self> {
        let Expr::List(list) = &item.expr else { return None };
        let [body] = list.elements.as_slice() else { return None };
        Some(Self { kind: LoopKind::Map, filter, body })
    }
}

fn arguments(tree: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    let Expr::Call(call) = &tree.expr else { return None };
    Some((call.func_name.as_str(), call.args.as_slice()))
}
