//! Globs: `*` stands for any run of characters, an empty one included, `?` for any one character, and everything else
//! for itself. There are no classes, no escapes, and `/` is a character like any other.

/// Whether a whole text matches a pattern, and how many characters were compared to tell.
///
/// Only the last `*` that was met is ever come back to, so the work is bounded by the product of the two lengths.
pub(crate) fn matches(text: &str, pattern: &str) -> (bool, usize) {
    let (mut text, mut pattern, mut work) = (text.chars(), pattern.chars(), 0_usize);
    let mut retry = None;
    loop {
        work = work.saturating_add(1);
        let mut rest = pattern.clone();
        match (rest.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((text.clone(), rest.clone()));
                pattern = rest;
                continue;
            }
            (None, None) => return (true, work),
            (Some(expected), Some(found)) if expected == '?' || expected == found => {
                text.next();
                pattern = rest;
                continue;
            }
            _ => {}
        }
        let Some((from, after)) = &mut retry else { return (false, work) };
        if from.next().is_none() {
            return (false, work);
        }
        (text, pattern) = (from.clone(), after.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, in exponential time.
    fn by_definition(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skipped| by_definition(&text[skipped..], rest)),
            Some((expected, rest)) => {
                text.split_first().is_some_and(|(found, text)| ['?', *found].contains(expected) && by_definition(text, rest))
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_its_definition_says(text in "[ab]{0,10}", pattern in "[ab*?]{0,6}") {
            let (text_chars, pattern_chars): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
            prop_assert_eq!(matches(&text, &pattern).0, by_definition(&text_chars, &pattern_chars));
        }

        #[test]
        fn its_work_is_bounded(text in "[ab]{0,64}", pattern in "[ab*?]{0,32}") {
            let (_, work) = matches(&text, &pattern);
            prop_assert!(work <= (text.len() + 1) * (pattern.len() + 2));
        }
    }

    #[test]
    fn brackets_braces_and_backslashes_stand_for_themselves() {
        assert!(matches("[a]{b}\\*", "[a]{b}\\*").0);
        assert!(!matches("a", "[a]").0);
        assert!(matches("ä", "?").0);
    }
}
