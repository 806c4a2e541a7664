//! Reads what is copied.

use std::path::Path;

use jettison_dockerfile::Platform;
use jettison_oci::{
    Digest, ExportError, Image, ImageId, ImportSelection, ImportSource, ImportedImage, LayerNeed,
    Naming, Original, PlatformNeed, PullRequest, Recompression, Reference, RegistryClient,
    RegistryError, Store, import_archive, import_images, import_whole,
};

use crate::cli::{CopyArgs, ProgressKind};
use crate::commands::copy::place::Place;
use crate::commands::copy::target::{may_keep, takes};
use crate::commands::load::is_for;
use crate::commands::{layers, lookup, world};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::progress::{Direction, Progress, Reasons};
use crate::registry::registry_failure;
use crate::surroundings::Surroundings;

/// What images are read with.
pub(super) struct Reader<'r> {
    pub(super) store: &'r Store,
    pub(super) client: &'r RegistryClient<'r>,
    pub(super) daemon: Option<&'r Daemon>,
    pub(super) kind: ProgressKind,
}

/// What is copied. All of it is in the store.
pub(super) struct Taken {
    pub(super) content: Content,
    /// All images that are in the store now, the one that is copied and others.
    pub(super) read: Vec<ImageId>,
    /// What users should know about it.
    pub(super) note: Option<String>,
}

/// What is copied.
pub(super) enum Content {
    /// One image.
    Image(Box<TakenImage>),
    /// All that a name stands for.
    Whole(Box<Original>),
}

/// An image that is copied.
pub(super) struct TakenImage {
    pub(super) image: Image,
    /// As it is elsewhere, if it is elsewhere.
    pub(super) original: Option<Original>,
    /// Which layers are compressed, if nothing is said.
    pub(super) recompression: Recompression,
}

