//! The command line.

mod base;
mod build;
mod cache;
mod check;
mod copy;
mod docker;
mod images;
mod input;
mod optimize;
mod registry;
mod run;
mod test;
mod values;
mod verify;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::failure::RUN_FAILED;

pub(crate) use crate::cli::base::{
    BaseArgs, BaseBuildArgs, BaseChoice, BaseCommand, BaseDiffArgs, BaseJavaArgs, BaseListArgs,
    BaseMaking, BasePlatform, BaseShowArgs, BaseUpdateArgs, PackageOrigin, SbomFormat,
};
pub(crate) use crate::cli::build::{BuildArgs, BuildNetwork, CommandArgs};
pub(crate) use crate::cli::cache::{DuArgs, DuFormat, PruneArgs};
pub(crate) use crate::cli::check::{CallMethod, CallRequest, CheckArgs, CheckFormat, ExplainArgs};
pub(crate) use crate::cli::copy::{CopyArgs, CopyFormat};
pub(crate) use crate::cli::images::{
    HistoryArgs, ImagesArgs, InspectArgs, LoadArgs, RmiArgs, SaveArgs, TagArgs,
};
pub(crate) use crate::cli::input::InputArgs;
pub(crate) use crate::cli::optimize::{ChoiceArgs, OptimizeArgs, ResultArgs};
pub(crate) use crate::cli::registry::{
    CompressionChoice, LoginArgs, LogoutArgs, PullArgs, PushArgs,
};
pub(crate) use crate::cli::run::{
    DebugArgs, DockerRunArgs, FileArgs, ImageArgs, LimitArgs, NetworkKind, PlatformArgs,
    ProcessArgs, PullWhen, RunArgs, StreamArgs,
};
pub(crate) use crate::cli::test::{TestArgs, TestFormat};
pub(crate) use crate::cli::values::{
    Annotation, AnnotationLevel, CacheExport, CacheImport, CacheMode, CacheMounts, CachePlace,
    CompressionKind, Entitlement, ExtraHosts, Field, FileDest, ImageAttributes, OutputKind,
    OutputSpec, fields, size, switch,
};
pub(crate) use crate::cli::verify::{ProbeArgs, VerifyArgs, VerifyFormat};
pub(crate) use crate::cli::why::WhyArgs;

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
    Optimize(Box<OptimizeArgs>),
    /// Say why something is in an image that Jettison has made, or is not
    Why(WhyArgs),
    /// Compare what two images do: run both, ask them the same, and say whether they answer the same
    Verify(Box<VerifyArgs>),
    /// Assemble distroless base images from Debian's packages
    Base(BaseArgs),
    /// List images
    Images(ImagesArgs),
    /// Show all that is known about images
    Inspect(InspectArgs),
    /// Show how an image came about, layer by layer
    History(HistoryArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove names of images, and images
    Rmi(RmiArgs),
    /// Write images into an archive
    Save(SaveArgs),
    /// Read images from an archive or an image layout
    Load(LoadArgs),
    /// Run an image's program
    Run(Box<RunArgs>),
    /// Look into an image that has no shell: a shell and tools beside its files
    Debug(Box<DebugArgs>),
    /// Test an image: its files, its configuration, what its commands do
    Test(Box<TestArgs>),
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
    /// Copy an image between registries, layouts, archives, daemons and the store
    Copy(Box<CopyArgs>),
    /// Log in to a registry
    Login(LoginArgs),
    /// Forget the login to a registry
    Logout(LogoutArgs),
    /// Check what this host offers
    Doctor,
}

/// Reads the command line. Prints help and mistakes; the process ends with the given status then.
pub(crate) fn parse() -> Result<Cli, ExitCode> {
    let words: Vec<OsString> = without_noun(std::env::args_os().collect());
    let place = command_place(&words);
    let matches = command().try_get_matches_from(&words);
    let read = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    read.map_err(|error| {
        // A reader that went away has seen enough.
        error.print().unwrap_or_default();
        let runs_a_program =
            place.is_some_and(|place| words[place] == "run" || words[place] == "debug");
        let code = match error.exit_code() {
            // Every other status may be the program's.
            2 if runs_a_program => RUN_FAILED,
            code => u8::try_from(code).unwrap_or(2),
        };
        ExitCode::from(code)
    })
}

/// What docker's `image` has, and the commands of the same meaning.
const OF_IMAGE: [(&str, &str); 10] = [
    ("build", "build"),
    ("history", "history"),
    ("inspect", "inspect"),
    ("list", "images"),
    ("load", "load"),
    ("ls", "images"),
    ("remove", "rmi"),
    ("rm", "rmi"),
    ("save", "save"),
    ("tag", "tag"),
];

/// The command line with `image ls` as `images`, and so on; `container run` as `run`.
fn without_noun(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(place) = command_place(&words) else {
        return words;
    };
    let verb = words.get(place + 1).and_then(|word| word.to_str());
    let short = match (words[place].to_str(), verb) {
        (Some("image"), Some(verb)) => {
            let found = OF_IMAGE.iter().find(|(known, _)| *known == verb);
            found.map(|(_, short)| *short)
        }
        (Some("container"), Some("run")) => Some("run"),
        _ => None,
    };
    if let Some(short) = short {
        words.splice(place..=place + 1, [OsString::from(short)]);
    }
    words
}

/// Where the command stands, behind the options that every command has.
fn command_place(words: &[OsString]) -> Option<usize> {
    let mut place = 1;
    loop {
        let word = words.get(place)?.to_str()?;
        place += match word {
            // They have a value.
            "--root" | "--progress" => 2,
            word if word.starts_with('-') => 1,
            _ => return Some(place),
        };
    }
}

/// The commands whose switches take a value as well.
const LIKE_DOCKER: [&str; 10] = [
    "build", "images", "inspect", "history", "rmi", "save", "load", "run", "debug", "copy",
];

/// The command line, with docker's switches where docker has the command.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        name if LIKE_DOCKER.contains(&name) => command.mut_args(|arg| match arg.get_action() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_be_written_with_dockers_nouns() {
        let short = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            let words = without_noun(words).into_iter();
            words
                .map(|word| word.into_string().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(short("jettison image ls -a"), "jettison images -a");
        assert_eq!(
            short("jettison --root image image rm x"),
            "jettison --root image rmi x"
        );
        assert_eq!(short("jettison container run -it x"), "jettison run -it x");
        for line in [
            "jettison image",
            "jettison image nope",
            "jettison images ls",
            "jettison",
            "jettison run image ls",
        ] {
            assert_eq!(short(line), line);
        }
    }

    #[test]
    fn switches_take_a_value_as_dockers_do() {
        let parse = |line: &str| {
            let matches = command().try_get_matches_from(line.split(' '));
            matches.and_then(|matches| Cli::from_arg_matches(&matches))
        };
        let Ok(Command::Run(args)) =
            parse("jettison run -it --rm=true app -d").map(|cli| cli.command)
        else {
            panic!("it is a command line");
        };
        assert!(args.streams.interactive && args.streams.tty && args.docker.rm);
        assert!(!args.docker.detach && args.command == ["app", "-d"]);
        let Ok(Command::Images(args)) =
            parse("jettison images -aq --digests=false").map(|cli| cli.command)
        else {
            panic!("it is a command line");
        };
        assert!(args.all && args.quiet && !args.digests);
        command().debug_assert();
    }
}
