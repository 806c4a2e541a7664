//! What `optimize` and `verify` share: which probes there are, and how outcomes are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use jettison_sandbox::Signal;
use jettison_slim::{
    Action, Ailment, AilmentKind, AskError, Ending, FurtherProbes, Probe, ProbeOrigin,
    ProbeOutcome, Ready, Server, Talk, Trail, Verdict, all_misses, suggestion,
};

use crate::cli::ProbeArgs;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::settings::{READY_WITHIN, TIME_LIMIT, request_of};

/// The most misses and exceptions that are shown.
const MOST_SHOWN: usize = 20;

/// The probes of the command line, else those of the settings. If there are none, the image's configuration suggests some.
pub(super) fn given(args: &ProbeArgs, settings: &[Probe]) -> Result<Vec<Probe>, Failure> {
    let mut probes = Vec::new();
    for text in &args.probes {
        let words = shlex::split(text).ok_or_else(|| {
            Failure::user(format!("cannot understand the quotes of probe `{text}`"))
        })?;
        let mut probe = Probe::run(text, ProbeOrigin::Given, TIME_LIMIT);
        probe.arguments = Some(words);
        probes.push(probe);
    }
    probes.extend(requests(&args.requests)?);
    if probes.is_empty() {
        probes.extend(settings.iter().cloned());
    }
    Ok(probes)
}

/// All requests of the command line, to one start of the server.
fn requests(texts: &[String]) -> Result<Option<Probe>, Failure> {
    let mut requests = Vec::new();
    let mut port = None;
    for text in texts {
        let (own_port, request) = request_of(text).map_err(Failure::user)?;
        if let (Some(known), Some(own)) = (port, own_port)
            && known != own
        {
            return Err(Failure::user(format!(
                "`{text}`: all requests go to one port, and that is {known}"
            ))
            .hint("write a [[probe]] for each port into jettison.toml"));
        }
        port = port.or(own_port);
        requests.push(request);
    }
    if requests.is_empty() {
        return Ok(None);
    }
    let mut probe = Probe::run(&texts.join(", "), ProbeOrigin::Given, TIME_LIMIT);
    probe.action = Action::Serve(Server {
        port,
        ready: Ready::Listening(READY_WITHIN),
        talk: Talk::Http(requests),
        ending: Ending::by(Signal::TERM),
    });
    Ok(Some(probe))
}

/// What is asked beyond the given probes.
pub(super) fn further(args: &ProbeArgs) -> FurtherProbes {
    if args.given_only {
        FurtherProbes::None
    } else {
        FurtherProbes::Own
    }
}

/// Shows how one probe went.
pub(super) fn show(outcome: &ProbeOutcome, output: &mut Output) {
    let name = printable(&outcome.probe.name);
    let note = match outcome.probe.origin {
        ProbeOrigin::Given => "",
        ProbeOrigin::Default => " (no probe was given)",
        ProbeOrigin::Own => " (ours)",
    };
    if outcome.passed() {
        output.styled(Look::Good, &format!("same      {name}{note}"));
    } else if outcome.ailment().is_some() {
        output.styled(Look::Bad, &format!("unknown   {name}{note}"));
    } else {
        output.styled(Look::Bad, &format!("different {name}{note}"));
    }
    if !outcome.passed() {
        for difference in &outcome.differences {
            for line in difference.describe().lines() {
                output.line(&format!("  {line}"));
            }
        }
        match outcome.ailment() {
            // What is not met follows.
            Some(Ailment::Unmet(_)) | None => {}
            Some(ailment) => output.line(&printable(&format!("  {ailment}"))),
        }
        for unmet in &outcome.unmet {
            output.line(&printable(&format!("  {unmet}")));
        }
    }
    if let Trail::Incomplete(reasons) = &outcome.trail {
        let text = format!("  could not be watched whole: {}", reasons.join(", "));
        output.styled(Look::Note, &printable(&text));
    }
    if let Some(improvement) = &outcome.improvement {
        output.styled(Look::Note, &printable(&format!("  better: {improvement}")));
    }
    if outcome.probe.origin == ProbeOrigin::Given && !outcome.volatile.is_empty() {
        const SHOWN: usize = 12;
        let shown: Vec<&str> = outcome
            .volatile
            .iter()
            .map(String::as_str)
            .take(SHOWN)
            .collect();
        let more = match outcome.volatile.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let volatile = format!("{}{more}", shown.join(", "));
        let volatile = printable(&volatile);
        output.styled(
            Look::Note,
            &format!("  not counted, because it is different in each run: {volatile}"),
        );
    }
}

