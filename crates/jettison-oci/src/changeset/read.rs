//! Reads the tars of layer blobs, and checks both against their digests.

use std::io::{self, Read};
use std::panic::resume_unwind;

use crate::changeset::pipe::{PipeReader, PipeWriter, pipe};
use crate::changeset::{LayerError, blob_error};
use crate::compress::Decoder;
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Hasher};
use crate::store::Store;

/// Gives the tar of a layer blob to `consume`, and checks blob and tar against their digests.
pub(crate) fn with_tar<T>(
    store: &Store,
    blob: &Descriptor,
    expected: &DiffId,
    consume: impl FnOnce(&mut PipeReader) -> Result<T, LayerError>,
) -> Result<T, LayerError> {
    let mut hasher = Hasher::new();
    let value = decoded(store, blob, |tar| hasher.update(tar), consume)?;
    let actual = DiffId(hasher.finish());
    if actual == *expected {
        return Ok(value);
    }
    Err(LayerError::DiffId {
        expected: *expected,
        actual,
    })
}

/// Gives the tar of a layer blob to `consume`, and checks the blob against its digest.
pub(crate) fn with_blob<T>(
    store: &Store,
    blob: &Descriptor,
    consume: impl FnOnce(&mut PipeReader) -> Result<T, LayerError>,
) -> Result<T, LayerError> {
    decoded(store, blob, |_| (), consume)
}

/// Uncompresses in a thread, which shows all to `watch`, what `consume` reads.
fn decoded<T>(
    store: &Store,
    blob: &Descriptor,
    watch: impl FnMut(&[u8]) + Send,
    consume: impl FnOnce(&mut PipeReader) -> Result<T, LayerError>,
) -> Result<T, LayerError> {
    check_type(blob)?;
    let open = || store.open_blob(&blob.digest).map_err(blob_error("read"));
    uncompressed(open, watch, consume)
}

/// A blob that is no layer by its media type is not read.
pub(crate) fn check_type(blob: &Descriptor) -> Result<(), LayerError> {
    if blob.media_type.is_layer() {
        return Ok(());
    }
    let (digest, media_type) = (blob.digest, blob.media_type.clone());
    Err(LayerError::MediaType { digest, media_type })
}

/// Uncompresses in a thread, which shows all to `watch`, what `open` gives and `consume` reads. All of both is read.
pub(crate) fn uncompressed<T, R: Read>(
    open: impl FnOnce() -> Result<R, LayerError> + Send,
    watch: impl FnMut(&[u8]) + Send,
    consume: impl FnOnce(&mut PipeReader) -> Result<T, LayerError>,
) -> Result<T, LayerError> {
    let (writer, mut reader) = pipe();
    let (decoded, consumed) = std::thread::scope(|scope| {
        let decoder = scope.spawn(|| decode(open()?, watch, writer));
        let consumed = consume(&mut reader).and_then(|value| {
            drain(&mut reader)?;
            Ok(value)
        });
        drop(reader);
        (
            decoder.join().unwrap_or_else(|panic| resume_unwind(panic)),
            consumed,
        )
    });
    let is_complete = match decoded {
        // The decoder only noticed that nobody reads any more.
        Err(LayerError::Stream { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            false
        }
        decoded => {
            decoded?;
            true
        }
    };
    let value = consumed?;
    if is_complete {
        Ok(value)
    } else {
        Err(read_error(io::ErrorKind::BrokenPipe.into()))
    }
}

/// Reads the rest: an archive may be followed by padding, which belongs to the digest.
fn drain(reader: &mut PipeReader) -> Result<(), LayerError> {
    loop {
        let length = reader.chunk().map_err(read_error)?.len();
        if length == 0 {
            return Ok(());
        }
        reader.consume(length);
    }
}

/// Writes the uncompressed blob to the pipe.
fn decode(
    mut blob: impl Read,
    mut watch: impl FnMut(&[u8]),
    mut pipe: PipeWriter,
) -> Result<(), LayerError> {
    let mut decoder = Decoder::new(&mut blob).map_err(read_error)?;
    loop {
        let n_read = match decoder.read(pipe.space()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(read_error)?,
        };
        if n_read == 0 {
            break;
        }
        watch(&pipe.space()[..n_read]);
        pipe.commit(n_read).map_err(read_error)?;
    }
    drop(decoder);
    // The decoder may have stopped before the end of the blob, where its digest is checked.
    io::copy(&mut blob, &mut io::sink()).map_err(read_error)?;
    pipe.finish().map_err(read_error)
}

fn read_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "read",
        source,
    }
}
