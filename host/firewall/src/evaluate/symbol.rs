//! Bytes of which not every bit is known.
//!
//! Every byte of a register is `(x & and) ^ xor`, where `x` is a byte of the sender's address or port, or unknown. That
//! form is closed under masks and flips, so a register can be masked, compared and looked up without knowing it.

use std::cmp::Ordering;

use crate::address_set::{AddressSet, IpVersion};
use crate::region::{PortSet, Region};
use crate::rule::Comparison;

use super::condition::Condition;

/// What the variable bits of a byte come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Variable {
    /// A byte of the sender's address, counted from the most significant.
    Address,
    /// A byte of the sender's port, counted from the most significant.
    Port,
    /// Anything.
    Opaque,
    /// Zero in ordinary packets, which makes [`Symbol::xor`] the ordinary value; a sender can choose another.
    Rare,
}

/// A byte: `(x & and) ^ xor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Symbol {
    pub(super) variable: Variable,
    /// Which byte of the variable.
    pub(super) index: u8,
    pub(super) and: u8,
    pub(super) xor: u8,
}

impl Symbol {
    /// A byte that is known.
    pub(super) const fn known(value: u8) -> Self {
        Self { variable: Variable::Opaque, index: 0, and: 0, xor: value }
    }

    /// A byte that can be anything.
    pub(super) const OPAQUE: Self = Self { variable: Variable::Opaque, index: 0, and: 0xff, xor: 0 };

    /// A byte that has a value in ordinary packets, and of which a sender can choose the bits of `free`.
    pub(super) const fn rare(value: u8, free: u8) -> Self {
        Self { variable: Variable::Rare, index: 0, and: free, xor: value }
    }

    /// A byte of the sender's address or port.
    pub(super) const fn variable(variable: Variable, index: u8) -> Self {
        Self { variable, index, and: 0xff, xor: 0 }
    }

    /// Its value, if every bit is known.
    pub(super) fn value(self) -> Option<u8> {
        (self.and == 0).then_some(self.xor)
    }

    /// The byte under a mask, with some bits flipped then.
    #[must_use]
    pub(super) fn masked(self, mask: u8, xor: u8) -> Self {
        Self { and: self.and & mask, xor: (self.xor & mask) ^ xor, ..self }
    }

    fn is_whole(self, variable: Variable) -> bool {
        self.variable == variable && self.and == 0xff && self.xor == 0
    }
}

/// The sender's address.
pub(super) fn whole_address(version: IpVersion) -> Vec<Symbol> {
    let indexes = (0_u8..).take(version.address_length());
    indexes.map(|index| Symbol::variable(Variable::Address, index)).collect()
}

/// Bytes as symbols.
pub(super) fn known(bytes: &[u8]) -> impl Iterator<Item = Symbol> + '_ {
    bytes.iter().map(|&byte| Symbol::known(byte))
}

/// The value of bytes that are all known.
pub(super) fn values(symbols: &[Symbol]) -> Option<Vec<u8>> {
    symbols.iter().map(|symbol| symbol.value()).collect()
}

/// For which senders bytes equal a value of the same length.
pub(super) fn equal(version: IpVersion, symbols: &[Symbol], value: &[u8]) -> Condition {
    let mut wanted = Wanted::default();
    for (symbol, &byte) in symbols.iter().zip(value) {
        if (symbol.xor ^ byte) & !symbol.and != 0 {
            return Condition::Known(false);
        }
        if symbol.and != 0 && !wanted.add(*symbol, byte, version) {
            return Condition::Known(false);
        }
    }
    wanted.condition(version)
}

/// What an equality asks of the variables.
#[derive(Default)]
struct Wanted {
    address: Bits,
    port: Bits,
    opaque: bool,
    /// Bits that a sender can choose: whether they are asked for, and whether ordinary packets have them.
    rare: Option<bool>,
}

/// Bits of a number under a mask.
#[derive(Clone, Copy, Default)]
struct Bits {
    mask: u128,
    value: u128,
}

