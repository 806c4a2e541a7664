//! A build's error as the user should see it: with its place drawn, if it has one.

use jettison_build::{BuildError, Located, LowerError, messages};
use jettison_dockerfile::{TextRange, parse};

use crate::drawing::{Drawing, draw_all};
use crate::failure::Failure;
use crate::source::Source;

/// What the kernel says of a file system that cannot take an overlay's changes (`ovl_get_upper`,
/// fs/overlayfs/super.c), such as a container's own, which is an overlay itself.
const UNSUITABLE: &str = "not supported as upperdir";

/// What to do where the disk is full.
const MORE_ROOM: &str = "`jettison prune` removes what builds have kept, `jettison rmi` images; `--root DIR` or JETTISON_ROOT keep the store on another disk";

/// The failure of a build of the Dockerfile `source`.
pub(super) fn build_failure(error: &BuildError, source: &Source) -> Failure {
    match error {
        BuildError::Command {
            line,
            command,
            outcome,
        } => {
            let message = format!("process {command} did not complete successfully: {outcome}");
            let drawing = Drawing {
                message: &message,
                range: instruction_range(source, *line),
                hints: &what_to_do(outcome),
                ..Drawing::default()
            };
            Failure::no("").drawn(draw_all(source, &[drawing]))
        }
        BuildError::FullDisk {
            line,
            command,
            outcome,
        } => {
            let message = format!(
                "process {command} did not complete successfully: {outcome}, and the disk of the store is nearly full"
            );
            let drawing = Drawing {
                message: &message,
                range: instruction_range(source, *line),
                hints: &[MORE_ROOM.to_owned()],
                ..Drawing::default()
            };
            Failure::host("").drawn(draw_all(source, &[drawing]))
        }
        BuildError::Copy(place) if error.is_for_lack_of_room() => {
            located(Failure::host(""), source, std::slice::from_ref(place)).hint(MORE_ROOM)
        }
        BuildError::Copy(place) => located(Failure::user(""), source, std::slice::from_ref(place)),
        BuildError::Lower(lower) => lower_failure(lower, source),
        BuildError::Sandbox { .. } | BuildError::Start(_) | BuildError::Mount(_) => {
            let hint = if messages(error)
                .iter()
                .any(|cause| cause.contains(UNSUITABLE))
            {
                "keep the store on a disk of the machine, in a container in a volume: `--root DIR` or JETTISON_ROOT; \
                 `jettison doctor` tries it"
            } else {
                "`jettison doctor` says what this host offers"
            };
            Failure::host(error.to_string()).because(error).hint(hint)
        }
        other if other.is_for_lack_of_room() => Failure::host(other.to_string())
            .because(other)
            .hint(MORE_ROOM),
        other => Failure::user(other.to_string()).because(other),
    }
}

/// What to do about a command that ended so, where that can be told.
fn what_to_do(outcome: &str) -> Vec<String> {
    let hint = if outcome.ends_with("the limit of memory was reached") {
        "give it more with `--memory`"
    } else if outcome.starts_with("exit code: 127") || outcome.contains(": No such file") {
        "a program was not found: it is not installed at this point, or not in PATH"
    } else if outcome.starts_with("exit code: 126") || outcome.contains("(cannot execute ") {
        "a program could not be started: it has no right to be executed, or is for another platform"
    } else if outcome.starts_with("exit code: 137") || outcome.starts_with("killed by signal 9") {
        "it was killed, perhaps because memory ran out"
    } else {
        return Vec::new();
    };
    vec![hint.to_string()]
}

fn lower_failure(error: &LowerError, source: &Source) -> Failure {
    match error {
        LowerError::Syntax(places) => located(Failure::user(""), source, places),
        LowerError::Instruction(place) => {
            located(Failure::user(""), source, std::slice::from_ref(place))
        }
        LowerError::Base {
            line,
            name,
            source: cause,
        } => {
            let message = format!("cannot get base image `{name}`");
            at_line(
                Failure::user(""),
                source,
                *line,
                &message,
                &messages(cause.as_ref()),
            )
        }
        LowerError::Epoch { .. } => Failure::user(error.to_string()).because(error),
        LowerError::NoTarget(_) | LowerError::NoContextStage { .. } => {
            Failure::user(format!("{}: {error}", source.path))
        }
    }
}

/// Failures with places, drawn.
fn located(failure: Failure, source: &Source, places: &[Located]) -> Failure {
    let drawings: Vec<Drawing<'_>> = places
        .iter()
        .map(|place| Drawing {
            message: &place.message,
            range: place
                .range
                .clone()
                .or_else(|| instruction_range(source, place.line)),
            hints: &place.hints,
            ..Drawing::default()
        })
        .collect();
    failure.drawn(draw_all(source, &drawings))
}

/// A failure of the instruction on a line.
fn at_line(
    failure: Failure,
    source: &Source,
    line: usize,
    message: &str,
    causes: &[String],
) -> Failure {
    let drawing = Drawing {
        message,
        range: instruction_range(source, line),
        causes,
        ..Drawing::default()
    };
    failure.drawn(draw_all(source, &[drawing]))
}

/// Where the instruction is that starts on a line.
fn instruction_range(source: &Source, line: usize) -> Option<TextRange> {
    let parse = parse(&source.text);
    let mut instructions = parse.instructions().iter();
    let instruction = instructions.find(|instruction| instruction.line == line)?;
    Some(instruction.range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_told_is_told() {
        for (outcome, begins) in [
            ("exit code: 127", Some("a program was not found")),
            (
                "exit code: 126 (exec x: Permission denied)",
                Some("a program could not"),
            ),
            (
                "exit code: 137: the limit of memory was reached",
                Some("give it more"),
            ),
            ("killed by signal 9", Some("it was killed")),
            ("exit code: 1", None),
            ("exit code: 12", None),
        ] {
            let hints = what_to_do(outcome);
            let is_right = match begins {
                Some(begins) => hints.len() == 1 && hints[0].starts_with(begins),
                None => hints.is_empty(),
            };
            assert!(is_right, "{outcome}: {hints:?}");
        }
    }
}
