//! What a probe expects of a run, and what of it the run did not do.

use crate::verify::http::Answer;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::probe::{Action, Probe, ProbeOrigin, Talk};

/// The expectations of `probe` that `observation` does not meet, each with what there was instead.
pub(super) fn unmet(probe: &Probe, observation: &Observation) -> Vec<String> {
    let mut unmet = Vec::new();
    // What is expected of one of ours only says how far to read.
    if probe.origin == ProbeOrigin::Own {
        return unmet;
    }
    if let Some(code) = probe.expect_exit
        && observation.exit != ExitKind::Code(code)
    {
        unmet.push(format!(
            "expected exit code {code}, not {}",
            observation.exit
        ));
    }
    if let Some(text) = &probe.expect_stdout
        && !is_stdout(text, &observation.stdout)
    {
        let found = start(&observation.stdout);
        unmet.push(format!("stdout is not {text:?}, but {found}"));
    }
    if let Action::Serve(server) = &probe.action
        && let Some(served) = &observation.served
    {
        unmet_answers(&server.talk, &served.answers, &mut unmet);
    }
    unmet
}

fn unmet_answers(talk: &Talk, answers: &[(String, Answer)], unmet: &mut Vec<String>) {
    match talk {
        Talk::Nothing => {}
        Talk::Http(requests) => {
            for (request, (title, answer)) in requests.iter().zip(answers) {
                let (status, body) = match answer {
                    Answer::Response(response) => (Some(response.status), response.body.as_slice()),
                    Answer::Bytes(bytes) => (None, bytes.as_slice()),
                    Answer::Nothing(_) => (None, &[][..]),
                };
                if let Some(expected) = request.expect_status
                    && status != Some(expected)
                {
                    let found = status.map_or_else(
                        || "nothing that has a status".to_owned(),
                        |status| status.to_string(),
                    );
                    // What is wrong is often said there.
                    let said = if body.is_empty() || request.expect_body.is_some() {
                        String::new()
                    } else {
                        format!(", and the body is {}", start(body))
                    };
                    unmet.push(format!(
                        "{title}: expected status {expected}, not {found}{said}"
                    ));
                }
                if let Some(expected) = &request.expect_body
                    && memchr::memmem::find(body, expected.as_bytes()).is_none()
                {
                    let found = start(body);
                    unmet.push(format!(
                        "{title}: {expected:?} is not in the body, which is {found}"
                    ));
                }
            }
        }
        Talk::Tcp(steps) => {
            for (step, (title, answer)) in steps.iter().zip(answers) {
                let Some(expected) = &step.expect else {
                    continue;
                };
                let found: &[u8] = match answer {
                    Answer::Bytes(bytes) => bytes,
                    Answer::Response(_) | Answer::Nothing(_) => b"",
                };
                if memchr::memmem::find(found, expected).is_none() {
                    let expected = String::from_utf8_lossy(expected);
                    let found = start(found);
                    unmet.push(format!(
                        "{title}: {expected:?} was not answered, but {found}"
                    ));
                }
            }
        }
    }
}

/// The start of what there was, in quotes.
fn start(bytes: &[u8]) -> String {
    // In characters.
    const LIMIT: usize = 80;
    if bytes.is_empty() {
        return "empty".to_owned();
    }
    // No character has more bytes.
    let text = String::from_utf8_lossy(bytes.get(..4 * LIMIT).unwrap_or(bytes));
    let start: String = text.chars().take(LIMIT).collect();
    let is_all = start.len() == text.len() && bytes.len() <= 4 * LIMIT;
    format!("{start:?}{}", if is_all { "" } else { "…" })
}

fn is_stdout(expected: &str, stdout: &[u8]) -> bool {
    let expected = expected.as_bytes();
    stdout == expected
        || (!expected.ends_with(b"\n") && stdout.strip_suffix(b"\n") == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_newline_may_be_left_out_of_expected_output() {
        let cases = [
            ("a", "a", true),
            ("a", "a\n", true),
            ("a\n", "a\n", true),
            ("a\n", "a", false),
            ("a", "a\n\n", false),
            ("a", " a", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (expected, stdout, is_met) in cases {
            assert_eq!(
                is_stdout(expected, stdout.as_bytes()),
                is_met,
                "{expected:?} {stdout:?}"
            );
        }
    }

    #[test]
    fn of_what_there_was_the_start_is_shown() {
        assert_eq!(start(b""), "empty");
        assert_eq!(start(b"a\n\xff"), "\"a\\n\u{fffd}\"");
        assert_eq!(start(&[b'x'; 80]), format!("\"{}\"", "x".repeat(80)));
        assert_eq!(start(&[b'x'; 900]), format!("\"{}\"…", "x".repeat(80)));
    }
}
