//! Which policy a run goes by: the one that is named, else the nearest one, else that of the machine, else the default.
//!
//! A policy that is there and cannot be used ends the run; the next place is never looked at instead.

use std::path::{Path, PathBuf};

use super::nearest::{nearest, quoted};
use super::shipped::{self, Shipped};
use crate::error::{Error, Place, ReadError};
use crate::files::{self, Trust};

/// The file that is looked for from the working directory upward.
pub(crate) const FILE: &str = "loopgate.toml";

/// The policy of the machine.
pub(crate) const SYSTEM: &str = "/etc/loopgate/policy.toml";

/// How a policy was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The command line names it.
    Named,
    /// It is in the working directory or the nearest folder above.
    Nearest,
    /// It is the policy of the machine.
    System,
    /// There was none, so it is the default.
    Default,
}

impl Found {
    /// The word that machine formats use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Nearest => "nearest",
            Self::System => "system",
            Self::Default => "default",
        }
    }

    /// Whose word it is that the policy and the files that it names are to be gone by.
    pub(crate) fn trust(self) -> Trust {
        match self {
            Self::Named => Trust::Named,
            Self::Nearest | Self::System | Self::Default => Trust::Found,
        }
    }

    /// For people.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Named => "named by --policy",
            Self::Nearest => "found from the working directory upward",
            Self::System => "the policy of this machine",
            Self::Default => "none was named or found",
        }
    }
}

/// A policy that a run goes by.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// One of the binary.
    BuiltIn(&'static Shipped),
    /// One that is to be read.
    At(Place),
    /// One that is about to be written, as if its file had this text.
    Draft {
        /// The file.
        path: PathBuf,
        /// The text.
        text: String,
    },
}

/// The policies to go by, uppermost first, and how they were found.
pub(crate) fn discover(named: &[PathBuf]) -> Result<(Found, Vec<Root>), Error> {
    if !named.is_empty() {
        return Ok((Found::Named, named.iter().map(|path| root(path)).collect::<Result<_, _>>()?));
    }
    if let Some(path) = nearest_file()? {
        return Ok((Found::Nearest, vec![Root::At(Place::File(path))]));
    }
    if is_there(Path::new(SYSTEM))? {
        return Ok((Found::System, vec![Root::At(Place::File(SYSTEM.into()))]));
    }
    Ok((Found::Default, vec![Root::BuiltIn(&shipped::DEFAULT)]))
}

/// What an option names: the name of a built-in policy is that, even where there is a file of that name.
fn root(path: &Path) -> Result<Root, Error> {
    if let Some(policy) = path.to_str().and_then(shipped::find) {
        return Ok(Root::BuiltIn(policy));
    }
    let is_name = path.components().count() == 1 && path.extension().is_none() && path.as_os_str() != "-";
    if is_name && !is_there(path)? {
        return Err(no_such_policy(&path.to_string_lossy()));
    }
    Ok(Root::At(Place::to_read(path)))
}

fn no_such_policy(name: &str) -> Error {
    let nearest = nearest(name, shipped::names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Error::NoSuchPolicy { name: name.to_owned(), nearest, known: quoted(shipped::names()) }
}

fn nearest_file() -> Result<Option<PathBuf>, Error> {
    let here = files::working_directory().map_err(|source| cannot_look(Path::new("."), source))?;
    for folder in here.ancestors() {
        let path = folder.join(FILE);
        if is_there(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_there(path: &Path) -> Result<bool, Error> {
    files::is_there(path).map_err(|source| cannot_look(path, source))
}

fn cannot_look(path: &Path, source: ReadError) -> Error {
    Error::Discovery { at: path.to_owned(), source }
}
