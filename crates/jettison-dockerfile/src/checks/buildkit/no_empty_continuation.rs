//! An empty line inside a continued instruction.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::Instruction;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("NoEmptyContinuation"),
    summary: "Empty continuation lines will become errors in a future release",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/",
    page: include_str!("../../../rules/NoEmptyContinuation.md"),
    check: no_empty_continuation,
};

fn no_empty_continuation(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let empty = empty_lines(input, instruction);
        // One finding for all empty lines of an instruction. BuildKit reports the instruction's last line (`Parse`,
        // parser/parser.go); no comment above it can silence that.
        let Some(first) = empty.first() else { continue };
        let place = first.start..first.start;
        let mut edits = EditSet::new();
        for range in &empty {
            let edit = Edit {
                range: range.clone(),
                replacement: String::new(),
            };
            // Lines do not overlap.
            edits.insert(edit).unwrap_or_default();
        }
        findings
            .add(place, "Empty continuation line")
            .propose(edits, "the line adds nothing to the instruction");
    }
}

/// The empty lines between the continued lines of an instruction, with their line endings.
fn empty_lines(input: &CheckInput<'_>, instruction: &Instruction) -> Vec<TextRange> {
    let all = input.parse.text();
    let last = instruction.range.end;
    let end_of_line = all[last..]
        .find('\n')
        .map_or(all.len(), |newline| last + newline + 1);
    let heredoc = instruction.heredocs.first();
    let end = heredoc.map_or(end_of_line, |heredoc| heredoc.body.start);
    let start = instruction.range.start;
    let text = &all[start..end];
    let mut lines = Vec::new();
    let mut offset = start;
    for line in text.split_inclusive('\n') {
        let range = offset..offset + line.len();
        offset = range.end;
        if line.trim().is_empty() && range.start > start {
            lines.push(range);
        }
    }
    lines
}
