//! Options of `jettison verify`, and those that say what images are asked.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::optimize::ReportArgs;
use crate::cli::run::PlatformArgs;

/// What images are asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "What both images are asked")]
pub(crate) struct ProbeArgs {
    /// Run the images with these arguments and compare; shell quoting is understood
    #[arg(long = "probe", value_name = "ARGUMENTS")]
    pub(crate) probes: Vec<String>,
    /// Start the images and send this request once they listen: `/`, `POST /items=201`, `:8080/health`; several are sent
    /// one after the other
    #[arg(long = "probe-http", value_name = "[METHOD ][:PORT]PATH[=STATUS]")]
    pub(crate) requests: Vec<String>,
    /// Ask nothing else: no wrong arguments, no pages that are not there, no other time zone or user
    #[arg(long)]
    pub(crate) given_only: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Images: names and IDs of the store, oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, docker://HOST/NAME, or the path of a \
        layout or an archive that begins with `.` or `/`.\n\n\
        Exit status: 0 both behave the same, 1 they do not, or that cannot be proven, 2 your mistake, or an original that does not work, \
        3 this host cannot run them, or the original needs a network or a service."
)]
pub(crate) struct VerifyArgs {
    /// The original
    #[arg(value_name = "ORIGINAL")]
    pub(crate) original: String,
    /// What is to behave the same
    #[arg(value_name = "CANDIDATE")]
    pub(crate) candidate: String,
    /// The settings with the probes [default: jettison.toml in this directory, if it is there]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: VerifyFormat,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Print nothing: the exit status says it
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// For programs: docs/report.md
    Json,
}
