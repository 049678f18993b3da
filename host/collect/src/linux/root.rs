//! Where the files of a machine are.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The directory that holds `/proc`, `/etc`, `/run` and `/sys`.
#[derive(Clone, Debug)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The path of a file, given without the leading `/`.
    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.0.join(relative)
    }

    /// Reads a file of at most `limit` bytes; a larger one is an error, so that no file can exhaust the memory.
    pub(super) fn read(&self, relative: &str, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let size = File::open(self.path(relative))?.take(limit + 1).read_to_end(&mut content)?;
        if size as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(content)
    }

    /// Whether a file is there, as far as can be told.
    pub(super) fn has(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }
}
