//! `jettison copy`

mod place;
mod source;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use jettison_build::free_blobs;
use jettison_oci::{Image, ImageId, Store, StoreError};

use crate::cli::{CopyArgs, Global, ProgressKind};
use crate::commands::copy::place::Place;
use crate::commands::copy::source::Reader;
use crate::commands::copy::target::Writer;
use crate::commands::world;
use crate::daemon::{self, Daemon};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::registry::{PARALLEL, Registries};
use crate::surroundings::Surroundings;
use crate::text_file;

pub(crate) fn run(
    global: &Global,
    args: &CopyArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let source = Place::parse(&args.source)?;
    let target = Place::parse(&args.target)?;
    for (name, verifies, place) in [
        ("src", args.src_tls_verify, &source),
        ("dest", args.dest_tls_verify, &target),
    ] {
        if verifies == Some(false) {
            return Err(is_for_settings(name, place));
        }
    }
    target::check(args, &source, &target)?;
    let needs_daemon = [&source, &target]
        .iter()
        .any(|place| matches!(place, Place::Daemon(_)));
    let daemon: Option<Daemon> = needs_daemon
        .then(|| daemon::find(surroundings))
        .transpose()?;
    let settings = world::user_settings(surroundings)?;
    let registries = Registries::new(&settings.registries, surroundings, args.carrying.jobs);
    let client = registries.client();
    let store = world::store(&world::root(global, surroundings)?)?;
    let failed =
        |error: StoreError| Failure::user("cannot use the store for the copy").because(&error);
    let lock = store.lock_shared().map_err(failed)?;
    let known = store.image_ids().map_err(failed)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let reader = Reader {
        store: &store,
        client: &client,
        daemon: daemon.as_ref(),
        kind,
    };
    let writer = Writer {
        store: &store,
        client: &client,
        daemon: daemon.as_ref(),
        kind,
        args,
    };
    let taken = reader.read(&source, args, &target)?;
    let written = writer.write(&taken, &target);
    drop(lock);
    let is_new = |id: &ImageId| !known.contains(id);
    let new: Vec<ImageId> = taken.read.iter().copied().filter(is_new).collect();
    if !matches!(target, Place::Store(_)) {
        forget(&store, &new).map_err(failed)?;
    }
    let written = written?;
    let shows = match kind {
        ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => true,
        ProgressKind::Quiet | ProgressKind::None | ProgressKind::Rawjson => false,
    };
    if let Some(path) = &args.digestfile {
        text_file::write(path, &written.digest.to_string())?;
    }
    if shows {
        for line in taken.note.iter().chain(&written.notes) {
            output.note(Look::Note, &printable(line));
        }
        output.note(Look::Plain, &format!("Digest: {}", written.digest));
    }
    output.line(&printable(&args.target));
    Ok(ExitCode::SUCCESS)
}

/// An image by the words of the command line, for commands that only look at it.
pub(super) struct ImageSource<'s> {
    pub(super) name: &'s str,
    pub(super) platform: Option<&'s str>,
    pub(super) kind: ProgressKind,
}

impl ImageSource<'_> {
    /// The image, and all images that are in the store now.
    pub(super) fn read(
        &self,
        store: &Store,
        surroundings: &Surroundings,
    ) -> Result<(Image, Vec<ImageId>), Failure> {
        // No name and no ID begins like a path.
        let place = if self.name.starts_with(['.', '/']) {
            Place::Layout {
                path: PathBuf::from(self.name),
                name: None,
            }
        } else {
            Place::parse(self.name)?
        };
        let settings = world::user_settings(surroundings)?;
        let registries = Registries::new(&settings.registries, surroundings, PARALLEL);
        let client = registries.client();
        let reader = Reader {
            store,
            client: &client,
            daemon: None,
            kind: self.kind,
        };
        reader.image(&place, self.platform)
    }
}

/// Takes images out of the store that were there for one command alone.
pub(super) fn forget(store: &Store, images: &[ImageId]) -> Result<(), StoreError> {
    let named = store.images()?;
    for id in images {
        // Another process may have given it a name since.
        if named.iter().all(|image| image.id != *id) {
            store.forget_image(id)?;
        }
    }
    // Where another process uses the store, or one stays, `jettison prune` removes them.
    free_blobs(store).map(drop).unwrap_or_default();
    Ok(())
}

/// Which registries are trusted is said once, and not on each command line.
fn is_for_settings(name: &str, place: &Place) -> Failure {
    let host = match place {
        Place::Registry(reference) => reference.registry(),
        Place::Layout { .. }
        | Place::OciArchive { .. }
        | Place::DockerArchive { .. }
        | Place::Daemon(_)
        | Place::Store(_) => "HOST:PORT",
    };
    Failure::user(format!("--{name}-tls-verify=false is for the settings to say")).hint(format!(
        "write `insecure = true` under [registries.\"{host}\"] in jettison/config.toml below XDG_CONFIG_HOME (~/.config); registries on this machine need nothing"
    ))
}
