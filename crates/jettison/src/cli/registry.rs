//! The options of `pull`, `push`, `login` and `logout`: those of docker, by the same names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jettison_oci::Compression;

use crate::registry::PARALLEL;

#[derive(Debug, Args)]
#[command(
    after_help = "docs/registries.md says how registries are found, and by which credentials."
)]
pub(crate) struct PullArgs {
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub(crate) name: String,
    /// Get all tags of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Get the image for this platform, such as linux/arm64 [default: this host's]
    #[arg(
        long,
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true,
        value_name = "PLATFORM"
    )]
    pub(crate) platform: Option<String>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
}

/// How blobs are carried.
#[derive(Debug, Args)]
pub(crate) struct CarryingArgs {
    /// Carry at most this many layers at a time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: u16,
}

#[derive(Debug, Args)]
#[command(
    after_help = "docs/registries.md says how registries are found, and by which credentials."
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct PushArgs {
    /// The image, by the name that it gets in the registry
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: String,
    /// Send all tags of the repository that are in the store
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Attach a bill of materials that refers to the image, as `base build --sbom` writes it; may be given several times
    #[arg(long = "sbom", value_name = "FILE")]
    pub(crate) sboms: Vec<PathBuf>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How layers are compressed; if it is said, also those of images that came from a registry [default: gzip]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) compression: Option<CompressionChoice>,
    /// How hard they are compressed
    #[arg(long, value_name = "LEVEL")]
    pub(crate) compression_level: Option<i32>,
    /// Compress layers anew that are compressed so already
    #[arg(long)]
    pub(crate) force_compression: bool,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionChoice {
    /// What every tool reads
    Gzip,
    /// Smaller, and faster to read; tools of today read it
    Zstd,
    /// Not at all
    Uncompressed,
}

impl CompressionChoice {
    /// What a choice and a level mean; what every tool reads if nothing is said. Levels that do not exist mean the usual one.
    pub(crate) fn compression(
        choice: Option<CompressionChoice>,
        level: Option<i32>,
    ) -> Compression {
        match choice {
            Some(CompressionChoice::Uncompressed) => Compression::None,
            Some(CompressionChoice::Zstd) => match level {
                Some(level) => Compression::Zstd { level },
                None => Compression::MODERN,
            },
            Some(CompressionChoice::Gzip) | None => {
                match level.and_then(|level| u32::try_from(level).ok()) {
                    Some(level) => Compression::Gzip { level },
                    None => Compression::INTEROPERABLE,
                }
            }
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The registry has to accept the credentials. They are kept as docker keeps them: with a credential helper if \
~/.docker/config.json names one, else in that file.")]
pub(crate) struct LoginArgs {
    /// The registry [default: docker.io]
    #[arg(
        value_name = "SERVER",
        default_value = "docker.io",
        hide_default_value = true
    )]
    pub(crate) server: String,
    /// The name of the user
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// The password, which others can see on the command line
    #[arg(
        short,
        long,
        value_name = "PASSWORD",
        conflicts_with = "password_stdin"
    )]
    pub(crate) password: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// The registry [default: docker.io]
    #[arg(
        value_name = "SERVER",
        default_value = "docker.io",
        hide_default_value = true
    )]
    pub(crate) server: String,
}
