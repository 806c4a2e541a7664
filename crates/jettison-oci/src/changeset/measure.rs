//! Reads whole layers without unpacking them.

use std::io::{self, Read, Write};

use crate::changeset::entry::{EntryKind, WHITEOUT, each_entry};
use crate::changeset::read::{with_blob, with_tar};
use crate::changeset::{LayerError, blob_error};
use crate::compress::{Compression, Decoder, Encoder};
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Hasher};
use crate::image::{Layer, Measure};
use crate::store::{BlobWriter, Store};

/// Describes a layer that came from elsewhere: reads its blob, checks that its tar is `diff_id`,
/// and counts what is in it.
pub fn measure_layer(
    store: &Store,
    blob: &Descriptor,
    diff_id: &DiffId,
) -> Result<Layer, LayerError> {
    with_tar(store, blob, diff_id, |tar| {
        Ok(Layer {
            diff_id: *diff_id,
            blob: blob.clone(),
            measure: Some(count(tar)?),
        })
    })
}

/// Stores the layer whose tar, compressed or not, `content` gives, compressed as stores do it.
pub(crate) fn store_layer(store: &Store, content: &mut dyn Read) -> Result<Layer, LayerError> {
    let read_error = |source: io::Error| LayerError::Stream {
        action: "read",
        source,
    };
    let compression = Compression::STORE;
    let writer = store.blob_writer().map_err(blob_error("write"))?;
    let mut tee = Tee {
        tar: Decoder::new(content).map_err(read_error)?,
        hasher: Hasher::new(),
        encoder: Encoder::new(writer, compression),
    };
    let measure = count(&mut tee)?;
    // What stands behind the end counts for the diff ID as well.
    io::copy(&mut tee, &mut io::sink()).map_err(read_error)?;
    let writer = tee.encoder.finish().map_err(|source| LayerError::Stream {
        action: "write",
        source,
    })?;
    let (digest, size) = writer.finish().map_err(blob_error("write"))?;
    Ok(Layer {
        diff_id: DiffId(tee.hasher.finish()),
        blob: Descriptor::new(compression.media_type(), digest, size),
        measure: Some(measure),
    })
}

/// A tar that is hashed and compressed as it is read.
struct Tee<R: Read> {
    tar: Decoder<R>,
    hasher: Hasher,
    encoder: Encoder<BlobWriter>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.tar.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.encoder.write_all(&buffer[..length])?;
        Ok(length)
    }
}

/// The unpacked size and the number of files of a layer.
pub(crate) fn count(tar: impl Read) -> Result<Measure, LayerError> {
    let (mut unpacked_size, mut files) = (0_u64, 0);
    each_entry(tar, |entry, _| {
        let name = entry
            .path
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or_default();
        if entry.kind == EntryKind::Directory || name.starts_with(WHITEOUT) {
            return Ok(());
        }
        files += 1;
        if entry.kind == EntryKind::File {
            unpacked_size = unpacked_size.saturating_add(entry.size);
        }
        Ok(())
    })?;
    Ok(Measure {
        unpacked_size,
        files,
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
