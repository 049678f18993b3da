//! Sets and maps.

use super::statements::verdict_word;
use super::values::{Form, hexadecimal, range, value};
use crate::ruleset::{Data, Element, Key, Ruleset, SetId};

/// How many elements of a set within a rule are shown.
const SHOWN: usize = 8;

/// A set by its name, or by its elements where it has none.
pub(super) fn set(ruleset: &Ruleset, id: SetId, key: &[Form], data: &[Form]) -> String {
    let Some(set) = ruleset.set(id) else { return "[no such set]".to_owned() };
    if !set.anonymous {
        return format!("@{}", set.name.as_str());
    }
    let shown = set.elements.iter().take(SHOWN).map(|item| element(ruleset, item, key, data));
    let mut shown: Vec<String> = shown.collect();
    if set.elements.len() > SHOWN {
        shown.push(format!("... ({} elements)", set.elements.len()));
    }
    if set.incomplete.is_some() {
        shown.push("[not understood]".to_owned());
    }
    format!("{{ {} }}", shown.join(", "))
}

fn element(ruleset: &Ruleset, element: &Element, key: &[Form], data: &[Form]) -> String {
    let key = match &element.key {
        Key::CatchAll => "*".to_owned(),
        Key::Exact(bytes) => parts(key, bytes, bytes),
        Key::Range(from, to) => parts(key, from, to),
    };
    match &element.data {
        None => key,
        Some(Data::Verdict(verdict)) => format!("{key} : {}", verdict_word(ruleset, verdict)),
        Some(Data::Value(bytes)) => format!("{key} : {}", parts(data, bytes, bytes)),
    }
}

/// The parts of a key or of data, each of which begins at a multiple of four bytes.
fn parts(forms: &[Form], from: &[u8], to: &[u8]) -> String {
    let mut start = 0_usize;
    let shown = forms.iter().map(|form| {
        let field = start..start.checked_add(form.bytes as usize)?;
        start = field.end.checked_next_multiple_of(4)?;
        let (from, to) = (from.get(field.clone())?, to.get(field)?);
        if from == to { value(form, from) } else { range(form, from, to) }
    });
    let shown: Option<Vec<String>> = shown.collect();
    match shown.filter(|_| !forms.is_empty()) {
        Some(shown) => shown.join(" . "),
        None if from == to => format!("[{}]", hexadecimal(from)),
        None => format!("[{} to {}]", hexadecimal(from), hexadecimal(to)),
    }
}
