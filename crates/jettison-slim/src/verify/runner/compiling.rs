//! What `go run` and `cargo run` say themselves.

use crate::verify::observation::{ExitKind, Observation};

/// What `go run` says of a program that has failed, before its exit status.
const GO_STATUS: &[u8] = b"exit status ";
/// What `cargo run` says when it starts the program.
const CARGO_START: &[u8] = b"     Running `";

/// The exit status of the program that `go run` speaks of in the last line.
pub(super) fn status_by_go(stderr: &[u8]) -> Option<i32> {
    let last = lines(stderr).last()?.trim_ascii_end();
    let status = last.strip_prefix(GO_STATUS)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

/// `text` of an output without what `tool` has said in it.
pub(super) fn without_lines<'t>(tool: &str, text: &'t [u8]) -> &'t [u8] {
    if tool == "go" {
        let length = lines(text).last().map_or(0, <[u8]>::len);
        let end = status_by_go(text).map(|_| text.len() - length);
        return text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    }
    // What it compiles comes before.
    let mut start = 0;
    for line in lines(text) {
        start += line.len();
        if line.starts_with(CARGO_START) {
            return text.get(start..).unwrap_or_default();
        }
    }
    text
}

/// Whether `tool` came to nothing in this run, so that the program was not started: it is not there, says so itself, or waits for
/// somebody who is not there either.
pub(super) fn has_come_to_nothing(tool: &str, run: &Observation) -> bool {
    const OF_GO: [&[u8]; 3] = [
        b"go: ",
        b"build cache is required",
        b"failed to initialize build cache",
    ];
    let says = |starts: &[&[u8]]| {
        lines(&run.stderr).any(|line| starts.iter().any(|start| line.starts_with(start)))
    };
    match run.exit {
        ExitKind::Code(126 | 127) => true,
        ExitKind::Code(1) if tool == "go" => says(&OF_GO),
        ExitKind::Code(101) if tool == "cargo" => says(&[b"error: "]),
        ExitKind::Code(_) | ExitKind::Signal(_) => false,
        ExitKind::Killed | ExitKind::TimedOut => run.stdout.is_empty() && run.stderr.is_empty(),
    }
}

fn lines(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_say_is_told_from_what_the_program_says() {
        let check = |tool: &str, text: &'static str, expected: &str| {
            let rest = without_lines(tool, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(rest), expected);
        };
        check("go", "a\nexit status 3\n", "a\n");
        check("go", "exit status 3\nb\n", "exit status 3\nb\n");
        check("go", "exit status x\n", "exit status x\n");
        check("go", "", "");
        check("cargo", "    Finished x\n     Running `x`\na\n", "a\n");
        check("cargo", "a\n", "a\n");
        assert_eq!(status_by_go(b"a\nexit status 12"), Some(12));
        assert_eq!(status_by_go(b"exit status 12\na\n"), None);
    }

    #[test]
    fn a_program_that_failed_by_itself_was_started() {
        let check = |tool: &str, exit: i32, stderr: &str, expected: bool| {
            let run = Observation {
                stderr: stderr.as_bytes().to_vec(),
                ..Observation::ended(ExitKind::Code(exit))
            };
            let found = has_come_to_nothing(tool, &run);
            assert_eq!(found, expected, "{tool} {exit} {stderr}");
        };
        check("go", 1, "failed to initialize build cache at /x\n", true);
        check("go", 1, "bad input\nexit status 1\n", false);
        check("go", 127, "", true);
        check("cargo", 101, "error: failed to write `/app/target`\n", true);
        check("cargo", 2, "error: unexpected argument\n", false);
        check("cargo", 101, "thread 'main' panicked\n", false);
        check("cargo", 0, "", false);
        let mut waiting = Observation::ended(ExitKind::TimedOut);
        assert!(has_come_to_nothing("cargo", &waiting));
        waiting.stdout = b"up\n".to_vec();
        assert!(!has_come_to_nothing("cargo", &waiting));
    }
}
