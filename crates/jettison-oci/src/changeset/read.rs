//! Reads the tars of layer blobs, and checks both against their digests.

use std::io::{self, Read};
use std::panic::resume_unwind;

use crate::changeset::pipe::{PipeReader, PipeWriter, pipe};
use crate::changeset::{LayerError, blob_error};
use crate::compress::Decoder;
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Hasher};
use crate::store::Store;

/// How many bytes are read at once.
const READ_SIZE: usize = 128 << 10;

/// Gives the tar of a layer blob to `consume`, and checks blob and tar against their digests.
pub(crate) fn with_tar<T>(
    store: &Store,
    blob: &Descriptor,
    expected: &DiffId,
    consume: impl FnOnce(&mut PipeReader) -> Result<T, LayerError>,
) -> Result<T, LayerError> {
    if !blob.media_type.is_layer() {
        let (digest, media_type) = (blob.digest, blob.media_type.clone());
        return Err(LayerError::MediaType { digest, media_type });
    }
    let (writer, mut reader) = pipe();
    let (decoded, consumed) = std::thread::scope(|scope| {
        let decoder = scope.spawn(|| decode(store, blob, writer));
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
    let decoded = match decoded {
        // The decoder only noticed that nobody reads any more.
        Err(LayerError::Stream { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            None
        }
        decoded => Some(decoded?),
    };
    let value = consumed?;
    match decoded {
        Some(actual) if actual == *expected => Ok(value),
        Some(actual) => Err(LayerError::DiffId {
            expected: *expected,
            actual,
        }),
        None => Err(read_error(io::ErrorKind::BrokenPipe.into())),
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

/// Writes the uncompressed blob to the pipe, and returns the digest of that.
fn decode(store: &Store, blob: &Descriptor, mut pipe: PipeWriter) -> Result<DiffId, LayerError> {
    let mut blob = store.open_blob(&blob.digest).map_err(blob_error("read"))?;
    let mut decoder = Decoder::new(&mut blob).map_err(read_error)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let n_read = match decoder.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(read_error)?,
        };
        if n_read == 0 {
            break;
        }
        hasher.update(&buffer[..n_read]);
        io::Write::write_all(&mut pipe, &buffer[..n_read]).map_err(read_error)?;
    }
    drop(decoder);
    // The decoder may have stopped before the end of the blob, where its digest is checked.
    io::copy(&mut blob, &mut io::sink()).map_err(read_error)?;
    pipe.finish().map_err(read_error)?;
    Ok(DiffId(hasher.finish()))
}

fn read_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "read",
        source,
    }
}
