//! `jettison push`

mod attach;

use std::process::ExitCode;

use jettison_oci::{
    Annotations, ExportContent, ExportImage, ExportSettings, Image, MediaTypes, Originals,
    PushRequest, Recompression, Reference, Store, Timestamps,
};

use crate::cli::{CompressionChoice, Global, ProgressKind, PushArgs};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::{Direction, Progress, Reasons};
use crate::registry::{Registries, registry_failure};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &PushArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let reference = world::reference(&args.name)?;
    let attachments = attach::read(&args.sboms)?;
    let settings = world::user_settings(surroundings)?;
    let registries = Registries::new(&settings.registries, surroundings, args.carrying.jobs);
    let client = registries.client();
    let store = world::store(&world::root(global, surroundings)?)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let shows = match kind {
        ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => true,
        ProgressKind::Quiet | ProgressKind::None | ProgressKind::Rawjson => false,
    };
    for (reference, image) in images(&store, args, &reference)? {
        if shows {
            let to = format!("{}/{}", reference.registry(), reference.repository());
            let text = format!("The push refers to repository [{to}]");
            output.note(Look::Plain, &text);
        }
        let content = ExportContent::Image(ExportImage {
            image,
            base: None,
            platform: None,
        });
        let request = PushRequest {
            content: &content,
            settings: &export_settings(args, &reference),
            originals: match (args.compression, args.force_compression) {
                (None, false) => Originals::Keep,
                (Some(_), _) | (_, true) => Originals::Ignore,
            },
        };
        let progress = Progress::new(kind, Reasons::Untold);
        progress.carries(Direction::Push);
        let pushed = client.push(&store, &request, &progress);
        drop(progress);
        let pushed = pushed.map_err(|error| {
            let message = format!("cannot push {}", reference.familiar());
            registry_failure(message, &error)
        })?;
        for pushed in &pushed {
            attach::attach(&client, pushed, &attachments)?;
            let descriptor = &pushed.descriptor;
            if shows {
                let tag = pushed.reference.tag().unwrap_or("latest");
                let (digest, size) = (descriptor.digest, descriptor.size);
                let text = format!("{tag}: digest: {digest} size: {size}");
                output.note(Look::Plain, &text);
            }
            output.line(&pushed.reference.to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is pushed: the one image, or all of the repository that have a tag.
fn images(
    store: &Store,
    args: &PushArgs,
    reference: &Reference,
) -> Result<Vec<(Reference, Image)>, Failure> {
    let unreadable = |error: jettison_oci::StoreError| {
        Failure::user(format!("cannot read the image {}", reference.familiar())).because(&error)
    };
    if !args.all_tags {
        let image = store.find(reference).map_err(unreadable)?;
        let image = image.ok_or_else(|| not_there(reference))?;
        return Ok(vec![(reference.clone(), image)]);
    }
    let is_same = |other: &Reference| {
        other.registry() == reference.registry()
            && other.repository() == reference.repository()
            && other.tag().is_some()
            && other.digest().is_none()
    };
    let mut images = Vec::new();
    for tagged in store.images().map_err(unreadable)? {
        if is_same(&tagged.reference) {
            let image = store.load(&tagged.manifest).map_err(unreadable)?;
            images.push((tagged.reference, image));
        }
    }
    if images.is_empty() {
        return Err(not_there(reference));
    }
    Ok(images)
}

fn not_there(reference: &Reference) -> Failure {
    Failure::user(format!("there is no image called {}", reference.familiar())).hint(
        "`jettison images` lists what there is; `jettison build -t NAME` names what it builds",
    )
}

fn export_settings(args: &PushArgs, reference: &Reference) -> ExportSettings {
    let compression = CompressionChoice::compression(args.compression, args.compression_level);
    ExportSettings {
        names: vec![reference.clone()],
        compression,
        recompression: if args.force_compression {
            Recompression::All
        } else {
            Recompression::Different
        },
        media_types: MediaTypes::Oci,
        annotations: Annotations::default(),
        timestamps: Timestamps::Keep,
    }
}
