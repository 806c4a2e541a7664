//! A proxy before an HTTP server that lets accidents happen to chosen requests.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// An accident.
#[derive(Clone)]
pub enum Mishap {
    /// The connection ends before there is an answer.
    Closed,
    /// The answer ends after so many bytes of its body.
    Cut(usize),
    /// The byte at this place of the answer's body, counted from the end if there are not as many, is another one.
    Flipped(usize),
    /// The answer waits.
    Delayed(Duration),
    /// The answer's body comes in pieces of so many bytes, with pauses between them.
    Trickled(usize, Duration),
    /// There is this answer, a status and headers, in place of the server's.
    Instead(u16, Vec<(String, String)>),
    /// A header of the answer has this value.
    Header(&'static str, String),
    /// The body ends after so many bytes, and the answer says that this is all.
    Shortened(usize),
    /// The body has these bytes at its end, and the answer says so.
    Lengthened(Vec<u8>),
    /// The answer is not HTTP.
    Garbage,
    /// Half of what is sent reaches the server; then this is done, and the connection ends.
    HalfSent(Arc<dyn Fn() + Send + Sync>),
    /// What is sent arrives with another byte in the middle.
    SentFlipped,
    /// The server does what it is asked, and nobody hears its answer.
    Unheard,
    /// What stands behind the question mark of the address does not arrive.
    Unasked,
}

impl fmt::Debug for Mishap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::Closed => formatter.write_str("closed"),
            Mishap::Cut(end) => write!(formatter, "cut after {end}"),
            Mishap::Flipped(place) => write!(formatter, "flipped at {place}"),
            Mishap::Delayed(time) => write!(formatter, "delayed by {time:?}"),
            Mishap::Trickled(size, pause) => write!(formatter, "{size} bytes each {pause:?}"),
            Mishap::Instead(status, _) => write!(formatter, "status {status}"),
            Mishap::Header(name, value) => write!(formatter, "{name}: {value}"),
            Mishap::Shortened(end) => write!(formatter, "shortened to {end}"),
            Mishap::Lengthened(bytes) => write!(formatter, "lengthened by {}", bytes.len()),
            Mishap::Garbage => formatter.write_str("garbage"),
            Mishap::HalfSent(_) => formatter.write_str("half sent"),
            Mishap::SentFlipped => formatter.write_str("sent flipped"),
            Mishap::Unheard => formatter.write_str("unheard"),
            Mishap::Unasked => formatter.write_str("unasked"),
        }
    }
}

/// Which requests an accident happens to.
#[derive(Clone, Debug)]
pub struct MishapPlan {
    /// The method of the request.
    pub method: &'static str,
    /// What is in its path.
    pub path: String,
    /// How many such requests are let pass first.
    pub after: usize,
    /// To how many requests it happens.
    pub times: usize,
    /// What happens.
    pub mishap: Mishap,
}

/// The proxy. It ends with the process.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    plan: Arc<Mutex<Option<MishapPlan>>>,
    log: Arc<Mutex<Log>>,
}

/// What was asked for.
#[derive(Debug, Default)]
struct Log {
    /// Method and path of each request.
    requests: Vec<String>,
    /// The header `Range` of those that have one.
    ranges: Vec<String>,
}

struct Message {
    first_line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl FaultProxy {
    /// Stands before the server at `upstream`, a host and a port.
    ///
    /// # Panics
    ///
    /// If the loopback interface has no free port.
    pub fn start(upstream: &str) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr();
        let address = address.expect("a bound socket has an address");
        let plan = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&plan);
        let requests = Arc::new(Mutex::new(Log::default()));
        let log = Arc::clone(&requests);
        let upstream = upstream.to_owned();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (plan, log) = (Arc::clone(&shared), Arc::clone(&log));
                let upstream = upstream.clone();
                let serve = move || serve(&client, &upstream, (&plan, &log));
                // A connection that breaks is what this is for.
                thread::spawn(move || serve().unwrap_or_default());
            }
        });
        FaultProxy {
            address,
            plan,
            log: requests,
        }
    }

    /// The host and the port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Method and path of all requests since this was asked before.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.log).requests)
    }

    /// The header `Range` of all requests that had one.
    pub fn ranges(&self) -> Vec<String> {
        lock(&self.log).ranges.clone()
    }

    /// Lets this happen from now on, and nothing else.
    pub fn plan(&self, plan: MishapPlan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }

    /// Whether what was planned has happened at least once.
    pub fn has_happened(&self, times: usize) -> bool {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.as_ref().is_none_or(|plan| plan.times < times)
    }
}

/// The accident for a request, if it is its turn.
fn mishap(plan: &Mutex<Option<MishapPlan>>, request: &Message) -> Option<Mishap> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = plan.as_mut()?;
    let mut words = request.first_line.split(' ');
    let is_meant = words.next() == Some(plan.method)
        && words.next().is_some_and(|path| path.contains(&plan.path));
    if !is_meant || plan.times == 0 {
        return None;
    }
    if plan.after > 0 {
        plan.after -= 1;
        return None;
    }
    plan.times -= 1;
    Some(plan.mishap.clone())
}

