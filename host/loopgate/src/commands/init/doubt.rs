//! Why a listener is not simply approved.

use std::fmt;

use loopgate_engine::Severity;
use loopgate_facts::{ReachBounds, Untrusted};

use crate::page::shown;
use crate::policy::RuleId;

/// Something that somebody has to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// The policy fails it, whether it is approved or not.
    Fails {
        /// The rule.
        rule: RuleId,
        /// How much it matters.
        severity: Severity,
        /// What the rule says should be.
        title: Untrusted,
    },
    /// An entry approved it until its date.
    Over,
    /// An entry approves a single address, and it is bound to all.
    Widened,
    /// Nobody was seen to hold it.
    NoOwner,
    /// The program of an owner was not seen.
    NoProgram,
    /// Process 1 holds it for a service that has not been started.
    NotStarted,
    /// The file of the program is gone.
    Deleted,
    /// The program is in a file system of its own, where its path says nothing.
    Elsewhere,
    /// Whoever is not an administrator can put another program there: this folder.
    Replaceable(&'static str),
    /// The program runs what it is given.
    Interpreter,
    /// A name or path would be taken for a glob.
    Glob,
    /// A name or path holds characters that do not show.
    Unprintable,
    /// It is in a container whose name is not known.
    NamelessContainer,
    /// Some of its owners are in a container and some are not, or in another.
    SeveralContainers,
    /// A container's port is published to anybody.
    Published,
    /// It is bound to this interface, which no entry can say.
    BoundTo(Untrusted),
    /// How far it reaches is not known exactly.
    Reach(Bounds),
}

/// [`ReachBounds`] in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds(pub(super) ReachBounds);

impl Ord for Bounds {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.certain, self.0.possible).cmp(&(other.0.certain, other.0.possible))
    }
}

impl PartialOrd for Bounds {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One line, safe to show.
impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Fails { rule, severity, title } => {
                return write!(formatter, "{rule} ({severity}) fails it: {}", title.escaped());
            }
            Self::Over => "an entry approved it until its date, which is over",
            Self::Widened => "an entry approves it at other addresses; it is bound to all of them now",
            Self::NoOwner => "nobody was seen to hold it; run as root, or it is the kernel itself",
            Self::NoProgram => "the program of an owner was not seen; run as root",
            Self::NotStarted => "process 1 holds it for a service that was not started: which program will answer?",
            Self::Deleted => "the file of its program is gone: restart it after an upgrade, or ask what it is",
            Self::Elsewhere => "its program is in a file system of its own, where anything can be at any path",
            Self::Replaceable(folder) => {
                return write!(formatter, "its program is below {folder}, where it is easily replaced");
            }
            Self::Interpreter => {
                "its program runs whatever it is given; a unit or container of its own would tell it apart"
            }
            Self::Glob => "a name has `*` or `?` in it, which an entry takes for a glob",
            Self::Unprintable => "a name has characters that do not show",
            Self::NamelessContainer => "it is in a container whose name and image were not seen; run as root",
            Self::SeveralContainers => "its owners are not all in the same container",
            Self::Published => "it publishes a port of a container to anybody",
            Self::BoundTo(interface) => {
                let interface = shown(interface);
                return write!(formatter, "it is bound to the interface {interface}, which an entry cannot ask for");
            }
            Self::Reach(Bounds(reach)) => {
                let ReachBounds { certain, possible } = reach;
                return write!(
                    formatter,
                    "how far it reaches is not known: {certain} for certain, {possible} cannot be excluded"
                );
            }
        };
        formatter.write_str(text)
    }
}
