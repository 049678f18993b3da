//! What the layers of a policy make of the setting of one rule.

use loopgate_engine::Severity;

use super::diagnostic::Diagnostic;
use super::draft::{RuleEntry, Wish};
use super::layers::{Layer, Layers};
use super::locks::Thing;
use super::merge::refusal;
use super::source::Located;
use super::{RuleId, RuleSetting};

/// The setting of a rule after all layers had their say; `own` is the severity that it has by itself, `first` the
/// position of the layer that adds its plugin.
///
/// A layer may do as it likes with a rule of a plugin that it adds itself and of which no layer above it speaks: without
/// it the rule would not run.
pub(super) fn settle(
    layers: &Layers,
    first: usize,
    id: &RuleId,
    own: Severity,
    entries: &[(usize, &RuleEntry)],
    problems: &mut Vec<Diagnostic>,
) -> Option<Located<RuleSetting>> {
    let thing = Thing::Rule(id.clone());
    // The entries come as the layers do.
    let spoken_of = entries.first().map_or(first, |(position, _)| first.min(*position));
    let mut current: Option<Located<RuleSetting>> = None;
    for (position, entry) in entries {
        let (Some(wish), Some(layer)) = (&entry.setting, layers.stack.get(*position)) else { continue };
        let is_settled_above = *position > first || current.is_some();
        let locker = layers.locker_since(spoken_of, *position, &thing).filter(|_| is_settled_above);
        match (locker, allowed(current.as_ref(), own, wish.value, locker)) {
            (_, Some(value)) => current = Some(Located { value, at: wish.at.clone() }),
            (Some(locker), None) => {
                let problem = || loosened(id, own, wish, current.as_ref());
                problems.extend(refusal(layer, locker, &thing, problem));
            }
            (None, None) => {}
        }
    }
    current
}

/// The setting that a wish leads to; `None` if it is not allowed.
fn allowed(
    current: Option<&Located<RuleSetting>>,
    own: Severity,
    wish: Wish,
    locker: Option<&Layer>,
) -> Option<RuleSetting> {
    if locker.is_none() {
        return Some(match wish {
            Wish::Severity(severity) => RuleSetting::Severity(severity),
            Wish::Off => RuleSetting::Off,
        });
    }
    match (current.map(|current| current.value), wish) {
        (Some(RuleSetting::Off), Wish::Off) => Some(RuleSetting::Off),
        (_, Wish::Off) => None,
        (current, Wish::Severity(severity)) => raised(current, own, severity),
    }
}

/// A setting that is nowhere lower than the current one and nowhere lower than a severity.
fn raised(current: Option<RuleSetting>, own: Severity, severity: Severity) -> Option<RuleSetting> {
    let (least, raised) = match current {
        None => (own, RuleSetting::AtLeast(severity)),
        Some(RuleSetting::AtLeast(least)) => (least, RuleSetting::AtLeast(severity)),
        Some(RuleSetting::Severity(exact)) => (exact, RuleSetting::Severity(severity)),
        Some(RuleSetting::Off) => (Severity::Info, RuleSetting::AtLeast(severity)),
    };
    (severity >= least).then_some(raised)
}

fn loosened(id: &RuleId, own: Severity, wish: &Located<Wish>, upper: Option<&Located<RuleSetting>>) -> Diagnostic {
    let problem = Diagnostic::new(format!("`{id}` may not be loosened here"), wish.at.clone());
    let new = wish.value.as_str();
    match upper {
        Some(upper) => {
            let old = upper.value.as_str();
            problem.label(format!("`{new}` is looser than `{old}`")).also(upper.at.clone(), "set here")
        }
        None => problem.label(format!("`{new}` is looser than `{own}`, which the rule has by itself")),
    }
}
