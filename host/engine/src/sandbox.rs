//! One call into a guest: a fresh store, limits, a thread of its own, and a typed failure.

use std::sync::Arc;
use std::thread;

use loopgate_facts::Untrusted;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Store, Trap};

use crate::Failure;
use crate::limits::{Budget, DEADLINE, FUEL, MEMORY_BYTES, MemoryExhausted, OUTPUT_BYTES, THREAD_STACK_BYTES};
use crate::runtime::{Clock, DEADLINE_TICKS, Engine};
use crate::v0_1::bindings::loopgate::policy::log::{Host, Level};
use crate::v0_1::bindings::loopgate::policy::types;
use crate::v0_1::bindings::{PolicyPlugin, PolicyPluginPre};

/// Error messages of one call that are looked at.
const MAX_ERRORS: usize = 64;

/// Bytes of one message that are kept.
const MAX_MESSAGE_BYTES: usize = 4096;

/// What the host keeps for one call.
#[derive(Default)]
pub(crate) struct Guest {
    budget: Budget,
    errors: usize,
    last_error: Option<String>,
}

impl Host for Guest {
    fn log(&mut self, level: Level, message: String) {
        if level == Level::Error && self.errors < MAX_ERRORS {
            self.errors += 1;
            self.last_error = Some(shorten(message));
        }
    }
}

/// The types have no functions.
impl types::Host for Guest {}

fn shorten(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    message
}

/// A component that is ready to be instantiated, once for every call.
pub(crate) struct Sandbox {
    prepared: PolicyPluginPre<Guest>,
    _clock: Arc<Clock>,
}

impl Sandbox {
    /// Links a component. Imports and exports are compared with the contract here, once.
    pub(crate) fn new(engine: &Engine, component: &Component) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine.wasmtime());
        PolicyPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest: &mut Guest| guest)?;
        Ok(Self { prepared: PolicyPluginPre::new(linker.instantiate_pre(component)?)?, _clock: engine.clock() })
    }

    /// Calls the guest in a fresh instance.
    ///
    /// The call has a thread of its own, because the guest's stack lies on that of the thread: running out of the
    /// caller's, whatever size that has, would end the process.
    pub(crate) fn call<T: Send>(
        &self,
        enter: impl FnOnce(&PolicyPlugin, &mut Store<Guest>) -> wasmtime::Result<T> + Send,
    ) -> Result<T, Failure> {
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("loopgate-guest".to_owned()).stack_size(THREAD_STACK_BYTES);
            let guest = builder.spawn_scoped(scope, || self.call_here(enter));
            let guest = guest.map_err(|error| Failure::Host(error.to_string().into()))?;
            guest.join().unwrap_or_else(|_| Err(Failure::Host("the host panicked while it ran the guest".into())))
        })
    }

    fn call_here<T>(
        &self,
        enter: impl FnOnce(&PolicyPlugin, &mut Store<Guest>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let mut store = Store::new(self.prepared.engine(), Guest::default());
        store.limiter(|guest| &mut guest.budget);
        store.set_epoch_deadline(DEADLINE_TICKS);
        store.set_hostcall_fuel(OUTPUT_BYTES);
        let answer = store
            .set_fuel(FUEL)
            .and_then(|()| self.prepared.instantiate(&mut store))
            .and_then(|instance| enter(&instance, &mut store));
        answer.map_err(|error| classify(&error, store.data()))
    }
}

/// Names the limit that a call ran into, or the trap.
fn classify(error: &wasmtime::Error, guest: &Guest) -> Failure {
    if error.downcast_ref::<MemoryExhausted>().is_some() {
        return Failure::OutOfMemory { limit: MEMORY_BYTES };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Failure::OutOfFuel { limit: FUEL },
        Some(Trap::Interrupt) => Failure::Deadline { seconds: DEADLINE.as_secs() },
        Some(Trap::StackOverflow) => Failure::StackOverflow,
        Some(trap) => {
            Failure::Trap { reason: trap.to_string().into(), message: guest.last_error.as_deref().map(Untrusted::from) }
        }
        None if is_output_limit(error) => Failure::TooMuchOutput { limit: OUTPUT_BYTES },
        None => Failure::Trap { reason: format!("{error:#}").into(), message: None },
    }
}

/// wasmtime keeps the type of this error to itself (runtime/component/func/options.rs), so its text is all there is to
/// tell it by. A guest with too large an answer is among the tests, and fails them when the text changes.
fn is_output_limit(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().starts_with("too much data is being copied between the host and the guest")
}
