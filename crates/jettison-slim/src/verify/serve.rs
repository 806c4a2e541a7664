//! Talking to a server in a sandbox: waiting until it listens, what is said, and its end.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use jettison_sandbox::{Child, ChildNetwork, ChildPipe, Exit, SandboxError, Signal};

use crate::verify::http::{Answer, read_answer, reason, request_bytes};
use crate::verify::observation::Served;
use crate::verify::probe::{HttpMessage, HttpRequest, Ready, Server, Talk, TcpStep};

/// For how long a server that listens may compute before it is taken to be ready: some listen first, and then say what they
/// answer, load what they serve with, install their handler of a signal, and write down who they are.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
/// How long that may take where others compute as well.
const LOADED_PATIENCE: Duration = Duration::from_secs(15);
/// How long it takes until it is known that a process has ended.
const END_PATIENCE: Duration = Duration::from_millis(500);
/// After how long without anything to do a server is taken to have no handler: it will not install one while it waits.
const IDLE: Duration = Duration::from_millis(150);
/// The same for a server that has one: what it says about its last answer is said by then.
const DONE: Duration = Duration::from_millis(30);
/// After how long without anything to do a server that listens is taken to be ready to answer.
const SETTLED: Duration = Duration::from_millis(50);
/// How much computing is nothing: clocks tick in idle programs, too.
const TICK: Duration = Duration::from_millis(1);
/// How often it is looked whether something has happened.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer to what is no request may take: many servers just wait for more.
const RAW_PATIENCE: Duration = Duration::from_secs(2);
/// How long a server is silent once it has said all.
const SILENCE: Duration = Duration::from_millis(300);
/// The most that is kept of an output, or of what is said over TCP, in bytes.
const LIMIT: usize = 64 << 20;

/// How it went.
pub(super) struct Serving {
    pub(super) exit: Exit,
    pub(super) was_killed: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) served: Served,
}

/// Talks to the server that `child` is, and ends it.
pub(super) fn serve(
    mut child: Child,
    server: &Server,
    time_limit: Duration,
) -> Result<Serving, SandboxError> {
    let readers = [child.stdout(), child.stderr()].map(|pipe| thread::spawn(move || drained(pipe)));
    let network = child.network();
    let mut seen = Served::default();
    match &network {
        Ok(network) => match wait_until_ready(&child, network, server) {
            Ok(address) => {
                seen.port = address.map(|address| address.port());
                if let Some(address) = address {
                    let line = Line { network, address };
                    seen.answers = talk(&line, &server.talk, time_limit);
                }
                // Sockets of a process that has ended are gone.
                seen.listening = network.listening().unwrap_or_default();
            }
            Err(trouble) => seen.trouble = Some(trouble),
        },
        Err(_) if ends_at_once(&child) => seen.trouble = Some(ENDED.to_owned()),
        Err(error) => seen.trouble = Some(format!("its network cannot be entered: {error}")),
    }
    let (exit, was_killed) = end(child, server, (time_limit, &mut seen))?;
    let [stdout, stderr] = readers.map(|reader| reader.join().unwrap_or_default());
    Ok(Serving {
        exit,
        was_killed,
        stdout,
        stderr,
        served: seen,
    })
}

/// What stands before the time that a server had.
pub(super) const WITHIN: &str = " within ";
const ENDED: &str = "it ended before it listened";

/// Whether a process without a network has ended, or is about to: it gives up its namespaces before that is known.
fn ends_at_once(child: &Child) -> bool {
    let start = Instant::now();
    while !child.has_ended() && start.elapsed() < END_PATIENCE {
        thread::sleep(INTERVAL);
    }
    child.has_ended()
}

/// Reads to the end; what is too much is thrown away, so that the writer goes on.
fn drained(pipe: Option<ChildPipe>) -> Vec<u8> {
    let mut text = Vec::new();
    let Some(mut pipe) = pipe else {
        return text;
    };
    let mut buffer = vec![0; 64 << 10];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return text,
            Ok(length) if text.len() < LIMIT => {
                text.extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return text,
        }
    }
}

