//! Makes a ruleset smaller while it keeps a property.

use crate::ruleset::Ruleset;

/// The most rulesets to try.
const TRIES: usize = 1500;

/// Leaves out whatever can be left out.
pub fn shrink(ruleset: &Ruleset, mut still: impl FnMut(&Ruleset) -> bool) -> Ruleset {
    let mut smallest = ruleset.clone();
    let mut tries = 0;
    loop {
        let before = smallest.clone();
        let mut position = 0;
        // The candidates are numbered anew after each success, so that the next one stands at the same position.
        while let Some(candidate) = candidate(&smallest, position) {
            if tries >= TRIES {
                return smallest;
            }
            tries += 1;
            if still(&candidate) {
                smallest = candidate;
            } else {
                position += 1;
            }
        }
        if smallest == before {
            return smallest;
        }
    }
}

/// The ruleset without its part of this number: tables first, then chains, rules, parts of rules, elements and
/// policies.
fn candidate(ruleset: &Ruleset, position: usize) -> Option<Ruleset> {
    let mut left = position;
    let mut smaller = ruleset.clone();
    let mut take = |length: usize| {
        let found = (left < length).then_some(left);
        left = left.saturating_sub(length);
        found
    };
    if let Some(at) = take(smaller.tables.len()) {
        smaller.tables.remove(at);
        return Some(smaller);
    }
    for table in &mut smaller.tables {
        if let Some(at) = take(table.chains.len()) {
            table.chains.remove(at);
            return Some(smaller);
        }
        if let Some(at) = take(table.sets.len()) {
            table.sets.remove(at);
            return Some(smaller);
        }
    }
    for chain in smaller.tables.iter_mut().flat_map(|table| &mut table.chains) {
        if let Some(at) = take(chain.rules.len()) {
            chain.rules.remove(at);
            return Some(smaller);
        }
    }
    for chain in smaller.tables.iter_mut().flat_map(|table| &mut table.chains) {
        if take(usize::from(chain.drops)).is_some() {
            chain.drops = false;
            return Some(smaller);
        }
        for rule in &mut chain.rules {
            if let Some(at) = take(rule.parts.len()) {
                rule.parts.remove(at);
                return Some(smaller);
            }
        }
    }
    for set in smaller.tables.iter_mut().flat_map(|table| &mut table.sets) {
        if let Some(at) = take(set.elements.len()) {
            set.elements.remove(at);
            return Some(smaller);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Case;

    #[test]
    fn what_is_needed_stays_and_all_else_goes() {
        let ruleset =
            (0..1000).map(|seed| Case::new(seed).ruleset).find(|ruleset| ruleset.keys().any(|key| key == "drop"));
        let drops = |ruleset: &Ruleset| ruleset.keys().filter(|key| *key == "drop").count() == 1;
        let some_drop = |ruleset: &Ruleset| ruleset.keys().any(|key| key == "drop");
        let smallest = shrink(&ruleset.unwrap(), some_drop);
        assert!(drops(&smallest), "{smallest}");
        assert_eq!(smallest.keys().count(), 1, "{smallest}");
    }
}
