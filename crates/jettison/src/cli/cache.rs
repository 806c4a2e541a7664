//! The options of `du` and `prune`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::values::{duration, size};

#[derive(Debug, Args)]
pub(crate) struct DuArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Print everything that is known about each entry
    #[arg(long)]
    pub(crate) verbose: bool,
    /// How to print it
    #[arg(long, value_enum, default_value = "table", conflicts_with = "verbose")]
    pub(crate) format: DuFormat,
}

/// How the cache's entries are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuFormat {
    /// Aligned columns and a sum
    Table,
    /// One JSON object a line, with buildx's keys and ours
    Json,
    /// As --verbose
    Pretty,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Remove bases and layers of images, too, that no name leads to
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Keep this much, whatever the other options say
    #[arg(long, alias = "keep-storage", value_name = "BYTES", value_parser = size)]
    pub(crate) reserved_space: Option<u64>,
    /// Remove what was used longest ago until no more than this is left
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) max_used_space: Option<u64>,
    /// Remove what was used longest ago until this much of the disk is free
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) min_free_space: Option<u64>,
    /// Remove nothing: say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Print every entry that is removed, and everything that is known about it
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// Which entries are meant.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only entries that were not used for a time (until=24h), of a kind (type=KIND), or by ID (id=ID)
    #[arg(long = "filter", value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filters: Vec<Filter>,
    /// Only entries of these kinds
    #[arg(long = "type", value_enum, value_delimiter = ',', value_name = "KIND")]
    pub(crate) kinds: Vec<EntryKind>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Not used for this long.
    Until(Duration),
    Kind(EntryKind),
    /// The beginning of the ID.
    Id(String),
}

/// What an entry of the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum EntryKind {
    /// The result of a step
    Step,
    /// The directory of a cache mount
    CacheMount,
    /// What was known about a context's files
    Context,
    /// A Git repository
    Git,
    /// A downloaded file
    Download,
    /// A layer that no image has
    Layer,
}

/// Reads `NAME=VALUE`, with buildx's names of kinds, too (BuildKit: `UsageRecordType`, client/diskusage.go).
fn filter(text: &str) -> Result<Filter, String> {
    let (name, value) = text
        .split_once("==")
        .or_else(|| text.split_once('='))
        .ok_or("take NAME=VALUE")?;
    match name {
        "until" | "unused-for" => duration(value).map(Filter::Until),
        "id" => Ok(Filter::Id(value.to_string())),
        "type" => entry_kind(value).map(Filter::Kind),
        _ => Err(format!(
            "there is no filter called `{name}`: take until, type or id"
        )),
    }
}

fn entry_kind(name: &str) -> Result<EntryKind, String> {
    match name {
        "regular" => Ok(EntryKind::Step),
        "exec.cachemount" => Ok(EntryKind::CacheMount),
        "source.local" => Ok(EntryKind::Context),
        "source.git.checkout" => Ok(EntryKind::Git),
        _ => EntryKind::from_str(name, true).map_err(|_| {
            format!("there is no kind called `{name}`: take step, cache-mount, context, git, download or layer")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_buildxs_names() {
        let cases = [
            ("until=24h", Filter::Until(Duration::from_hours(24))),
            ("unused-for=1m", Filter::Until(Duration::from_mins(1))),
            ("type=step", Filter::Kind(EntryKind::Step)),
            ("type==exec.cachemount", Filter::Kind(EntryKind::CacheMount)),
            ("type=cache-mount", Filter::Kind(EntryKind::CacheMount)),
            ("id=abc", Filter::Id("abc".to_string())),
        ];
        for (text, expected) in cases {
            assert_eq!(filter(text), Ok(expected), "{text}");
        }
        for text in ["", "until", "until=tomorrow", "type=none", "private=true"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
