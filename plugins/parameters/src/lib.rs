//! Parameters: what a policy can set, read from JSON with every problem named. Pure, so that plugins and the host read
//! alike.
//!
//! A type says how it is read, and its JSON Schema follows from the same words: reading from an empty object records
//! every field that is asked for.

mod date;
mod place;
mod value;

use std::ops::Range;

use serde_json::{Map, Value, json};

pub use date::Date;
pub use place::{Place, Problem};
pub use value::{OneOrMany, Parameter, Words, expect};

/// The parameters of a plugin, or an object within them.
///
/// ```
/// use loopgate_parameters::{Parameters, Reader};
///
/// struct Settings {
///     ports: Vec<u16>,
///     strict: bool,
/// }
///
/// impl Parameters for Settings {
///     fn read(reader: &mut Reader<'_>) -> Self {
///         Self {
///             ports: reader.required("ports", "Ports that nothing may listen on."),
///             strict: reader.or("strict", "Whether loopback counts too; no unless set.", false),
///         }
///     }
/// }
/// ```
pub trait Parameters: Sized {
    /// Reads the fields, always all of them in the same order: that is what the schema and the list of known names
    /// are made from. What could not be read has a default, which nobody sees because the reader has a problem.
    fn read(reader: &mut Reader<'_>) -> Self;
}

/// The parameters of a plugin that has none.
#[derive(Debug, PartialEq, Eq)]
pub struct NoParameters;

impl Parameters for NoParameters {
    fn read(_: &mut Reader<'_>) -> Self {
        Self
    }
}

/// Reads the fields of one JSON object and collects what is wrong with them.
pub struct Reader<'json> {
    object: &'json Map<String, Value>,
    place: Place<'json>,
    fields: Vec<Field>,
    /// How many of the fields are there.
    found: usize,
    problems_before: usize,
}

/// Room for the fields of most objects, so that reading thousands of them does not ask for it over and over.
const USUAL_FIELDS: usize = 16;

/// A field that was asked for.
struct Field {
    name: &'static str,
    about: &'static str,
    /// Made only where it is asked for: reading thousands of objects needs none.
    schema: fn() -> Value,
    required: bool,
}

impl<'json> Reader<'json> {
    fn new(object: &'json Map<String, Value>, place: Place<'json>) -> Self {
        Self { object, problems_before: place.problems(), place, fields: Vec::with_capacity(USUAL_FIELDS), found: 0 }
    }

    /// A field that may be left out. `about` says what it is for, in the schema.
    pub fn optional<T: Parameter>(&mut self, name: &'static str, about: &'static str) -> Option<T> {
        let is_new = self.declare::<T>(name, about, false);
        self.value(name, is_new)
    }

    /// A field that may be left out, with the value that it then has.
    pub fn or<T: Parameter>(&mut self, name: &'static str, about: &'static str, default: T) -> T {
        self.optional(name, about).unwrap_or(default)
    }

    /// A field that must be there. Where it is not, that is a problem, and the answer is a default.
    pub fn required<T: Parameter + Default>(&mut self, name: &'static str, about: &'static str) -> T {
        self.mandatory(name, about).unwrap_or_default()
    }

    /// A field that must be there and has no default. Where it is not, that is a problem, and the answer is nothing.
    pub fn mandatory<T: Parameter>(&mut self, name: &'static str, about: &'static str) -> Option<T> {
        let is_new = self.declare::<T>(name, about, true);
        if !self.object.contains_key(name) {
            self.place.problem(format!("`{name}` is missing"));
        }
        self.value(name, is_new)
    }

    fn value<T: Parameter>(&mut self, name: &'static str, is_new: bool) -> Option<T> {
        let value = self.object.get(name)?;
        self.found += usize::from(is_new);
        T::read(value, &mut self.place.child(name))
    }

    /// Says that the value of a field is not one that the field can have.
    pub fn reject(&mut self, name: &str, message: impl Into<String>) {
        self.place.child(name).problem(message);
    }

