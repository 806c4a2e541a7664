//! Probes of our own: what every image is asked, whatever its program is.
//!
//! What a small image loses unnoticed is what nobody tries: the message for a wrong argument, the page that is not there,
//! another time zone, another user. Both images have to agree, and may both refuse.

use std::time::Duration;

use jettison_oci::ImageConfig;
use jettison_sandbox::Signal;

use crate::verify::http::Answer;
use crate::verify::observation::{ExitKind, Observation};
use crate::verify::observe::OTHER_USER;
use crate::verify::probe::{
    Action, Ending, HttpMessage, HttpRequest, Probe, ProbeInput, ProbeOrigin, Ready, Server,
    Setting, Talk,
};

/// The time that all of them together may take, as far as that is known before.
const BUDGET: Duration = Duration::from_secs(90);
/// The least time that one of them gets.
const SHORTEST: Duration = Duration::from_secs(5);
/// The most time that one of them gets.
const LONGEST: Duration = Duration::from_mins(1);
/// How long a server may take to end that did not in the time that it was given before: probes are about that by themselves.
const STUBBORN: Duration = Duration::from_secs(1);

/// Probes of our own, and the names of those that would take too long.
#[derive(Debug, Default)]
pub(super) struct OwnProbes {
    pub(super) probes: Vec<Probe>,
    pub(super) left_out: Vec<String>,
}

/// What is known about an original before it is asked more.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    pub(super) config: &'k ImageConfig,
    /// What it was asked, and what it did.
    pub(super) asked: &'k [(&'k Probe, &'k Observation)],
    /// Whether programs can run as other users than root.
    pub(super) has_other_users: bool,
}

/// What starts the program of a project, and may be left out.
const RUNNERS: [&str; 9] = [
    "cargo", "go", "npm", "npx", "pipenv", "pnpm", "poetry", "uv", "yarn",
];

/// The probes of our own for an original, the most telling first.
pub(super) fn own_probes(known: Known<'_>) -> OwnProbes {
    let is_served = |(_, run): &&(&Probe, &Observation)| {
        run.served
            .as_ref()
            .is_some_and(|served| served.port.is_some())
    };
    let server = known.asked.iter().find(is_served).copied();
    let Some(base) = server.or_else(|| known.asked.first().copied()) else {
        return OwnProbes::default();
    };
    let took = base.1.took;
    // Several run at once, and the candidate's lookups are watched.
    let limit = (took * 8).clamp(SHORTEST, LONGEST);
    let mut given = base.0.clone();
    if let Action::Serve(server) = &mut given.action
        && base.1.exit == ExitKind::Killed
        && !server.ending.is_watched
    {
        server.ending.patience = STUBBORN;
    }
    let mut probes = Vec::new();
    if let Some((_, run)) = server {
        probes.extend(odd_requests(&given, run, limit));
    }
    let words = words(known.config);
    if let Some(words) = &words {
        probes.push(with_argument(
            &given,
            (words, "--jettison-no-such-option"),
            limit,
        ));
    }
    probes.extend(surroundings(&given, limit, known.has_other_users));
    if server.is_some() {
        probes.push(ended_by_term(&given, limit));
    }
    if let Some(words) = &words {
        probes.push(with_argument(&given, (words, "--help"), limit));
        probes.push(with_argument(&given, (words, "--version"), limit));
    }
    within_budget(probes, took)
}

/// As many as there is time for.
fn within_budget(mut probes: Vec<Probe>, took: Duration) -> OwnProbes {
    // Each runs in both images, and several at once.
    let each = took.as_secs_f64();
    let n_affordable = (0..probes.len())
        .take_while(|count| {
            let count = u32::try_from(*count).unwrap_or(u32::MAX);
            f64::from(count) * each <= BUDGET.as_secs_f64()
        })
        .count();
    let left_out = probes.split_off(n_affordable);
    OwnProbes {
        probes,
        left_out: left_out.into_iter().map(|probe| probe.name).collect(),
    }
}

/// `base` as a probe of ours, which nothing is expected of.
fn derived(base: &Probe, name: String, limit: Duration) -> Probe {
    let mut action = base.action.clone();
    if let Action::Serve(server) = &mut action {
        server.ending.is_watched = false;
        if let Ready::Listening(within) | Ready::Anywhere(within) = &mut server.ready {
            *within = (*within).min(limit);
        }
    }
    Probe {
        name,
        origin: ProbeOrigin::Own,
        action,
        time_limit: base.time_limit.min(limit),
        expect_exit: None,
        expect_stdout: None,
        ..base.clone()
    }
}

