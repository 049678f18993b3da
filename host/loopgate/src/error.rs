//! What can go wrong before there is a report, as the user reads it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use loopgate_engine::EngineError;
use loopgate_facts::{DocumentError, Untrusted};

use crate::gate::baseline::BaselineError;
use crate::policy::diagnostic::Problems;

/// Why a command has no result. Every variant ends the run with exit code 2: nothing was judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something could not be read.
    #[error("cannot read {what} from {from}: {source}")]
    Read {
        /// What should have been read.
        what: &'static str,
        /// Where from.
        from: Place,
        /// Why not.
        source: ReadError,
    },
    /// A document is not facts.
    #[error("cannot use the facts from {from}: {source}")]
    Facts {
        /// Where it came from.
        from: Place,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// The policy is not UTF-8.
    #[error("cannot read the policy from {from}: line {line} is not UTF-8 text")]
    PolicyEncoding {
        /// Where it came from.
        from: Place,
        /// The first line that is not, from 1.
        line: usize,
    },
    /// It cannot be told whether there is a policy.
    #[error("cannot look for a policy at {}: {source}", at.display())]
    Discovery {
        /// Where it could be.
        at: PathBuf,
        /// Why that cannot be told.
        source: ReadError,
    },
    /// There is no such policy, neither built in nor as a file.
    #[error("there is no policy `{name}`{nearest}; built in are {known}")]
    NoSuchPolicy {
        /// The name that was asked for.
        name: String,
        /// The nearest name, as half a sentence, or nothing.
        nearest: String,
        /// Those that are built in.
        known: String,
    },
    /// A new policy would replace a file.
    #[error("{} is there already", .path.display())]
    PolicyExists {
        /// The file.
        path: PathBuf,
    },
    /// A policy would be larger than one that is read.
    #[error("{} would have more than the {limit} bytes that a policy may have", .path.display())]
    PolicyTooLarge {
        /// The file.
        path: PathBuf,
        /// How many there may be.
        limit: u64,
    },
    /// The policy has problems.
    #[error("the policy has problems")]
    Policy(Problems),
    /// A file is no baseline.
    #[error("cannot use the baseline from {from}: {source}")]
    Baseline {
        /// Where it came from.
        from: Place,
        /// What is wrong with it.
        source: BaselineError,
    },
    /// A new baseline would replace a file.
    #[error("{} is there already", .path.display())]
    BaselineExists {
        /// The file.
        path: PathBuf,
    },
    /// There is no such rule and no such finding.
    #[error("there is no rule and no finding `{what}`{}", did_you_mean(.near.as_ref()))]
    NothingToExplain {
        /// The word that was given.
        what: String,
        /// The rule that was probably meant.
        near: Option<String>,
    },
    /// The host of the plugins could not be set up.
    #[error("cannot set up the plugin sandbox: {0}")]
    Engine(#[from] EngineError),
    /// A plugin of the binary cannot be used.
    #[error("the built-in plugin `{name}` cannot be used: {why}")]
    BuiltIn {
        /// Its name.
        name: &'static str,
        /// Why not.
        why: String,
    },
    /// A file is not a ruleset.
    #[error("cannot use the rules from {from}: {reason}")]
    Ruleset {
        /// Where it came from.
        from: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// The machine cannot be asked who can reach it.
    #[error("{0}")]
    Inquiry(String),
    /// There is no such interface.
    #[error("there is no interface `{name}`; there are {known}")]
    NoSuchInterface {
        /// The name that was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The result could not be written.
    #[error("cannot write to {to}: {source}")]
    Write {
        /// Where to.
        to: Place,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// A policy that is no text.
    pub(crate) fn not_text(from: Place, error: &FromUtf8Error) -> Self {
        Self::PolicyEncoding { from, line: broken_line(error) }
    }

    /// What to do next, where more can be said than the error says.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { what: "the facts", .. } | Self::Facts { source: DocumentError::Syntax(_), .. } => {
                Some("`loopgate facts --output FILE` records the facts of a machine")
            }
            Self::Facts { source: DocumentError::Schema { .. }, .. } => {
                Some("record the facts again with this loopgate, or judge them with the one that recorded them")
            }
            Self::Facts { source: DocumentError::Inconsistent(_), .. } => {
                Some("facts that contradict themselves would be judged wrongly; record them again")
            }
            Self::Ruleset { .. } => Some(
                "a ruleset is the output of `iptables-save`, `ip6tables-save` or `nft -j list ruleset`, with `ipset save` if it asks sets",
            ),
            Self::Read { what: "the policy", source, .. } => source.hint(),
            Self::Discovery { .. } => Some("name a policy with `--policy`; `--policy default` is the built-in one"),
            Self::NoSuchPolicy { .. } => Some("a file is named with its folder or its ending, such as `./NAME`"),
            Self::Baseline { .. } | Self::Read { what: "the baseline", .. } => {
                Some("`loopgate baseline write FILE` records what is found now")
            }
            Self::BaselineExists { .. } => Some(
                "`loopgate baseline update` adds to it, `prune` drops what is gone; to begin anew, delete it first",
            ),
            Self::NothingToExplain { .. } => Some(
                "`loopgate rules` lists the rules; a finding is named by the digits that `loopgate check` shows behind its rule, or by its subject",
            ),
            Self::PolicyExists { .. } => {
                Some("`loopgate init --from-host FILE`, without `--extends`, adds to a policy and keeps what is in it")
            }
            Self::PolicyTooLarge { .. } => Some("approve some of the listeners with globs and ranges first, by hand"),
            _ => None,
        }
    }

    /// The error as it is shown, with terminal colours.
    pub(crate) fn render(&self, width: usize) -> String {
        if let Self::Policy(problems) = self {
            return problems.render(width);
        }
        let message = Untrusted::from(self.to_string());
        let hint = self.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        format!("loopgate: {}\n{hint}", message.escaped())
    }
}

fn did_you_mean(near: Option<&String>) -> String {
    near.map(|id| format!("; did you mean `{id}`?")).unwrap_or_default()
}

/// The first line that is not UTF-8, from 1.
pub(crate) fn broken_line(error: &FromUtf8Error) -> usize {
    let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system says so.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a pipe, a device or a folder, and would keep the run waiting or never end.
    #[error("it is not a regular file")]
    NotRegular,
    /// It was found and not named, and somebody else could have put it there.
    #[error("{0}")]
    Untrustworthy(String),
    /// There are more of them than there may be.
    #[error("it has more than the {limit} bytes that it may have")]
    TooLarge {
        /// How many there may be.
        limit: u64,
    },
}

impl ReadError {
    /// What to do next, where more can be said than the error says.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Untrustworthy(_) => {
                Some("whoever can write a policy decides what passes; if you trust this one, name it with `--policy`")
            }
            _ => None,
        }
    }
}

/// Where something is read from or written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard input.
    Input,
    /// Standard output.
    Output,
    /// A file.
    File(PathBuf),
}

impl Place {
    /// Where to read from; `-` means standard input, as everywhere.
    pub(crate) fn to_read(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Input } else { Self::File(path.to_owned()) }
    }

    /// Where to write to; `-` means standard output, as everywhere.
    pub(crate) fn to_write(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Output } else { Self::File(path.to_owned()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => formatter.write_str("standard input"),
            Self::Output => formatter.write_str("standard output"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}
