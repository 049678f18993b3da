//! What a policy can set: the entries.

use loopgate_plugin::prelude::*;

use crate::entry::Entry;
use crate::judgement::{Index, Matches};

/// The parameters of the plugin.
pub struct Settings {
    /// Whether a listener that takes traffic of this machine alone must be approved too.
    pub(crate) loopback: bool,
    /// The entries, in the order of the policy.
    pub(crate) entries: Vec<Entry>,
    /// Which of them can match a listener.
    pub(crate) index: Index,
    /// What they say of each listener.
    pub(crate) matches: Matches,
}

impl Parameters for Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let loopback =
            reader.or("loopback", "Whether listeners on loopback must be approved too; no unless set.", false);
        let entries: Vec<Entry> = reader.or("listeners", "What is approved to listen.", Vec::new());
        Self { loopback, index: Index::new(&entries), matches: Matches::default(), entries }
    }
}
