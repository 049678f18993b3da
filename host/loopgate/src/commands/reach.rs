//! `loopgate reach`: who can reach a port, and why.

mod json;
mod rulesets;
mod text;

use std::net::IpAddr;

use loopgate_collect::linux::reach::Inquiry;
use loopgate_facts::{Interface, InterfaceKind, Listener, Reachability, Untrusted};
use loopgate_firewall::address_set::{AddressSet, IpVersion};
use loopgate_firewall::evaluate::{Answer, Endpoint, Evaluator, Fate, Question, Responder};
use loopgate_firewall::reach::{protocol_number, records, responder};

use crate::cli::{Format, Reach, Service};
use crate::error::Error;
use crate::output::{Document, Output};

/// The answer for one interface and one address.
struct Way {
    interface: Untrusted,
    destination: IpAddr,
    regions: Vec<Reachability>,
    steps: Vec<Step>,
}

/// A step on the way of a packet, in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Step {
    /// Where it is: a hook and a chain, or `routing`.
    place: Untrusted,
    /// What happens there.
    what: Untrusted,
    /// To packets from where.
    sources: Untrusted,
}

pub(super) fn run(arguments: &Reach) -> Result<(), Error> {
    let rules = rulesets::read_all(&arguments.rulesets)?;
    let inquiry = Inquiry::this_machine(rules).map_err(|error| Error::Inquiry(error.to_string()))?;
    let ways = ways(arguments, &inquiry)?;
    let listeners = listeners(arguments, &inquiry);
    let output = Output::new(arguments.output.path.as_deref());
    let document = match arguments.format {
        Format::Text => Document::text(|out| text::render(arguments, &listeners, &ways, output.width(), out)),
        Format::Json => Document::data(|out| json::render(arguments, &listeners, &ways, out)),
    };
    output.write(&document)
}

fn ways(arguments: &Reach, inquiry: &Inquiry) -> Result<Vec<Way>, Error> {
    let interfaces = interfaces(arguments, &inquiry.facts().interfaces)?;
    let addresses = inquiry.addresses();
    let destinations: Vec<_> = arguments
        .on
        .map_or_else(|| addresses.of_protocol(arguments.service.protocol).collect(), |address| vec![address]);
    let mut evaluator = inquiry.evaluator();
    let listeners = listeners(arguments, inquiry);
    let mut ways = Vec::new();
    for interface in interfaces {
        let responder = answering(&listeners, interface, &inquiry.facts().interfaces);
        for destination in &destinations {
            if let Some(way) = way(&mut evaluator, arguments, (interface, responder), *destination) {
                ways.push(way);
            }
        }
    }
    Ok(ways)
}

/// How what listens there answers packets that come in by an interface: as any socket does, unless all sockets there
/// answer in one other way.
fn answering(listeners: &[&Listener], interface: &Interface, all: &[Interface]) -> Responder {
    let takes = |listener: &&&Listener| listener.interface().is_none_or(|name| *name == interface.name);
    let mut responders = listeners.iter().filter(takes).map(|listener| responder(listener, all));
    let first = responders.next().unwrap_or_default();
    if responders.all(|other| other == first) { first } else { Responder::default() }
}

fn interfaces<'a>(arguments: &Reach, all: &'a [Interface]) -> Result<Vec<&'a Interface>, Error> {
    let Some(name) = &arguments.interface else {
        // Nothing comes in by one that is down; who asks about it by name wants to know what would.
        let is_asked = |interface: &&Interface| interface.up || interface.kind == InterfaceKind::Loopback;
        return Ok(all.iter().filter(is_asked).collect());
    };
    let found: Vec<_> = all.iter().filter(|interface| interface.name.as_str() == name).collect();
    if found.is_empty() {
        let known: Vec<_> = all.iter().map(|interface| interface.name.as_str()).collect();
        return Err(Error::NoSuchInterface { name: name.clone(), known: known.join(", ") });
    }
    Ok(found)
}

/// `None` where the sources asked about are of the other IP version, or cannot come in by the interface at all.
fn way(
    evaluator: &mut Evaluator<'_>,
    arguments: &Reach,
    (interface, responder): (&Interface, Responder),
    destination: IpAddr,
) -> Option<Way> {
    let version = IpVersion::of(destination);
    let asked = arguments.from.map_or_else(|| AddressSet::all(version), |prefix| AddressSet::prefix(prefix.0));
    let elsewhere = matches!(destination, IpAddr::V6(address) if address.is_unicast_link_local())
        && interface.kind != InterfaceKind::Loopback
        && !interface.addresses.iter().any(|entry| entry.address == destination);
    if asked.version() != version || elsewhere {
        return None;
    }
    let Service { protocol, port } = arguments.service;
    let endpoint = Endpoint { address: destination, port };
    let question = Question {
        interface: interface.index,
        protocol: protocol_number(protocol),
        destination: endpoint,
        sources: asked,
        responder,
    };
    let answer = evaluator.trace(&question);
    let judged = answer.judge(|fate| matches!(fate, Fate::Delivered(_) | Fate::Forwarded { .. }));
    let regions = records(evaluator.machine().ruleset, &interface.name, &question, judged);
    let steps = steps(evaluator, &answer);
    Some(Way { interface: interface.name.clone(), destination, regions, steps })
}

fn steps(evaluator: &Evaluator<'_>, answer: &Answer) -> Vec<Step> {
    text::steps(evaluator.machine(), answer.steps())
}

/// Who listens there now.
fn listeners<'a>(arguments: &Reach, inquiry: &'a Inquiry) -> Vec<&'a Listener> {
    let Service { protocol, port } = arguments.service;
    let here = |listener: &&Listener| {
        let at = arguments.on.is_none_or(|address| listener.address.is_unspecified() || listener.address == address);
        listener.protocol == protocol && listener.port == port && at
    };
    inquiry.facts().listeners.iter().filter(here).collect()
}
