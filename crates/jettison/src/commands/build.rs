//! `jettison build`

mod caches;
mod execution;
mod export;
mod metadata;
mod named;
mod options;
pub(super) mod outside;
mod platforms;
mod provenance;
mod results;
mod table;

use std::process::ExitCode;

use jettison_build::{Built, Engine, RunHost};
use jettison_oci::{Image, Owners, Reference, Store};

use crate::cli::{BuildArgs, CallMethod, CallRequest, Global, ProgressKind};
use crate::commands::build::execution::{Build, prepare};
use crate::commands::build::named::Named;
use crate::commands::build::results::{Outward, Results, Written};
use crate::commands::build_failure::build_failure;
use crate::commands::{call, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::registry::{LayerSupplier, PARALLEL, Registries};
use crate::remote::HostRemotes;
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &BuildArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let progress = progress_kind(global, args);
    explain(args, progress, output)?;
    let root = world::root(global, surroundings)?;
    let secrets = outside::secrets(args, surroundings, &root)?;
    let reach = outside::reach(args, surroundings);
    let certificates = outside::certificates(args.commands.ca.as_deref(), &reach)?;
    let remotes = HostRemotes::new(&root, &reach, &secrets);
    let open = |owners| outside::context(args, &remotes, &root, owners);
    if let Some(call) = call_of(args) {
        return call::run(call, (args, &open(Owners::Squash)?), surroundings, output);
    }
    options::refuse_unbuilt(args)?;
    let results = Results::of(args, surroundings)?;
    let platforms = platforms::wanted(args)?;
    let mut named = Named::of(args)?;
    let prepare = |opened| prepare(args, &results, opened, surroundings);
    let prepared = if outside::is_elsewhere(args) {
        None
    } else {
        Some(prepare(open(Owners::Squash)?)?)
    };
    let entered = world::entered()?;
    world::note_single_id(&entered, output);
    let mut prepared = match prepared {
        Some(prepared) => prepared,
        // Only here can files of archives belong to others.
        None => prepare(open(outside::owners(&entered))?)?,
    };
    named.open(&remotes, &root, &mut prepared.inputs.lower)?;
    let inputs = &prepared.inputs;
    let store = world::store(&root)?;
    let host = RunHost {
        resources: options::resources(&args.commands),
        certificates: match certificates {
            Some(certificates) => Some(certificates),
            None => outside::certificates(inputs.settings.build.ca.as_deref(), &reach)?,
        },
        ..world::run_host(&root, &entered, &inputs.lower.build_args)?
    };
    let registries = Registries::new(&inputs.settings.registries, surroundings, PARALLEL);
    let client = registries.client();
    let supplier = LayerSupplier::new(&store, &client);
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?
        .with_supplier(&supplier);
    let work = Build {
        engine: &engine,
        inputs,
        opened: &prepared.opened,
        args,
        progress,
        named: &named,
        remotes: &remotes,
        secrets: &secrets,
        registries: &registries,
        client: &client,
        supplier: &supplier,
        outside: outside::of_packages(&reach, &inputs.settings, surroundings),
    };
    let built = work.all(&platforms)?;
    let mut out = Outward {
        client: &client,
        progress,
        notes: Vec::new(),
    };
    let written = results.write(&engine, &built, &mut out)?;
    caches::write(&engine, &built, &args.cache.cache_to, &client, output)?;
    for built in &built {
        print(built, progress, written, output);
    }
    if progress != ProgressKind::Quiet {
        let tags = results.tags.iter();
        let tags = tags.map(|tag| format!("named {}", tag.familiar()));
        for note in tags.chain(out.notes) {
            output.note(Look::Note, &note);
        }
        if prepared.n_warnings > 0 {
            note_warnings(prepared.n_warnings, &inputs.source.path, output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what becomes of docker's options that mean something else here.
fn explain(args: &BuildArgs, progress: ProgressKind, output: &mut Output) -> Result<(), Failure> {
    for note in args.docker.explained()? {
        if progress != ProgressKind::Quiet {
            output.note(Look::Note, &format!("note: {note}"));
        }
    }
    Ok(())
}

/// Prints what a build's steps took, and the image's ID unless something else is on standard output.
fn print(built: &Built, progress: ProgressKind, written: Written, output: &mut Output) {
    if shows_steps(progress) {
        for line in table::table(built) {
            output.note(Look::Plain, &line);
        }
    }
    if written == Written::Elsewhere {
        output.line(&built.image.id().0.to_string());
    }
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
