//! Places in the parameters, and what is wrong there.

use std::ops::Range;

/// Something wrong with the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON Pointer (RFC 6901) into the parameters, empty for the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The bytes of the text there that are wrong, where it is a text and not all of it is.
    pub part: Option<Range<usize>>,
}

/// The place of a value in the parameters, and the problems found so far.
pub struct Place<'p> {
    path: Path<'p>,
    problems: &'p mut Vec<Problem>,
}

/// The way to a place, from its end. It is written out only for a problem: most of thousands of values have none.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl<'p> Place<'p> {
    /// The place of the whole.
    pub(crate) fn root(problems: &'p mut Vec<Problem>) -> Self {
        Self { path: Path::Root, problems }
    }

    /// Says what is wrong with the value here, and what would be right.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem { path: self.path.pointer(), message: message.into(), part: None });
    }

    /// Says what is wrong with a part of the text here, by its bytes.
    pub fn problem_with(&mut self, part: Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem { path: self.path.pointer(), message: message.into(), part: Some(part) });
    }

    /// The place of a field, one step down.
    pub fn child<'c>(&'c mut self, name: &'c str) -> Place<'c> {
        Place { path: Path::Field(&self.path, name), problems: self.problems }
    }

    /// The place of an item of a list, by its position from 0.
    pub fn item(&mut self, position: usize) -> Place<'_> {
        Place { path: Path::Item(&self.path, position), problems: self.problems }
    }

    /// The same place.
    pub(crate) fn again(&mut self) -> Place<'_> {
        Place { path: self.path, problems: self.problems }
    }

    /// How many problems there are so far, here and elsewhere.
    pub(crate) fn problems(&self) -> usize {
        self.problems.len()
    }
}

impl Path<'_> {
    /// As a JSON Pointer (RFC 6901).
    fn pointer(self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => format!("{}/{}", parent.pointer(), name.replace('~', "~0").replace('/', "~1")),
            Self::Item(parent, position) => format!("{}/{position}", parent.pointer()),
        }
    }
}
