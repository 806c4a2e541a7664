//! The report for people: a table of what was and what is.

use std::cmp::Ordering;
use std::time::Duration;

use crate::report::{ImageFacts, Report};
use crate::verify::visible;

/// A difference of times that is too small to mean anything.
const NOISE: Duration = Duration::from_millis(100);
/// Stands where there is no new image.
const NOTHING: &str = "-";

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is compared.
    pub label: &'static str,
    /// The original's value.
    pub before: String,
    /// The new image's value, or `-` if there is none.
    pub after: String,
    /// What became of it, such as `485x smaller`; empty if there is no new image.
    pub change: String,
    /// Whether that is good; `None` if it makes no difference.
    pub better: Option<bool>,
}

/// The words for less and for more of something.
#[derive(Clone, Copy)]
struct Words {
    less: &'static str,
    more: &'static str,
}

const SIZE: Words = Words {
    less: "smaller",
    more: "larger",
};
const COUNT: Words = Words {
    less: "fewer",
    more: "more",
};
const TIME: Words = Words {
    less: "faster",
    more: "slower",
};

/// The table's lines, in the order in which they are shown.
pub fn rows(report: &Report) -> Vec<Row> {
    let (before, after) = (&report.before, report.after.as_ref());
    vec![
        size_row("unpacked size", before, after, |facts| facts.unpacked_size),
        size_row("stored size", before, after, |facts| facts.stored_size),
        count_row("files", before, after, |facts| facts.audit.files),
        count_row("packages", before, after, |facts| {
            length(&facts.audit.packages)
        }),
        count_row("shells", before, after, |facts| length(&facts.audit.shells)),
        count_row("package managers", before, after, |facts| {
            length(&facts.audit.package_managers)
        }),
        count_row("setuid files", before, after, |facts| {
            length(&facts.audit.setuid_files)
        }),
        user_row(before, after),
        time_row("build cold", before, after, |facts| facts.build_time),
        time_row("rebuild", before, after, |facts| facts.rebuild_time),
    ]
}

/// The rows in aligned columns, below a line with the columns' names.
pub fn table(rows: &[Row]) -> Vec<String> {
    let cells = rows
        .iter()
        .map(|row| [row.label, &row.before, &row.after, &row.change]);
    let lines: Vec<[&str; 4]> = [["", "before", "after", "change"]]
        .into_iter()
        .chain(cells)
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let [label_width, before_width, after_width] =
        [0, 1, 2].map(|column| width(column).unwrap_or(0));
    lines
        .iter()
        .map(|[label, before, after, change]| {
            let line = format!(
                "{label:<label_width$}  {before:>before_width$}  {after:>after_width$}  {change}"
            );
            line.trim_end().to_owned()
        })
        .collect()
}

/// A size in decimal units with three significant digits, such as `919 MB` or `1.89 MB`.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let bytes = u128::from(bytes);
    let mut unit = 1_u128;
    for name in UNITS {
        let decimals: u32 = match bytes / unit {
            _ if unit == 1 => 0,
            0..10 => 2,
            10..100 => 1,
            _ => 0,
        };
        let rounded = (bytes * 10_u128.pow(decimals) + unit / 2) / unit;
        if decimals > 0 || rounded < 1000 {
            return format!("{} {name}", decimal(rounded, decimals));
        }
        unit *= 1000;
    }
    // No `u64` is that large: the largest is 18.4 EB.
    format!("{bytes} B")
}

