//! Who can reach each listener: the rules that were read, the routes that the kernel answers for, and the listeners,
//! joined.

use std::path::Path;

use loopgate_facts::{Area, BlockReason, Facts, ReachVerdict, Reachability};
use loopgate_firewall::Ruleset;
use loopgate_firewall::evaluate::{Device, Evaluator, Machine};
use loopgate_firewall::reach::{Addresses, Answers, Local, Publications, Unfollowed, of_socket, published, summarise};
use loopgate_firewall::rule::{Op, Verdict};

use super::LinuxCollector;
use super::bypass;
use super::firewall::{self, Rules};
use super::interfaces::Devices;
use super::root::Root;
use super::routing::KernelRouting;
use super::settings::{self, Conf};
use crate::Collector as _;
use crate::gaps::Gaps;

/// Fills in the firewall, the routing, and who can reach each listener.
pub(super) fn observe(facts: &mut Facts, devices: &Devices, root: &Root, gaps: &mut Gaps) {
    let mut rules = firewall::read(root);
    let beside = bypass::observe(devices, root, gaps);
    facts.bypasses.extend(beside.found);
    rules.append(beside.rules);
    rules.report(gaps);
    facts.firewall.backends = rules.backends();
    match KernelRouting::new(devices, &facts.interfaces, root) {
        Ok(routing) => {
            facts.bypasses.extend(routing.bypasses());
            join(facts, devices, &rules, &routing, gaps);
        }
        Err(error) => gaps.area(Area::Firewall, error, "how packets are routed, and so who can reach a listener"),
    }
}

fn join(facts: &mut Facts, devices: &Devices, rules: &Rules, routing: &KernelRouting, gaps: &mut Gaps) {
    let evaluated = devices.evaluated(&facts.bypasses);
    let machine = Machine { ruleset: rules.ruleset(), devices: &evaluated, routing };
    let mut evaluator = Evaluator::new(machine);
    let addresses = addresses(&machine, facts, routing);
    let sockets = facts.listeners.clone();
    let proxies = hands_over(machine.ruleset);
    let mut answers = Answers::new(&mut evaluator);
    for listener in &mut facts.listeners {
        listener.reachability = of_socket(&mut answers, listener, &sockets, &facts.interfaces, &addresses);
        if bypass::is_transparent(&facts.bypasses, listener) {
            listener.reachability.iter_mut().for_each(|entry| doubt(entry, proxies));
        }
    }
    let Publications { listeners, obstacles } = published(&mut answers, &facts.interfaces, &addresses, &sockets);
    facts.listeners.extend(listeners);
    for obstacle in obstacles {
        report(obstacle, gaps);
    }
    summarise(&mut evaluator, &facts.interfaces, &facts.listeners, &mut facts.firewall);
    facts.routing = routing.facts(devices);
}

fn addresses(machine: &Machine<'_>, facts: &Facts, routing: &KernelRouting) -> Addresses {
    let (cuts, anycast) = (routing.cuts_of_local_prefixes(&facts.local_routes), routing.anycast());
    let (interfaces, routes) = (&facts.interfaces, &facts.local_routes);
    Addresses::new(machine, &Local { interfaces, routes, cuts: &cuts, anycast: &anycast })
}

fn report(Unfollowed { rule, because }: Unfollowed, gaps: &mut Gaps) {
    let subject = rule.unwrap_or_else(|| "address translation".into());
    gaps.subject(Area::Firewall, subject, because.as_str(), "which ports are published, and who can reach them");
}

/// What does not arrive by itself may still be handed to a transparent socket, if some rule hands packets over. Its
/// answers leave with sources that the kernel is not asked about.
fn doubt(entry: &mut Reachability, handed_over: bool) {
    let because = match (entry.verdict, entry.reason) {
        (ReachVerdict::Blocked, _) if handed_over => "a rule may hand it packets that are sent elsewhere (tproxy)",
        (ReachVerdict::Blocked, Some(BlockReason::AnswerNotRouted | BlockReason::AnswerBlocked)) => {
            "how a transparent socket answers from an address of others"
        }
        _ => return,
    };
    entry.verdict = ReachVerdict::Unknown;
    entry.reason = None;
    entry.unknown_because = vec![because.into()];
}

fn hands_over(ruleset: &Ruleset) -> bool {
    let ops = ruleset.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.ops);
    ops.into_iter().any(|op| matches!(op, Op::Verdict(Verdict::TransparentProxy { .. })))
}

/// What the answers about a machine depend on besides its rules.
pub struct Surroundings {
    devices: Vec<Device>,
    routing: KernelRouting,
}

impl Surroundings {
    /// Those of this machine. They hold until a device, a route or a setting changes.
    pub fn this_machine() -> Result<Self, InquiryError> {
        let (root, mut gaps) = (Root::new(Path::new("/")), Gaps::default());
        let devices = Devices::observe(&mut gaps);
        let all = Conf::of(&settings::observe(&root, &mut gaps), &mut gaps);
        let routing = KernelRouting::new(&devices, &devices.interfaces(all, &root), &root);
        let routing = routing.map_err(|error| InquiryError(error.to_string()))?;
        Ok(Self { devices: devices.evaluated(&[]), routing })
    }

    /// The rules that this machine has now.
    pub fn rules() -> Ruleset {
        firewall::read(&Root::new(Path::new("/"))).into_ruleset()
    }

    /// The devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Answers questions about them with some rules.
    pub fn evaluator<'a>(&'a self, ruleset: &'a Ruleset) -> Evaluator<'a> {
        Evaluator::new(Machine { ruleset, devices: &self.devices, routing: &self.routing })
    }
}

/// A machine to ask questions about.
pub struct Inquiry {
    facts: Facts,
    ruleset: Ruleset,
    devices: Vec<Device>,
    routing: KernelRouting,
}

/// Why questions cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("the routing tables of this machine cannot be read: {0}")]
pub struct InquiryError(String);

impl Inquiry {
    /// This machine, with its own rules or with others in their place.
    pub fn this_machine(rules: Option<Ruleset>) -> Result<Self, InquiryError> {
        let facts = LinuxCollector::new().collect();
        let devices = Devices::observe(&mut Gaps::default());
        let root = Root::new(Path::new("/"));
        let mut ruleset = rules.unwrap_or_else(|| firewall::read(&root).into_ruleset());
        ruleset.append(bypass::observe(&devices, &root, &mut Gaps::default()).rules);
        let routing =
            KernelRouting::new(&devices, &facts.interfaces, &root).map_err(|error| InquiryError(error.to_string()))?;
        Ok(Self { devices: devices.evaluated(&facts.bypasses), facts, ruleset, routing })
    }

    /// What was observed of the machine.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The addresses that packets can be sent to.
    pub fn addresses(&self) -> Addresses {
        addresses(&self.machine(), &self.facts, &self.routing)
    }

    /// Answers questions about it.
    pub fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(self.machine())
    }

    fn machine(&self) -> Machine<'_> {
        Machine { ruleset: &self.ruleset, devices: &self.devices, routing: &self.routing }
    }
}

#[cfg(test)]
mod tests;
