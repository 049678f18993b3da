//! Built-in plugin: the controls of the CIS benchmarks about loopback and about what listens, by their intent.
//!
//! The benchmarks have a control for each tool that can manage the packet filter. Each is a rule of its own here, and not
//! applicable where that tool is not what filters. Where nothing filters, `loopback-nftables` speaks for all of them.

mod loopback;
mod loopback_firewalld;
mod loopback_ip6tables;
mod loopback_iptables;
mod loopback_nftables;
mod loopback_ufw;
mod managers;
mod mta_local_only;
mod open_ports;
mod open_ports_ip6tables;
mod open_ports_iptables;
mod open_ports_ufw;

loopgate_plugin::plugin! {
    name: "cis",
    parameters: loopgate_plugin::NoParameters,
    rules: [
        mta_local_only::RULE,
        loopback_ufw::RULE,
        loopback_nftables::RULE,
        loopback_iptables::RULE,
        loopback_ip6tables::RULE,
        loopback_firewalld::RULE,
        open_ports_ufw::RULE,
        open_ports_iptables::RULE,
        open_ports_ip6tables::RULE,
    ],
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_page_can_be_read() {
        assert_eq!(super::PLUGIN.page_errors(), []);
    }
}
