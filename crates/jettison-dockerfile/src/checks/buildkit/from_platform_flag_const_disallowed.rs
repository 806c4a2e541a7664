//! `FROM --platform` with a constant.

use crate::checks::buildkit::commands::is_silenced;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::platform::Platform;
use crate::quote::quoted;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("FromPlatformFlagConstDisallowed"),
    summary: "FROM --platform flag should not use a constant value",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &["DL3029"],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/from-platform-flag-const-disallowed/",
    page: include_str!("../../../rules/FromPlatformFlagConstDisallowed.md"),
    check: from_platform_flag_const_disallowed,
};

fn from_platform_flag_const_disallowed(input: &CheckInput<'_>, findings: &mut Findings) {
    let host = input.build_architecture();
    for stage in input.stages() {
        let from = stage.from();
        let Some(platform) = &stage.evaluation.platform else {
            continue;
        };
        let Ok(parsed) = Platform::parse(platform, host) else {
            continue;
        };
        // A stage that is named after the platform means it (BuildKit: `reportConstPlatformDisallowed`,
        // dockerfile2llb/validations.go).
        let name = stage.stage.name.as_deref().unwrap_or_default();
        let is_meant = [&parsed.os, &parsed.architecture]
            .iter()
            .any(|part| name.contains(*part));
        let is_constant = stage.evaluation.platform_variables.is_empty();
        if !is_constant || is_meant || is_silenced(from, &RULE) {
            continue;
        }
        let flag = from.flags.iter().find(|flag| flag.name == "platform");
        let range = flag.map_or(&from.range, |flag| &flag.range);
        let message = format!(
            "FROM --platform flag should not use constant value {}",
            quoted(platform)
        );
        findings
            .add(range.clone(), message)
            .hint("use $BUILDPLATFORM or $TARGETPLATFORM, or name the stage after the platform");
    }
}
