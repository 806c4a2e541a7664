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
