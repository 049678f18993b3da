//! Top-level arrays of tables of which the host reads the fields itself.

use loopgate_parameters::{self as parameters, Parameters as Fields};
use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::source::Location;

/// A table: what its fields say, and the fields as they were written.
pub(super) struct Record<T> {
    pub(super) value: T,
    /// Whether nothing is wrong with it. Otherwise the value is good for finding more problems, and for nothing else.
    pub(super) is_sound: bool,
    pub(super) fields: Parameters,
    pub(super) at: Location,
}

/// Reads the tables of an array, with every problem noted at its place.
pub(super) fn read<T: Fields>(reader: &mut Reader, key: &str, what: &str, value: Option<&Value<'_>>) -> Vec<Record<T>> {
    let items = value.map(|value| reader.items(key, value)).unwrap_or_default();
    let mut records = Vec::with_capacity(items.len());
    records.extend(items.into_iter().filter_map(|(at, table)| record(reader, what, at, table)));
    records
}

fn record<T: Fields>(reader: &mut Reader, what: &str, at: Location, table: &DeTable<'_>) -> Option<Record<T>> {
    let fields = Parameters::read(reader, table, at.clone());
    let (value, problems) = parameters::read::<T>(&fields.value());
    let is_sound = problems.is_empty();
    for problem in problems {
        let place = fields.span(&problem.path);
        reader.note(Diagnostic::new(format!("this {what} cannot be used"), place).label(problem.message));
    }
    Some(Record { value: value?, is_sound, fields, at })
}
