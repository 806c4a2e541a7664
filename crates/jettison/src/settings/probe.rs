//! `[[probe]]`: what images are asked, as users write it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jettison_sandbox::Signal;
use jettison_slim::{
    Action, Ending, HttpMessage, HttpRequest, Ignore, Probe, ProbeFile, ProbeInput, ProbeOrigin,
    Ready, Server, Talk, TcpStep,
};
use serde::Deserialize;

/// A probe's time limit if it gives none.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How long a server may take to listen if nothing is said about it.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(30);

/// The largest number of seconds that means anything.
const MOST_SECONDS: f64 = 86_400.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FileProbe {
    name: Option<String>,
    run: Option<Vec<String>>,
    /// The older spelling of `run`.
    arguments: Option<Vec<String>>,
    stdin: Option<String>,
    stdin_file: Option<PathBuf>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<PathBuf, PathBuf>,
    time_limit: Option<f64>,
    expect_exit: Option<i32>,
    expect_stdout: Option<String>,
    #[serde(default)]
    written: Vec<PathBuf>,
    #[serde(default)]
    ignore: Vec<String>,
    port: Option<u16>,
    http: Option<Vec<FileRequest>>,
    tcp: Option<Vec<FileStep>>,
    signal: Option<String>,
    after: Option<f64>,
    ready_within: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRequest {
    get: Option<String>,
    head: Option<String>,
    post: Option<String>,
    put: Option<String>,
    patch: Option<String>,
    delete: Option<String>,
    options: Option<String>,
    method: Option<String>,
    path: Option<String>,
    raw: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    expect_status: Option<u16>,
    expect_body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    #[serde(default)]
    send: String,
    expect: Option<String>,
}

impl FileProbe {
    /// The probe, or what is wrong with it. Paths are those of `directory`.
    pub(super) fn read(self, index: usize, directory: &Path) -> Result<Probe, String> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => format!("probe {}", index + 1),
        };
        self.named(&name, directory)
            .map_err(|problem| format!("probe `{name}`: {problem}"))
    }

    fn named(self, name: &str, directory: &Path) -> Result<Probe, String> {
        let action = self.action()?;
        let time_limit = seconds("time-limit", self.time_limit)?.unwrap_or(TIME_LIMIT);
        let arguments = match (self.run, self.arguments) {
            (Some(_), Some(_)) => return Err("`arguments` is another name of `run`".to_owned()),
            (run, arguments) => run.or(arguments),
        };
        let stdin = match (self.stdin, self.stdin_file) {
            (Some(_), Some(_)) => return Err("it has both `stdin` and `stdin-file`".to_owned()),
            (text, None) => ProbeInput::Bytes(text.unwrap_or_default().into_bytes()),
            (None, Some(path)) => ProbeInput::File(directory.join(path)),
        };
        let files = self
            .files
            .into_iter()
            .map(|(target, source)| ProbeFile {
                target,
                source: directory.join(source),
            })
            .collect();
        let mut probe = Probe {
            arguments,
            stdin,
            env: self.env.into_iter().collect(),
            files,
            action,
            expect_exit: self.expect_exit,
            expect_stdout: self.expect_stdout,
            ignore: ignore(&self.ignore)?,
            written: self.written,
            ..Probe::run(name, ProbeOrigin::Given, time_limit)
        };
        let relative = |path: &&PathBuf| !path.is_absolute();
        let targets = probe.files.iter().map(|file| &file.target);
        if let Some(path) = targets.chain(&probe.written).find(relative) {
            return Err(format!("{} is not a path from the root", path.display()));
        }
        probe.written.sort();
        Ok(probe)
    }

    fn action(&self) -> Result<Action, String> {
        let talk = match (&self.http, &self.tcp) {
            (Some(_), Some(_)) => return Err("it has both `http` and `tcp`".to_owned()),
            (Some(requests), None) => Talk::Http(
                requests
                    .iter()
                    .map(FileRequest::read)
                    .collect::<Result<_, _>>()?,
            ),
            (None, Some(steps)) => Talk::Tcp(steps.iter().map(FileStep::read).collect()),
            (None, None) => Talk::Nothing,
        };
        let is_server = talk != Talk::Nothing || self.signal.is_some();
        if !is_server {
            let stray = [
                ("port", self.port.is_some()),
                ("after", self.after.is_some()),
                ("ready-within", self.ready_within.is_some()),
            ];
            return match stray.iter().find(|(_, is_there)| *is_there) {
                Some((key, _)) => Err(format!("`{key}` needs `http`, `tcp` or `signal`")),
                None => Ok(Action::Run),
            };
        }
        if matches!(&talk, Talk::Http(list) if list.is_empty())
            || matches!(&talk, Talk::Tcp(list) if list.is_empty())
        {
            return Err("it asks the server nothing".to_owned());
        }
        let signal = match &self.signal {
            Some(name) => signal(name)?,
            None => Signal::TERM,
        };
        let within = seconds("ready-within", self.ready_within)?;
        let ready = match (seconds("after", self.after)?, within) {
            (Some(_), Some(_)) => {
                return Err("it has both `after` and `ready-within`".to_owned());
            }
            (Some(time), None) => Ready::After(time),
            (None, within) => Ready::Listening(within.unwrap_or(READY_WITHIN)),
        };
        Ok(Action::Serve(Server {
            port: self.port,
            ready,
            talk,
            ending: Ending {
                is_watched: self.signal.is_some(),
                ..Ending::by(signal)
            },
        }))
    }
}

