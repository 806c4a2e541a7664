//! `jettison build`

mod caches;
mod metadata;
mod options;
pub(super) mod outside;
mod results;
mod table;

use std::process::ExitCode;

use jettison_build::{BuildRequest, Built, Engine, RunHost};
use jettison_oci::{Image, Owners, Reference, Store};

use crate::bases::SettingsBases;
use crate::cli::{BuildArgs, CallMethod, CallRequest, Global, ProgressKind};
use crate::commands::build::results::Results;
use crate::commands::build_failure::build_failure;
use crate::commands::world::Inputs;
use crate::commands::{call, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::progress::{Progress, Reasons};
use crate::remote::{HostRemotes, OpenedContext};
use crate::secrets::HostSecrets;
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
    let root = world::root(global, surroundings)?;
    let secrets = outside::secrets(args, surroundings, &root)?;
    let reach = outside::reach(args, surroundings);
    let remotes = HostRemotes::new(&root, &reach, &secrets);
    let open = |owners| outside::context(args, &remotes, &root, owners);
    if let Some(call) = call_of(args) {
        return call::run(call, (args, &open(Owners::Squash)?), surroundings, output);
    }
    options::refuse_unbuilt(args)?;
    let results = Results::of(args)?;
    let prepare = |opened| prepare(args, &results, opened, surroundings);
    let prepared = if outside::is_elsewhere(args) {
        None
    } else {
        Some(prepare(open(Owners::Squash)?)?)
    };
    let entered = world::entered()?;
    world::note_single_id(&entered, output);
    let prepared = match prepared {
        Some(prepared) => prepared,
        // Only here can files of archives belong to others.
        None => prepare(open(outside::owners(&entered))?)?,
    };
    let inputs = &prepared.inputs;
    let store = world::store(&root)?;
    let host = RunHost {
        resources: options::resources(&args.commands),
        ..world::run_host(&root, &entered, &inputs.lower.build_args)?
    };
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?;
    let outside = Outside {
        remotes: &remotes,
        secrets: &secrets,
        now: surroundings.now,
    };
    let built = build(&engine, inputs, (args, progress), &outside)?;
    results.write(&store, &built)?;
    caches::write(&engine, &built, &args.cache.cache_to, output)?;
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
        if prepared.n_warnings > 0 {
            note_warnings(prepared.n_warnings, &inputs.source.path, output);
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

/// A context that has been opened, and what was read in it.
struct Prepared {
    inputs: Inputs,
    n_warnings: usize,
    /// What was unpacked for the build lasts as long as it.
    _opened: OpenedContext,
}

fn prepare(
    args: &BuildArgs,
    results: &Results<'_>,
    opened: OpenedContext,
    surroundings: &Surroundings,
) -> Result<Prepared, Failure> {
    let location = outside::location(&opened);
    results.check(&location.dockerfile)?;
    let context = opened
        .build_context()
        .map_err(|error| build_failure(&error, &opened.source))?;
    let read = (context, opened.source.clone());
    let mut inputs = world::inputs_of(&args.input, read, &opened.root, surroundings)?;
    options::add(args, &mut inputs.lower);
    let n_warnings = call::warnings_before_build(&location, &inputs.source, args, surroundings)?;
    Ok(Prepared {
        inputs,
        n_warnings,
        _opened: opened,
    })
}

/// What a build takes from outside.
struct Outside<'a> {
    remotes: &'a HostRemotes<'a>,
    secrets: &'a HostSecrets,
    now: u64,
}

fn build(
    engine: &Engine<'_>,
    inputs: &Inputs,
    (args, progress): (&BuildArgs, ProgressKind),
    outside: &Outside<'_>,
) -> Result<Built, Failure> {
    let reasons = if args.cache.explain {
        Reasons::Told
    } else {
        Reasons::Untold
    };
    let progress = Progress::new(progress, reasons);
    let bases = SettingsBases::new(
        engine,
        &progress,
        &inputs.settings,
        &args.input,
        outside.now,
    );
    let layouts = caches::open(&args.cache.cache_from, &progress);
    let request = BuildRequest {
        remotes: outside.remotes,
        secrets: outside.secrets,
        cache_from: caches::sources(&layouts),
        keep: caches::keep(&args.cache.cache_to),
        cache: inputs.cache,
        created: inputs.created.clone(),
        jobs: args.commands.jobs.map(usize::from),
        ..BuildRequest::new(&inputs.source.text, &inputs.context, inputs.lower.clone())
    };
    engine.build(&request, &bases, &progress).map_err(|error| {
        progress.fail(&error.to_string());
        build_failure(&error, &inputs.source)
    })
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
