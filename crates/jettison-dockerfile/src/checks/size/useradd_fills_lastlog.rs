//! `useradd` with a high user ID.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::arguments::{Valued, arguments};
use crate::checks::size::run::shipping_runs;
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::shell::SimpleCommand;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("useradd-fills-lastlog"),
    summary: "useradd with a high user ID makes a large log of logins",
    severity: Severity::Warning,
    categories: &[Category::Size],
    applicability: Some(Applicability::AfterBuild),
    aliases: &["DL3046"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/useradd-fills-lastlog.md"),
    check: useradd_fills_lastlog,
};

/// From here on the file is worth a word: 292 bytes for each ID make 17 MB.
const HIGH: u64 = 60_000;

/// Flags of `useradd` with a value.
const VALUED: Valued = Valued {
    short: "bcdefgGkKpsuPRZ",
    long: "base-dir comment home-dir expiredate inactive gid groups skel key password shell uid prefix root",
};

fn useradd_fills_lastlog(input: &CheckInput<'_>, findings: &mut Findings) {
    for run in shipping_runs(input) {
        for command in run
            .commands()
            .filter(|command| command.tool() == Some("useradd"))
        {
            let arguments = arguments(command, VALUED);
            let id = arguments.iter().find(|argument| argument.is("u", "uid"));
            let Some((number, place)) =
                id.and_then(|id| Some((id.value?.parse::<u64>().ok()?, id.word)))
            else {
                continue;
            };
            let Some(program) = command.unwrapped().first() else {
                continue;
            };
            let is_off = arguments
                .iter()
                .any(|argument| argument.is("l", "no-log-init"));
            if number < HIGH || is_off || may_have_more_flags(command) {
                continue;
            }
            let end = program.range.end;
            let megabytes = number.saturating_mul(292) / 1_000_000;
            findings
                .add(
                    place.range.clone(),
                    format!("`useradd` with the user ID {number} makes `/var/log/lastlog` {megabytes} MB long"),
                )
                .hint("add `-l`, or take a lower ID")
                .propose(EditSet::replace(end..end, " -l"), "nobody logs in to a container");
        }
    }
}

/// Says whether a word that is not known may be flags.
fn may_have_more_flags(command: &SimpleCommand) -> bool {
    command.arguments().any(|word| {
        word.variables.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            ["opt", "flag", "arg"]
                .iter()
                .any(|part| name.contains(part))
        })
    })
}
