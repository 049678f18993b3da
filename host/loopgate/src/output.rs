//! Where results go: standard output or a file, with colours or without.

use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, Place};
use crate::files;

const DEFAULT_WIDTH: usize = 80;
const NARROWEST: usize = 40;
const WIDEST: usize = 120;

/// A result, complete in memory, so that no reader ever sees half of one.
#[derive(Debug)]
pub(crate) enum Document {
    /// For people; may hold terminal colours.
    Text(Vec<u8>),
    /// For programs; written as it is.
    Data(Vec<u8>),
}

/// A destination for results.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    place: Place,
}

impl Output {
    /// The file that the user names; without one or with `-`, standard output.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        Self { place: path.map_or(Place::Output, Place::to_write) }
    }

    /// The columns that text may use there.
    pub(crate) fn width(&self) -> usize {
        match self.place {
            Place::File(_) => DEFAULT_WIDTH,
            _ => width_of(terminal_size::terminal_size_of(io::stdout())),
        }
    }

    /// The columns that a table may use there: what does not fit a terminal is cut, what a program reads is not.
    pub(crate) fn table_width(&self) -> usize {
        let terminal = terminal_size::terminal_size_of(io::stdout()).filter(|_| matches!(self.place, Place::Output));
        terminal.map_or(usize::MAX, |(width, _)| usize::from(width.0).max(NARROWEST))
    }

    /// Writes a document. Whoever closes a pipe has read enough: that is no error.
    pub(crate) fn write(&self, document: &Document) -> Result<(), Error> {
        let written = match &self.place {
            Place::File(path) => files::write(path, &document.plain()),
            _ => document.print(),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(source) => Err(Error::Write { to: self.place.clone(), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl Document {
    /// A document for people.
    pub(crate) fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Self {
        Self::Text(in_memory(write))
    }

    /// A document for programs.
    pub(crate) fn data(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Self {
        Self::Data(in_memory(write))
    }

    /// Text has its colours if standard output is a terminal that shows any and the user wants them (`NO_COLOR`,
    /// `CLICOLOR_FORCE`).
    fn print(&self) -> io::Result<()> {
        match self {
            Self::Text(bytes) => write_all(&mut anstream::stdout().lock(), bytes),
            Self::Data(bytes) => write_all(&mut io::stdout().lock(), bytes),
        }
    }

    fn plain(&self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => anstream::adapter::strip_bytes(bytes).into_vec(),
            Self::Data(bytes) => bytes.clone(),
        }
    }
}

fn write_all(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.flush()
}

/// What is written. Writing to memory does not fail.
fn in_memory(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let result = write(&mut bytes);
    debug_assert!(result.is_ok(), "{result:?}");
    bytes
}

/// Shows an error on standard error. If even that fails, the exit code still says it.
pub(crate) fn complain(error: &Error) {
    let width = width_of(terminal_size::terminal_size_of(io::stderr()));
    let _ = anstream::stderr().write_all(error.render(width).as_bytes());
}

fn width_of(terminal: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    terminal.map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0).clamp(NARROWEST, WIDEST))
}
