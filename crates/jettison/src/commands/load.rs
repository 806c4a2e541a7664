//! `jettison load`

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use jettison_dockerfile::Platform;
use jettison_oci::{
    ExportError, Image, ImportSelection, ImportSource, Reference, Store, import_images,
};

use crate::cli::{Global, LoadArgs, ProgressKind};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::{Direction, Progress, Reasons};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &LoadArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let machine = Surroundings::architecture();
    let platform = match &args.platform {
        Some(text) => Some(
            Platform::parse(text, &machine)
                .map_err(|error| {
                    Failure::user(format!("`{text}` is not a platform")).because(&error)
                })?
                .normalized(),
        ),
        None => None,
    };
    let input = args.input.as_deref().filter(|path| *path != Path::new("-"));
    if input.is_none() && io::stdin().is_terminal() {
        return Err(
            Failure::user("there is nothing to load: standard input is a terminal")
                .hint("name an archive or a directory with -i FILE, or redirect the input"),
        );
    }
    let store = world::store(&world::root(global, surroundings)?)?;
    let failed = |error: jettison_oci::StoreError| {
        Failure::user("cannot write to the store").because(&error)
    };
    let _in_use = store.lock_shared().map_err(failed)?;
    let known = store.image_ids().map_err(failed)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let loaded = read(&store, input, kind).map_err(|error| cannot_load(input, &error))?;
    let default = Platform::new("linux", &machine);
    let (chosen, others) = chosen(loaded, platform.as_ref(), &default);
    for image in &others {
        let is_chosen = chosen.iter().any(|(_, one)| one.id() == image.id());
        if !is_chosen && !known.contains(&image.id()) {
            store.forget_image(&image.id()).map_err(failed)?;
        }
    }
    if chosen.is_empty() {
        let platforms: Vec<String> = others.iter().map(|image| image.platform().id()).collect();
        let failure = Failure::no("there is no such image in it");
        return Err(if platforms.is_empty() {
            failure.hint("an archive holds what `docker save` or `jettison save` has written")
        } else {
            failure.hint(format!("there are images for {}", platforms.join(", ")))
        });
    }
    for (name, image) in &chosen {
        let line = name_image(&store, name.as_deref(), image)?;
        if !args.quiet {
            output.line(&line);
        }
    }
    if !args.quiet && !others.is_empty() {
        let text = format!(
            "{} images for other platforms were left out; --platform chooses",
            others.len()
        );
        output.note(Look::Note, &text);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the images into the store.
fn read(store: &Store, input: Option<&Path>, kind: ProgressKind) -> Result<Loaded, ExportError> {
    let progress = Progress::new(kind, Reasons::Untold);
    progress.carries(Direction::Load);
    let mut stdin;
    let source = if let Some(path) = input {
        ImportSource::Path(path)
    } else {
        stdin = io::stdin().lock();
        ImportSource::Stream(&mut stdin, Path::new("standard input"))
    };
    let images = import_images(store, source, ImportSelection::All, &progress)?;
    let images = images.into_iter().map(|image| (image.name, image.image));
    Ok(images.collect())
}

fn cannot_load(input: Option<&Path>, error: &ExportError) -> Failure {
    let what = input.map_or("standard input".to_string(), |path| {
        path.display().to_string()
    });
    Failure::user(format!("cannot load {what}")).because(error)
}

/// Gives a loaded image its name, and says what there is now.
fn name_image(store: &Store, name: Option<&str>, image: &Image) -> Result<String, Failure> {
    // A layout's lone `latest` says which of a directory's images is the newest, and is no name.
    let reference: Option<Reference> = match name.filter(|name| *name != "latest") {
        Some(name) => name.parse().ok(),
        None => None,
    };
    let Some(reference) = reference else {
        return Ok(format!("Loaded image ID: {}", image.id().0));
    };
    store
        .tag(&reference, &image.manifest_digest(), image)
        .map_err(|error| {
            Failure::user(format!("cannot name {}", reference.familiar())).because(&error)
        })?;
    Ok(format!("Loaded image: {}", reference.familiar()))
}

type Loaded = Vec<(Option<String>, Image)>;

/// Whether an image is for the platform.
pub(super) fn is_for(image: &Image, platform: &Platform) -> bool {
    let own = image.platform();
    let variant = own.variant.as_deref().unwrap_or_default();
    let mut words = vec![own.os.as_str(), own.architecture.as_str()];
    words.extend(Some(variant).filter(|variant| !variant.is_empty()));
    let own = Platform::parse(&words.join("/"), "amd64");
    own.is_ok_and(|own| own.normalized() == platform.clone().normalized())
}

/// Of several images of one name the one for the wanted platform; and those that are left out.
fn chosen(loaded: Loaded, wanted: Option<&Platform>, default: &Platform) -> (Loaded, Vec<Image>) {
    let (mut chosen, mut others) = (Loaded::new(), Vec::new());
    for (name, image) in &loaded {
        let is_alone = loaded
            .iter()
            .filter(|(other, _)| other == name && name.is_some())
            .count()
            < 2;
        let is_wanted = match wanted {
            Some(platform) => is_for(image, platform),
            None => is_alone || is_for(image, default),
        };
        if is_wanted {
            chosen.push((name.clone(), image.clone()));
        } else {
            others.push(image.clone());
        }
    }
    (chosen, others)
}
