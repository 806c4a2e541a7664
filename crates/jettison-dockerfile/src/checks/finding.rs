//! What a rule found, and what it would change.

use crate::checks::rule::{Rule, RuleId};
use crate::edit::EditSet;
use crate::text::TextRange;

/// How far a proposal can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applicability {
    /// Tier A: the Dockerfile means the same afterwards, but for what [`Change`] names. Proved before it is applied.
    Safe,
    /// Tier B: to be applied only if building and running both shows that the program behaves the same.
    AfterBuild,
    /// Tier C: a person has to decide.
    Suggestion,
}

impl Applicability {
    /// Its name in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Applicability::Safe => "safe",
            Applicability::AfterBuild => "after-build",
            Applicability::Suggestion => "suggestion",
        }
    }
}

/// What a safe proposal may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// Nothing: the Dockerfile means the same afterwards.
    Nothing,
    /// What a container starts, where that was not what `CMD` says: the base's `ENTRYPOINT` starts the program of `CMD`
    /// already. Afterwards it is what `CMD` says, and all else is the same.
    Start,
}

/// A change to a Dockerfile, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The rule that makes it.
    pub rule: RuleId,
    /// The change: all of it or none of it.
    pub edits: EditSet,
    /// How far to trust it.
    pub applicability: Applicability,
    /// What it is allowed to change.
    pub change: Change,
    /// One sentence for the report.
    pub reason: String,
}

/// Something that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// Where it is.
    pub range: TextRange,
    /// What it is; for BuildKit's checks in BuildKit's words.
    pub message: String,
    /// What to do about it, one sentence each.
    pub hints: Vec<String>,
    /// The change that would mend it, if there is one.
    pub proposal: Option<Proposal>,
}

/// What has been found so far.
#[derive(Debug, Default)]
pub struct Findings {
    rule: Option<&'static Rule>,
    findings: Vec<Finding>,
}

impl Findings {
    /// Names the rule that comes next.
    pub(super) fn start(&mut self, rule: &'static Rule) {
        self.rule = Some(rule);
    }

    /// Adds a finding of the rule that is running; returns it, for hints and a proposal.
    pub(super) fn add(&mut self, range: TextRange, message: impl Into<String>) -> Added<'_> {
        if let Some(rule) = self.rule {
            self.findings.push(Finding {
                rule,
                range,
                message: message.into(),
                hints: Vec::new(),
                proposal: None,
            });
        }
        Added {
            finding: self.findings.last_mut(),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.findings
    }
}

/// A finding that was just added.
#[derive(Debug)]
pub(super) struct Added<'f> {
    finding: Option<&'f mut Finding>,
}

impl Added<'_> {
    /// Adds what to do about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(finding) = &mut self.finding {
            finding.hints.push(hint.into());
        }
        self
    }

    /// Adds the change that would mend it, trusted as the rule's table line says.
    pub(super) fn propose(self, edits: EditSet, reason: impl Into<String>) -> Self {
        let trust = self
            .finding
            .as_ref()
            .and_then(|finding| finding.rule.applicability);
        self.propose_as(trust.unwrap_or(Applicability::Suggestion), edits, reason)
    }

    /// Says what the change may change.
    pub(super) fn changing(mut self, change: Change) -> Self {
        let proposal = self.finding.as_mut();
        if let Some(proposal) = proposal.and_then(|finding| finding.proposal.as_mut()) {
            proposal.change = change;
        }
        self
    }

    /// Adds the change that would mend it, and how far this one can be trusted.
    pub(super) fn propose_as(
        mut self,
        applicability: Applicability,
        edits: EditSet,
        reason: impl Into<String>,
    ) -> Self {
        if let Some(finding) = &mut self.finding
            && !edits.is_empty()
        {
            finding.proposal = Some(Proposal {
                rule: finding.rule.id,
                edits,
                applicability,
                change: Change::Nothing,
                reason: reason.into(),
            });
        }
        self
    }
}
