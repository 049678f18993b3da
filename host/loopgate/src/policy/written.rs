//! Values as a policy would write them: TOML that is safe to show on a terminal.

use loopgate_facts::is_unsafe_to_print;
use serde_json::Value as Json;

/// A value on one line. What JSON has and TOML has not, `null`, comes from no policy.
pub(crate) fn inline(value: &Json) -> String {
    match value {
        Json::Null => string(""),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => string(text),
        Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(table) => {
            let entries = table.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key, with quotes where it needs them.
pub(crate) fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { string(name) }
}

/// A string in quotes, with everything that could steer a terminal escaped.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // As a number: so TOML writes any character (1.0.0, "String").
            _ if is_unsafe_to_print(character) => quoted.extend(format!("\\U{:08X}", u32::from(character)).chars()),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::de::DeTable;

    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        let value =
            serde_json::json!({ "a": [1, -2.5, true, "x\"y\\z"], "b c": {}, "d": { "e": "\u{1b}[2J\u{202e}\n" } });
        assert_eq!(
            inline(&value),
            r#"{ a = [1, -2.5, true, "x\"y\\z"], "b c" = {}, d = { e = "\U0000001B[2J\U0000202E\n" } }"#
        );
    }

    proptest! {
        #[test]
        fn every_string_is_read_back_and_safe_to_show(name: String, text: String) {
            let line = format!("{} = {}", key(&name), string(&text));
            prop_assert!(!line.chars().any(is_unsafe_to_print), "{line:?}");
            let (document, errors) = DeTable::parse_recoverable(&line);
            prop_assert!(errors.is_empty(), "{errors:?}");
            let read = document.get_ref().get(name.as_str()).and_then(|value| value.get_ref().as_str());
            prop_assert_eq!(read, Some(text.as_str()));
        }
    }
}
