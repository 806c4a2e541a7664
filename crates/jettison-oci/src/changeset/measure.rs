//! Reads whole layers without unpacking them.

use std::io::{self, Write};

use crate::changeset::LayerError;
use crate::changeset::entry::{EntryKind, WHITEOUT, each_entry};
use crate::changeset::read::{with_blob, with_tar};
use crate::compress::{Compression, Encoder};
use crate::descriptor::Descriptor;
use crate::digest::DiffId;
use crate::image::Layer;
use crate::store::Store;

/// Describes a layer that came from elsewhere: reads its blob, checks that its tar is `diff_id`,
/// and counts what is in it.
pub fn measure_layer(
    store: &Store,
    blob: &Descriptor,
    diff_id: &DiffId,
) -> Result<Layer, LayerError> {
    with_tar(store, blob, diff_id, |tar| {
        let mut layer = Layer {
            diff_id: *diff_id,
            blob: blob.clone(),
            unpacked_size: 0,
            files: 0,
        };
        each_entry(tar, |entry, _| {
            let name = entry
                .path
                .rsplit(|&byte| byte == b'/')
                .next()
                .unwrap_or_default();
            if entry.kind == EntryKind::Directory || name.starts_with(WHITEOUT) {
                return Ok(());
            }
            layer.files += 1;
            if entry.kind == EntryKind::File {
                layer.unpacked_size = layer.unpacked_size.saturating_add(entry.size);
            }
            Ok(())
        })?;
        Ok(layer)
    })
}

/// Something in a layer, by its path without a slash at the start or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerEntry<'a> {
    /// Anything but a directory, and the size of its content.
    File {
        /// Its path.
        path: &'a [u8],
        /// The size of a regular file in bytes, else 0.
        size: u64,
    },
    /// A whiteout: what lower layers have at the path is gone.
    Removed {
        /// The path.
        path: &'a [u8],
    },
    /// An opaque whiteout: what lower layers have in the directory is gone.
    Emptied {
        /// The directory.
        path: &'a [u8],
    },
}

/// Tells `see` what is in a layer, in its order, without unpacking it.
pub fn layer_entries(
    store: &Store,
    layer: &Layer,
    see: &mut dyn FnMut(LayerEntry<'_>),
) -> Result<(), LayerError> {
    with_blob(store, &layer.blob, |tar| {
        each_entry(tar, |entry, _| {
            let path = entry.path.strip_suffix(b"/").unwrap_or(&entry.path);
            let split = path.iter().rposition(|&byte| byte == b'/');
            let (parent, name) = match split {
                Some(slash) => (&path[..slash], &path[slash + 1..]),
                None => (&b""[..], path),
            };
            if name == b".wh..wh..opq" {
                see(LayerEntry::Emptied { path: parent });
            } else if let Some(name) = name.strip_prefix(WHITEOUT) {
                let removed = if parent.is_empty() {
                    name.to_vec()
                } else {
                    [parent, b"/", name].concat()
                };
                see(LayerEntry::Removed { path: &removed });
            } else if entry.kind != EntryKind::Directory {
                let size = if entry.kind == EntryKind::File {
                    entry.size
                } else {
                    0
                };
                see(LayerEntry::File { path, size });
            }
            Ok(())
        })
    })
}

/// Writes the tar of `layer` to `writer`, compressed anew.
pub(crate) fn recompress<W: Write>(
    store: &Store,
    layer: &Layer,
    compression: Compression,
    writer: W,
) -> Result<W, LayerError> {
    // The blob is checked as it is read, and that it holds this tar was checked when the layer was made or imported.
    with_blob(store, &layer.blob, |tar| {
        let write_error = |source: io::Error| LayerError::Stream {
            action: "write",
            source,
        };
        let mut encoder = Encoder::new(writer, compression);
        loop {
            let chunk = tar.chunk().map_err(write_error)?;
            let length = chunk.len();
            if length == 0 {
                break;
            }
            encoder.write_all(chunk).map_err(write_error)?;
            tar.consume(length);
        }
        encoder.finish().map_err(write_error)
    })
}
