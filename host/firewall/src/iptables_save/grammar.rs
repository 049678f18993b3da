//! How options, matches and targets are described, and what a rule gives of them.

use std::net::IpAddr;

use loopgate_facts::Untrusted;

use super::words::Word;
use crate::rule::{Op, Predicate, Test};
use crate::ruleset::{Family, Hook};

/// An option.
pub(super) struct OptionSpec {
    /// How it can be written; `iptables-save(8)` uses the first or the last.
    pub(super) names: &'static [&'static str],
    /// How many words follow.
    pub(super) arity: usize,
    /// `!` may stand before it.
    pub(super) inverts: bool,
    /// What it tests, if it is a test by itself.
    pub(super) test: Option<fn(&Given<'_>) -> Option<Predicate>>,
}

/// An option without a meaning of its own.
pub(super) const fn option(names: &'static [&'static str], arity: usize) -> OptionSpec {
    OptionSpec { names, arity, inverts: false, test: None }
}

/// An option that is a test, and that `!` may stand before.
pub(super) const fn test(
    names: &'static [&'static str],
    arity: usize,
    test: fn(&Given<'_>) -> Option<Predicate>,
) -> OptionSpec {
    OptionSpec { names, arity, inverts: true, test: Some(test) }
}

impl OptionSpec {
    /// `!` may stand before it.
    pub(super) const fn or_not(self) -> Self {
        Self { inverts: true, ..self }
    }
}

/// A match or a target.
pub(super) struct Extension {
    /// What `-m` or `-j` call it.
    pub(super) names: &'static [&'static str],
    /// Its options.
    pub(super) options: &'static [OptionSpec],
    /// What it does; `None` where its options make no sense.
    pub(super) lower: fn(&Instance<'_>) -> Option<Vec<Op>>,
}

impl Extension {
    /// The option of a name.
    pub(super) fn option(&self, name: &Word<'_>) -> Option<&'static OptionSpec> {
        find(self.options, name)
    }
}

/// The option of a name.
pub(super) fn find(options: &'static [OptionSpec], name: &Word<'_>) -> Option<&'static OptionSpec> {
    options.iter().find(|option| option.names.iter().any(|text| name.is(text)))
}

/// The match or target of a name.
pub(super) fn extension(tables: &[&'static [Extension]], name: &[u8]) -> Option<&'static Extension> {
    let mut all = tables.iter().flat_map(|table| table.iter());
    all.find(|extension| extension.names.iter().any(|text| text.as_bytes() == name))
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// IPv4 or IPv6.
    pub(super) family: Family,
    /// The hook, where the chain is a base chain.
    pub(super) hook: Option<Hook>,
}

/// An option that a rule gives.
#[derive(Clone)]
pub(super) struct Given<'a> {
    pub(super) option: &'static OptionSpec,
    /// `!` stands before it, or before its value as older versions had it.
    pub(super) inverted: bool,
    /// Its values.
    pub(super) values: Vec<&'a [u8]>,
    /// The option as the line has it.
    pub(super) raw: &'a [u8],
    /// What `-m` calls the match that it belongs to; empty for the options of every rule.
    pub(super) of: &'static str,
    pub(super) site: Site,
}

impl<'a> Given<'a> {
    /// Its only value.
    pub(super) fn value(&self) -> Option<&'a [u8]> {
        self.values.first().copied()
    }

    /// Its only value as text.
    pub(super) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value()?).ok()
    }

    /// Whether an address is of the family of the table.
    pub(super) fn fits(&self, address: IpAddr) -> bool {
        address.is_ipv4() == (self.site.family == Family::Ip)
    }

    /// The option and its match, as an administrator writes it.
    pub(super) fn words(&self) -> Untrusted {
        Untrusted::from(format!("-m {} {}", self.of, Untrusted::from_bytes(self.raw).as_str()))
    }

    fn test(&self) -> Option<Test> {
        if self.inverted && !self.option.inverts {
            return None;
        }
        Some(Test { inverted: self.inverted, predicate: (self.option.test?)(self)? })
    }
}

/// The tests that options are by themselves. None may come twice: iptables takes only one of each.
pub(super) fn tests(given: &[Given<'_>]) -> Option<Vec<Test>> {
    if !are_sound(given) {
        return None;
    }
    let tests: Option<Vec<_>> = given.iter().filter(|given| given.option.test.is_some()).map(Given::test).collect();
    tests.map(|mut tests| {
        tests.shrink_to_fit();
        tests
    })
}

/// No option comes twice, and only options are inverted that can be.
fn are_sound(given: &[Given<'_>]) -> bool {
    let mut rest = given;
    while let Some((first, others)) = rest.split_first() {
        let twice = others.iter().any(|other| std::ptr::eq(other.option, first.option));
        if twice || first.inverted && !first.option.inverts {
            return false;
        }
        rest = others;
    }
    true
}

/// A match or target of a rule with the options that the rule gives it.
pub(super) struct Instance<'a> {
    pub(super) extension: &'static Extension,
    /// What the rule calls it.
    pub(super) name: &'a [u8],
    pub(super) given: Vec<Given<'a>>,
    /// Words among its options that it does not have.
    pub(super) stray: Vec<&'a [u8]>,
    pub(super) site: Site,
}

impl<'a> Instance<'a> {
    /// An option, if the rule gives it.
    pub(super) fn get(&self, name: &str) -> Option<&Given<'a>> {
        self.given.iter().find(|given| given.option.names.contains(&name))
    }

    /// The value of an option.
    pub(super) fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name)?.value()
    }

    /// The value of an option as text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name)?.text()
    }

    /// Whether the rule gives an option.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the rule gives it options, of its own or not.
    pub(super) fn has_options(&self) -> bool {
        !self.given.is_empty() || !self.stray.is_empty()
    }

    /// Its name and options, without `-m` or `-j`.
    pub(super) fn words(&self) -> Untrusted {
        let mut text = Untrusted::from_bytes(self.name).as_str().to_owned();
        for raw in self.given.iter().map(|given| given.raw).chain(self.stray.iter().copied()) {
            text.push(' ');
            text.push_str(Untrusted::from_bytes(raw).as_str());
        }
        Untrusted::from(text)
    }

    /// What it does, or `None` if it is not understood.
    pub(super) fn lower(&self) -> Option<Vec<Op>> {
        if self.stray.is_empty() && are_sound(&self.given) { (self.extension.lower)(self) } else { None }
    }
}
