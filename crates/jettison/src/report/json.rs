//! For programs: the format that `docs/check.md` describes. Its `schema` grows with every change that a reader
//! would notice.

use std::collections::BTreeMap;

use jettison_dockerfile::{Diagnostic, Finding, Proposal, TextRange};
use serde::Serialize;

use crate::printable::printable_json;
use crate::report::{Checked, Summary, severity_name};
use crate::source::{Position, Source};

/// The version of the format.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    files: Vec<FileReport<'a>>,
    summary: Counts,
}

#[derive(Serialize)]
struct FileReport<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fixed: BTreeMap<&'a str, usize>,
    diagnostics: Vec<DiagnosticReport<'a>>,
    findings: Vec<FindingReport<'a>>,
}

#[derive(Serialize)]
struct DiagnosticReport<'a> {
    severity: &'static str,
    message: &'a str,
    hints: &'a [String],
    range: Range,
}

#[derive(Serialize)]
struct FindingReport<'a> {
    rule: &'a str,
    severity: &'static str,
    message: &'a str,
    hints: &'a [String],
    range: Range,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix<'a>>,
}

#[derive(Serialize)]
struct Fix<'a> {
    applicability: &'static str,
    reason: &'a str,
    edits: Vec<EditReport<'a>>,
}

#[derive(Serialize)]
struct EditReport<'a> {
    range: Range,
    replacement: &'a str,
}

#[derive(Serialize)]
struct Range {
    start: Place,
    end: Place,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
    offset: usize,
}

#[derive(Serialize)]
struct Counts {
    files: usize,
    errors: usize,
    warnings: usize,
    fixable: usize,
    fixed: usize,
}

/// All files as one JSON object.
pub(crate) fn json(files: &[Checked]) -> String {
    let Summary {
        files: count,
        errors,
        warnings,
        fixable,
        fixed,
    } = Summary::of(files);
    let report = Report {
        schema: SCHEMA,
        files: files.iter().map(file).collect(),
        summary: Counts {
            files: count,
            errors,
            warnings,
            fixable,
            fixed,
        },
    };
    pretty(&report)
}

/// Indented JSON with a line break at its end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value)
        .expect("because these structs have text keys and no values that JSON lacks");
    printable_json(&json) + "\n"
}

fn file(file: &Checked) -> FileReport<'_> {
    FileReport {
        path: &file.source.path,
        fixed: file
            .fixed
            .iter()
            .map(|(rule, count)| (rule.0, *count))
            .collect(),
        diagnostics: file
            .diagnostics
            .iter()
            .map(|found| diagnostic(&file.source, found))
            .collect(),
        findings: file
            .findings
            .iter()
            .map(|found| finding(&file.source, found))
            .collect(),
    }
}

fn diagnostic<'a>(source: &Source, diagnostic: &'a Diagnostic) -> DiagnosticReport<'a> {
    DiagnosticReport {
        severity: severity_name(diagnostic.severity),
        message: &diagnostic.message,
        hints: &diagnostic.hints,
        range: range(source, &diagnostic.range),
    }
}

fn finding<'a>(source: &Source, finding: &'a Finding) -> FindingReport<'a> {
    FindingReport {
        rule: finding.rule.id.0,
        severity: severity_name(finding.rule.severity),
        message: &finding.message,
        hints: &finding.hints,
        range: range(source, &finding.range),
        url: finding.rule.url,
        fix: finding
            .proposal
            .as_ref()
            .map(|proposal| fix(source, proposal)),
    }
}

fn fix<'a>(source: &Source, proposal: &'a Proposal) -> Fix<'a> {
    let edits = proposal.edits.iter().map(|edit| EditReport {
        range: range(source, &edit.range),
        replacement: &edit.replacement,
    });
    Fix {
        applicability: proposal.applicability.as_str(),
        reason: &proposal.reason,
        edits: edits.collect(),
    }
}

fn range(source: &Source, range: &TextRange) -> Range {
    let place = |offset| {
        let Position {
            line,
            column,
            offset,
        } = source.position(offset);
        Place {
            line,
            column,
            offset,
        }
    };
    Range {
        start: place(range.start),
        end: place(range.end),
    }
}
