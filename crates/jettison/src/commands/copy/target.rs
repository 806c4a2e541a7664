//! Writes what is copied.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jettison_oci::{
    Annotations, Digest, ExportContent, ExportError, ExportFormat, ExportImage, ExportSettings,
    MediaTypes, Original, Originals, PushRequest, Pushed, Recompression, Reference, RegistryClient,
    RegistryError, Sink, Store, Timestamps, export, export_original,
};

use crate::cli::{CompressionChoice, CopyArgs, CopyFormat, ProgressKind};
use crate::commands::copy::place::Place;
use crate::commands::copy::source::{Content, Taken, TakenImage};
use crate::commands::world;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::progress::{Direction, Progress, Reasons};
use crate::registry::registry_failure;

/// The name that an entry of a layout has (image-spec: annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Refuses what cannot be done, before anything is done.
pub(super) fn check(args: &CopyArgs, source: &Place, target: &Place) -> Result<(), Failure> {
    if args.all {
        check_all(source, target)?;
    }
    if args.format == Some(CopyFormat::Docker)
        && let Place::Layout { .. } | Place::OciArchive { .. } = target
    {
        return Err(
            Failure::user("an OCI layout has the OCI's media types, not Docker's")
                .hint("leave --format away, or take docker-archive:FILE"),
        );
    }
    match target {
        Place::Registry(reference) | Place::Daemon(reference)
            if reference.digest().is_some() || reference.tag().is_none() =>
        {
            Err(Failure::user(format!(
                "{}: a digest cannot be chosen",
                reference.familiar()
            ))
            .hint("give a tag, and no digest"))
        }
        Place::Registry(_) | Place::Daemon(_) => Ok(()),
        Place::Layout { path, .. } => {
            let mut entries = fs::read_dir(path).into_iter().flatten();
            let is_strange = entries.next().is_some() && !path.join("oci-layout").is_file();
            if is_strange || path.is_file() {
                return Err(Failure::user(format!(
                    "{} is there, and is no OCI layout",
                    path.display()
                ))
                .hint("name another directory"));
            }
            has_parent(path)
        }
        Place::OciArchive { path, .. } => has_parent(path),
        Place::DockerArchive { path, name } => {
            if name.as_ref().is_some_and(|name| name.tag().is_none()) {
                return Err(
                    Failure::user("an image in an archive has a tag, not a digest")
                        .hint("name it NAME:TAG"),
                );
            }
            let is_full = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0);
            if is_full {
                return Err(Failure::user(format!(
                    "{} is there, and nothing is added to archives of Docker",
                    path.display()
                ))
                .hint("name another file; `jettison save -o FILE IMAGE…` writes several images"));
            }
            has_parent(path)
        }
        Place::Store(name) => {
            let reference = world::reference(name)?;
            let layers = &args.layers;
            if args.format.is_some() || layers.compression.is_some() || layers.force_compression {
                return Err(Failure::user("the store keeps images in a form of its own")
                    .hint("leave --format and the options of compression away"));
            }
            if reference.digest().is_some() {
                return Err(Failure::user(format!("{name}: a digest cannot be chosen"))
                    .hint("give a tag, and no digest"));
            }
            Ok(())
        }
    }
}

fn check_all(source: &Place, target: &Place) -> Result<(), Failure> {
    let hint = "leave --all away, and choose with --platform";
    match source {
        Place::Registry(_) | Place::Layout { .. } | Place::OciArchive { .. } => {}
        Place::DockerArchive { .. } | Place::Daemon(_) | Place::Store(_) => {
            return Err(
                Failure::user("--all copies from registries and OCI layouts alone").hint(hint),
            );
        }
    }
    match target {
        Place::Registry(_) | Place::Layout { .. } | Place::OciArchive { .. } => Ok(()),
        Place::DockerArchive { .. } | Place::Daemon(_) | Place::Store(_) => {
            Err(Failure::user("--all copies to registries and OCI layouts alone").hint(hint))
        }
    }
}

