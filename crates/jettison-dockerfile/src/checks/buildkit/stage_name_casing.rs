//! A stage name with capitals.

use crate::checks::buildkit::commands::is_silenced;
use crate::checks::buildkit::place::argument_words;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::input::StageView;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::{Edit, EditSet};
use crate::keyword::Keyword;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("StageNameCasing"),
    summary: "Stage names should be lowercase",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
    page: include_str!("../../../rules/StageNameCasing.md"),
    check: stage_name_casing,
};

fn stage_name_casing(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let from = stage.from();
        // The third of three words is the name, even if the second is not `AS` and the whole is an error (BuildKit:
        // `isLowerCaseStageName`, instructions/parse.go).
        let words = argument_words(input.parse, from);
        let [_, _, name] = words.as_slice() else {
            continue;
        };
        let lower = name.text.to_lowercase();
        if name.text == lower || is_silenced(from, &RULE) {
            continue;
        }
        let message = format!("Stage name '{}' should be lowercase", name.text);
        let mut edits = EditSet::new();
        for range in [name.range.clone()]
            .into_iter()
            .chain(references(input, &stage))
        {
            let written = &input.parse.text()[range.clone()];
            if written == written.to_lowercase() || written.contains('\n') {
                continue;
            }
            let replacement = written.to_lowercase();
            // Two references never share a place.
            edits
                .insert(Edit { range, replacement })
                .unwrap_or_default();
        }
        findings.add(name.range.clone(), message).propose(
            edits,
            "names of stages are stored in lower case, and `FROM` looks for them as they are stored",
        );
    }
}

/// Where `COPY --from` and `RUN --mount` name a stage. `FROM` is left alone: in capitals it means an image.
fn references(input: &CheckInput<'_>, stage: &StageView<'_>) -> Vec<TextRange> {
    let mut references = Vec::new();
    for instruction in input.parse.instructions() {
        for flag in &instruction.flags {
            let (Some(value), Some(range)) = (&flag.value, &flag.value_range) else {
                continue;
            };
            // What is quoted or continued is not looked into.
            if input.parse.text()[range.clone()] != **value {
                continue;
            }
            let name = match (instruction.keyword, flag.name.as_str()) {
                (Keyword::Copy, "from") => Some(0..value.len()),
                (Keyword::Run, "mount") => from_field(value),
                _ => None,
            };
            let Some(name) = name else { continue };
            let is_meant = value[name.clone()].parse::<i64>().is_err()
                && input
                    .graph
                    .find(&value[name.clone()])
                    .map(|found| found.index)
                    == Some(stage.stage.index);
            if is_meant {
                references.push(range.start + name.start..range.start + name.end);
            }
        }
    }
    references
}

/// Where the name is in a mount with `from=name`.
fn from_field(mount: &str) -> Option<TextRange> {
    let mut start = 0;
    for field in mount.split(',') {
        if let Some((key, name)) = field.split_once('=')
            && key.eq_ignore_ascii_case("from")
        {
            let end = start + field.len();
            return Some(end - name.len()..end);
        }
        start += field.len() + 1;
    }
    None
}
