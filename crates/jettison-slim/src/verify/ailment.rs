//! Why an original shows nothing of itself: it fails, it needs what a sandbox does not have, or it never comes to an end.

mod sought;

use std::collections::BTreeSet;
use std::fmt;

use jettison_sandbox::Trace;

use crate::verify::ailment::sought::{Listeners, Sought, SoughtKind, sought_by};
use crate::verify::compare::visible;
use crate::verify::expectations::unmet;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::probe::{Action, Probe, ProbeOrigin};

/// Why nothing can be learnt from an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ailment {
    /// It looks for something on a network.
    NeedsNetwork(Need),
    /// It looks for a service, such as a database, that nobody offers here.
    NeedsService(Need),
    /// Its program could not be started, or was killed.
    Fails(ExitKind),
    /// It was to be talked to, and that was not possible: why.
    NotServing(String),
    /// It ran into the time limit.
    NeverEnds,
    /// It does something else each time.
    Flaky,
    /// It does not do what a probe expects.
    Unmet(Unmet),
}

/// What a probe expects and an original does not do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unmet {
    /// The probe's name.
    pub probe: String,
    /// What was expected, and what there was instead; never empty.
    pub expectations: Vec<String>,
    /// What the original needs besides, as far as it is known: that may be why.
    pub need: Option<String>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmet {
            probe,
            expectations,
            need,
        } = self;
        write!(
            formatter,
            "the original does not do what probe `{probe}` expects: {}",
            expectations.join("; ")
        )?;
        match need {
            Some(need) => write!(formatter, "; {need}"),
            None => Ok(()),
        }
    }
}

/// What an original has looked for in vain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// What it said about it.
    pub said: Option<String>,
    /// Whom it tried to reach, in words.
    pub addresses: Vec<String>,
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.addresses.is_empty() {
            parts.push(format!("it tries to reach {}", self.addresses.join(", ")));
        }
        if let Some(said) = &self.said {
            parts.push(format!("it says `{said}`"));
        }
        formatter.write_str(&parts.join(", and "))
    }
}

/// Whose matter an ailment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AilmentKind {
    /// Nothing can be proven about such a program.
    Unprovable,
    /// The probe or the image has to be changed.
    Mistake,
    /// A sandbox cannot offer it.
    Sandbox,
}

impl Ailment {
    /// Whose matter it is.
    pub fn kind(&self) -> AilmentKind {
        match self {
            Ailment::Flaky => AilmentKind::Unprovable,
            Ailment::Fails(_) | Ailment::NotServing(_) | Ailment::NeverEnds | Ailment::Unmet(_) => {
                AilmentKind::Mistake
            }
            Ailment::NeedsNetwork(_) | Ailment::NeedsService(_) => AilmentKind::Sandbox,
        }
    }

    /// Whether one `probe` that `observation` shows to ail so is enough to compare nothing: the original does not do what is
    /// expected, or nobody listens whom a given probe asks.
    pub(super) fn is_of_all(&self, probe: &Probe, observation: &Observation) -> bool {
        let is_given = probe.origin == ProbeOrigin::Given;
        is_refuted(probe, observation) || is_given && matches!(self, Ailment::NotServing(_))
    }

    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Ailment::NeedsNetwork(_) => {
                "probes run without a network: give one that the program can answer by itself"
            }
            Ailment::NeedsService(_) => {
                "give a probe that works without the service, such as `--version`, or a file in place of the database"
            }
            Ailment::Fails(_) => {
                "try it with `jettison run`; give arguments, variables or files that make it work"
            }
            Ailment::NotServing(_) => {
                "`port` says where it listens, `ready-within` how long it may take; a program that ends needs `run`"
            }
            Ailment::NeverEnds => {
                "give a probe with `http`, `tcp` or `signal`, or a longer `time-limit`"
            }
            Ailment::Unmet(_) => {
                "mend the probe, or the program: it is compared only with an original that does what is expected"
            }
            Ailment::Flaky => "name what is different each time with `ignore`",
        }
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ailment::NeedsNetwork(need) => {
                write!(formatter, "the original needs a network: {need}")
            }
            Ailment::NeedsService(need) => write!(
                formatter,
                "the original needs a service that is not there: {need}"
            ),
            Ailment::Fails(exit) => write!(formatter, "the original fails: {exit}"),
            Ailment::NotServing(why) => {
                write!(formatter, "the original cannot be talked to: {why}")
            }
            Ailment::NeverEnds => formatter
                .write_str("the original ran into the time limit, so that nothing was compared"),
            Ailment::Flaky => formatter.write_str("the original does something else each time"),
            Ailment::Unmet(unmet) => unmet.fmt(formatter),
        }
    }
}

