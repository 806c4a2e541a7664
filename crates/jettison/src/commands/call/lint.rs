//! What BuildKit's checks find, as text and as JSON (BuildKit: frontend/subrequests/lint/lint.go, and
//! `Source.Print`, solver/errdefs/source.go).

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use jettison_dockerfile::{Finding, parse};
use serde::Serialize;

use crate::commands::call::json::{LocationJson, location, pretty};
use crate::printable::{one_line, printable};
use crate::report::Checked;
use jettison_oci::base64;

/// Lines around what is shown.
const CONTEXT: usize = 2;
/// Lines around what is a single line.
const CONTEXT_OF_ONE: usize = 4;

#[derive(Serialize)]
struct LintJson<'a> {
    warnings: Option<Vec<WarningJson<'a>>>,
    sources: [SourceJson; 1],
    #[serde(rename = "buildError", skip_serializing_if = "Option::is_none")]
    build_error: Option<ErrorJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WarningJson<'a> {
    rule_name: &'a str,
    description: &'a str,
    url: &'a str,
    detail: &'a str,
    location: LocationJson,
}

#[derive(Serialize)]
struct SourceJson {
    filename: String,
    data: String,
    /// BuildKit says here where it got the file from; a file that was read has no such definition.
    definition: Definition,
    language: &'static str,
}

#[derive(Serialize)]
struct Definition {}

#[derive(Serialize)]
struct ErrorJson<'a> {
    message: &'a str,
    location: LocationJson,
}

/// The findings as `docker buildx build --check` prints them.
pub(super) fn text(checked: &Checked) -> String {
    let has_error = checked.first_error.is_some();
    let mut text = match checked.findings.len() {
        0 if has_error => String::new(),
        0 => "Check complete, no warnings found.\n".to_string(),
        1 => "Check complete, 1 warning has been found!\n".to_string(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    let lines = Lines::of(checked);
    for finding in &checked.findings {
        let Finding { rule, message, .. } = finding;
        let message = one_line(message);
        let (id, url) = (rule.id, rule.url);
        writeln!(text, "\nWARNING: {id} - {url}\n{message}").unwrap_or_default();
        text += &snippet(checked, &lines.of_finding(finding));
    }
    text
}

/// Some lines of the Dockerfile with those that are meant marked.
fn snippet(checked: &Checked, marked: &RangeInclusive<usize>) -> String {
    let all: Vec<&str> = checked.source.text.split('\n').collect();
    let last = (*marked.end()).min(all.len());
    let (mut start, mut end) = (*marked.start(), last);
    let context = if start == end {
        CONTEXT_OF_ONE
    } else {
        CONTEXT
    };
    let mut shown = 0;
    while shown < context {
        if start > 1 {
            start -= 1;
            shown += 1;
        }
        if end != all.len() {
            end += 1;
            shown += 1;
        }
        shown += 1;
    }
    let rule = "-".repeat(20);
    let path = one_line(&checked.source.path);
    let mut text = format!("{path}:{}\n{rule}\n", marked.start());
    for (index, line) in all.iter().enumerate().take(end).skip(start - 1) {
        let number = index + 1;
        let mark = if marked.contains(&number) {
            ">>>"
        } else {
            "   "
        };
        let line = printable(line.strip_suffix('\r').unwrap_or(line));
        writeln!(text, " {number:3} | {mark} {line}").unwrap_or_default();
    }
    text + &rule + "\n"
}

/// The findings as JSON.
pub(super) fn json(checked: &Checked, dockerfile: &Path) -> String {
    let lines = Lines::of(checked);
    let warnings = checked.findings.iter().map(|finding| WarningJson {
        rule_name: finding.rule.id.0,
        description: finding.rule.summary,
        url: finding.rule.url,
        detail: &finding.message,
        location: location(&lines.of_finding(finding)),
    });
    let warnings: Vec<_> = warnings.collect();
    let error = checked.first_error.as_ref();
    let name = dockerfile.file_name().unwrap_or_default();
    pretty(&LintJson {
        // Go writes an empty list as null.
        warnings: Some(warnings).filter(|warnings| !warnings.is_empty()),
        sources: [SourceJson {
            filename: name.to_string_lossy().into_owned(),
            data: base64(checked.source.text.as_bytes()),
            definition: Definition {},
            language: "Dockerfile",
        }],
        build_error: error.map(|error| ErrorJson {
            message: &error.message,
            location: location(&lines.of_offset(error.range.start)),
        }),
    })
}

/// The lines of each instruction. BuildKit's findings are about whole instructions.
struct Lines<'a> {
    checked: &'a Checked,
    instructions: Vec<RangeInclusive<usize>>,
}

impl Lines<'_> {
    fn of(checked: &Checked) -> Lines<'_> {
        let parse = parse(&checked.source.text);
        let instructions = parse.instructions().iter();
        Lines {
            checked,
            instructions: instructions
                .map(|instruction| instruction.line..=instruction.last_line)
                .collect(),
        }
    }

    fn of_finding(&self, finding: &Finding) -> RangeInclusive<usize> {
        let lines = self.of_offset(finding.range.start);
        // The parser finds these when it is through with the instruction, and names its last line.
        if finding.rule.id.0 == "NoEmptyContinuation" {
            return *lines.end()..=*lines.end();
        }
        lines
    }

    fn of_offset(&self, offset: usize) -> RangeInclusive<usize> {
        let line = self.checked.source.position(offset).line;
        let instruction = self.instructions.iter().find(|lines| lines.contains(&line));
        instruction.cloned().unwrap_or(line..=line)
    }
}
