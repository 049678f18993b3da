//! Built-in plugin: what is approved to listen, and how far it may reach. Default deny.

mod candidate;
mod entry;
mod entry_conflict;
mod entry_expired;
mod entry_stale;
mod judgement;
mod limit;
mod reach_exceeded;
mod settings;
mod unapproved_listener;

pub use settings::Settings;

loopgate_plugin::plugin! {
    name: "approved",
    parameters: Settings,
    rules: [
        unapproved_listener::RULE,
        reach_exceeded::RULE,
        entry_conflict::RULE,
        entry_expired::RULE,
        entry_stale::RULE,
    ],
}

#[cfg(test)]
mod tests;
