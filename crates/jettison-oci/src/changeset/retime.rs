//! Writes layers anew with times that are not later than an epoch.

use std::io::{self, Read, Write};

use crate::changeset::LayerError;
use crate::changeset::entry::{
    Extension, archive_error, each_entry, natural, padding, read_extension, read_header,
};
use crate::changeset::header::{BLOCK, SIZE, extended};
use crate::changeset::read::with_blob;
use crate::compress::{Compression, Encoder};
use crate::digest::{DiffId, Hasher};
use crate::image::Layer;
use crate::store::Store;

/// Writes the tar of `layer` to `writer`, compressed anew, where no time is later than `epoch`, and returns its diff ID.
///
/// Nothing is written and returned if there are no such times: the layer is as it should be.
pub(crate) fn retime<W: Write>(
    store: &Store,
    layer: &Layer,
    epoch: i64,
    compression: Compression,
    writer: W,
) -> Result<Option<(DiffId, W)>, LayerError> {
    let is_late = with_blob(store, &layer.blob, |tar| {
        let mut is_late = false;
        each_entry(tar, |entry, _| {
            is_late |= entry.mtime > (epoch, 0);
            Ok(())
        })?;
        Ok(is_late)
    })?;
    if !is_late {
        return Ok(None);
    }
    with_blob(store, &layer.blob, |tar| {
        let mut tee = Tee {
            hasher: Hasher::new(),
            encoder: Encoder::new(writer, compression),
        };
        clamp(tar, epoch, &mut tee)?;
        let writer = tee.encoder.finish().map_err(write_error)?;
        Ok(Some((DiffId(tee.hasher.finish()), writer)))
    })
}

/// Copies a tar and changes its times. All else stays, also how it is written.
fn clamp(reader: &mut dyn Read, epoch: i64, writer: &mut dyn Write) -> Result<(), LayerError> {
    let mut reader = reader;
    let mut extension = Extension::default();
    while let Some(mut header) = read_header(&mut reader)? {
        let size = natural(&header, SIZE)?;
        match header.entry_type().as_byte() {
            b'x' => {
                let content = read_extension(&mut reader, size)?;
                extension.add_records(&content)?;
                let is_late = extension.mtime()?.is_some_and(|time| time > (epoch, 0));
                if is_late {
                    write_records(&header, &extension, writer)?;
                } else {
                    write_block(&header, &content, writer)?;
                }
            }
            b'L' | b'K' | b'g' => {
                let content = read_extension(&mut reader, size)?;
                write_block(&header, &content, writer)?;
            }
            _ => {
                let described = std::mem::take(&mut extension).apply(&header)?;
                if described.entry.mtime > (epoch, 0) {
                    set_mtime(&mut header, epoch);
                }
                writer.write_all(header.as_bytes()).map_err(write_error)?;
                let content = described.stored + padding(described.stored);
                let copied = io::copy(&mut (&mut reader).take(content), writer);
                if copied.map_err(write_error)? != content {
                    return Err(archive_error(io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
    }
    writer.write_all(&[0; 2 * BLOCK]).map_err(write_error)
}

/// Writes an extended header without its times. The header behind it has one.
fn write_records(
    header: &tar::Header,
    extension: &Extension,
    writer: &mut dyn Write,
) -> Result<(), LayerError> {
    let mut records = extension.records().clone();
    for key in ["mtime", "atime", "ctime"] {
        records.remove(key.as_bytes());
    }
    let bytes = extended(&header.path_bytes(), &records);
    writer.write_all(&bytes).map_err(write_error)
}

fn write_block(
    header: &tar::Header,
    content: &[u8],
    writer: &mut dyn Write,
) -> Result<(), LayerError> {
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let padding = usize::try_from(padding(size)).unwrap_or_default();
    for bytes in [header.as_bytes(), content, &[0; BLOCK][..padding]] {
        writer.write_all(bytes).map_err(write_error)?;
    }
    Ok(())
}

fn set_mtime(header: &mut tar::Header, epoch: i64) {
    header.set_mtime(u64::try_from(epoch).unwrap_or_default());
    header.set_cksum();
}

fn write_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "write",
        source,
    }
}

/// Hashes what is compressed.
struct Tee<W: Write> {
    hasher: Hasher,
    encoder: Encoder<W>,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}
