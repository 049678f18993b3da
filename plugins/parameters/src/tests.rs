use proptest::prelude::*;

use super::*;

#[derive(Debug, PartialEq)]
struct Settings {
    name: String,
    strength: u64,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq)]
struct Entry {
    ports: Vec<u16>,
    strict: bool,
}

impl Parameters for Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            name: reader.required("name", "A name."),
            strength: reader.or("strength", "A strength.", 7),
            entries: reader.or("entries", "Entries.", Vec::new()),
        }
    }
}

impl Parameters for Entry {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self { ports: reader.required("ports", "Ports."), strict: reader.or("strict", "Strict.", false) }
    }
}

fn problems(json: &str) -> Vec<(String, String)> {
    let problems = parse::<Settings>(json).unwrap_err();
    problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[test]
fn good_parameters_are_read() {
    let settings = parse::<Settings>(r#"{"name": "x", "entries": [{"ports": [1, 65535]}]}"#).unwrap();
    let entries = vec![Entry { ports: vec![1, 65535], strict: false }];
    assert_eq!(settings, Settings { name: "x".to_owned(), strength: 7, entries });
}

#[test]
fn every_problem_is_named_with_its_place() {
    let json = r#"{"strenght": 1, "strength": "much", "entries": [{"ports": [70000, "x"]}, 3], "a/b~": 0}"#;
    let paths: Vec<_> = problems(json).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        ["", "/strength", "/entries/0/ports/0", "/entries/0/ports/1", "/entries/1", "/a~1b~0", "/strenght"]
    );
}

#[test]
fn an_unknown_key_brings_the_nearest_right_name() {
    let [(path, message)] = problems(r#"{"name": "x", "entires": []}"#).try_into().unwrap();
    assert_eq!((path.as_str(), message.as_str()), ("/entires", "`entires` is unknown; did you mean `entries`?"));
    let [(_, message)] = problems(r#"{"name": "x", "colour": 1}"#).try_into().unwrap();
    assert_eq!(message, "`colour` is unknown: expected name, strength, entries");
}

#[test]
fn a_field_that_is_asked_for_twice_hides_no_unknown_key() {
    struct Twice;
    impl Parameters for Twice {
        fn read(reader: &mut Reader<'_>) -> Self {
            for _ in 0..2 {
                let _: Option<u16> = reader.optional("port", "A port.");
            }
            Self
        }
    }
    assert!(parse::<Twice>(r#"{"port": 1}"#).is_ok());
    assert!(parse::<Twice>(r#"{"port": 1, "strcit": true}"#).is_err());
}

#[test]
fn a_plugin_without_parameters_takes_an_empty_object_only() {
    assert_eq!(parse::<NoParameters>("{}"), Ok(NoParameters));
    assert!(parse::<NoParameters>(r#"{"a": 1}"#).is_err());
    assert!(parse::<NoParameters>("null").is_err());
    assert!(parse::<NoParameters>("{").is_err());
}

#[test]
fn the_schema_follows_from_reading() {
    let schema = document_schema::<Settings>();
    assert_eq!(schema["required"], json!(["name"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let entry = &schema["properties"]["entries"]["items"];
    assert_eq!(entry["properties"]["ports"]["items"]["maximum"], json!(65535));
    assert_eq!(entry["required"], json!(["ports"]));
}

proptest! {
    #[test]
    fn no_parameters_are_too_strange(json in r#"([{}\[\]",:0-9a]|name|entries|ports){0,40}"#) {
        let _ = parse::<Settings>(&json);
    }
}
