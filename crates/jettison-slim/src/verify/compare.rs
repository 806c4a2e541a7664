//! Two runs of one probe, compared byte for byte.

use std::{fmt, fmt::Write as _};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// How many lines a description of differing output has at most, its headers not counted.
const LINE_LIMIT: usize = 40;
/// How many equal lines stand around each difference.
const CONTEXT: usize = 3;
/// How many lines behind the first difference are looked at; bounds the time that a diff takes.
const WINDOW: usize = 400;
/// Output with longer lines (in bytes) is shown as bytes, because a line diff would not show where it differs.
const LONG_LINE: usize = 400;
/// How many bytes stand in one row of a hex window.
const ROW: usize = 16;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitKind {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was stopped, because it ran longer than its probe allows.
    TimedOut,
}

impl fmt::Display for ExitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitKind::Code(code) => write!(formatter, "exit code {code}"),
            ExitKind::Signal(signal) => write!(formatter, "signal {signal}"),
            ExitKind::TimedOut => formatter.write_str("timed out"),
        }
    }
}

/// All that one run of a probe shows to the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// How the program ended.
    pub exit: ExitKind,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// One way in which a candidate did not do what the original did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The programs ended differently.
    Exit {
        /// How the original ended.
        original: ExitKind,
        /// How the candidate ended.
        candidate: ExitKind,
    },
    /// The standard outputs differ.
    Stdout {
        /// What the original wrote.
        original: Vec<u8>,
        /// What the candidate wrote.
        candidate: Vec<u8>,
    },
    /// The standard errors differ.
    Stderr {
        /// What the original wrote.
        original: Vec<u8>,
        /// What the candidate wrote.
        candidate: Vec<u8>,
    },
    /// Neither ended in time, so nothing is known about what they would have done.
    BothTimedOut,
}

impl Difference {
    /// The difference for people: one line, and for output a diff or a hex window below it.
    ///
    /// Control characters are escaped, so that no output of a probed program reaches a terminal as a command.
    pub fn describe(&self) -> String {
        match self {
            Difference::Exit {
                original,
                candidate,
            } => {
                format!("exit differs: original {original}, candidate {candidate}")
            }
            Difference::Stdout {
                original,
                candidate,
            } => describe_output("stdout", original, candidate),
            Difference::Stderr {
                original,
                candidate,
            } => describe_output("stderr", original, candidate),
            Difference::BothTimedOut => {
                "both timed out: neither shows what it would have done".to_owned()
            }
        }
    }
}

/// How `candidate` differs from `original`; empty if they are the same, byte for byte.
///
/// Two runs that were both stopped are never the same, and what they wrote until then is not compared.
pub fn compare(original: &Observation, candidate: &Observation) -> Vec<Difference> {
    if original.exit == ExitKind::TimedOut && candidate.exit == ExitKind::TimedOut {
        return vec![Difference::BothTimedOut];
    }
    let exit = (original.exit != candidate.exit).then_some(Difference::Exit {
        original: original.exit,
        candidate: candidate.exit,
    });
    let stdout = (original.stdout != candidate.stdout).then(|| Difference::Stdout {
        original: original.stdout.clone(),
        candidate: candidate.stdout.clone(),
    });
    let stderr = (original.stderr != candidate.stderr).then(|| Difference::Stderr {
        original: original.stderr.clone(),
        candidate: candidate.stderr.clone(),
    });
    [exit, stdout, stderr].into_iter().flatten().collect()
}

/// `text` with its control characters escaped, except for tabs.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn describe_output(stream: &str, original: &[u8], candidate: &[u8]) -> String {
    let body = line_diff(original, candidate).unwrap_or_else(|| hex_window(original, candidate));
    format!(
        "{stream} differs ({} and {} bytes):\n{body}",
        original.len(),
        candidate.len()
    )
}

/// A unified diff, or `None` if the outputs are not text that people read by lines.
fn line_diff(original: &[u8], candidate: &[u8]) -> Option<String> {
    let (original, candidate) = (lines(original)?, lines(candidate)?);
    let equal = original
        .iter()
        .zip(&candidate)
        .take_while(|(left, right)| left == right)
        .count();
    let start = equal.saturating_sub(CONTEXT);
    let old = window(&original, start);
    let new = window(&candidate, start);
    if old.iter().chain(new).any(|line| line.len() > LONG_LINE) {
        return None;
    }
    let groups = group_diff_ops(capture_diff_slices(Algorithm::Myers, old, new), CONTEXT);
    let shown: Vec<String> = groups
        .iter()
        .flat_map(|group| hunk(group, old, new, start))
        .collect();
    let mut text = String::from("--- original\n+++ candidate");
    for line in shown.iter().take(LINE_LIMIT) {
        text.push('\n');
        text.push_str(line);
    }
    let rest_differs = original.get(start + old.len()..) != candidate.get(start + new.len()..);
    if shown.len() > LINE_LIMIT || rest_differs {
        text.push_str("\n(more not shown)");
    }
    Some(text)
}

/// The lines of `bytes` with their newlines, or `None` for binary data.
fn lines(bytes: &[u8]) -> Option<Vec<&str>> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.split_inclusive('\n').collect())
}

