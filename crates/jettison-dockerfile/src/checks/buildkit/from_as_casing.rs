//! `FROM` and `AS` in different cases.

use crate::checks::buildkit::commands::{is_silenced, keyword};
use crate::checks::buildkit::place::argument_words;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("FromAsCasing"),
    summary: "The 'as' keyword should match the case of the 'from' keyword",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
    page: include_str!("../../../rules/FromAsCasing.md"),
    check: from_as_casing,
};

fn from_as_casing(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let instruction = stage.from();
        let from = keyword(instruction);
        let words = argument_words(input.parse, instruction);
        let [_, word, _, ..] = words.as_slice() else {
            continue;
        };
        let Some(expected) = mismatch(from, &word.text) else {
            continue;
        };
        if is_silenced(instruction, &RULE) {
            continue;
        }
        let message = format!("'{}' and '{from}' keywords' casing do not match", word.text);
        let is_in_one_piece = input.parse.text()[word.range.clone()] == word.text;
        let edits = if is_in_one_piece {
            EditSet::replace(word.range.clone(), expected)
        } else {
            EditSet::new()
        };
        findings
            .add(word.range.clone(), message)
            .propose(edits, "both keywords belong to one instruction");
    }
}

/// `word` in the case of `from`, if it is in another one.
///
/// A `From` in mixed case is the business of `ConsistentInstructionCasing` (BuildKit: `doesFromCaseMatchAsCase`,
/// instructions/parse.go).
pub(super) fn mismatch(from: &str, word: &str) -> Option<String> {
    let expected = if from == from.to_lowercase() {
        word.to_lowercase()
    } else if from == from.to_uppercase() {
        word.to_uppercase()
    } else {
        return None;
    };
    (expected != word).then_some(expected)
}
