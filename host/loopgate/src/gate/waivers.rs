//! Waivers: which findings they take out of the count, and what is wrong with the waivers themselves.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use loopgate_engine::{Evidence, Finding, Name, RuleInfo, Severity, Subject};
use loopgate_facts::{Area, Container as InContainer, Facts, Listener, Owner, Untrusted};
use loopgate_parameters::Date;
use loopgate_selector::{Candidate, Container, Match, Process};

use super::identity::ephemeral_ports;
use super::{Counted, JudgedRule, Settled, Standing, Waived};
use crate::policy::{Located, Policy, RuleId, Sources, Waiver};

/// What the rules about waivers are called by: no plugin may have this name.
pub(crate) const PLUGIN: &str = "waivers";

/// What became of one waiver.
#[derive(Debug, Default)]
struct Use {
    /// How many findings it takes out.
    waived: usize,
    /// What could not be seen of a finding that it may be about.
    doubt: Option<&'static str>,
}

/// Whether a waiver holds on the day that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    Holds,
    Over,
    /// It ends more days ahead than one may; this many.
    TooFar(i64),
}

/// Takes the findings that are waived out of the count, and gives the rules about the waivers themselves. A waiver that may
/// be about a finding, but of which that could not be told, leaves it.
pub(super) fn apply(
    policy: &Policy,
    facts: &Facts,
    sources: &Sources,
    rules: &[JudgedRule],
    findings: &mut [Counted],
) -> Vec<JudgedRule> {
    if policy.waivers.is_empty() {
        return Vec::new();
    }
    let today = Date::of_utc_time(&facts.host.collected_at.to_string());
    let terms: Vec<Term> = policy.waivers.iter().map(|waiver| term(&waiver.value, today, policy.waiver_days)).collect();
    let mut usage: Vec<Use> = policy.waivers.iter().map(|_| Use::default()).collect();
    let holding = by_rule(policy, &terms);
    let ephemeral = ephemeral_ports(facts);
    let may_have_more_owners = facts.gaps_in(Area::Owners).any(|gap| gap.subject.is_none());
    for finding in findings {
        let candidate =
            finding.listener.as_ref().map(|listener| candidate(listener, ephemeral.as_ref(), may_have_more_owners));
        for (position, waiver) in holding.get(&finding.rule).into_iter().flatten() {
            let Some(used) = usage.get_mut(*position) else { continue };
            match waiver.value.about.covers(&finding.finding.subject, candidate.as_ref()) {
                Match::No => {}
                Match::Unknown(what) => used.doubt = Some(what),
                Match::Yes => {
                    used.waived += 1;
                    finding.standing = standing(waiver, sources);
                }
            }
        }
    }
    about(policy, rules, &terms, &usage)
}

/// A waiver and its position.
type Numbered<'p> = (usize, &'p Located<Arc<Waiver>>);

/// The waivers that hold, by rule.
fn by_rule<'p>(policy: &'p Policy, terms: &[Term]) -> BTreeMap<&'p RuleId, Vec<Numbered<'p>>> {
    let mut of_rule: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((position, waiver), term) in policy.waivers.iter().enumerate().zip(terms) {
        if *term == Term::Holds {
            of_rule.entry(&waiver.value.rule).or_default().push((position, waiver));
        }
    }
    of_rule
}

/// On a day that is not known no waiver holds.
fn term(waiver: &Waiver, today: Option<Date>, most_days: u16) -> Term {
    match today.map(|today| today.days_until(waiver.expires)) {
        None | Some(..0) => Term::Over,
        Some(days) if days > i64::from(most_days) => Term::TooFar(days),
        Some(_) => Term::Holds,
    }
}

fn standing(waiver: &Located<Arc<Waiver>>, sources: &Sources) -> Standing {
    let Waiver { reason, owner, expires, .. } = &*waiver.value;
    Standing::Waived(Waived {
        reason: reason.clone(),
        owner: owner.clone(),
        expires: expires.to_string(),
        policy: sources.line(&waiver.at),
    })
}

fn candidate<'facts>(
    listener: &'facts Listener,
    ephemeral: Option<&'facts RangeInclusive<u16>>,
    may_have_more_owners: bool,
) -> Candidate<'facts> {
    Candidate {
        protocol: listener.protocol.as_str(),
        address: listener.address,
        scope: listener.scope.as_str(),
        port: listener.port,
        ephemeral_ports: ephemeral,
        owners: listener.owners.iter().map(process).collect(),
        may_have_more_owners,
        published_to: listener.published.as_ref().and_then(|published| published.container.as_ref()).map(container),
    }
}

fn process(owner: &Owner) -> Process<'_> {
    Process {
        pid: owner.pid,
        executable: owner.executable.as_ref().map(Untrusted::as_str),
        is_elsewhere: owner.executable_elsewhere,
        user: owner.user.as_ref().map(Untrusted::as_str),
        uid: owner.uid,
        is_placed: owner.cgroup.is_some(),
        unit: owner.unit.as_ref().map(Untrusted::as_str),
        container: owner.container.as_ref().map(container),
    }
}

fn container(container: &InContainer) -> Container<'_> {
    Container {
        name: container.name.as_ref().map(Untrusted::as_str),
        image: container.image.as_ref().map(Untrusted::as_str),
    }
}

