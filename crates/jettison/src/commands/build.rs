//! `jettison build`

mod metadata;
mod options;
mod results;
mod sources;
mod table;

use std::process::ExitCode;

use jettison_build::{BuildRequest, Engine};
use jettison_oci::{Image, Reference, Store};

use crate::bases::SettingsBases;
use crate::cli::{BuildArgs, CallMethod, CallRequest, Global, ProgressKind};
use crate::commands::build::results::Results;
use crate::commands::build::sources::Sources;
use crate::commands::build_failure::build_failure;
use crate::commands::{call, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &BuildArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let progress = progress_kind(global, args);
    for note in args.docker.explained()? {
        if progress != ProgressKind::Quiet {
            output.note(Look::Note, &format!("note: {note}"));
        }
    }
    if let Some(call) = call_of(args) {
        return call::run(call, args, surroundings, output);
    }
    options::refuse_unbuilt(args)?;
    let results = Results::of(args)?;
    let root = world::root(global, surroundings)?;
    let sources = Sources::of(args, surroundings, &root)?;
    let remotes = sources.remotes();
    // Who owns files of an archive matters, and becoming somebody else comes before all threads.
    let early = if sources::is_made(args) {
        Some(world::entered()?)
    } else {
        None
    };
    let opened = sources.context(args, &remotes, early.as_ref())?;
    let mut inputs = world::inputs_of(opened, &args.input, surroundings)?;
    options::add(args, &mut inputs.lower);
    results.check(&inputs.location.dockerfile)?;
    let n_warnings =
        call::warnings_before_build(&inputs.location, &inputs.source, args, surroundings)?;
    let entered = match early {
        Some(entered) => entered,
        None => world::entered()?,
    };
    world::note_single_id(&entered, output);
    let store = world::store(&root)?;
    let host = world::run_host(&root, &entered, &inputs.lower.build_args)?;
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?;
    let request = BuildRequest {
        remotes: &remotes,
        secrets: sources.secrets(),
        jobs: args.commands.jobs.map(usize::from),
        cache: inputs.cache,
        created: inputs.created.clone(),
        ..BuildRequest::new(&inputs.source.text, &inputs.context, inputs.lower.clone())
    };
    let reporter = Progress::new(progress, reasons(args));
    let (settings, now) = (&inputs.settings, surroundings.now);
    let bases = SettingsBases::new(&engine, &reporter, settings, &args.input, now);
    let built = engine.build(&request, &bases, &reporter).map_err(|error| {
        reporter.fail(&error.to_string());
        build_failure(&error, &inputs.source)
    })?;
    results.write(&store, &built)?;
    if shows_steps(progress) {
        for line in table::table(&built) {
            output.note(Look::Plain, &line);
        }
    }
    output.line(&built.image.id().0.to_string());
    if progress != ProgressKind::Quiet {
        for tag in &results.tags {
            output.note(Look::Note, &format!("named {}", tag.familiar()));
        }
        if n_warnings > 0 {
            note_warnings(n_warnings, &inputs.source.path, output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn progress_kind(global: &Global, args: &BuildArgs) -> ProgressKind {
    if args.output.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    }
}

/// Whether people watch.
fn shows_steps(progress: ProgressKind) -> bool {
    match progress {
        ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => true,
        ProgressKind::Quiet | ProgressKind::None | ProgressKind::Rawjson => false,
    }
}

/// What is said about steps that run.
fn reasons(args: &BuildArgs) -> Reasons {
    if args.cache.explain {
        Reasons::Told
    } else {
        Reasons::Untold
    }
}

/// What is to be printed in place of a build, if anything is.
fn call_of(args: &BuildArgs) -> Option<CallRequest> {
    if args.image.check {
        return Some(CallRequest {
            method: CallMethod::Check,
            is_json: false,
        });
    }
    args.image
        .call
        .filter(|call| call.method != CallMethod::Build)
}

fn note_warnings(count: usize, dockerfile: &str, output: &mut Output) {
    let checks = if count == 1 {
        "check warns"
    } else {
        "checks warn"
    };
    let text =
        format!("{count} {checks} about {dockerfile}: `jettison check {dockerfile}` shows them");
    output.note(Look::Note, &printable(&text));
}

/// Gives `image` its names.
pub(super) fn tag(store: &Store, tags: &[Reference], image: &Image) -> Result<(), Failure> {
    for reference in tags {
        let known = store
            .find(reference)
            .ok()
            .flatten()
            .is_some_and(|named| named.id() == image.id());
        if !known {
            store
                .tag(reference, &image.manifest_digest(), image)
                .map_err(|error| {
                    Failure::user(format!("cannot name the image {}", reference.familiar()))
                        .because(&error)
                })?;
        }
    }
    Ok(())
}