fn window<'a, 'b>(lines: &'a [&'b str], start: usize) -> &'a [&'b str] {
    let end = lines.len().min(start.saturating_add(WINDOW));
    lines.get(start..end).unwrap_or_default()
}

/// One hunk's lines; `start` lines stand before the two windows.
fn hunk(group: &[DiffOp], old: &[&str], new: &[&str], start: usize) -> Vec<String> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Vec::new();
    };
    let old_range = first.old_range().start..last.old_range().end;
    let new_range = first.new_range().start..last.new_range().end;
    let mut shown = vec![format!(
        "@@ -{},{} +{},{} @@",
        start + old_range.start + usize::from(!old_range.is_empty()),
        old_range.len(),
        start + new_range.start + usize::from(!new_range.is_empty()),
        new_range.len(),
    )];
    for operation in group {
        if operation.tag() == DiffTag::Equal {
            push_lines(&mut shown, ' ', old.get(operation.old_range()));
        } else {
            push_lines(&mut shown, '-', old.get(operation.old_range()));
            push_lines(&mut shown, '+', new.get(operation.new_range()));
        }
    }
    shown
}

fn push_lines(shown: &mut Vec<String>, sign: char, lines: Option<&[&str]>) {
    for line in lines.unwrap_or_default() {
        match line.strip_suffix('\n') {
            Some(line) => shown.push(format!("{sign}{}", visible(line))),
            None => shown.push(format!("{sign}{} (no newline at the end)", visible(line))),
        }
    }
}

/// The bytes around the first difference.
fn hex_window(original: &[u8], candidate: &[u8]) -> String {
    let offset = original
        .iter()
        .zip(candidate)
        .take_while(|(left, right)| left == right)
        .count();
    let start = (offset / ROW).saturating_sub(1) * ROW;
    let mut text = format!("first difference at byte {offset}");
    for (name, bytes) in [("original", original), ("candidate", candidate)] {
        let _infallible = write!(text, "\n{name}:");
        for row in 0..4 {
            let from = bytes.len().min(start + row * ROW);
            let shown = bytes
                .get(from..bytes.len().min(from + ROW))
                .unwrap_or_default();
            if shown.is_empty() {
                let _infallible = write!(text, "\n  {from:08x}  (end)");
                break;
            }
            let _infallible = write!(text, "\n  {from:08x}  {}", hex_row(shown));
        }
    }
    text
}

