//! A user is made for the image, and nothing runs as that user.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::accounts::new_user;
use crate::checks::security::privileges::drops_privileges;
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("user-created-but-unused"),
    summary: "A user is created and nothing runs as that user",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/user-created-but-unused.md"),
    check: user_created_but_unused,
};

fn user_created_but_unused(input: &CheckInput<'_>, findings: &mut Findings) {
    let Some(target) = input
        .stages()
        .find(|stage| stage.stage.index == input.target)
    else {
        return;
    };
    let chain = target.chain();
    let has_user = chain.iter().flat_map(StageView::instructions).any(|view| {
        matches!(
            view.instruction.kind,
            InstructionKind::User(_) | InstructionKind::Onbuild(_)
        )
    });
    let is_known_base = target
        .root_reference()
        .is_none_or(|image| !image.contains("devcontainer"));
    if has_user || !is_known_base || chain.iter().any(drops_privileges) {
        return;
    }
    for stage in &chain {
        for (_, script) in stage.run_scripts() {
            for user in script.commands.iter().filter_map(new_user) {
                // A service that comes with a package often has a user of its own, and finds it in its configuration.
                let is_meant = !user.is_system || is_general(user.name);
                if is_meant && !chain.iter().any(|stage| mentions(stage, user.name)) {
                    findings
                        .add(
                            user.word.range.clone(),
                            format!("nothing runs as `{}`: the image has no `USER`", user.name),
                        )
                        .hint(format!(
                            "add `USER {}` after the last step that needs root",
                            user.name
                        ));
                }
            }
        }
    }
}

/// Says whether a name is one that people make up for what runs in an image.
fn is_general(name: &str) -> bool {
    let is_word = matches!(
        name,
        "app"
            | "appuser"
            | "app-user"
            | "appgroup"
            | "user"
            | "nonroot"
            | "non-root"
            | "runner"
            | "worker"
            | "container"
    );
    is_word || name.starts_with("app") || name.ends_with("user")
}

/// Programs that make users and give them files; that is not yet using them.
const PREPARING: [&str; 14] = [
    "useradd", "adduser", "groupadd", "addgroup", "usermod", "chown", "chgrp", "mkdir", "install",
    "id", "getent", "chmod", "rm", "passwd",
];

/// Says whether a stage names a user where it may be used: it is silent on what it cannot read.
fn mentions(stage: &StageView<'_>, name: &str) -> bool {
    stage.instructions().any(|view| {
        let text = view.instruction.original();
        let heredocs = &view.instruction.heredocs;
        let is_there =
            has_word(text, name) || heredocs.iter().any(|doc| has_word(&doc.content, name));
        let flags = view.instruction.flags.iter();
        let in_flags = flags
            .filter_map(|flag| flag.value.as_deref())
            .any(|value| has_word(value, name));
        in_flags || (is_there && !is_preparation(&view, name))
    })
}

/// Says whether all commands of a script that name a user prepare it.
fn is_preparation(view: &InstructionView<'_>, name: &str) -> bool {
    let is_run = matches!(view.instruction.kind, InstructionKind::Run(_));
    let Some(script) = view
        .script()
        .filter(|script| is_run && script.opaque.is_none())
    else {
        return false;
    };
    let naming = script
        .commands
        .iter()
        .filter(|command| has_word(&script.source[command.source_range.clone()], name));
    let mut naming = naming.peekable();
    naming.peek().is_some()
        && naming.all(|command| {
            let program = command
                .unwrapped()
                .first()
                .and_then(|word| word.literal.as_deref());
            program.is_some_and(|program| PREPARING.contains(&base_name(program)))
        })
}

/// Says whether a name stands in a text and is not part of a longer word or of a path.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part)
    })
}
