//! Globs, which mean what they mean in the rest of a policy: `?` is one character but `/`, `*` any run of characters but
//! `/`, `**` any run of characters, and everything else itself. There is no way to escape.
//!
//! `loopgate-selector` has the same, for a pattern that is seen once. Here a pattern meets every listener, so it is taken
//! apart beforehand, and the places in it where a text can be are the bits of one word.

/// Most characters of a pattern from its first wildcard on.
const MAX_PARTS: usize = 63;

/// A pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    /// What it begins with, before the first wildcard.
    start: String,
    parts: Vec<Part>,
    /// The parts that may stand for nothing, by bit.
    runs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Character(char),
    One,
    RunWithinFolder,
    Run,
}

impl Glob {
    /// Takes a pattern apart.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let (start, rest) = pattern.split_at(pattern.find(['*', '?']).unwrap_or(pattern.len()));
        let parts = parts(rest);
        if parts.len() > MAX_PARTS {
            return Err(format!("a pattern has at most {MAX_PARTS} characters from its first wildcard on"));
        }
        let is_run = |part: &Part| matches!(part, Part::Run | Part::RunWithinFolder);
        let runs = parts.iter().enumerate().filter(|(_, part)| is_run(part)).fold(0, |runs, (at, _)| runs | 1 << at);
        Ok(Self { start: start.to_owned(), parts, runs })
    }

    /// The most work that a text of so many bytes can take, in places of the pattern that are looked at.
    pub(crate) fn most_work(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.parts.len())
    }

    /// Whether a whole text matches, and how many places of the pattern were looked at.
    pub(crate) fn matches(&self, text: &str) -> (bool, usize) {
        let Some(rest) = text.strip_prefix(self.start.as_str()) else { return (false, 0) };
        let (mut places, mut work) = (self.with_empty_runs(1), 0_usize);
        for character in rest.chars() {
            if self.takes_the_rest(places) {
                return (true, work);
            }
            work += places.count_ones() as usize;
            places = self.with_empty_runs(self.step(places, character));
            if places == 0 {
                return (false, work);
            }
        }
        (places >> self.parts.len() & 1 == 1, work)
    }

    /// No two runs are neighbours, so one pass is enough.
    fn with_empty_runs(&self, places: u64) -> u64 {
        places | (places & self.runs) << 1
    }

    fn takes_the_rest(&self, places: u64) -> bool {
        let last = self.parts.len().saturating_sub(1);
        self.parts.last() == Some(&Part::Run) && places >> last & 1 == 1
    }

    fn step(&self, mut places: u64, character: char) -> u64 {
        let mut next = 0;
        while places != 0 {
            let at = places.trailing_zeros();
            places &= places - 1;
            next |= match self.parts.get(at as usize) {
                Some(Part::Character(expected)) if *expected == character => 1 << (at + 1),
                Some(Part::One) if character != '/' => 1 << (at + 1),
                Some(Part::Run) => 1 << at,
                Some(Part::RunWithinFolder) if character != '/' => 1 << at,
                _ => 0,
            };
        }
        next
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for character in pattern.chars() {
        match (character, parts.last_mut()) {
            ('*', Some(last @ (Part::RunWithinFolder | Part::Run))) => *last = Part::Run,
            ('*', _) => parts.push(Part::RunWithinFolder),
            ('?', _) => parts.push(Part::One),
            (other, _) => parts.push(Part::Character(other)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(text).0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn it_means_what_it_means_in_a_selector(pattern in "[ab/*?ä]{0,8}", text in "[ab/ä]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), loopgate_selector::glob(&pattern, &text));
        }

        #[test]
        fn its_work_is_bounded(pattern in "[a*?]{0,32}", text in "[ab/]{0,64}") {
            let glob = Glob::parse(&pattern).unwrap();
            prop_assert!(glob.matches(&text).1 <= glob.most_work(text.len()) + text.len());
        }
    }

    #[test]
    fn a_pattern_that_is_too_long_is_refused() {
        assert!(Glob::parse(&format!("{}*", "a".repeat(500))).is_ok());
        assert!(Glob::parse(&"*a".repeat(40)).is_err());
        assert!(matches(&format!("*{}", "a".repeat(62)), &"a".repeat(62)));
        assert!(matches(&"?".repeat(63), &"a".repeat(63)));
    }
}
