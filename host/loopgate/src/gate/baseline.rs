//! The baseline: findings that were there when it was recorded, so that only new ones fail.

use std::collections::{BTreeMap, BTreeSet};

use loopgate_facts::{ReachBounds, Untrusted};
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::{Counted, JudgedRule, Standing};

/// The version of the file.
const SCHEMA: u32 = 1;

/// The largest baseline that is read, in bytes.
pub(crate) const MAX_BASELINE_BYTES: u64 = 64 << 20;

/// Recorded findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    entries: BTreeMap<Key, Entry>,
}

/// What recognises a recorded finding: rule, kind and name of the subject, place.
type Key = (String, String, String, usize);

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    findings: Vec<Entry>,
}

/// One recorded finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    fingerprint: String,
    rule: String,
    subject: Subject,
    /// Its place among the findings of the rule on the subject.
    place: usize,
    /// How far the listener reached; none where it is about something else.
    reach: Option<ReachBounds>,
    /// What was wrong, for people who read the file.
    message: Untrusted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    kind: String,
    name: String,
}

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    /// It is not JSON of this form.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// It is of another version.
    #[error("it has schema {found}, and this loopgate reads schema {SCHEMA}")]
    Schema {
        /// The version that it has.
        found: u32,
    },
}

/// How many entries a change added, kept and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Findings that were not in it.
    pub(crate) added: usize,
    /// Entries that are in it as before.
    pub(crate) kept: usize,
    /// Entries that are in it no more.
    pub(crate) dropped: usize,
}

impl Baseline {
    /// Reads a baseline.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, BaselineError> {
        let document: Document = serde_json::from_slice(bytes)?;
        if document.schema != SCHEMA {
            return Err(BaselineError::Schema { found: document.schema });
        }
        Ok(Self { entries: document.findings.into_iter().map(|entry| (entry.key(), entry)).collect() })
    }

    /// The file: sorted, so that a change of it reads as what changed.
    pub(crate) fn document(&self) -> impl Serialize {
        Document { schema: SCHEMA, findings: self.entries.values().cloned().collect() }
    }

    /// How many findings are recorded.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Marks the findings that are recorded, and says how many of the recorded ones are no more.
    pub(super) fn apply(&self, findings: &mut [Counted]) -> usize {
        let mut there = 0;
        for finding in findings.iter_mut() {
            let Some(entry) = self.entries.get(&key(&finding.identity)) else { continue };
            there += 1;
            if finding.counts() && entry.covers(finding.reach) {
                finding.standing = Standing::Baselined;
            }
        }
        self.entries.len().saturating_sub(there)
    }

    /// Records every finding that counts or is recorded already, also beside what it has.
    pub(crate) fn add(&mut self, findings: &[Counted]) -> Change {
        let mut change = Change { kept: self.entries.len(), ..Change::default() };
        for finding in findings.iter().filter(|finding| !matches!(finding.standing, Standing::Waived(_))) {
            let entry = Entry::new(finding);
            let is_new = self.entries.get(&entry.key()).is_none_or(|before| !before.covers(entry.reach));
            if is_new {
                change.kept -= usize::from(self.entries.insert(entry.key(), entry).is_some());
                change.added += 1;
            }
        }
        change
    }

    /// Drops what is no more, except where its rule could not be judged in full: it may still be there.
    pub(crate) fn prune(&mut self, findings: &[Counted], rules: &[JudgedRule]) -> Change {
        let there: BTreeSet<Key> = findings.iter().map(|finding| key(&finding.identity)).collect();
        let in_doubt: BTreeSet<String> =
            rules.iter().filter(|rule| rule.outcome.is_in_doubt()).map(|rule| rule.id.to_string()).collect();
        let before = self.entries.len();
        self.entries.retain(|key, entry| there.contains(key) || in_doubt.contains(&entry.rule));
        Change { added: 0, kept: self.entries.len(), dropped: before - self.entries.len() }
    }
}

fn key(identity: &Identity) -> Key {
    (identity.rule.to_string(), identity.kind.to_owned(), identity.name.clone(), identity.place)
}

impl Entry {
    fn new(finding: &Counted) -> Self {
        let Identity { rule, kind, name, place } = &finding.identity;
        Self {
            fingerprint: finding.fingerprint.clone(),
            rule: rule.to_string(),
            subject: Subject { kind: (*kind).to_owned(), name: name.clone() },
            place: *place,
            reach: finding.reach,
            message: finding.finding.message.clone(),
        }
    }

