//! Effects, translations and verdicts.

use std::net::IpAddr;

use super::values::Form;
use super::{Content, Writer};
use crate::notation::names::{CONNTRACK, Kind, Layer, META, Network, field, header};
use crate::rule::{Effect, End, Note, Operand, Register, Target, Translation, Verdict};
use crate::ruleset::{ChainId, Family, Ruleset};

impl<'r> Writer<'r> {
    pub(super) fn note(&mut self, note: &Note) {
        match note {
            Note::Counter { packets, bytes } => self.say(format!("counter packets {packets} bytes {bytes}")),
            Note::Other(text) => self.say(text.as_str()),
        }
    }

    pub(super) fn effect(&mut self, effect: &Effect) {
        let mark = Form::whole(Kind::Mark, 4);
        let text = match effect {
            Effect::SetMark { keep, xor } => format!("meta mark set {}", new_mark("meta mark", *keep, *xor)),
            Effect::SetConntrackMark { keep, xor } => format!("ct mark set {}", new_mark("ct mark", *keep, *xor)),
            Effect::SetMarkFrom(register) => format!("meta mark set {}", self.operand(*register, &[mark])),
            Effect::SetConntrackMarkFrom(register) => format!("ct mark set {}", self.operand(*register, &[mark])),
            Effect::SaveMark { keep: 0, mask: u32::MAX } => "ct mark set meta mark".to_owned(),
            Effect::RestoreMark { keep: 0, mask: u32::MAX } => "meta mark set ct mark".to_owned(),
            Effect::SaveMark { keep, mask } => format!("[ct mark = ct mark & {keep:#x} ^ meta mark & {mask:#x}]"),
            Effect::RestoreMark { keep, mask } => format!("[meta mark = meta mark & {keep:#x} ^ ct mark & {mask:#x}]"),
            Effect::NoTrack => "notrack".to_owned(),
            Effect::ChangeIpSets(_) => "xt target \"SET\"".to_owned(),
            Effect::Write { name, .. } => return self.write(name.as_str()),
        };
        self.say(text);
    }

