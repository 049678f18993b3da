//! A server that a test starts, and ends.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with the test.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let program = command.get_program().display().to_string();
        Self(child.unwrap_or_else(|error| panic!("{program} cannot be run (`make setup-test` installs it): {error}")))
    }

    /// Waits until each address accepts connections. A wildcard is connected to over loopback.
    pub(crate) fn serving(self, addresses: &[SocketAddr]) -> Self {
        for address in addresses {
            until(&format!("{address} accepts connections"), || TcpStream::connect(address).is_ok());
        }
        self
    }

    /// Waits until a UDP port is bound, by the kernel's own table: trying to bind it could take it from the server.
    pub(crate) fn holding_udp(self, port: u16) -> Self {
        let bound = format!(":{port:04X} ");
        until(&format!("UDP port {port} is bound"), || fs::read_to_string("/proc/net/udp").unwrap().contains(&bound));
        self
    }

    pub(crate) fn pid(&self) -> u64 {
        u64::from(self.0.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A request first: nginx's master ends its workers then.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Looks again and again until something is so. A machine on which it never is fails the test.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "still not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
