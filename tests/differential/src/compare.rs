//! Holds what was said against what happened.

use crate::predict::{Prediction, Target};
use crate::probe::{Observed, Probe};
use loopgate_facts::BlockReason;

/// How a prediction and the kernel disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contradiction {
    /// Said to be blocked, and it got through with its answer: the worst.
    FalselyBlocked,
    /// Said to be dropped on the way in, and it arrived; only the answer did not.
    ArrivedAllTheSame,
    /// Said to get through, and it did not.
    FalselyReachable,
    /// It got through to somewhere else than was said.
    Elsewhere,
    /// Said to arrive unanswered, and it did not arrive.
    NotEvenArrived,
}

impl Contradiction {
    /// It, in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FalselyBlocked => "said to be blocked, but it got through",
            Self::ArrivedAllTheSame => "said to be stopped on its way in, but it arrived (its answer did not leave)",
            Self::FalselyReachable => "said to get through, but it did not",
            Self::Elsewhere => "got through, but to somewhere else than was said",
            Self::NotEvenArrived => "said to arrive without an answer, but it did not arrive",
        }
    }
}

/// How they disagree, if they do.
pub fn compare(probe: &Probe, said: &Prediction, observed: &Observed) -> Option<Contradiction> {
    let arrived = observed.delivered.is_some() || observed.forwarded.is_some();
    match said {
        Prediction::Unknown(_) => None,
        Prediction::Reachable(_) if !observed.answered => Some(Contradiction::FalselyReachable),
        Prediction::Reachable(targets) => {
            let delivered = observed.delivered.map(Target::Delivered);
            let target = delivered.or(observed.forwarded.map(|(_, to)| Target::Forwarded(to)));
            // A connection whose source was translated on the way is not known again where it arrives.
            let expected = target.map_or(probe.is_connection(), |target| targets.contains(&target));
            (!expected).then_some(Contradiction::Elsewhere)
        }
        Prediction::Blocked(_) if observed.answered => Some(Contradiction::FalselyBlocked),
        Prediction::Blocked(reasons) => match (arrived, reasons.iter().any(|reason| is_of_answer(*reason))) {
            (true, false) => Some(Contradiction::ArrivedAllTheSame),
            (false, true) if !probe.is_connection() && reasons.iter().all(|reason| is_of_answer(*reason)) => {
                Some(Contradiction::NotEvenArrived)
            }
            _ => None,
        },
    }
}

fn is_of_answer(reason: BlockReason) -> bool {
    matches!(reason, BlockReason::AnswerBlocked | BlockReason::AnswerNotRouted)
}
