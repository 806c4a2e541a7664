//! Which TCP sockets listen, asked of the kernel by `NETLINK_SOCK_DIAG` (linux: `sock_diag(7)`, `include/uapi/linux/inet_diag.h`).
//!
//! `/proc/net/tcp` says the same, but to write it the kernel goes through its whole table of connections, which grows with the
//! memory of the machine: milliseconds each time, for somebody who asks a hundred times a second. This question is about sockets
//! that listen, and nothing else is looked at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The question, and the kind of its answers: `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// Flags of a message: `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// Kinds of messages: `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// The set of states that is asked for: `1 << TCP_LISTEN`.
const LISTENING: u32 = 1 << 10;
/// The length of a message's header, in bytes.
const HEADER: usize = 16;
/// The length of a question, `struct inet_diag_req_v2`, in bytes.
const QUESTION: usize = 56;
/// Where an answer, `struct inet_diag_msg`, has the port and the address of the socket, in bytes.
const PORT_AT: usize = 4;
const ADDRESS_AT: usize = 8;
/// The most that the kernel says at once, in bytes.
const LARGEST: usize = 64 << 10;

/// The addresses on which TCP sockets listen in the network of this thread, in no order.
pub(super) fn listening() -> io::Result<Vec<SocketAddr>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut found = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        send(&socket, &question(family), SendFlags::empty())?;
        read_answers(&socket, &mut found)?;
    }
    Ok(found)
}

fn question(family: AddressFamily) -> Vec<u8> {
    // Both families have numbers that fit, and come first in the question.
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    let length = HEADER + QUESTION;
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(DUMP.to_ne_bytes());
    // The number of the question, and who asks: the kernel knows.
    message.extend([0; 8]);
    message.extend([family, TCP, 0, 0]);
    message.extend(LISTENING.to_ne_bytes());
    message.resize(length, 0);
    message
}

fn read_answers(socket: &OwnedFd, found: &mut Vec<SocketAddr>) -> io::Result<()> {
    let mut buffer = vec![0; LARGEST];
    loop {
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        let received = buffer.get(..length).unwrap_or_default();
        if received.is_empty() || has_ended(received, found)? {
            return Ok(());
        }
    }
}

/// Reads messages; whether the last one was among them.
fn has_ended(mut messages: &[u8], found: &mut Vec<SocketAddr>) -> io::Result<bool> {
    while let Some((kind, payload, rest)) = message(messages) {
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let number = word(payload, 0).map(u32::from_ne_bytes).unwrap_or_default();
                let number = 0_i32.wrapping_sub(number.cast_signed());
                return Err(io::Error::from_raw_os_error(number));
            }
            _ => found.extend(address(payload)),
        }
        messages = rest;
    }
    Ok(false)
}

/// The kind of the first message, what it says, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(word(bytes, 0)?)).ok()?;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let payload = bytes.get(HEADER..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, payload, rest))
}

/// The address of a socket.
fn address(answer: &[u8]) -> Option<SocketAddr> {
    let family = AddressFamily::from_raw((*answer.first()?).into());
    let port = u16::from_be_bytes(answer.get(PORT_AT..PORT_AT + 2)?.try_into().ok()?);
    let bytes = answer.get(ADDRESS_AT..ADDRESS_AT + 16)?;
    let address = match family {
        AddressFamily::INET => IpAddr::V4(Ipv4Addr::from(word(bytes, 0)?)),
        AddressFamily::INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_that_listen_are_found_and_connections_are_not() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                // Without IPv6 there is nothing to find.
                assert!(address.starts_with('['));
                continue;
            };
            let address = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(address).unwrap();
            let found = listening().unwrap();
            assert!(found.contains(&address), "{found:?}");
            assert!(!found.contains(&client.local_addr().unwrap()));
            drop(listener);
            assert!(!listening().unwrap().contains(&address));
        }
    }

    #[test]
    fn what_breaks_off_says_nothing() {
        let mut found = Vec::new();
        assert!(!has_ended(&[], &mut found).unwrap());
        assert!(!has_ended(&[200, 0, 0, 0, 20, 0], &mut found).unwrap());
        // A message that is shorter than its own header.
        let short = question(AddressFamily::INET);
        let mut short: Vec<u8> = short.into_iter().take(HEADER).collect();
        short[0] = 3;
        assert!(!has_ended(&short, &mut found).unwrap());
        assert_eq!(address(&[2, 10, 0, 0, 0, 80]), None);
        assert!(found.is_empty());
    }

    #[test]
    fn an_error_is_one() {
        let mut message = question(AddressFamily::INET);
        message[4] = 2;
        message[16..20].copy_from_slice(&(-2_i32).to_ne_bytes());
        let error = has_ended(&message, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
