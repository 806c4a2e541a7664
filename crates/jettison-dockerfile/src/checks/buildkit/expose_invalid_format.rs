//! An address or a port of the host in `EXPOSE`.

use crate::checks::buildkit::ports::ports;
use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("ExposeInvalidFormat"),
    summary: "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: Some(Applicability::Suggestion),
    aliases: &[],
    status: Status::Stable,
    url: "https://docs.docker.com/go/dockerfile/rule/expose-invalid-format/",
    page: include_str!("../../../rules/ExposeInvalidFormat.md"),
    check: expose_invalid_format,
};

fn expose_invalid_format(input: &CheckInput<'_>, findings: &mut Findings) {
    for port in ports(input, &RULE) {
        if !port.has_host {
            continue;
        }
        let message = format!(
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
            port.text
        );
        let mut edits = EditSet::new();
        if let Some(written) = port.written
            && written.text == port.text
            && input.parse.text()[written.range.clone()] == written.text
            && let Some((host, _)) = written.text.rsplit_once(':')
        {
            let start = written.range.start;
            edits = EditSet::replace(start..start + host.len() + 1, "");
        }
        findings
            .add(port.range, message)
            .hint("publish the port when the container is run: `docker run --publish`")
            .propose(
                edits,
                "an image can say only which of its own ports it listens on",
            );
    }
}
