//! Parameters of a plugin: TOML in the layers of a policy, JSON for the plugin, and the way back from one to the other.

pub(crate) mod table;

use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value as Json};
use toml::de::{DeArray, DeFloat, DeInteger, DeTable, DeValue};

use self::table::Table;
use super::reader::{Reader, Value};
use super::source::Location;

/// The parameters of one plugin: what one layer says, or what all of them say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    root: Arc<Table>,
    whole: Location,
}

/// A value and where a policy says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    at: Location,
    value: Tree,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Tree {
    Leaf(Json),
    Array(Vec<Node>),
    Table(Table),
}

/// What the lower layer may do to the parameters of the upper one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave<'a> {
    /// Everything.
    pub(crate) is_free: bool,
    /// Append to this array, because more items only tighten.
    pub(crate) may_append: Option<&'a str>,
}

/// A change that a lower layer may not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where the lower layer asks for it.
    pub(crate) lower: Location,
    /// What it would change.
    pub(crate) upper: Location,
}

impl Parameters {
    /// No parameters: an empty object. Complaints about it land on `whole`.
    pub(crate) fn none(whole: Location) -> Self {
        Self { root: Arc::default(), whole }
    }

    /// Takes the parameters from a table of the policy.
    pub(crate) fn read(reader: &mut Reader, table: &DeTable<'_>, whole: Location) -> Self {
        Self { root: Arc::new(Walk { reader }.table(table)), whole }
    }

    /// Appends tables to the array of a name, which is made if it is not there. What is there and is no array stays: the
    /// plugin will say what it thinks of it.
    pub(crate) fn append(&mut self, reader: &mut Reader, name: &str, items: &[(Location, &DeTable<'_>)]) {
        let Some((first, _)) = items.first() else { return };
        let root = Arc::make_mut(&mut self.root);
        root.insert(name.to_owned(), Node { at: first.clone(), value: Tree::Array(Vec::new()) });
        if let Some(Node { value: Tree::Array(array), .. }) = root.get_mut(name) {
            let mut walk = Walk { reader };
            array
                .extend(items.iter().map(|(at, table)| Node { at: at.clone(), value: Tree::Table(walk.table(table)) }));
        }
    }

    /// Lays the parameters of a lower layer over these: tables are joined key by key, arrays of tables appended, and
    /// everything else is replaced. What the lower layer may not change stays as it is, and is returned.
    pub(crate) fn overlay(&mut self, lower: Self, leave: Leave<'_>) -> Vec<Refusal> {
        let mut overlay = Overlay { leave, refusals: Vec::new() };
        let root = Arc::make_mut(&mut self.root);
        for (key, node) in Arc::unwrap_or_clone(lower.root) {
            let may_append = leave.is_free || leave.may_append == Some(key.as_str());
            match root.get_mut(&key) {
                Some(there) => overlay.node(there, node, may_append),
                None if leave.is_free || may_append && matches!(node.value, Tree::Array(_)) => {
                    root.insert(key, node);
                }
                None => overlay.refuse(node.at, self.whole.clone()),
            }
        }
        overlay.refusals
    }

    /// The parameters as the plugin receives them: a JSON object.
    pub(crate) fn json(&self) -> String {
        // A tree with texts for keys is always JSON; were it not, no plugin would take an empty text for parameters.
        serde_json::to_string(&*self.root).unwrap_or_default()
    }

    /// The parameters as a JSON object.
    pub(crate) fn value(&self) -> Json {
        object(&self.root)
    }

    /// The parameters by their names.
    pub(crate) fn entries(&self) -> &Table {
        &self.root
    }

    /// The JSON Pointer and the place of everything that is no table and no array of tables.
    pub(crate) fn places(&self) -> Vec<(String, &Location)> {
        let mut places = Vec::new();
        places_in(&self.root, "", &mut places);
        places
    }

    /// Where in the policy a JSON Pointer (RFC 6901) leads, if it leads to something.
    pub(crate) fn exact_span(&self, pointer: &str) -> Option<&Location> {
        let (at, found) = self.follow(pointer);
        found.map(|_| at)
    }

    /// Where in the policy a JSON Pointer leads, or the nearest thing around it that is there.
    pub(crate) fn span(&self, pointer: &str) -> Location {
        self.follow(pointer).0.clone()
    }

    /// The text that a JSON Pointer leads to, if it leads to one.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        match self.follow(pointer).1 {
            Some(Tree::Leaf(Json::String(text))) => Some(text),
            _ => None,
        }
    }

    /// How many items the array has that a JSON Pointer leads to; none if it leads to no array.
    pub(crate) fn items(&self, pointer: &str) -> usize {
        match self.follow(pointer).1 {
            Some(Tree::Array(items)) => items.len(),
            _ => 0,
        }
    }

    /// The nearest place, and what is there if it is the very one.
    fn follow(&self, pointer: &str) -> (&Location, Option<&Tree>) {
        let mut tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        let Some(mut node) = tokens.next().and_then(|token| self.root.get(&token)) else {
            return (&self.whole, None);
        };
        for token in tokens {
            let Some(inner) = node.value.get(&token) else { return (&node.at, None) };
            node = inner;
        }
        (&node.at, Some(&node.value))
    }
}

