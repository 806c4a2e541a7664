//! `jettison build`

use std::path::PathBuf;
use std::process::ExitCode;

use jettison_build::{BuildRequest, Engine};
use jettison_oci::{
    Compression, Destination, ExportOptions, Image, Reference, Store, export_image,
};

use crate::bases::SettingsBases;
use crate::cli::{BuildArgs, CallMethod, CallRequest, Global, ProgressKind};
use crate::commands::build_failure::build_failure;
use crate::commands::dockerfile::Location;
use crate::commands::{call, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::progress::Progress;
use crate::surroundings::Surroundings;
use crate::text_file::{check_destination, write};

/// The gzip level of exported layers, as docker's.
const GZIP_LEVEL: u32 = 6;

pub(crate) fn run(
    global: &Global,
    args: &BuildArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    if let Some(call) = call_of(args) {
        return call::run(call, args, surroundings, output);
    }
    let mut inputs = world::inputs(&args.input, surroundings)?;
    inputs.lower.target.clone_from(&args.target);
    let outputs = args
        .outputs
        .iter()
        .map(|spec| destination(spec))
        .collect::<Result<Vec<_>, _>>()?;
    let tags = args
        .tags
        .iter()
        .map(|tag| world::reference(tag))
        .collect::<Result<Vec<_>, _>>()?;
    for path in outputs.iter().filter_map(file_of).chain(&args.iidfile) {
        check_destination(path, &inputs.dockerfile)?;
    }
    let n_warnings = call::warnings_before_build(
        &Location {
            dockerfile: inputs.dockerfile.clone(),
            context: Some(args.input.context.clone()),
        },
        &inputs.source,
        args,
        surroundings,
    )?;
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    world::note_single_id(&entered, output);
    let store = world::store(&root)?;
    let host = world::run_host(&root, &entered, &inputs.lower.build_args)?;
    let engine = Engine::open(&store, &entered, &host)
        .map_err(|error| build_failure(&error, &inputs.source))?;
    let progress = Progress::new(if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    });
    let bases = SettingsBases::new(
        &engine,
        &progress,
        &inputs.settings,
        &args.input,
        surroundings.now,
    );
    let request = BuildRequest {
        cache: inputs.cache,
        created: inputs.created.clone(),
        ..BuildRequest::new(&inputs.source.text, &inputs.context, inputs.lower.clone())
    };
    let built = engine.build(&request, &bases, &progress).map_err(|error| {
        progress.show_tail();
        build_failure(&error, &inputs.source)
    })?;
    tag(&store, &tags, &built.image)?;
    for destination in &outputs {
        write_out(&store, &built.image, destination, tags.first())?;
    }
    let id = built.image.id().0.to_string();
    if let Some(path) = &args.iidfile {
        write(path, &id)?;
    }
    output.line(&id);
    for tag in &tags {
        if !args.quiet {
            output.note(Look::Note, &format!("named {}", tag.familiar()));
        }
    }
    if n_warnings > 0 && !args.quiet {
        note_warnings(n_warnings, &inputs.source.path, output);
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be printed in place of a build, if anything is.
fn call_of(args: &BuildArgs) -> Option<CallRequest> {
    if args.check {
        return Some(CallRequest {
            method: CallMethod::Check,
            is_json: false,
        });
    }
    args.call.filter(|call| call.method != CallMethod::Build)
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

/// The one file that a destination is, if it is one.
fn file_of(destination: &Destination) -> Option<&PathBuf> {
    match destination {
        Destination::Archive(path) => Some(path),
        Destination::Layout(_) => None,
    }
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

fn write_out(
    store: &Store,
    image: &Image,
    destination: &Destination,
    reference: Option<&Reference>,
) -> Result<(), Failure> {
    let options = ExportOptions {
        compression: Compression::Gzip { level: GZIP_LEVEL },
        reference: reference.cloned(),
    };
    export_image(store, image, destination, &options)
        .map_err(|error| Failure::user("cannot write the image out").because(&error))?;
    Ok(())
}

/// Reads `type=oci,dest=FILE` or `type=oci,tar=false,dest=DIR`.
fn destination(spec: &str) -> Result<Destination, Failure> {
    let fail = |problem: &str| {
        Failure::user(format!("cannot understand output `{spec}`: {problem}"))
            .hint("write type=oci,dest=FILE for an archive, or type=oci,tar=false,dest=DIR for a directory")
    };
    let (mut kind, mut dest, mut tar) = (None, None, true);
    for pair in spec.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(fail(&format!("`{pair}` is not `key=value`")));
        };
        match (key, value) {
            ("type", value) => kind = Some(value),
            ("dest", "-") => return Err(fail("standard output is not supported yet")),
            ("dest", value) if !value.is_empty() => dest = Some(PathBuf::from(value)),
            ("tar", "true" | "false") => tar = value == "true",
            _ => return Err(fail(&format!("`{pair}` is not supported"))),
        }
    }
    match (kind, dest) {
        (Some("oci"), Some(path)) if tar => Ok(Destination::Archive(path)),
        (Some("oci"), Some(path)) => Ok(Destination::Layout(path)),
        (Some("oci"), None) => Err(fail("`dest` is missing")),
        (Some(other), _) => Err(fail(&format!("type `{other}` is not supported yet"))),
        (None, _) => Err(fail("`type` is missing")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_archive_is_the_default_of_oci() {
        assert!(
            matches!(destination("type=oci,dest=x.tar"), Ok(Destination::Archive(path)) if path == Path::new("x.tar"))
        );
        assert!(
            matches!(destination("type=oci,tar=false,dest=x"), Ok(Destination::Layout(path)) if path == Path::new("x"))
        );
    }

    #[test]
    fn outputs_that_are_not_known_are_refused() {
        for spec in [
            "",
            "x.tar",
            "type=oci",
            "type=docker,dest=x",
            "dest=x",
            "type=oci,dest=",
            "type=oci,dest=x,push=true",
            "type=oci,tar=maybe,dest=x",
        ] {
            assert!(destination(spec).is_err(), "{spec}");
        }
    }
}