fn hex_row(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let characters: String = bytes
        .iter()
        .map(|&byte| {
            if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '.'
            }
        })
        .collect();
    format!("{:<47}  |{characters}|", hex.join(" "))
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts like this"
)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn ran(exit: ExitKind, stdout: &[u8], stderr: &[u8]) -> Observation {
        Observation {
            exit,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        }
    }

    fn check_stdout(original: &[u8], candidate: &[u8], expected: Expect) {
        let differences = compare(
            &ran(ExitKind::Code(0), original, b""),
            &ran(ExitKind::Code(0), candidate, b""),
        );
        let [difference] = differences.as_slice() else {
            panic!("{differences:?}")
        };
        expected.assert_eq(&difference.describe());
    }

    /// Lines from 1 to `count`, each behind `prefix`.
    fn numbered(prefix: &str, count: usize) -> String {
        let lines: Vec<String> = (1..=count).map(|line| format!("{prefix}{line}")).collect();
        lines.join("\n") + "\n"
    }

    fn check_exits(original: ExitKind, candidate: ExitKind, expected: &[&str]) {
        let differences = compare(&ran(original, b"x", b""), &ran(candidate, b"x", b""));
        let described: Vec<String> = differences.iter().map(Difference::describe).collect();
        assert_eq!(described, expected);
    }

    #[test]
    fn ends_are_compared_by_kind_and_number() {
        use ExitKind::{Code, Signal, TimedOut};
        check_exits(Code(3), Code(3), &[]);
        check_exits(Signal(9), Signal(9), &[]);
        check_exits(
            Code(0),
            Code(1),
            &["exit differs: original exit code 0, candidate exit code 1"],
        );
        check_exits(
            Code(9),
            Signal(9),
            &["exit differs: original exit code 9, candidate signal 9"],
        );
        check_exits(
            Code(0),
            TimedOut,
            &["exit differs: original exit code 0, candidate timed out"],
        );
        check_exits(
            TimedOut,
            TimedOut,
            &["both timed out: neither shows what it would have done"],
        );
    }

    #[test]
    fn each_stream_has_its_own_difference() {
        let differences = compare(
            &ran(ExitKind::Code(0), b"a", b"b"),
            &ran(ExitKind::Signal(6), b"b", b"a"),
        );
        assert!(matches!(
            differences.as_slice(),
            [
                Difference::Exit { .. },
                Difference::Stdout { .. },
                Difference::Stderr { .. }
            ]
        ));
    }

    #[test]
    fn text_is_shown_as_a_diff() {
        check_stdout(
            b"one\ntwo\nthree\n",
            b"one\n2\nthree\n",
            expect![[r#"
            stdout differs (14 and 12 bytes):
            --- original
            +++ candidate
            @@ -1,3 +1,3 @@
             one
            -two
            +2
             three"#]],
        );
    }

    #[test]
    fn a_missing_last_newline_is_shown() {
        check_stdout(
            b"one\n",
            b"one",
            expect![[r#"
            stdout differs (4 and 3 bytes):
            --- original
            +++ candidate
            @@ -1,1 +1,1 @@
            -one
            +one (no newline at the end)"#]],
        );
    }

    #[test]
    fn output_against_silence_is_shown() {
        check_stdout(
            b"",
            b"one\n",
            expect![[r#"
            stdout differs (0 and 4 bytes):
            --- original
            +++ candidate
            @@ -0,0 +1,1 @@
            +one"#]],
        );
    }

    #[test]
    fn line_numbers_are_those_of_the_whole_output() {
        let original: String = numbered("", 2000);
        let candidate = original.replace("1000\n", "thousand\n");
        check_stdout(
            original.as_bytes(),
            candidate.as_bytes(),
            expect![[r#"
                stdout differs (8893 and 8897 bytes):
                --- original
                +++ candidate
                @@ -997,7 +997,7 @@
                 997
                 998
                 999
                -1000
                +thousand
                 1001
                 1002
                 1003"#]],
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        check_stdout(
            b"\x1b[2Jdone\n",
            b"done\r\n",
            expect![[r#"
            stdout differs (9 and 6 bytes):
            --- original
            +++ candidate
            @@ -1,1 +1,1 @@
            -\u{1b}[2Jdone
            +done\r"#]],
        );
    }

    #[test]
    fn binary_data_is_shown_around_the_first_difference() {
        let mut original: Vec<u8> = (0..=255).collect();
        let candidate = original.clone();
        original[100] = b'!';
        check_stdout(
            &original,
            &candidate,
            expect![[r#"
            stdout differs (256 and 256 bytes):
            first difference at byte 100
            original:
              00000050  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\]^_|
              00000060  60 61 62 63 21 65 66 67 68 69 6a 6b 6c 6d 6e 6f  |`abc!efghijklmno|
              00000070  70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e 7f  |pqrstuvwxyz{|}~.|
              00000080  80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f  |................|
            candidate:
              00000050  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\]^_|
              00000060  60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f  |`abcdefghijklmno|
              00000070  70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e 7f  |pqrstuvwxyz{|}~.|
              00000080  80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f  |................|"#]],
        );
    }

    #[test]
    fn binary_data_that_ends_early_is_shown_with_its_end() {
        check_stdout(
            b"\0abc",
            b"\0a",
            expect![[r#"
                stdout differs (4 and 2 bytes):
                first difference at byte 2
                original:
                  00000000  00 61 62 63                                      |.abc|
                  00000004  (end)
                candidate:
                  00000000  00 61                                            |.a|
                  00000002  (end)"#]],
        );
        check_stdout(
            b"\0",
            b"",
            expect![[r#"
                stdout differs (1 and 0 bytes):
                first difference at byte 0
                original:
                  00000000  00                                               |.|
                  00000001  (end)
                candidate:
                  00000000  (end)"#]],
        );
    }

    #[test]
    fn long_lines_are_shown_where_they_differ() {
        let original = "x".repeat(5000);
        let candidate = format!("{}y", &original[1..]);
        check_stdout(
            original.as_bytes(),
            candidate.as_bytes(),
            expect![[r#"
                stdout differs (5000 and 5000 bytes):
                first difference at byte 4999
                original:
                  00001370  78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
                  00001380  78 78 78 78 78 78 78 78                          |xxxxxxxx|
                  00001388  (end)
                candidate:
                  00001370  78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
                  00001380  78 78 78 78 78 78 78 79                          |xxxxxxxy|
                  00001388  (end)"#]],
        );
    }

    #[test]
    fn a_description_is_never_long() {
        let original: String = numbered("a", 5000);
        let candidate: String = numbered("b", 5000);
        let text = describe_output("stdout", original.as_bytes(), candidate.as_bytes());
        assert_eq!(text.lines().count(), LINE_LIMIT + 4);
        assert!(text.ends_with("\n(more not shown)"));
    }

    fn outputs() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "([ab]\n?){0,60}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..80),
        ]
    }

    proptest! {
        #[test]
        fn outputs_differ_exactly_if_their_bytes_do(left in outputs(), right in outputs()) {
            let exit = ExitKind::Code(0);
            let differences = compare(&ran(exit, &left, b""), &ran(exit, &right, b""));
            prop_assert_eq!(differences.is_empty(), left == right);
            for difference in differences {
                let text = difference.describe();
                prop_assert!(text.lines().count() > 1);
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            }
        }

        #[test]
        fn a_run_equals_itself_unless_it_was_stopped(stdout in outputs(), stderr in outputs()) {
            let run = ran(ExitKind::Code(1), &stdout, &stderr);
            prop_assert_eq!(compare(&run, &run), vec![]);
            let stopped = ran(ExitKind::TimedOut, &stdout, &stderr);
            prop_assert_eq!(compare(&stopped, &stopped), vec![Difference::BothTimedOut]);
        }
    }
}
