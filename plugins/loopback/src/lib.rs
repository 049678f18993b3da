//! Built-in plugin: whether loopback is what programs take it for.

mod addresses;
mod elsewhere;
mod hosts_file;
mod interface_up;
mod ipv6;
mod probes;
mod reachable_on_lo;
mod resolver;

loopgate_plugin::plugin! {
    name: "loopback",
    parameters: loopgate_plugin::NoParameters,
    rules: [
        interface_up::RULE,
        addresses::RULE,
        probes::RULE,
        hosts_file::RULE,
        resolver::RULE,
        elsewhere::RULE,
        reachable_on_lo::RULE,
    ],
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        assert_eq!(super::PLUGIN.page_errors(), []);
    }
}
