//! A table of parameters.

use serde::{Serialize, Serializer};

use super::Node;

/// Keys and their values, sorted by key. A policy has thousands of small tables that are read once and seldom changed: in a
/// list they take half the room and time that they take in a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table(Vec<(String, Node)>);

impl Table {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.0.get(self.position(key).ok()?).map(|(_, node)| node)
    }

    /// The value of a key, to be changed.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let position = self.position(key).ok()?;
        self.0.get_mut(position).map(|(_, node)| node)
    }

    /// Takes in a key that is not there. One that is keeps its value.
    pub(super) fn insert(&mut self, key: String, node: Node) {
        if let Err(position) = self.position(&key) {
            self.0.insert(position, (key, node));
        }
    }

    /// The keys and values, sorted by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.as_str(), node))
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(key))
    }
}

/// No key may be there twice.
impl FromIterator<(String, Node)> for Table {
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self(entries)
    }
}

impl IntoIterator for Table {
    type Item = (String, Node);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
