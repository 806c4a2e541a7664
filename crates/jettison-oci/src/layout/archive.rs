//! Image layouts as tar files.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::changeset::{BLOCK, Header, Kind};
use crate::layout::directory::write_file;
use crate::layout::{Export, ExportError, io_error};
use crate::manifest::ImageIndex;
use crate::store::{OCI_LAYOUT, Store};

/// Writes `export` as a tar file at `path`.
pub(super) fn write(store: &Store, export: Export, path: &Path) -> Result<(), ExportError> {
    let mut failure = None;
    let written = write_file(path, |file| {
        let mut tar = BufWriter::with_capacity(128 << 10, file);
        match entries(store, export, path, &mut tar) {
            Ok(()) => tar.flush(),
            Err(error) => {
                failure = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => written,
    }
}

/// Writes all entries, sorted by name.
fn entries<W: Write>(
    store: &Store,
    export: Export,
    path: &Path,
    tar: &mut W,
) -> Result<(), ExportError> {
    let Export {
        manifest,
        blobs,
        docker_manifest,
    } = export;
    for directory in ["blobs/", "blobs/sha256/"] {
        let header = Header::new(directory.as_bytes().to_vec(), Kind::Directory);
        let header = Header {
            mode: 0o755,
            ..header
        };
        tar.write_all(&header.to_bytes())
            .map_err(io_error("write", path))?;
    }
    for (digest, mut blob) in blobs {
        let size = blob.size();
        let name = format!("blobs/sha256/{}", digest.hex());
        let mut content = blob.open(store, &digest)?;
        entry(tar, &name, size, &mut content).map_err(io_error("write", path))?;
    }
    let index = ImageIndex::new(vec![manifest]).to_json();
    for (name, bytes) in [
        ("index.json", index.as_slice()),
        ("manifest.json", &docker_manifest),
        ("oci-layout", OCI_LAYOUT),
    ] {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        entry(tar, name, size, &mut &bytes[..]).map_err(io_error("write", path))?;
    }
    tar.write_all(&[0; 2 * BLOCK])
        .map_err(io_error("write", path))
}

/// Writes a file of exactly `size` bytes.
fn entry<W: Write>(tar: &mut W, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
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
