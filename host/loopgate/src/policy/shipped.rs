//! The policies that are part of the binary.

/// A policy that is part of the binary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Its name in `extends` and on the command line.
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) text: &'static str,
}

impl Shipped {
    /// How messages call it.
    pub(crate) fn label(&self) -> String {
        format!("built-in {} policy", self.name)
    }
}

/// What judges where nobody names a policy.
pub(crate) const DEFAULT: Shipped =
    Shipped { name: "default", text: include_str!("../../../../policies/default.toml") };

/// All of them.
pub(crate) const ALL: &[Shipped] = &[
    DEFAULT,
    Shipped { name: "workstation", text: include_str!("../../../../policies/workstation.toml") },
    Shipped { name: "server", text: include_str!("../../../../policies/server.toml") },
    Shipped { name: "ci", text: include_str!("../../../../policies/ci.toml") },
    Shipped { name: "cis", text: include_str!("../../../../policies/cis.toml") },
    Shipped { name: "standards", text: include_str!("../../../../policies/standards.toml") },
];

/// The one of a name.
pub(crate) fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|policy| policy.name == name)
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    ALL.iter().map(|policy| policy.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::layers::Layers;
    use crate::policy::locks::Thing;

    #[test]
    fn what_is_shipped_is_right_in_itself_and_locks_nothing() {
        for policy in ALL {
            let layers = Layers::built_in(policy);
            assert_eq!(layers.problems, [], "{}", policy.name);
            let layer = layers.stack.last().unwrap();
            assert!(!layer.draft.locks.holds(&Thing::FailOn), "{} is locked", policy.name);
            assert!(layers.sources.ranked().all(|source| source.is_built_in), "{}", policy.name);
        }
    }
}
