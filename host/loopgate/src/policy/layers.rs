//! The layers of a policy: reading what was named or found, and what each of them extends.
//!
//! What a policy extends stands above it, in the order in which it names it; of several policies the first is uppermost.
//! A policy that is reached on several ways is one layer, where it is reached first.

use std::path::{Component, Path, PathBuf};
use std::string::FromUtf8Error;

use super::MAX_POLICY_BYTES;
use super::diagnostic::Diagnostic;
use super::discovery::{Found, Root};
use super::draft::{Draft, parse};
use super::locks::Thing;
use super::nearest::{quoted, suggestion};
use super::shipped::{self, Shipped};
use super::source::{Located, Location, Source, Sources};
use crate::error::{Error, Place, ReadError, broken_line};
use crate::files::{self, Trust};

/// Policies that are stacked higher than this are a mistake.
const MOST_LAYERS: usize = 16;

/// A policy as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// The texts.
    pub(crate) sources: Sources,
    /// What they say, the uppermost first.
    pub(crate) stack: Vec<Layer>,
    /// What is wrong with them.
    pub(crate) problems: Vec<Diagnostic>,
    /// How the lowest was found.
    pub(crate) found: Found,
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// How messages call it.
    pub(crate) label: String,
    /// Whether it is part of the binary.
    pub(crate) is_built_in: bool,
    /// Where another layer extends it first; nowhere if it was named or found.
    pub(crate) extended_at: Option<Location>,
    /// What paths in it are relative to.
    pub(crate) folder: PathBuf,
    /// What it says.
    pub(crate) draft: Draft,
}

impl Layers {
    /// Reads the policies that a run goes by and everything that they extend.
    pub(crate) fn load(found: Found, roots: Vec<Root>) -> Result<Self, Error> {
        let mut loader = Loader::new(found.trust());
        for root in roots {
            loader.root(root)?;
        }
        Ok(loader.finish(found))
    }

    /// A built-in policy, judged by itself.
    #[cfg(test)]
    pub(crate) fn built_in(policy: &'static Shipped) -> Self {
        let mut loader = Loader::new(Trust::Named);
        loader.built_in(policy, None);
        loader.finish(Found::Default)
    }

    /// A policy of one text that extends no file.
    #[cfg(test)]
    pub(crate) fn of_text(label: &str, text: &str) -> Self {
        Self::of_texts(&[(label, text)])
    }

    /// A policy of these texts, the uppermost first.
    #[cfg(test)]
    pub(crate) fn of_texts(texts: &[(&str, &str)]) -> Self {
        let mut loader = Loader::new(Trust::Named);
        for (label, text) in texts {
            let source = match shipped::find(label) {
                Some(policy) => Source::built_in(policy),
                None => Source::file(*label, *label, *text),
            };
            loader.layer(Key::File(PathBuf::from(label)), source, Path::new(""), None);
        }
        loader.finish(Found::Named)
    }

    /// The first layer above this one that keeps it from loosening something.
    pub(crate) fn locker(&self, position: usize, thing: &Thing) -> Option<&Layer> {
        self.locker_since(0, position, thing)
    }

    /// The same for something that is first spoken of at a position: those above have settled nothing about it, unless they lock
    /// it in so many words. Without the layer that brings it, the one below could bring it itself and do as it likes.
    pub(crate) fn locker_since(&self, first: usize, position: usize, thing: &Thing) -> Option<&Layer> {
        let mut above = self.stack.iter().enumerate().take(position);
        let locks = |(at, layer): &(usize, &Layer)| {
            let locks = &layer.draft.locks;
            locks.holds(thing) && (*at >= first || locks.is_explicit(thing))
        };
        above.find(locks).map(|(_, layer)| layer)
    }
}

/// What makes two layers the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    BuiltIn(&'static str),
    Input,
    /// By its canonical path.
    File(PathBuf),
}

struct Loader {
    trust: Trust,
    sources: Sources,
    stack: Vec<Layer>,
    problems: Vec<Diagnostic>,
    /// The layers whose extensions are being read, each within the one before, with what messages call them.
    open: Vec<(Key, String)>,
    done: Vec<Key>,
}

