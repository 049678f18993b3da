//! Probes: traffic sent over the loopback interface, to loopback addresses only.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Untrusted;

/// One probe: bind a loopback address, connect to it, send and receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The address: `127.0.0.1` or `::1`.
    pub address: IpAddr,
    /// The protocol.
    pub protocol: ProbeProtocol,
    /// What happened.
    pub outcome: ProbeOutcome,
}

/// The protocol of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeProtocol {
    /// A TCP connection.
    Tcp,
    /// A UDP datagram and its answer.
    Udp,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeOutcome {
    /// Everything arrived.
    Worked {
        /// From sending to receiving, in microseconds.
        round_trip_micros: u32,
    },
    /// A step failed or took longer than a second.
    Failed {
        /// The step.
        step: ProbeStep,
        /// The error of the system.
        error: Untrusted,
    },
}

/// The steps of a probe, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeStep {
    /// Binding a listener to the address and a port that the kernel chooses.
    Bind,
    /// Connecting to it.
    Connect,
    /// Sending a token and receiving it back.
    Echo,
}
