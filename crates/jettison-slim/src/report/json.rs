//! The report for programs. `docs/report.md` describes it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::report::{Facts, ImageFacts, Maker, OwnerFacts, Report, Verification, VerifiedImage};
use crate::verify::{Answer, Difference, ExitKind, OwnedMiss, ProbeOutcome, Trail, Verdict};

/// The version of the format; a new one is not compatible.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct WireReport<'a> {
    schema: u32,
    verdict: &'static str,
    before: WireImage<'a>,
    after: Option<WireImage<'a>>,
    probes: Vec<WireProbe<'a>>,
    dockerfile: Option<&'a str>,
    notes: &'a [String],
    rung: Option<&'static str>,
    touched_size: Option<u64>,
    kept: Vec<WireOwner<'a>>,
    left_out: Vec<WireOwner<'a>>,
    original_gaps: &'a [String],
}

#[derive(Serialize)]
struct WireOwner<'a> {
    kind: &'static str,
    name: &'a str,
    unpacked_size: u64,
    touched_size: u64,
    files: usize,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct WireVerification<'a> {
    schema: u32,
    verdict: &'static str,
    original: WireVerified<'a>,
    candidate: WireVerified<'a>,
    probes: Vec<WireProbe<'a>>,
    left_out: &'a [String],
    suggestion: Option<&'a str>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct WireVerified<'a> {
    reference: &'a str,
    image_id: &'a str,
    unpacked_size: u64,
}

#[derive(Serialize)]
struct WireImage<'a> {
    reference: &'a str,
    image_id: &'a str,
    unpacked_size: u64,
    stored_size: u64,
    files: u64,
    packages: usize,
    shells: usize,
    package_managers: usize,
    setuid_files: usize,
    user: &'a str,
    build_seconds: f64,
    rebuild_seconds: f64,
    package_names: &'a [String],
    shell_paths: Vec<String>,
    package_manager_paths: Vec<String>,
    setuid_paths: Vec<String>,
}

#[derive(Serialize)]
struct WireProbe<'a> {
    name: &'a str,
    kind: &'static str,
    origin: &'static str,
    arguments: Option<&'a [String]>,
    passed: bool,
    exit: Option<i32>,
    signal: Option<i32>,
    timed_out: bool,
    answers: Vec<WireAnswer<'a>>,
    differences: Vec<String>,
    volatile: &'a [String],
    improvement: Option<&'a str>,
    exception: Option<&'a str>,
    unmet: &'a [String],
    lookups: &'static str,
    misses: Vec<WireMiss<'a>>,
    directories: Vec<String>,
    other_files: Vec<WireMiss<'a>>,
    gaps: &'a [String],
}

#[derive(Serialize)]
struct WireMiss<'a> {
    path: String,
    reason: String,
    owner: Option<&'a str>,
    cure: String,
}

#[derive(Serialize)]
struct WireAnswer<'a> {
    request: &'a str,
    status: Option<u16>,
    bytes: Option<usize>,
}

/// The report as JSON: indented, keys in a fixed order, a newline at the end.
pub fn to_json(report: &Report) -> String {
    let owners = |of: fn(&Facts) -> &Vec<OwnerFacts>| {
        let owners = report.facts.iter().flat_map(of);
        owners.map(wire_owner).collect()
    };
    let wire = WireReport {
        schema: SCHEMA,
        verdict: verdict_word(report.verdict),
        before: wire_image(&report.before),
        after: report.after.as_ref().map(wire_image),
        probes: report.outcomes.iter().map(wire_probe).collect(),
        dockerfile: report.dockerfile.as_deref(),
        notes: &report.notes,
        rung: report.facts.as_ref().and_then(|facts| match facts.maker {
            Maker::Optimizer(rung) => Some(rung.word()),
            Maker::Base => None,
        }),
        touched_size: report.facts.as_ref().map(Facts::touched_size),
        kept: owners(|facts| &facts.kept),
        left_out: owners(|facts| &facts.left_out),
        original_gaps: &report.gaps,
    };
    written(&wire)
}

fn wire_owner(facts: &OwnerFacts) -> WireOwner<'_> {
    WireOwner {
        kind: facts.owner.kind.word(),
        name: &facts.owner.name,
        unpacked_size: facts.unpacked_size(),
        touched_size: facts.touched_size(),
        files: facts.files.len(),
        reasons: &facts.reasons,
    }
}

