//! What must be known of a set's key or data to read a value of it, and of a header field to compare it.

use crate::notation::names::{Kind, Order};

/// How a value stands in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// What it is.
    pub(super) kind: Kind,
    /// Its length in bits.
    pub(super) bits: u32,
    /// Its length in bytes, as it is loaded.
    pub(super) bytes: u32,
    /// How far it stands to the left within those.
    pub(super) shift: u32,
    /// A `*` at the end of a name is a character like others: the name is that of an interface known by its index.
    pub(super) literal: bool,
}

impl Form {
    /// A value of a data type that has one length.
    pub(super) fn of(kind: Kind) -> Option<Self> {
        (kind.bits() > 0).then(|| Self { kind, bits: kind.bits(), bytes: kind.bytes(), shift: 0, literal: false })
    }

    /// A value of whole bytes.
    pub(super) fn whole(kind: Kind, bytes: u32) -> Self {
        Self { kind, bits: bytes.saturating_mul(8), bytes, shift: 0, literal: false }
    }

    /// The order of its bytes: where values are ordered, the most significant comes first.
    pub(super) fn order(&self, ordered: bool) -> Order {
        if ordered && self.turns() { Order::Network } else { self.kind.order() }
    }

    /// Whether its bytes are turned round where values are ordered.
    pub(super) fn turns(&self) -> bool {
        self.kind.turns(self.bytes)
    }

    /// The name of the interface in place of its index.
    pub(super) fn by_name(self) -> Self {
        match self.kind {
            Kind::InterfaceIndex => Self { literal: true, ..Self::whole(Kind::InterfaceName, 16) },
            _ => self,
        }
    }

    /// Its length in a concatenation.
    pub(super) fn padded(&self) -> u32 {
        self.bytes.next_multiple_of(4)
    }
}

/// What is known of a set besides what the model holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Prototype {
    /// The parts of its key; none if its type is not known.
    pub(super) key: Vec<Form>,
    /// The parts of its data, for a map to values.
    pub(super) data: Vec<Form>,
    /// Its keys are ordered: they can be ranges.
    pub(super) interval: bool,
    /// It is a map to verdicts.
    pub(super) verdicts: bool,
    /// It is a map to objects such as counters.
    pub(super) objects: Option<String>,
}
