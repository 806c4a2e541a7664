//! Results of structure tests for programs: the JSON and the `JUnit` of container-structure-test.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::structure_test::evaluate::TestResult;

/// What all tests together came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TestSummary {
    /// How many have passed.
    pub pass: usize,
    /// How many have not.
    pub fail: usize,
    /// How many there were.
    pub total: usize,
    /// How long their commands ran, in nanoseconds.
    pub duration: u64,
}

impl TestSummary {
    /// Counts.
    pub fn of(results: &[TestResult]) -> TestSummary {
        let pass = results.iter().filter(|result| result.has_passed()).count();
        TestSummary {
            pass,
            fail: results.len() - pass,
            total: results.len(),
            duration: nanoseconds(results.iter().map(|result| result.elapsed).sum()),
        }
    }
}

#[derive(Debug, Serialize)]
struct Summary<'r> {
    #[serde(flatten)]
    summary: TestSummary,
    #[serde(rename = "Results", skip_serializing_if = "Vec::is_empty")]
    results: Vec<Case<'r>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Case<'r> {
    name: &'r str,
    pass: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    stdout: &'r str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stderr: &'r str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    errors: &'r [String],
    duration: u64,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The results as one line of JSON.
pub fn test_results_json(results: &[TestResult]) -> String {
    let cases = results.iter().map(|result| Case {
        name: &result.name,
        pass: result.has_passed(),
        stdout: &result.stdout,
        stderr: &result.stderr,
        errors: &result.errors,
        duration: nanoseconds(result.elapsed),
    });
    let summary = Summary {
        summary: TestSummary::of(results),
        results: cases.collect(),
    };
    // Texts and numbers cannot fail to be JSON.
    serde_json::to_string(&summary).unwrap_or_default() + "\n"
}

/// The results as `JUnit`'s XML, under the name `suite`.
pub fn test_results_junit(results: &[TestResult], suite: &str) -> String {
    let summary = TestSummary::of(results);
    let total: Duration = results.iter().map(|result| result.elapsed).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><testsuites failures=\"{}\" tests=\"{}\" time=\"{}\"><testsuite name=\"{}\">",
        summary.fail,
        summary.total,
        total.as_secs_f64(),
        escaped(suite)
    );
    for result in results {
        // Writing to a string cannot fail.
        write!(
            xml,
            "<testcase name=\"{}\" time=\"{}\">",
            escaped(&result.name),
            result.elapsed.as_secs_f64()
        )
        .unwrap_or_default();
        for (tag, texts) in [
            ("failure", result.errors.as_slice()),
            ("system-out", std::slice::from_ref(&result.stdout)),
            ("system-err", std::slice::from_ref(&result.stderr)),
        ] {
            for text in texts.iter().filter(|text| !text.is_empty()) {
                write!(xml, "<{tag}>{}</{tag}>", escaped(text)).unwrap_or_default();
            }
        }
        xml.push_str("</testcase>");
    }
    xml.push_str("</testsuite></testsuites>\n");
    xml
}

/// A text as XML 1.0 can hold it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&#34;"),
            '\n' => out.push_str("&#xA;"),
            '\t' => out.push_str("&#x9;"),
            '\r' => out.push_str("&#xD;"),
            // XML has no way to write these (XML 1.0, production Char).
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn results() -> Vec<TestResult> {
        let result = |name: &str, errors: &[&str]| TestResult {
            name: name.to_owned(),
            errors: errors.iter().map(ToString::to_string).collect(),
            stdout: String::new(),
            stderr: String::new(),
            elapsed: Duration::ZERO,
        };
        vec![
            TestResult {
                stdout: "a <b>\n\u{1b}".to_owned(),
                elapsed: Duration::from_millis(1500),
                ..result("Command Test: \"a\" & b", &["no", "no"])
            },
            result("Metadata Test", &[]),
        ]
    }

    #[test]
    fn json_has_the_members_that_readers_expect() {
        expect![[r#"
            {"Pass":1,"Fail":1,"Total":2,"Duration":1500000000,"Results":[{"Name":"Command Test: \"a\" & b","Pass":false,"Stdout":"a <b>\n\u001b","Errors":["no","no"],"Duration":1500000000},{"Name":"Metadata Test","Pass":true,"Duration":0}]}
        "#]].assert_eq(&test_results_json(&results()));
        expect![[r#"
            {"Pass":0,"Fail":0,"Total":0,"Duration":0}
        "#]]
        .assert_eq(&test_results_json(&[]));
    }

    #[test]
    fn junit_is_xml_whatever_a_program_writes() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?><testsuites failures="1" tests="2" time="1.5"><testsuite name="suite"><testcase name="Command Test: &#34;a&#34; &amp; b" time="1.5"><failure>no</failure><failure>no</failure><system-out>a &lt;b&gt;&#xA;�</system-out></testcase><testcase name="Metadata Test" time="0"></testcase></testsuite></testsuites>
        "#]].assert_eq(&test_results_junit(&results(), "suite"));
    }
}
