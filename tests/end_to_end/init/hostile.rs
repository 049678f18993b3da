//! Whatever a machine calls its processes, files, users and interfaces stays within a string or a comment of the policy.

use loopgate_facts::is_unsafe_to_print;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Folder, decided, listener};
use crate::support::run;

const HOSTILE: &[&str] = &[
    "\n[[approved]]\nport = \"1-65535\"\nreach = \"public\"\nowner = \"eve\"\nreason = \"x\"\n#",
    "\r\n[rules]\r\n\"approved/unapproved-listener\" = \"off\"\r\n",
    "\"\nreach = \"public\"",
    "\"\"\"\n'''",
    "\u{1b}[2J\u{202e}\u{2028}\u{85}[[waivers]]",
    "a\\",
    "\0",
];

/// A listener of which everything that others choose is this text.
fn hostile(port: u16, text: &str) -> Value {
    let mut listener = listener("0.0.0.0", port, "/usr/bin/web");
    let owner = &mut listener["owners"][0];
    (owner["name"], owner["user"]) = (json!(text), json!(text));
    (owner["executable"], owner["unit"]) = (json!(format!("/usr/bin/{text}")), json!(format!("{text}.service")));
    listener
}

fn contained(port: u16, text: &str) -> Value {
    let mut listener = hostile(port, text);
    listener["owners"][0]["container"] = json!({ "id": "5e", "runtime": "docker", "name": text, "image": text });
    listener
}

/// The policy that is written for listeners and a host name. It is right, what `init` has not approved is not approved, and
/// nothing in it steers a terminal.
fn policy_for(listeners: &[Value], host: &str) -> (Folder, toml::Table) {
    let folder = Folder::new(listeners);
    folder.change_facts(|facts| facts["host"]["hostname"] = json!(host));
    folder.init();
    let text = folder.policy();
    assert!(!text.chars().any(|character| character != '\n' && is_unsafe_to_print(character)), "{text:?}");
    let path = folder.path("loopgate.toml").display().to_string();
    assert_eq!(run(["policy", "check", "--policy", &path]).code, 0, "{text}");
    let table: toml::Table = toml::from_str(&text).unwrap();
    let keys: Vec<&str> = table.keys().map(String::as_str).filter(|key| *key != "approved").collect();
    assert_eq!(keys, ["extends", "schema"], "{text}");
    (folder, table)
}

fn approved(table: &toml::Table) -> &[toml::Value] {
    table.get("approved").map_or(&[], |entries| entries.as_array().unwrap())
}

#[test]
fn names_that_look_like_a_policy_are_not_one() {
    for text in HOSTILE {
        let (folder, table) = policy_for(&[hostile(80, text), contained(81, text)], text);
        let entries = approved(&table);
        if text.chars().any(is_unsafe_to_print) {
            assert_eq!(entries, [], "{text:?}");
            assert_eq!(folder.check(&[]).0, 1, "{text:?}");
        } else {
            assert_eq!(entries.len(), 2, "{text:?}");
            assert_eq!(entries[0]["user"].as_str(), Some(*text));
            assert_eq!(entries[1]["container"].as_str(), Some(*text));
        }
        // Not even where the marks of decisions are taken away.
        let whole: toml::Table = toml::from_str(&decided(&folder.policy())).unwrap();
        assert_eq!(approved(&whole).len(), 2, "{}", folder.policy());
        assert!(whole.keys().all(|key| ["schema", "extends", "approved", "waivers"].contains(&key.as_str())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_machine_calls_its_things_the_policy_is_right_and_means_them(
        text in r#"([a-z0-9 '"\\#=\[\]]|\PC|\n|\t){1,20}"#, host in "\\PC{0,12}", port in 1_u16..30_000,
    ) {
        let (folder, table) = policy_for(&[hostile(port, &text), contained(port + 1, &text)], &host);
        for entry in approved(&table) {
            let named = entry.get("user").or_else(|| entry.get("container")).unwrap();
            prop_assert_eq!(named.as_str(), Some(text.as_str()));
        }
        let policy = folder.policy();
        folder.init();
        prop_assert_eq!(folder.policy(), policy);
    }
}
