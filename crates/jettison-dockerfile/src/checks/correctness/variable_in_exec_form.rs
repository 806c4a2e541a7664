//! Nothing expands variables in exec form.

use std::ops::Range;

use crate::checks::arguments::Arguments;
use crate::checks::correctness::command_chain::{command_form, commands};
use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, InstructionView, StageView};
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::{CommandForm, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("variable-in-exec-form"),
    summary: "A variable in exec form is not expanded",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/variable-in-exec-form.md"),
    check: variable_in_exec_form,
};

/// Programs that run a script in one of their arguments, or expand variables themselves.
const INTERPRETERS: [&str; 56] = [
    "sh",
    "bash",
    "ash",
    "dash",
    "zsh",
    "ksh",
    "mksh",
    "fish",
    "csh",
    "tcsh",
    "busybox",
    "pwsh",
    "powershell",
    "cmd",
    "perl",
    "php",
    "ruby",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sed",
    "jq",
    "yq",
    "tclsh",
    "expect",
    "env",
    "envsubst",
    "eval",
    "make",
    "su",
    "runuser",
    "xargs",
    "parallel",
    "ssh",
    "script",
    "watch",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "bun",
    "nginx",
    "openresty",
    "caddy",
    "envoy",
    "haproxy",
    "elasticsearch",
    "logstash",
    "filebeat",
    "metricbeat",
    "kibana",
    "telegraf",
    "vector",
    "otelcol",
    "docker",
];

fn variable_in_exec_form(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        if stage.is_windows() {
            continue;
        }
        for view in stage.instructions() {
            let Some(CommandForm::Exec(argv)) = command_form(&view.instruction.kind) else {
                continue;
            };
            if is_interpreted(argv) || is_argument_of_shell(stage, &view) {
                continue;
            }
            report(input, &view, argv, findings);
        }
    }
}

/// Says whether one of the words is a program that runs a script in another one, whatever its version: `perl5.36`.
fn is_interpreted(argv: &[String]) -> bool {
    let is_named = |word: &String, names: &[&str]| {
        let name = base_name(word);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        names.contains(&name)
    };
    let has_script = argv
        .iter()
        .any(|word| ["-e", "--eval", "-p", "eval"].contains(&word.as_str()));
    argv.iter().any(|word| {
        is_named(word, &INTERPRETERS)
            || (has_script && is_named(word, &["node", "deno", "julia", "groovy", "Rscript"]))
    })
}

/// Says whether the words of `CMD` are arguments of an `ENTRYPOINT` that a shell reads.
fn is_argument_of_shell(stage: StageView<'_>, view: &InstructionView<'_>) -> bool {
    if !matches!(view.instruction.kind, InstructionKind::Cmd(_)) {
        return false;
    }
    match commands(stage).entrypoint.map(|entrypoint| entrypoint.form) {
        Some(CommandForm::Exec(argv)) => is_interpreted(argv),
        Some(CommandForm::Shell(_)) => true,
        None => false,
    }
}

fn report(
    input: &CheckInput<'_>,
    view: &InstructionView<'_>,
    argv: &[String],
    findings: &mut Findings,
) {
    let is_java = argv.first().is_some_and(|word| base_name(word) == "java");
    let Some(arguments) = Arguments::of(input.parse, view.instruction) else {
        return;
    };
    let start = arguments.text().find('[').unwrap_or(0);
    let strings = arguments.strings(start);
    if strings.len() != argv.len() {
        return;
    }
    for string in strings {
        let written = &arguments.text()[string.clone()];
        let Some(variable) = variable(written) else {
            continue;
        };
        let name = written[variable.clone()].trim_matches(['$', '{', '}']);
        let scope = &view.evaluated.before;
        let is_known = scope.lookup(name).is_some();
        // Frameworks of Java look for `${NAME}` in the values of options and properties themselves.
        let is_property = is_java && written[..variable.start].contains('=');
        let is_constant = name.chars().all(|c| !c.is_lowercase());
        if is_property || !(is_known || is_constant) {
            continue;
        }
        let place = string.start + variable.start..string.start + variable.end;
        let message = format!(
            "`{}` reaches the program as it is: exec form starts no shell that expands it",
            &written[variable]
        );
        findings
            .add(arguments.source(place), message)
            .hint(hint(&view.instruction.kind));
    }
}

fn hint(kind: &InstructionKind) -> &'static str {
    if matches!(kind, InstructionKind::Entrypoint(_)) {
        "start a shell: `[\"/bin/sh\", \"-c\", \"exec program \\\"$NAME\\\" \\\"$@\\\"\", \"program\"]`"
    } else if matches!(kind, InstructionKind::Cmd(_)) {
        "use the shell form: `CMD exec program \"$NAME\"`"
    } else {
        "use the shell form"
    }
}

/// The first variable in a word; `None` if there is none, or the word is a template of something else.
fn variable(word: &str) -> Option<Range<usize>> {
    if word.contains("{{") {
        return None;
    }
    let mut from = 0;
    while let Some(found) = word[from..].find('$') {
        let start = from + found;
        let rest = &word[start + 1..];
        let before = word[..start].chars().next_back();
        if matches!(before, Some('$' | '\\')) {
            from = start + 1;
            continue;
        }
        let (name, braces) = match rest.strip_prefix('{') {
            Some(inner) => (inner, 2),
            None => (rest, 0),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = name.find(|c| !is_name(c)).unwrap_or(name.len());
        let is_variable = len > 0 && !name.starts_with(|c: char| c.is_ascii_digit());
        let is_closed = braces == 0 || name[len..].starts_with('}');
        if is_variable && is_closed {
            return Some(start..start + 1 + len + braces);
        }
        from = start + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_other_dollars() {
        let cases = [
            ("$PORT", Some("$PORT")),
            ("0.0.0.0:${PORT}", Some("${PORT}")),
            ("^a$", None),
            ("a$|b", None),
            ("$$HOME", None),
            ("\\\\$HOME", None),
            ("$1", None),
            ("$(HOST)", None),
            ("{{ $X }}", None),
            ("${A:-b}", None),
            ("$5 $X", Some("$X")),
        ];
        for (word, expected) in cases {
            assert_eq!(variable(word).map(|range| &word[range]), expected, "{word}");
        }
    }
}
