//! The wasmtime engine and the clock behind its deadlines.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use loopgate_facts::Untrusted;

use crate::config::config;
use crate::limits::DEADLINE;

/// Epochs in a second.
const TICKS_PER_SECOND: u64 = 100;

/// Length of one epoch.
const TICK: Duration = Duration::from_millis(1000 / TICKS_PER_SECOND);

/// The epochs that one call may last.
pub(crate) const DEADLINE_TICKS: u64 = DEADLINE.as_secs() * TICKS_PER_SECOND;

/// Runs plugins. One serves a whole run.
pub struct Engine {
    wasmtime: wasmtime::Engine,
    clock: Arc<Clock>,
}

/// Keeps the epochs advancing. Everything that calls guests holds it: without it no call would meet its deadline.
/// The clock ends when the last holder is gone.
pub(crate) struct Clock {
    _running: Sender<()>,
}

/// The engine could not be set up: the processor or the system lacks something that wasmtime needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly engine: {}", .0.escaped())]
pub struct EngineError(Untrusted);

impl Engine {
    /// Sets up an engine for this machine.
    pub fn new() -> Result<Self, EngineError> {
        let wasmtime =
            wasmtime::Engine::new(&runtime_config()).map_err(|error| EngineError(format!("{error:#}").into()))?;
        let clock = start_clock(&wasmtime).map_err(|error| EngineError(error.to_string().into()))?;
        Ok(Self { wasmtime, clock: Arc::new(clock) })
    }

    pub(crate) fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}

/// The configuration of [`config`], with what matters only for running.
fn runtime_config() -> wasmtime::Config {
    let mut config = config();
    #[cfg(target_os = "linux")]
    crate::in_place::allow(&mut config);
    config
}

/// Advances the epoch every [`TICK`] until the clock is dropped.
fn start_clock(engine: &wasmtime::Engine) -> std::io::Result<Clock> {
    let (sender, receiver) = channel::<()>();
    let engine = engine.weak();
    thread::Builder::new().name("loopgate-clock".to_owned()).spawn(move || {
        while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    })?;
    Ok(Clock { _running: sender })
}
