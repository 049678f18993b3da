//! The kinds of value that a parameter can have.

use std::fmt;

use serde_json::{Value, json};

use crate::{Parameters, Place, ReadObject, object_schema};
/// A value that a field can have: a text, a number, an object ([`Parameters`]), or a list of those.
pub trait Parameter: Sized {
    /// The JSON Schema of the value.
    fn schema() -> Value;

    /// Reads the value, or says at its place what is wrong with it.
    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self>;
}

impl Parameter for bool {
    fn schema() -> Value {
        json!({ "type": "boolean" })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        expect(value.as_bool(), "true or false", value, place)
    }
}

impl Parameter for String {
    fn schema() -> Value {
        json!({ "type": "string" })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        expect(value.as_str().map(str::to_owned), "a text", value, place)
    }
}

impl Parameter for u16 {
    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        expect(number, "a whole number from 0 to 65535", value, place)
    }
}

impl Parameter for u64 {
    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        expect(value.as_u64(), "a whole number from 0", value, place)
    }
}

impl<T: Parameter> Parameter for Vec<T> {
    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let items = expect(value.as_array(), "a list", value, place)?;
        let read = |(index, item): (usize, _)| T::read(item, &mut place.item(index));
        // Every item is read before the first that failed counts, so that each has its problem named.
        let items: Vec<_> = items.iter().enumerate().map(read).collect();
        items.into_iter().collect()
    }
}

/// A text that says something: more than white space.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Words(pub String);

impl fmt::Display for Words {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Parameter for Words {
    fn schema() -> Value {
        json!({ "type": "string", "pattern": "\\S" })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let words = value.as_str().filter(|text| !text.trim().is_empty()).map(|text| Self(text.to_owned()));
        expect(words, "a text that says it in a few words", value, place)
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T: Parameter> Parameter for OneOrMany<T> {
    fn schema() -> Value {
        json!({ "anyOf": [T::schema(), { "type": "array", "items": T::schema(), "minItems": 1 }] })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        match value {
            Value::Array(items) if items.is_empty() => {
                place.problem("an empty list selects nothing; leave it out to select everything");
                None
            }
            Value::Array(_) => Vec::read(value, place).map(Self),
            _ => T::read(value, place).map(|value| Self(vec![value])),
        }
    }
}

impl<P: Parameters> Parameter for P {
    fn schema() -> Value {
        object_schema::<P>()
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        P::read_value(value, place)
    }
}

/// What was read; where that is nothing, the problem says what was expected instead of what was found.
pub fn expect<T>(read: Option<T>, expected: &str, found: &Value, place: &mut Place<'_>) -> Option<T> {
    if read.is_none() {
        place.problem(format!("expected {expected}, found {}", kind(found)));
    }
    read
}

/// What a value is, to show beside what was expected.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
