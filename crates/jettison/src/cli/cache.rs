//! The options of `du` and `prune`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jettison_build::ItemKind;

use crate::cli::values::{duration, size};

#[derive(Debug, Args)]
pub(crate) struct DuArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: DuFormat,
    /// Short for --format=pretty
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// How the entries are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuFormat {
    /// Aligned columns and a sum
    Table,
    /// All that is known about each entry, in lines of its own
    Pretty,
    /// One JSON object a line, with buildx's keys and ours
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What has a name in `jettison images` stays, with all it needs. Steps that are removed are executed again by the next \
build; snapshots of images are unpacked again from their layers.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Remove images without a name and downloads, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Keep this much of what was used last
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
    /// Print all that is known about each entry that is removed
    #[arg(long)]
    pub(crate) verbose: bool,
}

/// Which entries are meant.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Only what was not used for a time (until=24h), or is of a kind (type=step)
    #[arg(long = "filter", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<Filter>,
    /// Only these kinds: step, snapshot, blob, image, cache-mount, download, context-index, volume
    #[arg(long = "type", value_delimiter = ',', value_name = "KIND", value_parser = item_kind)]
    kinds: Vec<ItemKind>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    /// Not used for this long.
    Until(Duration),
    Kind(ItemKind),
}

impl FilterArgs {
    /// The kinds that were named; all of `otherwise` if none were.
    pub(crate) fn kinds(&self, otherwise: &[ItemKind]) -> BTreeSet<ItemKind> {
        let filters = self.filters.iter().filter_map(|filter| match filter {
            Filter::Kind(kind) => Some(*kind),
            Filter::Until(_) => None,
        });
        let named: BTreeSet<ItemKind> = filters.chain(self.kinds.iter().copied()).collect();
        if named.is_empty() {
            otherwise.iter().copied().collect()
        } else {
            named
        }
    }

    /// For how long an entry must not have been used.
    pub(crate) fn unused_for(&self) -> Duration {
        let durations = self.filters.iter().filter_map(|filter| match filter {
            Filter::Until(duration) => Some(*duration),
            Filter::Kind(_) => None,
        });
        durations.max().unwrap_or_default()
    }
}

/// Reads `NAME=VALUE` (buildx: `toBuildkitPruneInfo`, commands/prune.go).
fn filter(text: &str) -> Result<Filter, String> {
    let (name, value) = text
        .split_once("==")
        .or_else(|| text.split_once('='))
        .ok_or("take NAME=VALUE")?;
    match name {
        "until" | "unused-for" => duration(value).map(Filter::Until),
        "type" => item_kind(value).map(Filter::Kind),
        _ => Err(format!(
            "there is no filter called `{name}`: take until or type"
        )),
    }
}

/// Reads a kind, by our names or BuildKit's (`UsageRecordType`, client/diskusage.go).
fn item_kind(name: &str) -> Result<ItemKind, String> {
    let kind = match name {
        "regular" => Some(ItemKind::Step),
        "exec.cachemount" => Some(ItemKind::CacheMount),
        "source.local" => Some(ItemKind::ContextIndex),
        "source.git.checkout" => Some(ItemKind::Download),
        _ => ItemKind::ALL.into_iter().find(|kind| kind.as_str() == name),
    };
    kind.ok_or_else(|| {
        let names = ItemKind::ALL.map(ItemKind::as_str);
        format!(
            "there is no kind called `{name}`: take {}",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_buildxs_names() {
        let cases = [
            ("until=24h", Filter::Until(Duration::from_hours(24))),
            ("unused-for=1m", Filter::Until(Duration::from_mins(1))),
            ("type=step", Filter::Kind(ItemKind::Step)),
            ("type==exec.cachemount", Filter::Kind(ItemKind::CacheMount)),
            ("type=cache-mount", Filter::Kind(ItemKind::CacheMount)),
        ];
        for (text, expected) in cases {
            assert_eq!(filter(text), Ok(expected), "{text}");
        }
        for text in ["", "until", "until=tomorrow", "type=none", "private=true"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
