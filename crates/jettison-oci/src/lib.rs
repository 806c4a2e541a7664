//! OCI images: digests, configurations, layers, layouts and the content store.

#![forbid(unsafe_code)]

mod artifacts;
mod changeset;
mod compress;
mod config;
mod descriptor;
mod digest;
mod image;
mod layout;
mod manifest;
mod media_type;
mod reference;
mod registry;
mod rootfs;
mod store;
mod time;
mod wire;

pub use crate::artifacts::ArtifactLayout;
pub use crate::changeset::{
    Devices, Entry, EntryContent, EntryKind, LayerEntry, LayerError, LayerOptions, LayerWriter,
    Owners, Placement, TarFile, UnpackOptions, UnpackSummary, Whiteouts, Xattrs, each_entry,
    layer_entries, measure_layer, unpack_layer, unpack_layer_as, unpack_layer_over, unpack_layers,
    unpack_tar, write_layer,
};
pub use crate::compress::{Compression, KeptBlocks};
pub use crate::config::{HistoryEntry, ImageConfig, RootFs, RunConfig};
pub use crate::descriptor::{Descriptor, Platform};
pub use crate::digest::{
    ChainId, DiffId, Digest, DigestParseError, Hasher, ImageId, ManifestDigest,
};
pub use crate::image::{Image, ImageError, Layer, Measure};
pub use crate::layout::{
    Annotations, Destination, ExportContent, ExportError, ExportFormat, ExportImage, ExportOptions,
    ExportSettings, Exported, ExportedImage, ImportSelection, ImportSource, ImportedImage,
    MediaTypes, Original, PlatformAnnotations, Recompression, SavedImage, Sink, Timestamps, export,
    export_image, export_original, import_archive, import_from_layout, import_images,
    import_layout, import_whole, save_images,
};
pub use crate::manifest::{ImageIndex, Manifest};
pub use crate::media_type::MediaType;
pub use crate::reference::{Reference, ReferenceParseError};
pub use crate::registry::{
    Clock, Credentials, Headers, HostOptions, Keys, LayerNeed, Method, Mirror, MirrorParseError,
    Naming, Originals, Patience, PlatformNeed, PullRequest, Pulled, PulledOriginal, PushRequest,
    Pushed, RegistryClient, RegistryError, RegistryOptions, RepositoryArtifacts, Request,
    RequestBody, Response, Transfer, TransferObserver, Transport, TransportError, Unwatched, Url,
    base64, from_base64,
};
pub use crate::rootfs::{
    LocalMode, RootfsFiles, RootfsImage, RootfsSettings, export_rootfs_directory,
    export_rootfs_tar, platform_directory,
};
pub use crate::store::{
    BlobReader, BlobSync, BlobWriter, Origin, Store, StoreError, StoreLock, StoreOptions,
    StoredBlob, TaggedImage,
};
pub use crate::time::unix_seconds;
