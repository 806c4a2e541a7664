//! An array that is no JSON makes a shell form, or plain words.

use crate::checks::arguments::Arguments;
use crate::checks::correctness::command_chain::command_form;
use crate::checks::correctness::copy_words::copy_of;
use crate::checks::correctness::loose_array::{Flaw, loose_array};
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::instruction::{CommandForm, Instruction, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("exec-form-malformed"),
    summary: "An array is not JSON, so that it is taken for a shell command or for plain words",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/exec-form-malformed.md"),
    check: exec_form_malformed,
};

fn exec_form_malformed(input: &CheckInput<'_>, findings: &mut Findings) {
    for instruction in input.parse.instructions() {
        let Some(consequence) = consequence(&instruction.kind) else {
            continue;
        };
        let Some(arguments) = Arguments::of(input.parse, instruction) else {
            continue;
        };
        let text = arguments.text();
        let start = array_start(instruction, text);
        let Some(array) = loose_array(&text[start..]) else {
            continue;
        };
        let place = |range: &std::ops::Range<usize>| {
            arguments.source(start + range.start..start + range.end)
        };
        let at = place(&array.place);
        let written = &input.parse.text()[at.clone()];
        let keyword = instruction.keyword;
        let flaw = flaw(array.flaw, written);
        let added = findings
            .add(
                at,
                format!("{keyword} {consequence}, for its array is not JSON: {flaw}"),
            )
            .hint(hint(array.flaw));
        // A copy with one word is an error, which the brackets hide.
        let n_needed = if copy_of(&instruction.kind).is_some() {
            2
        } else {
            1
        };
        let repairs = array.repairs.filter(|_| array.n_words >= n_needed);
        let edits = repairs.and_then(|repairs| {
            let mut edits = EditSet::new();
            for (range, replacement) in repairs {
                let range = place(&range);
                // A string that goes on over two lines is left alone.
                if input.parse.text()[range.clone()].contains('\n') {
                    return None;
                }
                edits.insert(Edit { range, replacement }).ok()?;
            }
            Some(edits)
        });
        if let Some(edits) = edits {
            added.propose(edits, "as JSON the array means what it says");
        }
    }
}

/// What comes of an array that is not JSON.
fn consequence(kind: &InstructionKind) -> Option<&'static str> {
    let takes_words = matches!(
        kind,
        InstructionKind::Copy(_) | InstructionKind::Add(_) | InstructionKind::Volume(_)
    );
    if takes_words {
        return Some("takes the brackets for part of its words");
    }
    matches!(command_form(kind), Some(CommandForm::Shell(_))).then_some("hands its text to a shell")
}

/// Where the array starts in the arguments: `HEALTHCHECK` has a word before it.
fn array_start(instruction: &Instruction, text: &str) -> usize {
    if !matches!(instruction.kind, InstructionKind::Healthcheck(_)) {
        return 0;
    }
    let word = text.find(char::is_whitespace).unwrap_or(text.len());
    let rest = &text[word..];
    word + (rest.len() - rest.trim_start().len())
}

fn flaw(flaw: Flaw, written: &str) -> String {
    match flaw {
        Flaw::OtherQuotes => format!("`{written}` is not in double quotes"),
        Flaw::NoQuotes => format!("`{written}` has no quotes"),
        Flaw::BadEscape => format!("`{written}` is no escape of JSON"),
        Flaw::OpenString => "a string is not closed".to_owned(),
        Flaw::NoComma => "a comma is missing".to_owned(),
        Flaw::ExtraComma => "a comma has no string after it".to_owned(),
        Flaw::NoEnd => "the `]` is missing".to_owned(),
        Flaw::TextAfterwards => "text follows the `]`".to_owned(),
    }
}

fn hint(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::OtherQuotes | Flaw::NoQuotes => "write every string in straight double quotes: `\"`",
        Flaw::BadEscape => "write a backslash as `\\\\`; `$` and the like need none",
        Flaw::OpenString => "close the string with `\"`",
        Flaw::NoComma => "put a comma between the strings",
        Flaw::ExtraComma => "remove the comma",
        Flaw::NoEnd => "end the array with `]`",
        Flaw::TextAfterwards => "end the instruction with the `]`, and put a comment above it",
    }
}
