//! Packets on their way, by what is known about them.

use std::sync::Arc;

use crate::region::Region;

use super::packet::{Headers, State};

/// Packets of one state from some senders.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) state: Arc<State>,
    /// The headers that follow from the state.
    pub(super) headers: Arc<Headers>,
    pub(super) region: Region,
}

impl Flow {
    pub(super) fn new(state: State, region: Region) -> Self {
        let headers = Arc::new(Headers::of(&state));
        Self { state: Arc::new(state), headers, region }
    }

    /// The same packets in another state.
    #[must_use]
    pub(super) fn with_state(self, state: State) -> Self {
        if *self.state == state { self } else { Self::new(state, self.region) }
    }

    /// The same state for other senders.
    #[must_use]
    pub(super) fn with_region(&self, region: Region) -> Self {
        Self { state: self.state.clone(), headers: self.headers.clone(), region }
    }

    /// The same packets, as extraordinary ones.
    #[must_use]
    pub(super) fn rare(&self, region: Region) -> Self {
        let flow = self.with_region(region);
        if flow.state.rare {
            return flow;
        }
        let state = State { rare: true, ..(*flow.state).clone() };
        flow.with_state(state)
    }
}

/// Flows with different states: those of one state are one flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows(Vec<Flow>);

impl Flows {
    pub(super) fn one(flow: Flow) -> Self {
        let mut flows = Self::default();
        flows.add(flow);
        flows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, flow: Flow) {
        if flow.region.is_empty() {
            return;
        }
        let same = |known: &&mut Flow| Arc::ptr_eq(&known.state, &flow.state) || known.state == flow.state;
        match self.0.iter_mut().find(same) {
            Some(known) => known.region = known.region.union(&flow.region),
            None => self.0.push(flow),
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        for flow in other.0 {
            self.add(flow);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.0.iter()
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Changes the state of every flow; those that become equal are joined.
    pub(super) fn change(self, how: impl Fn(&State) -> State) -> Self {
        let mut changed = Self::default();
        for flow in self.0 {
            let state = how(&flow.state);
            changed.add(flow.with_state(state));
        }
        changed
    }

    /// Whether they are the same packets in the same states.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_among = |flow: &Flow, others: &Self| {
            others.0.iter().any(|known| known.state == flow.state && known.region == flow.region)
        };
        self.0.len() == other.0.len() && self.0.iter().all(|flow| is_among(flow, other))
    }

    /// Parts the flows by a property of their states.
    pub(super) fn partition(self, property: impl Fn(&State) -> bool) -> (Self, Self) {
        let (with, without) = self.0.into_iter().partition(|flow| property(&flow.state));
        (Self(with), Self(without))
    }
}

impl IntoIterator for Flows {
    type Item = Flow;
    type IntoIter = std::vec::IntoIter<Flow>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
