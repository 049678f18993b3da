//! Policies that extend others: from which files they may be made, and which they may not.

#![expect(clippy::disallowed_methods, reason = "the bans are for the product")]

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::error::{Error, Place};
use crate::policy::diagnostic::{Problems, tests::plain};
use crate::policy::discovery::{Found, Root};
use crate::policy::layers::Layers;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("schema = 1\n{text}\n")).unwrap();
    }
    folder
}

fn load(folder: &Path, names: &[&str]) -> Result<Layers, Error> {
    let roots = names.iter().map(|name| Root::At(Place::File(folder.join(name))));
    Layers::load(Found::Named, roots.collect())
}

/// The names of the layers, uppermost first.
fn names(folder: &Path, roots: &[&str]) -> Vec<String> {
    let layers = load(folder, roots).unwrap();
    assert_eq!(layers.problems, []);
    layers.sources.ranked().map(|source| source.name.clone()).collect()
}

/// The problems of `policy.toml`, without the name of the folder.
fn complaint(folder: &Path) -> String {
    let layers = load(folder, &["policy.toml"]).unwrap();
    let shown = plain(&Problems::new(&layers.sources, layers.problems));
    shown.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn what_is_extended_stands_above_in_the_order_of_its_names() {
    let folder = folder(&[
        ("policy.toml", "extends = [\"default\", \"org/base.toml\", \"team.toml\"]"),
        ("org/base.toml", "extends = [\"core.toml\"]"),
        ("org/core.toml", ""),
        ("team.toml", ""),
    ]);
    let layers = ["default", "org/core.toml", "org/base.toml", "team.toml", "policy.toml"];
    assert_eq!(names(folder.path(), &["policy.toml"]), layers);
}

#[test]
fn of_several_policies_the_first_is_uppermost() {
    let folder = folder(&[("a.toml", ""), ("b.toml", "extends = [\"c.toml\"]"), ("c.toml", "")]);
    assert_eq!(names(folder.path(), &["a.toml", "b.toml"]), ["a.toml", "c.toml", "b.toml"]);
    assert_eq!(names(folder.path(), &["b.toml", "a.toml", "b.toml"]), ["c.toml", "b.toml", "a.toml"]);
}

#[test]
fn a_layer_that_is_reached_twice_is_one() {
    let folder = folder(&[
        ("policy.toml", "extends = [\"a.toml\", \"b.toml\"]"),
        ("a.toml", "extends = [\"base.toml\"]"),
        ("b.toml", "extends = [\"./base.toml\", \"link.toml\"]"),
        ("base.toml", ""),
    ]);
    std::os::unix::fs::symlink("base.toml", folder.path().join("link.toml")).unwrap();
    assert_eq!(names(folder.path(), &["policy.toml"]), ["base.toml", "a.toml", "b.toml", "policy.toml"]);
}

#[test]
fn entries_that_lead_to_no_policy() {
    let folder = folder(&[(
        "policy.toml",
        "extends = [\n  \"defualt\",\n  \"missing.toml\",\n  \"folder.toml\",\n  \"bytes.toml\",\n  \"large.toml\",\n  5,\n]",
    )]);
    fs::create_dir(folder.path().join("folder.toml")).unwrap();
    fs::write(folder.path().join("bytes.toml"), b"schema = 1\n# \xff\n").unwrap();
    fs::write(folder.path().join("large.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    assert_snapshot!(complaint(folder.path()), @r#"
    error: unknown built-in policy `defualt`
     --> policy.toml:3:3
      |
    3 |   "defualt",
      |   ^^^^^^^^^ did you mean `default`?
      |
      = help: built in are `default`, `workstation`, `server`, `ci`, `cis`, `standards`; a file is written `./FILE` or `FILE.toml`

    error: cannot read the policy `missing.toml`
     --> policy.toml:4:3
      |
    4 |   "missing.toml",
      |   ^^^^^^^^^^^^^^ No such file or directory (os error 2)

    error: cannot read the policy `folder.toml`
     --> policy.toml:5:3
      |
    5 |   "folder.toml",
      |   ^^^^^^^^^^^^^ it is not a regular file

    error: cannot read the policy `bytes.toml`
     --> policy.toml:6:3
      |
    6 |   "bytes.toml",
      |   ^^^^^^^^^^^^ its line 2 is not UTF-8 text

    error: cannot read the policy `large.toml`
     --> policy.toml:7:3
      |
    7 |   "large.toml",
      |   ^^^^^^^^^^^^ it has more than the 1048576 bytes that it may have

    error: an entry of `extends` must be a string
     --> policy.toml:8:3
      |
    8 |   5,
      |   ^ expected a string, found an integer

    loopgate: 6 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn a_policy_stays_in_its_folder() {
    let outside = folder(&[("secret.toml", "")]);
    let absolute = outside.path().join("secret.toml");
    let folder = folder(&[("policy.toml", ""), ("sub/x.toml", "")]);
    std::os::unix::fs::symlink(&absolute, folder.path().join("link.toml")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("linked")).unwrap();
    let text = "schema = 1\nextends = [\n  \"../x.toml\",\n  \"sub/../sub/x.toml\",\n  \"link.toml\",\n  \
                \"linked/secret.toml\",\n  \"/etc/passwd\",\n]\n";
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    assert_snapshot!(complaint(folder.path()), @r#"
    error: `../x.toml` is outside of the policy's own folder
     --> policy.toml:3:3
      |
    3 |   "../x.toml",
      |   ^^^^^^^^^^^ `..` leads out of the folder
      |
      = help: a policy may extend files in its folder and below; stack others with several `--policy` options

    error: `sub/../sub/x.toml` is outside of the policy's own folder
     --> policy.toml:4:3
      |
    4 |   "sub/../sub/x.toml",
      |   ^^^^^^^^^^^^^^^^^^^ `..` leads out of the folder
      |
      = help: a policy may extend files in its folder and below; stack others with several `--policy` options

    error: `link.toml` is outside of the policy's own folder
     --> policy.toml:5:3
      |
    5 |   "link.toml",
      |   ^^^^^^^^^^^ a link on this path leads out of the folder
      |
      = help: a policy may extend files in its folder and below; stack others with several `--policy` options

    error: `linked/secret.toml` is outside of the policy's own folder
     --> policy.toml:6:3
      |
    6 |   "linked/secret.toml",
      |   ^^^^^^^^^^^^^^^^^^^^ a link on this path leads out of the folder
      |
      = help: a policy may extend files in its folder and below; stack others with several `--policy` options

    error: `/etc/passwd` is outside of the policy's own folder
     --> policy.toml:7:3
      |
    7 |   "/etc/passwd",
      |   ^^^^^^^^^^^^^ this path is absolute
      |
      = help: a policy may extend files in its folder and below; stack others with several `--policy` options

    loopgate: 5 problems in policy.toml; nothing was judged
    "#);
}

#[test]
fn a_policy_that_extends_itself() {
    let folder = folder(&[
        ("policy.toml", "extends = [\"a.toml\", \"policy.toml\"]"),
        ("a.toml", "extends = [\"b.toml\"]"),
        ("b.toml", "extends = [\"a.toml\"]\nfail_on = \"hihg\""),
    ]);
    assert_snapshot!(complaint(folder.path()), @r#"
    error: a policy extends itself
     --> b.toml:2:12
      |
    2 | extends = ["a.toml"]
      |            ^^^^^^^^ here the circle closes
      |
      = help: a.toml extends b.toml extends a.toml

    error: `hihg` is not a value of `fail_on`
     --> b.toml:3:11
      |
    3 | fail_on = "hihg"
      |           ^^^^^^ did you mean `high`?
      |
      = help: expected one of `info`, `low`, `medium`, `high`, `critical`

    error: a policy extends itself
     --> policy.toml:2:22
      |
    2 | extends = ["a.toml", "policy.toml"]
      |                      ^^^^^^^^^^^^^ here the circle closes
      |
      = help: policy.toml extends policy.toml

    loopgate: 3 problems in b.toml and policy.toml; nothing was judged
    "#);
}

#[test]
fn a_stack_that_is_too_high() {
    let folder = folder(&[]);
    for level in 0..20 {
        let text = format!("schema = 1\nextends = [\"{}.toml\"]\n", level + 1);
        fs::write(folder.path().join(format!("{level}.toml")), text).unwrap();
    }
    fs::write(folder.path().join("policy.toml"), "schema = 1\nextends = [\"0.toml\"]\n").unwrap();
    assert_snapshot!(complaint(folder.path()), @r#"
    error: too many layers
     --> 14.toml:2:12
      |
    2 | extends = ["15.toml"]
      |            ^^^^^^^^^ a policy may have 16 layers

    loopgate: 1 problem in 14.toml; nothing was judged
    "#);
}
