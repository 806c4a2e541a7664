//! Options of the commands about images.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::cli::values::{CompressionKind, switch};

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct ImagesArgs {
    /// Show only images of this name; `*` and `?` stand for any part of it
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: Option<String>,
    /// Show images without a name, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show the digests of the manifests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Show only what a filter lets through: dangling=BOOL, reference=PATTERN, label=KEY[=VALUE], before=IMAGE,
    /// since=IMAGE, until=TIME
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// How to print them: `table`, `json`, a Go template, or `table` and a template
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Do not cut digests
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The images, by name or ID
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// How to print them: `json`, or a Go template [default: JSON with line breaks]
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Explained: there are no other things than images
    #[arg(long = "type", value_name = "KIND", hide_short_help = true)]
    pub(crate) kind: Option<String>,
    /// Explained: sizes are always there
    #[arg(short, long, hide_short_help = true)]
    pub(crate) size: bool,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct HistoryArgs {
    /// The image, by name or ID
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
    /// How to print it: `table`, `json`, a Go template, or `table` and a template
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Print sizes and times for people; `false`: in bytes, and as dates
    #[arg(short = 'H', long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value = "true", default_missing_value = "true", value_parser = switch)]
    pub(crate) human: bool,
    /// Do not cut instructions and IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only IDs
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// The image, by name or ID
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    pub(crate) source: String,
    /// The name that it gets; an image that has this name loses it
    #[arg(value_name = "TARGET_IMAGE[:TAG]", required = true)]
    pub(crate) targets: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RmiArgs {
    /// The images, by name or ID
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// Remove an image with several names by its ID, and do not mind what is not there
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Leave the blobs that nobody needs any more to `jettison prune`
    #[arg(long)]
    pub(crate) no_prune: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// The images, by name or ID; a name without a tag means all of its tags
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The form; an archive is always one that readers of both forms take
    #[arg(
        long,
        value_enum,
        default_value = "docker-archive",
        value_name = "FORMAT"
    )]
    pub(crate) format: SaveFormat,
    /// How layers are compressed: uncompressed, gzip or zstd
    #[arg(long, value_parser = compression, value_name = "KIND")]
    pub(crate) compression: Option<CompressionKind>,
    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SaveFormat {
    /// What `docker load` reads
    DockerArchive,
    /// An OCI layout in a tar file
    OciArchive,
}

fn compression(text: &str) -> Result<CompressionKind, String> {
    match text {
        "uncompressed" | "none" => Ok(CompressionKind::Uncompressed),
        "gzip" => Ok(CompressionKind::Gzip),
        "zstd" => Ok(CompressionKind::Zstd),
        _ => Err("there are uncompressed, gzip and zstd".to_string()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Read this archive or layout directory, not standard input; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Of an image for several platforms take this one [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}
