//! Who can reach each listener: the rules that were read, the routes that the kernel answers for, and the listeners,
//! joined.

use loopgate_facts::{Area, Facts};
use loopgate_firewall::evaluate::{Evaluator, Machine};
use loopgate_firewall::reach::{Addresses, of_socket, published, summarise};

use super::firewall::{self, Rules};
use super::interfaces::Devices;
use super::root::Root;
use super::routing::KernelRouting;
use crate::gaps::Gaps;

/// Fills in the firewall, the routing, and who can reach each listener.
pub(super) fn observe(facts: &mut Facts, devices: &Devices, root: &Root, gaps: &mut Gaps) {
    let rules = firewall::read(root);
    rules.report(gaps);
    facts.firewall.backends = rules.backends();
    match KernelRouting::new(devices, &facts.interfaces) {
        Ok(routing) => join(facts, devices, &rules, &routing),
        Err(error) => gaps.area(Area::Firewall, error, "how packets are routed, and so who can reach a listener"),
    }
}

fn join(facts: &mut Facts, devices: &Devices, rules: &Rules, routing: &KernelRouting) {
    let evaluated = devices.evaluated(&facts.bypasses);
    let machine = Machine { ruleset: rules.ruleset(), devices: &evaluated, routing };
    let mut evaluator = Evaluator::new(machine);
    let addresses = Addresses::new(&facts.interfaces, &facts.local_routes);
    let sockets = facts.listeners.clone();
    for listener in &mut facts.listeners {
        listener.reachability = of_socket(&mut evaluator, listener, &sockets, &facts.interfaces, &addresses);
    }
    facts.listeners.extend(published(&mut evaluator, &facts.interfaces, &addresses, &sockets));
    summarise(&mut evaluator, &facts.interfaces, &facts.listeners, &mut facts.firewall);
    facts.routing = routing.facts(devices);
}
