//! Writes images out: what is asked for, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use crate::compress::Compression;
use crate::descriptor::{Descriptor, Platform};
use crate::image::Image;
use crate::layout::prepare::Prepared;
use crate::layout::{ExportError, archive, directory};
use crate::reference::Reference;
use crate::registry::Unwatched;
use crate::store::Store;

/// An image to be written out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportImage {
    /// The image.
    pub image: Image,
    /// The image that it was built on. Of the layers that are this one's, times are not changed, and those that every
    /// tool can read stay compressed as they are.
    pub base: Option<Image>,
    /// What the descriptor says that it runs on, if not what the configuration says.
    pub platform: Option<Platform>,
}

impl ExportImage {
    /// What the descriptor says that it runs on.
    pub(super) fn platform(&self) -> Platform {
        let image = || self.image.platform();
        self.platform.clone().unwrap_or_else(image)
    }
}

/// What is written out.
#[derive(Debug, Clone, PartialEq)]
pub enum ExportContent {
    /// One image.
    Image(ExportImage),
    /// An index of images, one for each platform.
    Index(Vec<ExportImage>),
}

/// Which layers are compressed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recompression {
    /// Those that are not compressed in the way that is asked for. A base's gzip and plain layers stay.
    Different,
    /// Only those that are not compressed at all, if something else is asked for.
    Plain,
    /// All, also those of the base (`force-compression=true`).
    All,
}

/// Whose media types manifests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaTypes {
    /// The OCI's.
    Oci,
    /// Docker's (`oci-mediatypes=false`). There are no annotations then.
    Docker,
}

/// What becomes of times, those of a base excepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// They stay.
    Keep,
    /// Times in the configuration that are later than these seconds since 1970 become them.
    ClampConfig(i64),
    /// So do times of files in layers (`rewrite-timestamp=true`).
    ClampAll(i64),
}

/// What is said about the parts of an export, by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Annotations {
    /// In each manifest.
    pub manifest: BTreeMap<String, String>,
    /// In the index, on each manifest.
    pub manifest_descriptor: BTreeMap<String, String>,
    /// In the index of images.
    pub index: BTreeMap<String, String>,
    /// In the layout, on the index of images.
    pub index_descriptor: BTreeMap<String, String>,
    /// What is said about single platforms.
    pub platforms: Vec<PlatformAnnotations>,
}

/// What is said about the image of one platform, by key, beside what is said about all.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformAnnotations {
    /// The platform, as the image's descriptor says it.
    pub platform: Platform,
    /// In the manifest.
    pub manifest: BTreeMap<String, String>,
    /// In the index, on the manifest.
    pub manifest_descriptor: BTreeMap<String, String>,
}

impl Annotations {
    fn is_empty(&self) -> bool {
        *self == Annotations::default()
    }

    /// What is said in the manifest for `platform`.
    pub(super) fn of_manifest(&self, platform: &Platform) -> BTreeMap<String, String> {
        let mut annotations = self.manifest.clone();
        for own in self.of_platform(platform) {
            annotations.extend(own.manifest.clone());
        }
        annotations
    }

    /// What is said on the manifest for `platform`.
    pub(super) fn of_descriptor(&self, platform: &Platform) -> BTreeMap<String, String> {
        let mut annotations = self.manifest_descriptor.clone();
        for own in self.of_platform(platform) {
            annotations.extend(own.manifest_descriptor.clone());
        }
        annotations
    }

    fn of_platform(&self, platform: &Platform) -> impl Iterator<Item = &PlatformAnnotations> {
        let own = self.platforms.iter();
        own.filter(|own| is_same(&own.platform, platform))
    }
}

/// How images are written out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportSettings {
    /// The names that the image or index gets.
    pub names: Vec<Reference>,
    /// How layers are compressed.
    pub compression: Compression,
    /// Which layers are compressed anew.
    pub recompression: Recompression,
    /// Whose media types manifests have.
    pub media_types: MediaTypes,
    /// What is said about the parts.
    pub annotations: Annotations,
    /// What becomes of times.
    pub timestamps: Timestamps,
}

