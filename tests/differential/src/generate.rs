//! Random rulesets, weighted towards what real ones use, and the packets to try on them.

#![allow(clippy::unnecessary_wraps, reason = "what stands in one table has one type")]

mod actions;
mod draw;
mod ip_sets;
mod iptables;
mod matches;
mod native;
mod unusual;

use std::net::{IpAddr, SocketAddr};

use crate::arena::Settings;
use crate::packet::Protocol;
use crate::plan::{self, entry};
use crate::ruleset::{Ruleset, Tool};
use draw::{Draw, Version};

/// A ruleset, and what is asked about it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The ruleset.
    pub ruleset: Ruleset,
    /// The settings of the host.
    pub settings: Settings,
    /// What is asked.
    pub questions: Vec<Question>,
}

/// A port of the host, and packets to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where they come from: see [`entry`].
    pub link: usize,
    /// The transport protocol.
    pub protocol: Protocol,
    /// Where they go to.
    pub destination: SocketAddr,
    /// Where they come from.
    pub sources: Vec<SocketAddr>,
}

const QUESTIONS: usize = 6;
const SOURCES: usize = 18;
/// The first source port of the probes: above those of the plan, below those that the kernel gives.
const FIRST_SOURCE_PORT: u16 = 10_000;

impl Case {
    /// The case of a seed.
    pub fn new(seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let ruleset = ruleset(&mut draw);
        let settings = Settings { forwarding: draw.chance(70), route_localnet: draw.chance(12) };
        let mut ports = SourcePorts { next: FIRST_SOURCE_PORT, named: Vec::new() };
        let mut questions: Vec<Question> = (0..QUESTIONS).map(|_| question(&mut draw, &mut ports)).collect();
        questions.push(connections(&mut draw, &mut ports, entry::CLIENT));
        questions.push(connections(&mut draw, &mut ports, entry::HOST));
        Self { ruleset, settings, questions }
    }
}

fn ruleset(draw: &mut Draw) -> Ruleset {
    let tools: &[Tool] = draw.weighted(&[
        (68, &[Tool::Nft] as &[Tool]),
        (9, &[Tool::IptablesNft, Tool::Ip6tablesNft]),
        (5, &[Tool::Nft, Tool::IptablesNft]),
        (3, &[Tool::Nft, Tool::Ip6tablesNft]),
        (8, &[Tool::IptablesLegacy, Tool::Ip6tablesLegacy]),
        (4, &[Tool::Nft, Tool::IptablesLegacy]),
        (2, &[Tool::IptablesNft, Tool::IptablesLegacy]),
        (1, &[Tool::Nft, Tool::Ip6tablesLegacy]),
    ]);
    let sets = if tools != [Tool::Nft] && draw.chance(55) { ip_sets::sets(draw) } else { Vec::new() };
    let mut tables: Vec<_> = ip_sets::table(&sets).into_iter().collect();
    for &tool in tools {
        if tool == Tool::Nft {
            let count = 1 + draw.count(30, 2);
            tables.extend((0..count).map(|number| native::table(draw, number)));
        } else {
            tables.extend(iptables::tables(draw, tool, &sets));
        }
    }
    Ruleset { tables }
}

/// Each probe has a source port of its own, so that no two are of one connection.
struct SourcePorts {
    next: u16,
    /// Ports that rules name, and that were given already.
    named: Vec<u16>,
}

impl SourcePorts {
    fn give(&mut self, draw: &mut Draw) -> u16 {
        let named = if draw.chance(18) { draw.probed_source_port() } else { None };
        if let Some(port) = named.filter(|port| !self.named.contains(port)) {
            self.named.push(port);
            return port;
        }
        self.next()
    }

    fn next(&mut self) -> u16 {
        self.next += 1;
        self.next
    }
}

fn question(draw: &mut Draw, ports: &mut SourcePorts) -> Question {
    let version = if draw.chance(62) { Version::V4 } else { Version::V6 };
    let protocol = draw.protocol();
    let link = draw.weighted(&[(75, 0), (25, 1)]);
    let address = if draw.chance(88) { draw.own(version) } else { draw.behind(version) };
    let destination = SocketAddr::new(address, draw.probed_port());
    let sources = (0..SOURCES).map(|_| SocketAddr::new(draw.probed_source(version), ports.give(draw))).collect();
    Question { link, protocol, destination, sources }
}

/// Connections by real sockets.
fn connections(draw: &mut Draw, ports: &mut SourcePorts, link: usize) -> Question {
    let version = if draw.chance(62) { Version::V4 } else { Version::V6 };
    let protocol = Protocol::Tcp;
    // For the client, loopback addresses are its own.
    let address = if link == entry::CLIENT { draw.own_outside(version) } else { draw.own(version) };
    let destination = SocketAddr::new(address, draw.probed_port());
    let addresses: Vec<IpAddr> = match (link, version) {
        (entry::CLIENT, Version::V4) => plan::CLIENT_V4.map(Into::into).to_vec(),
        (entry::CLIENT, Version::V6) => plan::CLIENT_V6.map(Into::into).to_vec(),
        (_, Version::V4) => plan::HOST_V4.map(Into::into).to_vec(),
        (_, Version::V6) => plan::HOST_V6.map(Into::into).to_vec(),
    };
    let count = if link == entry::CLIENT { addresses.len() } else { 3 };
    let first = if link == entry::CLIENT { 0 } else { draw.number(0..4) as usize };
    let sources = addresses.into_iter().skip(first).take(count).map(|address| SocketAddr::new(address, ports.next()));
    Question { link, protocol, destination, sources: sources.collect() }
}
