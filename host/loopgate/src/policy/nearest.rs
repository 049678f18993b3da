//! The name that somebody who mistyped probably meant.

/// Longer words than any name are not compared: the comparison takes time that grows with both lengths.
const LONGEST: usize = 160;

/// The candidate that is nearest to the word, if one is near enough to be meant. Of equally near ones, the first.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `x`?``, or else the list of what there is.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected one of {}", quoted(candidates)),
    }
}

/// The names in backquotes, with commas.
pub(crate) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_finds_none() {
        let names = ["listeners", "loopback", "boundary"];
        assert_eq!(nearest("listners", names), Some("listeners"));
        assert_eq!(nearest("Loopback", names), Some("loopback"));
        assert_eq!(nearest("firewall", names), None);
        assert_eq!(nearest(&"l".repeat(10_000), names), None);
    }
}
