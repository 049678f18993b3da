//! Globs: `?` is one character but `/`, `*` any run of characters but `/`, `**` any run of characters, and everything else
//! itself. There is no way to escape a `*` or `?`.

/// Most characters of a pattern from its first wildcard on.
const MAX_PARTS: usize = 63;

/// A pattern, taken apart, because it meets thousands of texts: the places in it where a text can be are the bits of one word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob {
    /// What it begins with, before the first wildcard.
    start: String,
    /// What it ends with, behind the last wildcard.
    end: String,
    parts: Vec<Part>,
    /// The parts that may stand for nothing, by bit.
    runs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Character(char),
    One,
    RunWithinFolder,
    Run,
}

impl Glob {
    /// Takes a pattern apart.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let (start, rest) = pattern.split_at(pattern.find(['*', '?']).unwrap_or(pattern.len()));
        let parts = parts(rest);
        if parts.len() > MAX_PARTS {
            return Err(format!("a pattern has at most {MAX_PARTS} characters from its first wildcard on"));
        }
        let end = pattern.rsplit(['*', '?']).next().unwrap_or_default().to_owned();
        let is_run = |part: &Part| matches!(part, Part::Run | Part::RunWithinFolder);
        let runs = parts.iter().enumerate().filter(|(_, part)| is_run(part)).fold(0, |runs, (at, _)| runs | 1 << at);
        Ok(Self { start: start.to_owned(), end, parts, runs })
    }

    /// What every text that matches begins with.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// The most work that a text of so many bytes can take, in places of the pattern that are looked at.
    pub fn most_work(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.parts.len())
    }

    /// Whether a whole text matches, and how many places of the pattern were looked at.
    pub fn matches(&self, text: &str) -> (bool, usize) {
        let Some(rest) = text.strip_prefix(self.start.as_str()) else { return (false, 0) };
        if !text.ends_with(self.end.as_str()) {
            return (false, 0);
        }
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

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(text).0
    }

    #[test]
    fn stars_stay_in_their_folder_unless_they_are_two() {
        for (pattern, text, matches) in [
            ("/usr/sbin/nginx", "/usr/sbin/nginx", true),
            ("/usr/sbin/nginx", "/usr/sbin/nginx2", false),
            ("/usr/sbin/nginx", "x/usr/sbin/nginx", false),
            ("/usr/lib/postgresql/*/bin/postgres", "/usr/lib/postgresql/15/bin/postgres", true),
            ("/usr/lib/postgresql/*/bin/postgres", "/usr/lib/postgresql/15/16/bin/postgres", false),
            ("**/redis-server", "/opt/a/b/redis-server", true),
            ("**/redis-server", "/opt/my-redis-server", false),
            ("postgresql@*.service", "postgresql@15-main.service", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("*", "", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("", "", true),
            ("", "a", false),
            ("[a]", "a", false),
            ("größe?", "größeß", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!glob(&format!("{}b", "*a".repeat(31)), &"a".repeat(40_000)));
    }

    proptest! {
        #[test]
        fn a_text_without_wildcards_matches_itself_alone(text in "[a-z/]{0,8}", other in "[a-z/]{0,8}") {
            prop_assert_eq!(glob(&text, &other), text == other);
        }

        #[test]
        fn two_stars_around_a_text_find_it(text: String, before: String, after: String) {
            prop_assume!(!text.contains(['*', '?']) && text.chars().count() < MAX_PARTS - 2);
            let (pattern, haystack) = (format!("**{text}**"), format!("{before}{text}{after}"));
            prop_assert!(glob(&pattern, &haystack));
        }

        #[test]
        fn its_work_is_bounded(pattern in "[a*?]{0,32}", text in "[ab/]{0,64}") {
            let glob = Glob::parse(&pattern).unwrap();
            prop_assert!(glob.matches(&text).1 <= glob.most_work(text.len()) + text.len());
        }

        #[test]
        fn it_agrees_with_trying_everything(pattern in "[ab/*?]{0,7}", text in "[ab/]{0,7}") {
            prop_assert_eq!(glob(&pattern, &text), slowly(&pattern, &text));
        }
    }

    #[test]
    fn a_pattern_that_is_too_long_is_refused() {
        assert!(Glob::parse(&format!("{}*", "a".repeat(500))).is_ok());
        assert!(Glob::parse(&"*a".repeat(40)).is_err());
        assert!(glob(&format!("*{}", "a".repeat(62)), &"a".repeat(62)));
        assert!(glob(&"?".repeat(63), &"a".repeat(63)));
    }

    /// The same question by backtracking.
    fn slowly(pattern: &str, text: &str) -> bool {
        let (first, rest) = (text.chars().next(), text.get(1..).unwrap_or_default());
        let behind = pattern.get(1..).unwrap_or_default();
        if let Some(after) = pattern.strip_prefix("**") {
            let after = after.trim_start_matches('*');
            return slowly(after, text) || (first.is_some() && slowly(pattern, rest));
        }
        match (pattern.chars().next(), first) {
            (None, first) => first.is_none(),
            (Some('*'), _) if slowly(behind, text) => true,
            (Some('*'), Some(first)) => first != '/' && slowly(pattern, rest),
            (Some('?'), Some(first)) => first != '/' && slowly(behind, rest),
            (Some(expected), Some(first)) => expected == first && slowly(behind, rest),
            (Some(_), None) => false,
        }
    }
}
