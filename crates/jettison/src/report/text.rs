//! For people: each finding with its place drawn, then a summary.

use std::fmt::Write;

use crate::drawing::{Drawing, draw};
use crate::printable::one_line;
use crate::report::{Checked, Summary, counted};

/// All findings of all files, with colours.
pub(crate) fn text(files: &[Checked]) -> String {
    let mut text = String::new();
    for file in files {
        text.push_str(&fixed(file));
        for drawing in drawings(file) {
            text.push_str(&draw(&file.source, &drawing));
            text.push('\n');
        }
    }
    text.push_str(&summary(Summary::of(files)));
    text.push('\n');
    text
}

/// What is wrong and what was found in a file, in the order of the text.
fn drawings(file: &Checked) -> Vec<Drawing<'_>> {
    let diagnostics = file.diagnostics.iter().map(|diagnostic| Drawing {
        is_warning: Drawing::is_warning(diagnostic.severity),
        message: &diagnostic.message,
        range: Some(diagnostic.range.clone()),
        hints: &diagnostic.hints,
        ..Drawing::default()
    });
    let findings = file.findings.iter().map(|finding| Drawing {
        is_warning: Drawing::is_warning(finding.rule.severity),
        rule: Some(finding.rule.id.0),
        message: &finding.message,
        range: Some(finding.range.clone()),
        hints: &finding.hints,
        proposal: finding.proposal.as_ref(),
        ..Drawing::default()
    });
    let mut all: Vec<_> = diagnostics.chain(findings).collect();
    all.sort_by_key(|drawing| drawing.range.as_ref().map(|range| range.start));
    all
}

/// What was mended in a file, if anything was.
fn fixed(file: &Checked) -> String {
    if file.fixed.is_empty() {
        return String::new();
    }
    let count = file.fixed.values().sum();
    let mut text = format!(
        "{}: fixed {}\n",
        one_line(&file.source.path),
        counted(count, "finding")
    );
    for (rule, count) in &file.fixed {
        writeln!(text, "  {count} {rule}").unwrap_or_default();
    }
    text.push('\n');
    text
}

/// One line that says how many of what there are.
pub(super) fn summary(summary: Summary) -> String {
    let files = counted(summary.files, "file");
    if summary.is_clean() {
        return format!("nothing found in {files}");
    }
    let kinds = [(summary.errors, "error"), (summary.warnings, "warning")];
    let counts: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect();
    let fixable = match summary.fixable {
        0 => String::new(),
        count => format!("; `--fix` mends {count}"),
    };
    format!("{} in {files}{fixable}", counts.join(" and "))
}