impl FileRequest {
    fn read(&self) -> Result<HttpRequest, String> {
        let short = [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("PATCH", &self.patch),
            ("DELETE", &self.delete),
            ("OPTIONS", &self.options),
        ];
        let short: Vec<(&str, &String)> = short
            .iter()
            .filter_map(|(method, path)| Some((*method, path.as_ref()?)))
            .collect();
        let message = match (&self.raw, short.as_slice(), &self.path) {
            (Some(raw), [], None) if self.method.is_none() && self.headers.is_empty() => {
                HttpMessage::Raw(raw.clone().into_bytes())
            }
            (None, [(method, path)], None) if self.method.is_none() => {
                self.request(method, path)?
            }
            (None, [], Some(path)) => {
                self.request(self.method.as_deref().unwrap_or("GET"), path)?
            }
            _ => {
                return Err(
                    "a request has one of `get`, `post` and so on, or `method` and `path`, or `raw` alone"
                        .to_owned(),
                );
            }
        };
        Ok(HttpRequest {
            message,
            expect_status: self.expect_status,
            expect_body: self.expect_body.clone(),
        })
    }

    fn request(&self, method: &str, path: &str) -> Result<HttpMessage, String> {
        let headers = self.headers.clone().into_iter().collect();
        let body = self.body.clone().unwrap_or_default().into_bytes();
        http_request(method, path, (headers, body))
    }
}

impl FileStep {
    fn read(&self) -> TcpStep {
        TcpStep {
            send: self.send.clone().into_bytes(),
            expect: self
                .expect
                .clone()
                .filter(|text| !text.is_empty())
                .map(String::into_bytes),
        }
    }
}

/// Headers and a body.
type Content = (Vec<(String, String)>, Vec<u8>);

fn http_request(method: &str, path: &str, (headers, body): Content) -> Result<HttpMessage, String> {
    let breaks = |text: &str| text.contains(['\r', '\n']);
    let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    if !is_word(method) || !is_word(path) || !(path.starts_with('/') || path == "*") {
        return Err(format!(
            "`{method} {path}` is not a request: paths begin with a slash (`raw` sends anything)"
        ));
    }
    if let Some((name, _)) = headers
        .iter()
        .find(|(name, value)| breaks(name) || breaks(value) || name.is_empty())
    {
        return Err(format!(
            "the header `{}` is not one line",
            name.escape_debug()
        ));
    }
    Ok(HttpMessage::Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body,
    })
}

/// Reads `[METHOD ][:PORT]PATH[=STATUS]`: a port, if there is one, and a request.
pub(crate) fn request_of(text: &str) -> Result<(Option<u16>, HttpRequest), String> {
    let problem = || format!("`{text}` is not `[METHOD ][:PORT]PATH[=STATUS]`");
    let (method, target) = match text.trim().split_once(char::is_whitespace) {
        Some((method, target)) => (method, target.trim()),
        None => ("GET", text.trim()),
    };
    // A query has equals signs, too, but hardly three digits at its end.
    let status = |word: &str| -> Option<u16> {
        let status = word.parse().ok()?;
        (word.len() == 3 && (100..600).contains(&status)).then_some(status)
    };
    let (target, expect_status) = match target.rsplit_once('=') {
        Some((target, word)) if status(word).is_some() => (target, status(word)),
        _ => (target, None),
    };
    let (port, path) = match target.strip_prefix(':') {
        Some(rest) => {
            let slash = rest.find('/').ok_or_else(problem)?;
            let (port, path) = rest.split_at(slash);
            (Some(port.parse().map_err(|_| problem())?), path)
        }
        None => (None, target),
    };
    let message = http_request(method, path, (Vec::new(), Vec::new())).map_err(|_| problem())?;
    Ok((
        port,
        HttpRequest {
            message,
            expect_status,
            expect_body: None,
        },
    ))
}

fn ignore(texts: &[String]) -> Result<Ignore, String> {
    let rules = texts
        .iter()
        .map(|text| text.parse().map_err(|error| format!("ignore: {error}")))
        .collect::<Result<_, String>>()?;
    Ok(Ignore { rules })
}

fn seconds(key: &str, value: Option<f64>) -> Result<Option<Duration>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let time = Duration::try_from_secs_f64(value.min(MOST_SECONDS)).ok();
    match time.filter(|time| !time.is_zero()) {
        Some(time) => Ok(Some(time)),
        None => Err(format!("{key} must be a number of seconds above 0")),
    }
}

