//! Rules from files.

use std::path::{Path, PathBuf};

use loopgate_firewall::{Ruleset, iptables_save, nft_json};

use crate::commands::read;
use crate::error::{Error, Place};

/// The largest file of rules that is read, in bytes.
const MAX_RULESET_BYTES: u64 = 256 << 20;

/// The rules of all files together; `None` without a file.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Option<Ruleset>, Error> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut rules = Ruleset::default();
    for path in paths {
        rules.append(read_one(path)?);
    }
    Ok(Some(rules))
}

fn read_one(path: &Path) -> Result<Ruleset, Error> {
    let from = Place::to_read(path);
    let bytes = read("the rules", &from, MAX_RULESET_BYTES)?;
    parse(&bytes).map_err(|reason| Error::Ruleset { from, reason })
}

/// JSON begins with a brace; everything else is taken for the output of `iptables-save`.
fn parse(bytes: &[u8]) -> Result<Ruleset, String> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        nft_json::parse(bytes).map(|parsed| parsed.ruleset).map_err(|error| error.to_string())
    } else {
        iptables_save::parse(bytes, None).map(|parsed| parsed.ruleset).map_err(|error| error.to_string())
    }
}
