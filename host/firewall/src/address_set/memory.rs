//! Remembers what became of large sets.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

use super::{AddressSet, IpVersion, Operation, Shared, WORTH_REMEMBERING};

/// The most that a generation holds, in ranges. A range of IPv6 is 32 bytes in a tree that is at least half full, so
/// that two generations are below 256 MiB; one of IPv4 is a quarter of that.
const GENERATION: usize = 1 << 21;

/// What an entry itself takes, in ranges.
const ENTRY: usize = 8;

/// Of so many ranges of a set one is hashed.
const HASHED: usize = 256;

/// An operation and its operands.
type Key = (Operation, Operand, Operand);

/// A set, which stands for itself where it is large and for all that are equal to it where it is small.
#[derive(Clone)]
struct Operand(AddressSet);

impl Operand {
    fn is_large(&self) -> bool {
        self.0.ranges_len() >= WORTH_REMEMBERING
    }
}

impl PartialEq for Operand {
    fn eq(&self, Self(other): &Self) -> bool {
        if self.is_large() { Arc::ptr_eq(&self.0.0, &other.0) } else { self.0 == *other }
    }
}

impl Eq for Operand {}

impl Hash for Operand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_large() {
            Arc::as_ptr(&self.0.0).hash(state);
        } else {
            self.0.ranges().for_each(|range| range.hash(state));
        }
    }
}

/// Operands whose order does not matter come in one order.
fn key(operation: Operation, a: &AddressSet, b: &AddressSet) -> Key {
    let rank = |set: &AddressSet| (set.ranges_len(), Arc::as_ptr(&set.0));
    let (a, b) = if operation != Operation::Difference && rank(b) < rank(a) { (b, a) } else { (a, b) };
    (operation, Operand(a.clone()), Operand(b.clone()))
}

/// The result of an operation, if it is remembered.
pub(super) fn recall(operation: Operation, a: &AddressSet, b: &AddressSet) -> Option<AddressSet> {
    MEMORY.with_borrow_mut(|memory| memory.recall(&key(operation, a, b)))
}

/// Remembers the result of an operation, and gives the set to use for it.
pub(super) fn remember(operation: Operation, a: &AddressSet, b: &AddressSet, result: AddressSet) -> AddressSet {
    MEMORY.with_borrow_mut(|memory| memory.remember(key(operation, a, b), result))
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Results by operations and their operands, which it keeps alive. When a generation is full the one before it is
/// forgotten, but for what was asked for since.
#[derive(Default)]
struct Memory {
    young: HashMap<Key, AddressSet>,
    old: HashMap<Key, AddressSet>,
    /// What the young generation holds, in ranges.
    held: usize,
    /// The sets of the young generation, each of which is counted once.
    counted: HashSet<*const Shared>,
    /// The results that are still there, by a hash of some of their ranges.
    large: HashMap<(IpVersion, u64), Vec<Weak<Shared>>>,
}

impl Memory {
    fn recall(&mut self, key: &Key) -> Option<AddressSet> {
        if let Some(result) = self.young.get(key) {
            return Some(result.clone());
        }
        let (key, result) = self.old.remove_entry(key)?;
        self.insert(key, result.clone());
        Some(result)
    }

    /// Keeps a result, and gives the one that is equal to it where there is one already: what is remembered of that
    /// holds for both.
    fn remember(&mut self, key: Key, result: AddressSet) -> AddressSet {
        let result = self.one_for_all(result);
        self.insert(key, result.clone());
        result
    }

    fn one_for_all(&mut self, set: AddressSet) -> AddressSet {
        let mut hasher = DefaultHasher::new();
        set.ranges_len().hash(&mut hasher);
        set.ranges().step_by(HASHED).for_each(|range| range.hash(&mut hasher));
        let alike = self.large.entry((set.version(), hasher.finish())).or_default();
        alike.retain(|other| other.strong_count() > 0);
        let known = alike.iter().filter_map(Weak::upgrade).map(AddressSet);
        if let Some(known) = known.into_iter().find(|known| *known == set) {
            return known;
        }
        alike.push(Arc::downgrade(&set.0));
        set
    }

    fn insert(&mut self, key: Key, result: AddressSet) {
        if self.held > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.held = 0;
            self.counted.clear();
            self.large.retain(|_, alike| alike.iter().any(|shared| shared.strong_count() > 0));
        }
        let (_, Operand(a), Operand(b)) = &key;
        let new = [a, b, &result].into_iter().filter(|set| self.counted.insert(Arc::as_ptr(&set.0)));
        self.held += ENTRY + new.map(AddressSet::ranges_len).sum::<usize>();
        self.young.insert(key, result);
    }
}
