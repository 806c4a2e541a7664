//! Options of `jettison test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::run::{PlatformArgs, network};
use crate::cli::{NetworkKind, PullWhen};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 all tests have passed, 1 one has not or there was none, 2 a file or an option is wrong, \
        3 this host cannot run commands."
)]
pub(crate) struct TestArgs {
    /// The image, by name or ID
    #[arg(
        value_name = "IMAGE",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    pub(crate) name: Option<String>,
    /// Tests in the format of container-structure-test, YAML or JSON; a directory stands for all such files in it
    #[arg(short, long = "config", required = true, value_name = "FILE")]
    pub(crate) configs: Vec<PathBuf>,
    /// How to print the results
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TestFormat,
    /// Write the results into a file as well: as JSON, or as `--output` says
    #[arg(long, value_name = "FILE")]
    pub(crate) test_report: Option<PathBuf>,
    /// The name of the suite, with `-o junit`
    #[arg(
        long,
        value_name = "NAME",
        default_value = "container-structure-test.test"
    )]
    pub(crate) junit_suite_name: String,
    /// Print nothing: the exit status says it
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The network of commands, where a file does not say it: host or none
    #[arg(long, value_parser = network, default_value = "host", value_name = "KIND")]
    pub(crate) network: NetworkKind,
    /// When to get the image from its registry: always, missing or never; alone it is always
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "missing",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always"
    )]
    pub(crate) pull: PullWhen,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) known: KnownTestArgs,
}

/// What container-structure-test has besides.
#[derive(Debug, Args)]
#[command(next_help_heading = "Known from container-structure-test")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct KnownTestArgs {
    /// The image
    #[arg(short, long, value_name = "IMAGE", hide_short_help = true)]
    pub(crate) image: Option<String>,
    /// Explained: `docker` and `tar` are the same here, `host` is refused
    #[arg(short, long, value_name = "NAME", hide_short_help = true)]
    pub(crate) driver: Option<String>,
    /// What --output json says
    #[arg(short, long, hide_short_help = true)]
    pub(crate) json: bool,
    /// Explained: nothing is run on this machine itself
    #[arg(short, long, hide_short_help = true)]
    pub(crate) force: bool,
    /// Explained: there are no containers to keep
    #[arg(long, hide_short_help = true)]
    pub(crate) save: bool,
    /// Explained: the variable `NO_COLOR` turns colours off
    #[arg(long, hide_short_help = true)]
    pub(crate) no_color: bool,
    /// Refused: the image's own configuration is read
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) metadata: Option<PathBuf>,
    /// Refused: there is no runtime to choose
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) runtime: Option<String>,
    /// Refused: `jettison load` reads an image layout
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub(crate) image_from_oci_layout: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// XML, as junit writes it
    Junit,
}
