//! Image layouts as directories.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::layout::{Export, ExportError, io_error, store_error};
use crate::manifest::ImageIndex;
use crate::store::{OCI_LAYOUT, REF_NAME, Store, temporary_in};

/// Writes `export` into the layout at `path`, or makes one there.
pub(super) fn write(store: &Store, export: Export, path: &Path) -> Result<(), ExportError> {
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return create(store, export, path);
        }
        Err(error) => return Err(io_error("list", path)(error)),
    };
    if !is_empty && !path.join("oci-layout").is_file() {
        return Err(ExportError::NotALayout {
            path: path.to_owned(),
        });
    }
    // Two programs that add to one layout must not lose each other's images.
    let lock = File::open(path).map_err(io_error("open", path))?;
    lock.lock().map_err(io_error("lock", path))?;
    add(store, export, path)
}

/// Makes a layout beside `path` and gives it its name when it is complete.
fn create(store: &Store, export: Export, path: &Path) -> Result<(), ExportError> {
    let parent = parent(path);
    let temporary = tempfile::Builder::new()
        .prefix(".jettison-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(io_error("create a directory in", parent))?;
    add(store, export, temporary.path())?;
    fs::rename(temporary.path(), path).map_err(io_error("create", path))?;
    // It has another name now, under which it must stay.
    let _renamed = temporary.keep();
    Ok(())
}

/// The directory that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn add(store: &Store, export: Export, path: &Path) -> Result<(), ExportError> {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(io_error("create", &blobs))?;
    let Export {
        manifest,
        blobs: sources,
        docker_manifest: _,
    } = export;
    for (digest, mut source) in sources {
        let blob = blobs.join(digest.hex());
        let mut source = source.open(store, &digest)?;
        write_file(&blob, |file| io::copy(&mut source, file).map(drop))?;
    }
    write_file(&path.join("oci-layout"), |file| file.write_all(OCI_LAYOUT))?;
    let index_path = path.join("index.json");
    let mut index = match fs::read(&index_path) {
        Ok(json) => ImageIndex::from_json(&json).map_err(|source| ExportError::Json {
            what: "index.json".to_owned(),
            source,
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => ImageIndex::new(Vec::new()),
        Err(error) => return Err(io_error("read", &index_path)(error)),
    };
    let name = manifest.annotations.get(REF_NAME).cloned();
    index
        .manifests
        .retain(|entry| match entry.annotations.get(REF_NAME) {
            None => name.is_some() || entry.digest != manifest.digest,
            other => other != name.as_ref(),
        });
    index.manifests.push(manifest);
    write_file(&index_path, |file| file.write_all(&index.to_json()))
}

/// Makes `path` a file that holds what `write` writes, whole or not at all. A symlink stays one, and what is no regular
/// file, such as a device, is written to.
pub(super) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ExportError> {
    let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let path = resolved.as_path();
    let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    if is_special {
        let mut file = File::options()
            .write(true)
            .open(path)
            .map_err(io_error("open", path))?;
        return write(&mut file).map_err(io_error("write", path));
    }
    let mut file = temporary_in(parent(path)).map_err(store_error("write"))?;
    write(file.as_file_mut()).map_err(io_error("write", path))?;
    file.as_file().sync_all().map_err(io_error("write", path))?;
    file.persist(path)
        .map_err(|error| io_error("replace", path)(error.error))?;
    Ok(())
}
