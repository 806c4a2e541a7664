//! What a check found, in the formats that people and programs read.

mod github;
mod json;
mod rule_list;
mod sarif;
mod text;

use std::collections::BTreeMap;

use jettison_dockerfile::{Diagnostic, Finding, Rule, RuleId, Severity};

use crate::source::Source;

pub(crate) use crate::report::github::github;
pub(crate) use crate::report::json::json;
pub(crate) use crate::report::rule_list::{rules_json, rules_table};
pub(crate) use crate::report::sarif::sarif;
pub(crate) use crate::report::text::text;

/// A file that was checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    /// What makes it impossible to build, or unusual.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The error at which BuildKit would stop.
    pub(crate) first_error: Option<Diagnostic>,
    pub(crate) findings: Vec<Finding>,
    /// How many proposals of each rule were applied.
    pub(crate) fixed: BTreeMap<RuleId, usize>,
}

/// What all files have in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) files: usize,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) fixable: usize,
    pub(crate) fixed: usize,
}

impl Summary {
    pub(crate) fn of(files: &[Checked]) -> Summary {
        let mut summary = Summary {
            files: files.len(),
            ..Summary::default()
        };
        for file in files {
            let severities = file
                .diagnostics
                .iter()
                .map(|diagnostic| diagnostic.severity)
                .chain(file.findings.iter().map(|finding| finding.rule.severity));
            for severity in severities {
                match severity {
                    Severity::Error => summary.errors += 1,
                    Severity::Warning => summary.warnings += 1,
                }
            }
            let fixable = file.findings.iter().filter(|finding| is_fixable(finding));
            summary.fixable += fixable.count();
            summary.fixed += file.fixed.values().sum::<usize>();
        }
        summary
    }

    /// Says whether there is nothing to report.
    pub(crate) fn is_clean(self) -> bool {
        self.errors + self.warnings == 0
    }
}

/// Says whether `--fix` would mend a finding.
fn is_fixable(finding: &Finding) -> bool {
    let proposal = finding.proposal.as_ref();
    proposal
        .is_some_and(|proposal| proposal.applicability == jettison_dockerfile::Applicability::Safe)
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// How the fixes of a rule are trusted; `none` if it makes none.
fn fix_name(rule: &Rule) -> &'static str {
    rule.applicability
        .map_or("none", jettison_dockerfile::Applicability::as_str)
}

/// `1 error`, `2 errors`.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
