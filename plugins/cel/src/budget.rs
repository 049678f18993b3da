//! What evaluating may cost.
//!
//! The sandbox limits a call of the plugin as a whole; one rule that uses all of it would leave every rule unjudged. So
//! each rule has a budget of its own, counted here.

use crate::evaluate::Stop;
use crate::value::Value;

/// Bytes of text that are read or written for one step.
const BYTES_A_STEP: usize = 16;

/// Steps that a text takes which is made, beside its bytes.
const STEPS_A_TEXT: usize = 4;

/// Steps that a list takes which is made, beside its items.
const STEPS_A_LIST: usize = 6;

/// Longest text that an expression may make, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// Memory that the evaluation of one expression may take for what it makes, in bytes.
const MAX_MEMORY: usize = 16 << 20;

/// Bytes that an item of a list takes, rounded up.
const ITEM_BYTES: usize = 64;

/// What is left to spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    steps: usize,
    memory: usize,
}

impl Budget {
    pub(crate) fn new(steps: usize) -> Self {
        Self { steps, memory: MAX_MEMORY }
    }

    /// The steps that are left.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// Begins with an expression: what the one before made is gone.
    pub(crate) fn begin(&mut self) {
        self.memory = MAX_MEMORY;
    }

    /// One step.
    pub(crate) fn step(&mut self) -> Result<(), Stop> {
        self.work(1)
    }

    /// So many steps.
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.checked_sub(steps).ok_or(Stop::Spent)?;
        Ok(())
    }

    /// Whether so many steps are left.
    pub(crate) fn afford(&self, steps: usize) -> Result<(), Stop> {
        if steps <= self.steps { Ok(()) } else { Err(Stop::Spent) }
    }

    /// Reads a value, to compare it.
    pub(crate) fn read(&mut self, value: &Value<'_>) -> Result<(), Stop> {
        value.as_text().map_or(Ok(()), |text| self.read_text(text))
    }

    /// Reads a text.
    pub(crate) fn read_text(&mut self, text: &str) -> Result<(), Stop> {
        self.work(text.len() / BYTES_A_STEP)
    }

    /// Makes a text.
    pub(crate) fn make_text(&mut self, bytes: usize) -> Result<(), Stop> {
        if bytes > MAX_TEXT {
            return Err(Stop::Spent);
        }
        self.take(bytes + ITEM_BYTES)?;
        self.work(STEPS_A_TEXT + bytes / BYTES_A_STEP)
    }

    /// Makes a text of a value, to show it.
    pub(crate) fn show(&mut self, value: &Value<'_>) -> Result<(), Stop> {
        match value {
            Value::List(list) => {
                for item in (0..list.len()).filter_map(|index| list.get(index)) {
                    self.show(&item)?;
                }
                Ok(())
            }
            value => self.make_text(value.as_text().map_or(ITEM_BYTES, str::len)),
        }
    }

    /// Makes items of a list.
    pub(crate) fn make_items(&mut self, items: usize) -> Result<(), Stop> {
        self.take(items.saturating_mul(ITEM_BYTES))?;
        self.work(items)
    }

    /// Makes a list of items.
    pub(crate) fn make_list(&mut self, items: usize) -> Result<(), Stop> {
        self.work(STEPS_A_LIST)?;
        self.make_items(items)
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Stop::Spent)?;
        Ok(())
    }
}
