//! The table of `docs/demands.md` and the tests that say which demand they are about name each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::tree;

/// How many demands there are.
const DEMANDS: u8 = 28;

/// A demand, and a test that says that it shows it: the file, from the root of the tree, and the name.
type Shown = (u8, String, String);

/// A row of the table.
struct Row {
    number: u8,
    answer: String,
    shown: BTreeSet<Shown>,
}

impl Row {
    /// `| number | what is asked for | where | met, in part or not met | tests |`
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.parse().ok()?;
        let [_, _, _, _, answer, tests, _] = cells[..] else { panic!("not five cells: {line}") };
        Some(Self { number, answer: answer.to_owned(), shown: shown(number, tests) })
    }
}

/// The tests of a cell: a file in backquotes, and behind it the names of tests in that file.
fn shown(number: u8, tests: &str) -> BTreeSet<Shown> {
    let mut file = "";
    let mut found = BTreeSet::new();
    for word in tests.split('`').skip(1).step_by(2) {
        if word.contains('/') {
            file = word;
        } else {
            found.insert((number, file.to_owned(), word.to_owned()));
        }
    }
    found
}

fn page() -> String {
    fs::read_to_string(tree("docs/demands.md")).unwrap()
}

fn rows() -> Vec<Row> {
    page().lines().filter_map(Row::parse).collect()
}

/// All Rust sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(files).collect()
}

/// What the tests say: the lines `/// Demand N: ...` above each.
fn said_by_tests() -> BTreeSet<Shown> {
    let root = tree("");
    let files = ["host", "plugins", "tests"].into_iter().flat_map(|folder| sources(&tree(folder)));
    let said = |file: PathBuf| {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        said_in(&fs::read_to_string(&file).unwrap()).map(|(number, test)| (number, name.clone(), test)).collect()
    };
    files.flat_map(|file| -> Vec<Shown> { said(file) }).collect()
}

/// The demands of one file, each with the test that its line stands above.
fn said_in(text: &str) -> impl Iterator<Item = (u8, String)> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let number = |line: &str| line.strip_prefix("/// Demand ")?.split_once(": ")?.0.parse().ok();
    let numbers = lines.iter().enumerate().filter_map(|(at, line)| Some((at, number(line)?)));
    let tests: Vec<_> = numbers.map(|(at, number)| (number, test_below(&lines[at..]))).collect();
    tests.into_iter()
}

/// The name of the test whose comments and attributes the lines begin with.
fn test_below(lines: &[&str]) -> String {
    let function = lines.iter().position(|line| line.starts_with("fn ")).unwrap();
    let above = &lines[..function];
    let is_above = |line: &&str| line.starts_with("///") || line.starts_with("#[");
    assert!(above.iter().all(is_above) && above.contains(&"#[test]"), "no test follows: {lines:.6?}");
    lines[function]["fn ".len()..].split('(').next().unwrap().to_owned()
}

#[test]
fn every_demand_is_in_the_table_once() {
    let numbers: Vec<u8> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=DEMANDS).collect::<Vec<_>>());
}

#[test]
fn what_is_met_is_shown_by_a_test_and_what_is_not_is_explained() {
    let page = page();
    for Row { number, answer, shown } in rows() {
        match answer.as_str() {
            "met" | "in part" => assert!(!shown.is_empty(), "demand {number} is {answer}, and no test is named"),
            "not met" => assert!(shown.is_empty(), "demand {number} is not met, and a test is named"),
            other => panic!("demand {number} is neither met nor not: {other}"),
        }
        let is_explained = page.contains(&format!("\n**{number}. "));
        assert_eq!(is_explained, answer != "met", "what is missing of demand {number} stands below the table");
    }
}

#[test]
fn the_table_and_the_tests_name_each_other() {
    let named: BTreeSet<Shown> = rows().into_iter().flat_map(|row| row.shown).collect();
    let said = said_by_tests();
    let only = |one: &BTreeSet<Shown>, other: &BTreeSet<Shown>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(only(&named, &said), [], "in the table, and no such test says so");
    assert_eq!(only(&said, &named), [], "said by a test, and not in the table");
}
