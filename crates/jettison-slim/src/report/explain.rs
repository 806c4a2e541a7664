//! Facts in the form of a text: what is kept, what is left out, and why that is safe.

use crate::report::facts::{Facts, OwnerFacts};
use crate::report::text::size_text;
use crate::verify::{ProbeOrigin, ProbeOutcome, Verdict, verdict, visible};

/// The most owners that are shown of each kind; the rest is summed up.
const MOST_OWNERS: usize = 40;
/// The most owners that make up a difference.
const MOST_PARTS: usize = 5;

/// What every part of the image is there for, and why it is safe that others are not, line by line.
pub fn explanation(facts: &Facts, outcomes: &[ProbeOutcome]) -> Vec<String> {
    let mut lines = overview(facts);
    lines.push(String::new());
    lines.extend(safety(outcomes));
    lines
}

/// What is kept and what is left out, line by line.
pub fn overview(facts: &Facts) -> Vec<String> {
    let mut lines = vec![format!("kept ({}):", sum(&facts.kept))];
    list(&facts.kept, &mut lines);
    if !facts.left_out.is_empty() {
        lines.push(String::new());
        lines.push(format!("left out ({}):", sum(&facts.left_out)));
        list(&facts.left_out, &mut lines);
    }
    lines
}

/// How much of the image the probes have read or started, and what the rest is, line by line.
pub fn lower_bound(facts: &Facts) -> Vec<String> {
    let total: u64 = facts.kept.iter().map(OwnerFacts::unpacked_size).sum();
    let touched = facts.touched_size();
    let mut lines = vec![format!(
        "the probes read or start {} of these {}: what holds just that cannot be smaller",
        size_text(touched),
        size_text(total)
    )];
    let untouched = facts.mostly_untouched();
    if untouched.is_empty() {
        return lines;
    }
    let part = |owner: &&OwnerFacts| {
        let (size, title) = (size_text(owner.untouched_size()), owner.owner.title());
        format!("{size} of {}", visible(&title))
    };
    let shown: Vec<String> = untouched.iter().take(MOST_PARTS).map(part).collect();
    let more = match untouched.len().saturating_sub(MOST_PARTS) {
        0 => String::new(),
        more => format!(", and of {more} more"),
    };
    lines.push(format!(
        "the rest belongs to it and is kept whole: {}{more}",
        shown.join(", ")
    ));
    lines
}

fn sum(owners: &[OwnerFacts]) -> String {
    let size: u64 = owners.iter().map(OwnerFacts::unpacked_size).sum();
    let files: usize = owners.iter().map(|owner| owner.files.len()).sum();
    format!("{}, {}", size_text(size), count(files, "file"))
}

/// A number of things, as `1 file` or `2 files`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

fn list(owners: &[OwnerFacts], lines: &mut Vec<String>) {
    for owner in owners.iter().take(MOST_OWNERS) {
        lines.push(format!(
            "  {:>8}  {} ({})",
            size_text(owner.unpacked_size()),
            visible(&owner.owner.title()),
            count(owner.files.len(), "file"),
        ));
        for reason in &owner.reasons {
            lines.push(format!("            {}", visible(reason)));
        }
    }
    let rest = owners.get(MOST_OWNERS..).unwrap_or_default();
    if !rest.is_empty() {
        let size: u64 = rest.iter().map(OwnerFacts::unpacked_size).sum();
        let (size, owners) = (size_text(size), count(rest.len(), "more owner"));
        lines.push(format!(
            "  {size:>8}  {owners}: the JSON report names all of them"
        ));
    }
}

/// Why leaving something out is safe.
fn safety(outcomes: &[ProbeOutcome]) -> Vec<String> {
    let given = outcomes
        .iter()
        .filter(|outcome| outcome.probe.origin == ProbeOrigin::Given);
    let asked = format!(
        "{}, {} given",
        count(outcomes.len(), "probe"),
        given.count()
    );
    let watched = format!(
        "every path that the new image looked up in {asked}, was watched, and whatever it did not find the original does not have either"
    );
    match verdict(outcomes) {
        Verdict::Proven => vec![format!(
            "why that is safe: {watched}; what it read is the same. So these runs were runs of the original, too."
        )],
        Verdict::ProvenBut => vec![format!(
            "why that is safe: {watched}. Where it read or listed something else, the answers were the same."
        )],
        Verdict::Weak => vec![
            "why that may not be safe: the probes say little about the program, or not all could be watched; add probes"
                .to_owned(),
        ],
        Verdict::Missed | Verdict::Failed => {
            vec!["this is not safe: the new image does not behave as the original".to_owned()]
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts like this"
)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::report::examples;

    #[test]
    fn every_owner_is_told_with_its_reasons() {
        let lines = explanation(&examples::facts(), &examples::report().outcomes);
        expect![[r#"
            kept (1.89 MB, 4 files):
                1.1 MB  package libc6 (2 files)
                        it is needed by /server
                790 kB  line 5: RUN go build -o server (1 file)
                        it is what the image starts: /server
                   0 B  the base image (1 file)
                        used: /lib

            left out (12 MB, 2 files):
                 12 MB  package golang (1 file)
                        no run used a file of it, and nothing that is kept needs it
                  1 kB  package libc6 (1 file)
                        manuals

            this is not safe: the new image does not behave as the original"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn what_no_probe_touched_makes_up_the_difference() {
        let lines = lower_bound(&examples::facts());
        expect![[r#"
            the probes read or start 990 kB of these 1.89 MB: what holds just that cannot be smaller
            the rest belongs to it and is kept whole: 900 kB of package libc6"#]]
        .assert_eq(&lines.join("\n"));
    }
}
