//! The network of a sandboxed process, seen from inside.
//!
//! A sandbox's own network has a loopback interface and nothing else. To talk to a server in it, a thread of ours enters
//! its network namespace, does one thing there, and ends; so no other thread is ever there, and nothing that is made there
//! reaches any other network. A network that is also the caller's is refused.

mod diag;

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::child::{Child, Output};
use crate::enter::Entered;
use crate::sandbox::{Network, Sandbox, SandboxError};

/// The state of a socket that listens, in `/proc/net/tcp` (linux: `TCP_LISTEN`, `include/net/tcp_states.h`).
const LISTENING: &str = "0A";

/// The network of one sandbox. It stays until this is dropped, whatever becomes of the process.
#[derive(Debug)]
pub struct ChildNetwork {
    // Invariant: not the caller's own network namespace.
    namespace: File,
}

impl ChildNetwork {
    /// The network of the process `pid`.
    pub(crate) fn of(pid: i32) -> io::Result<ChildNetwork> {
        use std::os::unix::fs::MetadataExt as _;
        let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
        let (theirs, ours) = (namespace.metadata()?, fs::metadata("/proc/self/ns/net")?);
        if (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()) {
            let text = "the sandbox has no network of its own";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(ChildNetwork { namespace })
    }

    /// Connects to `address` from inside of the sandbox's network; tries for as long as `timeout`.
    pub fn connect(&self, address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        self.inside(|| TcpStream::connect_timeout(&address, timeout))
    }

    /// Listens on `address` inside of the sandbox's network.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.inside(|| TcpListener::bind(address))
    }

    /// Runs `sandbox` to its end in this network instead of the caller's, beside the process that this is the network of.
    pub fn run(&self, sandbox: &Sandbox, entered: &Entered) -> Result<Output, SandboxError> {
        if sandbox.network != Network::Host {
            let reason = "it would have a network of its own";
            return Err(SandboxError::Invalid { reason });
        }
        let start = |source| SandboxError::Start {
            action: "enter the network",
            source,
        };
        // A process starts in the network of the thread that starts it.
        let apart = entered.apart().map_err(start)?;
        self.inside(|| Ok(sandbox.spawn(&apart).and_then(Child::wait_with_output)))
            .map_err(start)?
    }

    /// The addresses on which TCP sockets listen, sorted.
    pub fn listening(&self) -> io::Result<Vec<SocketAddr>> {
        // Kernels and sandboxes that do not answer have the tables.
        let mut found = self.inside(|| diag::listening().or_else(|_| listening_by_tables()))?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Does `work` in a thread that is in this network.
    fn inside<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let enter = || {
            move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        };
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("sandbox network".to_owned());
            match builder.spawn_scoped(scope, enter)?.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

/// The addresses on which TCP sockets listen in the network of this thread, by `/proc`.
fn listening_by_tables() -> io::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        match fs::read_to_string(format!("/proc/thread-self/net/{table}")) {
            Ok(table) => found.extend(table.lines().filter_map(listening_socket)),
            // A kernel without IPv6 has one of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The address of a line of `/proc/net/tcp` or `/proc/net/tcp6`, if its socket listens.
///
/// The addresses are 32-bit words in the byte order of the machine, in hexadecimal
/// (linux: `Documentation/networking/proc_net_tcp.rst`).
fn listening_socket(line: &str) -> Option<SocketAddr> {
    let mut columns = line.split_ascii_whitespace();
    let (_number, local, _remote) = (columns.next()?, columns.next()?, columns.next()?);
    if columns.next()? != LISTENING {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<[u8; 4]> = (0..address.len())
        .step_by(8)
        .map(|start| {
            let word = address.get(start..start + 8)?;
            Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
        })
        .collect::<Option<_>>()?;
    let address = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let found = listening_socket(line).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn sockets_that_listen_are_read() {
        check(
            "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1",
            Some("0.0.0.0:8080"),
        );
        check(
            "   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0",
            Some("[::]:80"),
        );
        if cfg!(target_endian = "little") {
            check(
                "   0: 0100007F:0035 00000000:0000 0A 00000000",
                Some("127.0.0.1:53"),
            );
            check(
                "   0: 00000000000000000000000001000000:0035 0:0 0A 00000000",
                Some("[::1]:53"),
            );
        }
    }

    #[test]
    fn both_ways_to_ask_find_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listening_by_tables().unwrap().contains(&address));
        assert!(diag::listening().unwrap().contains(&address));
    }

    #[test]
    fn other_lines_are_passed_over() {
        check(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when",
            None,
        );
        check("   0: 0100007F:0035 0100007F:1234 01 00000000", None);
        check("   0: 0100007:0035 00000000:0000 0A 00000000", None);
        check("   0: 0100007F:99999 00000000:0000 0A 00000000", None);
        check("", None);
    }

    #[test]
    fn the_caller_s_own_network_is_refused() {
        let own = i32::try_from(std::process::id()).unwrap();
        let error = ChildNetwork::of(own).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
