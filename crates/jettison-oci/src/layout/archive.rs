//! Image layouts as tar files.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::changeset::{BLOCK, Header, Kind};
use crate::layout::directory::write_file;
use crate::layout::export::{Exported, Sink};
use crate::layout::prepare::{Blob, Prepared};
use crate::layout::watch::{compressing, watched};
use crate::layout::{ExportError, io_error};
use crate::manifest::ImageIndex;
use crate::registry::TransferObserver;
use crate::store::{OCI_LAYOUT, Store};

/// Writes `prepared` as a tar file.
pub(super) fn write(
    store: &Store,
    prepared: Prepared,
    sink: Sink<'_>,
    observer: &dyn TransferObserver,
) -> Result<Exported, ExportError> {
    let exported = prepared.exported.clone();
    write_to(sink, |writer, path| {
        entries(store, prepared, (path, writer), observer)
    })?;
    Ok(exported)
}

/// Lets `write` write to where `sink` says; it also gets a name for that.
pub(crate) fn write_to(
    sink: Sink<'_>,
    write: impl FnOnce(&mut dyn Write, &Path) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let path = match &sink {
        Sink::File(path) => path.clone(),
        Sink::Stream(_) => PathBuf::from("the output"),
    };
    let mut failure = None;
    let buffered = |inner: &mut dyn Write| {
        let mut writer = BufWriter::with_capacity(128 << 10, inner);
        match write(&mut writer, &path) {
            Ok(()) => writer.flush(),
            Err(error) => {
                failure = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    };
    let written = match sink {
        Sink::File(path) => write_file(&path, |file| buffered(file)),
        Sink::Stream(stream) => buffered(stream).map_err(io_error("write", &path)),
    };
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

/// Writes all entries, sorted by name.
fn entries(
    store: &Store,
    prepared: Prepared,
    (path, tar): (&Path, &mut dyn Write),
    observer: &dyn TransferObserver,
) -> Result<(), ExportError> {
    for directory in ["blobs/", "blobs/sha256/"] {
        let header = Header::new(directory.as_bytes().to_vec(), Kind::Directory);
        let header = Header {
            mode: 0o755,
            ..header
        };
        tar.write_all(&header.to_bytes())
            .map_err(io_error("write", path))?;
    }
    for (digest, mut blob) in prepared.blobs {
        let size = blob.size();
        let name = format!("blobs/sha256/{}", digest.hex());
        if let Blob::Later(_) = blob {
            compressing(observer, (digest, size), || blob.make(store, &digest))?;
        }
        let mut content = blob.open(store, &digest)?;
        watched(observer, (digest, size), &mut content, |content| {
            entry(tar, &name, size, content).map_err(io_error("write", path))
        })?;
    }
    let index = ImageIndex::new(prepared.entries).to_json();
    let docker_manifest = prepared.docker_manifest;
    for (name, bytes) in [
        ("index.json", Some(index.as_slice())),
        ("manifest.json", docker_manifest.as_deref()),
        ("oci-layout", Some(OCI_LAYOUT)),
    ] {
        let Some(bytes) = bytes else { continue };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        entry(tar, name, size, &mut &bytes[..]).map_err(io_error("write", path))?;
    }
    tar.write_all(&[0; 2 * BLOCK])
        .map_err(io_error("write", path))
}

/// Writes a file of exactly `size` bytes.
fn entry(tar: &mut dyn Write, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
    let header = Header::new(name.as_bytes().to_vec(), Kind::File);
    tar.write_all(
        &Header {
            mode: 0o644,
            size,
            ..header
        }
        .to_bytes(),
    )?;
    // To the end, where a blob is verified.
    let copied = io::copy(content, tar)?;
    if copied != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a blob has another size",
        ));
    }
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    tar.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])
}
