//! `ADD` of a file from the network whose content is not checked.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::address::names_content;
use crate::checks::security::verify::is_verified_in;
use crate::diagnostic::Severity;
use crate::instruction::{CopySource, InstructionKind};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("unverified-add"),
    summary: "ADD downloads a file without a checksum",
    severity: Severity::Warning,
    categories: &[Category::Security, Category::Reproducibility],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/unverified-add.md"),
    check: unverified_add,
};

fn unverified_add(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for view in stage.instructions() {
            let InstructionKind::Add(add) = &view.instruction.kind else {
                continue;
            };
            if add.checksum.is_some() {
                continue;
            }
            for source in &add.sources {
                let CopySource::Path(address) = source else {
                    continue;
                };
                let is_fixed = !is_file_address(address) || names_content(address);
                if is_fixed || is_verified_in(&stage, view.index) {
                    continue;
                }
                findings
                    .add(
                        view.place_of(address),
                        format!(
                            "whatever `{address}` is when the image is built becomes part of it"
                        ),
                    )
                    .hint("add `--checksum=sha256:…` before the address");
            }
        }
    }
}

/// Says whether `ADD` fetches a file from here; Git addresses are repositories.
///
/// BuildKit takes an HTTP address for one of Git if its path ends in `.git` (`util/gitutil`, `ParseGitRef`).
fn is_file_address(address: &str) -> bool {
    let Some(rest) = ["http://", "https://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme))
    else {
        return false;
    };
    let path = rest.split(['#', '?']).next().unwrap_or(rest);
    path.strip_suffix(".git").is_none()
}
