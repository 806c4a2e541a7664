//! A literal password in a script.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::passwords::{Kind, account_passwords, service_passwords};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("password-in-text"),
    summary: "A literal password is in a script",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/password-in-text.md"),
    check: password_in_text,
};

fn password_in_text(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in stage.run_scripts() {
            for command in &script.commands {
                let mut passwords = service_passwords(command);
                // Who can log in to a builder matters to nobody.
                if stage.ships() {
                    passwords.extend(account_passwords(script, command));
                }
                for password in passwords {
                    let whose = named(&password.whose);
                    let (message, hint) = match password.kind {
                        Kind::Account => (
                            format!(
                                "everyone who has the image can find out the password of {whose}"
                            ),
                            "leave it out: users of a container need no password; its owner starts it as any of them",
                        ),
                        Kind::NoPassword => (
                            format!("{whose} can log in without a password"),
                            "lock the account instead: `passwd -l`",
                        ),
                        Kind::Service => (
                            format!(
                                "a literal password, given to {whose}, is in the text of `RUN`"
                            ),
                            "use `RUN --mount=type=secret,id=…` and read `/run/secrets/…` in the script",
                        ),
                    };
                    findings.add(password.range, message).hint(hint);
                }
            }
        }
    }
}

/// A name is written as code; a description is not.
fn named(whose: &str) -> String {
    if whose.contains(' ') {
        whose.to_owned()
    } else {
        format!("`{whose}`")
    }
}