/// Where the server listens; `None` if that was not waited for, and it does not.
pub(super) fn wait_until_ready(
    child: &Child,
    network: &ChildNetwork,
    server: &Server,
) -> Result<Option<SocketAddr>, String> {
    let start = Instant::now();
    loop {
        let listening = network.listening().unwrap_or_default();
        let address = wanted(&listening, server.port);
        match server.ready {
            Ready::Listening(_) | Ready::Anywhere(_) if address.is_some() => {
                wait_until_idle(child, &|| SETTLED);
                return Ok(address);
            }
            Ready::Anywhere(_) if !listening.is_empty() => {
                wait_until_idle(child, &|| SETTLED);
                let listening = network.listening().unwrap_or_default();
                let address = wanted(&listening, server.port).or_else(|| wanted(&listening, None));
                return address.map(Some).ok_or_else(|| ENDED.to_owned());
            }
            Ready::After(time) if start.elapsed() >= time => return Ok(address),
            Ready::Listening(_) | Ready::Anywhere(_) | Ready::After(_) => {}
        }
        if child.has_ended() {
            return match server.ready {
                Ready::Listening(_) | Ready::Anywhere(_) => Err(ENDED.to_owned()),
                Ready::After(_) => Ok(None),
            };
        }
        if let Ready::Listening(within) | Ready::Anywhere(within) = server.ready
            && start.elapsed() >= within
        {
            return Err(not_listening(server.port, within, &listening));
        }
        thread::sleep(INTERVAL);
    }
}

/// That a server did not listen in time, and where it did. What stands behind [`WITHIN`] is not compared.
fn not_listening(port: Option<u16>, within: Duration, listening: &[SocketAddr]) -> String {
    let wanted = port.map_or_else(String::new, |port| format!(" on port {port}"));
    let text = format!(
        "it did not listen{wanted}{WITHIN}{} s",
        within.as_secs_f64()
    );
    let ports: BTreeSet<u16> = listening.iter().map(SocketAddr::port).collect();
    let mut ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let Some(last) = ports.pop() else {
        return text;
    };
    if ports.is_empty() {
        return format!("{text}; it listens on {last}");
    }
    format!("{text}; it listens on {} and {last}", ports.join(", "))
}

/// The first of the addresses with this port, or of all.
fn wanted(listening: &[SocketAddr], port: Option<u16>) -> Option<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = listening.to_vec();
    addresses.retain(|address| port.is_none_or(|port| port == address.port()));
    addresses.sort_by_key(|address| (address.port(), address.is_ipv6()));
    addresses.first().copied()
}

/// Where to connect to.
struct Line<'n> {
    network: &'n ChildNetwork,
    address: SocketAddr,
}

impl Line<'_> {
    fn connect(&self, timeout: Duration) -> io::Result<TcpStream> {
        let port = self.address.port();
        let ip = match self.address.ip() {
            // Sockets of IPv6 usually take connections of IPv4, too.
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let stream = self.network.connect(SocketAddr::new(ip, port), timeout);
        match stream {
            Err(_) if self.address.is_ipv6() && ip.is_ipv4() => {
                let address = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
                self.network.connect(address, timeout)
            }
            stream => stream,
        }
    }
}

/// A connection that is given up at some time.
struct Timed<'s> {
    stream: &'s TcpStream,
    deadline: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut stream = self.stream;
        stream.read(buffer)
    }
}

fn talk(line: &Line<'_>, talk: &Talk, time_limit: Duration) -> Vec<(String, Answer)> {
    match talk {
        Talk::Nothing => Vec::new(),
        Talk::Http(requests) => requests
            .iter()
            .map(|request| (request.title(), ask(line, request, time_limit)))
            .collect(),
        Talk::Tcp(steps) => converse(line, steps, time_limit),
    }
}

fn ask(line: &Line<'_>, request: &HttpRequest, time_limit: Duration) -> Answer {
    let limit = match request.message {
        HttpMessage::Raw(_) => time_limit.min(RAW_PATIENCE),
        HttpMessage::Request { .. } => time_limit,
    };
    let deadline = Instant::now() + limit;
    let connected = line.connect(limit).and_then(|stream| {
        stream.set_write_timeout(Some(limit))?;
        Ok(stream)
    });
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return Answer::Nothing(reason(&error).to_owned()),
    };
    let bytes = request_bytes(&request.message, line.address.port());
    // A server may answer and hang up before it has read everything.
    let _said = stream.write_all(&bytes);
    let mut timed = Timed {
        stream: &stream,
        deadline,
    };
    read_answer(&mut timed, &request.message)
}

/// Goes through all steps over one connection.
fn converse(line: &Line<'_>, steps: &[TcpStep], time_limit: Duration) -> Vec<(String, Answer)> {
    let connected = line.connect(time_limit).and_then(|stream| {
        stream.set_write_timeout(Some(time_limit))?;
        Ok(stream)
    });
    let mut stream = match connected {
        Ok(stream) => Ok(stream),
        Err(error) => Err(reason(&error).to_owned()),
    };
    let mut answers = Vec::new();
    let mut heard = Vec::new();
    for step in steps {
        let answer = match &mut stream {
            Err(why) => Answer::Nothing(why.clone()),
            Ok(stream) => {
                // If it is not there any more, that is what reading says.
                let _said = stream.write_all(&step.send);
                answer_to(step, stream, &mut heard, time_limit)
            }
        };
        answers.push((title(step), answer));
    }
    answers
}

