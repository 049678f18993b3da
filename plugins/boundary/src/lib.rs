//! Built-in plugin: settings of the kernel that open the boundary of loopback.

mod accept_local;
mod ipv6_half_disabled;
mod nonlocal_bind;
mod route_localnet;
mod rp_filter;
mod settings;

loopgate_plugin::plugin! {
    name: "boundary",
    parameters: loopgate_plugin::NoParameters,
    rules: [
        route_localnet::RULE,
        accept_local::RULE,
        rp_filter::RULE,
        nonlocal_bind::RULE,
        ipv6_half_disabled::RULE,
    ],
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        assert_eq!(super::PLUGIN.page_errors(), []);
    }
}
