//! The verdict: the one place that says what a run amounts to.

use loopgate_engine::Severity;

use crate::policy::OnUnknown;

/// What a run amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything that the policy asks for was judged, and nothing at or above the threshold was found.
    Compliant,
    /// There are findings at or above the threshold.
    NotCompliant,
    /// There are none, but something needed could not be observed or evaluated.
    Incomplete,
}

impl Verdict {
    /// The exit code that says so.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Compliant => 0,
            Self::NotCompliant => 1,
            Self::Incomplete => 3,
        }
    }

    /// The word that machine formats use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "compliant",
            Self::NotCompliant => "not-compliant",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What the verdict is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rules that passed.
    pub(crate) passed: usize,
    /// Rules with findings.
    pub(crate) failed: usize,
    /// Rules that found nothing to look at.
    pub(crate) not_applicable: usize,
    /// Rules of which it could not be told.
    pub(crate) unknown: usize,
    /// Rules with findings beside which something could not be judged; they are counted as failed too.
    pub(crate) partly_judged: usize,
    /// The severity of each finding that counts.
    pub(crate) findings: Vec<Severity>,
    /// Findings that the policy accepts for a time.
    pub(crate) waived: usize,
    /// Findings that are in the baseline.
    pub(crate) baselined: usize,
}

impl Tally {
    /// How many findings have this severity.
    pub(crate) fn of(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|found| **found == severity).count()
    }

    /// How many findings are at or above this severity.
    pub(crate) fn at_or_above(&self, threshold: Severity) -> usize {
        self.findings.iter().filter(|found| **found >= threshold).count()
    }

    /// Rules that were selected, whatever became of them.
    pub(crate) fn selected(&self) -> usize {
        self.judged() + self.unknown
    }

    fn judged(&self) -> usize {
        self.passed + self.failed + self.not_applicable
    }

    /// The verdict. A finding at the threshold decides, whatever else is unknown; without one, nothing but a complete
    /// answer is a pass, and where no rule was judged there is no answer at all, whatever the policy says of unknowns.
    pub(crate) fn verdict(&self, threshold: Severity, on_unknown: OnUnknown) -> Verdict {
        let has_gaps = self.unknown + self.partly_judged > 0;
        if self.at_or_above(threshold) > 0 {
            Verdict::NotCompliant
        } else if self.judged() == 0 || (has_gaps && on_unknown == OnUnknown::Incomplete) {
            Verdict::Incomplete
        } else {
            Verdict::Compliant
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODES: [OnUnknown; 2] = [OnUnknown::Incomplete, OnUnknown::Report];

    fn severity() -> impl Strategy<Value = Severity> {
        prop::sample::select(Severity::ALL.to_vec())
    }

    prop_compose! {
        fn tally()(passed in 0_usize..4, not_applicable in 0_usize..4, unknown in 0_usize..4, partly in 0_usize..4,
                   findings in prop::collection::vec(severity(), 0..6)) -> Tally {
            let failed = findings.len().div_ceil(2);
            Tally { passed, failed, not_applicable, unknown, partly_judged: partly.min(failed), findings, waived: 0, baselined: 0 }
        }
    }

    proptest! {
        /// Demand 22: at the threshold it fails, whatever else there is.
        #[test]
        fn a_finding_at_the_threshold_always_fails(
            mut tally in tally(), found in severity(), threshold in severity(), mode in prop::sample::select(MODES.to_vec()),
        ) {
            prop_assume!(found >= threshold);
            tally.findings.push(found);
            prop_assert_eq!(tally.verdict(threshold, mode), Verdict::NotCompliant);
        }

        #[test]
        fn a_pass_means_that_something_was_judged_and_nothing_was_found(
            tally in tally(), threshold in severity(), mode in prop::sample::select(MODES.to_vec()),
        ) {
            if tally.verdict(threshold, mode) == Verdict::Compliant {
                prop_assert!(tally.passed + tally.failed + tally.not_applicable > 0);
                prop_assert!(tally.findings.iter().all(|found| *found < threshold));
                prop_assert!(mode == OnUnknown::Report || tally.unknown + tally.partly_judged == 0);
            }
        }

        #[test]
        fn one_more_unknown_never_makes_a_verdict_better(mut tally in tally(), threshold in severity()) {
            let before = tally.verdict(threshold, OnUnknown::Incomplete);
            tally.unknown += 1;
            let after = tally.verdict(threshold, OnUnknown::Incomplete);
            prop_assert!(after != Verdict::Compliant);
            prop_assert!(before != Verdict::NotCompliant || after == Verdict::NotCompliant);
        }

        #[test]
        fn a_lower_threshold_never_makes_a_verdict_better(tally in tally(), one in severity(), other in severity()) {
            let (low, high) = (one.min(other), one.max(other));
            for mode in MODES {
                if tally.verdict(low, mode) == Verdict::Compliant {
                    prop_assert_eq!(tally.verdict(high, mode), Verdict::Compliant);
                }
            }
        }
    }

    #[test]
    fn an_empty_answer_is_not_a_pass() {
        for mode in MODES {
            assert_eq!(Tally::default().verdict(Severity::Critical, mode), Verdict::Incomplete);
            let nothing_known = Tally { unknown: 3, ..Tally::default() };
            assert_eq!(nothing_known.verdict(Severity::Critical, mode), Verdict::Incomplete);
        }
    }
}