fn has_parent(path: &Path) -> Result<(), Failure> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        Some(parent) if !parent.is_dir() => Err(Failure::user(format!(
            "there is no directory {}",
            parent.display()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Whether the command line lets an image be copied to the byte to `target`.
pub(super) fn may_keep(args: &CopyArgs, target: &Place) -> bool {
    let layers = &args.layers;
    let changes = args.format.is_some() || layers.compression.is_some() || layers.force_compression;
    match target {
        Place::Registry(_) | Place::Layout { .. } | Place::OciArchive { .. } => !changes,
        Place::DockerArchive { .. } | Place::Daemon(_) | Place::Store(_) => false,
    }
}

/// Whether `target` takes to the byte what was read as it is.
pub(super) fn takes(target: &Place, taken: &Taken) -> bool {
    match &taken.content {
        Content::Whole(original) => !is_layout(target) || !has_docker_types(original),
        Content::Image(_) => false,
    }
}

/// What images are written with.
pub(super) struct Writer<'w> {
    pub(super) store: &'w Store,
    pub(super) client: &'w RegistryClient<'w>,
    pub(super) daemon: Option<&'w Daemon>,
    pub(super) kind: ProgressKind,
    pub(super) args: &'w CopyArgs,
}

/// What has been written.
pub(super) struct Written {
    /// That of the manifest or the index.
    pub(super) digest: Digest,
    /// What was said about it.
    pub(super) notes: Vec<String>,
}

impl Writer<'_> {
    /// Writes what was taken to `target`.
    pub(super) fn write(&self, taken: &Taken, target: &Place) -> Result<Written, Failure> {
        let original = match &taken.content {
            Content::Whole(whole) if is_layout(target) && has_docker_types(whole) => {
                return Err(Failure::user(
                    "the index has Docker's media types, and an OCI layout has the OCI's",
                )
                .hint("leave --all away, and copy one platform after the other with --platform"));
            }
            Content::Whole(whole) => Some(whole.as_ref()),
            Content::Image(image) => self.kept(image, target),
        };
        match (&taken.content, original, target) {
            (_, Some(original), Place::Registry(reference)) => {
                let names = std::slice::from_ref(reference);
                self.pushed(reference, |progress| {
                    let content = (original, names);
                    self.client.push_original(self.store, content, progress)
                })
            }
            (_, Some(original), Place::Layout { path, name }) => {
                let format = ExportFormat::Layout(path.clone());
                self.original(original, name.as_deref(), format)
            }
            (_, Some(original), Place::OciArchive { path, name }) => {
                let format = ExportFormat::OciArchive(Sink::File(path.clone()));
                self.original(original, name.as_deref(), format)
            }
            (Content::Image(image), _, target) => self.image(image, target),
            (Content::Whole(_), _, _) => {
                Err(Failure::user("an index cannot be written there").hint("leave --all away"))
            }
        }
    }

    /// The manifest to the byte, if nothing was said that changes it, and the target takes it.
    fn kept<'i>(&self, image: &'i TakenImage, target: &Place) -> Option<&'i Original> {
        let layers = &self.args.layers;
        let original = image.original.as_ref()?;
        let is_docker = has_docker_types(original);
        let fits = match self.args.format {
            None => !is_docker || !is_layout(target),
            Some(CopyFormat::Oci) => !is_docker,
            Some(CopyFormat::Docker) => is_docker,
        };
        let stays = layers.compression.is_none() && !layers.force_compression;
        (fits && stays).then_some(original)
    }

    fn original(
        &self,
        original: &Original,
        name: Option<&str>,
        format: ExportFormat<'_>,
    ) -> Result<Written, Failure> {
        let exported = export_original(self.store, original, name, format);
        let exported = exported.map_err(|error| cannot_write(&error))?;
        Ok(Written {
            digest: exported.descriptor.digest,
            notes: Vec::new(),
        })
    }

    /// Writes an image whose manifest is made for the target.
    fn image(&self, taken: &TakenImage, target: &Place) -> Result<Written, Failure> {
        let content = ExportContent::Image(ExportImage {
            image: taken.image.clone(),
            base: None,
            platform: None,
        });
        let settings = self.settings(taken, target);
        let exported = |format| export(self.store, &content, &settings, format);
        let (exported, notes) = match target {
            Place::Registry(reference) => {
                let request = PushRequest {
                    content: &content,
                    settings: &settings,
                    originals: Originals::Ignore,
                };
                return self.pushed(reference, |progress| {
                    self.client.push(self.store, &request, progress)
                });
            }
            Place::Store(name) => return self.name(name, taken),
            Place::Layout { path, .. } => {
                let written = exported(ExportFormat::Layout(path.clone()));
                (written.map_err(|error| cannot_write(&error))?, Vec::new())
            }
            Place::OciArchive { path, .. } => {
                let written = exported(ExportFormat::OciArchive(Sink::File(path.clone())));
                (written.map_err(|error| cannot_write(&error))?, Vec::new())
            }
            Place::DockerArchive { path, .. } => {
                let written = exported(ExportFormat::DockerArchive(Sink::File(path.clone())));
                (written.map_err(|error| cannot_write(&error))?, Vec::new())
            }
            Place::Daemon(_) => {
                let Some(daemon) = self.daemon else {
                    return Err(Failure::host("there is no daemon"));
                };
                daemon.load(|archive| {
                    let format = ExportFormat::DockerArchive(Sink::Stream(archive));
                    export(self.store, &content, &settings, format)
                })?
            }
        };
        let digest = exported.descriptor.digest;
        Ok(Written { digest, notes })
    }

    fn pushed(
        &self,
        reference: &Reference,
        push: impl FnOnce(&Progress) -> Result<Vec<Pushed>, RegistryError>,
    ) -> Result<Written, Failure> {
        let progress = Progress::new(self.kind, Reasons::Untold);
        progress.carries(Direction::Push);
        let pushed = push(&progress);
        drop(progress);
        let pushed = pushed.map_err(|error| {
            registry_failure(format!("cannot push {}", reference.familiar()), &error)
        })?;
        let Some(first) = pushed.first() else {
            return Err(Failure::user("nothing was pushed"));
        };
        Ok(Written {
            digest: first.descriptor.digest,
            notes: Vec::new(),
        })
    }

    fn name(&self, name: &str, taken: &TakenImage) -> Result<Written, Failure> {
        let reference = world::reference(name)?;
        let manifest = taken.image.manifest_digest();
        self.store
            .tag(&reference, &manifest, &taken.image)
            .map_err(|error| Failure::user(format!("cannot name {name}")).because(&error))?;
        let original = taken.original.as_ref();
        let digest = original.map_or(manifest.0, |original| original.descriptor().digest);
        Ok(Written {
            digest,
            notes: Vec::new(),
        })
    }

    fn settings(&self, taken: &TakenImage, target: &Place) -> ExportSettings {
        let layers = &self.args.layers;
        let compression =
            CompressionChoice::compression(layers.compression, layers.compression_level);
        let (names, short_name) = match target {
            Place::Registry(reference) | Place::Daemon(reference) => {
                (vec![reference.clone()], None)
            }
            Place::DockerArchive { name, .. } => (name.iter().cloned().collect(), None),
            Place::Layout { name, .. } | Place::OciArchive { name, .. } => {
                (Vec::new(), name.clone())
            }
            Place::Store(_) => (Vec::new(), None),
        };
        let short_name = short_name.map(|name| (REF_NAME.to_owned(), name));
        let for_docker = matches!(target, Place::DockerArchive { .. } | Place::Daemon(_));
        ExportSettings {
            names,
            compression,
            recompression: if layers.force_compression {
                Recompression::All
            } else if layers.compression.is_some() || for_docker {
                Recompression::Different
            } else {
                taken.recompression
            },
            media_types: match self.args.format {
                Some(CopyFormat::Docker) => MediaTypes::Docker,
                Some(CopyFormat::Oci) | None => MediaTypes::Oci,
            },
            annotations: Annotations {
                manifest_descriptor: short_name.into_iter().collect::<BTreeMap<_, _>>(),
                ..Annotations::default()
            },
            timestamps: Timestamps::Keep,
        }
    }
}

fn is_layout(place: &Place) -> bool {
    match place {
        Place::Layout { .. } | Place::OciArchive { .. } => true,
        Place::Registry(_) | Place::DockerArchive { .. } | Place::Daemon(_) | Place::Store(_) => {
            false
        }
    }
}

fn has_docker_types(original: &Original) -> bool {
    let media_type = &original.descriptor().media_type;
    media_type.to_oci() != *media_type
}

fn cannot_write(error: &ExportError) -> Failure {
    Failure::user("cannot write the image out").because(error)
}
