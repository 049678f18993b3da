//! Rules from files.

use std::path::{Path, PathBuf};

use loopgate_firewall::{Ruleset, ip_set, iptables_save, nft_json};

use crate::commands::read;
use crate::error::{Error, Place};

/// The largest file of rules that is read, in bytes.
const MAX_RULESET_BYTES: u64 = 256 << 20;

/// The rules of all files together; `None` without a file.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Option<Ruleset>, Error> {
    let Some(last) = paths.last() else { return Ok(None) };
    let mut rules = Ruleset::default();
    for path in paths {
        rules.append(read_one(path)?);
    }
    if rules.tables.is_empty() && !rules.ip_sets.is_empty() {
        return Err(Error::Ruleset { from: Place::to_read(last), reason: "ipsets, and no rules that ask them".into() });
    }
    Ok(Some(rules))
}

fn read_one(path: &Path) -> Result<Ruleset, Error> {
    let from = Place::to_read(path);
    let bytes = read("the rules", &from, MAX_RULESET_BYTES)?;
    parse(&bytes).map_err(|reason| Error::Ruleset { from, reason })
}

/// JSON begins with a brace, and the output of `ipset save` with the first set; everything else is taken for the output
/// of `iptables-save`.
fn parse(bytes: &[u8]) -> Result<Ruleset, String> {
    if ip_set::is_save(bytes) {
        let ip_sets = ip_set::parse(bytes).map_err(|error| error.to_string())?;
        return Ok(Ruleset { ip_sets, ..Ruleset::default() });
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        nft_json::parse(bytes).map(|parsed| parsed.ruleset).map_err(|error| error.to_string())
    } else {
        iptables_save::parse(bytes, None).map(|parsed| parsed.ruleset).map_err(|error| error.to_string())
    }
}