/// The words before an argument: those of `CMD`, unless there is an `ENTRYPOINT` that gets it. `None` if it would be a
/// shell's, or that of a tool that only starts the program (`npm start`) and takes options for its own.
fn words(config: &ImageConfig) -> Option<Vec<String>> {
    let entrypoint = config.config.entrypoint.as_deref().unwrap_or_default();
    let cmd = config.config.cmd.as_deref().unwrap_or_default();
    let command = if entrypoint.is_empty() {
        cmd
    } else {
        entrypoint
    };
    let is_shell = command.get(1).is_some_and(|word| word == "-c");
    let is_runner = command
        .first()
        .is_some_and(|word| RUNNERS.contains(&word.as_str()));
    if command.is_empty() || is_shell || (is_runner && entrypoint.is_empty()) {
        return None;
    }
    Some(if entrypoint.is_empty() {
        cmd.to_vec()
    } else {
        Vec::new()
    })
}

fn with_argument(base: &Probe, (words, argument): (&[String], &str), limit: Duration) -> Probe {
    let mut probe = derived(base, format!("argument {argument}"), limit);
    let mut arguments = words.to_vec();
    arguments.push(argument.to_owned());
    probe.arguments = Some(arguments);
    probe.stdin = ProbeInput::Bytes(Vec::new());
    if let Action::Serve(server) = &mut probe.action {
        // It may take the argument for nothing, and serve, or for a port.
        server.talk = Talk::Nothing;
        server.ready = Ready::Anywhere(limit);
    }
    probe
}

/// The same in other surroundings.
fn surroundings(base: &Probe, limit: Duration, has_other_users: bool) -> Vec<Probe> {
    let variable = |name: &str, value: &str| {
        let mut probe = derived(base, format!("with {name}={value}"), limit);
        probe.env.push((name.to_owned(), value.to_owned()));
        probe
    };
    let setting = |name: &str, setting: Setting| Probe {
        setting,
        ..derived(base, name.to_owned(), limit)
    };
    let mut probes = vec![
        variable("TZ", "America/New_York"),
        variable("LC_ALL", "de_DE.UTF-8"),
    ];
    if has_other_users {
        probes.push(setting(
            &format!("as user {OTHER_USER}"),
            Setting::OtherUser,
        ));
    }
    probes.push(setting("on a read-only file system", Setting::ReadOnly));
    probes.push(setting("started a second time", Setting::SecondStart));
    let mut bared = setting("without the image's variables", Setting::BareEnvironment);
    if let Action::Serve(server) = &mut bared.action {
        // One of them may be the port.
        if let Ready::Listening(within) = server.ready {
            server.ready = Ready::Anywhere(within);
        }
    }
    probes.push(bared);
    probes.push(variable("LC_ALL", "C"));
    probes
}

/// Requests that a server refuses, if it is one of HTTP.
fn odd_requests(base: &Probe, run: &Observation, limit: Duration) -> Option<Probe> {
    let Action::Serve(server) = &base.action else {
        return None;
    };
    let answers = run.served.iter().flat_map(|served| &served.answers);
    let mut answers = answers.map(|(_, answer)| answer);
    if !answers.any(|answer| matches!(answer, Answer::Response(_))) {
        return None;
    }
    let raw = |text: &str| HttpRequest {
        message: HttpMessage::Raw(text.as_bytes().to_vec()),
        expect_status: None,
        expect_body: None,
    };
    let mut malformed = HttpRequest::new("POST", "/");
    if let HttpMessage::Request { headers, body, .. } = &mut malformed.message {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        *body = b"{\"jettison".to_vec();
    }
    let requests = vec![
        HttpRequest::new("GET", "/jettison-no-such-page"),
        HttpRequest::new("GET", "/jettison/no%20such/page.html?a=%FF"),
        HttpRequest::new("DELETE", "/"),
        HttpRequest::new("HEAD", "/"),
        malformed,
        raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
        raw("JETTISON\r\n\r\n"),
    ];
    let mut probe = derived(base, "requests that are refused".to_owned(), limit);
    probe.action = Action::Serve(Server {
        talk: Talk::Http(requests),
        ending: Ending {
            is_watched: false,
            ..server.ending
        },
        ..server.clone()
    });
    Some(probe)
}

