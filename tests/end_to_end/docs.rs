//! What the documents promise is there.

use std::fs;
use std::path::Path;

use crate::support::{run, tree};

/// All Rust sources below a folder, as one text.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    };
    entries.map(text).collect()
}

/// The words in backquotes of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let security = fs::read_to_string(tree("SECURITY.md")).unwrap();
    let sources: String = ["host", "tests", "plugins"].map(|folder| sources(&tree(folder))).concat();
    let rows: Vec<&str> = security.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).collect();
    assert!(rows.len() > 10, "the table was not found");
    for row in rows.into_iter().skip(1) {
        let tests: Vec<&str> = quoted(row.split('|').nth(3).unwrap()).collect();
        assert!(!tests.is_empty(), "no test is named in: {row}");
        for name in tests {
            let exists =
                if name.contains('/') { tree(name).exists() } else { sources.contains(&format!("fn {name}(")) };
            assert!(exists, "`{name}` does not exist; it is named in: {row}");
        }
    }
}

#[test]
fn every_file_that_the_front_pages_link_to_exists() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/demands.md",
        "wit/README.md",
        "plugins/README.md",
    ] {
        let text = fs::read_to_string(tree(page)).unwrap();
        let folder = tree(page).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap_or_default();
            assert!(folder.join(path).exists(), "{page} links to {link}");
        }
    }
}

#[test]
fn the_policy_on_the_front_page_is_right() {
    let page = fs::read_to_string(tree("README.md")).unwrap();
    let (_, policy) = page.split_once("```toml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loopgate.toml");
    fs::write(&path, policy.split_once("```").unwrap().0).unwrap();
    let checked = run(["policy", "check", "--policy", path.to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}
