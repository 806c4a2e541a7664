//! A value that uses a variable of the same `ENV`.

use std::cell::RefCell;

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::expand::expand;
use crate::instruction::{InstructionKind, KeyValue};
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("env-refers-to-itself"),
    summary: "A value uses a variable of the same ENV, and sees its old value",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Suggestion),
    aliases: &["DL3044"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/env-refers-to-itself.md"),
    check: env_refers_to_itself,
};

fn env_refers_to_itself(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for view in stage.instructions() {
            if let InstructionKind::Env(pairs) = &view.instruction.kind {
                of_pairs(input, &view, pairs, findings);
            }
        }
    }
}

fn of_pairs(
    input: &CheckInput<'_>,
    view: &InstructionView<'_>,
    pairs: &[KeyValue],
    findings: &mut Findings,
) {
    // Pairs from here on would be in the last of the instructions that the proposals make.
    let mut first_of_last = 0;
    for (index, pair) in pairs.iter().enumerate() {
        let names = names(input, &pair.value);
        let earlier = pairs[..index].iter().enumerate().rev();
        let Some((setter, name)) = earlier
            .filter(|(_, earlier)| names.iter().any(|name| *name == earlier.key))
            .find_map(|(at, earlier)| {
                is_changed(input, view, earlier).then(|| (at, earlier.key.clone()))
            })
        else {
            continue;
        };
        let message = format!(
            "`{name}` has its value from before this ENV here, not the one that is set beside it"
        );
        let place = variable(input.parse.text(), &pair.value_range, &name);
        let added = findings
            .add(place, message)
            .hint(format!("set `{name}` in an ENV of its own before this one"));
        if setter >= first_of_last {
            first_of_last = index;
            if let Some(edits) = split(input, view, &pairs[index - 1], pair) {
                added.propose(edits, "an ENV sees what the ENVs before it have set");
            }
        }
    }
}

/// The names that a value looks up.
fn names(input: &CheckInput<'_>, value: &str) -> Vec<String> {
    let names = RefCell::new(Vec::new());
    let lookup = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        // A value, so that `${A:?}` is no error; with an alternative both are looked at.
        Some("x".to_owned())
    };
    if expand(value, input.parse.escape(), &lookup).is_err() {
        return Vec::new();
    }
    names.into_inner()
}

/// Says whether a pair gives its variable another value than it has, and not one made of the old one.
fn is_changed(input: &CheckInput<'_>, view: &InstructionView<'_>, pair: &KeyValue) -> bool {
    let names = names(input, &pair.value);
    if names.iter().any(|name| *name == pair.key) {
        return false;
    }
    let scope = &view.evaluated.before;
    let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
    let after = expand(&pair.value, input.parse.escape(), &lookup).ok();
    after.as_deref() != scope.lookup(&pair.key)
}

/// Where a variable is in a value, as near as it can be told.
fn variable(text: &str, value: &TextRange, name: &str) -> TextRange {
    let written = &text[value.clone()];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in written.match_indices('$') {
        let rest = &written[at + 1..];
        let inner = rest.strip_prefix('{').unwrap_or(rest);
        let Some(after) = inner.strip_prefix(name) else {
            continue;
        };
        if after.starts_with(is_name) {
            continue;
        }
        let after = after.strip_prefix('}').unwrap_or(after);
        return value.start + at..value.end - after.len();
    }
    value.clone()
}

/// Ends the instruction after one pair and starts another with the next.
fn split(
    input: &CheckInput<'_>,
    view: &InstructionView<'_>,
    before: &KeyValue,
    after: &KeyValue,
) -> Option<EditSet> {
    let text = input.parse.text();
    let gap = before.value_range.end..after.key_range.start;
    let is_blank = |c: char| c.is_whitespace() || c == input.parse.escape();
    if !text.get(gap.clone())?.chars().all(is_blank) {
        return None;
    }
    let keyword = &text[view.instruction.keyword_range.clone()];
    let line_end = if text[gap.clone()].contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    Some(EditSet::replace(gap, format!("{line_end}{keyword} ")))
}