/// `value / 10^decimals` without zeros at the end of its fraction.
fn decimal(value: u128, decimals: u32) -> String {
    let scale = 10_u128.pow(decimals);
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(decimals).unwrap_or_default();
    format!("{whole}.{fraction:0width$}")
        .trim_end_matches('0')
        .to_owned()
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn size_row(
    label: &'static str,
    before: &ImageFacts,
    after: Option<&ImageFacts>,
    value: impl Fn(&ImageFacts) -> u64,
) -> Row {
    let (before, after) = (value(before), after.map(value));
    Row {
        label,
        before: size_text(before),
        after: after.map_or_else(|| NOTHING.to_owned(), size_text),
        change: after
            .map(|after| ratio(before.into(), after.into(), SIZE))
            .unwrap_or_default(),
        better: after.and_then(|after| less_is_better(&before, &after)),
    }
}

fn count_row(
    label: &'static str,
    before: &ImageFacts,
    after: Option<&ImageFacts>,
    value: impl Fn(&ImageFacts) -> u64,
) -> Row {
    let (before, after) = (value(before), after.map(value));
    Row {
        label,
        before: before.to_string(),
        after: after.map_or_else(|| NOTHING.to_owned(), |after| after.to_string()),
        change: after
            .map(|after| count_change(before, after))
            .unwrap_or_default(),
        better: after.and_then(|after| less_is_better(&before, &after)),
    }
}

fn time_row(
    label: &'static str,
    before: &ImageFacts,
    after: Option<&ImageFacts>,
    value: impl Fn(&ImageFacts) -> Duration,
) -> Row {
    let (before, after) = (value(before), after.map(value));
    // Less than a fifth, or than a moment, is chance.
    let matters = |after: &Duration| {
        let difference = before.abs_diff(*after);
        difference >= NOISE && difference * 5 >= before
    };
    Row {
        label,
        before: time_text(before),
        after: after.map_or_else(|| NOTHING.to_owned(), time_text),
        change: match after {
            None => String::new(),
            Some(after) if matters(&after) => ratio(before.as_nanos(), after.as_nanos(), TIME),
            Some(_) => "about the same".to_owned(),
        },
        better: after
            .filter(matters)
            .and_then(|after| less_is_better(&before, &after)),
    }
}

fn user_row(before: &ImageFacts, after: Option<&ImageFacts>) -> Row {
    let before = before.audit.user.as_str();
    let after = after.map(|facts| facts.audit.user.as_str());
    let (change, better) = match (before, after) {
        (_, None) => ("", None),
        (before, Some(after)) if before == after => ("same", None),
        ("root", Some(_)) => ("no longer root", Some(true)),
        (_, Some("root")) => ("now root", Some(false)),
        (_, Some(_)) => ("another", None),
    };
    Row {
        label: "user",
        before: visible(before),
        after: after.map_or_else(|| NOTHING.to_owned(), visible),
        change: change.to_owned(),
        better,
    }
}

fn less_is_better<T: Ord>(before: &T, after: &T) -> Option<bool> {
    match after.cmp(before) {
        Ordering::Less => Some(true),
        Ordering::Equal => None,
        Ordering::Greater => Some(false),
    }
}

/// A factor for what is counted by hundreds, else the difference.
fn count_change(before: u64, after: u64) -> String {
    if before.max(after) >= 100 && before.min(after) > 0 {
        return ratio(before.into(), after.into(), COUNT);
    }
    match after.cmp(&before) {
        Ordering::Equal => "same".to_owned(),
        Ordering::Less if after == 0 => "none left".to_owned(),
        Ordering::Less => format!("{} {}", before - after, COUNT.less),
        Ordering::Greater => format!("{} {}", after - before, COUNT.more),
    }
}

/// How many times less or more, or how many percent if it is not twice; never rounded up.
fn ratio(before: u128, after: u128, words: Words) -> String {
    let (large, small, word) = match after.cmp(&before) {
        Ordering::Equal => return "same".to_owned(),
        Ordering::Less => (before, after, words.less),
        Ordering::Greater => (after, before, words.more),
    };
    if small == 0 {
        return if after == 0 {
            "none left"
        } else {
            "none before"
        }
        .to_owned();
    }
    if large < small * 2 {
        return match (large - small) * 100 / before {
            0 => format!("under 1% {word}"),
            percent => format!("{percent}% {word}"),
        };
    }
    match large / small {
        2..10 => format!("{}x {word}", decimal(large * 10 / small, 1)),
        factor => format!("{factor}x {word}"),
    }
}

/// A time such as `250 ms`, `12.3 s` or `2 min 5 s`.
fn time_text(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    if time < Duration::from_mins(1) {
        return format!("{} s", decimal(time.as_millis() / 100, 1));
    }
    format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts like this"
)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;
    use crate::report::examples;

    #[test]
    fn the_table_shows_what_became_of_an_image() {
        let lines = table(&rows(&examples::report()));
        expect![[r#"
                                  before       after  change
            unpacked size         919 MB     1.89 MB  486x smaller
            stored size           312 MB      1.1 MB  283x smaller
            files                  20412           3  6804x fewer
            packages                   2           0  none left
            shells                     2           0  none left
            package managers           1           0  none left
            setuid files               1           0  none left
            user                    root       65532  no longer root
            build cold        1 min 12 s  1 min 15 s  about the same
            rebuild               12.3 s      850 ms  14x faster"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn without_a_new_image_the_table_shows_the_old_one() {
        let lines = table(&rows(&examples::failed()));
        expect![[r#"
                                  before  after  change
            unpacked size         919 MB      -
            stored size           312 MB      -
            files                  20412      -
            packages                   2      -
            shells                     2      -
            package managers           1      -
            setuid files               1      -
            user                    root      -
            build cold        1 min 12 s      -
            rebuild               12.3 s      -"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn an_image_that_stays_the_same_is_not_called_better() {
        let mut report = examples::report();
        report.after = Some(report.before.clone());
        for row in rows(&report) {
            assert!(
                ["same", "about the same"].contains(&row.change.as_str()),
                "{row:?}"
            );
            assert_eq!(row.better, None);
        }
    }

    #[test]
    fn an_image_that_grows_is_called_worse() {
        let mut report = examples::report();
        let after = report.after.replace(report.before.clone()).unwrap();
        report.before = after;
        for row in rows(&report) {
            // The example's cold builds take about the same time.
            assert_eq!(
                row.better,
                (row.label != "build cold").then_some(false),
                "{row:?}"
            );
        }
    }

    #[test]
    fn a_user_name_cannot_command_the_terminal() {
        let mut report = examples::report();
        report.before.audit.user = "\u{1b}[31mapp\n".to_owned();
        let row = rows(&report)
            .into_iter()
            .find(|row| row.label == "user")
            .unwrap();
        assert_eq!(row.before, r"\u{1b}[31mapp\n");
    }

    #[test]
    fn sizes_have_three_digits_and_decimal_units() {
        let sizes = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1024, "1.02 kB"),
            (9_999, "10 kB"),
            (72_800_000, "72.8 MB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (1_890_000, "1.89 MB"),
            (918_600_000, "919 MB"),
            (1_500_000_000, "1.5 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size_text(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn ratios_are_never_rounded_up() {
        let ratios = [
            (919, 1, "919x smaller"),
            (1999, 1000, "49% smaller"),
            (2000, 1000, "2x smaller"),
            (9999, 1000, "9.9x smaller"),
            (19_999, 1000, "19x smaller"),
            (1000, 999, "under 1% smaller"),
            (1000, 1500, "50% larger"),
            (1000, 2500, "2.5x larger"),
            (5, 5, "same"),
            (5, 0, "none left"),
            (0, 5, "none before"),
        ];
        for (before, after, text) in ratios {
            assert_eq!(ratio(before, after, SIZE), text, "{before} {after}");
        }
    }

    #[test]
    fn few_things_are_counted_and_many_are_compared() {
        let counts = [
            (3, 1, "2 fewer"),
            (3, 0, "none left"),
            (0, 2, "2 more"),
            (4, 4, "same"),
            (20_000, 40, "500x fewer"),
            (100, 90, "10% fewer"),
            (0, 500, "500 more"),
        ];
        for (before, after, text) in counts {
            assert_eq!(count_change(before, after), text, "{before} {after}");
        }
    }

    #[test]
    fn times_are_short() {
        let times = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (12_345, "12.3 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 5 s"),
        ];
        for (milliseconds, text) in times {
            assert_eq!(time_text(Duration::from_millis(milliseconds)), text);
        }
    }

    proptest! {
        #[test]
        fn a_size_s_number_stays_below_a_thousand(bytes in any::<u64>(), shift in 0_u32..64) {
            let text = size_text(bytes >> shift);
            let (number, _) = text.split_once(' ').unwrap();
            prop_assert!(number.parse::<f64>().unwrap() < 1000.0, "{}", text);
            prop_assert!(number.chars().filter(char::is_ascii_digit).count() <= 3, "{}", text);
        }

        #[test]
        fn no_change_of_any_size_overflows(before in any::<u64>(), after in any::<u64>()) {
            prop_assert_eq!(ratio(before.into(), after.into(), SIZE) == "same", before == after);
        }
    }
}
