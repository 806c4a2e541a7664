//! Images out of the store, with the attributes of an output.

use std::io;
use std::path::Path;

use jettison_build::Built;
use jettison_dockerfile::Platform;
use jettison_oci::{
    Annotations, Compression, ExportContent, ExportError, ExportFormat, ExportImage,
    ExportSettings, Exported, MediaTypes, Originals, PushRequest, Recompression, Reference,
    RootfsImage, RootfsSettings, Sink, Store, Timestamps,
};

use crate::cli::{Annotation, AnnotationLevel, CompressionKind, FileDest, ImageAttributes};
use crate::commands::build::results::Outward;
use crate::commands::world;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::printable::printable;
use crate::progress::{Direction, Progress, Reasons};
use crate::registry::registry_failure;
use crate::surroundings::Surroundings;

/// The zstd level of exported layers, if none is asked for.
const ZSTD_LEVEL: i32 = 3;

/// What is written, and how.
#[derive(Debug)]
pub(super) struct Export<'a> {
    pub(super) store: &'a Store,
    /// One for each platform.
    pub(super) builds: &'a [Built],
    pub(super) tags: &'a [Reference],
    pub(super) annotations: &'a [Annotation],
    pub(super) attributes: &'a ImageAttributes,
}

/// The kinds of archives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Oci,
    Docker,
}

