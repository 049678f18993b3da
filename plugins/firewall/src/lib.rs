//! Built-in plugin: what the packet filter does, beyond single listeners.

mod default_deny_input;
mod ipv6_open;
mod listener_without_rule;
mod localhost_blocked;
mod loopback_accepted_first;
mod loopback_publish_reachable;
mod open_port_without_listener;
mod published_port_bypasses_input;
mod shadowed_rule;
mod spoofed_loopback_dropped;
mod unused;

loopgate_plugin::plugin! {
    name: "firewall",
    parameters: loopgate_plugin::NoParameters,
    rules: [
        loopback_publish_reachable::RULE,
        published_port_bypasses_input::RULE,
        loopback_accepted_first::RULE,
        localhost_blocked::RULE,
        spoofed_loopback_dropped::RULE,
        default_deny_input::RULE,
        ipv6_open::RULE,
        shadowed_rule::RULE,
        open_port_without_listener::RULE,
        listener_without_rule::RULE,
    ],
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        assert_eq!(super::PLUGIN.page_errors(), []);
    }
}