impl Bits {
    /// Asks for a byte; false if it contradicts what was asked for before.
    fn add(&mut self, mask: u8, value: u8, shift: usize) -> bool {
        let (mask, value) = (u128::from(mask) << shift, u128::from(value) << shift);
        let contradicts = self.mask & mask & (self.value ^ value) != 0;
        self.mask |= mask;
        self.value |= value & mask;
        !contradicts
    }
}

impl Wanted {
    fn add(&mut self, symbol: Symbol, byte: u8, version: IpVersion) -> bool {
        let wanted = (byte ^ symbol.xor) & symbol.and;
        let shift = |length: usize| 8 * (length.saturating_sub(1 + usize::from(symbol.index)));
        match symbol.variable {
            Variable::Address => self.address.add(symbol.and, wanted, shift(version.address_length())),
            Variable::Port => self.port.add(symbol.and, wanted, shift(2)),
            Variable::Opaque => {
                self.opaque = true;
                true
            }
            Variable::Rare => {
                self.rare = Some(self.rare.unwrap_or(true) && wanted == 0);
                true
            }
        }
    }

    fn condition(self, version: IpVersion) -> Condition {
        let mut condition = Condition::Known(true);
        if self.address.mask != 0 {
            condition = condition.and(match addresses(version, self.address) {
                Some(addresses) => Condition::Exact(Region::of_addresses(addresses)),
                None => Condition::unknown(version),
            });
        }
        if self.port.mask != 0 {
            condition = condition.and(Condition::Exact(Region::of_ports(version, ports(self.port))));
        }
        if let Some(usually) = self.rare {
            condition = condition.and(Condition::usually(version, usually));
        }
        if self.opaque {
            condition = condition.and(Condition::unknown(version));
        }
        condition
    }
}

/// The most bits above the lowest one asked for that may be free: their combinations are listed one by one.
const MAX_FREE_BITS: u32 = 12;

/// The addresses that have some bits; `None` where they are too scattered to list.
fn addresses(version: IpVersion, bits: Bits) -> Option<AddressSet> {
    let ranges = masked_ranges(bits, version.last())?;
    Some(AddressSet::from_ranges(version, ranges))
}

fn ports(bits: Bits) -> PortSet {
    let ranges = masked_ranges(bits, u16::MAX.into()).unwrap_or_default();
    let to_port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    PortSet::from_ranges(ranges.into_iter().map(|range| to_port(*range.start())..=to_port(*range.end())))
}

/// The numbers up to `last` that have some bits, as ranges: the bits below the lowest one asked for are free, and each
/// combination of the free bits above makes a range.
fn masked_ranges(bits: Bits, last: u128) -> Option<Vec<std::ops::RangeInclusive<u128>>> {
    let low = (1_u128 << bits.mask.trailing_zeros().min(127)) - 1;
    let free = last & !bits.mask & !low;
    // Sixteen bits of a port can always be listed.
    if free.count_ones() > MAX_FREE_BITS && last > u128::from(u16::MAX) {
        return None;
    }
    let mut ranges = Vec::new();
    let mut combination = 0_u128;
    loop {
        let first = bits.value | combination;
        ranges.push(first..=first | low);
        // The next subset of `free`, in order.
        combination = combination.wrapping_sub(free) & free;
        if combination == 0 {
            return Some(ranges);
        }
    }
}

/// For which senders bytes are less than, equal to and greater than a value of the same length, most significant first.
pub(super) struct Order {
    pub(super) less: Condition,
    pub(super) equal: Condition,
    pub(super) greater: Condition,
}

impl Order {
    fn known(ordering: Ordering) -> Self {
        Self {
            less: Condition::Known(ordering == Ordering::Less),
            equal: Condition::Known(ordering == Ordering::Equal),
            greater: Condition::Known(ordering == Ordering::Greater),
        }
    }

    fn unknown(version: IpVersion) -> Self {
        Self {
            less: Condition::unknown(version),
            equal: Condition::unknown(version),
            greater: Condition::unknown(version),
        }
    }