impl Loader {
    fn new(trust: Trust) -> Self {
        Self {
            trust,
            sources: Sources::default(),
            stack: Vec::new(),
            problems: Vec::new(),
            open: Vec::new(),
            done: Vec::new(),
        }
    }

    fn finish(self, found: Found) -> Layers {
        Layers { sources: self.sources, stack: self.stack, problems: self.problems, found }
    }

    fn root(&mut self, root: Root) -> Result<(), Error> {
        match root {
            Root::BuiltIn(policy) => self.built_in(policy, None),
            Root::At(place) => self.root_file(&place)?,
            Root::Draft { path, text } => self.root_text(key_of(&path), &path, text),
        }
        Ok(())
    }

    fn root_file(&mut self, place: &Place) -> Result<(), Error> {
        let fail = |source| Error::Read { what: "the policy", from: place.clone(), source };
        let (key, path) = match place {
            // A pipe has no path of its own.
            Place::File(path) => (key_of(path), path.as_path()),
            _ => (Key::Input, Path::new("-")),
        };
        if self.done.contains(&key) {
            return Ok(());
        }
        let bytes = match self.trust {
            Trust::Named => files::read(place, MAX_POLICY_BYTES),
            Trust::Found => files::read_regular(path, MAX_POLICY_BYTES, self.trust),
        };
        let text = String::from_utf8(bytes.map_err(fail)?).map_err(|error| Error::not_text(place.clone(), &error))?;
        self.root_text(key, path, text);
        Ok(())
    }

    fn root_text(&mut self, key: Key, path: &Path, text: String) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        self.layer(key, Source::file(path.display().to_string(), name, text), folder_of(path), None);
    }

    fn built_in(&mut self, policy: &'static Shipped, extended_at: Option<&Location>) {
        let key = Key::BuiltIn(policy.name);
        if !self.done.contains(&key) {
            self.layer(key, Source::built_in(policy), Path::new(""), extended_at);
        }
    }

    /// Takes in a layer below everything that it extends.
    fn layer(&mut self, key: Key, source: Source, folder: &Path, extended_at: Option<&Location>) {
        let (label, name, is_built_in) = (source.label.clone(), source.name.clone(), source.is_built_in);
        let text = source.text.clone();
        let id = self.sources.open(source);
        let (draft, problems) = parse(id, &text);
        self.problems.extend(problems);
        self.open.push((key.clone(), label.clone()));
        let from = Origin { folder, name: &name, is_built_in };
        for entry in &draft.extends {
            self.extend(entry, &from);
        }
        self.open.pop();
        self.done.push(key);
        self.sources.rank(id);
        let (folder, extended_at) = (folder.to_owned(), extended_at.cloned());
        self.stack.push(Layer { label, is_built_in, extended_at, folder, draft });
    }

    /// Takes in what an entry of `extends` names, or says what is wrong with it.
    fn extend(&mut self, entry: &Located<String>, from: &Origin<'_>) {
        let result = match policy_name(&entry.value) {
            Some(name) => self.extend_built_in(name, &entry.at),
            None => self.extend_file(entry, from),
        };
        self.problems.extend(result.err());
    }

    fn extend_built_in(&mut self, name: &str, at: &Location) -> Result<(), Diagnostic> {
        let policy = shipped::find(name).ok_or_else(|| unknown_policy(name, at))?;
        if self.is_new(&Key::BuiltIn(policy.name), at)? {
            self.built_in(policy, Some(at));
        }
        Ok(())
    }

    fn extend_file(&mut self, entry: &Located<String>, from: &Origin<'_>) -> Result<(), Diagnostic> {
        let path = from.path(entry)?;
        let unreadable = |error: ReadError| unreadable(entry, &path, &error);
        let canonical = files::canonical(&path).map_err(unreadable)?;
        if !canonical.starts_with(files::canonical(from.folder).map_err(unreadable)?) {
            return Err(outside(entry).label("a link on this path leads out of the folder"));
        }
        if !self.is_new(&Key::File(canonical.clone()), &entry.at)? {
            return Ok(());
        }
        let bytes = files::read_regular(&path, MAX_POLICY_BYTES, self.trust).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| not_text(entry, &path, &error))?;
        let source = Source::file(path.display().to_string(), from.name_of(&entry.value), text);
        self.layer(Key::File(canonical), source, folder_of(&path), Some(&entry.at));
        Ok(())
    }

    /// Whether a layer is still to be read. An error if it is being read, or if there are too many.
    fn is_new(&self, key: &Key, at: &Location) -> Result<bool, Diagnostic> {
        if let Some(first) = self.open.iter().position(|(open, _)| open == key) {
            return Err(self.cycle(first, at));
        }
        if self.done.contains(key) {
            return Ok(false);
        }
        if self.sources.len() >= MOST_LAYERS {
            let label = format!("a policy may have {MOST_LAYERS} layers");
            return Err(Diagnostic::new("too many layers", at.clone()).label(label));
        }
        Ok(true)
    }

    fn cycle(&self, first: usize, at: &Location) -> Diagnostic {
        let circle: Vec<&str> = self.open.iter().skip(first).map(|(_, label)| label.as_str()).collect();
        let start = circle.first().copied().unwrap_or_default();
        let problem = Diagnostic::new("a policy extends itself", at.clone()).label("here the circle closes");
        problem.help(format!("{} extends {start}", circle.join(" extends ")))
    }
}