/// The signal with this name, such as `TERM` or `SIGTERM`.
fn signal(name: &str) -> Result<Signal, String> {
    const SIGNALS: [(&str, Signal); 8] = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("KILL", Signal::KILL),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
    ];
    let upper = name.to_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let found = SIGNALS.iter().find(|(known, _)| *known == short);
    found.map(|(_, signal)| *signal).ok_or_else(|| {
        let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
        format!("`{name}` is none of the signals {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Probe, String> {
        let probe: FileProbe = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        probe.read(0, Path::new("/dir"))
    }

    #[track_caller]
    fn check_problem(text: &str, expected: &str) {
        assert_eq!(read(text).unwrap_err(), expected);
    }

    #[test]
    fn a_probe_runs_a_program() {
        let probe = read(
            "run = [\"a\"]\nstdin-file = \"in\"\nfiles = { \"/data\" = \"x/y\" }\nwritten = [\"/b\", \"/a\"]\nignore = [\"stderr:.*\"]\n",
        )
        .unwrap();
        assert_eq!(probe.action, Action::Run);
        assert_eq!(probe.arguments, Some(vec!["a".to_owned()]));
        assert_eq!(probe.stdin, ProbeInput::File("/dir/in".into()));
        assert_eq!(probe.files[0].source, Path::new("/dir/x/y"));
        assert_eq!(probe.written, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(probe.ignore.rules.len(), 1);
    }

    #[test]
    fn a_probe_asks_a_server() {
        let probe = read(
            "port = 80\nhttp = [{ get = \"/\", expect-status = 200 }, { method = \"POST\", path = \"/i\", headers = { a = \"b\" }, body = \"x\" }, { raw = \"?\" }]\n",
        )
        .unwrap();
        let Action::Serve(server) = probe.action else {
            panic!("it is a server");
        };
        assert_eq!((server.port, server.ending.is_watched), (Some(80), false));
        let Talk::Http(requests) = server.talk else {
            panic!("it speaks HTTP");
        };
        let titles: Vec<String> = requests.iter().map(HttpRequest::title).collect();
        assert_eq!(titles, ["GET /", "POST /i", "raw \"?\""]);
        let probe = read("signal = \"SIGINT\"\nafter = 0.5\n").unwrap();
        let Action::Serve(server) = probe.action else {
            panic!("it is a server");
        };
        assert_eq!(server.ready, Ready::After(Duration::from_millis(500)));
        assert_eq!(server.ending.signal, Signal::INT);
    }

    #[test]
    fn what_does_not_go_together_is_an_error() {
        let cases = [
            ("http = []\n", "probe `probe 1`: it asks the server nothing"),
            (
                "port = 1\n",
                "probe `probe 1`: `port` needs `http`, `tcp` or `signal`",
            ),
            (
                "run = []\narguments = []\n",
                "probe `probe 1`: `arguments` is another name of `run`",
            ),
            (
                "name = \"n\"\nsignal = \"STOP\"\n",
                "probe `n`: `STOP` is none of the signals HUP, INT, KILL, QUIT, TERM, USR1, USR2, WINCH",
            ),
            (
                "http = [{ get = \"/\", post = \"/\" }]\n",
                "probe `probe 1`: a request has one of `get`, `post` and so on, or `method` and `path`, or `raw` alone",
            ),
            (
                "http = [{ get = \"a b\" }]\n",
                "probe `probe 1`: `GET a b` is not a request: paths begin with a slash (`raw` sends anything)",
            ),
            (
                "http = [{ get = \"/\", headers = { a = \"b\\r\\nc: d\" } }]\n",
                "probe `probe 1`: the header `a` is not one line",
            ),
            (
                "ignore = [\"date\"]\n",
                "probe `probe 1`: ignore: `date` does not begin with `header:`, `body:`, `stdout:`, `stderr:`, `written:` or `path:`",
            ),
            (
                "files = { data = \"x\" }\n",
                "probe `probe 1`: data is not a path from the root",
            ),
            (
                "ready-within = 0\nsignal = \"TERM\"\n",
                "probe `probe 1`: ready-within must be a number of seconds above 0",
            ),
        ];
        for (text, expected) in cases {
            check_problem(text, expected);
        }
    }

    #[test]
    fn requests_of_the_command_line_are_short() {
        let check = |text: &str, expected: Option<(Option<u16>, &str, Option<u16>)>| {
            let found = request_of(text).ok();
            let found = found.map(|(port, request)| (port, request.title(), request.expect_status));
            let expected = expected.map(|(port, title, status)| (port, title.to_owned(), status));
            assert_eq!(found, expected, "{text}");
        };
        check("/", Some((None, "GET /", None)));
        check("/a=404", Some((None, "GET /a", Some(404))));
        check("POST :80/a?b=c", Some((Some(80), "POST /a?b=c", None)));
        check("/a?b=1234", Some((None, "GET /a?b=1234", None)));
        check("a", None);
        check(":x/a", None);
        check(":80", None);
        check("", None);
    }
}
