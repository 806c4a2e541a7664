//! The options of `copy`: those of skopeo, by short names and by skopeo's.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::registry::CarryingArgs;
use crate::cli::{CompressionChoice, switch};

#[derive(Debug, Args)]
#[command(after_help = "\
Places:
  docker://HOST/NAME[:TAG|@DIGEST]  a registry
  oci:DIR[:TAG]                     an OCI layout in a directory
  oci-archive:FILE[:TAG]            an OCI layout in a tar file
  docker-archive:FILE[:NAME:TAG]    what `docker save` writes
  docker-daemon:NAME:TAG            a running Docker or Podman
  jettison:NAME or NAME             the store

docs/registries.md says more.")]
pub(crate) struct CopyArgs {
    /// Where the image is
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// Where it goes
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// Copy the images for all platforms, and what else the index lists
    #[arg(short, long, conflicts_with_all = ["format", "compression", "compression_level", "force_compression"])]
    pub(crate) all: bool,
    /// Of an image for several platforms copy this one, unless all are copied [default: this host's]
    #[arg(
        long,
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true,
        value_name = "PLATFORM"
    )]
    pub(crate) platform: Option<String>,
    /// The media types of the manifest [default: as it is, if the target takes it]
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<CopyFormat>,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    /// Write the digest of what is at the target to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) digestfile: Option<PathBuf>,
    /// Print nothing but where the image is
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
    /// Explained: the user's settings say which registries are trusted
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = switch, hide_short_help = true)]
    pub(crate) src_tls_verify: Option<bool>,
    /// Explained: the user's settings say which registries are trusted
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = switch, hide_short_help = true)]
    pub(crate) dest_tls_verify: Option<bool>,
}

/// What becomes of layers.
#[derive(Debug, Args)]
pub(crate) struct LayerArgs {
    /// Compress layers so [default: those that are compressed stay, others become gzip]
    #[arg(long, alias = "dest-compress-format", value_enum, value_name = "KIND")]
    pub(crate) compression: Option<CompressionChoice>,
    /// How hard they are compressed
    #[arg(long, alias = "dest-compress-level", value_name = "LEVEL")]
    pub(crate) compression_level: Option<i32>,
    /// Compress layers anew that are compressed so already
    #[arg(long, alias = "dest-force-compress-format")]
    pub(crate) force_compression: bool,
}

/// Whose media types a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CopyFormat {
    /// The OCI's
    Oci,
    /// Docker's, version 2, schema 2
    #[value(alias = "v2s2")]
    Docker,
}
