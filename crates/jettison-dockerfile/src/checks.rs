//! Build checks: what a Dockerfile does that its author would rather not have it do.
//!
//! A check is a [`Rule`]: a function in a file of its own, a line in a table, and a page in `rules/`, which is
//! its documentation and its test. [`check`](fn@check) runs them. Rules look and propose; nothing here changes a text but
//! [`fix`](fn@fix), and that only after a proof.

mod arguments;
mod buildkit;
mod cache;
mod correctness;
mod distroless;
mod finding;
mod fix;
mod image_name;
mod input;
mod options;
mod packages;
mod rule;
mod security;
mod size;
mod start;

use crate::diagnostic::Diagnostic;
use crate::directive::Directive;
use crate::parser::{self, Parse};

pub use crate::checks::finding::{Applicability, Change, Finding, Proposal};
pub use crate::checks::fix::{Fixed, Withdrawn, fix};
pub use crate::checks::input::CheckInput;
pub use crate::checks::options::{CheckOptions, OptionsError};
pub use crate::checks::rule::{Category, Rule, RuleId, Status, find_rule, rules};

use crate::checks::finding::Findings;

/// What a check of a whole Dockerfile found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// What makes the Dockerfile impossible to build, and warnings of the parser, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The first error that BuildKit would find, which stops at it; not always the first in the text.
    pub first_error: Option<Diagnostic>,
    /// What the rules found, in the order of the text.
    pub findings: Vec<Finding>,
    /// Says whether the Dockerfile asks that findings of BuildKit's rules fail its build (`# check=error=true`).
    pub fails_build: bool,
}

impl CheckReport {
    /// Says whether there is nothing to report.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.diagnostics.is_empty()
    }
}

/// Runs `selected` rules over a Dockerfile, leaving out what its own comments skip.
///
/// A Dockerfile with errors is checked, too: instructions that are broken are passed over.
pub fn check(input: &CheckInput<'_>, selected: &[&'static Rule]) -> CheckReport {
    let mut diagnostics = input.diagnostics();
    diagnostics.retain(|diagnostic| !buildkit::is_reported_by_a_rule(diagnostic));
    let mut first_error = input.first_error();
    let of_file = file_options(input.parse).unwrap_or_else(|error| {
        diagnostics.push(error.clone());
        first_error = Some(error);
        CheckOptions::default()
    });
    let mut findings = Findings::default();
    for rule in selected {
        // What skips a rule is not asked about experimental ones (BuildKit: `Run`, linter/linter.go).
        if rule.status == Status::Experimental || !of_file.skips(rule) {
            findings.start(rule);
            (rule.check)(input, &mut findings);
        }
    }
    let mut findings = findings.into_vec();
    findings.retain(|finding| !is_skipped(input.parse, &of_file, finding));
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    CheckReport {
        diagnostics,
        first_error,
        findings,
        fails_build: of_file.fails_build,
    }
}

/// What the `check` directive says.
fn file_options(parse: &Parse) -> Result<CheckOptions, Diagnostic> {
    let Some(directive) = check_directive(parse) else {
        return Ok(CheckOptions::default());
    };
    CheckOptions::of_directive(&directive.value).map_err(|error: OptionsError| {
        let message = format!("failed to parse check options: {error}");
        Diagnostic::error(directive.range, message)
    })
}

/// The `check` directive.
///
/// Unlike `escape`, it is also found below a first line with `#!` (BuildKit: `ParseDirective` and `discardShebang`,
/// parser/directives.go).
fn check_directive(parse: &Parse) -> Option<Directive> {
    let text = parse.text();
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let is_check = |directive: &&Directive| directive.name == "check";
    if !text[start..].starts_with("#!") {
        return parse.directives().iter().find(is_check).cloned();
    }
    let rest = start + text[start..].find('\n')? + 1;
    let below = parser::parse(&text[rest..]);
    let mut directive = below.directives().iter().find(is_check)?.clone();
    directive.range = directive.range.start + rest..directive.range.end + rest;
    Some(directive)
}

/// Says whether the file or a comment above the instruction that a finding is in skips its rule.
///
/// Not all of BuildKit's rules look at those comments, and some look at those above another instruction: they have
/// left out what is to be left out.
fn is_skipped(parse: &Parse, of_file: &CheckOptions, finding: &Finding) -> bool {
    let rule = finding.rule;
    let instructions = parse.instructions();
    let start = finding.range.start;
    let index = instructions.partition_point(|instruction| instruction.range.end < start);
    let instruction = instructions
        .get(index)
        .filter(|instruction| instruction.range.start <= start);
    let comments = instruction.map_or(&[][..], |instruction| instruction.comments.as_slice());
    let of_instruction = CheckOptions::above(comments);
    let is_asked_for = match rule.status {
        Status::Stable => rule.is_buildkit() || !of_instruction.skips(rule),
        Status::Experimental => of_file.enables(rule) || of_instruction.enables(rule),
    };
    let mut comments = comments.iter();
    !is_asked_for || comments.any(|comment| CheckOptions::hadolint_skips(comment, rule))
}