    /// Says what is wrong with a part of a field that is a text, by its bytes.
    pub fn reject_part(&mut self, name: &str, part: Range<usize>, message: impl Into<String>) {
        self.place.child(name).problem_with(part, message);
    }

    /// Says what is wrong with the object as a whole.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.place.problem(message);
    }

    /// Whether nothing was wrong with the fields so far, so that what they say together can be judged.
    pub fn is_sound(&self) -> bool {
        self.place.problems() == self.problems_before
    }

    /// Notes that a field was asked for, and says whether for the first time.
    fn declare<T: Parameter>(&mut self, name: &'static str, about: &'static str, required: bool) -> bool {
        let is_new = self.fields.iter().all(|field| field.name != name);
        self.fields.push(Field { name, about, schema: T::schema, required });
        is_new
    }

    /// Names every key that was never asked for, with the nearest one that was.
    fn reject_unknown_keys(&mut self) {
        if self.found == self.object.len() {
            return;
        }
        let known: Vec<_> = self.fields.iter().map(|field| field.name).collect();
        for key in self.object.keys().filter(|key| !known.contains(&key.as_str())) {
            self.place.child(key).problem(unknown_key(key, &known));
        }
    }

    fn schema(self) -> Value {
        let names = |fields: Vec<&Field>| fields.into_iter().map(|field| field.name).collect::<Vec<_>>();
        let required = names(self.fields.iter().filter(|field| field.required).collect());
        let properties: Map<_, _> =
            self.fields.iter().map(|field| (field.name.to_owned(), field.described())).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

impl Field {
    fn described(&self) -> Value {
        let mut schema = (self.schema)();
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), self.about.into());
        }
        schema
    }
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("`{key}` is unknown: nothing can be set here");
    }
    match nearest(key, known) {
        Some(name) => format!("`{key}` is unknown; did you mean `{name}`?"),
        None => format!("`{key}` is unknown: expected {}", known.join(", ")),
    }
}

/// The known name that a mistyped one most likely stands for.
pub fn nearest<'name>(word: &str, known: &[&'name str]) -> Option<&'name str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(word, name);
    let (name, distance) = known.iter().map(|name| (*name, distance(name))).min_by_key(|(_, distance)| *distance)?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

/// Reads parameters, or gives every problem.
pub fn parse<P: Parameters>(json: &str) -> Result<P, Vec<Problem>> {
    let not_json = |error| vec![Problem { path: String::new(), message: format!("not JSON: {error}"), part: None }];
    from_value(&serde_json::from_str(json).map_err(not_json)?)
}

/// Reads parameters, or gives every problem.
pub fn from_value<P: Parameters>(value: &Value) -> Result<P, Vec<Problem>> {
    let mut problems = Vec::new();
    let parameters = P::read_value(value, &mut Place::root(&mut problems));
    parameters.filter(|_| problems.is_empty()).ok_or(problems)
}

/// The JSON Schema (draft 2020-12) of the parameters of a plugin.
pub fn document_schema<P: Parameters>() -> Value {
    let mut schema = object_schema::<P>();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    }
    schema
}

/// The JSON Schema of an object within parameters.
fn object_schema<P: Parameters>() -> Value {
    let (object, mut problems) = (Map::new(), Vec::new());
    let mut reader = Reader::new(&object, Place::root(&mut problems));
    P::read(&mut reader);
    reader.schema()
}

/// How an object is read as a value; apart from [`Parameters`] because authors do not write it.
trait ReadObject: Sized {
    fn read_value(value: &Value, place: &mut Place<'_>) -> Option<Self>;
}

impl<P: Parameters> ReadObject for P {
    fn read_value(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let Some(object) = value.as_object() else {
            place.problem(format!("expected an object, found {}", value::kind(value)));
            return None;
        };
        let mut reader = Reader::new(object, place.again());
        let parameters = P::read(&mut reader);
        reader.reject_unknown_keys();
        Some(parameters)
    }
}

#[cfg(test)]
mod tests;