/// The layer that an entry of `extends` stands in.
struct Origin<'a> {
    folder: &'a Path,
    name: &'a str,
    is_built_in: bool,
}

impl Origin<'_> {
    /// The path of an entry, if it stays below the folder as it is written.
    fn path(&self, entry: &Located<String>) -> Result<PathBuf, Diagnostic> {
        let path = Path::new(&entry.value);
        if self.is_built_in {
            return Err(outside(entry).label("a built-in policy has no folder"));
        }
        if path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Ok(self.folder.join(path));
        }
        let label = if path.has_root() { "this path is absolute" } else { "`..` leads out of the folder" };
        Err(outside(entry).label(label))
    }

    /// How reports call the policy of an entry.
    fn name_of(&self, entry: &str) -> String {
        let path = Path::new(self.name).parent().unwrap_or(Path::new("")).join(entry);
        let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
        parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}

/// The entry as the name of a built-in policy; files have a folder or an ending.
fn policy_name(entry: &str) -> Option<&str> {
    let is_file = entry.contains(['/', '\\']) || Path::new(entry).extension().is_some_and(|ending| ending == "toml");
    (!is_file).then_some(entry)
}

/// What makes a file the same one, be it there or not.
fn key_of(path: &Path) -> Key {
    Key::File(files::canonical(path).unwrap_or_else(|_| path.to_owned()))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn outside(entry: &Located<String>) -> Diagnostic {
    Diagnostic::new(format!("`{}` is outside of the policy's own folder", entry.value), entry.at.clone())
        .help("a policy may extend files in its folder and below; stack others with several `--policy` options")
}

fn unknown_policy(name: &str, at: &Location) -> Diagnostic {
    let problem = Diagnostic::new(format!("unknown built-in policy `{name}`"), at.clone());
    let problem = problem.label(suggestion(name, shipped::names()));
    problem.help(format!("built in are {}; a file is written `./FILE` or `FILE.toml`", quoted(shipped::names())))
}

fn unreadable(entry: &Located<String>, path: &Path, error: &ReadError) -> Diagnostic {
    let problem = Diagnostic::new(format!("cannot read the policy `{}`", path.display()), entry.at.clone());
    let problem = problem.label(error.to_string());
    match error.hint() {
        Some(hint) => problem.help(hint),
        None => problem,
    }
}

fn not_text(entry: &Located<String>, path: &Path, error: &FromUtf8Error) -> Diagnostic {
    let problem = Diagnostic::new(format!("cannot read the policy `{}`", path.display()), entry.at.clone());
    problem.label(format!("its line {} is not UTF-8 text", broken_line(error)))
}
