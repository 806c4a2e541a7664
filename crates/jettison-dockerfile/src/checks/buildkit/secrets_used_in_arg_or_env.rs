//! A variable whose name says that its value is a secret.

use crate::checks::buildkit::commands::commands;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;
use crate::quote::quoted;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("SecretsUsedInArgOrEnv"),
    summary: "Sensitive data should not be used in the ARG or ENV commands",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/",
    page: include_str!("../../../rules/SecretsUsedInArgOrEnv.md"),
    check: secrets_used_in_arg_or_env,
};

fn secrets_used_in_arg_or_env(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for command in commands(&stage) {
            if command.is_silenced(&RULE) {
                continue;
            }
            // An `ARG` before the first `FROM` is not looked at, for no image has it (BuildKit: `dispatchArg` and
            // `dispatchEnv`, dockerfile2llb/convert.go).
            match command.kind {
                InstructionKind::Env(pairs) => {
                    // Keys are expanded before they are judged.
                    let words = command.evaluated.words.chunks_exact(2);
                    for (pair, words) in pairs.iter().zip(words) {
                        add(findings, "ENV", &words[0], command.at(&pair.key_range));
                    }
                }
                InstructionKind::Arg(declarations) => {
                    for declaration in declarations {
                        let range = &declaration.range;
                        let start = command.at(range).start;
                        let end = range.end.min(start + declaration.name.len());
                        add(
                            findings,
                            "ARG",
                            &declaration.name,
                            command.at(&(start..end)),
                        );
                    }
                }
                InstructionKind::From(_)
                | InstructionKind::Run(_)
                | InstructionKind::Cmd(_)
                | InstructionKind::Entrypoint(_)
                | InstructionKind::Label(_)
                | InstructionKind::Copy(_)
                | InstructionKind::Add(_)
                | InstructionKind::Expose(_)
                | InstructionKind::Volume(_)
                | InstructionKind::User(_)
                | InstructionKind::Workdir(_)
                | InstructionKind::Shell(_)
                | InstructionKind::Stopsignal(_)
                | InstructionKind::Healthcheck(_)
                | InstructionKind::Onbuild(_)
                | InstructionKind::Maintainer(_)
                | InstructionKind::Unknown
                | InstructionKind::Invalid => {}
            }
        }
    }
}

fn add(findings: &mut Findings, keyword: &str, name: &str, range: TextRange) {
    if names_a_secret(name) {
        let message = format!(
            "Do not use ARG or ENV instructions for sensitive data ({keyword} {})",
            quoted(name)
        );
        findings
            .add(range, message)
            .hint("give the secret to the command that needs it: `RUN --mount=type=secret,id=…`");
    }
}

/// The parts of a name that tell a secret.
const SECRET: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];

/// The parts of a name that tell something else.
const PUBLIC: [&str; 3] = ["public", "file", "version"];

/// Says whether a part of a name, between underscores, tells a secret, and none tells otherwise (BuildKit:
/// `getSecretsRegex`, `dockerfile2llb/validations.go`).
fn names_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let has = |parts: &[&str]| name.split('_').any(|part| parts.contains(&part));
    has(&SECRET) && !has(&PUBLIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_a_part_of_their_name() {
        for name in [
            "KEY",
            "api_key",
            "GITHUB_TOKEN",
            "secret_MESSAGE",
            "A__auth_",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in [
            "MONKEY",
            "PUBLIC_KEY",
            "TOKEN_FILE",
            "key_version",
            "tokens",
            "KEYS",
            "",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