/// Where a file goes.
pub enum Sink<'s> {
    /// To this path. A file appears when it is complete; one that is there is replaced then.
    File(PathBuf),
    /// Into something that cannot be undone, such as standard output.
    Stream(&'s mut dyn Write),
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Sink::Stream(_) => formatter.write_str("Stream"),
        }
    }
}

/// The forms in which images are written out.
#[derive(Debug)]
pub enum ExportFormat<'s> {
    /// An image layout directory; one that exists is added to.
    Layout(PathBuf),
    /// An image layout in one tar file.
    OciArchive(Sink<'s>),
    /// A tar file for `docker load`, of one image.
    DockerArchive(Sink<'s>),
}

/// What was written out.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The manifest, or the index.
    pub descriptor: Descriptor,
    /// The images, in the order in which they were given.
    pub images: Vec<ExportedImage>,
}

/// An image that was written out.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedImage {
    /// The manifest, with its platform.
    pub manifest: Descriptor,
    /// The configuration. Its digest is the image's ID.
    pub config: Descriptor,
}

/// Writes `content` out in the form that `format` says.
pub fn export(
    store: &Store,
    content: &ExportContent,
    settings: &ExportSettings,
    format: ExportFormat<'_>,
) -> Result<Exported, ExportError> {
    check(content, settings, &format)?;
    let scratch = store.tmp();
    let prepare = || Prepared::of(store, content, settings, &scratch);
    match format {
        ExportFormat::Layout(path) => directory::write(store, &path, |scratch| {
            Prepared::of(store, content, settings, scratch)
        }),
        ExportFormat::OciArchive(sink) | ExportFormat::DockerArchive(sink) => {
            archive::write(store, prepare()?, sink, &Unwatched)
        }
    }
}

/// Whether two platforms are the same as far as images are chosen by them.
fn is_same(one: &Platform, other: &Platform) -> bool {
    (&one.os, &one.architecture, &one.variant) == (&other.os, &other.architecture, &other.variant)
}

/// Refuses what cannot be said in the form that is asked for, in BuildKit's words where it has some.
fn check(
    content: &ExportContent,
    settings: &ExportSettings,
    format: &ExportFormat<'_>,
) -> Result<(), ExportError> {
    check_content(content, settings)?;
    match (content, format) {
        (ExportContent::Index(_), ExportFormat::DockerArchive(_)) => Err(ExportError::Impossible {
            reason: "docker exporter does not currently support exporting manifest lists",
        }),
        _ => Ok(()),
    }
}

/// Refuses what cannot be said in any form.
pub(crate) fn check_content(
    content: &ExportContent,
    settings: &ExportSettings,
) -> Result<(), ExportError> {
    let annotations = &settings.annotations;
    let refuse = |reason| Err(ExportError::Impossible { reason });
    // BuildKit: `Commit`, exporter/containerimage/writer.go, and `Export`, exporter/oci/export.go.
    if settings.media_types == MediaTypes::Docker && !annotations.is_empty() {
        return refuse("cannot export annotations with \"oci-mediatypes=false\"");
    }
    let images = match content {
        ExportContent::Image(image) => std::slice::from_ref(image),
        ExportContent::Index(images) => images,
    };
    for own in &annotations.platforms {
        let is_exported = |image: &ExportImage| is_same(&own.platform, &image.platform());
        if !images.iter().any(is_exported) {
            return Err(ExportError::NoSuchPlatform {
                platform: own.platform.id(),
            });
        }
    }
    match content {
        ExportContent::Image(_)
            if !annotations.index.is_empty() || !annotations.index_descriptor.is_empty() =>
        {
            refuse("index annotations not supported for single platform export")
        }
        ExportContent::Image(_) | ExportContent::Index(_) => Ok(()),
    }
}
