//! An image whose tag is moved with every release.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::input::StageView;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::evaluate::BaseImage;
use crate::instruction::InstructionKind;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("moving-base-tag"),
    summary: "An image is named without a tag, or by the tag `latest`",
    severity: Severity::Warning,
    categories: &[Category::Reproducibility],
    applicability: None,
    aliases: &["DL3006", "DL3007"],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/moving-base-tag.md"),
    check: moving_base_tag,
};

fn moving_base_tag(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        if let InstructionKind::From(from) = &stage.from().kind
            && let BaseImage::Image(image) = &stage.evaluation.base
            && stage.evaluation.from.unmatched.is_empty()
        {
            report(image, from.base_range.clone(), findings);
        }
        copies(input, &stage, findings);
    }
}

/// The images that `COPY --from` names.
fn copies(input: &CheckInput<'_>, stage: &StageView<'_>, findings: &mut Findings) {
    for view in stage.instructions() {
        let InstructionKind::Copy(copy) = &view.instruction.kind else {
            continue;
        };
        let Some(from) = &copy.from else {
            continue;
        };
        let is_number = from.parse::<i64>().is_ok();
        if !is_number && input.graph.find(from).is_none() && is_image_for_certain(from) {
            report(from, view.place_of(from), findings);
        }
    }
}

/// A single word may be the name of a context that the command line gives.
fn is_image_for_certain(name: &str) -> bool {
    name.contains(['/', ':'])
        || matches!(
            name,
            "alpine"
                | "busybox"
                | "composer"
                | "debian"
                | "golang"
                | "nginx"
                | "node"
                | "python"
                | "rust"
                | "ubuntu"
        )
}

fn report(image: &str, range: TextRange, findings: &mut Findings) {
    if image.contains('@') {
        return;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    let (message, name) = match last.split_once(':') {
        Some((_, "latest")) => (
            format!("`{image}` is another image after every release"),
            image.trim_end_matches(":latest"),
        ),
        Some(_) => return,
        None => (
            format!("`{image}` has no tag, so that every release changes it"),
            image,
        ),
    };
    // There are no tags with versions there, at least not for everyone.
    let has_no_versions = ["gcr.io/distroless/", "cgr.dev/"]
        .iter()
        .any(|prefix| image.starts_with(prefix));
    let hint = if has_no_versions {
        format!("pin its digest: `{name}@sha256:…`")
    } else {
        format!("name a version: `{name}:…`")
    };
    findings.add(range, message).hint(hint);
}
