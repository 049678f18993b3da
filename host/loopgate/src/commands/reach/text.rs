//! The answer for people: who can reach the port, the rule that decides, and the way there.

use std::io::{self, Write};

use loopgate_facts::{Listener, Reachability, Sources, Untrusted};
use loopgate_firewall::Ruleset;
use loopgate_firewall::evaluate::{self, Machine};
use loopgate_firewall::notation;
use loopgate_firewall::region::Region;
use loopgate_firewall::ruleset::{ChainId, Hook};

use super::{Step, Way};
use crate::cli::Reach;
use crate::page::{BOLD, DIM, Page, shown, styled};
use crate::region::{self, listed};

pub(super) fn render(
    arguments: &Reach,
    listeners: &[&Listener],
    ways: &[Way],
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut page = Page::new(out, width);
    let service = format!("{}/{}", arguments.service.protocol, arguments.service.port);
    page.line(styled(BOLD, format!("{service}  {}", who_listens(listeners))))?;
    if ways.is_empty() {
        page.blank()?;
        return page.line("no packet like that can come in: no address of its IP version is there");
    }
    for group in grouped(ways) {
        way(&mut page, &group)?;
    }
    Ok(())
}

fn who_listens(listeners: &[&Listener]) -> String {
    if listeners.is_empty() {
        return "nothing listens there now".to_owned();
    }
    let names = listeners.iter().map(|listener| {
        let owner = listener.owners.first().map_or_else(|| "?".to_owned(), |owner| shown(&owner.name));
        match &listener.published {
            Some(published) => format!("{} is published to {}", listener.address, published.target),
            None => format!("{owner} listens on {}", listener.address),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Ways that differ in the destination alone are shown once.
fn grouped(ways: &[Way]) -> Vec<Vec<&Way>> {
    let mut groups: Vec<Vec<&Way>> = Vec::new();
    for way in ways {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| is_alike(first, way))) {
            Some(group) => group.push(way),
            None => groups.push(vec![way]),
        }
    }
    groups
}

fn is_alike(a: &Way, b: &Way) -> bool {
    let same = |(a, b): (&Reachability, &Reachability)| {
        Reachability { destinations: a.destinations.clone(), ..b.clone() } == *a
    };
    a.interface == b.interface
        && a.steps == b.steps
        && a.regions.len() == b.regions.len()
        && a.regions.iter().zip(&b.regions).all(same)
}

fn way(page: &mut Page<'_>, group: &[&Way]) -> io::Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let destinations: Vec<_> = group.iter().map(|way| way.destination.to_string()).collect();
    page.heading(&format!("to {} by {}", destinations.join(", "), shown(&first.interface)))?;
    for region in &first.regions {
        region::render(page, region)?;
    }
    if !first.steps.is_empty() {
        page.line(styled(DIM, "  the way there"))?;
        trace(page, &first.steps)?;
    }
    Ok(())
}

fn trace(page: &mut Page<'_>, steps: &[Step]) -> io::Result<()> {
    let mut place: Option<&Untrusted> = None;
    for step in steps {
        if place != Some(&step.place) {
            page.line(format!("    {}", shown(&step.place)))?;
            place = Some(&step.place);
        }
        page.paragraph(6, &format!("{}  [{}]", shown(&step.what), shown(&step.sources)))?;
    }
    Ok(())
}

/// The steps of the way in words; chains that let everything go on without a rule are left out.
pub(super) fn steps(machine: &Machine<'_>, steps: &[evaluate::Step]) -> Vec<Step> {
    let mut found = Vec::new();
    let mut place = Untrusted::default();
    for step in steps {
        let (what, region) = match step {
            evaluate::Step::Chain { chain, hook, answer, .. } => {
                place = chain_place(machine.ruleset, *chain, *hook, *answer);
                continue;
            }
            evaluate::Step::Rule { rule, region } => {
                let reference = notation::reference(machine.ruleset, *rule);
                let handle = reference.handle.map(|handle| format!("handle {handle}: "));
                let line = reference.line.map(|line| format!("line {line}: "));
                let chain = format!("{} ", reference.chain.as_str());
                (format!("{chain}{}{}", handle.or(line).unwrap_or_default(), reference.text.as_str()), region)
            }
            evaluate::Step::Policy { chain, region } => {
                (notation::policy_reference(machine.ruleset, *chain).text.as_str().to_owned(), region)
            }
            evaluate::Step::Routed { region, outcome } => {
                place = "routing".into();
                (outcome.clone(), region)
            }
        };
        let step = Step { place: place.clone(), what: what.into(), sources: region_words(region).into() };
        // Packets that differ in what is not shown take the same step apart from each other.
        if found.last() != Some(&step) {
            found.push(step);
        }
    }
    found
}

fn region_words(region: &Region) -> String {
    let addresses = region.addresses();
    let Sources { listed: prefixes, excluded, unlisted } = addresses.listed();
    listed(prefixes, excluded, *unlisted)
}

fn chain_place(ruleset: &Ruleset, chain: ChainId, hook: Hook, answer: bool) -> Untrusted {
    let table = ruleset.table_of(chain).map(|table| table.name.as_str()).unwrap_or_default();
    let name = ruleset.chain(chain).map(|chain| chain.name.as_str()).unwrap_or_default();
    let of_answer = if answer { "answer, " } else { "" };
    format!("{of_answer}{}: table {table}, chain {name}", format!("{hook:?}").to_lowercase()).into()
}
