//! Options of `jettison optimize`.

use std::path::PathBuf;

use clap::Args;
use jettison_slim::Rung;

use crate::cli::input::InputArgs;
use crate::cli::verify::ProbeArgs;

#[derive(Debug, Args)]
#[command(
    after_help = "The Dockerfile is rewritten, built, and compared with the original while both run; what is printed was proven that way. \
        Without --diff, --write and --in-place the result is also written beside the Dockerfile, as Dockerfile.optimized.\n\n\
        Rungs, smallest first: scratch, static (tables such as certificates), base (the C library and OpenSSL), cc (libraries of compilers), \
        language (an interpreter), packages (any other), shell, slim (all but papers). Each may hold what those before it hold.\n\n\
        Exit status: 0 proven, 1 nothing smaller is, 2 your mistake, or an original that does not work, 3 this host cannot, or the original needs \
        a network or a service. docs/optimize.md has more."
)]
pub(crate) struct OptimizeArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Name of the images: NAME:TAG is the original, NAME:optimized the result [default: the directory's name]
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tag: Option<String>,
    /// Let commands of the build trust the certificate authorities of the host, or of a PEM file
    #[arg(long, value_name = "host|FILE")]
    pub(crate) ca: Option<String>,
    #[command(flatten)]
    pub(crate) result: ResultArgs,
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,
}

/// What becomes of the result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Result")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct ResultArgs {
    /// Print nothing but the result, as a diff that `git apply` takes, and write nothing
    #[arg(long)]
    pub(crate) diff: bool,
    /// Where to write the result [default: the Dockerfile's name and `.optimized`]
    #[arg(long, value_name = "FILE", conflicts_with = "diff")]
    pub(crate) write: Option<PathBuf>,
    /// Write the result in place of the Dockerfile, if it is proven
    #[arg(long, conflicts_with_all = ["diff", "write"])]
    pub(crate) in_place: bool,
    /// Say of everything that is kept why, and of everything that is left out why that is safe
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// Where the result goes as data.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Write the result as JSON, too: docs/report.md
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// What the final stage may be like.
#[derive(Debug, Args)]
#[command(next_help_heading = "The final stage")]
pub(crate) struct ChoiceArgs {
    /// Optimize this stage [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Climb no higher than this: scratch, static, base, cc, language, packages, shell or slim
    #[arg(
        long,
        value_name = "RUNG",
        default_value = "slim",
        hide_default_value = true
    )]
    pub(crate) max_rung: Rung,
    /// Start from this image, and copy only what it lacks [default: scratch]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    /// Run as user 65532 in place of root, if that is proven
    #[arg(long)]
    pub(crate) nonroot: bool,
}
