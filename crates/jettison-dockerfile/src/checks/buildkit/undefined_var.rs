//! A variable that nothing has set.

use std::collections::BTreeMap;

use crate::checks::buildkit::base_variables::{may_set, sets_only_path};
use crate::checks::buildkit::commands::commands;
use crate::checks::buildkit::place;
use crate::checks::buildkit::undefined_arg_in_from::renamed;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::evaluate::{BaseImage, UnsetVariable};
use crate::instruction::InstructionKind;
use crate::scope::HIDDEN_ARGS;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("UndefinedVar"),
    summary: "Variables should be defined before their use",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Suggestion),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/undefined-var/",
    page: include_str!("../../../rules/UndefinedVar.md"),
    check: undefined_var,
};

fn undefined_var(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let base = unknown_base(input, &stage);
        for command in commands(&stage) {
            if !is_looked_at(command.kind) || command.is_silenced(&RULE) {
                continue;
            }
            // How often a name came up in a place.
            let mut uses: BTreeMap<(&str, usize), usize> = BTreeMap::new();
            for variable in &command.evaluated.unset {
                let name = variable.name.as_str();
                let use_number = uses.entry((name, variable.place.start)).or_default();
                let skipped = std::mem::replace(use_number, *use_number + 1);
                // What `ARG` declared without a value is not undefined (BuildKit: `reportUnmatchedVariables`,
                // dockerfile2llb/validations.go).
                if variable.is_declared || HIDDEN_ARGS.contains(&name) {
                    continue;
                }
                // BuildKit knows the base image's variables, we may not: names that images are known to set are
                // left alone.
                if base.is_some_and(|base| may_set(base, name)) {
                    continue;
                }
                let place = command.at(&variable.place);
                let range = place::variable(input.parse.text(), &place, name, skipped);
                let edits = renamed(input, &range, variable);
                let added = findings.add(range, message(variable));
                let added = match base {
                    Some(base) if !sets_only_path(base) => added.hint(format!(
                        "declare it with ARG or ENV, unless the base image `{base}` sets it"
                    )),
                    Some(_) | None => added.hint("declare it with ARG or ENV"),
                };
                added.propose(edits, "a defined name is almost the same");
            }
        }
    }
}

fn message(variable: &UnsetVariable) -> String {
    let suggestion = match &variable.closest {
        Some(closest) => format!(" (did you mean ${closest}?)"),
        None => String::new(),
    };
    format!(
        "Usage of undefined variable '${}'{suggestion}",
        variable.name
    )
}

/// The image at the bottom of a stage, if its environment is not known.
fn unknown_base<'a>(input: &'a CheckInput<'_>, stage: &StageView<'a>) -> Option<&'a str> {
    match &stage.chain().last()?.evaluation.base {
        BaseImage::Image(name) if !input.evaluation.images.contains_key(name) => Some(name),
        BaseImage::Image(_) | BaseImage::Scratch | BaseImage::Stage(_) | BaseImage::Unknown => None,
    }
}

/// Says whether BuildKit looks at the variables of an instruction: it does not at those of `EXPOSE`, although it
/// expands them (`dispatchExpose`, `dockerfile2llb/convert_expose.go`).
fn is_looked_at(kind: &InstructionKind) -> bool {
    match kind {
        InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Label(_)
        | InstructionKind::Copy(_)
        | InstructionKind::Add(_)
        | InstructionKind::Run(_)
        | InstructionKind::Volume(_)
        | InstructionKind::User(_)
        | InstructionKind::Workdir(_)
        | InstructionKind::Stopsignal(_) => true,
        InstructionKind::From(_)
        | InstructionKind::Cmd(_)
        | InstructionKind::Entrypoint(_)
        | InstructionKind::Expose(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Healthcheck(_)
        | InstructionKind::Onbuild(_)
        | InstructionKind::Maintainer(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => false,
    }
}
