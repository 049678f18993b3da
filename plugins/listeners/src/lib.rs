//! Built-in plugin: what listens, and where it can be reached.

mod catalogue;
mod dual_stack;
mod link_local_bind;
mod loopback_reachable;
mod one_loopback_family;
mod parameters;
mod place;
mod private_bind;
mod public_bind;
mod recognise;
mod sensitive_service;
mod unsafe_on_loopback;
mod wildcard_bind;

pub use parameters::Settings;

loopgate_plugin::plugin! {
    name: "listeners",
    parameters: Settings,
    rules: [
        sensitive_service::RULE,
        loopback_reachable::RULE,
        unsafe_on_loopback::RULE,
        public_bind::RULE,
        wildcard_bind::RULE,
        private_bind::RULE,
        link_local_bind::RULE,
        dual_stack::RULE,
        one_loopback_family::RULE,
    ],
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        assert_eq!(super::PLUGIN.page_errors(), []);
    }
}
