//! SARIF 2.1.0, which GitHub code scanning and other tools read.
//!
//! See <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::fmt::Write;
use std::path::{Component, Path};

use jettison_dockerfile::{Applicability, Finding, Rule, Severity, TextRange};
use serde_json::{Value, json};

use crate::report::json::pretty;
use crate::report::{Checked, severity_name};
use crate::source::Source;

/// The rule that errors and warnings of the language itself are reported under.
const SYNTAX: &str = "dockerfile-syntax";

/// All files as one run. `rules` are those that ran; paths are relative to `directory` where they are below it.
pub(crate) fn sarif(files: &[Checked], rules: &[&Rule], directory: &Path) -> String {
    let descriptors = [syntax_rule()]
        .into_iter()
        .chain(rules.iter().map(|rule| descriptor(rule)));
    let mut results = Vec::new();
    for file in files {
        let uri = uri(&file.source.path, directory);
        for diagnostic in &file.diagnostics {
            let text = with_hints(&diagnostic.message, &diagnostic.hints);
            let place = location(&file.source, &uri, &diagnostic.range);
            results.push(result(SYNTAX, 0, diagnostic.severity, &text, place));
        }
        for finding in &file.findings {
            // A finding comes from one of the rules that ran.
            let index = rules.iter().position(|rule| *rule == finding.rule);
            let index = index.map_or(0, |index| index + 1);
            let text = with_hints(&finding.message, &finding.hints);
            let place = location(&file.source, &uri, &finding.range);
            let severity = finding.rule.severity;
            let mut result = result(finding.rule.id.0, index, severity, &text, place);
            if let Some(fix) = fix(&file.source, &uri, finding) {
                result["fixes"] = json!([fix]);
            }
            results.push(result);
        }
    }
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Jettison",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    }))
}

fn descriptor(rule: &Rule) -> Value {
    let tags: Vec<&str> = rule
        .categories
        .iter()
        .map(|category| category.as_str())
        .collect();
    let mut descriptor = json!({
        "id": rule.id.0,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": severity_name(rule.severity)},
        "properties": {"tags": tags},
    });
    if rule.is_buildkit() {
        descriptor["helpUri"] = json!(rule.url);
    }
    descriptor
}

fn syntax_rule() -> Value {
    json!({
        "id": SYNTAX,
        "shortDescription": {"text": "The Dockerfile cannot be built, or will not be in future"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["correctness"]},
    })
}

fn result(rule: &str, index: usize, severity: Severity, text: &str, location: Value) -> Value {
    json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": severity_name(severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    })
}

fn with_hints(message: &str, hints: &[String]) -> String {
    let sentences: Vec<&str> = [message]
        .into_iter()
        .chain(hints.iter().map(String::as_str))
        .collect();
    sentences.join("\n")
}

fn location(source: &Source, uri: &str, range: &TextRange) -> Value {
    json!({
        "artifactLocation": {"uri": uri},
        "region": region(source, range),
    })
}

fn region(source: &Source, range: &TextRange) -> Value {
    let start = source.position(range.start);
    let end = source.position(range.end.max(range.start));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// The change that `--fix` would make, if it would.
fn fix(source: &Source, uri: &str, finding: &Finding) -> Option<Value> {
    let proposal = finding.proposal.as_ref()?;
    if proposal.applicability != Applicability::Safe {
        return None;
    }
    let replacements = proposal.edits.iter().map(|edit| {
        json!({
            "deletedRegion": region(source, &edit.range),
            "insertedContent": {"text": edit.replacement},
        })
    });
    Some(json!({
        "description": {"text": proposal.reason},
        "artifactChanges": [{
            "artifactLocation": {"uri": uri},
            "replacements": replacements.collect::<Vec<_>>(),
        }],
    }))
}

/// The path as a URI reference: relative to `directory` if it is below it.
fn uri(path: &str, directory: &Path) -> String {
    let path = Path::new(path);
    let path = path.strip_prefix(directory).unwrap_or(path);
    let mut uri = String::new();
    for component in path.components() {
        match component {
            Component::RootDir => uri.push_str("file://"),
            Component::CurDir => continue,
            Component::Prefix(_) | Component::ParentDir | Component::Normal(_) => {}
        }
        let name = component.as_os_str().to_string_lossy();
        if !uri.is_empty() {
            uri.push('/');
        }
        uri.push_str(&encoded(name.trim_matches('/')));
        if component == Component::RootDir {
            uri.pop();
        }
    }
    uri
}

/// Percent-encodes what must not stand in a part of a path.
fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_uris() {
        let cases = [
            ("Dockerfile", "Dockerfile"),
            ("./a b/Dockerfile", "a%20b/Dockerfile"),
            ("../x/Dockerfile", "../x/Dockerfile"),
            ("/home/app/Dockerfile", "app/Dockerfile"),
            ("/etc/Dockerfile", "file:///etc/Dockerfile"),
            ("é:%", "%C3%A9%3A%25"),
            ("-", "-"),
        ];
        for (path, expected) in cases {
            assert_eq!(uri(path, Path::new("/home")), expected, "{path}");
        }
    }
}
