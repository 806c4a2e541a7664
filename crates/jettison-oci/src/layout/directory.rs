//! Image layouts as directories.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::descriptor::Descriptor;
use crate::layout::prepare::{Blob, Prepared};
use crate::layout::{ExportError, Exported, io_error, store_error};
use crate::manifest::ImageIndex;
use crate::store::{IMAGE_NAME, OCI_LAYOUT, REF_NAME, Store, temporary_in};

/// How much of a blob is read at once.
const PIECE: usize = 256 << 10;

/// Writes what `prepare` makes into the layout at `path`, or makes one there.
///
/// `prepare` gets a directory for files that are of use in the layout.
pub(super) fn write(
    store: &Store,
    path: &Path,
    prepare: impl FnOnce(&Path) -> Result<Prepared, ExportError>,
) -> Result<Exported, ExportError> {
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return create(store, path, prepare);
        }
        Err(error) => return Err(io_error("list", path)(error)),
    };
    if !is_empty && !path.join("oci-layout").is_file() {
        return Err(ExportError::NotALayout {
            path: path.to_owned(),
        });
    }
    let prepared = prepare(&blobs_in(path)?)?;
    // Two programs that add to one layout must not lose each other's images.
    let lock = File::open(path).map_err(io_error("open", path))?;
    lock.lock().map_err(io_error("lock", path))?;
    add(store, prepared, path)
}

/// Makes a layout beside `path` and gives it its name when it is complete.
fn create(
    store: &Store,
    path: &Path,
    prepare: impl FnOnce(&Path) -> Result<Prepared, ExportError>,
) -> Result<Exported, ExportError> {
    let parent = parent(path);
    let temporary = tempfile::Builder::new()
        .prefix(".jettison-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(io_error("create a directory in", parent))?;
    let prepared = prepare(&blobs_in(temporary.path())?)?;
    let exported = add(store, prepared, temporary.path())?;
    fs::rename(temporary.path(), path).map_err(io_error("create", path))?;
    // It has another name now, under which it must stay.
    let _renamed = temporary.keep();
    Ok(exported)
}

/// The directory that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The directory of a layout's blobs, which is made if it is not there.
fn blobs_in(path: &Path) -> Result<PathBuf, ExportError> {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(io_error("create", &blobs))?;
    Ok(blobs)
}

fn add(store: &Store, prepared: Prepared, path: &Path) -> Result<Exported, ExportError> {
    let blobs = blobs_in(path)?;
    for (digest, blob) in prepared.blobs {
        let target = blobs.join(digest.hex());
        match blob {
            // It is in the right directory already.
            Blob::File(file, _) => {
                let persisted = file.persist(&target);
                persisted.map_err(|error| io_error("replace", &target)(error.error))?;
            }
            mut other => {
                let mut source = other.open(store, &digest)?;
                write_file(&target, |file| carry(&mut source, file))?;
            }
        }
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
    let mut entries = prepared.entries;
    for entry in &mut entries {
        // An image without a name is the directory's newest (BuildKit: `solve`, client/solve.go).
        let name = entry.annotations.entry(REF_NAME.to_owned());
        name.or_insert_with(|| "latest".to_owned());
    }
    let is_replaced = |old: &Descriptor| entries.iter().any(|new| name_of(new) == name_of(old));
    index.manifests.retain(|old| !is_replaced(old));
    index.manifests.extend(entries);
    write_file(&index_path, |file| file.write_all(&index.to_json()))?;
    Ok(prepared.exported)
}

/// Copies all of `source`, in larger pieces than the standard library does.
fn carry(source: &mut dyn Read, file: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n_read) => file.write_all(&buffer[..n_read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The name that an entry of an index has, short and in full (BuildKit: `insertDesc`, client/ociindex/ociindex.go).
fn name_of(entry: &Descriptor) -> (Option<&String>, Option<&String>) {
    let annotation = |name| entry.annotations.get(name);
    (annotation(REF_NAME), annotation(IMAGE_NAME))
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
    file.persist(path)
        .map_err(|error| io_error("replace", path)(error.error))?;
    Ok(())
}
