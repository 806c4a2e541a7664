//! A protocol with capitals in `EXPOSE`.

use crate::checks::buildkit::ports::ports;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("ExposeProtoCasing"),
    summary: "Protocol in EXPOSE instruction should be lowercase",
    severity: Severity::Warning,
    categories: &[Category::Style],
    applicability: Some(Applicability::Safe),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/expose-proto-casing/",
    page: include_str!("../../../rules/ExposeProtoCasing.md"),
    check: expose_proto_casing,
};

fn expose_proto_casing(input: &CheckInput<'_>, findings: &mut Findings) {
    for port in ports(input, &RULE) {
        if port.protocol == port.protocol.to_lowercase() {
            continue;
        }
        let message = format!(
            "Defined protocol '{}' in EXPOSE instruction should be lowercase",
            port.text
        );
        // The protocol stands at the end of the word, unless that is made of variables.
        let mut edits = EditSet::new();
        if let Some(written) = port.written
            && written.text.ends_with(&format!("/{}", port.protocol))
            && input.parse.text()[written.range.clone()] == written.text
        {
            let start = written.range.end - port.protocol.len();
            edits = EditSet::replace(start..written.range.end, port.protocol.to_lowercase());
        }
        findings
            .add(port.range, message)
            .propose(edits, "the image has it in lower case anyway");
    }
}