/// How a value is written.
#[derive(Clone, Debug)]
pub(crate) enum View<'n> {
    /// On one line.
    Inline(Json),
    /// As a table.
    Table(&'n Table),
    /// As an array of tables, of which there is at least one.
    Tables(Vec<(&'n Node, &'n Table)>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl Node {
    /// Where a policy says it.
    pub(crate) fn at(&self) -> &Location {
        &self.at
    }

    /// How it is written.
    pub(crate) fn view(&self) -> View<'_> {
        match &self.value {
            Tree::Table(table) => View::Table(table),
            Tree::Array(array) if !array.is_empty() && are_tables(array) => {
                View::Tables(array.iter().filter_map(|node| Some((node, node.value.table()?))).collect())
            }
            other => View::Inline(other.json()),
        }
    }

    fn places<'n>(&'n self, pointer: &str, places: &mut Vec<(String, &'n Location)>) {
        match self.view() {
            View::Inline(_) => places.push((pointer.to_owned(), &self.at)),
            View::Table(table) => places_in(table, pointer, places),
            View::Tables(items) => {
                for (index, (_, table)) in items.into_iter().enumerate() {
                    places_in(table, &format!("{pointer}/{index}"), places);
                }
            }
        }
    }
}

fn places_in<'n>(table: &'n Table, pointer: &str, places: &mut Vec<(String, &'n Location)>) {
    for (name, node) in table.iter() {
        node.places(&format!("{pointer}/{}", pointer_token(name)), places);
    }
}

/// A key as a JSON Pointer writes it (RFC 6901, section 3).
fn pointer_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Tree {
    fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Leaf(_) | Self::Array(_) => None,
        }
    }

    fn get(&self, token: &str) -> Option<&Node> {
        match self {
            Self::Leaf(_) => None,
            Self::Array(array) => array.get(token.parse::<usize>().ok()?),
            Self::Table(table) => table.get(token),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Leaf(json) => json.clone(),
            Self::Array(array) => array.iter().map(|node| node.value.json()).collect(),
            Self::Table(table) => object(table),
        }
    }
}

fn object(table: &Table) -> Json {
    Json::Object(table.iter().map(|(key, node)| (key.to_owned(), node.value.json())).collect())
}

struct Overlay<'a> {
    leave: Leave<'a>,
    refusals: Vec<Refusal>,
}

impl Overlay<'_> {
    fn node(&mut self, upper: &mut Node, lower: Node, may_append: bool) {
        match (&mut upper.value, lower.value) {
            (Tree::Table(there), Tree::Table(table)) => self.table(there, &upper.at, table),
            (Tree::Array(there), Tree::Array(items)) if may_append && are_tables(there) && are_tables(&items) => {
                there.extend(items);
            }
            (there, value) if there.json() == value.json() => {}
            (there, value) if self.leave.is_free => {
                *there = value;
                upper.at = lower.at;
            }
            _ => self.refuse(lower.at, upper.at.clone()),
        }
    }

    fn table(&mut self, upper: &mut Table, at: &Location, lower: Table) {
        for (key, node) in lower {
            match upper.get_mut(&key) {
                Some(there) => self.node(there, node, self.leave.is_free),
                None if self.leave.is_free => {
                    upper.insert(key, node);
                }
                None => self.refuse(node.at, at.clone()),
            }
        }
    }

    fn refuse(&mut self, lower: Location, upper: Location) {
        self.refusals.push(Refusal { lower, upper });
    }
}

fn are_tables(array: &[Node]) -> bool {
    array.iter().all(|node| matches!(node.value, Tree::Table(_)))
}

struct Walk<'r> {
    reader: &'r mut Reader,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Table {
        table.iter().map(|(key, value)| (key.get_ref().clone().into_owned(), self.node(value))).collect()
    }

    fn array(&mut self, array: &DeArray<'_>) -> Vec<Node> {
        array.iter().map(|value| self.node(value)).collect()
    }

    fn node(&mut self, value: &Value<'_>) -> Node {
        let tree = match value.get_ref() {
            DeValue::Array(array) => Tree::Array(self.array(array)),
            DeValue::Table(table) => Tree::Table(self.table(table)),
            single => Tree::Leaf(self.leaf(single, &value.span())),
        };
        Node { at: self.reader.at(value.span()), value: tree }
    }

    /// Dates and times are handed over as their text, as a string of the same form would be.
    fn leaf(&mut self, value: &DeValue<'_>, span: &Range<usize>) -> Json {
        match value {
            DeValue::String(text) => Json::String(text.clone().into_owned()),
            DeValue::Boolean(truth) => Json::Bool(*truth),
            DeValue::Integer(number) => self.number(integer(number), "an integer of more than 64 bits", span),
            DeValue::Float(number) => self.number(float(number), "a number that JSON does not have", span),
            DeValue::Datetime(date) => Json::String(date.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => Json::Null,
        }
    }

    fn number(&mut self, number: Option<Number>, otherwise: &str, span: &Range<usize>) -> Json {
        if let Some(number) = number {
            return Json::Number(number);
        }
        let problem = self.reader.problem("this value cannot be a parameter", span.clone());
        self.reader.note(problem.label(format!("{otherwise} cannot be handed to a plugin")).help("use a smaller one"));
        Json::Null
    }
}