/// The report of a comparison as JSON, in the same form.
pub fn verification_json(report: &Verification) -> String {
    written(&WireVerification {
        schema: SCHEMA,
        verdict: verdict_word(report.verdict),
        original: wire_verified(&report.original),
        candidate: wire_verified(&report.candidate),
        probes: report.outcomes.iter().map(wire_probe).collect(),
        left_out: &report.left_out,
        suggestion: report.suggestion.as_deref(),
        notes: &report.notes,
    })
}

fn written(wire: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(wire)
        .expect("a report has only texts, finite numbers and lists of them");
    text.push('\n');
    text
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "proven",
        Verdict::ProvenBut => "proven-but",
        Verdict::Weak => "weak",
        Verdict::Missed => "not-proven",
        Verdict::Failed => "failed",
    }
}

fn wire_verified(image: &VerifiedImage) -> WireVerified<'_> {
    WireVerified {
        reference: &image.reference,
        image_id: &image.image_id,
        unpacked_size: image.unpacked_size,
    }
}

fn wire_image(facts: &ImageFacts) -> WireImage<'_> {
    let audit = &facts.audit;
    WireImage {
        reference: &facts.reference,
        image_id: &facts.image_id,
        unpacked_size: facts.unpacked_size,
        stored_size: facts.stored_size,
        files: audit.files,
        packages: audit.packages.len(),
        shells: audit.shells.len(),
        package_managers: audit.package_managers.len(),
        setuid_files: audit.setuid_files.len(),
        user: &audit.user,
        build_seconds: seconds(facts.build_time),
        rebuild_seconds: seconds(facts.rebuild_time),
        package_names: &audit.packages,
        shell_paths: texts(&audit.shells),
        package_manager_paths: texts(&audit.package_managers),
        setuid_paths: texts(&audit.setuid_files),
    }
}

fn wire_probe(outcome: &ProbeOutcome) -> WireProbe<'_> {
    let (exit, signal) = match outcome.original.exit {
        ExitKind::Code(code) => (Some(code), None),
        ExitKind::Signal(signal) => (None, Some(signal)),
        // `SIGKILL` has this number on every Linux.
        ExitKind::Killed => (None, Some(9)),
        ExitKind::TimedOut => (None, None),
    };
    WireProbe {
        name: &outcome.probe.name,
        kind: outcome.probe.kind(),
        origin: outcome.probe.origin.word(),
        arguments: outcome.probe.arguments.as_deref(),
        passed: outcome.passed(),
        exit,
        signal,
        timed_out: outcome.original.exit == ExitKind::TimedOut,
        answers: outcome
            .original
            .served
            .iter()
            .flat_map(|served| &served.answers)
            .map(wire_answer)
            .collect(),
        differences: outcome
            .differences
            .iter()
            .map(Difference::describe)
            .collect(),
        volatile: &outcome.volatile,
        improvement: outcome.improvement.as_deref(),
        exception: outcome.exception.as_deref(),
        unmet: &outcome.unmet,
        lookups: trail_word(&outcome.trail),
        misses: match &outcome.trail {
            Trail::Misses(misses) => misses.iter().map(wire_miss).collect(),
            _ => Vec::new(),
        },
        directories: match &outcome.trail {
            Trail::But { directories, .. } => texts(directories),
            _ => Vec::new(),
        },
        other_files: match &outcome.trail {
            Trail::But { files, .. } => files.iter().map(wire_miss).collect(),
            _ => Vec::new(),
        },
        gaps: match &outcome.trail {
            Trail::Incomplete(reasons) => reasons,
            _ => &[],
        },
    }
}

fn trail_word(trail: &Trail) -> &'static str {
    match trail {
        Trail::NotTraced => "not watched",
        Trail::Same => "same",
        Trail::LoadedAlike(_) => "same in what is loaded",
        Trail::But { .. } => "same but for",
        Trail::Misses(_) => "misses",
        Trail::Incomplete(_) => "not watched whole",
    }
}

fn wire_miss(miss: &OwnedMiss) -> WireMiss<'_> {
    WireMiss {
        path: miss.path.to_string_lossy().into_owned(),
        reason: miss.to_string(),
        owner: miss.owner.as_deref(),
        cure: miss.cure(),
    }
}

fn wire_answer((request, answer): &(String, Answer)) -> WireAnswer<'_> {
    let (status, bytes) = match answer {
        Answer::Response(response) => (Some(response.status), Some(response.body.len())),
        Answer::Bytes(bytes) => (None, Some(bytes.len())),
        Answer::Nothing(_) => (None, None),
    };
    WireAnswer {
        request,
        status,
        bytes,
    }
}

