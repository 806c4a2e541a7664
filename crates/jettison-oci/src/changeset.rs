//! Layers as tar streams: written from overlay uppers, and unpacked into them.
//!
//! A layer of ours is a ustar archive whose entries are sorted by the bytes of their names, where a
//! directory's name ends in a slash. Removed names are explicit whiteouts (`.wh.<name>`). Times are
//! whole seconds, owners are numbers, and extended headers are written only for what ustar cannot
//! say. The same upper always gives the same bytes.

mod archive;
mod entry;
mod header;
mod lowers;
mod measure;
mod meter;
mod pipe;
mod read;
mod retime;
mod root;
mod stream;
mod unchanged;
mod unpack;
mod upper;
mod whiteout;
mod write;
mod xattr;

pub use crate::changeset::archive::TarFile;
pub use crate::changeset::entry::{Entry, EntryContent, EntryKind, each_entry};
pub(crate) use crate::changeset::header::{BLOCK, Header, Kind};
pub use crate::changeset::measure::{LayerEntry, layer_entries, measure_layer};
pub(crate) use crate::changeset::measure::{recompress, store_layer};
pub(crate) use crate::changeset::meter::LayerMeter;
pub(crate) use crate::changeset::pipe::{PipeWriter, pipe};
pub(crate) use crate::changeset::read::with_blob;
pub(crate) use crate::changeset::retime::retime;
pub use crate::changeset::stream::LayerWriter;
pub(crate) use crate::changeset::stream::header_of;
pub use crate::changeset::unpack::{
    Devices, Owners, Placement, UnpackOptions, UnpackSummary, Whiteouts, unpack_layer,
    unpack_layer_as, unpack_layer_over, unpack_layers, unpack_tar,
};
pub(crate) use crate::changeset::whiteout::Whiteout;
pub use crate::changeset::write::{LayerOptions, write_layer};
pub use crate::changeset::xattr::Xattrs;

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::{DiffId, Digest};
use crate::media_type::MediaType;
use crate::store::StoreError;

/// What can go wrong with a layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The blob cannot be read or written.
    #[error("cannot {action} layer blob")]
    Blob {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        source: Box<StoreError>,
    },
    /// The stream that a layer comes from or goes to failed.
    #[error("cannot {action} layer")]
    Stream {
        /// What was tried.
        action: &'static str,
        /// What was said.
        source: io::Error,
    },
    /// The layer's tar is not the one that its image lists.
    #[error("layer {expected} is corrupt: its tar hashes to {actual}")]
    DiffId {
        /// What the image lists.
        expected: DiffId,
        /// What the tar hashes to.
        actual: DiffId,
    },
    /// The blob is not a layer that we can read.
    #[error("blob {digest} has media type `{media_type}`, which is not a layer")]
    MediaType {
        /// The blob.
        digest: Digest,
        /// Its media type.
        media_type: MediaType,
    },
    /// The archive is damaged.
    #[error("cannot read archive")]
    Archive {
        /// What the archive reader said.
        source: io::Error,
    },
    /// An entry ends before its size.
    #[error("the archive ends within `{}`", .path.display())]
    Truncated {
        /// The entry.
        path: PathBuf,
    },
    /// An entry's name leads out of the directory, or is none.
    #[error("the archive has an entry with the unsafe name `{}`", .path.display())]
    UnsafeName {
        /// The name.
        path: PathBuf,
    },
    /// A hard link's target is not in the directory, or is none of the files that can have names.
    #[error("the archive's `{}` is a hard link to a file that is not there", .path.display())]
    MissingTarget {
        /// The entry.
        path: PathBuf,
    },
    /// A layer hides all that is below it, which an overlay upper cannot say of its top.
    #[error("the layer has an opaque whiteout at its top")]
    OpaqueRoot,
    /// An entry is a device, which was not permitted.
    #[error("the archive has the device `{}`", .path.display())]
    Device {
        /// The entry.
        path: PathBuf,
    },
    /// An entry is of a kind that we do not know.
    #[error("the archive's `{}` is of the unknown kind {kind:#04x}", .path.display())]
    UnknownKind {
        /// The entry.
        path: PathBuf,
        /// The type flag.
        kind: u8,
    },
    /// A file cannot be written down in a layer.
    #[error("cannot write `{}` in a layer: {reason}", .path.display())]
    Unrepresentable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// An entry was added behind one that it should come before, or is there twice.
    #[error("layer entry `{}` does not come after `{}`", .path.display(), .after.display())]
    Order {
        /// The entry.
        path: PathBuf,
        /// The one before it.
        after: PathBuf,
    },
    /// A file was changed while it was read.
    #[error("`{}` was changed while it was read", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// Says that `action` on `path` failed.
fn io_error<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> LayerError {
    move |source| LayerError::Io {
        action,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Says that the blob of a layer cannot be read or written.
fn blob_error(action: &'static str) -> impl FnOnce(StoreError) -> LayerError {
    move |source| LayerError::Blob {
        action,
        source: Box::new(source),
    }
}
