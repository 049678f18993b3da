//! What the rules say; that they hold for their examples is tested with the embedded component.

use loopgate_plugin::Problem;

use crate::PLUGIN;

fn problems(json: &str) -> Vec<String> {
    let problems: Vec<Problem> = PLUGIN.configure(json).err().unwrap_or_default();
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn every_page_can_be_read() {
    assert_eq!(PLUGIN.page_errors(), []);
}

#[test]
fn every_mistake_in_every_entry_is_named() {
    let json = r#"{ "listeners": [
        { "reach": "public", "owner": "x", "reason": "y" },
        { "port": 1, "reach": "world", "owner": " ", "until": "2026-02-30" },
        { "port": "9-1", "reach": ["10.0.0.1/8"], "owner": "x", "reason": "y", "prot": "tcp" }
    ] }"#;
    assert_eq!(
        problems(json),
        [
            "/listeners/0: it selects everything: set executable, unit, user, container, image, port or address",
            "/listeners/1/reach: expected host, link, private, public, or a list of networks such as [\"10.0.0.0/8\"]",
            "/listeners/1/owner: expected a text that says it in a few words, found ` `",
            "/listeners/1: `reason` is missing",
            "/listeners/1/until: expected a day that there is, such as 2027-01-31, found `2026-02-30`",
            "/listeners/2/port: the range is upside down: 9 is above 1; write \"1-9\"",
            "/listeners/2/reach/0: the address has bits behind its prefix; did you mean 10.0.0.0/8?",
            "/listeners/2/prot: `prot` is unknown; did you mean `port`?",
        ]
    );
}
