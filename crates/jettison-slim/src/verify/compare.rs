//! Two runs of one probe, compared byte for byte.

use std::path::PathBuf;
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
    /// The files that it changed, made or removed, sorted.
    pub written: Vec<WrittenFile>,
}

/// One file that a run changed, made or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenFile {
    /// Its path inside the image.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// Its user and its group.
    pub owner: (u32, u32),
    /// What it holds, in a few words: its size and digest, or a link's target.
    pub content: String,
}

impl fmt::Display for WrittenFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrittenFile {
            path,
            mode,
            owner: (user, group),
            content,
        } = self;
        let path = visible(&path.display().to_string());
        let content = visible(content);
        write!(
            formatter,
            "{path} (mode {mode:o}, owner {user}:{group}, {content})"
        )
    }
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
    /// The programs wrote different files.
    Written {
        /// What only the original wrote.
        original: Vec<WrittenFile>,
        /// What only the candidate wrote.
        candidate: Vec<WrittenFile>,
    },
    /// Neither ended in time, so nothing is known about what they would have done.
    BothTimedOut,
    /// The original did not do the same twice, so it cannot be compared with anything.
    NotRepeatable {
        /// How its two runs differ.
        between_runs: Vec<Difference>,
    },
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
            Difference::Written {
                original,
                candidate,
            } => {
                let mut text = "written files differ:".to_owned();
                for (sign, files) in [('-', original), ('+', candidate)] {
                    for file in files.iter().take(LINE_LIMIT / 2) {
                        let _infallible = write!(text, "\n{sign}{file}");
                    }
                    if files.len() > LINE_LIMIT / 2 {
                        text.push_str("\n(more not shown)");
                    }
                }
                text
            }
            Difference::BothTimedOut => {
                "both timed out: neither shows what it would have done".to_owned()
            }
            Difference::NotRepeatable { between_runs } => {
                let mut text =
                    "not repeatable: two runs of the original differ from each other".to_owned();
                for difference in between_runs {
                    let difference = difference.describe().replace("candidate", "original again");
                    let _infallible = write!(text, "\n{difference}");
                }
                text
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
    let written = (original.written != candidate.written).then(|| Difference::Written {
        original: without(&original.written, &candidate.written),
        candidate: without(&candidate.written, &original.written),
    });
    [exit, stdout, stderr, written]
        .into_iter()
        .flatten()
        .collect()
}

fn without(files: &[WrittenFile], others: &[WrittenFile]) -> Vec<WrittenFile> {
    files
        .iter()
        .filter(|file| !others.contains(file))
        .cloned()
        .collect()
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
mod tests;
