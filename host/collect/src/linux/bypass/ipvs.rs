//! IP virtual server (`ipvsadm(8)`), which takes packets to its services away behind the rules of the input hook.

use std::io;
use std::net::IpAddr;

use loopgate_facts::{Bypass, BypassKind, Prefix, Untrusted};
use loopgate_firewall::address_set::IpVersion;
use loopgate_firewall::ruleset::{Family, Hook};

use super::Bypasses;
use super::rules::{Concerned, chain, family};
use crate::linux::root::Root;

const FILE: &str = "proc/net/ip_vs";

/// A thousand services are listed in 100 KiB, with their servers.
const LIMIT: u64 = 16 << 20;

/// Where it takes packets (`ip_vs_ops4`, `net/netfilter/ipvs/ip_vs_core.c`): before source translation, and behind
/// destination translation of packets of this machine.
const PLACES: [(Hook, i32); 2] = [(Hook::Input, 98), (Hook::Output, -99)];

pub(super) fn observe(root: &Root, bypasses: &mut Bypasses) {
    match root.read(FILE, LIMIT) {
        Ok(content) => add(&String::from_utf8_lossy(&content), bypasses),
        // The module is not loaded.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => bypasses.refuse("IP virtual server", &error),
    }
}

fn add(content: &str, bypasses: &mut Bypasses) {
    for line in content.lines().filter(|line| is_service(line)) {
        let line = line.trim();
        let (family, concerned) = service(line).unwrap_or((Family::Inet, Concerned::default()));
        let what = Untrusted::from(format!("IP virtual server: {line}"));
        for place in PLACES {
            let rule = (concerned.clone(), Untrusted::clone(&what));
            bypasses.rules.append(chain(family, place, [rule]));
        }
        bypasses.found.push(Bypass { interface: None, kind: BypassKind::Ipvs, detail: line.into() });
    }
}

/// Lines of servers begin with a space or an arrow, those of the heading with these words (`ip_vs_info_seq_show`,
/// `net/netfilter/ipvs/ip_vs_ctl.c`).
fn is_service(line: &str) -> bool {
    let heading = ["IP Virtual Server", "Prot "].iter().any(|words| line.starts_with(words));
    !heading && line.starts_with(|first: char| !first.is_whitespace() && first != '-')
}

/// `TCP  C0A80001:0050 rr`, `UDP  [2001:0db8:...]:0035 wlc` or `FWM  00000001 wlc`; `None` if it is nothing of these.
fn service(line: &str) -> Option<(Family, Concerned)> {
    let mut words = line.split_whitespace();
    let (protocol, place) = (words.next()?, words.next()?);
    let protocol = match protocol {
        "TCP" => 6,
        "UDP" => 17,
        "SCTP" => 132,
        "FWM" => {
            let mark = u32::from_str_radix(place, 16).ok()?;
            return Some((Family::Inet, Concerned { mark: Some(mark), ..Concerned::default() }));
        }
        _ => return None,
    };
    let (address, port) = place.rsplit_once(':')?;
    let (address, port) = (self::address(address)?, u16::from_str_radix(port, 16).ok()?);
    let length = if address.is_ipv4() { 32 } else { 128 };
    let concerned = Concerned {
        destination: Some(Prefix::new(address, length).ok()?),
        protocol: Some(protocol),
        // Port 0 stands for every port (`ipvsadm -p`).
        port: Some(port).filter(|port| *port != 0),
        ..Concerned::default()
    };
    Some((family(IpVersion::of(address)), concerned))
}

fn address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(text) => text.parse().ok(),
        None if text.len() == 8 => Some(u32::from_str_radix(text, 16).ok()?.to_be_bytes().into()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "IP Virtual Server version 1.2.1 (size=4096)\n\
        Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n\
        TCP  C0A80001:0050 rr  \n  -> 0A000002:0050      Masq    1      0          0         \n\
        UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 wlc \nFWM  00000007 wlc\nXYZ what\n";

    fn found() -> Bypasses {
        let mut bypasses = Bypasses::default();
        add(TABLE, &mut bypasses);
        bypasses
    }

    #[test]
    fn services_are_found_and_servers_are_not() {
        let details: Vec<_> = found().found.iter().map(|bypass| bypass.detail.as_str().to_owned()).collect();
        assert_eq!(details.len(), 4);
        assert_eq!(details[0], "TCP  C0A80001:0050 rr");
    }

    #[test]
    fn a_service_concerns_its_address_and_port_and_a_strange_one_everything() {
        let (family, concerned) = service("TCP  C0A80001:0050 rr").unwrap();
        assert_eq!(
            (family, concerned.destination, concerned.port),
            (Family::Ip, "192.168.0.1/32".parse().ok(), Some(80))
        );
        assert_eq!(service("UDP  [2001:db8::1]:0035 wlc").unwrap().0, Family::Ip6);
        assert_eq!(service("FWM  00000007 wlc").unwrap().1.mark, Some(7));
        assert_eq!(service("XYZ what"), None);
        assert_eq!(found().rules.chains.len(), 8);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC*") {
            add(&text, &mut Bypasses::default());
            let _ = service(&format!("TCP {text}"));
        }
    }
}
