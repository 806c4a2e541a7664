//! Whether two health checks say the same, of servers that are well, gone, or ill in many ways.
//!
//! A check runs in the network of its image's server, beside it. When the server is gone, we take its place, and give answers that it
//! would give only if something were wrong with it: what a check makes of them is what a health check is for.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jettison_build::Engine;
use jettison_oci::Image;
use jettison_sandbox::{Child, ChildNetwork, Network, Sandbox, Signal, Status, Upper};

use crate::verify::observe::{ProbeError, describe, with_port};
use crate::verify::probe::{Action, Probe, Server};
use crate::verify::serve::wait_until_ready;

/// How long one check may take.
const TIME_LIMIT: Duration = Duration::from_secs(15);
/// How often it is looked whether something has happened.
const INTERVAL: Duration = Duration::from_millis(5);
/// The most that is read of a request, in bytes.
const LIMIT: usize = 8 << 10;

/// What a server that is not the image's own says, and what that is called.
const ANSWERS: [(&str, &str); 12] = [
    ("200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("204", "HTTP/1.1 204 No Content\r\n\r\n"),
    (
        "a body up to the end",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok",
    ),
    (
        "a redirect",
        "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "401",
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "404",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    ),
    (
        "500",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "503",
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    ),
    (
        "an answer that breaks off",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    ),
    (
        "an answer in chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ),
    (
        "chunks that break off",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
    ),
    ("nothing", ""),
];

/// A health check of an image.
pub(super) struct Check<'c> {
    pub(super) image: &'c Image,
    /// Its command.
    pub(super) argv: &'c [String],
    /// The port that it asks.
    pub(super) port: u16,
}

/// What a check says in each situation: whether the server is well. With what it has asked, if we have heard it.
pub(super) type Findings = BTreeMap<String, (bool, Option<String>)>;

/// Asks after the health of the server of `probe`; nothing if there is no such server.
pub(super) fn findings(
    engine: &Engine<'_>,
    check: &Check<'_>,
    probe: &Probe,
) -> Result<Option<Findings>, ProbeError> {
    let Action::Serve(server) = &probe.action else {
        return Ok(None);
    };
    let server = with_port(server, check.image.config());
    let mut sandbox = describe(engine, check.image, probe)?;
    let active = engine.snapshots().prepare().map_err(ProbeError::Image)?;
    sandbox.rootfs.upper = Some(Upper {
        dir: active.fs(),
        work: active.work(),
    });
    let child = sandbox.spawn(engine.entered).map_err(ProbeError::Sandbox);
    let found = child.and_then(|child| of_server(engine, (check, probe), child, &server));
    engine
        .snapshots()
        .discard(active)
        .map_err(ProbeError::Image)?;
    found
}

fn of_server(
    engine: &Engine<'_>,
    (check, probe): (&Check<'_>, &Probe),
    mut child: Child,
    server: &Server,
) -> Result<Option<Findings>, ProbeError> {
    let silent = [child.stdout(), child.stderr()].map(|pipe| {
        thread::spawn(move || {
            let mut sink = std::io::sink();
            pipe.map(|mut pipe| std::io::copy(&mut pipe, &mut sink))
        })
    });
    let network = child.network();
    let is_ready = network
        .as_ref()
        .is_ok_and(|network| matches!(wait_until_ready(&child, network, server), Ok(Some(_))));
    let mut findings = Findings::new();
    let asks = |network: &ChildNetwork| is_well(engine, (check, probe), network);
    if let (Ok(network), true) = (&network, is_ready) {
        findings.insert("the server".to_owned(), (asks(network)?, None));
    }
    child.signal(Signal::KILL);
    let ended = child.wait().map_err(ProbeError::Sandbox);
    let _drained = silent.map(thread::JoinHandle::join);
    ended?;
    let (Ok(network), true) = (network, is_ready) else {
        return Ok(None);
    };
    findings.insert("no server".to_owned(), (asks(&network)?, None));
    for (name, answer) in ANSWERS {
        let Some(finding) = with_answer(&network, check.port, answer, &asks)? else {
            return Ok(None);
        };
        findings.insert(name.to_owned(), finding);
    }
    Ok(Some(findings))
}

/// What the check says of a server of ours that gives this answer; nothing if we cannot take the place of the image's.
fn with_answer(
    network: &ChildNetwork,
    port: u16,
    answer: &str,
    asks: &dyn Fn(&ChildNetwork) -> Result<bool, ProbeError>,
) -> Result<Option<(bool, Option<String>)>, ProbeError> {
    let Ok(first) = network.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) else {
        return Ok(None);
    };
    // Without IPv6 there is no other address.
    let second = network.listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    let listeners: Vec<TcpListener> = [Some(first), second.ok()].into_iter().flatten().collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let heard = scope.spawn(|| answered(&listeners, answer, &is_over));
        let is_well = asks(network);
        is_over.store(true, Ordering::Relaxed);
        let heard = heard.join().unwrap_or_default();
        Ok(Some((is_well?, heard)))
    })
}