/// What programs say if there is no network, in small letters.
const NETWORK: [&str; 18] = [
    "could not translate host name",
    "temporary failure in name resolution",
    "name or service not known",
    "could not resolve host",
    "nodename nor servname",
    "no such host",
    "enotfound",
    "eai_again",
    "unknownhostexception",
    "failed to lookup address",
    "name resolution failed",
    "network is unreachable",
    "enetunreach",
    "no route to host",
    "nameresolutionerror",
    "getaddrinfo",
    "bad address",
    "dial tcp: lookup",
];

/// What programs say if nobody listens, in small letters.
const SERVICE: [&str; 7] = [
    "connection refused",
    "econnrefused",
    "could not connect to server",
    "can't connect to",
    "unable to connect to",
    "no servers found",
    "no reachable servers",
];

/// Whether `observation`, a run of the original, did what was to be expected of it.
pub(super) fn is_well(probe: &Probe, observation: &Observation) -> bool {
    if is_refuted(probe, observation) {
        return false;
    }
    let is_expected = match (probe.expect_exit, observation.exit) {
        (Some(expected), ExitKind::Code(code)) => expected == code,
        (Some(_), _) => false,
        (None, exit) => exit == ExitKind::Code(0),
    };
    if matches!(probe.action, Action::Serve(_)) && observation.trouble().is_none() {
        return true;
    }
    // The default probe does not know whether it is a server.
    let is_guess = probe.origin != ProbeOrigin::Given;
    is_expected && (is_guess || !matches!(probe.action, Action::Serve(_)))
}

/// Whether `observation`, a run of the original, is not what `probe` expects, so that no candidate can be.
pub(super) fn is_refuted(probe: &Probe, observation: &Observation) -> bool {
    !unmet(probe, observation).is_empty()
}

/// Why `observation`, a run of the original, shows nothing, or not what is expected; `None` if it is well.
pub(super) fn ailment_of(probe: &Probe, observation: &Observation) -> Option<Ailment> {
    if is_well(probe, observation) {
        return None;
    }
    let needs = needs(observation);
    let unmet = || {
        let unmet = Unmet {
            probe: probe.name.clone(),
            expectations: unmet(probe, observation),
            need: needs.as_ref().map(ToString::to_string),
        };
        (!unmet.expectations.is_empty()).then_some(Ailment::Unmet(unmet))
    };
    // What a server looks for on a network need not be why it answers so.
    if observation.served.is_some() && observation.trouble().is_none() {
        return unmet();
    }
    if needs.is_some() {
        return needs;
    }
    let is_guess = probe.origin != ProbeOrigin::Given;
    match (observation.exit, observation.trouble()) {
        (ExitKind::TimedOut, _) => Some(Ailment::NeverEnds),
        (_, Some(why)) if !is_guess => Some(Ailment::NotServing(with_last_words(why, observation))),
        (exit @ (ExitKind::Code(126 | 127) | ExitKind::Signal(_)), _) => {
            unmet().or(Some(Ailment::Fails(exit)))
        }
        // It may be meant: programs without arguments say how they are used.
        (ExitKind::Code(_) | ExitKind::Killed, _) => unmet(),
    }
}

