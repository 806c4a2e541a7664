//! For GitHub Actions: workflow commands, which become annotations of the files.
//!
//! See <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>.

use jettison_dockerfile::{Severity, TextRange};

use crate::printable::printable;
use crate::report::{Checked, severity_name};

/// One command a line.
pub(crate) fn github(files: &[Checked]) -> String {
    let mut text = String::new();
    for file in files {
        for diagnostic in &file.diagnostics {
            text.push_str(&command(
                file,
                diagnostic.severity,
                &diagnostic.range,
                "Dockerfile",
                &message(&diagnostic.message, &diagnostic.hints),
            ));
        }
        for finding in &file.findings {
            text.push_str(&command(
                file,
                finding.rule.severity,
                &finding.range,
                finding.rule.id.0,
                &message(&finding.message, &finding.hints),
            ));
        }
    }
    text
}

fn command(
    file: &Checked,
    severity: Severity,
    range: &TextRange,
    title: &str,
    message: &str,
) -> String {
    let start = file.source.position(range.start);
    let end = file.source.position(range.end);
    format!(
        "::{} file={},line={},endLine={},col={},title={}::{}\n",
        severity_name(severity),
        // GitHub looks for the path in the repository as it stands.
        property(file.source.path.trim_start_matches("./")),
        start.line,
        end.line.max(start.line),
        start.column,
        property(title),
        data(message),
    )
}

fn message(message: &str, hints: &[String]) -> String {
    let lines: Vec<&str> = [message]
        .into_iter()
        .chain(hints.iter().map(String::as_str))
        .collect();
    lines.join("\n")
}

/// Escapes what follows the second `::`.
fn data(text: &str) -> String {
    printable(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        assert_eq!(data("100%\nof: a, b"), "100%25%0Aof: a, b");
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
        assert_eq!(data("\u{1b}[0m"), "␛[0m");
    }
}
