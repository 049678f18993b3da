//! Days.

use std::fmt;

use serde_json::{Value, json};

use crate::{Parameter, Place, expect};

/// A day of the Gregorian calendar, written `2027-01-31` (ISO 8601, RFC 3339 `full-date`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// Reads a day. Nothing but `YYYY-MM-DD` is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_written_so = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        is_written_so.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// The day, in UTC, of a time that is written as RFC 3339 has it in UTC, as facts write theirs.
    pub fn of_utc_time(text: &str) -> Option<Self> {
        text.ends_with('Z').then(|| Self::parse(text.get(..10)?)).flatten()
    }

    /// How many days another one is ahead of this one; negative for one before it.
    pub fn days_until(self, other: Self) -> i64 {
        other.0.duration_since(self.0).as_hours() / 24
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Parameter for Date {
    fn schema() -> Value {
        json!({ "type": "string", "format": "date" })
    }

    fn read(value: &Value, place: &mut Place<'_>) -> Option<Self> {
        let date = value.as_str().and_then(Self::parse);
        expect(date, "a day that there is, such as 2027-01-31", value, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_there_are_not_are_refused() {
        for text in
            ["2027-02-29", "2027-13-01", "2027-1-1", "27-01-01", "tomorrow", "2027-01-01T00:00:00Z", "", "2027-00-10"]
        {
            assert_eq!(Date::parse(text), None, "{text}");
        }
        assert_eq!(Date::parse("2028-02-29").unwrap().to_string(), "2028-02-29");
    }

    #[test]
    fn days_are_counted_over_years() {
        let date = |text| Date::parse(text).unwrap();
        assert_eq!(date("2026-01-02").days_until(date("2027-01-02")), 365);
        assert_eq!(date("2028-01-01").days_until(date("2029-01-01")), 366);
        assert_eq!(date("2026-01-02").days_until(date("2026-01-01")), -1);
    }

    #[test]
    fn a_time_in_utc_has_its_day() {
        assert_eq!(Date::of_utc_time("2026-01-02T03:04:05Z"), Date::parse("2026-01-02"));
        assert_eq!(Date::of_utc_time("2026-01-02T03:04:05+02:00"), None);
        assert_eq!(Date::of_utc_time("é"), None);
    }
}
