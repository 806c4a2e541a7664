//! Measures a layer while its blob arrives, so that nothing is read twice.
//!
//! ```text
//! bytes of the blob ─► pipe ─► uncompress ─► pipe ─► hash and count
//! ```

use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use crate::changeset::LayerError;
use crate::changeset::measure::count;
use crate::changeset::pipe::{PipeReader, PipeWriter, pipe};
use crate::changeset::read::{check_type, uncompressed};
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Hasher};
use crate::image::{Layer, Measure};

/// A layer that is being measured. The work is done by threads of its own, which end with it.
pub(crate) struct LayerMeter {
    // `None` once nobody reads any more.
    pipe: Option<PipeWriter>,
    thread: JoinHandle<Result<Measures, LayerError>>,
}

/// What is known of a layer when all of its blob has been seen.
struct Measures {
    diff_id: DiffId,
    measure: Measure,
}

impl LayerMeter {
    /// Begins with the first byte of a blob.
    pub(crate) fn start() -> LayerMeter {
        let (writer, reader) = pipe();
        LayerMeter {
            pipe: Some(writer),
            thread: thread::spawn(|| measure(reader)),
        }
    }

    /// Takes the next bytes of the blob. That they make no sense is said at the end: they may be the wrong ones, which
    /// the blob's digest tells.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if let Some(pipe) = &mut self.pipe
            && pipe.write_all(bytes).is_err()
        {
            self.pipe = None;
        }
    }

    /// Describes the layer, of whose blob `blob` all has been added, if its tar is `expected`.
    pub(crate) fn finish(self, blob: &Descriptor, expected: &DiffId) -> Result<Layer, LayerError> {
        check_type(blob)?;
        if let Some(pipe) = self.pipe {
            // The thread knows why it reads no more.
            pipe.finish().unwrap_or_default();
        }
        let joined = self.thread.join();
        let measures = joined.unwrap_or_else(|panic| resume_unwind(panic))?;
        if measures.diff_id != *expected {
            return Err(LayerError::DiffId {
                expected: *expected,
                actual: measures.diff_id,
            });
        }
        Ok(Layer {
            diff_id: measures.diff_id,
            blob: blob.clone(),
            measure: Some(measures.measure),
        })
    }
}

fn measure(blob: PipeReader) -> Result<Measures, LayerError> {
    let mut hasher = Hasher::new();
    let measure = uncompressed(
        || Ok(blob),
        |_| (),
        |tar| {
            let mut tar = HashedTar {
                tar,
                hasher: &mut hasher,
            };
            let counted = count(&mut tar)?;
            // What stands behind the end counts for the diff ID as well.
            tar.drain().map_err(|source| LayerError::Stream {
                action: "read",
                source,
            })?;
            Ok(counted)
        },
    )?;
    Ok(Measures {
        diff_id: DiffId(hasher.finish()),
        measure,
    })
}

/// A tar that is hashed by whoever reads it, a chunk at a time: who uncompresses it has enough to do.
struct HashedTar<'t> {
    tar: &'t mut PipeReader,
    hasher: &'t mut Hasher,
}

impl HashedTar<'_> {
    /// The next bytes, hashed; none at the end.
    fn chunk(&mut self) -> io::Result<&[u8]> {
        let is_new = self.tar.is_spent();
        let chunk = self.tar.chunk()?;
        if is_new {
            self.hasher.update(chunk);
        }
        Ok(chunk)
    }

    /// Reads the rest.
    fn drain(&mut self) -> io::Result<()> {
        loop {
            let length = self.chunk()?.len();
            if length == 0 {
                return Ok(());
            }
            self.tar.consume(length);
        }
    }
}

impl Read for HashedTar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.chunk()?;
        let length = chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&chunk[..length]);
        self.tar.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::{Compression, Encoder};
    use crate::digest::Digest;
    use crate::media_type::MediaType;

    /// A tar with one file of so many bytes, and what some writers put behind its end.
    fn tar(size: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..=250).cycle().take(size).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(size as u64);
        header.set_mode(0o644);
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_data(&mut header, "directory/file", content.as_slice())
            .unwrap();
        let mut bytes = builder.into_inner().unwrap();
        bytes.extend([0; 10_240]);
        bytes
    }

    fn compressed(tar: &[u8], compression: Compression) -> (Vec<u8>, Descriptor) {
        let mut encoder = Encoder::new(Vec::new(), compression);
        encoder.write_all(tar).unwrap();
        let bytes = encoder.finish().unwrap();
        let size = bytes.len() as u64;
        let blob = Descriptor::new(compression.media_type(), Digest::of(&bytes), size);
        (bytes, blob)
    }

    #[test]
    fn a_layer_is_measured_whatever_pieces_it_arrives_in() {
        let tar = tar(3_000_000);
        let diff_id = DiffId(Digest::of(&tar));
        for compression in [
            Compression::None,
            Compression::Gzip { level: 1 },
            Compression::STORE,
        ] {
            let (bytes, blob) = compressed(&tar, compression);
            for piece in [1 + bytes.len() / 1000, bytes.len()] {
                let mut meter = LayerMeter::start();
                for piece in bytes.chunks(piece) {
                    meter.add(piece);
                }
                let layer = meter.finish(&blob, &diff_id).unwrap();
                let expected = Measure {
                    unpacked_size: 3_000_000,
                    files: 1,
                };
                assert_eq!(layer.measure, Some(expected));
                assert_eq!(layer.diff_id, diff_id);
                assert_eq!(layer.blob, blob);
            }
        }
    }

    #[track_caller]
    fn refused(bytes: &[u8], blob: &Descriptor, diff_id: &DiffId) -> LayerError {
        let mut meter = LayerMeter::start();
        for piece in bytes.chunks(1000) {
            meter.add(piece);
        }
        meter.finish(blob, diff_id).unwrap_err()
    }

    #[test]
    fn what_is_no_layer_is_refused_at_the_end() {
        let tar = tar(3_000_000);
        let diff_id = DiffId(Digest::of(&tar));
        let (bytes, blob) = compressed(&tar, Compression::Gzip { level: 1 });
        let other = DiffId(Digest::of(b"another"));
        let error = refused(&bytes, &blob, &other);
        assert!(matches!(error, LayerError::DiffId { .. }), "{error}");
        // A reader that gives up early does not hold up those who go on writing.
        let mut damaged = bytes.clone();
        damaged[5000..9000].fill(0xff);
        refused(&damaged, &blob, &diff_id);
        refused(&bytes[..bytes.len() - 9], &blob, &diff_id);
        refused(&vec![b'x'; 9_000_000], &blob, &diff_id);
        let mut text = blob.clone();
        text.media_type = MediaType::from("text/plain");
        let error = refused(&bytes, &text, &diff_id);
        assert!(matches!(error, LayerError::MediaType { .. }), "{error}");
    }

    #[test]
    fn a_meter_that_is_not_needed_ends() {
        let mut meter = LayerMeter::start();
        meter.add(b"half");
        let LayerMeter { pipe, thread } = meter;
        drop(pipe);
        assert!(thread.join().unwrap().is_err());
    }
}