fn ended_by_term(base: &Probe, limit: Duration) -> Probe {
    let mut probe = derived(base, "ended by SIGTERM".to_owned(), limit);
    probe.time_limit = SHORTEST * 2;
    if let Action::Serve(server) = &mut probe.action {
        server.talk = Talk::Nothing;
        server.ending = Ending {
            is_watched: true,
            ..Ending::by(Signal::TERM)
        };
    }
    probe
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::verify::http::HttpResponse;
    use crate::verify::observation::Served;

    fn config(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut config = ImageConfig::default();
        config.config.entrypoint = (!entrypoint.is_empty()).then(|| owned(entrypoint));
        config.config.cmd = (!cmd.is_empty()).then(|| owned(cmd));
        config
    }

    fn server() -> (Probe, Observation) {
        let mut probe = Probe::run("it", ProbeOrigin::Given, Duration::from_secs(30));
        probe.action = Action::Serve(Server {
            port: Some(80),
            ready: Ready::Listening(Duration::from_secs(30)),
            talk: Talk::Http(vec![HttpRequest::new("GET", "/")]),
            ending: Ending::by(Signal::TERM),
        });
        let response = Answer::Response(HttpResponse {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        });
        let mut run = Observation::ended(ExitKind::Code(0));
        run.served = Some(Served {
            port: Some(80),
            answers: vec![("GET /".to_owned(), response)],
            ..Served::default()
        });
        (probe, run)
    }

    #[track_caller]
    fn check(config: &ImageConfig, (probe, run): &(Probe, Observation), expected: Expect) {
        let own = own_probes(Known {
            config,
            asked: &[(probe, run)],
            has_other_users: true,
        });
        let mut text = String::new();
        for probe in &own.probes {
            assert_eq!(probe.origin, ProbeOrigin::Own);
            let _infallible = writeln!(text, "{} {:?}", probe.name, probe.arguments);
        }
        for name in &own.left_out {
            let _infallible = writeln!(text, "left out: {name}");
        }
        expected.assert_eq(&text);
    }

    #[test]
    fn a_program_is_asked_for_arguments_and_in_other_surroundings() {
        let probe = Probe::run("it", ProbeOrigin::Given, Duration::from_secs(30));
        let run = (probe, Observation::ended(ExitKind::Code(0)));
        check(
            &config(&[], &["./app", "x"]),
            &run,
            expect![[r#"
                argument --jettison-no-such-option Some(["./app", "x", "--jettison-no-such-option"])
                with TZ=America/New_York None
                with LC_ALL=de_DE.UTF-8 None
                as user 65532 None
                on a read-only file system None
                started a second time None
                without the image's variables None
                with LC_ALL=C None
                argument --help Some(["./app", "x", "--help"])
                argument --version Some(["./app", "x", "--version"])
            "#]],
        );
    }

    #[test]
    fn a_runner_is_given_no_arguments_of_a_program() {
        assert_eq!(words(&config(&[], &["npm", "start"])), None);
        assert_eq!(words(&config(&[], &["uv", "run", "x"])), None);
        assert_eq!(words(&config(&["uv", "run", "x"], &[])), Some(Vec::new()));
    }

    #[test]
    fn a_server_is_asked_for_what_it_refuses() {
        let mut server = server();
        server.1.took = Duration::from_secs(12);
        check(
            &config(&["/app"], &["serve"]),
            &server,
            expect![[r#"
                requests that are refused None
                argument --jettison-no-such-option Some(["--jettison-no-such-option"])
                with TZ=America/New_York None
                with LC_ALL=de_DE.UTF-8 None
                as user 65532 None
                on a read-only file system None
                started a second time None
                without the image's variables None
                left out: with LC_ALL=C
                left out: ended by SIGTERM
                left out: argument --help
                left out: argument --version
            "#]],
        );
    }

    #[test]
    fn a_shell_gets_no_arguments() {
        assert_eq!(words(&config(&[], &["/bin/sh", "-c", "app"])), None);
        assert_eq!(words(&config(&["sh", "-c", "app"], &["x"])), None);
        assert_eq!(words(&config(&[], &[])), None);
    }
}