fn integer(number: &DeInteger<'_>) -> Option<Number> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(Number::from)
}

fn float(number: &DeFloat<'_>) -> Option<Number> {
    number.as_str().parse().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;
    use crate::policy::source::Sources;

    fn read(text: &str) -> (Parameters, usize) {
        let (document, _) = DeTable::parse_recoverable(text);
        let source = Sources::default().open(Source::file("p", "p", text));
        let mut reader = Reader::new(source);
        let whole = reader.at(0..text.len());
        let parameters = Parameters::read(&mut reader, document.get_ref(), whole);
        (parameters, reader.into_problems().len())
    }

    const FREE: Leave<'static> = Leave { is_free: true, may_append: None };
    const LOCKED: Leave<'static> = Leave { is_free: false, may_append: Some("rules") };

    /// What becomes of the upper parameters under the lower, and the texts that are refused.
    fn overlaid<'t>(upper: &str, lower: &'t str, leave: Leave<'_>) -> (String, Vec<&'t str>) {
        let mut parameters = read(upper).0;
        let refusals = parameters.overlay(read(lower).0, leave);
        (parameters.json(), refusals.into_iter().map(|refusal| lower.get(refusal.lower.span).unwrap()).collect())
    }

    #[test]
    fn every_kind_of_value_becomes_its_json() {
        let (parameters, problems) = read("a = [1, -2, 0x10, 1_000]\nb = { c = true, d = 1.5 }\n'e/~' = \"f\"");
        assert_eq!(parameters.json(), r#"{"a":[1,-2,16,1000],"b":{"c":true,"d":1.5},"e/~":"f"}"#);
        assert_eq!(problems, 0);
    }

    #[test]
    fn dates_and_times_are_handed_over_as_text() {
        let (parameters, problems) = read("a = 2027-01-01\nb = 07:32:00\nc = 1979-05-27T07:32:00-07:00");
        assert_eq!(parameters.json(), r#"{"a":"2027-01-01","b":"07:32:00","c":"1979-05-27T07:32:00-07:00"}"#);
        assert_eq!(problems, 0);
    }

    #[test]
    fn pointers_lead_back_to_the_text() {
        let text = "a = [10, 20]\n'e/~' = \"f\"";
        let (parameters, _) = read(text);
        let at = |pointer: &str| text.get(parameters.span(pointer).span).unwrap();
        assert_eq!(at("/a/1"), "20");
        assert_eq!(at("/e~1~0"), "\"f\"");
        assert_eq!(at("/a/7/b"), "[10, 20]");
        assert_eq!(at("/nowhere"), text);
        assert_eq!(at("not a pointer"), text);
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        assert_eq!(read("b = inf\nc = nan\nd = 99999999999999999999").1, 3);
    }

    #[test]
    fn tables_are_joined_arrays_of_tables_appended_and_the_rest_replaced() {
        let upper = "a = 1\nb = { c = 1, d = 2 }\nports = [1, 2]\nlist = [{ x = 1 }]";
        let lower = "b = { d = 3, e = 4 }\nports = [3]\nlist = [{ x = 2 }]";
        let (json, refused) = overlaid(upper, lower, FREE);
        assert_eq!(json, r#"{"a":1,"b":{"c":1,"d":3,"e":4},"list":[{"x":1},{"x":2}],"ports":[3]}"#);
        assert!(refused.is_empty());
    }

    #[test]
    fn what_is_locked_stays_and_what_only_tightens_is_appended() {
        let upper = "a = 1\nb = { c = 1 }\nlist = [{ x = 1 }]";
        let lower = "a = 2\nb = { c = 1, d = 9 }\nlist = [{ x = 5 }]\nnew = 7\nrules = [{ id = 8 }]";
        let (json, refused) = overlaid(upper, lower, LOCKED);
        assert_eq!(json, r#"{"a":1,"b":{"c":1},"list":[{"x":1}],"rules":[{"id":8}]}"#);
        assert_eq!(refused, ["2", "9", "[{ x = 5 }]", "7"]);
    }

    #[test]
    fn only_the_array_itself_may_be_appended_to() {
        let (json, refused) = overlaid("rules = [{ list = [{ x = 1 }] }]", "rules = 5", LOCKED);
        assert_eq!((json.as_str(), refused), (r#"{"rules":[{"list":[{"x":1}]}]}"#, vec!["5"]));
        let (_, refused) = overlaid("o = { rules = [{ x = 1 }] }", "o = { rules = [{ x = 2 }] }", LOCKED);
        assert_eq!(refused, ["[{ x = 2 }]"]);
    }

    #[test]
    fn saying_the_same_again_is_no_change() {
        let text = "a = 1\nb = { c = [1, 2] }";
        assert_eq!(overlaid(text, text, LOCKED), (read(text).0.json(), vec![]));
    }
}