    /// Less or equal.
    pub(super) fn not_greater(self) -> Condition {
        self.greater.not()
    }

    /// Greater or equal.
    pub(super) fn not_less(self) -> Condition {
        self.less.not()
    }

    /// This order, and where it is equal the other one.
    fn then(self, rest: impl FnOnce() -> Self) -> Self {
        if matches!(self.equal, Condition::Known(false)) {
            return self;
        }
        let rest = rest();
        Self {
            less: self.less.or(self.equal.clone().and(rest.less)),
            greater: self.greater.or(self.equal.clone().and(rest.greater)),
            equal: self.equal.and(rest.equal),
        }
    }
}

/// Compares bytes with a value.
pub(super) fn order(version: IpVersion, symbols: &[Symbol], value: &[u8]) -> Order {
    let mut position = 0;
    let mut steps = Vec::new();
    while position < symbols.len().min(value.len()) {
        let length = run_length(version, symbols.get(position..).unwrap_or_default());
        let end = position + length;
        if let (Some(symbols), Some(value)) = (symbols.get(position..end), value.get(position..end)) {
            steps.push((symbols, value));
        }
        position = end;
    }
    let whole = Order::known(Ordering::Equal);
    steps.into_iter().rev().fold(whole, |rest, (symbols, value)| order_run(version, symbols, value).then(|| rest))
}

/// How many bytes from the front can be compared at once: known ones, or a whole variable from its first byte on.
fn run_length(version: IpVersion, symbols: &[Symbol]) -> usize {
    let Some(first) = symbols.first() else { return 1 };
    let limit = match first.variable {
        Variable::Address => version.address_length(),
        Variable::Port => 2,
        Variable::Opaque | Variable::Rare => 1,
    };
    let continues = |(position, symbol): &(usize, &Symbol)| {
        *position < limit && symbol.is_whole(first.variable) && usize::from(symbol.index) == *position
    };
    symbols.iter().enumerate().take_while(continues).count().max(1)
}

fn order_run(version: IpVersion, symbols: &[Symbol], value: &[u8]) -> Order {
    let Some(first) = symbols.first() else { return Order::known(Ordering::Equal) };
    if let (Some(known), Some(byte)) = (first.value(), value.first()) {
        return Order::known(known.cmp(byte));
    }
    if first.variable == Variable::Rare {
        return order_of_rare(version, *first, value.first().copied().unwrap_or(0));
    }
    let whole = symbols
        .iter()
        .enumerate()
        .all(|(at, symbol)| symbol.is_whole(first.variable) && usize::from(symbol.index) == at);
    match first.variable {
        Variable::Address if whole => order_of_address(version, value),
        Variable::Port if whole => order_of_port(version, value),
        Variable::Port => order_of_port_byte(version, *first, value.first().copied().unwrap_or(0)),
        _ => Order::unknown(version),
    }
}

fn order_of_rare(version: IpVersion, symbol: Symbol, byte: u8) -> Order {
    let usual = symbol.xor.cmp(&byte);
    let condition = |wanted| Condition::usually(version, usual == wanted);
    Order { less: condition(Ordering::Less), equal: condition(Ordering::Equal), greater: condition(Ordering::Greater) }
}

/// The leading bytes of the address against a value of as many bytes.
fn order_of_address(version: IpVersion, value: &[u8]) -> Order {
    let (first, last) = leading(value, version.address_length());
    let set = |range| Condition::Exact(Region::of_addresses(AddressSet::from_range(version, range)));
    Order {
        less: first.checked_sub(1).map_or(Condition::Known(false), |below| set(0..=below)),
        equal: set(first..=last),
        greater: if last >= version.last() { Condition::Known(false) } else { set(last + 1..=version.last()) },
    }
}

fn order_of_port(version: IpVersion, value: &[u8]) -> Order {
    let (first, last) = leading(value, 2);
    let to_port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
    let set = |range: std::ops::RangeInclusive<u128>| {
        let ports = PortSet::from_ranges([to_port(*range.start())..=to_port(*range.end())]);
        Condition::Exact(Region::of_ports(version, ports))
    };
    let most = u128::from(u16::MAX);
    Order {
        less: first.checked_sub(1).map_or(Condition::Known(false), |below| set(0..=below)),
        equal: set(first..=last),
        greater: if last >= most { Condition::Known(false) } else { set(last + 1..=most) },
    }
}

