//! A label that is set again later in its stage.

use std::collections::BTreeMap;

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{InstructionKind, KeyValue};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("label-set-twice"),
    summary: "A label is set and then set again in the same stage",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/label-set-twice.md"),
    check: label_set_twice,
};

/// A pair of a `LABEL`, and the key that it sets.
struct Label<'a> {
    view: InstructionView<'a>,
    pairs: &'a [KeyValue],
    index: usize,
    key: String,
}

fn label_set_twice(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let labels = labels(&stage);
        let last: BTreeMap<&str, usize> = labels
            .iter()
            .enumerate()
            .map(|(at, label)| (label.key.as_str(), at))
            .collect();
        let is_dead = |at: usize| last.get(labels[at].key.as_str()) != Some(&at);
        for (at, label) in labels.iter().enumerate().filter(|(at, _)| is_dead(*at)) {
            let Some(winner) = last.get(label.key.as_str()).map(|&at| &labels[at]) else {
                continue;
            };
            let message = format!(
                "label `{}` of line {} is set again on line {}, which counts",
                label.key,
                line(input, label),
                line(input, winner)
            );
            let added = findings.add(label.pairs[label.index].key_range.clone(), message);
            // The pairs of one instruction follow each other in the list.
            let first = at - label.index;
            let is_dead_pair = |index: usize| is_dead(first + index);
            if let Some(range) = removal(input, label, &is_dead_pair) {
                added.propose(EditSet::replace(range, ""), "the later label wins anyway");
            }
        }
    }
}

/// The labels of a stage in order. Instructions whose keys are not known are left out.
fn labels<'a>(stage: &StageView<'a>) -> Vec<Label<'a>> {
    let mut labels = Vec::new();
    for view in stage.instructions() {
        let InstructionKind::Label(pairs) = &view.instruction.kind else {
            continue;
        };
        let words = &view.evaluated.words;
        if words.len() != 2 * pairs.len() || pairs.iter().any(|pair| pair.key.contains('$')) {
            continue;
        }
        for (index, key) in words.iter().step_by(2).enumerate() {
            labels.push(Label {
                view,
                pairs,
                index,
                key: key.clone(),
            });
        }
    }
    labels
}

fn line(input: &CheckInput<'_>, label: &Label<'_>) -> usize {
    let start = label.pairs[label.index].key_range.start;
    crate::text::line_column(input.parse.text(), start).0
}

/// What is to be removed with a pair.
///
/// Dead pairs at the end of an instruction go together, with the first of them; all of them are the instruction.
fn removal(
    input: &CheckInput<'_>,
    label: &Label<'_>,
    is_dead: &dyn Fn(usize) -> bool,
) -> Option<TextRange> {
    let Label {
        view, pairs, index, ..
    } = label;
    let text = input.parse.text();
    let goes_with_the_end = (*index..pairs.len()).all(is_dead);
    let range = if !goes_with_the_end {
        pairs[*index].key_range.start..pairs.get(index + 1)?.key_range.start
    } else if *index > 0 && is_dead(index - 1) {
        return None;
    } else if *index > 0 {
        pairs[index - 1].value_range.end..pairs.last()?.value_range.end
    } else {
        // A comment that skips rules would come to stand above another instruction.
        if view
            .instruction
            .comments
            .iter()
            .any(|comment| comment.contains("check="))
        {
            return None;
        }
        return Some(lines(text, &view.instruction.range));
    };
    // Comments between continued lines are kept.
    let has_comment = text[range.clone()]
        .lines()
        .any(|line| line.trim_start().starts_with('#'));
    (!has_comment).then_some(range)
}

/// The whole lines that a range is on, line endings included.
fn lines(text: &str, range: &TextRange) -> TextRange {
    let start = text[..range.start]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |newline| range.end + newline + 1);
    start..end
}
