//! Observes a machine and fills the model of `loopgate-facts`.
//!
//! This is the only crate of loopgate that touches the operating system. It changes nothing, starts no program, and
//! sends no packet to another host: the kernel is read over netlink and from `/proc`, and the only traffic is the
//! probes of the machine's own loopback addresses.
//!
//! A [`Collector`] never fails. What it cannot observe becomes a [`loopgate_facts::Gap`] that says why and what that
//! leaves unknown, so that a judge can tell "nothing is there" from "nothing was seen".

#![allow(clippy::disallowed_methods, reason = "the bans keep the operating system out of every other crate")]

mod gaps;
mod hosts;
mod loopback;

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(any(test, not(target_os = "linux")))]
pub mod portable;

use jiff::{Timestamp, Unit};
use loopgate_facts::Facts;

/// Something that can observe a machine.
pub trait Collector {
    /// Observes the machine, once. What could not be observed is in [`Facts::gaps`].
    fn collect(&self) -> Facts;
}

/// The collector for the machine that the program runs on.
#[cfg(target_os = "linux")]
pub fn this_machine() -> impl Collector {
    linux::LinuxCollector::new()
}

/// The collector for the machine that the program runs on.
#[cfg(not(target_os = "linux"))]
pub fn this_machine() -> impl Collector {
    portable::PortableCollector::new()
}

/// Whole seconds: nobody judges by less, and documents stay readable.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}
