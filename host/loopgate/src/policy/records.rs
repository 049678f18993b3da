//! Top-level arrays of tables of which the host reads the fields itself.

use loopgate_parameters::{Parameters as Fields, from_value};
use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::source::Location;

/// A table: what its fields say, and the fields as they were written.
pub(super) struct Record<T> {
    /// Nothing where something is wrong with it.
    pub(super) value: Option<T>,
    pub(super) fields: Parameters,
    pub(super) at: Location,
}

/// Reads the tables of an array, with every problem noted at its place.
pub(super) fn read<T: Fields>(reader: &mut Reader, key: &str, what: &str, value: Option<&Value<'_>>) -> Vec<Record<T>> {
    let items = value.map(|value| reader.items(key, value)).unwrap_or_default();
    let mut records = Vec::with_capacity(items.len());
    records.extend(items.into_iter().map(|(at, table)| record(reader, what, at, table)));
    records
}

fn record<T: Fields>(reader: &mut Reader, what: &str, at: Location, table: &DeTable<'_>) -> Record<T> {
    let fields = Parameters::read(reader, table, at.clone());
    let read = from_value(&fields.value());
    for problem in read.as_ref().err().into_iter().flatten() {
        let place = fields.span(&problem.path);
        reader.note(Diagnostic::new(format!("this {what} cannot be used"), place).label(problem.message.as_str()));
    }
    Record { value: read.ok(), fields, at }
}
