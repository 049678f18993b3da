//! Globs.

/// Whether a text matches a glob: `?` stands for one character but `/`, `*` for any run of characters but `/`, `**` for any
/// run of characters. Everything else stands for itself; there is no way to escape a `*` or `?`.
///
/// The time that it takes is at most the product of both lengths.
pub fn glob(pattern: &str, text: &str) -> bool {
    // Whether the pattern up to each place matches the text so far, as a nondeterministic automaton has it.
    let parts = parts(pattern);
    let mut states = vec![false; parts.len() + 1];
    if let Some(first) = states.first_mut() {
        *first = true;
    }
    skip_empty_runs(&parts, &mut states);
    for character in text.chars() {
        states = step(&parts, &states, character);
        skip_empty_runs(&parts, &mut states);
    }
    states.last().copied().unwrap_or(false)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Character(char),
    One,
    RunWithinFolder,
    Run,
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

/// A run may be empty: where it can begin, what is behind it can begin too.
fn skip_empty_runs(parts: &[Part], states: &mut [bool]) {
    let mut before = false;
    for (position, state) in states.iter_mut().enumerate() {
        *state |= before;
        before = *state && matches!(parts.get(position), Some(Part::RunWithinFolder | Part::Run));
    }
}

fn step(parts: &[Part], states: &[bool], character: char) -> Vec<bool> {
    let mut next = vec![false; states.len()];
    for (position, part) in parts.iter().enumerate().filter(|(position, _)| states.get(*position) == Some(&true)) {
        let to = match part {
            Part::Character(expected) if *expected == character => position + 1,
            Part::One if character != '/' => position + 1,
            Part::Run => position,
            Part::RunWithinFolder if character != '/' => position,
            _ => continue,
        };
        if let Some(state) = next.get_mut(to) {
            *state = true;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::glob;

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
        assert!(!glob(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!glob(&format!("{}b", "**a".repeat(300)), &"a".repeat(4000)));
    }

    proptest! {
        #[test]
        fn a_text_without_wildcards_matches_itself_alone(text in "[a-z/]{0,8}", other in "[a-z/]{0,8}") {
            prop_assert_eq!(glob(&text, &other), text == other);
        }

        #[test]
        fn two_stars_around_a_text_find_it(text: String, before: String, after: String) {
            prop_assume!(!text.contains(['*', '?']));
            let (pattern, haystack) = (format!("**{text}**"), format!("{before}{text}{after}"));
            prop_assert!(glob(&pattern, &haystack));
        }

        #[test]
        fn it_agrees_with_trying_everything(pattern in "[ab/*?]{0,7}", text in "[ab/]{0,7}") {
            prop_assert_eq!(glob(&pattern, &text), slowly(&pattern, &text));
        }
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