/// A byte of the port under any mask: there are so few values that each is tried.
fn order_of_port_byte(version: IpVersion, symbol: Symbol, byte: u8) -> Order {
    let condition = |wanted| {
        let matching = (0..=u8::MAX).filter(|own| (own & symbol.and ^ symbol.xor).cmp(&byte) == wanted);
        Condition::Exact(Region::of_ports(version, ports_with(symbol.index, matching)))
    };
    Order { less: condition(Ordering::Less), equal: condition(Ordering::Equal), greater: condition(Ordering::Greater) }
}

/// The ports of which a byte has one of some values, in ascending order.
fn ports_with(index: u8, values: impl Iterator<Item = u8> + Clone) -> PortSet {
    let of_high = |high: u8| u16::from_be_bytes([high, 0])..=u16::from_be_bytes([high, u8::MAX]);
    if index == 0 {
        return PortSet::from_ranges(values.map(of_high));
    }
    let of_low = |high: u8| values.clone().map(move |low| u16::from_be_bytes([high, low])).map(|port| port..=port);
    PortSet::from_ranges((0..=u8::MAX).flat_map(of_low))
}

/// The lowest and the highest number of `length` bytes that begin with some bytes.
fn leading(value: &[u8], length: usize) -> (u128, u128) {
    let value = value.get(..length).unwrap_or(value);
    let number = value.iter().fold(0_u128, |number, &byte| number << 8 | u128::from(byte));
    let rest = 8 * (length - value.len());
    let ones = u128::MAX.checked_shr(u32::try_from(128 - rest).unwrap_or(128)).unwrap_or(0);
    (
        number.checked_shl(u32::try_from(rest).unwrap_or(128)).unwrap_or(0),
        number.checked_shl(u32::try_from(rest).unwrap_or(128)).unwrap_or(0) | ones,
    )
}

/// For which senders bytes lie between two values, both included.
pub(super) fn between(version: IpVersion, symbols: &[Symbol], from: &[u8], to: &[u8]) -> Condition {
    let low = order(version, symbols, from);
    if matches!((&low.greater, &low.equal), (Condition::Known(false), Condition::Known(false))) {
        return Condition::Known(false);
    }
    let high = order(version, symbols, to);
    low.less.not().and(high.greater.not())
}

