//! Differences in words: diffs of lines, windows of bytes, and nothing that a terminal would obey.

use std::fmt::Write as _;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// How many lines a description of differing output has at most, its headers not counted.
pub(super) const LINE_LIMIT: usize = 40;
/// How many equal lines stand around each difference.
const CONTEXT: usize = 3;
/// How many lines behind the first difference are looked at; bounds the time that a diff takes.
const WINDOW: usize = 400;
/// Output with longer lines (in bytes) is shown as bytes, because a line diff would not show where it differs.
const LONG_LINE: usize = 400;
/// How many bytes stand in one row of a hex window.
const ROW: usize = 16;

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

/// Two outputs that differ: their sizes, and where they differ.
pub(super) fn describe_output(stream: &str, original: &[u8], candidate: &[u8]) -> String {
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
