//! Intervals from the keys at which they begin and end.
//!
//! A set of intervals is a tree of keys, some of which begin an interval and some of which end one. What decides for a
//! key is the greatest that is not greater (`nft_rbtree_lookup`, `net/netfilter/nft_set_rbtree.c`): an interval goes on
//! until the next key of either kind, or without one to the last key there is.

use super::set::NFT_SET_ANONYMOUS;
use crate::ruleset::{Element, Key, Set};

/// Turns the elements, of which each begins an interval, into ranges.
pub(super) fn close(set: &mut Set, mut ends: Vec<Box<[u8]>>, flags: u32) {
    let mut elements = std::mem::take(&mut set.elements);
    elements.sort_by(|one, other| begin(one).cmp(&begin(other)));
    ends.sort_unstable();
    if flags & NFT_SET_ANONYMOUS != 0 && elements.iter().any(|element| is_among(element, &ends)) {
        // The tree then finds the one or the other, by its shape.
        set.incomplete.get_or_insert_with(|| "one interval ends where another begins".into());
    }
    let mut next = None;
    let mut ends = ends.into_iter().rev().peekable();
    for element in elements.iter_mut().rev() {
        let Key::Exact(first) = &element.key else { continue };
        let mut until: Option<Box<[u8]>> = next.take();
        while let Some(end) = ends.next_if(|end| end > first) {
            if until.as_ref().is_none_or(|until| end < *until) {
                until = Some(end);
            }
        }
        if until.as_ref() == Some(first) {
            set.incomplete.get_or_insert_with(|| "two intervals begin at one key".into());
        }
        next = Some(first.clone());
        let last = until.map_or_else(|| vec![u8::MAX; first.len()].into(), before);
        element.key = if last == *first { Key::Exact(last) } else { Key::Range(first.clone(), last) };
    }
    set.elements = elements;
}

fn begin(element: &Element) -> Option<&[u8]> {
    if let Key::Exact(key) = &element.key { Some(key) } else { None }
}

fn is_among(element: &Element, ends: &[Box<[u8]>]) -> bool {
    begin(element).is_some_and(|key| ends.binary_search_by(|end| (**end).cmp(key)).is_ok())
}

/// The key before one that is not the first.
fn before(mut key: Box<[u8]>) -> Box<[u8]> {
    for byte in key.iter_mut().rev() {
        let borrow = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrow {
            break;
        }
    }
    key
}
