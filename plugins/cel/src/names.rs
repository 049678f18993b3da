//! Names that were mistyped.

/// The known name that a mistyped one most likely stands for.
pub(crate) fn nearest<'name>(word: &str, known: &[&'name str]) -> Option<&'name str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(word, name);
    let (name, distance) = known.iter().map(|name| (*name, distance(name))).min_by_key(|(_, distance)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(name)
}