/// Seconds, rounded to thousandths.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;
    use serde_json::{Value, json};

    use super::*;
    use crate::report::examples;

    /// The value at `pointer` in the JSON of `report`.
    fn value(report: &Report, pointer: &str) -> Value {
        let document: Value = serde_json::from_str(&to_json(report)).unwrap();
        document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"))
            .clone()
    }

    #[test]
    fn a_report_has_every_key_of_the_schema() {
        expect_file!["../../tests/golden/report.json"].assert_eq(&to_json(&examples::report()));
    }

    #[test]
    fn a_comparison_has_every_key_of_the_schema() {
        expect_file!["../../tests/golden/verification.json"]
            .assert_eq(&verification_json(&examples::verification()));
    }

    #[test]
    fn what_there_is_not_is_null() {
        let report = examples::failed();
        assert_eq!(value(&report, "/after"), Value::Null);
        assert_eq!(value(&report, "/dockerfile"), Value::Null);
        assert_eq!(value(&report, "/probes"), json!([]));
    }

    #[test]
    fn each_verdict_has_its_word() {
        let words = [
            (Verdict::Proven, "proven"),
            (Verdict::Weak, "weak"),
            (Verdict::ProvenBut, "proven-but"),
            (Verdict::Missed, "not-proven"),
            (Verdict::Failed, "failed"),
        ];
        for (verdict, word) in words {
            let report = Report {
                verdict,
                ..examples::report()
            };
            assert_eq!(value(&report, "/verdict"), word);
        }
    }

    #[test]
    fn an_end_is_a_code_or_a_signal_or_neither() {
        let ends = [
            (ExitKind::Code(3), json!([3, null, false])),
            (ExitKind::Signal(9), json!([null, 9, false])),
            (ExitKind::Killed, json!([null, 9, false])),
            (ExitKind::TimedOut, json!([null, null, true])),
        ];
        for (exit, expected) in ends {
            let mut report = examples::report();
            report.outcomes[0].original.exit = exit;
            let found = ["exit", "signal", "timed_out"]
                .map(|key| value(&report, &format!("/probes/0/{key}")));
            assert_eq!(json!(found), expected);
        }
    }

    #[test]
    fn the_documentation_names_every_key() {
        fn keys(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    for (key, value) in object {
                        found.push(key.clone());
                        keys(value, found);
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
                _ => {}
            }
        }
        let documentation = include_str!("../../../../docs/report.md");
        let mut found = Vec::new();
        keys(&value(&examples::report(), ""), &mut found);
        let comparison = verification_json(&examples::verification());
        keys(&serde_json::from_str(&comparison).unwrap(), &mut found);
        assert!(found.len() > 60);
        for key in found {
            assert!(
                documentation.contains(&format!("| `{key}` |")),
                "{key} is not described"
            );
        }
    }

    #[test]
    fn the_documentation_s_example_has_the_shape_of_a_report() {
        fn shape(value: &Value) -> Value {
            match value {
                Value::Object(object) => object
                    .iter()
                    .map(|(key, value)| (key.clone(), shape(value)))
                    .collect(),
                Value::Array(items) => items.first().map(shape).into_iter().collect(),
                Value::Null => json!("nothing"),
                Value::Bool(_) => json!("truth"),
                Value::Number(_) => json!("number"),
                Value::String(_) => json!("text"),
            }
        }
        let documentation = include_str!("../../../../docs/report.md");
        let (_, rest) = documentation.split_once("```json\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let example: Value = serde_json::from_str(example).unwrap();
        let mut report = examples::report();
        report.outcomes[0]
            .differences
            .push(Difference::BothTimedOut);
        report.outcomes[0]
            .unmet
            .push("original: expected exit code 0".to_owned());
        report.outcomes[0]
            .volatile
            .push("1 line of stderr".to_owned());
        report.outcomes[0].original.served = examples::served().original.served;
        report.outcomes[0].trail = examples::missed();
        for image in [Some(&mut report.before), report.after.as_mut()]
            .into_iter()
            .flatten()
        {
            image.audit.packages = vec!["a".to_owned()];
            image.audit.shells = vec!["/a".into()];
            image.audit.package_managers = vec!["/a".into()];
            image.audit.setuid_files = vec!["/a".into()];
        }
        let ours = shape(&value(&report, ""));
        for pointer in [
            "/before",
            "/probes/0",
            "/notes",
            "/dockerfile",
            "/schema",
            "/verdict",
        ] {
            assert_eq!(
                shape(&example).pointer(pointer),
                ours.pointer(pointer),
                "{pointer}"
            );
        }
    }
}
