//! A finding: the rule, both ends, who gets through, and what to type.

use std::io;

use loopgate_facts::{Listener, Owner, ReachVerdict, RuleReference};

use crate::gate::{Standing, identity};
use crate::page::{BOLD, DIM, Page, severity_style, shown, styled};
use crate::region;
use crate::report::{Finding, Report};

/// Fewer digits than this name no finding: `dead` may be meant as a rule.
const FEWEST_DIGITS: usize = 6;

/// Where the text behind a label begins.
const COLUMN: usize = 16;

/// Whether a word can name a finding: by the beginning of its fingerprint, or by its subject.
pub(super) fn may_be_named(what: &str) -> bool {
    is_fingerprint(what) || what.contains(['/', ':', '.']) || !what.contains('-')
}

fn is_fingerprint(what: &str) -> bool {
    what.len() >= FEWEST_DIGITS && what.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a word names this finding.
pub(super) fn is_named(finding: &Finding, what: &str) -> bool {
    let by_fingerprint = is_fingerprint(what) && finding.fingerprint.starts_with(&what.to_ascii_lowercase());
    by_fingerprint || identity::subject(&finding.subject).1 == what
}

pub(super) fn render(page: &mut Page<'_>, report: &Report, finding: &Finding) -> io::Result<()> {
    let severity = styled(severity_style(finding.severity), finding.severity);
    page.line(format!("{}  {severity}", styled(BOLD, &finding.rule)))?;
    page.line(styled(DIM, &finding.fingerprint))?;
    page.paragraph(0, &shown(&finding.message))?;
    waived(page, finding)?;
    rule(page, report, finding)?;
    match &finding.listener {
        Some(listener) => {
            listens(page, listener)?;
            reach(page, listener)?;
        }
        None => evidence(page, finding)?,
    }
    decided(page, finding)?;
    mend(page, finding)?;
    page.blank()
}

fn waived(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let Standing::Waived(waived) = &finding.standing else { return Ok(()) };
    let (owner, reason) = (shown(&waived.owner.as_str().into()), shown(&waived.reason.as_str().into()));
    page.paragraph(0, &format!("waived until {} by {owner}: {reason}", waived.expires))
}

/// What is true when the rule passes, and the controls that it serves.
fn rule(page: &mut Page<'_>, report: &Report, finding: &Finding) -> io::Result<()> {
    let Some(rule) = report.rules.iter().find(|rule| rule.id == finding.rule) else { return Ok(()) };
    page.heading("The rule")?;
    page.paragraph(2, &shown(&rule.title))?;
    let references: Vec<String> = rule.references.iter().map(shown).collect();
    if references.is_empty() { Ok(()) } else { page.styled_paragraph(2, DIM, &references.join(", ")) }
}

fn listens(page: &mut Page<'_>, listener: &Listener) -> io::Result<()> {
    page.heading("The listener")?;
    field(page, "endpoint", &shown(listener.id.text()))?;
    if let Some(published) = &listener.published {
        field(page, "leads to", &published.target.to_string())?;
        field(page, "published by", &region::rule(&published.rule))?;
    }
    listener.owners.iter().try_for_each(|owner| field(page, "owner", &self::owner(owner)))
}

fn owner(owner: &Owner) -> String {
    let named = |name: &str, text: Option<String>| text.map(|text| format!("{name} {text}"));
    let parts = [
        Some(format!("{}, pid {}", shown(&owner.name), owner.pid)),
        owner.executable.as_ref().map(shown),
        named("user", owner.user.as_ref().map(shown)),
        owner.unit.as_ref().map(shown),
        named("container", owner.container.as_ref().map(crate::page::name_of)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Who can reach it, by interface, with the rule that decides and those that sent others elsewhere before.
fn reach(page: &mut Page<'_>, listener: &Listener) -> io::Result<()> {
    for region in &listener.reachability {
        let destinations: Vec<String> = region.destinations.iter().map(ToString::to_string).collect();
        let interfaces: Vec<String> = region.interfaces.iter().map(shown).collect();
        page.heading(&format!("To {}, port {}, by {}", destinations.join(", "), region.port, interfaces.join(", ")))?;
        region::render(page, region)?;
        for passed in &region.narrowed_by {
            page.labelled("  others before", DIM, COLUMN, &region::rule(passed))?;
        }
    }
    if listener.published.is_none() {
        page.blank()?;
        let (protocol, port) = (listener.protocol, listener.port);
        page.styled_paragraph(2, DIM, &format!("`loopgate reach {protocol}/{port}` shows the way there hook by hook"))?;
    }
    Ok(())
}

fn evidence(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    if finding.evidence.is_empty() {
        return Ok(());
    }
    page.heading("What shows it")?;
    finding.evidence.iter().try_for_each(|item| field(page, &shown(&item.label), &shown(&item.value)))
}

/// The line of the policy.
fn decided(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let Some(line) = &finding.policy else { return Ok(()) };
    page.heading("The policy")?;
    page.paragraph(2, &line.to_string())
}

/// How to mend it, and what to type to get at the rules that let others in.
fn mend(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    page.heading("How to mend it")?;
    page.prose(2, &finding.remediation)?;
    match finding.listener.as_ref().map(letting_in).unwrap_or_default().as_slice() {
        [] => Ok(()),
        [rule] => {
            page.blank()?;
            page.paragraph(2, &format!("This rule lets them in: {}", region::rule(rule)))?;
            commands(page, "To look at it, and to delete it:", rule, true)
        }
        // Some of them may be wanted, and deleting one of iptables moves those behind it.
        rules => {
            page.blank()?;
            page.paragraph(2, &format!("{} rules let others in. To look at each before deleting any:", rules.len()))?;
            rules.iter().try_for_each(|rule| commands(page, &region::rule(rule), rule, false))
        }
    }
}

/// The rules, not policies, that let other machines in, each once.
fn letting_in(listener: &Listener) -> Vec<&RuleReference> {
    let is_outside = |name: &loopgate_facts::Untrusted| name.as_str() != "lo";
    let open = listener.reachability.iter().filter(|region| region.verdict == ReachVerdict::Reachable);
    let open = open.filter(|region| region.interfaces.iter().any(is_outside));
    let mut rules: Vec<&RuleReference> = Vec::new();
    for rule in open.filter_map(|region| region.decided_by.as_ref()) {
        let is_rule = rule.handle.is_some() || rule.line.is_some();
        if is_rule && !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

fn commands(page: &mut Page<'_>, what: &str, rule: &RuleReference, may_delete: bool) -> io::Result<()> {
    let commands = commands_for(rule);
    if commands.is_empty() {
        return Ok(());
    }
    page.paragraph(2, what)?;
    let wanted = if may_delete { commands.len() } else { 1 };
    commands.into_iter().take(wanted).try_for_each(|command| page.line(format!("    {command}")))
}

/// Commands that name a table, a chain and a rule. Of names that a shell or `nft` could take for more than a name there are
/// none: `nft` joins its arguments, so that quotes protect nothing.
fn commands_for(rule: &RuleReference) -> Vec<String> {
    let (table, chain, family) = (rule.table.as_str(), rule.chain.as_str(), rule.family.as_str());
    if ![table, chain, family].into_iter().all(is_plain) {
        return Vec::new();
    }
    let tool = match (rule.backend.as_str(), rule.handle, rule.line) {
        ("nf-tables", Some(handle), _) => {
            return vec![
                format!("nft --handle list chain {family} {table} {chain}"),
                format!("nft delete rule {family} {table} {chain} handle {handle}"),
            ];
        }
        ("ip-tables", _, Some(_)) => "iptables",
        ("ip6-tables", _, Some(_)) => "ip6tables",
        _ => return Vec::new(),
    };
    let line = rule.line.unwrap_or_default();
    vec![
        format!("{tool} --table {table} --list {chain} {line} --numeric --verbose"),
        format!("{tool} --table {table} --delete {chain} {line}"),
    ]
}

/// Whether a name is an identifier of `nft(8)`, which is one word for every shell too.
fn is_plain(name: &str) -> bool {
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn field(page: &mut Page<'_>, label: &str, text: &str) -> io::Result<()> {
    page.labelled(&format!("  {label}"), DIM, COLUMN, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_fingerprint_a_subject_or_nothing() {
        for word in ["dde5a7", "dde5a7a4e048", "tcp/0.0.0.0:80", "eth0", "net.ipv4.ip_forward"] {
            assert!(may_be_named(word), "{word}");
        }
        assert!(!may_be_named("wildcrad-bind"));
        assert!(is_fingerprint("dde5a7a4") && !is_fingerprint("dead") && !is_fingerprint("tcp/80"));
    }

    #[test]
    fn no_name_becomes_a_command() {
        let commands = |chain: &str| {
            commands_for(&RuleReference {
                backend: "nf-tables".to_owned(),
                family: "inet".to_owned(),
                table: "filter".into(),
                chain: chain.into(),
                handle: Some(7),
                line: None,
                text: "accept".into(),
            })
        };
        assert_eq!(commands("input").len(), 2);
        for chain in ["input; delete table inet keep", "$(reboot)", "-f", "", "a b", "a'b", "größe"] {
            assert_eq!(commands(chain), [""; 0], "{chain}");
        }
    }
}