impl Reader<'_> {
    /// Reads what is at `place` into the store, without a name.
    ///
    /// For some targets an image is read as it is, and not unpacked.
    pub(super) fn read(
        &self,
        place: &Place,
        args: &CopyArgs,
        target: &Place,
    ) -> Result<Taken, Failure> {
        let platform = args.platform.as_deref();
        match place {
            Place::Registry(reference) if args.all => self.pull_all(reference),
            Place::Registry(reference) => {
                let request = PullRequest {
                    reference,
                    platform: &world::oci_platform(platform)?,
                    platform_need: match platform {
                        Some(_) => PlatformNeed::Exact,
                        None => PlatformNeed::Preferred,
                    },
                    naming: Naming::Unnamed,
                    layers: LayerNeed::Now,
                };
                if may_keep(args, target) {
                    let taken = self.pull_original(&request)?;
                    if takes(target, &taken) {
                        return Ok(taken);
                    }
                }
                self.pull(&request)
            }
            Place::Store(name) => self.find(name),
            Place::Layout { path, name } | Place::OciArchive { path, name } if args.all => {
                self.import_all(path, name.as_deref())
            }
            Place::Layout { path, name } | Place::OciArchive { path, name } => {
                let name = name.as_deref();
                let images = self.import(path, name)?;
                self.chosen(images, platform, Kept::Manifest)
            }
            Place::DockerArchive { path, name } => {
                let name = name.as_ref().map(Reference::to_string);
                let images = self.import(path, name.as_deref())?;
                self.chosen(images, platform, Kept::Nothing)
            }
            Place::Daemon(reference) => {
                let Some(daemon) = self.daemon else {
                    return Err(Failure::host("there is no daemon"));
                };
                let images = daemon.save(&reference.familiar(), |archive, path| {
                    import_archive(self.store, archive, path)
                })?;
                let images = images.into_iter().map(|(name, image)| ImportedImage {
                    name,
                    short_name: None,
                    image,
                    manifest: None,
                });
                self.chosen(images.collect(), platform, Kept::Nothing)
            }
        }
    }

    /// Reads one image that is only looked at: it, and all that are in the store now.
    pub(super) fn image(
        &self,
        place: &Place,
        platform: Option<&str>,
    ) -> Result<(Image, Vec<ImageId>), Failure> {
        let taken = match place {
            Place::Registry(reference) => self.pull(&PullRequest {
                reference,
                platform: &world::oci_platform(platform)?,
                platform_need: match platform {
                    Some(_) => PlatformNeed::Exact,
                    None => PlatformNeed::Preferred,
                },
                naming: Naming::Unnamed,
                layers: LayerNeed::Now,
            })?,
            Place::Store(name) => self.find(name)?,
            Place::Layout { path, name } | Place::OciArchive { path, name } => {
                self.chosen(self.import(path, name.as_deref())?, platform, Kept::Nothing)?
            }
            Place::DockerArchive { path, name } => {
                let name = name.as_ref().map(Reference::to_string);
                let images = self.import(path, name.as_deref())?;
                self.chosen(images, platform, Kept::Nothing)?
            }
            Place::Daemon(reference) => {
                let text = format!("{} is a daemon's", reference.familiar());
                return Err(Failure::user(text)
                    .hint("`jettison copy docker-daemon:NAME NAME` gets it into the store"));
            }
        };
        match taken.content {
            Content::Image(image) => Ok((image.image, taken.read)),
            Content::Whole(_) => Err(Failure::user("it is not one image")),
        }
    }

    fn pull_all(&self, reference: &Reference) -> Result<Taken, Failure> {
        let progress = Progress::new(self.kind, Reasons::Untold);
        let whole = self.client.pull_all(self.store, reference, &progress);
        drop(progress);
        let whole = whole.map_err(|error| {
            registry_failure(format!("cannot pull {}", reference.familiar()), &error)
        })?;
        Ok(Taken {
            content: Content::Whole(Box::new(whole)),
            read: Vec::new(),
            note: None,
        })
    }

    /// Reads an image that is written as it came.
    fn pull_original(&self, request: &PullRequest<'_>) -> Result<Taken, Failure> {
        let progress = Progress::new(self.kind, Reasons::Untold);
        let pulled = self.client.pull_original(self.store, request, &progress);
        drop(progress);
        let pulled = pulled.map_err(|error| cannot_pull(request, &error))?;
        let is_chosen = pulled.original.descriptor().digest != pulled.digest;
        Ok(Taken {
            content: Content::Whole(Box::new(pulled.original)),
            read: Vec::new(),
            note: is_chosen.then(|| one_of_several(&pulled.platform.id())),
        })
    }

    fn pull(&self, request: &PullRequest<'_>) -> Result<Taken, Failure> {
        let progress = Progress::new(self.kind, Reasons::Untold);
        let pulled = self.client.pull(self.store, request, &progress);
        drop(progress);
        let pulled = pulled.map_err(|error| cannot_pull(request, &error))?;
        let digest = pulled.registry_manifest.digest;
        let is_chosen = digest != pulled.digest;
        let note = is_chosen.then(|| one_of_several(&pulled.image.platform().id()));
        let mut taken = self.one(pulled.image, Some(&digest), Recompression::Plain);
        taken.note = note;
        Ok(taken)
    }

    fn find(&self, name: &str) -> Result<Taken, Failure> {
        let image = lookup::find(self.store, name)?.image;
        let image = layers::complete_by(self.client, self.store, (&image, name), self.kind)?;
        let origins = self.store.origins(&image.manifest_digest());
        let digest = origins.first().map(|origin| origin.manifest.digest);
        Ok(self.one(image, digest.as_ref(), Recompression::Different))
    }

    /// An image, and the manifest that it has elsewhere.
    fn one(&self, image: Image, manifest: Option<&Digest>, recompression: Recompression) -> Taken {
        let read = vec![image.id()];
        let original = manifest.and_then(|digest| Original::of_image(self.store, &image, digest));
        let image = TakenImage {
            image,
            original,
            recompression,
        };
        Taken {
            content: Content::Image(Box::new(image)),
            read,
            note: None,
        }
    }

    fn import(&self, path: &Path, name: Option<&str>) -> Result<Vec<ImportedImage>, Failure> {
        let selection = name.map_or(ImportSelection::All, ImportSelection::Name);
        let progress = self.loading();
        let source = ImportSource::Path(path);
        let images = import_images(self.store, source, selection, &progress);
        drop(progress);
        images.map_err(|error| {
            Failure::user(format!("cannot read {}", path.display())).because(&error)
        })
    }

    fn loading(&self) -> Progress {
        let progress = Progress::new(self.kind, Reasons::Untold);
        progress.carries(Direction::Load);
        progress
    }

    fn import_all(&self, path: &Path, name: Option<&str>) -> Result<Taken, Failure> {
        let progress = self.loading();
        let whole = import_whole(self.store, path, name, &progress);
        drop(progress);
        let whole = whole.map_err(|error| {
            let failure = Failure::user(format!("cannot read {}", path.display())).because(&error);
            match error {
                ExportError::Several { .. } => failure.hint("name one of them behind the path"),
                _ => failure,
            }
        })?;
        Ok(Taken {
            content: Content::Whole(Box::new(whole)),
            read: Vec::new(),
            note: None,
        })
    }

    /// The one image of several that is meant.
    fn chosen(
        &self,
        images: Vec<ImportedImage>,
        platform: Option<&str>,
        kept: Kept,
    ) -> Result<Taken, Failure> {
        let read: Vec<ImageId> = images.iter().map(|imported| imported.image.id()).collect();
        let machine = Surroundings::architecture();
        let wanted = match platform {
            None => Platform::new("linux", &machine),
            Some(text) => Platform::parse(text, &machine)
                .map_err(|error| {
                    Failure::user(format!("`{text}` is not a platform")).because(&error)
                })?
                .normalized(),
        };
        let names = names(&images);
        let platforms = images.iter().map(|imported| imported.image.platform().id());
        let platforms: Vec<String> = platforms.collect();
        let mut fitting = distinct(images.clone());
        if fitting.len() > 1 || platform.is_some() {
            fitting.retain(|imported| is_for(&imported.image, &wanted));
        }
        let (Some(found), 1) = (fitting.pop(), fitting.len() + 1) else {
            return Err(ambiguous(&names, &platforms, &wanted.to_string()));
        };
        let manifest = match kept {
            Kept::Manifest => found.manifest,
            Kept::Nothing => None,
        };
        let recompression = match kept {
            Kept::Manifest => Recompression::Plain,
            Kept::Nothing => Recompression::Different,
        };
        let mut taken = self.one(found.image, manifest.as_ref(), recompression);
        taken.read = read;
        Ok(taken)
    }
}

