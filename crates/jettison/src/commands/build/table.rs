//! The table after a build: what each step took when it was executed, now or earlier, and what it added to the
//! image, and what of that later steps overwrite or delete (`HIDDEN`).

use std::time::Duration;

use jettison_build::{Built, StepRecord};
use jettison_oci::Layer;
use jettison_slim::size_text;

use crate::printable::one_line;
use crate::progress::seconds;

/// A longer title is cut.
const LIMIT: usize = 48;

/// One row; a cell is empty if nothing is known.
type Row = [String; 7];

/// The table's lines, below an empty one. There are none if the build has no steps.
pub(super) fn table(built: &Built) -> Vec<String> {
    if built.steps.is_empty() {
        return Vec::new();
    }
    let heading = ["STEP", "", "TIME", "CPU", "MEMORY", "ADDED", "HIDDEN"].map(str::to_string);
    let steps = built.plan.steps.iter().zip(&built.steps);
    let rows = steps.map(|(step, record)| row(&step.hints.title, record));
    let rows: Vec<Row> = [heading]
        .into_iter()
        .chain(rows)
        .chain([total(&built.steps)])
        .collect();
    let lines = aligned(&rows);
    [String::new()].into_iter().chain(lines).collect()
}

fn row(title: &str, record: &StepRecord) -> Row {
    let text = one_line(title);
    let title = match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let cached = if record.cached { "cached" } else { "" };
    [
        title,
        cached.to_string(),
        seconds(record.elapsed),
        record.processor_time.map(seconds).unwrap_or_default(),
        record.peak_memory.map(size_text).unwrap_or_default(),
        record
            .layer
            .as_ref()
            .map(|layer| size_text(layer.unpacked_size()))
            .unwrap_or_default(),
        record
            .overwritten
            .filter(|bytes| *bytes > 0)
            .map(size_text)
            .unwrap_or_default(),
    ]
}

fn total(steps: &[StepRecord]) -> Row {
    let n_cached = steps.iter().filter(|step| step.cached).count();
    let title = match steps.len() {
        1 => "1 step".to_string(),
        count => format!("{count} steps"),
    };
    let cached = if n_cached == 0 {
        String::new()
    } else {
        format!("{n_cached} cached")
    };
    let times = steps.iter().filter_map(|step| step.processor_time);
    let layers = steps.iter().filter_map(|step| step.layer.as_ref());
    let peak = steps.iter().filter_map(|step| step.peak_memory).max();
    [
        title,
        cached,
        seconds(steps.iter().map(|step| step.elapsed).sum()),
        seconds(times.sum::<Duration>()),
        peak.map(size_text).unwrap_or_default(),
        size_text(layers.map(Layer::unpacked_size).sum()),
        match steps.iter().filter_map(|step| step.overwritten).sum() {
            0 => String::new(),
            hidden => size_text(hidden),
        },
    ]
}

/// Rows in columns: words to the left, numbers to the right.
fn aligned(rows: &[Row]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Row| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn numbers_stand_below_each_other() {
        let heading = ["STEP", "", "TIME", "CPU", "MEMORY", "ADDED", "HIDDEN"];
        let rows = [
            heading,
            [
                "[2/3] RUN make",
                "",
                "12.3 s",
                "40.1 s",
                "1.2 GB",
                "3.4 MB",
                "7 B",
            ],
            ["[3/3] COPY a b", "cached", "3 ms", "", "", "6 B", ""],
            [
                "2 steps", "1 cached", "12.3 s", "40.1 s", "1.2 GB", "3.4 MB", "7 B",
            ],
        ];
        let rows = rows.map(|row| row.map(str::to_string));
        expect![[r"
            STEP                        TIME     CPU  MEMORY   ADDED  HIDDEN
            [2/3] RUN make            12.3 s  40.1 s  1.2 GB  3.4 MB     7 B
            [3/3] COPY a b  cached      3 ms                     6 B
            2 steps         1 cached  12.3 s  40.1 s  1.2 GB  3.4 MB     7 B"]]
        .assert_eq(&aligned(&rows).join("\n"));
    }
}
