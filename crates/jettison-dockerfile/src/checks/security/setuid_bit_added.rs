//! Programs that run as their owner whoever starts them.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::mode::{ModeGiven, mode_given};
use crate::diagnostic::Severity;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("setuid-bit-added"),
    summary: "A program is made to run as its owner",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/setuid-bit-added.md"),
    check: setuid_bit_added,
};

fn setuid_bit_added(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(StageView::ships) {
        for (_, script) in stage.run_scripts() {
            for given in script.commands.iter().filter_map(mode_given) {
                // On a directory the bit of the group only says to whom new files belong.
                let is_for_group = given.mode.set_group && names_program(&given);
                if !given.mode.set_user && !is_for_group {
                    continue;
                }
                let owner = if given.mode.set_user {
                    "owner"
                } else {
                    "group"
                };
                findings
                    .add(
                        given.word.range.clone(),
                        format!(
                            "mode `{}` makes a program run as its {owner}, whoever starts it",
                            given.text
                        ),
                    )
                    .hint("give the container the capability that the program needs, or the file with `setcap`");
            }
        }
    }
}

fn names_program(given: &ModeGiven<'_>) -> bool {
    given
        .files
        .iter()
        .any(|file| file.text.contains("/bin/") || file.text.contains("/sbin/"))
}
