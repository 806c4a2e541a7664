//! Adding a command at the end of a script, as its author would have written it.

use crate::checks::input::CheckInput;
use crate::checks::size::run::Run;
use crate::edit::EditSet;
use crate::shell::{Connector, Separator, ShellOption};
use crate::text::TextRange;

/// How the commands of a script stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// `a && b`
    OneLine,
    /// The operator ends a line; the next one starts with this indentation.
    OperatorLast(String),
    /// The operator starts a line after this indentation.
    OperatorFirst(String),
    /// A heredoc, whose lines start with this indentation.
    Lines(String),
}

/// The change that runs `command` after all that a script does, if that all succeeds.
///
/// None, if it would not be run, or if where the script ends is not certain.
pub(super) fn append(input: &CheckInput<'_>, run: &Run<'_>, command: &str) -> Option<EditSet> {
    let text = input.parse.text();
    let end = end(run)?;
    let layout = layout(input, run, &end)?;
    let stops_at_errors = run
        .commands()
        .filter(|other| other.nesting.is_empty())
        .last()
        .is_some_and(|last| last.options.contains(ShellOption::ErrorExit));
    let operator = if stops_at_errors { ";" } else { " &&" };
    let (escape, newline) = (input.parse.escape(), line_ending(text));
    let added = match layout {
        Layout::OneLine => format!("{operator} {command}"),
        Layout::OperatorLast(indentation) => {
            format!("{operator} {escape}{newline}{indentation}{command}")
        }
        Layout::OperatorFirst(indentation) if stops_at_errors => {
            format!("{operator} {escape}{newline}{indentation}{command}")
        }
        Layout::OperatorFirst(indentation) => {
            format!(" {escape}{newline}{indentation}&& {command}")
        }
        Layout::Lines(indentation) if stops_at_errors => {
            format!("{newline}{indentation}{command}")
        }
        // Without `set -e` a heredoc fails only if its last command does.
        Layout::Lines(_) => format!(" && {command}"),
    };
    Some(EditSet::replace(end.place.end..end.place.end, added))
}

/// The last thing that a script runs.
struct End {
    /// Where it is in the Dockerfile.
    place: TextRange,
    /// Where it ends in the script.
    source_end: usize,
}

fn end(run: &Run<'_>) -> Option<End> {
    let script = run.script;
    let commands = script
        .commands
        .iter()
        .filter(|command| command.nesting.is_empty());
    let leaves = ["exit", "exec", "return"];
    if commands.clone().any(|command| {
        command
            .program()
            .is_some_and(|program| leaves.contains(&program))
    }) {
        return None;
    }
    let of_commands = commands.map(|command| {
        (
            &command.range,
            &command.source_range,
            &command.separator_after,
        )
    });
    let of_compounds = script
        .compounds
        .iter()
        .filter(|compound| compound.inside.is_none())
        .map(|compound| {
            (
                &compound.range,
                &compound.source_range,
                &compound.separator_after,
            )
        });
    let (place, source, separator) = of_commands
        .chain(of_compounds)
        .max_by_key(|(_, source, _)| source.end)?;
    let is_function = script
        .functions
        .iter()
        .any(|function| function.source_range.end >= source.end);
    let has_body = script
        .commands
        .iter()
        .flat_map(|command| &command.redirects)
        .filter_map(|redirect| redirect.body.as_ref())
        .any(|body| body.source_range.end >= source.end);
    let is_last = is_end_of_line(script.source.get(source.end..)?, separator.as_ref());
    (is_last && !is_function && !has_body).then(|| End {
        place: place.clone(),
        source_end: source.end,
    })
}

/// Says whether nothing follows but the end of the line, and after that nothing that is run.
fn is_end_of_line(rest: &str, separator: Option<&Separator>) -> bool {
    let is_operator = separator.is_some_and(|separator| separator.connector != Connector::Sequence);
    let line = rest.lines().next().unwrap_or_default();
    line.trim().is_empty() && !is_operator
}

fn layout(input: &CheckInput<'_>, run: &Run<'_>, end: &End) -> Option<Layout> {
    let text = input.parse.text();
    let instruction = run.view.instruction;
    if let Some(heredoc) = instruction.heredocs.first() {
        let is_heredoc = heredoc.body.start <= end.place.start && end.place.end <= heredoc.body.end;
        return is_heredoc.then(|| Layout::Lines(indentation(text, end.place.start).to_owned()));
    }
    // A line-based script ends where its only line does.
    if !run.script.source.get(end.source_end..)?.trim().is_empty() {
        return None;
    }
    let start = instruction.keyword_range.start;
    if !text[start..end.place.end].contains('\n') {
        return Some(Layout::OneLine);
    }
    let operators = run
        .commands()
        .filter(|command| command.nesting.is_empty())
        .filter_map(|command| command.separator_after.as_ref());
    let mut last = None;
    for operator in operators {
        let line_start = text[..operator.range.start]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let rest = text[operator.range.end..]
            .lines()
            .next()
            .unwrap_or_default();
        let is_first = text[line_start..operator.range.start].trim().is_empty();
        let is_last = rest
            .trim()
            .trim_end_matches(input.parse.escape())
            .trim()
            .is_empty();
        if is_first {
            let indentation = indentation(text, operator.range.start).to_owned();
            last = Some(Layout::OperatorFirst(indentation));
        } else if is_last {
            let next = operator.range.end + rest.len() + 1;
            let indentation = indentation(text, next_line_of_script(text, next)).to_owned();
            last = Some(Layout::OperatorLast(indentation));
        }
    }
    last.or_else(|| {
        Some(Layout::OperatorFirst(
            indentation(text, end.place.end).to_owned(),
        ))
    })
}

/// The first line at or after `start` that is no comment and not empty.
fn next_line_of_script(text: &str, start: usize) -> usize {
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let words = line.trim();
        if !words.is_empty() && !words.starts_with('#') {
            break;
        }
        at += line.len();
    }
    at.min(text.len())
}

/// What the line that holds `at` starts with.
fn indentation(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn line_ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}
