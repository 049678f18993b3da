//! What is at the other ends of the host's devices: a network namespace that a thread of this process lives in.

use std::fmt::Write as _;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

use crate::arena::{ip, mac, set};
use crate::connect;
use crate::packet::Packet;
use crate::plan::{self, LINKS};
use crate::wire::Wire;

/// The other ends of the host's devices.
pub struct Peer {
    wires: Vec<Wire>,
    jobs: Sender<Vec<connect::Attempt>>,
    results: Receiver<io::Result<Vec<bool>>>,
}

/// A peer whose devices the host has not made yet.
pub(crate) struct Starting {
    go_on: Sender<()>,
    wires: Receiver<io::Result<Vec<Wire>>>,
    jobs: Sender<Vec<connect::Attempt>>,
    results: Receiver<io::Result<Vec<bool>>>,
}

impl Peer {
    /// Starts the thread, which tells its number (`gettid(2)`) as soon as it is in its own network namespace.
    pub(crate) fn start(tell: Sender<io::Result<i32>>) -> Starting {
        let (go_on, wait) = mpsc::channel();
        let (tell_wires, wires) = mpsc::channel();
        let (jobs, todo) = mpsc::channel::<Vec<connect::Attempt>>();
        let (done, results) = mpsc::channel();
        thread::spawn(move || {
            let moved = own_namespace().map(|()| gettid().as_raw_nonzero().get());
            _ = tell.send(moved);
            if wait.recv().is_ok() {
                _ = tell_wires.send(settle());
            }
            for attempts in todo {
                _ = done.send(connect::finish(&connect::begin(&attempts)));
            }
        });
        Starting { go_on, wires, jobs, results }
    }

    /// Sends a packet to the host, by the device of this position in [`LINKS`].
    pub fn send(&self, link: usize, packet: &Packet) -> io::Result<()> {
        self.wires.get(link).map_or(Ok(()), |wire| wire.send(packet))
    }

    /// What the host has sent since, with the position of the device in [`LINKS`].
    pub fn receive(&self) -> io::Result<Vec<(usize, Packet)>> {
        let mut packets = Vec::new();
        for (link, wire) in self.wires.iter().enumerate() {
            packets.extend(wire.receive()?.into_iter().map(|packet| (link, packet)));
        }
        Ok(packets)
    }

    /// Connects from the client, and says which connections came about. Meanwhile the host and its other neighbours are
    /// given their turn.
    pub fn connect(
        &self,
        attempts: Vec<connect::Attempt>,
        mut meanwhile: impl FnMut() -> io::Result<()>,
    ) -> io::Result<Vec<bool>> {
        self.jobs.send(attempts).map_err(io::Error::other)?;
        loop {
            meanwhile()?;
            match self.results.try_recv() {
                Ok(results) => return results,
                Err(mpsc::TryRecvError::Empty) => thread::yield_now(),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Starting {
    /// Takes the devices over, once they are there.
    pub(crate) fn connect(self) -> io::Result<Peer> {
        self.go_on.send(()).map_err(io::Error::other)?;
        let wires = self.wires.recv().map_err(io::Error::other)??;
        Ok(Peer { wires, jobs: self.jobs, results: self.results })
    }
}

#[expect(unsafe_code, reason = "there is no other way to be in two network namespaces")]
fn own_namespace() -> io::Result<()> {
    // SAFETY: only the network namespace of this thread changes; no memory or descriptor is concerned.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET)? };
    Ok(())
}

/// Addresses for the client, none for the wires: nothing answers there but the tests.
fn settle() -> io::Result<Vec<Wire>> {
    let mut batch = String::from("link set lo up\n");
    for link in LINKS {
        let device = link.peer_device();
        set(&format!("ipv6/conf/{device}/accept_dad"), 0)?;
        set(&format!("ipv6/conf/{device}/accept_ra"), 0)?;
        if link.device != "eth2" {
            set(&format!("ipv6/conf/{device}/disable_ipv6"), 1)?;
        }
        _ = writeln!(batch, "link set {device} up");
    }
    batch.push_str(&client());
    ip(&batch)?;
    LINKS.into_iter().map(Wire::open).collect()
}

fn client() -> String {
    let [.., link] = LINKS;
    let (device, mac) = (link.peer_device(), mac(link.host_mac()));
    let mut batch = String::new();
    for address in plan::CLIENT_V4 {
        _ = writeln!(batch, "address add {address}/24 dev {device}");
    }
    for address in plan::CLIENT_V6 {
        _ = writeln!(batch, "address add {address}/64 dev {device} nodad");
    }
    let (v4, v6) = (link.host_v4(), link.v6(1));
    _ = writeln!(
        batch,
        "neighbour add {v4} lladdr {mac} nud permanent dev {device}\n\
         neighbour add {v6} lladdr {mac} nud permanent dev {device}\n\
         route add default via {v4} dev {device}\nroute add default via {v6} dev {device}"
    );
    batch
}