/// For which senders bytes compare so with a value of the same length.
pub(super) fn compare(version: IpVersion, symbols: &[Symbol], how: Comparison, value: &[u8]) -> Condition {
    let order = || order(version, symbols, value);
    match how {
        Comparison::Equal => equal(version, symbols, value),
        Comparison::NotEqual => equal(version, symbols, value).not(),
        Comparison::Less => order().less,
        Comparison::Greater => order().greater,
        Comparison::LessOrEqual => order().not_greater(),
        Comparison::GreaterOrEqual => order().not_less(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn port() -> Vec<Symbol> {
        vec![Symbol::variable(Variable::Port, 0), Symbol::variable(Variable::Port, 1)]
    }

    fn address() -> Vec<Symbol> {
        (0..4).map(|index| Symbol::variable(Variable::Address, index)).collect()
    }

    /// Whether a condition holds for a sender; `None` where it is not known.
    fn holds(condition: &Condition, address: [u8; 4], port: u16) -> Option<bool> {
        let address = address.into();
        match condition {
            Condition::Known(holds) => Some(*holds),
            Condition::Exact(region) => Some(region.contains(address, port)),
            Condition::Vague(bounds) => {
                let (surely, possibly) =
                    (bounds.surely.contains(address, port), bounds.possibly.contains(address, port));
                (surely == possibly).then_some(surely)
            }
        }
    }

    fn concrete(symbols: &[Symbol], address: [u8; 4], port: u16) -> Vec<u8> {
        let byte = |symbol: &Symbol| match symbol.variable {
            Variable::Address => address[usize::from(symbol.index)],
            Variable::Port => port.to_be_bytes()[usize::from(symbol.index)],
            Variable::Opaque | Variable::Rare => 0,
        };
        symbols.iter().map(|symbol| (byte(symbol) & symbol.and) ^ symbol.xor).collect()
    }

    #[test]
    fn a_mask_that_is_no_prefix_is_listed() {
        let symbols: Vec<_> = address().into_iter().zip([255, 0, 255, 0]).map(|(s, mask)| s.masked(mask, 0)).collect();
        let condition = equal(IpVersion::V4, &symbols, &[10, 0, 7, 0]);
        assert_eq!(holds(&condition, [10, 99, 7, 3], 1), Some(true));
        assert_eq!(holds(&condition, [10, 99, 8, 3], 1), Some(false));
    }

    #[test]
    fn opaque_bits_may_match_and_rare_ones_usually_do_not() {
        assert_eq!(holds(&equal(IpVersion::V4, &[Symbol::OPAQUE], &[1]), [0; 4], 0), None);
        let ttl = [Symbol::rare(64, 0xff)];
        assert_eq!(holds(&equal(IpVersion::V4, &ttl, &[255]), [0; 4], 0), Some(false));
        assert_eq!(holds(&between(IpVersion::V4, &ttl, &[10], &[200]), [0; 4], 0), Some(true));
    }

    #[test]
    fn a_contradiction_between_bytes_holds_for_nobody() {
        let twice = [Symbol::variable(Variable::Port, 0), Symbol::variable(Variable::Port, 0)];
        assert!(matches!(equal(IpVersion::V4, &twice, &[1, 2]), Condition::Known(false)));
    }

    fn any_symbols() -> impl Strategy<Value = Vec<Symbol>> {
        let masked = (prop::collection::vec(0_u8..=255, 4), any::<u8>()).prop_map(|(masks, xor)| {
            address().into_iter().zip(masks).map(|(symbol, mask)| symbol.masked(mask | 0xf0, xor)).collect::<Vec<_>>()
        });
        let masked_port = any::<([u8; 2], u8)>().prop_map(|(masks, xor)| {
            port().into_iter().zip(masks).map(|(symbol, mask)| symbol.masked(mask, xor)).collect::<Vec<_>>()
        });
        let constant = prop::collection::vec(any::<u8>(), 1..4).prop_map(|bytes| known(&bytes).collect::<Vec<_>>());
        prop_oneof![
            Just(address()),
            Just(port()),
            masked_port,
            masked,
            constant.clone(),
            constant.clone().prop_map(|mut bytes| {
                bytes.extend(port());
                bytes
            }),
            constant.prop_map(|bytes| [address(), bytes, port()].concat()),
        ]
    }

    proptest! {
        #[test]
        fn symbolic_comparison_agrees_with_concrete_bytes(
            symbols in any_symbols(), sender: [u8; 4], other: [u8; 4], sport: u16, near in -1_i8..=1, fill: [u8; 12],
        ) {
            let mine = concrete(&symbols, sender, sport);
            let mut value = concrete(&symbols, if near == 0 { sender } else { other }, sport);
            if let Some(last) = value.last_mut() {
                *last = last.wrapping_add_signed(near);
            }
            let random: Vec<u8> = fill.iter().copied().cycle().take(value.len()).collect();
            for value in [value, random] {
                if let Some(found) = holds(&equal(IpVersion::V4, &symbols, &value), sender, sport) {
                    prop_assert_eq!(found, mine == value);
                }
                let order = order(IpVersion::V4, &symbols, &value);
                for (condition, wanted) in
                    [(order.less, Ordering::Less), (order.equal, Ordering::Equal), (order.greater, Ordering::Greater)]
                {
                    if let Some(found) = holds(&condition, sender, sport) {
                        prop_assert_eq!(found, mine.cmp(&value) == wanted);
                    }
                }
            }
        }
    }
}
