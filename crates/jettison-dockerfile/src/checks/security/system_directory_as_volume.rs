//! A volume over a directory that belongs to the system.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("system-directory-as-volume"),
    summary: "A volume covers a directory of the system",
    severity: Severity::Warning,
    categories: &[Category::Security, Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/system-directory-as-volume.md"),
    check: system_directory_as_volume,
};

fn system_directory_as_volume(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(StageView::ships) {
        for view in stage.instructions() {
            let InstructionKind::Volume(paths) = &view.instruction.kind else {
                continue;
            };
            for written in paths {
                let Some(path) = view.known_value(written) else {
                    continue;
                };
                if is_of_system(&path) {
                    findings
                        .add(
                            view.place_of(written),
                            format!("a volume covers `{path}`, which belongs to the system"),
                        )
                        .hint("make volumes of directories that hold data alone");
                }
            }
        }
    }
}

fn is_of_system(path: &str) -> bool {
    let path = if path == "/" {
        path
    } else {
        path.trim_end_matches('/')
    };
    let is_kernel = ["/dev", "/proc", "/sys"].iter().any(|directory| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    // Images that start systemd have it, as a place for `--volume`.
    let is_for_systemd = path == "/sys/fs/cgroup";
    let is_system = matches!(
        path,
        "/" | "/etc"
            | "/usr"
            | "/usr/bin"
            | "/usr/lib"
            | "/usr/sbin"
            | "/bin"
            | "/sbin"
            | "/lib"
            | "/lib64"
            | "/boot"
    );
    is_system || (is_kernel && !is_for_systemd)
}
