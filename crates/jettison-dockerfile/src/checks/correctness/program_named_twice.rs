//! A `CMD` that starts with the program which the base's `ENTRYPOINT` starts already.

use crate::checks::correctness::command_chain::{Command, commands};
use crate::checks::correctness::scratch::is_base;
use crate::checks::finding::{Applicability, Change, Findings};
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::start::{base_entrypoint, said};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::InstructionKind;
use crate::json::exec_form;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("program-named-twice"),
    summary: "CMD names the program that the ENTRYPOINT of the base starts already",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/program-named-twice.md"),
    check: program_named_twice,
};

/// A CMD that repeats the program of the base's ENTRYPOINT.
pub(super) struct Twice<'a> {
    pub(super) cmd: Command<'a>,
    image: &'a str,
    entrypoint: Vec<String>,
    /// The command line that is meant.
    said: Vec<String>,
}

fn program_named_twice(input: &CheckInput<'_>, findings: &mut Findings) {
    let mut seen = Vec::new();
    for stage in input.stages() {
        // What others stand on is judged with them, unless it is built itself.
        if stage.stage.index != input.target && is_base(input, &stage) {
            continue;
        }
        if let Some(twice) = twice(input, &stage)
            && !seen.contains(&twice.cmd.view.index)
        {
            seen.push(twice.cmd.view.index);
            report(input, &stage, &twice, findings);
        }
    }
}

/// What repeats the program of the ENTRYPOINT in a stage, if that is known for certain.
pub(super) fn twice<'a>(input: &'a CheckInput<'_>, stage: &StageView<'a>) -> Option<Twice<'a>> {
    let commands = commands(*stage);
    let cmd = commands.cmd?;
    let image = stage.root_reference()?;
    if commands.entrypoint.is_some() || stage.is_windows() || is_triggered(stage) {
        return None;
    }
    let known = input.evaluation.images.get(image);
    let entrypoint = base_entrypoint(image, known)?;
    let said = said(&entrypoint, cmd.form)?;
    Some(Twice {
        cmd,
        image,
        entrypoint,
        said,
    })
}

/// Says whether a trigger of a stage below sets what is started.
fn is_triggered(stage: &StageView<'_>) -> bool {
    let below = stage.chain();
    below
        .iter()
        .skip(1)
        .flat_map(StageView::instructions)
        .any(|view| {
            let InstructionKind::Onbuild(onbuild) = &view.instruction.kind else {
                return false;
            };
            matches!(
                &*onbuild.trigger,
                InstructionKind::Entrypoint(_) | InstructionKind::Cmd(_)
            )
        })
}

fn report(
    input: &CheckInput<'_>,
    stage: &StageView<'_>,
    twice: &Twice<'_>,
    findings: &mut Findings,
) {
    let Twice {
        cmd,
        image,
        entrypoint,
        said,
    } = twice;
    let instruction = cmd.view.instruction;
    let program = exec_form(entrypoint);
    let message = format!(
        "the ENTRYPOINT of {image} is `{program}` already, which gets these words as its arguments"
    );
    let (whole, text, hint) = if let Some(rest) = rest(entrypoint, said) {
        let text = exec_form(rest);
        let hint = format!("write what follows the ENTRYPOINT: `CMD {text}`");
        (instruction.arguments.clone(), text, hint)
    } else {
        let text = format!("ENTRYPOINT {}", exec_form(said));
        let whole = instruction.keyword_range.start..instruction.arguments.end;
        let hint = format!("replace the ENTRYPOINT of the base: `{text}`");
        (whole, text, hint)
    };
    let mut added = findings
        .add(instruction.arguments.clone(), message)
        .hint(hint);
    let needs_entrypoint = rest(entrypoint, said).is_none();
    if needs_entrypoint
        && entrypoint.iter().any(|word| word == "-jar")
        && said.iter().any(|word| word == "-jar")
    {
        added = added
            .hint("or leave CMD with the file alone, and set the options in JAVA_TOOL_OPTIONS");
    }
    let has_comments = input.parse.text()[whole.clone()]
        .lines()
        .skip(1)
        .any(|line| line.trim_start().starts_with('#'));
    if has_comments {
        return;
    }
    // With other arguments it would be another base, of which nothing is known.
    let root = stage.lineage();
    let from = root.first().map(StageView::from);
    let is_fixed = from.is_some_and(|from| !input.parse.text()[from.range.clone()].contains('$'));
    let own = input
        .stages()
        .find(|own| own.evaluation.instructions.contains(&cmd.view.index));
    let is_alone = own.is_some_and(|own| !is_base(input, &own));
    // Stages on top that have a CMD of their own would get the ENTRYPOINT, too.
    let trust = if is_fixed && (is_alone || !needs_entrypoint) {
        Applicability::Safe
    } else {
        Applicability::AfterBuild
    };
    added
        .propose_as(
            trust,
            EditSet::replace(whole, text),
            "the container starts what CMD says, once",
        )
        .changing(Change::Start);
}

/// What follows the ENTRYPOINT in the command line that is meant; `None` if that does not start with it.
fn rest<'s>(entrypoint: &[String], said: &'s [String]) -> Option<&'s [String]> {
    said.strip_prefix(entrypoint)
        // Options of `java -jar` need a file.
        .filter(|rest| !rest.is_empty() || entrypoint.len() == 1)
}