    fn key(&self) -> Key {
        (self.rule.clone(), self.subject.kind.clone(), self.subject.name.clone(), self.place)
    }

    /// Whether a finding with this reach is the recorded one: it reaches no further, and is not known to where it was not.
    fn covers(&self, reach: Option<ReachBounds>) -> bool {
        match (self.reach, reach) {
            (None, None) => true,
            (Some(before), Some(now)) => now.certain <= before.certain && now.possible <= before.possible,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use loopgate_engine::{Outcome, Severity, Subject as About};
    use loopgate_facts::Facts;

    use super::*;
    use crate::gate::{Judgement, Verdict};
    use crate::sample;

    fn machine(ports: &[u16], sources: &str) -> Facts {
        let mut facts = sample::facts();
        for port in ports {
            let mut listener = sample::listener("0.0.0.0", *port, "nginx");
            listener.reachability = sample::reachable_from(sources);
            facts.listeners.push(listener);
        }
        facts
    }

    fn judged(facts: &Facts, baseline: Option<&Baseline>) -> Judgement {
        let findings =
            facts.listeners.iter().map(|it| sample::finding(About::Listener(it.id.text().clone()))).collect();
        let outcome = Outcome::Fail { findings, unjudged: Vec::new() };
        sample::judged(
            &sample::policy(),
            facts,
            &[sample::answer("demo", &[("rule", Severity::High, Some(outcome))])],
            baseline,
        )
    }

    fn recorded(facts: &Facts) -> Baseline {
        let mut baseline = Baseline::default();
        baseline.add(&judged(facts, None).findings);
        let mut bytes = Vec::new();
        serde_json::to_writer(&mut bytes, &baseline.document()).unwrap();
        let read = Baseline::from_json(&bytes).unwrap();
        assert_eq!(read, baseline);
        read
    }

    #[test]
    fn only_new_findings_count() {
        let baseline = recorded(&machine(&[80], "10.0.0.0/8"));
        let same = judged(&machine(&[80], "10.0.0.0/8"), Some(&baseline));
        assert_eq!((same.verdict, same.tally.baselined, same.gone), (Verdict::Compliant, 1, 0));
        let more = judged(&machine(&[80, 81], "10.0.0.0/8"), Some(&baseline));
        assert_eq!((more.verdict, more.tally.baselined, more.tally.findings.len()), (Verdict::NotCompliant, 1, 1));
        let none = judged(&machine(&[82], "10.0.0.0/8"), Some(&baseline));
        assert_eq!((none.verdict, none.gone), (Verdict::NotCompliant, 1));
    }

    #[test]
    fn a_wider_reach_is_new_and_a_narrower_one_is_not() {
        let baseline = recorded(&machine(&[80], "10.0.0.0/8"));
        assert_eq!(judged(&machine(&[80], "0.0.0.0/0"), Some(&baseline)).verdict, Verdict::NotCompliant);
        let baseline = recorded(&machine(&[80], "0.0.0.0/0"));
        assert_eq!(judged(&machine(&[80], "10.0.0.0/8"), Some(&baseline)).verdict, Verdict::Compliant);
    }

    #[test]
    fn updating_adds_and_pruning_drops() {
        let mut baseline = recorded(&machine(&[80], "10.0.0.0/8"));
        let now = judged(&machine(&[81], "10.0.0.0/8"), Some(&baseline));
        assert_eq!(baseline.add(&now.findings), Change { added: 1, kept: 1, dropped: 0 });
        assert_eq!(baseline.prune(&now.findings, &now.rules), Change { added: 0, kept: 1, dropped: 1 });
        assert_eq!(baseline.len(), 1);
    }

    #[test]
    fn what_could_not_be_judged_is_not_gone() {
        let mut baseline = recorded(&machine(&[80], "10.0.0.0/8"));
        let answer = sample::answer("demo", &[("rule", Severity::High, Some(Outcome::Unknown(vec!["denied".into()])))]);
        let now = sample::judged(&sample::policy(), &sample::facts(), &[answer], Some(&baseline));
        assert_eq!(baseline.prune(&now.findings, &now.rules).dropped, 0);
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        for text in ["", "{}", "[]", r#"{"schema":2,"findings":[]}"#, r#"{"schema":1,"findings":[{}]}"#] {
            assert!(Baseline::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
