//! Where observers put what they could not observe.

use std::fmt::Display;

use loopgate_facts::{Area, Gap, Untrusted};

/// The gaps that an observer found, in the order it found them.
#[derive(Debug, Default)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Records that a whole area could not be observed.
    pub(crate) fn area(&mut self, area: Area, reason: impl Display, leaves_unknown: impl Into<Untrusted>) {
        self.push(area, None, reason, leaves_unknown.into());
    }

    /// Records that one thing within an area could not be observed.
    pub(crate) fn subject(
        &mut self,
        area: Area,
        subject: impl Into<Untrusted>,
        reason: impl Display,
        leaves_unknown: impl Into<Untrusted>,
    ) {
        self.push(area, Some(subject.into()), reason, leaves_unknown.into());
    }

    /// Records that nobody looks at the firewall on this system: every listener is judged by what it is bound to.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(crate) fn firewall(&mut self) {
        self.area(
            Area::Firewall,
            "the firewall of this system is not read",
            "whether a packet filter blocks a listener; every listener is judged by what it is bound to",
        );
    }

    /// Takes over what another observer found, and adds what it could not observe.
    pub(crate) fn take<T>(&mut self, (found, gaps): (T, Self)) -> T {
        self.0.extend(gaps.0);
        found
    }

    /// The gaps.
    pub(crate) fn into_vec(self) -> Vec<Gap> {
        self.0
    }

    fn push(&mut self, area: Area, subject: Option<Untrusted>, reason: impl Display, leaves_unknown: Untrusted) {
        let reason = reason.to_string().into();
        self.0.push(Gap { area, subject, reason, leaves_unknown });
    }
}

/// A number with its noun: "1 socket", "3 sockets".
pub(crate) fn count(number: usize, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{number} {noun}")
}
