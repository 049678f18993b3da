//! Messages to whoever develops or debugs a plugin. They are no part of the verdict.

/// Writes a message of level `debug`. Natively, as in unit tests, it goes nowhere.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Writes a message of level `error`. Natively, as in unit tests, it goes nowhere.
pub fn error(message: &str) {
    write(Level::Error, message);
}

/// Sends the message of a panic to the host, which otherwise sees only that the plugin trapped.
#[doc(hidden)]
pub fn install_panic_hook() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}

#[derive(Clone, Copy)]
enum Level {
    Debug,
    Error,
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    use crate::bindings::loopgate::policy::log;
    let level = match level {
        Level::Debug => log::Level::Debug,
        Level::Error => log::Level::Error,
    };
    log::log(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    let (Level::Debug | Level::Error) = level;
    let _ = message;
}
