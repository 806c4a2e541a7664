//! Writes layers: walking, hashing and compressing at the same time.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use crate::changeset::header::BLOCK;
use crate::changeset::lowers::Lowers;
use crate::changeset::pipe::{PipeReader, PipeWriter, pipe};
use crate::changeset::root::Root;
use crate::changeset::upper::{Count, write_changes};
use crate::changeset::{LayerError, blob_error};
use crate::compress::{Compression, Encoder};
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest, Hasher};
use crate::image::Layer;
use crate::store::{BlobWriter, Store};

/// How a layer is written.
#[derive(Debug, Clone)]
pub struct LayerOptions {
    /// How the blob is compressed.
    pub compression: Compression,
    /// The latest time of modification, in seconds since 1970; later ones become it.
    pub clamp_mtime: Option<i64>,
}

/// Writes the changes that the overlay upper directory `upper` holds as a layer blob.
///
/// `lowers` are the directories below it, top first. They are read only where the upper hides all
/// that is below a directory: the layer then says which names that removes.
pub fn write_layer(
    store: &Store,
    upper: &Path,
    lowers: &[PathBuf],
    options: &LayerOptions,
) -> Result<Layer, LayerError> {
    let root = Root::open(upper)?;
    let lowers = Lowers::open(lowers)?;
    let blob = store.blob_writer().map_err(blob_error("write"))?;
    let (writer, reader) = pipe();
    let (produced, stored) = std::thread::scope(|scope| {
        let compressor = scope.spawn(|| compress(reader, blob, options.compression));
        let produced = produce(&root, &lowers, options, writer);
        (
            produced,
            compressor
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    let (count, diff_id) = match produced {
        // The producer only noticed that the compressor has failed.
        Err(error) if is_broken_pipe(&error) => return Err(stored.err().unwrap_or(error)),
        produced => produced?,
    };
    let (digest, size) = stored?;
    Ok(Layer {
        diff_id,
        blob: Descriptor::new(options.compression.media_type(), digest, size),
        unpacked_size: count.unpacked_size,
        files: count.files,
    })
}

/// Writes the tar to the pipe.
fn produce(
    root: &Root,
    lowers: &Lowers,
    options: &LayerOptions,
    pipe: PipeWriter,
) -> Result<(Count, DiffId), LayerError> {
    let mut tar = Hashed {
        hasher: Hasher::new(),
        writer: pipe,
    };
    let count = write_changes(root, lowers, options.clamp_mtime, &mut tar)?;
    // Two empty blocks end an archive.
    tar.write_all(&[0; 2 * BLOCK]).map_err(stream_error)?;
    tar.writer.finish().map_err(stream_error)?;
    Ok((count, DiffId(tar.hasher.finish())))
}

/// Compresses what comes through the pipe into the blob.
fn compress(
    mut pipe: PipeReader,
    blob: BlobWriter,
    compression: Compression,
) -> Result<(Digest, u64), LayerError> {
    let mut encoder = Encoder::new(blob, compression).map_err(stream_error)?;
    loop {
        let chunk = pipe.chunk().map_err(stream_error)?;
        if chunk.is_empty() {
            break;
        }
        encoder.write_all(chunk).map_err(stream_error)?;
        let length = chunk.len();
        pipe.consume(length);
    }
    let blob = encoder.finish().map_err(stream_error)?;
    blob.finish().map_err(blob_error("write"))
}

fn stream_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "write",
        source,
    }
}

fn is_broken_pipe(error: &LayerError) -> bool {
    matches!(error, LayerError::Stream { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

/// Hashes what passes through.
struct Hashed<W> {
    hasher: Hasher,
    writer: W,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
