//! Parameters of a plugin: TOML in the policy, JSON for the plugin, and the way back from one to the other.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Number, Value as Json};
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::reader::{Reader, Value};

/// The parameters of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    json: String,
    spans: BTreeMap<String, Range<usize>>,
    whole: Range<usize>,
}

impl Parameters {
    /// No parameters: an empty object. Complaints about it land on `whole`.
    pub(crate) fn none(whole: Range<usize>) -> Self {
        Self { json: "{}".to_owned(), spans: BTreeMap::new(), whole }
    }

    /// Takes the parameters from a table of the policy.
    pub(crate) fn read(reader: &mut Reader, table: &DeTable<'_>, whole: Range<usize>) -> Self {
        let mut walk = Walk { reader, spans: BTreeMap::new() };
        let json = walk.object("", table).to_string();
        Self { json, spans: walk.spans, whole }
    }

    /// The parameters as the plugin receives them: a JSON object.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// Where in the policy a JSON Pointer leads, if it leads to something.
    pub(crate) fn exact_span(&self, pointer: &str) -> Option<Range<usize>> {
        self.spans.get(pointer).cloned()
    }

    /// Where in the policy a JSON Pointer leads, or the nearest thing around it that is there.
    pub(crate) fn span(&self, pointer: &str) -> Range<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(span) = self.spans.get(pointer) {
                return span.clone();
            }
            match pointer.rsplit_once('/') {
                Some((outer, _)) => pointer = outer,
                None => return self.whole.clone(),
            }
        }
    }
}

struct Walk<'r> {
    reader: &'r mut Reader,
    spans: BTreeMap<String, Range<usize>>,
}

impl Walk<'_> {
    fn object(&mut self, at: &str, table: &DeTable<'_>) -> Json {
        let mut object = Map::new();
        for (key, value) in table {
            let at = format!("{at}/{}", pointer_token(key.get_ref()));
            object.insert(key.get_ref().clone().into_owned(), self.value(at, value));
        }
        Json::Object(object)
    }

    fn array(&mut self, at: &str, array: &DeArray<'_>) -> Json {
        array.iter().enumerate().map(|(index, value)| self.value(format!("{at}/{index}"), value)).collect()
    }

    fn value(&mut self, at: String, value: &Value<'_>) -> Json {
        let span = value.span();
        let json = match value.get_ref() {
            DeValue::String(text) => Json::String(text.clone().into_owned()),
            DeValue::Boolean(truth) => Json::Bool(*truth),
            DeValue::Integer(number) => self.number(integer(number), "an integer of more than 64 bits", &span),
            DeValue::Float(number) => self.number(float(number), "a number that JSON does not have", &span),
            DeValue::Array(array) => self.array(&at, array),
            DeValue::Table(table) => self.object(&at, table),
            DeValue::Datetime(_) => self.refuse("a date", "write it as a string", &span),
        };
        self.spans.insert(at, span);
        json
    }

    fn number(&mut self, number: Option<Number>, otherwise: &str, span: &Range<usize>) -> Json {
        match number {
            Some(number) => Json::Number(number),
            None => self.refuse(otherwise, "use a smaller one", span),
        }
    }

    fn refuse(&mut self, what: &str, help: &str, span: &Range<usize>) -> Json {
        let problem = Diagnostic::new("this value cannot be a parameter", span.clone());
        self.reader.note(problem.label(format!("{what} cannot be handed to a plugin")).help(help));
        Json::Null
    }
}

fn integer(number: &DeInteger<'_>) -> Option<Number> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(Number::from)
}

fn float(number: &DeFloat<'_>) -> Option<Number> {
    number.as_str().parse().ok().and_then(Number::from_f64)
}

/// A key as a JSON Pointer writes it (RFC 6901, section 3).
fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Parameters, usize) {
        let (document, _) = DeTable::parse_recoverable(text);
        let mut reader = Reader::default();
        let parameters = Parameters::read(&mut reader, document.get_ref(), 0..text.len());
        (parameters, reader.into_problems().len())
    }

    #[test]
    fn every_kind_of_value_becomes_its_json() {
        let (parameters, problems) = read("a = [1, -2, 0x10, 1_000]\nb = { c = true, d = 1.5 }\n'e/~' = \"f\"");
        assert_eq!(parameters.json(), r#"{"a":[1,-2,16,1000],"b":{"c":true,"d":1.5},"e/~":"f"}"#);
        assert_eq!(problems, 0);
    }

    #[test]
    fn pointers_lead_back_to_the_text() {
        let text = "a = [10, 20]\n'e/~' = \"f\"";
        let (parameters, _) = read(text);
        let at = |pointer: &str| text.get(parameters.span(pointer)).unwrap();
        assert_eq!(at("/a/1"), "20");
        assert_eq!(at("/e~1~0"), "\"f\"");
        assert_eq!(at("/a/7/b"), "[10, 20]");
        assert_eq!(at("/nowhere"), text);
        assert_eq!(at("not a pointer"), text);
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        assert_eq!(read("a = 2020-01-01\nb = inf\nc = nan\nd = 99999999999999999999").1, 4);
    }
}
