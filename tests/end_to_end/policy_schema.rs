//! The JSON Schema of policies, held by a validator that is not ours against policies that are right and wrong.

use std::fs;
use std::process::Stdio;

use loopgate_test_support::command;
use tempfile::TempDir;

use crate::support::{run, tree};

/// Prints `valid` or the first error for each file. Dates are what editors hand to the validator: their text.
const VALIDATE: &str = "
import json, sys, tomllib
from jsonschema import Draft7Validator
def plain(value):
    if isinstance(value, dict): return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list): return [plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, 'isoformat') else value
schema = json.load(open(sys.argv[1]))
Draft7Validator.check_schema(schema)
for path in sys.argv[2:]:
    error = next(Draft7Validator(schema).iter_errors(plain(tomllib.load(open(path, 'rb')))), None)
    print('valid' if error is None else error.message.replace('\\n', ' '))
";

/// What the validator says of each of these policies.
fn validate(policies: &[String]) -> Vec<String> {
    let folder = TempDir::new().unwrap();
    let write = |(number, text): (usize, &String)| {
        let path = folder.path().join(format!("{number}.toml"));
        fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<_> = policies.iter().enumerate().map(write).collect();
    // Where the packages of tools/setup-test are; another python3 may come first in PATH.
    let mut python = command("/usr/bin/python3");
    python.args(["-c", VALIDATE]).arg(tree("policies/policy.schema.json")).args(&paths);
    let output = python.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "see tools/setup-test: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Fragments of the documentation are completed with the version.
#[test]
fn every_shipped_and_every_documented_policy_is_valid() {
    let files = fs::read_dir(tree("policies")).unwrap().map(|entry| entry.unwrap().path());
    let shipped = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    let mut policies: Vec<String> = shipped.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(policies.iter().all(|policy| policy.starts_with("#:schema ./policy.schema.json\n")));
    let readme = fs::read_to_string(tree("policies/README.md")).unwrap();
    let blocks = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    policies.extend(
        blocks.map(|block| if block.contains("schema = 1") { block.into() } else { format!("schema = 1\n{block}") }),
    );
    assert!(policies.len() > 4);
    for (policy, verdict) in policies.iter().zip(validate(&policies)) {
        assert_eq!(verdict, "valid", "{policy}");
    }
}

/// The reader of loopgate and the schema agree on all of these.
#[test]
fn what_the_schema_refuses_the_reader_refuses_too() {
    let wrong = [
        "fail_on = \"high\"",
        "schema = 2",
        "schema = 1\nfail_on = \"hihg\"",
        "schema = 1\non_unknown = \"ignore\"",
        "schema = 1\ncolour = true",
        "schema = 1\nextends = \"default\"",
        "schema = 1\nextends = [\"defualt\"]",
        "schema = 1\nlocked = \"no\"",
        "schema = 1\n[locked]\nfail_on = 1",
        "schema = 1\n[plugins.Listeners]\npath = \"x.wasm\"",
        "schema = 1\n[plugins.ours]",
        "schema = 1\n[plugins.ours]\npath = \"\"",
        "schema = 1\n[plugins.ours]\npath = \"x.wasm\"\nsha256 = \"abc\"",
        "schema = 1\n[plugins.listeners.parameters]\nnonsense = 1",
        "schema = 1\n[plugins.listeners]\n[rules]\n\"listeners/wildcard-bind\" = \"severe\"",
        "schema = 1\n[plugins.listeners]\n[rules]\nwildcard-bind = \"off\"",
        "schema = 1\napproved = 5",
        "schema = 1\n[[approved]]\nport = 80\nreach = \"public\"\nowner = \"us\"",
        "schema = 1\n[[approved]]\nport = 80\nreach = \"far\"\nowner = \"us\"\nreason = \"web\"",
    ];
    let wrong = wrong.map(str::to_owned);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("policy.toml");
    for (policy, verdict) in wrong.iter().zip(validate(&wrong)) {
        assert_ne!(verdict, "valid", "{policy}");
        fs::write(&path, policy).unwrap();
        let checked = run(["policy".as_ref(), "check".as_ref(), "--policy".as_ref(), path.as_os_str()]);
        assert_eq!(checked.code, 2, "{policy}\n{}", checked.stdout);
    }
}
