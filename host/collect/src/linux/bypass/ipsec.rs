//! Policies of `IPsec` (`ip-xfrm(8)`): a packet that one selects has to come or leave protected, or not at all.

use loopgate_facts::{Bypass, BypassKind, Prefix, Untrusted};
use loopgate_firewall::address_set::IpVersion;
use loopgate_firewall::ruleset::{Family, Hook};
use rustix::io::Errno;

use super::Bypasses;
use super::rules::{Concerned, chain, family};
use crate::linux::errno::is;
use crate::linux::netlink::{NetlinkError, Request, Session, dump, find, retry};
use crate::linux::rtnetlink::{AF_INET, AF_INET6, short};

const NETLINK_XFRM: isize = 6;

pub(super) fn observe(bypasses: &mut Bypasses) {
    match read() {
        Ok((policies, defaults, keys)) => {
            add(&policies, &defaults, bypasses);
            bypasses.rules.ipsec = keys > 0 || !policies.is_empty();
        }
        Err(NetlinkError::Open(error)) if is(&error, Errno::PROTONOSUPPORT) => {}
        Err(error) => {
            bypasses.rules.ipsec = true;
            bypasses.refuse("IPsec policies", &error);
        }
    }
}

fn read() -> Result<(Vec<Policy>, Vec<Hook>, u32), NetlinkError> {
    Ok((policies()?, defaults()?, keys()?))
}

fn add(policies: &[Policy], defaults: &[Hook], bypasses: &mut Bypasses) {
    let mut add = |family, hook, concerned: Concerned, detail: Untrusted| {
        let what = Untrusted::from(format!("IPsec: {}", detail.as_str()));
        // Behind the rules: what they drop stays dropped.
        bypasses.rules.append(chain(family, (hook, i32::MAX), [(concerned, what)]));
        bypasses.found.push(Bypass { interface: None, kind: BypassKind::Ipsec, detail });
    };
    for policy in policies {
        add(family(policy.version), policy.hook, policy.concerned.clone(), policy.detail());
    }
    for hook in defaults {
        let detail = format!("the default policy blocks what no policy selects ({})", direction(*hook));
        add(Family::Inet, *hook, Concerned::default(), detail.into());
    }
}

fn direction(hook: Hook) -> &'static str {
    match hook {
        Hook::Forward => "forwarded",
        Hook::Output => "out",
        _ => "in",
    }
}

/// A policy that keeps packets from passing as they are.
#[derive(Debug, PartialEq, Eq)]
struct Policy {
    version: IpVersion,
    hook: Hook,
    concerned: Concerned,
}

impl Policy {
    fn detail(&self) -> Untrusted {
        let prefix = |prefix: Option<Prefix>| prefix.map_or_else(|| "any".to_owned(), |prefix| prefix.to_string());
        let Concerned { source, destination, .. } = self.concerned;
        let direction = direction(self.hook);
        format!("a policy from {} to {} ({direction})", prefix(source), prefix(destination)).into()
    }
}

/// `enum` of messages, `include/uapi/linux/xfrm.h`.
const XFRM_MSG_NEWPOLICY: u16 = 19;
const XFRM_MSG_GETPOLICY: u16 = 21;
const XFRM_MSG_GETDEFAULT: u16 = 40;

fn policies() -> Result<Vec<Policy>, NetlinkError> {
    /// `sizeof(struct xfrm_userpolicy_id)`.
    const ID: usize = 64;
    let (kind, answer, body) = (XFRM_MSG_GETPOLICY, XFRM_MSG_NEWPOLICY, vec![0; ID]);
    dump(&Request { protocol: NETLINK_XFRM, kind, answer, body }, parse)
}

/// A policy of which something depends. One that allows packets as they are changes nothing, and one of a single socket
/// concerns that socket of a key exchange alone.
fn parse(payload: &[u8]) -> Result<Option<Policy>, NetlinkError> {
    /// `sizeof(struct xfrm_userpolicy_info)`.
    const INFO: usize = 168;
    const DIRECTION: usize = 160;
    const ACTION: usize = 161;
    const ALLOW: u8 = 0;
    const XFRMA_TMPL: u16 = 5;
    let (info, rest) = payload.split_first_chunk::<INFO>().ok_or_else(short)?;
    let byte = |at: usize| info.get(at).copied().ok_or_else(short);
    let hook = match byte(DIRECTION)? {
        0 => Hook::Input,
        1 => Hook::Output,
        2 => Hook::Forward,
        _ => return Ok(None),
    };
    if byte(ACTION)? == ALLOW && find(rest, XFRMA_TMPL)?.is_none() {
        return Ok(None);
    }
    selector(info, hook).map(Some)
}