/// What was listed or read and is something else in the original, and what was accepted of answers, each once.
fn exceptions(outcomes: &[ProbeOutcome]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for outcome in outcomes {
        found.extend(outcome.exception.clone());
        match &outcome.trail {
            Trail::But { directories, files } => {
                let named = |path: &PathBuf| format!("{} has other names in it", path.display());
                found.extend(directories.iter().map(named));
                found.extend(files.iter().map(ToString::to_string));
            }
            Trail::NotTraced
            | Trail::Same
            | Trail::LoadedAlike(_)
            | Trail::Misses(_)
            | Trail::Incomplete(_) => {}
        }
    }
    found
}

/// Says what all outcomes mean together.
pub(super) fn conclude(
    (verdict, outcomes): (Verdict, &[ProbeOutcome]),
    left_out: &[String],
    output: &mut Output,
) {
    let count = |origin: ProbeOrigin| {
        outcomes
            .iter()
            .filter(|outcome| outcome.probe.origin == origin)
            .count()
    };
    let (given, own) = (count(ProbeOrigin::Given), count(ProbeOrigin::Own));
    let and_own = match own {
        0 => String::new(),
        own => format!(", and to {own} of ours"),
    };
    let probes = if given == 1 { "probe" } else { "probes" };
    match verdict {
        Verdict::Proven => output.styled(
            Look::Good,
            &format!("proven: both images gave the same answers to {given} {probes}{and_own}"),
        ),
        Verdict::ProvenBut => {
            output.styled(
                Look::Good,
                &format!("proven but for what follows: both images gave the same answers to {given} {probes}{and_own}"),
            );
            for exception in exceptions(outcomes).iter().take(MOST_SHOWN) {
                output.line(&printable(&format!("    {exception}")));
            }
        }
        Verdict::Missed => {
            output.styled(
                Look::Bad,
                "not proven: the answers are the same, but that may be luck, for the original has what was looked up in vain",
            );
            for miss in all_misses(outcomes).into_iter().take(MOST_SHOWN) {
                output.line(&printable(&format!("    {miss}: {}", miss.cure())));
            }
        }
        Verdict::Weak if given == 0 => {
            output.styled(
                Look::Heading,
                "weak: no probes were given, so that the image's own command was compared; add one to jettison.toml:",
            );
            for line in suggestion(outcomes).unwrap_or_default().lines() {
                output.line(&format!("    {}", printable(line)));
            }
        }
        Verdict::Weak => output.styled(
            Look::Heading,
            "weak: the answers are the same, but they say little about the program; add probes that make it work",
        ),
        Verdict::Failed => output.styled(Look::Bad, "failed"),
    }
    if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        output.styled(
            Look::Note,
            &format!("  not asked, because the original takes long: {left_out}"),
        );
    }
}

/// An original that shows nothing of itself, or not what a probe expects; `files` are those that have the probes, and `subject` is
/// what the original comes from.
pub(super) fn ailing(
    ailment: &Ailment,
    (args, files): (&ProbeArgs, &BTreeMap<String, PathBuf>),
    subject: Option<&Path>,
) -> Failure {
    let text = ailment.to_string();
    let failure = match ailment.kind() {
        AilmentKind::Unprovable => Failure::no(text),
        AilmentKind::Mistake => Failure::user(text),
        AilmentKind::Sandbox => Failure::host(text),
    };
    let file = match ailment {
        Ailment::Unmet(unmet) => {
            let is_of_files = args.probes.is_empty() && args.requests.is_empty();
            let file = files.get(&unmet.probe).filter(|_| is_of_files);
            file.map(PathBuf::as_path)
        }
        Ailment::NeedsNetwork(_)
        | Ailment::NeedsService(_)
        | Ailment::Fails(_)
        | Ailment::NotServing(_)
        | Ailment::NeverEnds
        | Ailment::Flaky => subject,
    };
    let failure = match file {
        Some(file) => failure.in_file(file),
        None => failure,
    };
    failure.hint(ailment.hint())
}

/// A probe that could not be run.
pub(super) fn cannot_ask(error: &AskError) -> Failure {
    let mut failure = Failure::user(error.to_string());
    if let Some(source) = error.source() {
        failure = failure.because(source);
    }
    failure
}
