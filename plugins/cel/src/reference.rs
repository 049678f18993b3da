//! The tables of the page: what there is to name and to ask, from the tables that the checker reads.

use std::fmt::Write;

use crate::check::{FUNCTIONS, PARTS};
use crate::record::Kind;

const INTRODUCTION: &str = "\
Every expression can name its subject, and `listeners`, `interfaces`, `names`, `sysctls` and `host`. This part of the page
is made from the tables that the checker reads.

";

/// The tables of the page as Markdown, every field and every function.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for kind in Kind::ALL {
        let of = PARTS.iter().find(|(.., part)| *part == kind).map(|(name, ..)| *name);
        let _ = writeln!(page, "### {}\n", heading(kind, of));
        page.push_str("| field | is | value |\n| --- | --- | --- |\n");
        for field in kind.fields() {
            let _ = writeln!(page, "| `{}` | {} | {} |", field.name, field.about, field.of.short());
        }
        page.push('\n');
    }
    page.push_str("### Functions\n\n| function | says |\n| --- | --- |\n");
    for signature in FUNCTIONS {
        let _ = writeln!(page, "| `{}` | {} |", signature.usage, signature.about);
    }
    page
}

fn heading(kind: Kind, of: Option<&str>) -> String {
    match of {
        Some(list) if list != kind.name() => format!("`{}`, each of `{list}`", kind.name()),
        Some(_) => format!("`{}`", kind.name()),
        None => format!("{} {}", kind.article(), kind.name()),
    }
}
