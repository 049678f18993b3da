//! Top-level arrays of tables of which the host reads the fields itself.

use loopgate_parameters::{Parameters as Fields, parse};
use toml::de::DeTable;

use super::parameters::Parameters;
use super::reader::{Reader, Value};
use super::source::Location;

/// A table: what its fields say, and the fields as they were written.
pub(super) struct Record<T> {
    pub(super) value: T,
    pub(super) fields: Parameters,
    pub(super) at: Location,
}

/// Reads the tables of an array. One that is wrong is left out, with every problem noted at its place.
pub(super) fn read<T: Fields>(reader: &mut Reader, key: &str, what: &str, value: Option<&Value<'_>>) -> Vec<Record<T>> {
    let items = value.map(|value| reader.items(key, value)).unwrap_or_default();
    items.into_iter().filter_map(|(at, table)| record(reader, what, at, table)).collect()
}

fn record<T: Fields>(reader: &mut Reader, what: &str, at: Location, table: &DeTable<'_>) -> Option<Record<T>> {
    let fields = Parameters::read(reader, table, at.clone());
    match parse::<T>(&fields.json()) {
        Ok(value) => Some(Record { value, fields, at }),
        Err(problems) => {
            for problem in problems {
                let place = fields.span(&problem.path);
                reader.note(
                    super::diagnostic::Diagnostic::new(format!("this {what} cannot be used"), place)
                        .label(problem.message),
                );
            }
            None
        }
    }
}