/// The rules about waivers, with what they find.
fn about(policy: &Policy, rules: &[JudgedRule], terms: &[Term], uses: &[Use]) -> Vec<JudgedRule> {
    let mut findings: BTreeMap<&str, Vec<Finding>> = BTreeMap::new();
    let mut unjudged = Vec::new();
    for (position, ((waiver, term), used)) in policy.waivers.iter().zip(terms).zip(uses).enumerate() {
        let waiver = &waiver.value;
        let (rule, message) = match (term, used) {
            (Term::Over, _) => ("expired", format!("the waiver of {} ended on {}", phrase(waiver), waiver.expires)),
            (Term::TooFar(days), _) => ("too-far-ahead", too_far(waiver, *days, policy.waiver_days)),
            (Term::Holds, Use { waived: 1.., .. }) => continue,
            (Term::Holds, Use { doubt: Some(what), .. }) => {
                let phrase = phrase(waiver);
                unjudged.push(
                    format!("whether the waiver of {phrase} is used could not be told: {what} could not be seen")
                        .into(),
                );
                continue;
            }
            (Term::Holds, _) if is_in_doubt(rules, &waiver.rule) => {
                unjudged.push(
                    format!("whether the waiver of {} is used: its rule could not be judged", phrase(waiver)).into(),
                );
                continue;
            }
            (Term::Holds, _) => ("unused", format!("the waiver of {} accepts nothing that was found", phrase(waiver))),
        };
        findings.entry(rule).or_default().push(finding(position, waiver, message));
    }
    let judged = |(id, info): (RuleId, RuleInfo)| {
        let findings = findings.remove(info.name.as_str()).unwrap_or_default();
        let unjudged = if info.name.as_str() == "unused" { std::mem::take(&mut unjudged) } else { Vec::new() };
        let outcome = match (findings.is_empty(), unjudged.is_empty()) {
            (false, _) => Settled::Failed { findings, unjudged },
            (true, false) => Settled::Unknown(unjudged),
            (true, true) => Settled::Passed,
        };
        let severity = policy.setting(&id).map_or(info.severity, |setting| setting.applied_to(info.severity));
        JudgedRule { id, info, severity, outcome, remarks: Vec::new() }
    };
    about_waivers().into_iter().map(judged).collect()
}

/// Whether the rule may have a finding that was not found.
fn is_in_doubt(rules: &[JudgedRule], id: &RuleId) -> bool {
    rules.iter().find(|rule| rule.id == *id).is_some_and(|rule| rule.outcome.is_in_doubt())
}

fn too_far(waiver: &Waiver, days: i64, most: u16) -> String {
    format!(
        "the waiver of {} ends in {days} days, and one may end in {most} at most: it accepts nothing",
        phrase(waiver)
    )
}

fn phrase(waiver: &Waiver) -> String {
    format!("{} for {}", waiver.rule, waiver.about.describe())
}

/// A finding about a waiver. Its parameter is the place of the waiver among all of them.
fn finding(position: usize, waiver: &Waiver, message: String) -> Finding {
    let evidence = |label: &str, value: String| Evidence { label: label.into(), value: value.into() };
    Finding {
        subject: Subject::Other(format!("waiver of {}", phrase(waiver)).into()),
        message: message.into(),
        evidence: vec![
            evidence("owner", waiver.owner.clone()),
            evidence("reason", waiver.reason.clone()),
            evidence("expires", waiver.expires.to_string()),
        ],
        remediation: None,
        severity: None,
        parameter: Some(format!("/{position}").into()),
    }
}

/// The rules that the gate itself has about waivers.
pub(crate) fn about_waivers() -> Vec<(RuleId, RuleInfo)> {
    let rule = |name: &str, severity, title: &str, description: &str, remediation: &str| {
        let (plugin, name): (Name, Name) = (PLUGIN.parse().ok()?, name.parse().ok()?);
        let info = RuleInfo {
            name: name.clone(),
            title: title.into(),
            description: description.into(),
            rationale: "A waiver is a debt with a date. One that nobody looks at again turns into a permission.".into(),
            remediation: remediation.into(),
            severity,
            references: vec!["NIST SP 800-53 CA-5".into(), "PCI DSS 4.0 12.3.1".into()],
            needs: Vec::new(),
            unknown_needs: Vec::new(),
        };
        Some((RuleId::new(&plugin, &name), info))
    };
    let rules = [
        rule(
            "expired",
            Severity::Medium,
            "No waiver is past its date",
            "Fails for every waiver whose day `expires` is over; the day itself still counts. What it accepted counts again. \
             Today is the day, in UTC, on which the facts were collected, or the one that `--at` says.",
            "Mend what was waived and delete the waiver, or ask its owner for a decision with a new date.",
        ),
        rule(
            "too-far-ahead",
            Severity::Medium,
            "No waiver ends later than it may",
            "Fails for every waiver that ends more than `waiver_days` (365 unless set) after the day that is judged. It accepts \
             nothing.",
            "Bring the date forward.",
        ),
        rule(
            "unused",
            Severity::Low,
            "Every waiver accepts something that was found",
            "Fails for every waiver that holds and that is about no finding. Unknown where its rule could not be judged, or where \
             something of a finding that it may be about could not be seen.",
            "Delete it: what it accepted is mended, or it was never about what it was meant for.",
        ),
    ];
    rules.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