impl Export<'_> {
    /// Writes a directory.
    pub(super) fn layout(&self, path: &Path) -> Result<Exported, Failure> {
        let format = ExportFormat::Layout(path.to_path_buf());
        jettison_oci::export(self.store, &self.content(), &self.settings()?, format)
            .map_err(|error| Failure::user("cannot write the image out").because(&error))
    }

    /// Writes a tar.
    pub(super) fn archive(&self, dest: &FileDest, kind: Kind) -> Result<Exported, Failure> {
        let settings = self.settings()?;
        to_sink(dest, |sink| {
            let format = match kind {
                Kind::Oci => ExportFormat::OciArchive(sink),
                Kind::Docker => ExportFormat::DockerArchive(sink),
            };
            jettison_oci::export(self.store, &self.content(), &settings, format)
        })
    }

    /// Pushes the image to the registries of its names; what came of it is added to the notes.
    pub(super) fn push(&self, out: &mut Outward<'_>) -> Result<Exported, Failure> {
        let settings = self.settings()?;
        let request = PushRequest {
            content: &self.content(),
            settings: &settings,
            // It was built here.
            originals: Originals::Ignore,
        };
        let progress = Progress::new(out.progress, Reasons::Untold);
        progress.carries(Direction::Push);
        let pushed = out.client.push(self.store, &request, &progress);
        drop(progress);
        let pushed = pushed.map_err(|error| {
            let names = settings.names.iter().map(Reference::familiar);
            let names: Vec<String> = names.collect();
            registry_failure(format!("cannot push {}", names.join(", ")), &error)
        })?;
        for pushed in &pushed {
            let digest = pushed.descriptor.digest;
            let name = pushed.reference.familiar();
            out.notes.push(format!("pushed {name}@{digest}"));
        }
        let descriptor = pushed.into_iter().next().map(|pushed| pushed.descriptor);
        Ok(Exported {
            descriptor: descriptor.ok_or_else(|| Failure::user("nothing was pushed"))?,
            images: Vec::new(),
        })
    }

    /// Loads the image into a daemon; what that says is added to `notes`.
    pub(super) fn load(
        &self,
        daemon: &Daemon,
        notes: &mut Vec<String>,
    ) -> Result<Exported, Failure> {
        let settings = self.settings()?;
        let content = self.content();
        let (exported, lines) = daemon.load(|archive| {
            let format = ExportFormat::DockerArchive(Sink::Stream(archive));
            jettison_oci::export(self.store, &content, &settings, format)
        })?;
        notes.extend(lines.iter().map(|line| printable(line).into_owned()));
        Ok(exported)
    }

    /// The images as their files are written: each in a directory of its own if there are several, or if that is asked
    /// for.
    pub(super) fn rootfs(&self, splits: Option<bool>) -> Vec<RootfsImage> {
        let splits = splits.unwrap_or(self.builds.len() > 1);
        let images = self.builds.iter().map(|built| RootfsImage {
            image: built.image.clone(),
            directory: splits.then(|| directory(&platform(built))),
        });
        images.collect()
    }

    /// With `SOURCE_DATE_EPOCH` all files have that time.
    pub(super) fn rootfs_settings(&self) -> RootfsSettings {
        RootfsSettings {
            mtime: self.builds.iter().find_map(|built| built.plan.epoch),
        }
    }

    fn content(&self) -> ExportContent {
        let mut images: Vec<ExportImage> = self.builds.iter().map(export_image).collect();
        match images.pop() {
            Some(only) if images.is_empty() => ExportContent::Image(only),
            last => ExportContent::Index(images.into_iter().chain(last).collect()),
        }
    }

    fn settings(&self) -> Result<ExportSettings, Failure> {
        let attributes = self.attributes;
        let own = attributes.names.iter().map(|name| world::reference(name));
        let own: Vec<Reference> = own.collect::<Result<_, _>>()?;
        let names = if own.is_empty() {
            self.tags.to_vec()
        } else {
            own
        };
        let level = attributes.level;
        let compression = match attributes.compression {
            Some(CompressionKind::Uncompressed) => Compression::None,
            Some(CompressionKind::Zstd) => Compression::Zstd {
                level: level.unwrap_or(ZSTD_LEVEL),
            },
            Some(CompressionKind::Gzip) | None => {
                match level.and_then(|level| u32::try_from(level).ok()) {
                    Some(level) => Compression::Gzip { level },
                    None => Compression::INTEROPERABLE,
                }
            }
        };
        Ok(ExportSettings {
            names,
            compression,
            recompression: if attributes.forces_compression {
                Recompression::All
            } else {
                Recompression::Different
            },
            media_types: if attributes.has_docker_types {
                MediaTypes::Docker
            } else {
                MediaTypes::Oci
            },
            annotations: self.all_annotations()?,
            timestamps: self.timestamps()?,
        })
    }

    fn timestamps(&self) -> Result<Timestamps, Failure> {
        let planned = self.builds.iter().find_map(|built| built.plan.epoch);
        match (
            self.attributes.epoch.or(planned),
            self.attributes.rewrites_times,
        ) {
            (Some(epoch), true) => Ok(Timestamps::ClampAll(epoch)),
            (Some(epoch), false) => Ok(Timestamps::ClampConfig(epoch)),
            (None, false) => Ok(Timestamps::Keep),
            (None, true) => Err(Failure::user("rewrite-timestamp=true needs a time")
                .hint("set SOURCE_DATE_EPOCH, or `--build-arg SOURCE_DATE_EPOCH=SECONDS`")),
        }
    }

    /// The annotations of the command line, and those of the output on top.
    fn all_annotations(&self) -> Result<Annotations, Failure> {
        let mut all = Annotations::default();
        for annotation in self.annotations.iter().chain(&self.attributes.annotations) {
            if let Some(wanted) = &annotation.platform {
                let wanted = Platform::parse(wanted, &Surroundings::architecture())
                    .map_err(|error| Failure::user("cannot annotate").because(&error))?
                    .normalized();
                let [built] = self.builds else {
                    return Err(Failure::user(format!(
                        "annotations of one platform alone ([{wanted}]) are not supported for several"
                    )));
                };
                if platform(built) != wanted {
                    continue;
                }
            }
            let place = match annotation.level {
                AnnotationLevel::Manifest => &mut all.manifest,
                AnnotationLevel::ManifestDescriptor => &mut all.manifest_descriptor,
                AnnotationLevel::Index => &mut all.index,
                AnnotationLevel::IndexDescriptor => &mut all.index_descriptor,
            };
            place.insert(annotation.key.clone(), annotation.value.clone());
        }
        Ok(all)
    }
}

/// Gives the place for a file to what writes it.
pub(super) fn to_sink<T>(
    dest: &FileDest,
    write: impl FnOnce(Sink<'_>) -> Result<T, ExportError>,
) -> Result<T, Failure> {
    let mut stdout = io::stdout().lock();
    let sink = match dest {
        FileDest::Stdout => Sink::Stream(&mut stdout),
        FileDest::Path(path) => Sink::File(path.clone()),
    };
    write(sink).map_err(|error| Failure::user("cannot write the image out").because(&error))
}

/// The directory of a platform's files (BuildKit: `platforms.FormatAll`, with `_` for `/`).
fn directory(platform: &Platform) -> String {
    platform.to_string().replace('/', "_")
}

/// The platform of an image.
pub(super) fn platform(built: &Built) -> Platform {
    built.plan.target.platform.clone().normalized()
}

fn export_image(built: &Built) -> ExportImage {
    let (base, _) = built.plan.chain(built.plan.target.result);
    ExportImage {
        image: built.image.clone(),
        base: base.map(|index| built.plan.bases[index].image.clone()),
        platform: None,
    }
}