fn cannot_pull(request: &PullRequest<'_>, error: &RegistryError) -> Failure {
    let name = request.reference.familiar();
    registry_failure(format!("cannot pull {name}"), error)
}

fn one_of_several(platform: &str) -> String {
    format!("the image for {platform} was copied; --all copies those for all platforms")
}

/// What is kept of an image's manifest.
#[derive(Clone, Copy)]
enum Kept {
    /// All, to the byte.
    Manifest,
    /// Nothing: it has been made for an archive.
    Nothing,
}

/// Each image once.
fn distinct(images: Vec<ImportedImage>) -> Vec<ImportedImage> {
    let mut distinct: Vec<ImportedImage> = Vec::new();
    for image in images {
        if distinct
            .iter()
            .all(|known| known.image.id() != image.image.id())
        {
            distinct.push(image);
        }
    }
    distinct
}

fn names(images: &[ImportedImage]) -> Vec<String> {
    let mut names: Vec<String> = images
        .iter()
        .filter_map(|imported| imported.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn ambiguous(names: &[String], platforms: &[String], wanted: &str) -> Failure {
    if platforms.is_empty() {
        return Failure::user("there is no image in it");
    }
    if names.len() > 1 {
        return Failure::user("there are several images in it").hint(format!(
            "name one of them behind the path: {}",
            names.join(", ")
        ));
    }
    Failure::user(format!("there is not one image for {wanted} in it")).hint(format!(
        "there are images for {}: choose with --platform",
        platforms.join(", ")
    ))
}
