//! The answer for programs.

use std::io::{self, Write};
use std::net::IpAddr;

use loopgate_facts::{Listener, ListenerId, Protocol, Reachability, Untrusted};
use serde::Serialize;

use super::{Step, Way};
use crate::cli::Reach;
use crate::report::json;

/// The version of this form.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    protocol: Protocol,
    port: u16,
    /// The listeners that are there now.
    listeners: Vec<&'a ListenerId>,
    ways: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    interface: &'a Untrusted,
    destination: IpAddr,
    reachability: &'a [Reachability],
    trace: &'a [Step],
}

pub(super) fn render(arguments: &Reach, listeners: &[&Listener], ways: &[Way], out: &mut dyn Write) -> io::Result<()> {
    let ways = ways.iter().map(|way| Entry {
        interface: &way.interface,
        destination: way.destination,
        reachability: &way.regions,
        trace: &way.steps,
    });
    let document = Document {
        schema: SCHEMA,
        protocol: arguments.service.protocol,
        port: arguments.service.port,
        listeners: listeners.iter().map(|listener| &listener.id).collect(),
        ways: ways.collect(),
    };
    json::write_safely(&document, out)
}