fn serve(
    client: &TcpStream,
    upstream: &str,
    (plan, log): (&Mutex<Option<MishapPlan>>, &Mutex<Log>),
) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut reader = BufReader::new(client);
    while let Some(mut request) = read_message(&mut reader, true)? {
        let is_head = request.first_line.starts_with("HEAD ");
        let asked = request.first_line.trim_end_matches(" HTTP/1.1").to_owned();
        let mut headers = request.headers.iter();
        let range = headers.find(|(name, _)| name.eq_ignore_ascii_case("range"));
        let range = range.map(|(_, range)| range.clone());
        let mut log_now = lock(log);
        log_now.requests.push(asked);
        log_now.ranges.extend(range);
        drop(log_now);
        let mishap = mishap(plan, &request);
        match &mishap {
            Some(Mishap::Closed) => return Ok(()),
            Some(Mishap::Garbage) => {
                let mut client = client;
                return client.write_all(b"* OK this is not the protocol you are looking for\r\n");
            }
            Some(Mishap::Instead(status, headers)) => {
                let first_line = format!("HTTP/1.1 {status} Mishap");
                let answer = Message {
                    first_line,
                    headers: headers.clone(),
                    body: Vec::new(),
                };
                write_message(client, &answer, usize::MAX)?;
                continue;
            }
            Some(Mishap::HalfSent(action)) => {
                let half = request.body.len() / 2;
                let mut server = TcpStream::connect(upstream)?;
                write_message(&server, &request, half)?;
                server.flush()?;
                thread::sleep(Duration::from_millis(200));
                action();
                return Ok(());
            }
            Some(Mishap::SentFlipped) => {
                let middle = request.body.len() / 2;
                if let Some(byte) = request.body.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            Some(Mishap::Delayed(time)) => thread::sleep(*time),
            Some(Mishap::Unasked) => {
                let asked = request.first_line.split_once('?');
                let bare = asked.map(|(path, _)| format!("{path} HTTP/1.1"));
                request.first_line = bare.unwrap_or(request.first_line);
            }
            _ => {}
        }
        request
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        request
            .headers
            .push(("Connection".to_owned(), "close".to_owned()));
        let server = TcpStream::connect(upstream)?;
        write_message(&server, &request, usize::MAX)?;
        let Some(mut answer) = read_message(&mut BufReader::new(&server), !is_head)? else {
            return Ok(());
        };
        answer
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("connection"));
        if let Some(Mishap::Unheard) = mishap {
            return Ok(());
        }
        if let Some(Mishap::Trickled(size, pause)) = mishap {
            trickle(client, &answer, size, pause)?;
            continue;
        }
        let end = spoil(&mut answer, mishap.as_ref());
        write_message(client, &answer, end)?;
        if end != usize::MAX {
            return Ok(());
        }
    }
    Ok(())
}

/// What an accident makes of an answer; returns after how many bytes of its body the connection ends.
fn spoil(answer: &mut Message, mishap: Option<&Mishap>) -> usize {
    let mut header = |name: &str, value: String| {
        answer
            .headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        answer.headers.push((name.to_owned(), value));
    };
    match mishap {
        Some(Mishap::Cut(end)) => return *end,
        Some(Mishap::Header(name, value)) => header(name, value.clone()),
        Some(Mishap::Flipped(place)) => {
            let place = (*place).min(answer.body.len().saturating_sub(1));
            if let Some(byte) = answer.body.get_mut(place) {
                *byte ^= 1;
            }
        }
        Some(Mishap::Shortened(end)) => {
            let end = (*end).min(answer.body.len());
            header("Content-Length", end.to_string());
            answer.body.truncate(end);
        }
        Some(Mishap::Lengthened(bytes)) => {
            header(
                "Content-Length",
                (answer.body.len() + bytes.len()).to_string(),
            );
            answer.body.extend_from_slice(bytes);
        }
        _ => {}
    }
    usize::MAX
}

/// Writes a message piece by piece.
fn trickle(
    mut client: &TcpStream,
    answer: &Message,
    size: usize,
    pause: Duration,
) -> io::Result<()> {
    write_message(client, answer, 0)?;
    for piece in answer.body.chunks(size.max(1)) {
        client.write_all(piece)?;
        thread::sleep(pause);
    }
    Ok(())
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_message(reader: &mut impl BufRead, has_body: bool) -> io::Result<Option<Message>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let first_line = line.trim_end().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok());
    let mut body = Vec::new();
    let is_empty = first_line.contains(" 204 ") || first_line.contains(" 304 ");
    match length {
        Some(length) if has_body => {
            reader.take(length).read_to_end(&mut body)?;
        }
        // Of answers only, whose connection ends with them.
        None if has_body && first_line.starts_with("HTTP/") && !is_empty => {
            reader.read_to_end(&mut body)?;
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
        }
        _ => {}
    }
    Ok(Some(Message {
        first_line,
        headers,
        body,
    }))
}

fn write_message(mut stream: &TcpStream, message: &Message, end: usize) -> io::Result<()> {
    let mut head = format!("{}\r\n", message.first_line);
    for (name, value) in &message.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let has_length = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-length");
    let is_empty = message.first_line.contains(" 204 ");
    if !message.headers.iter().any(has_length) && !is_empty {
        let length = message.body.len().to_string();
        head.extend(["Content-Length: ", &length, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&message.body[..end.min(message.body.len())])
}
