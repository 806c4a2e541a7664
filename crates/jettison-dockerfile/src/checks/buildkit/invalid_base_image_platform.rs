//! An image for another platform than the one that was asked for.

use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::evaluate::BaseImage;
use crate::instruction::{Instruction, mount_fields};
use crate::keyword::Keyword;
use crate::platform::Platform;
use crate::quote::quoted;
use crate::stage::from_of;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("InvalidBaseImagePlatform"),
    summary: "Base image platform does not match expected target platform",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/InvalidBaseImagePlatform.md"),
    check: invalid_base_image_platform,
};

fn invalid_base_image_platform(input: &CheckInput<'_>, findings: &mut Findings) {
    let target = input.evaluation.target_platform.as_deref();
    for stage in input.stages() {
        if let BaseImage::Image(name) = &stage.evaluation.base
            && let Some(from) = from_of(&stage.from().kind)
        {
            let expected = stage.evaluation.platform.as_deref().or(target);
            compare(input, findings, name, expected, &from.base_range);
        }
        for view in stage.instructions() {
            for (name, range) in named_images(view.instruction) {
                let is_image = name != "scratch" && input.graph.find(&name).is_none();
                if is_image {
                    compare(input, findings, &name, target, &range);
                }
            }
        }
    }
}

/// BuildKit: `validateBaseImagePlatform`, `dockerfile2llb/validations.go`.
fn compare(
    input: &CheckInput<'_>,
    findings: &mut Findings,
    name: &str,
    expected: Option<&str>,
    range: &TextRange,
) {
    let host = input.build_architecture();
    let actual = input.evaluation.images.get(name);
    let actual = actual.and_then(|image| Platform::parse(image.platform.as_deref()?, host).ok());
    let expected = expected.and_then(|expected| Platform::parse(expected, host).ok());
    let (Some(actual), Some(expected)) = (actual, expected) else {
        return;
    };
    if actual.differs(&expected) {
        let (actual, expected) = (quoted(&actual.shown()), quoted(&expected.shown()));
        findings.add(
            range.clone(),
            format!(
                "Base image {name} was pulled with platform {actual}, expected {expected} for current build"
            ),
        );
    }
}

/// What an instruction takes files from, and where it says so.
fn named_images(instruction: &Instruction) -> Vec<(String, TextRange)> {
    let mut images = Vec::new();
    for flag in &instruction.flags {
        let Some(value) = &flag.value else { continue };
        match (instruction.keyword, flag.name.as_str()) {
            (Keyword::Copy, "from") => images.push((value.to_string(), flag.range.clone())),
            (Keyword::Run, "mount") => {
                let fields = mount_fields(value).unwrap_or_default();
                let from = fields.into_iter().rfind(|field| field.key == "from");
                let name = from.and_then(|from| from.value);
                images.extend(name.map(|name| (name, flag.range.clone())));
            }
            _ => {}
        }
    }
    images
}
