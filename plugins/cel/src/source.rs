//! From the text of an expression to its syntax tree, by the parser of the crate `cel`.
//!
//! The parser recurses, and a stack that overflows would end the whole plugin. So the tokens are counted first: an
//! expression that is too long or too deep is refused before it is parsed.

use std::ops::Range;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::parser::PrattParser;
use cel::parser::pratt_parser::{Lexer, Token, TokenKind};

/// Longest expression in bytes.
pub(crate) const MAX_BYTES: usize = 4096;

/// Most parentheses, brackets and braces that can be open at once.
const MAX_OPEN: usize = 24;

/// Most operators and selections in one expression: `a.b.c + 1` has three. A chain of them is as deep as it is long.
const MAX_LINKS: usize = 500;

/// Most conditional operators in one expression.
const MAX_CONDITIONS: usize = 24;

/// Deepest syntax tree. Each level takes stack of everything that walks over the tree.
const MAX_DEPTH: usize = 64;

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) message: String,
    /// The bytes that are; `None` for all of it.
    pub(crate) part: Option<Range<usize>>,
}

/// Parses an expression.
pub(crate) fn parse(source: &str) -> Result<IdedExpr, Vec<Fault>> {
    refuse_giants(source).map_err(|fault| vec![fault])?;
    let tree = parser().parse(source).map_err(|errors| syntax_faults(source, &errors))?;
    if depth(&tree) > MAX_DEPTH {
        return Err(vec![Fault::of_all(format!("it is nested more than {MAX_DEPTH} levels deep"))]);
    }
    Ok(tree)
}

/// The limits of the parser are behind those of this module, and never reached.
fn parser() -> PrattParser {
    PrattParser::new().max_recursion_depth(48).error_recovery_limit(4)
}

fn refuse_giants(source: &str) -> Result<(), Fault> {
    if source.trim().is_empty() {
        return Err(Fault::of_all("it is empty".to_owned()));
    }
    if source.len() > MAX_BYTES {
        return Err(Fault::of_all(format!("it is longer than {MAX_BYTES} bytes")));
    }
    let (mut open, mut links, mut conditions) = (0_usize, 0_usize, 0_usize);
    for token in tokens(source) {
        match token.kind {
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => open += 1,
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                open = open.saturating_sub(1);
            }
            TokenKind::TokQuestion => conditions += 1,
            kind if is_link(kind) => links += 1,
            _ => {}
        }
        if open > MAX_OPEN || links > MAX_LINKS || conditions > MAX_CONDITIONS {
            let message = format!(
                "it is too large: at most {MAX_OPEN} parentheses can be open at once, and an expression can have \
                 {MAX_LINKS} operators and selections and {MAX_CONDITIONS} conditions"
            );
            return Err(Fault { message, part: Some(token.start..token.end) });
        }
    }
    Ok(())
}

/// Whether a token can make a tree deeper without anything being open. Chains of `&&` and `||` are balanced.
fn is_link(kind: TokenKind) -> bool {
    use TokenKind as Kind;
    matches!(
        kind,
        Kind::TokDot
            | Kind::TokLeftBracket
            | Kind::TokMinus
            | Kind::TokPlus
            | Kind::TokAsterisk
            | Kind::TokSlash
            | Kind::TokPercent
            | Kind::TokExclamation
            | Kind::TokEqualEqual
            | Kind::TokExclamationEqual
            | Kind::TokLess
            | Kind::TokLessEqual
            | Kind::TokGreater
            | Kind::TokGreaterEqual
            | Kind::TokIn
    )
}

fn syntax_faults(source: &str, errors: &cel::ParseErrors) -> Vec<Fault> {
    let fault = |error: &cel::ParseError| {
        let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg).replace("<EOF>", "the end");
        Fault { message: format!("it is no CEL: {message}"), part: part_of_error(source, error.pos) }
    };
    // The first one is what is wrong; the others are mostly what the parser makes of it.
    errors.errors.iter().take(1).map(fault).collect()
}

fn depth(tree: &IdedExpr) -> usize {
    1 + children(tree).into_iter().map(depth).max().unwrap_or(0)
}

fn children(tree: &IdedExpr) -> Vec<&IdedExpr> {
    match &tree.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(record) => record.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

impl Fault {
    /// Something wrong with the whole of an expression.
    pub(crate) fn of_all(message: String) -> Self {
        Self { message, part: None }
    }

    /// Something wrong at a node of the syntax tree of `source`.
    pub(crate) fn at(source: &str, node: u64, message: String) -> Self {
        Self { message, part: part_of_node(source, node) }
    }

    /// The same of an expression that is some bytes of a longer text.
    pub(crate) fn within(self, whole: Range<usize>) -> Self {
        let part = match self.part {
            Some(part) => whole.start + part.start..whole.start + part.end,
            None => whole,
        };
        Self { part: Some(part), ..self }
    }
}

/// Where a node of a syntax tree is.
///
/// The parser gives the offsets of nodes only along with an error. Ids are given out in the order of the tokens, so a
/// token too many at the end leaves those of all nodes before it as they are.
fn part_of_node(source: &str, node: u64) -> Option<Range<usize>> {
    let errors = parser().parse(&format!("{source}\n)")).err()?;
    let offsets = errors.errors.into_iter().find_map(|error| error.source_info)?;
    let (start, _) = offsets.offset_for(node)?;
    part_from(source, usize::try_from(start).ok()?)
}

/// From the line and column of the parser, which counts columns in bytes: the token there, or else the place behind the last
/// one before.
fn part_of_error(source: &str, (line, column): (isize, isize)) -> Option<Range<usize>> {
    let (line, column) = (usize::try_from(line).ok()?.checked_sub(1)?, usize::try_from(column).ok()?.checked_sub(1)?);
    let start = source.split_inclusive('\n').take(line).map(str::len).sum::<usize>() + column;
    let token = tokens(source).into_iter().take_while(|token| token.start <= start).last()?;
    Some(if token.start == start { start..token.end } else { token.end..token.end })
}

/// What a reader takes for the thing that begins at a byte: a token; with a dot the name behind it; of a method the name
/// before its parenthesis; and all of a list or map.
fn part_from(source: &str, start: usize) -> Option<Range<usize>> {
    let tokens = tokens(source);
    let (before, from) = tokens.split_at_checked(tokens.iter().position(|token| token.start == start)?)?;
    let (first, next) = (from.first()?, from.get(1));
    let part = match first.kind {
        TokenKind::TokDot => start..next.unwrap_or(first).end,
        TokenKind::TokLeftParen => before.last().map_or(start..first.end, |name| name.start..name.end),
        TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => start..end_of_brackets(from)?,
        _ => start..first.end,
    };
    Some(part)
}

/// The tokens that mean something.
fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(source);
    let tokens = std::iter::from_fn(|| Some(lexer.lex()));
    let tokens = tokens.take_while(|token| !matches!(token.kind, TokenKind::TokEnd | TokenKind::TokError));
    tokens.filter(|token| !matches!(token.kind, TokenKind::TokWhitespace | TokenKind::TokComment)).collect()
}

/// Where the bracket or brace that comes first is closed; the end of what there is if it is not.
fn end_of_brackets(tokens: &[Token]) -> Option<usize> {
    let mut open = 0_usize;
    for token in tokens {
        match token.kind {
            TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => open += 1,
            TokenKind::TokRightBracket | TokenKind::TokRightBrace => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            return Some(token.end);
        }
    }
    tokens.last().map(|token| token.end)
}
