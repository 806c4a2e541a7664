//! A download that is not encrypted.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::input::InstructionView;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::security::address::plain_public;
use crate::checks::security::verify::{is_verified_in, verifies};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::instruction::{CopySource, InstructionKind};
use crate::shell::SimpleCommand;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("plain-http-download"),
    summary: "A file or a repository is fetched over a connection that is not encrypted",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: Some(Applicability::Suggestion),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/plain-http-download.md"),
    check: plain_http_download,
};

fn plain_http_download(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in stage.run_scripts() {
            if verifies(&script.source) {
                continue;
            }
            for range in script.commands.iter().flat_map(addresses) {
                report(input, range, findings);
            }
        }
        for view in stage.instructions() {
            for range in added(&view) {
                if !is_verified_in(&stage, view.index) {
                    report(input, range, findings);
                }
            }
        }
    }
}

/// Where the addresses are that `ADD` fetches without a checksum.
fn added(view: &InstructionView<'_>) -> Vec<TextRange> {
    let InstructionKind::Add(add) = &view.instruction.kind else {
        return Vec::new();
    };
    if add.checksum.is_some() {
        return Vec::new();
    }
    let places = add.sources.iter().filter_map(|source| match source {
        CopySource::Path(path) if plain_public(path).is_some() => Some(view.place_of(path)),
        CopySource::Path(_) | CopySource::Heredoc(_) => None,
    });
    places.collect()
}

/// Flags whose value is an address or a text, but not what is fetched.
const OTHER: [&str; 14] = [
    "-x",
    "--proxy",
    "-e",
    "--referer",
    "-H",
    "--header",
    "-d",
    "--data",
    "-A",
    "--user-agent",
    "-F",
    "--form",
    "--data-raw",
    "--preproxy",
];

/// Where the addresses are that a command fetches.
fn addresses(command: &SimpleCommand) -> Vec<TextRange> {
    let words = command.unwrapped();
    let program = words
        .first()
        .and_then(|word| word.literal.as_deref())
        .map(base_name);
    let is_clone = words.get(1).is_some_and(|word| word.text == "clone");
    let fetches = match program {
        Some("curl" | "wget") => true,
        Some("git") => is_clone,
        _ => false,
    };
    if !fetches {
        return Vec::new();
    }
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let [before, word] = pair else { continue };
        let unopened = word.text.trim_start_matches(['"', '\'']);
        let address = unopened.trim_end_matches(['"', '\'']);
        if plain_public(address).is_none() || OTHER.contains(&before.text.as_str()) {
            continue;
        }
        let start = word.range.start + (word.text.len() - unopened.len());
        let end = word.range.end - (unopened.len() - address.len());
        found.push(start..end);
    }
    found
}

fn report(input: &CheckInput<'_>, range: TextRange, findings: &mut Findings) {
    let address = input.parse.text().get(range.clone()).unwrap_or_default();
    let Some((scheme, host)) = plain_public(address) else {
        return;
    };
    let scheme_range = range.start..range.start + scheme.len();
    findings
        .add(
            range,
            format!("what comes from `{scheme}{host}` can be replaced by anyone on the way"),
        )
        .hint("use `https://`, or compare the file with a digest")
        .propose(
            EditSet::replace(scheme_range, "https://"),
            format!("if `{host}` speaks HTTPS, nobody can change what it sends"),
        );
}
