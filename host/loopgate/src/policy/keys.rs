//! The keys of a policy, declared once: the reader takes no others, and the JSON Schema is made of the same.

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is for, as an editor shows it.
    pub(crate) about: &'static str,
    /// What it may be set to.
    pub(crate) kind: Kind,
}

/// What a key may be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The version of the format.
    Version,
    /// A list of policies.
    Policies,
    /// A boolean, or a table of them.
    Locks,
    /// A severity.
    Severity,
    /// What an unknown outcome does.
    OnUnknown,
    /// A table of plugins.
    Plugins,
    /// A table of rules with their settings.
    Rules,
    /// A text that is not empty.
    Path,
    /// A SHA-256 in hexadecimal digits.
    Digest,
    /// A table that is handed to a plugin.
    Parameters,
    /// An array of waivers.
    Waivers,
    /// A number of days.
    Days,
    /// An array of frameworks.
    Frameworks,
    /// An array of controls.
    Controls,
}

/// The version of the policy format that this loopgate reads.
pub(crate) const VERSION: &str = "1";

/// The keys of a policy, beside the [shorthands](super::shorthand::SHORTHANDS).
pub(crate) const POLICY: &[Key] = &[
    Key { name: "schema", about: "Version of this format.", kind: Kind::Version },
    Key {
        name: "extends",
        about: "The policies above this one, the uppermost first: names of built-in policies, and files in the folder \
                of this one or below.",
        kind: Kind::Policies,
    },
    Key {
        name: "locked",
        about: "What the layers below may not loosen: everything unless this is false; a table unlocks single things.",
        kind: Kind::Locks,
    },
    Key { name: "fail_on", about: "Least severity of a finding that fails the check.", kind: Kind::Severity },
    Key {
        name: "on_unknown",
        about: "Whether what could not be judged makes the verdict incomplete, or is reported only.",
        kind: Kind::OnUnknown,
    },
    Key { name: "plugins", about: "The plugins that judge, by name.", kind: Kind::Plugins },
    Key { name: "waivers", about: "Findings that are accepted for a time.", kind: Kind::Waivers },
    Key { name: "waiver_days", about: "How many days ahead a waiver may end; 365 unless set.", kind: Kind::Days },
    Key { name: "frameworks", about: "Documents that controls are of: benchmarks, standards.", kind: Kind::Frameworks },
    Key { name: "controls", about: "Controls of frameworks, and the rules that answer them.", kind: Kind::Controls },
    Key { name: "rules", about: "Severities of single rules, or \"off\", by PLUGIN/RULE.", kind: Kind::Rules },
];

/// The keys of a plugin.
pub(crate) const PLUGIN: &[Key] = &[
    Key {
        name: "path",
        about: "A WebAssembly component, relative to this file; without it, the built-in plugin of the name.",
        kind: Kind::Path,
    },
    Key { name: "sha256", about: "The SHA-256 that the file must have.", kind: Kind::Digest },
    Key { name: "parameters", about: "What the plugin is told.", kind: Kind::Parameters },
];

/// What `locked` may unlock, beside plugins and single rules.
pub(crate) const LOCKS: &[(&str, &str)] = &[
    ("fail_on", "Whether the threshold is locked."),
    ("on_unknown", "Whether it is locked what an unknown outcome does."),
    ("waivers", "Whether findings may not be waived."),
    ("waiver_days", "Whether it is locked how many days ahead a waiver may end."),
    ("rules", "Whether the settings of all rules are locked."),
];

/// The names of keys.
pub(crate) fn names(keys: &[Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|key| key.name)
}