/// `struct xfrm_selector`: two addresses of sixteen bytes, two ports with masks, family, prefix lengths, protocol. What
/// else it may ask for, such as an interface, is not looked at: then it concerns more than it does.
fn selector(selector: &[u8], hook: Hook) -> Result<Policy, NetlinkError> {
    const DESTINATION: usize = 0;
    const SOURCE: usize = 16;
    const PORT: usize = 32;
    const FAMILY: usize = 40;
    const DESTINATION_LENGTH: usize = 42;
    const SOURCE_LENGTH: usize = 43;
    const PROTOCOL: usize = 44;
    let byte = |at: usize| selector.get(at).copied().ok_or_else(short);
    let pair = |at: usize| Ok::<_, NetlinkError>([byte(at)?, byte(at + 1)?]);
    let version = match u8::try_from(u16::from_ne_bytes(pair(FAMILY)?)) {
        Ok(AF_INET) => IpVersion::V4,
        Ok(AF_INET6) => IpVersion::V6,
        _ => return Err(NetlinkError::Malformed("an IPsec policy of no address family".to_owned())),
    };
    let prefix = |at: usize, length: usize| prefix(version, selector.get(at..).unwrap_or_default(), byte(length)?);
    let port = Some(u16::from_be_bytes(pair(PORT)?)).filter(|_| pair(PORT + 2).is_ok_and(|mask| mask == [0xff; 2]));
    let concerned = Concerned {
        source: prefix(SOURCE, SOURCE_LENGTH)?,
        destination: prefix(DESTINATION, DESTINATION_LENGTH)?,
        protocol: Some(byte(PROTOCOL)?).filter(|protocol| *protocol != 0),
        port,
        mark: None,
    };
    Ok(Policy { version, hook, concerned })
}

fn prefix(version: IpVersion, bytes: &[u8], length: u8) -> Result<Option<Prefix>, NetlinkError> {
    let octets = bytes.first_chunk::<16>().ok_or_else(short)?;
    let [a, b, c, d, ..] = *octets;
    let address = match version {
        IpVersion::V4 => [a, b, c, d].into(),
        IpVersion::V6 => (*octets).into(),
    };
    let prefix = Prefix::new(address, length).map_err(|error| NetlinkError::Malformed(error.to_string()))?;
    Ok(Some(prefix).filter(|_| length > 0))
}

/// How many security associations there are, each of which is a key to send or to receive with. They are counted, not
/// read.
fn keys() -> Result<u32, NetlinkError> {
    const XFRM_MSG_NEWSADINFO: u16 = 34;
    const XFRM_MSG_GETSADINFO: u16 = 35;
    let (kind, body) = (XFRM_MSG_GETSADINFO, vec![0; FLAGS]);
    let request = Request { protocol: NETLINK_XFRM, kind, answer: XFRM_MSG_NEWSADINFO, body };
    count(&retry(|room| Session::open(NETLINK_XFRM, room)?.ask(&request))?)
}

/// Flags stand before the attributes of the question and of the answer.
const FLAGS: usize = 4;

fn count(answer: &[u8]) -> Result<u32, NetlinkError> {
    const XFRMA_SAD_CNT: u16 = 1;
    Ok(find(answer.get(FLAGS..).ok_or_else(short)?, XFRMA_SAD_CNT)?.ok_or_else(short)?.u32()?)
}

/// The ways that are blocked for what no policy selects (since Linux 5.15).
fn defaults() -> Result<Vec<Hook>, NetlinkError> {
    const DEFAULT: usize = 3;
    const BLOCK: u8 = 1;
    let (kind, body) = (XFRM_MSG_GETDEFAULT, vec![0; DEFAULT]);
    let request = Request { protocol: NETLINK_XFRM, kind, answer: XFRM_MSG_GETDEFAULT, body };
    match retry(|room| Session::open(NETLINK_XFRM, room)?.ask(&request)) {
        // In the order `in`, `fwd`, `out`.
        Ok(answer) => {
            let hooks = [Hook::Input, Hook::Forward, Hook::Output].into_iter().zip(answer);
            Ok(hooks.filter(|(_, action)| *action == BLOCK).map(|(hook, _)| hook).collect())
        }
        Err(NetlinkError::Refused(error)) if is(&error, Errno::INVAL) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keys without policies are enough for packets to come in protected (`__xfrm_policy_check`,
    /// `net/xfrm/xfrm_policy.c`).
    #[test]
    fn keys_are_counted() {
        let answer = [[0; 4], [8, 0, 1, 0], [7, 0, 0, 0], [12, 0, 2, 0], [0; 4], [0; 4]].concat();
        assert_eq!(count(&answer).unwrap(), 7);
        assert!(count(&answer[..4]).is_err() && count(&answer[..10]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), known: bool) {
            if known && bytes.len() > 170 {
                (bytes[40], bytes[41], bytes[160]) = (AF_INET, 0, 0);
            }
            let _ = parse(&bytes);
        }
    }
}
