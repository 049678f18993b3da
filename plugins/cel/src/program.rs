//! What the checker makes of an expression: a tree whose types fit, with every name resolved.

use std::cmp::Ordering;
use std::net::IpAddr;

use loopgate_plugin::prelude::*;

use loopgate_selector::Glob;

use crate::record::Field;
use crate::value::Value;

/// A checked expression. It borrows nothing, and can be evaluated any number of times.
pub(crate) enum Node {
    /// A value that is written down.
    Const(Value<'static>),
    /// A list that is written down, of values alone.
    List(Vec<Value<'static>>),
    /// A list of what is worked out.
    MakeList(Vec<Node>),
    /// The subject.
    Subject,
    /// The item of one of the loops around, the outermost first.
    Variable(usize),
    /// A part of the facts as a whole.
    Facts(Part),
    /// A field of a record.
    Field(Box<Node>, &'static Field),
    /// Whether a record has a field.
    Has(Box<Node>, &'static Field),
    /// `!a`
    Not(Box<Node>),
    /// `a && b`
    And(Box<Node>, Box<Node>),
    /// `a || b`
    Or(Box<Node>, Box<Node>),
    /// `a ? b : c`
    If(Box<[Node; 3]>),
    /// `a == b`
    Equal(Box<Node>, Box<Node>),
    /// `a < b` and the like.
    Compare(Comparison, Box<Node>, Box<Node>),
    /// `a in b`
    In(Box<Node>, Box<Node>),
    /// `-a`
    Negate(Box<Node>),
    /// `a + b` and the like, of numbers.
    Calculate(Operation, Box<Node>, Box<Node>),
    /// `a + b` of texts.
    JoinTexts(Box<Node>, Box<Node>),
    /// `a + b` of lists.
    JoinLists(Box<Node>, Box<Node>),
    /// `a[b]`
    Index(Box<Node>, Box<Node>),
    /// A loop over a list.
    Loop(Box<Loop>),
    /// A function of one text: its answer is a text, a number or a truth.
    Call(Function, Vec<Node>),
    /// `glob`, whose patterns are written down.
    Globs(Box<Node>, Vec<Glob>),
    /// `in_cidr`, whose networks are written down.
    InNetworks(Box<Node>, Vec<Network>),
    /// `reach_at_most` and `reach_at_least`.
    Reach(Box<Node>, ReachTest, Reach),
}

impl Node {
    /// Whether it can have a value that is no truth; all the others are conditions.
    pub(crate) fn is_value(&self) -> bool {
        match self {
            Self::Loop(it) => it.kind == LoopKind::Map,
            Self::Not(_)
            | Self::And(..)
            | Self::Or(..)
            | Self::Equal(..)
            | Self::Compare(..)
            | Self::In(..)
            | Self::Has(..)
            | Self::Globs(..)
            | Self::InNetworks(..)
            | Self::Reach(..) => false,
            _ => true,
        }
    }
}

/// A part of the facts as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Host,
    Listeners,
    Interfaces,
    Names,
    Sysctls,
}

/// `list.all(x, ...)` and its relatives.
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Node,
    /// Which items to look at, in `map` with three arguments and in `filter`.
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether two things in this order compare so.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReachTest {
    AtMost,
    AtLeast,
}

/// A function whose arguments are worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    Size,
    Int,
    String,
    IsLoopback,
    IsPrivate,
    InRange,
    SysctlValue,
}

/// A network: the addresses that share its first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, or an address alone.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let wrong = || format!("`{text}` is no network such as `10.0.0.0/8` or `fc00::/7`");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = bits(address);
        let length = match length {
            None => bits,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= bits).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        if address.to_canonical() != address {
            return Err(format!("`{text}` is an IPv4 network that is mapped into IPv6: write it as IPv4"));
        }
        let network = Self { address, length };
        if network.is_exact() { Ok(network) } else { Err(format!("`{text}` has bits behind its prefix")) }
    }

    fn is_exact(&self) -> bool {
        let host = u32::from(self.length);
        match self.address {
            IpAddr::V4(address) => address.to_bits().checked_shl(host).unwrap_or(0) == 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(host).unwrap_or(0) == 0,
        }
    }

    /// Whether an address is in it. An IPv4 address is in no IPv6 network.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let rest = u32::from(bits(self.address) - self.length);
        match (self.address, address) {
            (IpAddr::V4(of), IpAddr::V4(address)) => {
                (of.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            (IpAddr::V6(of), IpAddr::V6(address)) => {
                (of.to_bits() ^ address.to_bits()).checked_shr(rest).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