/// `why`, and the last line that the program wrote, which mostly says more.
fn with_last_words(why: &str, observation: &Observation) -> String {
    // In characters.
    const LIMIT: usize = 200;
    let last_line = |output: &[u8]| {
        let text = String::from_utf8_lossy(output);
        // Lines of a backtrace are set in, and say where, not what.
        let is_of_trace = |line: &&str| {
            line.starts_with([' ', '\t']) || line.starts_with("Node.js v") || line.trim().is_empty()
        };
        let mut lines = text.lines().rev();
        let said = lines.find(|line| !is_of_trace(line));
        let line = said.or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
        let line = line?.trim();
        Some(visible(line).chars().take(LIMIT).collect::<String>())
    };
    let last = last_line(&observation.stderr).or_else(|| last_line(&observation.stdout));
    match last {
        Some(last) => format!("{why}; its last words are `{last}`"),
        None => why.to_owned(),
    }
}

/// Whom runs have tried to reach outside of themselves, in words, each once.
pub(crate) fn sought<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Vec<String> {
    let traces: Vec<&Trace> = traces.into_iter().collect();
    let own = Listeners::of(traces.iter().copied());
    let found: BTreeSet<Sought> = traces
        .into_iter()
        .flat_map(|trace| sought_by(trace, &own))
        .collect();
    found.iter().map(ToString::to_string).collect()
}

/// What it looks for outside of the sandbox: what it says, and whom it tries to reach.
fn needs(observation: &Observation) -> Option<Ailment> {
    let sought = observation.trace.as_ref();
    let sought = sought.map(|trace| sought_by(trace, &Listeners::of([trace])));
    let sought: Vec<Sought> = sought.unwrap_or_default();
    let need = |said: Option<String>| Need {
        said,
        addresses: sought.iter().map(ToString::to_string).collect(),
    };
    if let Some(line) = line_with(observation, &NETWORK) {
        return Some(Ailment::NeedsNetwork(need(Some(line))));
    }
    if let Some(line) = line_with(observation, &SERVICE) {
        return Some(Ailment::NeedsService(need(Some(line))));
    }
    let is_service = |sought: &Sought| sought.kind == SoughtKind::Service;
    if sought.iter().any(is_service) {
        Some(Ailment::NeedsService(need(None)))
    } else if sought.is_empty() {
        None
    } else {
        Some(Ailment::NeedsNetwork(need(None)))
    }
}

/// The last line of what was written that has one of `texts` in it.
fn line_with(observation: &Observation, texts: &[&str]) -> Option<String> {
    const WIDTH: usize = 160;
    [&observation.stderr, &observation.stdout]
        .into_iter()
        .find_map(|output| {
            let output = String::from_utf8_lossy(output);
            let has_one = |line: &&str| {
                let line = line.to_lowercase();
                texts.iter().any(|text| has_word(&line, text))
            };
            let line = output.lines().rev().find(has_one)?.trim();
            Some(line.chars().take(WIDTH).collect())
        })
}

