//! What is asked if nobody gives a probe, and the probe that the answer suggests.

use std::fmt::Write as _;
use std::time::Duration;

use jettison_oci::ImageConfig;
use jettison_sandbox::Signal;
use serde_json::Value;

use crate::verify::http::Answer;
use crate::verify::observation::ExitKind;
use crate::verify::observe::exposed_ports;
use crate::verify::probe::{
    Action, Ending, HttpMessage, HttpRequest, Probe, ProbeOrigin, Ready, Server, Talk,
};
use crate::verify::verdict::ProbeOutcome;

/// How long a program is given to listen if nothing says that it is a server.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The longest output that is suggested as an expectation, in bytes.
const OUTPUT_LIMIT: usize = 400;

/// The probes that follow from an image's configuration: its own command, and if that listens, a request.
pub fn default_probes(config: &ImageConfig) -> Vec<Probe> {
    let health = config.config.healthcheck.as_ref().and_then(health_request);
    let mut requests = vec![HttpRequest::new("GET", "/")];
    let mut port = exposed_ports(config).first().copied();
    if let Some((health_port, path)) = health {
        if path != "/" {
            requests.insert(0, HttpRequest::new("GET", &path));
        }
        port = port.or(health_port);
    }
    let name = "the image's own command";
    let mut probe = Probe::run(name, ProbeOrigin::Default, TIME_LIMIT);
    probe.action = Action::Serve(Server {
        port,
        ready: Ready::Listening(READY_WITHIN),
        talk: Talk::Http(requests),
        ending: Ending::by(Signal::TERM),
    });
    vec![probe]
}

/// The port and the path that a `HEALTHCHECK` asks for, if it has a URL of this machine in it.
fn health_request(healthcheck: &Value) -> Option<(Option<u16>, String)> {
    let words = healthcheck.get("Test")?.as_array()?;
    let text: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    let text = text.join(" ");
    let (_, rest) = text.split_once("http://")?;
    let end = rest
        .find(|character: char| character.is_whitespace() || "\"'|;&)".contains(character))
        .unwrap_or(rest.len());
    let url = rest.get(..end)?;
    let (authority, path) = match url.find('/') {
        Some(slash) => url.split_at(slash),
        None => (url, "/"),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (authority, Some(80)),
    };
    let is_here = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains(&host);
    is_here.then(|| (port, path.to_owned()))
}

/// A probe for `jettison.toml`, made of what the original did when it was asked the default.
///
/// It is a table of the settings, ready to be pasted.
pub fn suggestion(outcomes: &[ProbeOutcome]) -> Option<String> {
    let is_default = |outcome: &&ProbeOutcome| outcome.probe.origin == ProbeOrigin::Default;
    let outcome = outcomes.iter().find(is_default)?;
    let mut lines = vec!["[[probe]]".to_owned()];
    let served = outcome.original.served.as_ref();
    match served.and_then(|served| Some((served, served.port?))) {
        Some((served, port)) => {
            let is_http = served
                .answers
                .iter()
                .any(|(_, answer)| matches!(answer, Answer::Response(_)));
            if is_http {
                lines.push("name = \"front page\"".to_owned());
                lines.push(format!("port = {port}"));
                lines.push("http = [".to_owned());
                lines.extend(requests(outcome));
                lines.push("]".to_owned());
            } else {
                lines.push("name = \"greeting\"".to_owned());
                lines.push(format!("port = {port}"));
                lines.push("tcp = [{ send = \"PING\\r\\n\" }]".to_owned());
            }
        }
        None => lines.extend(run_lines(outcome)),
    }
    lines.push(String::new());
    Some(lines.join("\n"))
}

fn requests(outcome: &ProbeOutcome) -> Vec<String> {
    let (Action::Serve(Server { talk, .. }), Some(served)) =
        (&outcome.probe.action, &outcome.original.served)
    else {
        return Vec::new();
    };
    let Talk::Http(requests) = talk else {
        return Vec::new();
    };
    let line = |(request, (_, answer)): (&HttpRequest, &(String, Answer))| {
        let (HttpMessage::Request { path, .. }, Answer::Response(response)) =
            (&request.message, answer)
        else {
            return None;
        };
        let (path, status) = (quoted(path), response.status);
        Some(format!("    {{ get = {path}, expect-status = {status} }},"))
    };
    requests
        .iter()
        .zip(&served.answers)
        .filter_map(line)
        .collect()
}

fn run_lines(outcome: &ProbeOutcome) -> Vec<String> {
    let mut lines = vec!["name = \"my program\"".to_owned()];
    lines.push(
        "# run = [\"the\", \"command\"]    # in place of CMD; add what makes it work".to_owned(),
    );
    let original = &outcome.original;
    if let ExitKind::Code(code) = original.exit {
        lines.push(format!("expect-exit = {code}"));
    }
    let is_steady = outcome.volatile.is_empty() && original.stdout.len() <= OUTPUT_LIMIT;
    if is_steady
        && !original.stdout.is_empty()
        && let Ok(text) = str::from_utf8(&original.stdout)
    {
        lines.push(format!("expect-stdout = {}", quoted(text)));
    }
    lines
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                let _infallible = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::verify::http::HttpResponse;
    use crate::verify::observation::{Observation, Served};

    #[test]
    fn a_health_check_says_where_to_ask() {
        let check = |test: Value, expected: Option<(Option<u16>, &str)>| {
            let found = health_request(&json!({ "Test": test }));
            let found = found.as_ref().map(|(port, path)| (*port, path.as_str()));
            assert_eq!(found, expected);
        };
        check(
            json!([
                "CMD-SHELL",
                "curl -f http://localhost:3000/health || exit 1"
            ]),
            Some((Some(3000), "/health")),
        );
        check(
            json!(["CMD", "wget", "-q", "http://127.0.0.1"]),
            Some((Some(80), "/")),
        );
        check(json!(["CMD", "curl", "http://example/"]), None);
        check(json!(["CMD", "/app", "check"]), None);
        check(json!(["NONE"]), None);
    }

    fn outcome(run: Observation) -> ProbeOutcome {
        let probe = default_probes(&ImageConfig::default()).remove(0);
        ProbeOutcome::of(probe, run.clone(), run)
    }

    #[track_caller]
    fn check(run: Observation, expected: expect_test::Expect) {
        let text = suggestion(&[outcome(run)]).unwrap();
        let parsed: toml::Table = text.parse().unwrap();
        assert!(parsed.contains_key("probe"));
        expected.assert_eq(&text);
    }

    #[test]
    fn what_the_original_did_becomes_a_probe() {
        let mut run = Observation::ended(ExitKind::Code(2));
        run.stdout = b"say \"hi\"\n\x1b[0m\\".to_vec();
        check(
            run,
            expect_test::expect![[r#"
                [[probe]]
                name = "my program"
                # run = ["the", "command"]    # in place of CMD; add what makes it work
                expect-exit = 2
                expect-stdout = "say \"hi\"\n\u001B[0m\\"
            "#]],
        );
        let mut run = Observation::ended(ExitKind::Code(0));
        let response = HttpResponse {
            status: 302,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        };
        run.served = Some(Served {
            port: Some(8080),
            answers: vec![("GET /".to_owned(), Answer::Response(response))],
            ..Served::default()
        });
        check(
            run,
            expect_test::expect![[r#"
                [[probe]]
                name = "front page"
                port = 8080
                http = [
                    { get = "/", expect-status = 302 },
                ]
            "#]],
        );
    }
}
