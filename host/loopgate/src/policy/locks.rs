//! What a layer lets the layers below it loosen.
//!
//! Everything is locked unless the layer says otherwise: `locked = false` unlocks all of it, a table unlocks single
//! things. A lock never keeps anybody from tightening.

use std::collections::BTreeMap;
use std::fmt;

use loopgate_engine::Name;
use toml::Spanned;
use toml::de::DeString;

use super::RuleId;
use super::reader::{Reader, Value};
use super::source::{Located, Location};

/// Something that can be locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    /// The threshold.
    FailOn,
    /// What an unknown outcome does.
    OnUnknown,
    /// That findings are waived.
    Waivers,
    /// For how long they are.
    WaiverDays,
    /// The settings of all rules that are not locked or unlocked by themselves.
    Rules,
    /// The file, the pin and the parameters of a plugin.
    Plugin(Name),
    /// The setting of one rule.
    Rule(RuleId),
}

impl Thing {
    fn parse(key: &str) -> Option<Self> {
        match key {
            "fail_on" => Some(Self::FailOn),
            "on_unknown" => Some(Self::OnUnknown),
            "waivers" => Some(Self::Waivers),
            "waiver_days" => Some(Self::WaiverDays),
            "rules" => Some(Self::Rules),
            _ => RuleId::parse(key).map(Self::Rule).or_else(|| key.parse().ok().map(Self::Plugin)),
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailOn => formatter.write_str("fail_on"),
            Self::OnUnknown => formatter.write_str("on_unknown"),
            Self::Waivers => formatter.write_str("waivers"),
            Self::WaiverDays => formatter.write_str("waiver_days"),
            Self::Rules => formatter.write_str("rules"),
            Self::Plugin(name) => name.fmt(formatter),
            Self::Rule(id) => write!(formatter, "\"{id}\""),
        }
    }
}

/// The locks of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locks {
    /// Whether everything is locked, where it says so of everything.
    whole: Option<bool>,
    single: BTreeMap<Thing, Located<bool>>,
}

impl Locks {
    /// Reads the key `locked`; without it everything is locked.
    pub(crate) fn read(reader: &mut Reader, value: Option<&Value<'_>>) -> Self {
        let mut locks = Self { whole: None, single: BTreeMap::new() };
        let Some(value) = value else { return locks };
        if let Some(is_locked) = value.get_ref().as_bool() {
            locks.whole = Some(is_locked);
        } else if let Some(table) = value.get_ref().as_table() {
            locks.single = table.iter().filter_map(|(key, value)| single(reader, key, value)).collect();
        } else {
            reader.wrong_type("`locked`", "a boolean or a table", value);
        }
        locks
    }

    /// Whether the layer keeps those below from loosening this.
    pub(crate) fn holds(&self, thing: &Thing) -> bool {
        self.single(thing).map(|single| single.value).or(self.whole).unwrap_or(true)
    }

    /// Whether the layer says so in words, of this or of everything.
    pub(crate) fn is_explicit(&self, thing: &Thing) -> bool {
        self.whole.is_some() || self.single(thing).is_some()
    }

    fn single(&self, thing: &Thing) -> Option<&Located<bool>> {
        self.single.get(thing).or_else(|| match thing {
            Thing::Rule(_) => self.single.get(&Thing::Rules),
            _ => None,
        })
    }

    /// What the layer names, and where.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Thing, &Location)> {
        self.single.iter().map(|(thing, single)| (thing, &single.at))
    }
}

fn single(reader: &mut Reader, key: &Spanned<DeString<'_>>, value: &Value<'_>) -> Option<(Thing, Located<bool>)> {
    let thing = Thing::parse(key.get_ref());
    if thing.is_none() {
        let problem = reader.problem("nothing that can be locked", key.span());
        let help = "`fail_on`, `on_unknown`, `waivers`, `waiver_days`, `rules`, the name of a plugin, or the id of a rule in quotes";
        reader.note(problem.label("no plugin and no rule has such a name").help(help));
    }
    let is_locked = reader.boolean(&format!("`locked.{}`", key.get_ref()), value)?;
    Some((thing?, Located { value: is_locked, at: reader.at(key.span()) }))
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use crate::policy::source::Sources;

    fn locks(text: &str) -> Locks {
        let (document, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty());
        let source = Sources::default().open(crate::policy::Source::file("p", "p", text));
        Locks::read(&mut Reader::new(source), document.get_ref().get("locked"))
    }

    fn rule(id: &str) -> Thing {
        Thing::Rule(RuleId::parse(id).unwrap())
    }

    #[test]
    fn everything_is_locked_until_it_is_unlocked() {
        for text in ["", "locked = true", "[locked]\non_unknown = false"] {
            assert!(locks(text).holds(&Thing::FailOn), "{text}");
        }
        for text in ["locked = false", "[locked]\nfail_on = false"] {
            assert!(!locks(text).holds(&Thing::FailOn), "{text}");
        }
    }

    #[test]
    fn one_rule_goes_before_all_rules() {
        let locks = locks("[locked]\nrules = false\n\"a/b\" = true");
        assert!(locks.holds(&rule("a/b")));
        assert!(!locks.holds(&rule("a/c")));
        assert!(locks.holds(&Thing::Plugin("a".parse().unwrap())));
    }
}
