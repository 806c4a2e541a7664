//! `CMD` or `ENTRYPOINT` in shell form.

use crate::checks::buildkit::commands::commands;
use crate::checks::buildkit::place::has_comments;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{CommandForm, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("JSONArgsRecommended"),
    summary: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3025"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
    page: include_str!("../../../rules/JSONArgsRecommended.md"),
    check: json_args_recommended,
};

fn json_args_recommended(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for command in commands(&stage) {
            let (InstructionKind::Cmd(CommandForm::Shell(line))
            | InstructionKind::Entrypoint(CommandForm::Shell(line))) = command.kind
            else {
                continue;
            };
            // Who chose a shell wants one (BuildKit: `dispatchCmd`, dockerfile2llb/convert.go).
            let chose_shell = command.evaluated.before.shell.as_ref();
            if chose_shell.is_some_and(|shell| !shell.is_empty()) || command.is_silenced(&RULE) {
                continue;
            }
            let name = command.name;
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            let arguments = &command.instruction.arguments;
            let mut edits = EditSet::new();
            if command.is_own
                && !has_comments(input.parse, arguments)
                && let Some(json) = exec_form(line)
            {
                edits = EditSet::replace(arguments.clone(), json);
            }
            findings
                .add(command.at(&command.instruction.keyword_range), message)
                .propose(
                    edits,
                    "the command needs no shell, so that it can get the signals itself",
                );
        }
    }
}

/// First words that a shell handles itself.
const BUILT_IN: [&str; 33] = [
    ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "eval", "exec", "exit",
    "export", "fg", "for", "function", "if", "read", "readonly", "return", "select", "set",
    "shift", "source", "time", "times", "trap", "type", "ulimit", "umask", "unset", "until",
    "while",
];

/// The exec form of a line, if it is nothing but plain words.
fn exec_form(line: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    let mut words: Vec<&str> = line.split_whitespace().collect();
    // `exec` is how a shell gets out of the way; without a shell there is no need for it.
    if words.len() > 1 && words[0] == "exec" {
        words.remove(0);
    }
    let first = words.first()?;
    let is_program = !first.contains('=') && !first.starts_with('-') && !BUILT_IN.contains(first);
    if !is_program || !words.iter().all(|word| word.chars().all(is_plain)) {
        return None;
    }
    Some(format!("[\"{}\"]", words.join("\", \"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_become_an_exec_form() {
        assert_eq!(
            exec_form("app  --port=80 a").as_deref(),
            Some(r#"["app", "--port=80", "a"]"#)
        );
        assert_eq!(
            exec_form("exec /bin/app").as_deref(),
            Some(r#"["/bin/app"]"#)
        );
        let kept = [
            "",
            "cd /x",
            "A=1 app",
            "app $A",
            "app | cat",
            "app 'a'",
            "app a*",
            "~/app",
            "app ~",
            "app {a,b}",
            "app > x",
            "exec",
            "exec -a x y",
            "app #x",
            "app \\x",
            "[ -e x ]",
            "! app",
        ];
        for line in kept {
            assert_eq!(exec_form(line), None, "{line}");
        }
    }
}
