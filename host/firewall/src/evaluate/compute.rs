//! Arithmetic on bytes that may not be known.

use crate::rule::Combination;

use super::symbol::{Symbol, Variable};

/// Swaps the bytes of each `size` bytes; on a machine whose order is that of the network nothing is to be done.
pub(super) fn swap(symbols: &[Symbol], size: usize) -> Vec<Symbol> {
    if cfg!(target_endian = "big") || size == 0 {
        return symbols.to_vec();
    }
    symbols.chunks(size).flat_map(|chunk| chunk.iter().rev().copied()).collect()
}

/// Shifts 32-bit words of the machine's order, carrying from one into the next (`nft_bitwise_eval_lshift` and
/// `nft_bitwise_eval_rshift`, `net/netfilter/nft_bitwise.c`).
pub(super) fn shift(symbols: &[Symbol], left: bool, by: u32) -> Vec<Symbol> {
    // What is ordinary stays ordinary; anything else is not followed bit by bit.
    if symbols.iter().any(|symbol| symbol.and != 0 && symbol.variable != Variable::Rare) {
        return vec![Symbol::OPAQUE; symbols.len()];
    }
    let rare = symbols.iter().any(|symbol| symbol.and != 0);
    let words: Vec<u32> = symbols.chunks(4).map(word).collect();
    let shifted = if left { shift_left(&words, by) } else { shift_right(&words, by) };
    let bytes = shifted.iter().flat_map(|word| word.to_ne_bytes()).take(symbols.len());
    bytes.map(|byte| if rare { Symbol::rare(byte, 0xff) } else { Symbol::known(byte) }).collect()
}

/// A word from at most four bytes; missing ones are zero, as they are in a register.
fn word(symbols: &[Symbol]) -> u32 {
    let mut bytes = [0; 4];
    for (byte, symbol) in bytes.iter_mut().zip(symbols) {
        *byte = symbol.xor;
    }
    u32::from_ne_bytes(bytes)
}

fn shift_left(words: &[u32], by: u32) -> Vec<u32> {
    let mut carry = 0;
    let mut shifted: Vec<u32> = words
        .iter()
        .rev()
        .map(|&word| {
            let result = word.checked_shl(by).unwrap_or(0) | carry;
            carry = word.checked_shr(32 - by.min(32)).unwrap_or(0);
            result
        })
        .collect();
    shifted.reverse();
    shifted
}

fn shift_right(words: &[u32], by: u32) -> Vec<u32> {
    let mut carry = 0;
    words
        .iter()
        .map(|&word| {
            let result = carry | word.checked_shr(by).unwrap_or(0);
            carry = word.checked_shl(32 - by.min(32)).unwrap_or(0);
            result
        })
        .collect()
}

/// Combines two bytes. With a known byte that is a mask or a flip; otherwise the result can be anything.
pub(super) fn combine(a: Symbol, b: Symbol, how: Combination) -> Symbol {
    let (symbol, constant) = match (a.value(), b.value()) {
        (_, Some(constant)) => (a, constant),
        (Some(constant), None) => (b, constant),
        (None, None) => return Symbol::OPAQUE,
    };
    match how {
        Combination::And => symbol.masked(constant, 0),
        Combination::Xor => symbol.masked(0xff, constant),
        // a | c == (a & !c) ^ c
        Combination::Or => symbol.masked(!constant, constant),
    }
}
