//! Build checks: what a Dockerfile does that its author would rather not have it do.
//!
//! A check is a [`Rule`]: a function in a file of its own, a line in a table, and a page in `rules/`, which is
//! its documentation and its test. [`check`](fn@check) runs them. Rules look and propose; nothing here changes a text but
//! [`fix`](fn@fix), and that only after a proof.

mod arguments;
mod buildkit;
mod cache;
mod correctness;
mod finding;
mod fix;
mod image_name;
mod input;
mod options;
mod packages;
mod rule;
mod security;
mod size;

use crate::diagnostic::Diagnostic;
use crate::parser::Parse;

pub use crate::checks::finding::{Applicability, Finding, Proposal};
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
    let of_file = file_options(input.parse, &mut diagnostics);
    let mut findings = Findings::default();
    for rule in selected {
        let is_wanted = rule.status == Status::Stable || of_file.enables(rule);
        if is_wanted && !of_file.skips(rule) {
            findings.start(rule);
            (rule.check)(input, &mut findings);
        }
    }
    let mut findings = findings.into_vec();
    findings.retain(|finding| !is_skipped(input.parse, finding));
    findings.sort_by_key(|finding| (finding.range.start, finding.range.end));
    CheckReport {
        diagnostics,
        findings,
        fails_build: of_file.fails_build,
    }
}

/// What the `check` directive says.
fn file_options(parse: &Parse, diagnostics: &mut Vec<Diagnostic>) -> CheckOptions {
    let directive = parse
        .directives()
        .iter()
        .find(|directive| directive.name == "check");
    let Some(directive) = directive else {
        return CheckOptions::default();
    };
    directive
        .value
        .parse()
        .unwrap_or_else(|error: OptionsError| {
            diagnostics.push(Diagnostic::error(
                directive.range.clone(),
                error.to_string(),
            ));
            CheckOptions::default()
        })
}

/// Says whether a comment above the instruction that a finding is in skips its rule.
fn is_skipped(parse: &Parse, finding: &Finding) -> bool {
    let instruction = parse.instructions().iter().find(|instruction| {
        instruction.range.start <= finding.range.start
            && finding.range.start <= instruction.range.end
    });
    instruction.is_some_and(|instruction| {
        let comments = instruction.comments.iter();
        comments
            .filter_map(|comment| CheckOptions::of_comment(comment))
            .any(|options| options.skips(finding.rule))
    })
}
