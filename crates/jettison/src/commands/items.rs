//! What builds have left in the store, as `du` and `prune` print it.

use std::time::{SystemTime, UNIX_EPOCH};

use jettison_build::StoreItem;
use jettison_slim::{size_text, timestamp};
use serde::Serialize;

use crate::age::about;
use crate::failure::Failure;
use crate::output::Output;
use crate::printable::{one_line, printable_json};

/// A longer description is cut in the table.
const LIMIT: usize = 60;

/// One entry as `docker buildx du --format json` has it, and its size and time in numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "buildx has these keys")]
struct Listed<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    description: &'a str,
    #[serde(rename = "LastUsedAt")]
    last_used: String,
    mutable: bool,
    reclaimable: bool,
    shared: bool,
    size: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    size_bytes: u64,
    last_used_seconds: u64,
}

/// An entry as one line of JSON.
pub(super) fn json(item: &StoreItem, now: SystemTime) -> Result<String, Failure> {
    let listed = Listed {
        id: &item.name,
        description: &item.title,
        last_used: ago(item, now),
        mutable: false,
        reclaimable: true,
        shared: false,
        size: size_text(item.size).replace(' ', ""),
        kind: item.kind.as_str(),
        size_bytes: item.size,
        last_used_seconds: unix_seconds(item.used),
    };
    let json = serde_json::to_string(&listed)
        .map_err(|error| Failure::user("cannot write JSON").because(&error))?;
    Ok(printable_json(&json))
}

/// Prints entries in columns.
pub(super) fn print_table(list: &[StoreItem], now: SystemTime, output: &mut Output) {
    let mut rows = vec![["ID", "TYPE", "SIZE", "LAST ACCESSED", "DESCRIPTION"].map(str::to_string)];
    for item in list {
        rows.push([
            short_name(&item.name),
            item.kind.as_str().to_string(),
            size_text(item.size),
            ago(item, now),
            description(item),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        output.line(cells.join("   ").trim_end());
    }
}

/// Prints all that is known about each entry.
pub(super) fn print_pretty(list: &[StoreItem], now: SystemTime, output: &mut Output) {
    for item in list {
        let lines = [
            ("ID:", item.name.clone()),
            ("Type:", item.kind.as_str().to_string()),
            ("Size:", size_text(item.size)),
            ("Description:", item.title.clone()),
            (
                "Last used:",
                format!(
                    "{} ({})",
                    timestamp(unix_seconds(item.used)),
                    ago(item, now)
                ),
            ),
        ];
        for (name, value) in lines {
            output.line(&format!("{name:13} {}", one_line(&value)));
        }
        output.line("");
    }
}

/// The line at the end.
pub(super) fn total(title: &str, bytes: u64) -> String {
    format!("{title}: {}", size_text(bytes))
}

fn description(item: &StoreItem) -> String {
    let title = if item.title == item.name {
        String::new()
    } else {
        one_line(&item.title)
    };
    match title.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title,
    }
}

/// A name without what nobody reads: 12 digits of a digest are enough.
fn short_name(name: &str) -> String {
    let name = one_line(name);
    let last = name.rsplit('/').next().unwrap_or(&name);
    let hex = last.strip_prefix("sha256:").unwrap_or(last);
    let is_digest = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest {
        return hex[..12].to_string();
    }
    name
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn ago(item: &StoreItem, now: SystemTime) -> String {
    let age = now.duration_since(item.used).unwrap_or_default();
    format!("{} ago", about(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_shortened_wherever_it_stands() {
        let digits = "0a".repeat(32);
        for (name, short) in [
            (digits.clone(), "0a0a0a0a0a0a"),
            (format!("sha256:{digits}"), "0a0a0a0a0a0a"),
            (format!("downloads/sha256/{digits}"), "0a0a0a0a0a0a"),
            ("cache-mounts/go".to_string(), "cache-mounts/go"),
        ] {
            assert_eq!(short_name(&name), short);
        }
    }
}