/// Whether `line` has `text` where a word begins: `ModuleNotFoundError` is no `ENOTFOUND`.
fn has_word(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jettison_sandbox::Signal;

    use super::*;
    use crate::verify::http::Answer;
    use crate::verify::observation::Served;
    use crate::verify::probe::{Ending, HttpRequest, Ready, Server, Talk};

    #[track_caller]
    fn check(stderr: &str, exit: ExitKind, expected: Option<&str>) {
        let probe = Probe::run("it", ProbeOrigin::Given, Duration::from_secs(1));
        let run = Observation {
            stderr: stderr.as_bytes().to_vec(),
            ..Observation::ended(exit)
        };
        let found = ailment_of(&probe, &run).map(|ailment| ailment.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn networks_and_services_are_told_from_failures() {
        check("all is well", ExitKind::Code(0), None);
        check(
            "start\ncurl: (6) Could not resolve host: a.example\n",
            ExitKind::Code(6),
            Some(
                "the original needs a network: it says `curl: (6) Could not resolve host: a.example`",
            ),
        );
        check(
            "Error: connect ECONNREFUSED 127.0.0.1:5432\n  at x\n",
            ExitKind::Code(1),
            Some(
                "the original needs a service that is not there: it says `Error: connect ECONNREFUSED 127.0.0.1:5432`",
            ),
        );
        check("usage: x\n", ExitKind::Code(2), None);
        check(
            "ModuleNotFoundError: No module named 'x'\n",
            ExitKind::Code(1),
            None,
        );
        check(
            "Error: getaddrinfo ENOTFOUND a.example\n",
            ExitKind::Code(1),
            Some("the original needs a network: it says `Error: getaddrinfo ENOTFOUND a.example`"),
        );
        check(
            "",
            ExitKind::Code(127),
            Some("the original fails: exit code 127"),
        );
        check(
            "",
            ExitKind::Signal(11),
            Some("the original fails: signal 11"),
        );
        check(
            "",
            ExitKind::TimedOut,
            Some("the original ran into the time limit, so that nothing was compared"),
        );
    }

    #[test]
    fn what_is_expected_is_no_ailment() {
        let mut probe = Probe::run("it", ProbeOrigin::Given, Duration::from_secs(1));
        probe.expect_exit = Some(6);
        let run = Observation {
            stderr: b"Could not resolve host".to_vec(),
            ..Observation::ended(ExitKind::Code(6))
        };
        assert_eq!(ailment_of(&probe, &run), None);
    }

    #[track_caller]
    fn check_unmet(probe: &Probe, run: &Observation, expected: &str) {
        let ailment = ailment_of(probe, run).unwrap();
        assert_eq!(ailment.to_string(), expected);
        assert!(is_refuted(probe, run) == matches!(ailment, Ailment::Unmet(_)));
    }

    #[test]
    fn an_original_that_does_not_do_what_is_expected_is_told_with_what_it_does() {
        let mut probe = Probe::run("adds", ProbeOrigin::Given, Duration::from_secs(1));
        probe.expect_exit = Some(0);
        probe.expect_stdout = Some("5\n".to_owned());
        let run = Observation {
            stdout: b"6\n".to_vec(),
            ..Observation::ended(ExitKind::Code(127))
        };
        check_unmet(
            &probe,
            &run,
            "the original does not do what probe `adds` expects: expected exit code 0, not exit code 127; stdout is not \"5\\n\", but \"6\\n\"",
        );
        assert_eq!(
            ailment_of(&probe, &run).unwrap().kind(),
            AilmentKind::Mistake
        );
        // Nobody has asked it for that.
        probe.origin = ProbeOrigin::Own;
        let fails = ailment_of(&probe, &run);
        assert_eq!(fails, Some(Ailment::Fails(ExitKind::Code(127))));
    }

    #[test]
    fn a_server_that_answers_otherwise_is_told_with_what_it_needs() {
        let request = HttpRequest {
            expect_status: Some(200),
            ..HttpRequest::new("GET", "/")
        };
        let mut probe = Probe::run("page", ProbeOrigin::Given, Duration::from_secs(1));
        probe.action = Action::Serve(Server {
            port: None,
            ready: Ready::After(Duration::ZERO),
            talk: Talk::Http(vec![request]),
            ending: Ending::by(Signal::TERM),
        });
        let answer = Answer::Nothing("it was late".to_owned());
        let mut run = Observation {
            stderr: b"connect ECONNREFUSED 127.0.0.1:5432\n".to_vec(),
            served: Some(Served {
                answers: vec![("GET /".to_owned(), answer)],
                ..Served::default()
            }),
            ..Observation::ended(ExitKind::Killed)
        };
        check_unmet(
            &probe,
            &run,
            "the original does not do what probe `page` expects: GET /: expected status 200, not nothing that has a status; \
             the original needs a service that is not there: it says `connect ECONNREFUSED 127.0.0.1:5432`",
        );
        // One that cannot be talked to is another matter.
        run.stderr.clear();
        run.served = Some(Served {
            trouble: Some("it did not listen".to_owned()),
            ..Served::default()
        });
        let trouble = "the original cannot be talked to: it did not listen";
        assert_eq!(ailment_of(&probe, &run).unwrap().to_string(), trouble);
        run.stderr =
            b"web.rb:12: undefined method `x'\n\tfrom config.ru:1\n\tfrom puma:25\n\n".to_vec();
        let trouble = format!("{trouble}; its last words are `web.rb:12: undefined method `x'`");
        assert_eq!(ailment_of(&probe, &run).unwrap().to_string(), trouble);
    }
}
