//! The JSON form of facts: versioned, strict, and safe to open wherever it comes from.

use serde::Deserialize;

use crate::{Facts, Inconsistency};

/// The version of the JSON form that this crate writes and reads.
pub const SCHEMA: u32 = 1;

/// The largest document that is read, in bytes: room for over 50,000 listeners.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Why a document is not facts.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The document is larger than any machine's facts.
    #[error("{size} bytes are more than the {MAX_DOCUMENT_BYTES} that a facts document may have")]
    TooLarge {
        /// Size of the document in bytes.
        size: u64,
    },
    /// Not JSON, or not the fields of facts.
    #[error("not a facts document: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A version that this crate does not know.
    #[error("the facts have schema {found}, this loopgate reads schema {SCHEMA}")]
    Schema {
        /// The version in the document.
        found: u64,
    },
    /// The document contradicts itself.
    #[error("the facts contradict themselves: {}", first_of(.0))]
    Inconsistent(Vec<Inconsistency>),
}

fn first_of(found: &[Inconsistency]) -> String {
    let first = found.first().map(ToString::to_string).unwrap_or_default();
    match found.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Version {
    schema: u64,
}

impl Facts {
    /// Reads a document. The version is checked before anything else, so that facts of another version are named as
    /// such and not as a syntax error.
    pub fn from_json(document: &[u8]) -> Result<Self, DocumentError> {
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge { size: document.len() as u64 });
        }
        let version: Version = serde_json::from_slice(document).map_err(DocumentError::Syntax)?;
        if version.schema != u64::from(SCHEMA) {
            return Err(DocumentError::Schema { found: version.schema });
        }
        let mut facts: Self = serde_json::from_slice(document).map_err(DocumentError::Syntax)?;
        let found = facts.inconsistencies();
        if !found.is_empty() {
            return Err(DocumentError::Inconsistent(found));
        }
        facts.normalise();
        Ok(facts)
    }
}
