//! Tries one ruleset by hand: nft syntax, lines "! command", lines "> LINK tcp|udp SOURCE DESTINATION".
#![allow(warnings, clippy::all, clippy::pedantic)]
use loopgate_test_differential::{arena::*, probe::*, packet::Protocol};
use std::io::Read;
fn main() {
    let mut arena = Arena::new().unwrap();
    arena.apply(Settings{forwarding:true,route_localnet:false}).unwrap();
    let mut t=String::new(); std::io::stdin().read_to_string(&mut t).unwrap();
    let (mut nft, mut probes)=(String::new(), vec![]);
    for l in t.lines() { if let Some(p)=l.strip_prefix("> ") { let w: Vec<&str>=p.split(' ').collect(); probes.push(Probe{link:w[0].parse().unwrap(),protocol: if w[1]=="tcp" {Protocol::Tcp} else {Protocol::Udp},source:w[2].parse().unwrap(),destination:w[3].parse().unwrap()}); } else if let Some(c)=l.strip_prefix("! ") { let o=std::process::Command::new("sh").arg("-c").arg(c).output().unwrap(); println!("{}{}",String::from_utf8_lossy(&o.stdout),String::from_utf8_lossy(&o.stderr)); } else { nft.push_str(l); nft.push('\n'); } }
    let l=loopgate_test_differential::nftables::Nftables::open().unwrap();
    if !nft.trim().is_empty() { l.run(&nft).unwrap(); }
    for p in probes { arena.forget_connections().unwrap(); println!("{:?} {} -> {}: {:?}", p.protocol,p.source,p.destination, fire(&arena, 1000, &[p]).unwrap()[0]); }
    let o=std::process::Command::new("sh").arg("-c").arg("nft list ruleset; conntrack -L 2>/dev/null; cat /proc/net/nf_conntrack").output().unwrap(); println!("{}",String::from_utf8_lossy(&o.stdout));
}
