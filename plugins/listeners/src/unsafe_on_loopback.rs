//! Services that loopback does not protect.

use loopgate_plugin::prelude::*;

use crate::parameters::Settings;
use crate::recognise::{Recognised, recognise};
use crate::sensitive_service::{could_be_anything, report_unseen};

/// The rule.
pub(crate) const RULE: Rule<Settings> = Rule::new("unsafe-on-loopback", include_str!("unsafe-on-loopback.md"), check);

fn check(facts: &Facts, settings: &Settings, report: &mut Report) {
    let mut unseen = Vec::new();
    for listener in facts.listeners.iter().filter(|listener| is_candidate(facts, listener)) {
        match recognise(&settings.catalogue, listener) {
            Some(found) => judge(listener, &found, report),
            None if could_be_anything(facts, listener) => unseen.push(listener),
            None => {}
        }
    }
    report_unseen(&unseen, report);
}

/// Beyond loopback the same services are findings of `sensitive-service`; none of them speaks anything but TCP.
fn is_candidate(facts: &Facts, listener: &Listener) -> bool {
    listener.protocol == Protocol::Tcp && facts.is_confined_to_host(listener)
}

fn judge(listener: &Listener, found: &Recognised<'_>, report: &mut Report) {
    let Some(severity) = found.service.on_loopback else { return };
    let (listener_text, phrase, why) = (listener.describe(), found.phrase(), &found.service.why);
    let message = format!("{listener_text} {phrase}, which {why}: every local process and any web page can try it");
    let finding = found.explain(Finding::of_listener(listener, message));
    report.fail(finding.severity(if found.is_doubtful() { Severity::Info } else { severity }));
}
