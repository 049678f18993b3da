//! Colours and width: on a terminal only, and as its user wishes.

use loopgate_test_support::command;

use crate::support::{Run, loopgate, tree};

fn piped(variables: &[(&str, &str)]) -> Run {
    let mut command = loopgate();
    command.envs(variables.iter().copied()).args(["check", "--facts"]).arg(tree("tests/facts/quiet.json"));
    command.output().unwrap().into()
}

/// Runs on a pseudo-terminal of 60 columns, which `script(1)` makes.
fn on_a_terminal(variables: &str) -> String {
    let facts = tree("tests/facts/quiet.json");
    let binary = env!("CARGO_BIN_EXE_loopgate");
    let shell =
        format!("stty rows 40 cols 60; env -i TERM=xterm {variables} '{binary}' check --facts '{}'", facts.display());
    let output = command("script").args(["-qec", &shell, "/dev/null"]).output();
    let output = output.expect("script(1) of util-linux can be run");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_pipe_gets_colours_only_if_they_are_forced() {
    assert!(!piped(&[]).stdout.contains('\u{1b}'));
    assert!(piped(&[("CLICOLOR_FORCE", "1")]).stdout.contains('\u{1b}'));
}

#[test]
fn a_terminal_gets_colours_unless_its_user_wants_none() {
    assert!(on_a_terminal("").contains("\u{1b}["));
    assert!(!on_a_terminal("NO_COLOR=1").contains('\u{1b}'));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let text = on_a_terminal("NO_COLOR=1");
    let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 60 && widest > 40), "{widest:?}\n{text}");
}