fn title(step: &TcpStep) -> String {
    if step.send.is_empty() {
        return "listening to the server".to_owned();
    }
    let start = step.send.get(..step.send.len().min(40)).unwrap_or_default();
    format!("sending {:?}", String::from_utf8_lossy(start))
}

/// Reads the answer to one step. What comes behind it stays in `heard`.
fn answer_to(
    step: &TcpStep,
    stream: &TcpStream,
    heard: &mut Vec<u8>,
    time_limit: Duration,
) -> Answer {
    let deadline = Instant::now() + time_limit;
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(expect) = &step.expect
            && let Some(start) = memchr::memmem::find(heard, expect)
        {
            let rest = heard.split_off(start + expect.len());
            return Answer::Bytes(std::mem::replace(heard, rest));
        }
        let until = match &step.expect {
            Some(_) => deadline,
            None if heard.is_empty() => deadline.min(Instant::now() + RAW_PATIENCE),
            None => deadline.min(Instant::now() + SILENCE),
        };
        let mut timed = Timed {
            stream,
            deadline: until,
        };
        let why = match timed.read(&mut buffer) {
            Ok(0) => "the connection was closed",
            Ok(length) if heard.len() < LIMIT => {
                heard.extend_from_slice(buffer.get(..length).unwrap_or_default());
                continue;
            }
            Ok(_) => "it is too large",
            Err(error) => reason(&error),
        };
        if heard.is_empty() {
            return Answer::Nothing(why.to_owned());
        }
        return Answer::Bytes(std::mem::take(heard));
    }
}

/// Waits until the server has no more to do than to wait itself, for as long as `needed` says, or has computed for long enough.
fn wait_until_idle(child: &Child, needed: &dyn Fn() -> Duration) {
    let start = Instant::now();
    let first = child.activity();
    let (mut idle_since, mut before) = (start, first);
    while start.elapsed() < LOADED_PATIENCE && !child.has_ended() {
        thread::sleep(INTERVAL);
        let now = child.activity();
        if now.run_time.saturating_sub(first.run_time) >= BUSY_PATIENCE {
            return;
        }
        // We may have slept for longer than that. What it has done meanwhile is known only now.
        if now.is_busy || now.run_time.abs_diff(before.run_time) > TICK {
            idle_since = Instant::now();
        } else if idle_since.elapsed() >= needed() {
            return;
        }
        before = now;
    }
}

/// Ends the server by its signal, or kills it; says which.
fn end(
    child: Child,
    server: &Server,
    (time_limit, seen): (Duration, &mut Served),
) -> Result<(Exit, bool), SandboxError> {
    if child.has_ended() {
        return Ok((child.wait()?, false));
    }
    let notices = || child.notices(server.ending.signal);
    wait_until_idle(&child, &|| if notices() { DONE } else { IDLE });
    let is_noticed = child.notices(server.ending.signal);
    let start = Instant::now();
    child.signal(if is_noticed {
        server.ending.signal
    } else {
        // It would never know.
        Signal::KILL
    });
    let patience = if server.ending.is_watched {
        time_limit
    } else {
        server.ending.patience
    };
    let is_killed = std::cell::Cell::new(!is_noticed);
    let exit = child.wait_unless(INTERVAL, &|| {
        let is_late = start.elapsed() >= patience;
        is_killed.set(is_killed.get() || is_late);
        is_late
    })?;
    let was_killed = is_killed.get() && exit.status == jettison_sandbox::Status::Signal(9);
    if server.ending.is_watched && !was_killed {
        seen.ended_after = Some(start.elapsed());
    }
    Ok((exit, was_killed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(port: Option<u16>, listening: &[&str], expected: &str) {
        let listening: Vec<SocketAddr> = listening
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        let text = not_listening(port, Duration::from_mins(2), &listening);
        assert_eq!(text, expected);
    }

    #[test]
    fn who_listens_elsewhere_is_said_to() {
        check(None, &[], "it did not listen within 120 s");
        check(Some(80), &[], "it did not listen on port 80 within 120 s");
        check(
            Some(80),
            &["127.0.0.1:5000"],
            "it did not listen on port 80 within 120 s; it listens on 5000",
        );
        check(
            Some(80),
            &["0.0.0.0:6379", "[::]:6379", "[::]:5000", "127.0.0.1:9"],
            "it did not listen on port 80 within 120 s; it listens on 9, 5000 and 6379",
        );
    }
}