    /// A value is written from the first register, as `nft` always has it.
    fn write(&mut self, name: &str) {
        let written = written(name);
        let has_value = self.cell(FIRST).is_some_and(|cell| !cell.used);
        let text = match (written, has_value) {
            (Some((form, _)), true) => format!("{name} set {}", self.operand(FIRST, &[form])),
            (None, true) => format!("{name} set {}", self.operand(FIRST, &[])),
            (_, false) => format!("[writes {name}]"),
        };
        self.say_of(written.and_then(|(_, layer)| layer), text);
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Reject(how) => self.reject(how.as_str()),
            Verdict::Translate(translation) => self.translate(translation),
            Verdict::TransparentProxy { address, port } => self.tproxy(address.as_ref(), port.as_ref()),
            verdict => self.say(verdict_word(self.ruleset, verdict)),
        }
    }

    fn reject(&mut self, how: &str) {
        let layer = match how.split(' ').next() {
            Some("icmp") => Some(Layer::Network(Network::Ipv4)),
            Some("icmpv6") => Some(Layer::Network(Network::Ipv6)),
            Some("tcp") => Some(Layer::Transport(6, None)),
            _ => None,
        };
        let is_default = how
            == match self.context.family {
                Family::Ip => "icmp port-unreachable",
                Family::Ip6 => "icmpv6 port-unreachable",
                _ => "icmpx port-unreachable",
            };
        let text = if is_default || how.is_empty() { "reject".to_owned() } else { format!("reject with {how}") };
        self.say_of(layer, text);
    }

    fn translate(&mut self, translation: &Translation) {
        let word = match (&translation.target, translation.end) {
            (Target::Redirect, _) => "redirect",
            (Target::Masquerade, _) => "masquerade",
            (_, End::Source) => "snat",
            (_, End::Destination) => "dnat",
        };
        let network = self.network_of(&translation.target);
        let address = self.address(&translation.target, network);
        let ports = translation.ports.as_ref().and_then(|ports| self.ports(translation, ports));
        let prefix = if matches!(translation.target, Target::Prefix(..)) { " prefix" } else { "" };
        let to = match (address, ports) {
            (None, None) => String::new(),
            (Some(address), None) => format!("{} to {address}", self.family_word(network) + prefix),
            (None, Some(ports)) => format!(" to :{ports}"),
            (Some(address), Some(ports)) => {
                let address =
                    if address.contains(':') && network == Some(Network::Ipv6) { bracketed(&address) } else { address };
                format!("{} to {address}:{ports}", self.family_word(network) + prefix)
            }
        };
        self.say_of(network.map(Layer::Network), format!("{word}{to}"));
    }

    /// The family is said where the table has several.
    fn family_word(&self, network: Option<Network>) -> String {
        match (self.context.family, network) {
            (Family::Inet, Some(Network::Ipv4)) => " ip".to_owned(),
            (Family::Inet, Some(Network::Ipv6)) => " ip6".to_owned(),
            _ => String::new(),
        }
    }

    fn network_of(&self, target: &Target) -> Option<Network> {
        match target {
            Target::Addresses(Some((first, _))) => match first {
                Operand::Address(address) => Some(network_of(*address)),
                Operand::Port(_) => None,
                Operand::Register(register) => match self.cell(*register).map(|cell| &cell.content) {
                    Some(Content::Constant(bytes)) if bytes.len() == 4 => Some(Network::Ipv4),
                    Some(Content::Constant(bytes)) if bytes.len() == 16 => Some(Network::Ipv6),
                    _ => self.context.network,
                },
            },
            Target::Prefix(address, _) => Some(network_of(*address)),
            Target::Unknown(_) => self.context.network,
            Target::Addresses(None) | Target::Redirect | Target::Masquerade => None,
        }
    }

    fn address(&mut self, target: &Target, network: Option<Network>) -> Option<String> {
        match target {
            Target::Addresses(None) | Target::Redirect | Target::Masquerade => None,
            Target::Addresses(Some((first, last))) => Some(self.addresses(first, last, network)),
            Target::Prefix(address, mask) => Some(prefix(*address, *mask)),
            Target::Unknown(what) => Some(self.unknown_address(what.as_str())),
        }
    }

    /// What could be said of it: a map, where one gives it.
    fn unknown_address(&mut self, what: &str) -> String {
        let register = Operand::Register(FIRST);
        let is_map = matches!(self.content(&register), Some(Content::Mapped(..)));
        if is_map { format!("[{what}: {}]", self.operand(FIRST, &[])) } else { format!("[{what}]") }
    }

    fn addresses(&mut self, first: &Operand, last: &Operand, network: Option<Network>) -> String {
        let form = match network {
            Some(Network::Ipv6) => Form::whole(Kind::Ipv6, 16),
            _ => Form::whole(Kind::Ipv4, 4),
        };
        if let (Operand::Register(register), Some(Content::Mapped(text, set, key))) = (first, self.content(first)) {
            self.take(*register);
            let data = match self.ruleset.set(set).and_then(|set| set.data_length) {
                Some(length) if length == form.bytes => vec![form],
                Some(length) if length == form.bytes * 2 => {
                    if last == first {
                        vec![form, Form::whole(Kind::Service, 2)]
                    } else {
                        vec![form, form]
                    }
                }
                _ => vec![form, Form::whole(Kind::Service, 2)],
            };
            return self.mapped(&text, set, &key, &data);
        }
        let low = self.constant(first, &form);
        if first == last { low } else { format!("{low}-{}", self.constant(last, &form)) }
    }

    fn content(&self, operand: &Operand) -> Option<Content<'r>> {
        let Operand::Register(register) = operand else { return None };
        self.cell(*register).map(|cell| cell.content.clone())
    }

    fn constant(&mut self, operand: &Operand, form: &Form) -> String {
        match operand {
            Operand::Address(address) => address.to_string(),
            Operand::Port(port) => port.to_string(),
            Operand::Register(register) => self.operand(*register, std::slice::from_ref(form)),
        }
    }

    /// The ports of a translation; `None` where the map of the address gives them too.
    fn ports(&mut self, translation: &Translation, (low, high): &(Operand, Operand)) -> Option<String> {
        let from_map =
            |operand: &Operand| matches!(operand, Operand::Register(register) if self.cell(*register).is_none());
        if let Target::Addresses(Some((address @ Operand::Register(_), _))) = &translation.target
            && matches!(self.content(address), Some(Content::Mapped(..)))
            && (from_map(low) || low != address)
        {
            return None;
        }
        let form = Form::whole(Kind::Service, 2);
        let first = self.constant(low, &form);
        Some(if low == high { first } else { format!("{first}-{}", self.constant(high, &form)) })
    }

    fn tproxy(&mut self, address: Option<&Operand>, port: Option<&Operand>) {
        let network = match address {
            Some(address) => self.network_of(&Target::Addresses(Some((address.clone(), address.clone())))),
            None => None,
        };
        let form = Form::whole(
            if network == Some(Network::Ipv6) { Kind::Ipv6 } else { Kind::Ipv4 },
            if network == Some(Network::Ipv6) { 16 } else { 4 },
        );
        let address = address.map(|address| self.constant(address, &form));
        let port = port.map(|port| format!(":{}", self.constant(port, &Form::whole(Kind::Service, 2))));
        let address = match (address, &port) {
            (Some(address), Some(_)) if network == Some(Network::Ipv6) => bracketed(&address),
            (address, _) => address.unwrap_or_default(),
        };
        let family = self.family_word(network);
        self.say_of(network.map(Layer::Network), format!("tproxy{family} to {address}{}", port.unwrap_or_default()));
    }
}

