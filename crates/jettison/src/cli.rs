//! The command line.

mod build;
mod cache;
mod check;
mod docker;
mod input;
mod registry;
mod values;

use std::path::PathBuf;

use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use crate::cli::build::{BuildArgs, BuildNetwork, CommandArgs};
pub(crate) use crate::cli::cache::{DuArgs, DuFormat, PruneArgs};
pub(crate) use crate::cli::check::{CallMethod, CallRequest, CheckArgs, CheckFormat, ExplainArgs};
pub(crate) use crate::cli::input::InputArgs;
pub(crate) use crate::cli::registry::{
    CompressionChoice, LoginArgs, LogoutArgs, PullArgs, PushArgs,
};
pub(crate) use crate::cli::values::{
    Annotation, AnnotationLevel, CacheExport, CacheImport, CacheMode, CompressionKind, Entitlement,
    ExtraHosts, Field, FileDest, ImageAttributes, OutputKind, OutputSpec, fields, switch,
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
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Directory for images, the build cache and downloads [default: ~/.local/share/jettison]
    #[arg(
        long,
        global = true,
        env = "JETTISON_ROOT",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) root: Option<PathBuf>,
    /// How to show progress
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        env = "BUILDKIT_PROGRESS",
        hide_env = true,
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
    /// Nothing, as -q
    Quiet,
    /// Nothing, but the image ID and what else is said at the end
    None,
    /// One JSON object for each event, with BuildKit's keys
    Rawjson,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
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
    /// Show what the build cache holds
    Du(DuArgs),
    /// Remove what the build cache holds
    Prune(PruneArgs),
    /// Get an image from a registry
    Pull(PullArgs),
    /// Send an image to a registry
    Push(PushArgs),
    /// Log in to a registry
    Login(LoginArgs),
    /// Forget the login to a registry
    Logout(LogoutArgs),
    /// Check what this host offers
    Doctor,
}

/// Reads the command line. Prints help and mistakes, and ends the process then.
pub(crate) fn parse() -> Cli {
    let matches = command().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The command line, with docker's switches in `build`.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "build" => command.mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => truth(arg),
            _ => arg,
        }),
        "optimize" => command
            .mut_arg("context", |arg| {
                arg.value_name("PATH")
                    .help("The build context: a directory")
            })
            .mut_arg("file", |arg| {
                arg.help("The Dockerfile [default: PATH/Dockerfile]")
            }),
        _ => command,
    })
}

/// A switch that takes a value as well, as docker's do: `--pull`, `--pull=true`, `--pull=false`.
fn truth(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(values::switch)
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
