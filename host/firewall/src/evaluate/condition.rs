//! For which senders a test holds.

use std::ops::RangeInclusive;

use crate::address_set::IpVersion;
use crate::region::Region;

/// For which senders a test holds, given that some of the packet is not known.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// For all of them, or for none.
    Known(bool),
    /// For these, and for no others.
    Exact(Region),
    /// It depends on more than the sender.
    Vague(Box<Bounds>),
}

/// Four regions, each within the next.
///
/// What is not known of a packet is of two kinds. Some bits can be anything (*opaque*): the time, a sequence number.
/// Others have a value in the packets that ordinary clients send, though a sender could choose another (*rare*): the
/// time to live, an IPv6 extension header, a limit that is not used up.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// It holds whatever all those bits are.
    pub(super) always: Region,
    /// It holds for ordinary packets whatever the opaque bits are.
    pub(super) surely: Region,
    /// It holds for ordinary packets with some value of the opaque bits.
    pub(super) possibly: Region,
    /// It holds for some packet.
    pub(super) ever: Region,
}

impl Condition {
    /// It may hold or not, for every sender.
    pub(super) fn unknown(version: IpVersion) -> Self {
        let (none, all) = (Region::empty(version), Region::all(version));
        Self::bounds(none.clone(), none, all.clone(), all)
    }

    /// It holds (or not) for ordinary packets, and a sender could choose to be otherwise.
    pub(super) fn usually(version: IpVersion, holds: bool) -> Self {
        let (none, all) = (Region::empty(version), Region::all(version));
        let usual = if holds { all.clone() } else { none.clone() };
        Self::bounds(none, usual.clone(), usual, all)
    }

    /// A number is within a range: that of ordinary packets lies between some bounds, that of any packet between wider
    /// ones.
    pub(super) fn within(
        version: IpVersion,
        range: &RangeInclusive<u32>,
        ordinary: &RangeInclusive<u32>,
        any: &RangeInclusive<u32>,
    ) -> Self {
        let holds = |holds| if holds { Region::all(version) } else { Region::empty(version) };
        let holds_all = |of: &RangeInclusive<u32>| holds(range.contains(of.start()) && range.contains(of.end()));
        let holds_some = |of: &RangeInclusive<u32>| {
            holds(!range.is_empty() && range.start() <= of.end() && of.start() <= range.end())
        };
        Self::bounds(holds_all(any), holds_all(ordinary), holds_some(ordinary), holds_some(any))
    }

    fn bounds(always: Region, surely: Region, possibly: Region, ever: Region) -> Self {
        Self::Vague(Box::new(Bounds { always, surely, possibly, ever }))
    }

    /// It holds where the other does not.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Known(holds) => Self::Known(!holds),
            Self::Exact(region) => Self::Exact(region.complement()),
            Self::Vague(bounds) => Self::bounds(
                bounds.ever.complement(),
                bounds.possibly.complement(),
                bounds.surely.complement(),
                bounds.always.complement(),
            ),
        }
    }

    /// Negates it if asked to.
    pub(super) fn not_if(self, inverted: bool) -> Self {
        if inverted { self.not() } else { self }
    }

    /// It holds where both hold.
    pub(super) fn and(self, other: Self) -> Self {
        self.combine(other, false, Region::intersection)
    }

    /// It holds where any of the two holds.
    pub(super) fn or(self, other: Self) -> Self {
        self.combine(other, true, Region::union)
    }

    /// It holds where any of them does. They are joined in pairs, so that thousands are few steps.
    pub(super) fn any(mut conditions: Vec<Self>) -> Self {
        while conditions.len() > 1 {
            let mut rest = std::mem::take(&mut conditions).into_iter();
            while let Some(first) = rest.next() {
                conditions.push(match rest.next() {
                    Some(second) => first.or(second),
                    None => first,
                });
            }
        }
        conditions.pop().unwrap_or(Self::Known(false))
    }

    /// `dominant` is the value of one side that decides alone.
    fn combine(self, other: Self, dominant: bool, how: impl Fn(&Region, &Region) -> Region) -> Self {
        match (self, other) {
            (Self::Known(known), any) | (any, Self::Known(known)) => {
                if known == dominant {
                    Self::Known(dominant)
                } else {
                    any
                }
            }
            (Self::Exact(a), Self::Exact(b)) => Self::Exact(how(&a, &b)),
            (a, b) => {
                let (a, b) = (a.into_bounds(), b.into_bounds());
                Self::bounds(
                    how(&a.always, &b.always),
                    how(&a.surely, &b.surely),
                    how(&a.possibly, &b.possibly),
                    how(&a.ever, &b.ever),
                )
            }
        }
    }

    /// Only called for what is not [`Condition::Known`].
    fn into_bounds(self) -> Bounds {
        match self {
            Self::Vague(bounds) => *bounds,
            Self::Exact(region) => {
                Bounds { always: region.clone(), surely: region.clone(), possibly: region.clone(), ever: region }
            }
            Self::Known(holds) => {
                // Without a region there is no version to make one of; `combine` handles this case before.
                let region = if holds { Region::all(IpVersion::V6) } else { Region::empty(IpVersion::V6) };
                Bounds { always: region.clone(), surely: region.clone(), possibly: region.clone(), ever: region }
            }
        }
    }

    /// Cuts a region by the condition.
    pub(super) fn split(&self, region: &Region) -> Split {
        let version = region.version();
        match self {
            Self::Known(true) => Split { yes: region.clone(), ..Split::none(version) },
            Self::Known(false) => Split { no: region.clone(), ..Split::none(version) },
            Self::Exact(holds) => {
                let yes = region.intersection(holds);
                let no = if yes.is_empty() { region.clone() } else { region.difference(&yes) };
                Split { yes, no, ..Split::none(version) }
            }
            Self::Vague(bounds) => Split {
                yes: region.intersection(&bounds.possibly),
                no: region.difference(&bounds.surely),
                rare_yes: region.intersection(&bounds.ever.difference(&bounds.possibly)),
                rare_no: region.intersection(&bounds.surely.difference(&bounds.always)),
                doubt: region.intersection(&bounds.possibly.difference(&bounds.surely)),
            },
        }
    }
}

/// A region cut by a condition. Senders for which the condition is not known are in several of the parts.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// It holds, or may.
    pub(super) yes: Region,
    /// It does not hold, or may not.
    pub(super) no: Region,
    /// It could be made to hold by an extraordinary packet.
    pub(super) rare_yes: Region,
    /// It could be made not to hold by an extraordinary packet.
    pub(super) rare_no: Region,
    /// It is not known whether it holds for an ordinary packet.
    pub(super) doubt: Region,
}

impl Split {
    fn none(version: IpVersion) -> Self {
        let none = || Region::empty(version);
        Self { yes: none(), no: none(), rare_yes: none(), rare_no: none(), doubt: none() }
    }
}