/// Where what is written comes from.
const FIRST: Register = Register(0);

/// The form of something that can be written, by its name.
fn written(name: &str) -> Option<(Form, Option<Layer>)> {
    let (first, rest) = name.split_once(' ')?;
    match first {
        "meta" => META.iter().find(|meta| meta.name == rest).map(|meta| (Form::whole(meta.kind, meta.bytes), None)),
        "ct" => CONNTRACK.iter().find(|ct| ct.name == rest).map(|ct| (Form::whole(ct.kind, ct.bytes), None)),
        _ => {
            let header = header(first)?;
            let field = field(header, rest)?;
            let (start, end) = (field.offset / 8, (field.offset + field.bits).div_ceil(8));
            let shift = end * 8 - field.offset - field.bits;
            let (kind, bits, bytes) = (field.kind, field.bits, end - start);
            Some((Form { kind, bits, bytes, shift, swapped: false, raw: false }, Some(header.layer)))
        }
    }
}

fn network_of(address: IpAddr) -> Network {
    if address.is_ipv4() { Network::Ipv4 } else { Network::Ipv6 }
}

/// The addresses of IPv6 before a port, in brackets.
fn bracketed(addresses: &str) -> String {
    addresses.split('-').map(|address| format!("[{address}]")).collect::<Vec<_>>().join("-")
}

fn prefix(address: IpAddr, mask: IpAddr) -> String {
    let bits = match mask {
        IpAddr::V4(mask) => super::values::mask_length(&mask.octets()),
        IpAddr::V6(mask) => super::values::mask_length(&mask.octets()),
    };
    bits.map_or_else(|| format!("[{address} & {mask}]"), |bits| format!("{address}/{bits}"))
}

fn new_mark(name: &str, keep: u32, xor: u32) -> String {
    match (keep, xor) {
        (0, xor) => format!("{xor:#010x}"),
        (keep, 0) => format!("{name} & {keep:#010x}"),
        (u32::MAX, xor) => format!("{name} ^ {xor:#010x}"),
        (keep, xor) if keep == !xor => format!("{name} | {xor:#010x}"),
        (keep, xor) if keep & xor == 0 => format!("{name} & {:#010x} | {xor:#010x}", keep | xor),
        (keep, xor) => format!("{name} & {keep:#010x} ^ {xor:#010x}"),
    }
}

/// A verdict without operands.
pub(super) fn verdict_word(ruleset: &Ruleset, verdict: &Verdict) -> String {
    let name = |id: &ChainId| ruleset.chain(*id).map(|chain| chain.name.as_str().to_owned()).unwrap_or_default();
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Continue => "continue".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {}", name(chain)),
        Verdict::Goto(chain) => format!("goto {}", name(chain)),
        Verdict::Queue { bypass: true } => "queue flags bypass".to_owned(),
        Verdict::Queue { bypass: false } => "queue".to_owned(),
        Verdict::Stolen(how) => how.as_str().to_owned(),
        Verdict::Reject(how) => format!("reject with {}", how.as_str()),
        // No map gives these.
        Verdict::Translate(_) => "[an address translation]".to_owned(),
        Verdict::TransparentProxy { .. } => "[a transparent proxy]".to_owned(),
    }
}
