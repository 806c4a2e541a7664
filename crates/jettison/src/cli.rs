//! The command line.

mod check;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use crate::cli::check::{
    CallMethod, CallRequest, CheckArgs, CheckFormat, ExplainArgs, call_request,
};

/// Makes container images small and safe
#[derive(Debug, Parser)]
#[command(
    name = "jettison",
    version,
    about,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 the answer is no, 2 your mistake, 3 this host cannot, 101 our bug."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Directory for images, the build cache and downloads [default: ~/.local/share/jettison]
    #[arg(long, global = true, env = "JETTISON_ROOT", value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// How to show progress
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "KIND"
    )]
    pub(crate) progress: ProgressKind,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// `tty` on a terminal, else `plain`
    Auto,
    /// Lines that change in place
    Tty,
    /// Every line of output, one after the other
    Plain,
    /// Nothing
    Quiet,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    Build(BuildArgs),
    /// Rewrite a Dockerfile so that its image is small, and prove that it behaves the same
    Optimize(OptimizeArgs),
    /// List images
    Images(ImagesArgs),
    /// Run an image's program
    Run(RunArgs),
    /// Check Dockerfiles: find what cannot be built, is unsafe, large or slow, and mend it
    Check(CheckArgs),
    /// Explain a rule of `jettison check`
    Explain(ExplainArgs),
    /// Check what this host offers
    Doctor,
}

/// Where a build's inputs are.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// The build context: a directory
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) context: PathBuf,
    /// The Dockerfile [default: PATH/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set a build argument
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Execute every step, whatever the cache holds
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Assemble base images anew, even if they are in the store
    #[arg(long)]
    pub(crate) pull: bool,
    /// Where Debian's packages come from [default: settings, else the host's apt sources]
    #[arg(long, value_name = "URL")]
    pub(crate) archive: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Name the image
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tags: Vec<String>,
    /// Build this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Write the image out: type=oci,dest=FILE or type=oci,tar=false,dest=DIR
    #[arg(short, long = "output", value_name = "SPEC")]
    pub(crate) outputs: Vec<String>,
    /// Write the image ID to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Print nothing but the image ID
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Do not build: print what can be built (targets), what a build takes (outline), or what is wrong (check);
    /// `,format=json` prints JSON
    #[arg(long, value_name = "METHOD", value_parser = call_request)]
    pub(crate) call: Option<CallRequest>,
    /// Short for --call=check
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OptimizeArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Name of the images: NAME:TAG is the original, NAME:optimized the result [default: the directory's name]
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tag: Option<String>,
    /// Run the images with these arguments and compare; shell quoting is understood
    #[arg(long = "probe", value_name = "ARGUMENTS")]
    pub(crate) probes: Vec<String>,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Where to write the result [default: the Dockerfile's name and `.optimized`]
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// Show only images of this name
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: Option<String>,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: ImagesFormat,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImagesFormat {
    /// Aligned columns
    Table,
    /// One JSON object a line, with Docker's keys and ours
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Replace the image's ENTRYPOINT
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Set an environment variable
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// The network: host or none
    #[arg(long, value_enum, default_value = "host")]
    pub(crate) network: NetworkKind,
    /// The image, by name or ID, and arguments that replace its CMD
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_names = ["IMAGE", "ARGUMENTS"])]
    pub(crate) command: Vec<String>,
}

/// Which network a program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkKind {
    /// The host's
    Host,
    /// Only a loopback interface
    None,
}