/// Gives everybody this answer until it is over; the first request without what only names the client.
fn answered(listeners: &[TcpListener], answer: &str, is_over: &AtomicBool) -> Option<String> {
    let mut first = None;
    for listener in listeners {
        listener.set_nonblocking(true).ok()?;
    }
    while !is_over.load(Ordering::Relaxed) {
        let stream = listeners.iter().find_map(|listener| listener.accept().ok());
        let Some((stream, _)) = stream else {
            thread::sleep(INTERVAL);
            continue;
        };
        let heard = answer_one(stream, answer);
        first = first.or(heard);
    }
    first
}

fn answer_one(mut stream: TcpStream, answer: &str) -> Option<String> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(TIME_LIMIT)).ok()?;
    let mut heard = Vec::new();
    let mut buffer = [0; 1 << 10];
    while memchr::memmem::find(&heard, b"\r\n\r\n").is_none() && heard.len() < LIMIT {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => heard.extend_from_slice(buffer.get(..length)?),
        }
    }
    // It may have hung up.
    let _said = stream.write_all(answer.as_bytes());
    let text = String::from_utf8_lossy(&heard).into_owned();
    let mut lines = text.lines();
    let request = lines.next()?.to_owned();
    let own = |line: &&str| {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        // Each client has its own; what they say is how the answer may look.
        !name.is_empty()
            && ![
                "user-agent",
                "accept",
                "accept-encoding",
                "connection",
                "content-length",
            ]
            .contains(&name.as_str())
    };
    let mut others: Vec<String> = lines
        .filter(own)
        .map(|line| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}", name.to_ascii_lowercase()),
            None => line.to_owned(),
        })
        .collect();
    others.sort();
    Some(format!("{request}; {}", others.join("; ")))
}

/// Runs the check once in this network.
fn is_well(
    engine: &Engine<'_>,
    (check, probe): (&Check<'_>, &Probe),
    network: &ChildNetwork,
) -> Result<bool, ProbeError> {
    let mut config = check.image.config().clone();
    config.config.entrypoint = Some(check.argv.to_vec());
    config.config.cmd = None;
    let image = Image::new(config, check.image.layers().to_vec())
        .map_err(|error| ProbeError::Image(jettison_build::BuildError::Image(error)))?;
    let question = Probe {
        env: probe.env.clone(),
        ..Probe::run("health check", probe.origin, TIME_LIMIT)
    };
    let sandbox = Sandbox {
        network: Network::Host,
        ..describe(engine, &image, &question)?
    };
    let active = engine.snapshots().prepare().map_err(ProbeError::Image)?;
    let mut sandbox = sandbox;
    sandbox.rootfs.upper = Some(Upper {
        dir: active.fs(),
        work: active.work(),
    });
    let output = network.run(&sandbox, engine.entered);
    engine
        .snapshots()
        .discard(active)
        .map_err(ProbeError::Image)?;
    Ok(output.map_err(ProbeError::Sandbox)?.exit.status == Status::Code(0))
}

/// The first situation of which two checks do not say the same; nothing if there is none.
pub(super) fn difference(original: &Findings, candidate: &Findings) -> Option<String> {
    let said = |finding: Option<&(bool, Option<String>)>| match finding {
        None => "nothing".to_owned(),
        Some((is_well, heard)) => {
            let health = if *is_well { "healthy" } else { "unhealthy" };
            match heard {
                Some(request) => format!("{health} to `{request}`"),
                None => health.to_owned(),
            }
        }
    };
    original.keys().chain(candidate.keys()).find_map(|name| {
        let both = [original, candidate].map(|findings| findings.get(name));
        (both[0] != both[1]).then(|| {
            format!(
                "of {name} one says {}, the other {}",
                said(both[0]),
                said(both[1])
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_differ_where_they_say_or_ask_something_else() {
        let findings = |health: bool, request: &str| {
            Findings::from([("500".to_owned(), (health, Some(request.to_owned())))])
        };
        let first = findings(false, "GET / HTTP/1.1; host: a");
        assert_eq!(difference(&first, &first.clone()), None);
        assert_eq!(
            difference(&first, &findings(true, "GET / HTTP/1.1; host: a")).as_deref(),
            Some(
                "of 500 one says unhealthy to `GET / HTTP/1.1; host: a`, the other healthy to `GET / HTTP/1.1; host: a`"
            )
        );
        assert!(difference(&first, &findings(false, "GET /b HTTP/1.1; host: a")).is_some());
        assert!(difference(&first, &Findings::new()).is_some());
    }

    #[test]
    fn what_only_names_the_client_is_not_compared() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let request =
                "GET /a HTTP/1.1\r\nHost: b\r\nUser-Agent: c\r\nX-D: e\r\nAccept: */*\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let (stream, _) = listener.accept().unwrap();
        let heard = answer_one(stream, "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(heard.as_deref(), Some("GET /a HTTP/1.1; host: b; x-d: e"));
        assert_eq!(client.join().unwrap(), "HTTP/1.1 204 No Content\r\n\r\n");
    }
}
