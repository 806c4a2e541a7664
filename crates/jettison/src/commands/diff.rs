//! Changes of a Dockerfile, as `patch` and `git apply` take them.

use std::io::IsTerminal as _;

use similar::{ChangeTag, TextDiff};

use crate::output::{Look, Output};
use crate::printable::printable;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Prints what has become of `before` in a unified diff: to the byte, unless a terminal would obey it. Nothing if it is the same.
pub(super) fn print(path: &str, (before, after): (&str, &str), output: &mut Output) {
    if before == after {
        return;
    }
    let diff = TextDiff::from_lines(before, after);
    let text = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .header(path, path)
        .to_string();
    if std::io::stdout().is_terminal() {
        output.raw(&printable(&text));
    } else {
        output.raw(&text);
    }
}

/// Shows what has become of `before` line by line, with the lines that stay if `all` of them are wanted.
pub(super) fn show((before, after): (&str, &str), lines: Lines, output: &mut Output) {
    for change in TextDiff::from_lines(before, after).iter_all_changes() {
        let text = printable(change.value().trim_end_matches('\n'));
        match (change.tag(), lines) {
            (ChangeTag::Delete, _) => output.styled(Look::Bad, &format!("-{text}")),
            (ChangeTag::Insert, _) => output.styled(Look::Good, &format!("+{text}")),
            (ChangeTag::Equal, Lines::All) => output.line(&format!(" {text}")),
            (ChangeTag::Equal, Lines::Changed) => {}
        }
    }
}

/// Which lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// Every line.
    All,
    /// Those that are new or gone.
    Changed,
}
