//! Root filesystems outside of images: as a tar file, and as a directory.
//!
//! Layers are read twice: once to find out which of their files are left when all lie on each other, and once for these
//! files' contents. Nothing is mounted and nothing is unpacked on the way, so that no rights are needed.

mod files;
mod tar;
mod tree;

pub use crate::rootfs::files::RootfsFiles;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::changeset::{
    Devices, LayerError, Owners, PipeWriter, UnpackOptions, Whiteouts, pipe, unpack_tar,
};
use crate::descriptor::Platform;
use crate::image::{Image, Layer};
use crate::layout::{ExportError, Sink, io_error, write_to};
use crate::rootfs::tar::Target;
use crate::rootfs::tree::Tree;
use crate::store::Store;

/// An image whose root filesystem is written out.
#[derive(Debug, Clone, PartialEq)]
pub struct RootfsImage {
    /// The image.
    pub image: Image,
    /// The directory that it gets of its own, as with BuildKit's `platform-split`: see [`platform_directory`].
    pub directory: Option<String>,
}

/// How root filesystems are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootfsSettings {
    /// The time of modification of all files, in seconds since 1970, if they do not keep their own
    /// (`SOURCE_DATE_EPOCH`).
    pub mtime: Option<i64>,
}

/// What becomes of other files in a directory that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalMode {
    /// They stay.
    Copy,
    /// They are removed.
    Delete,
}

/// The directory that BuildKit gives a platform of its own: `linux_arm64`.
pub fn platform_directory(platform: &Platform) -> String {
    // BuildKit: `PlatformIDToPath`, exporter/local/platform.go.
    platform.id().replace(['/', '\\', ':'], "_")
}

/// Writes the root filesystems of `images` as one tar file.
///
/// Times are whole seconds; owners, modes, links and extended attributes are as in the layers.
pub fn export_rootfs_tar(
    store: &Store,
    images: &[RootfsImage],
    settings: &RootfsSettings,
    sink: Sink<'_>,
) -> Result<(), ExportError> {
    let rootfs = Rootfs::read(store, images)?;
    write_to(sink, |writer, path| {
        let written = rootfs.write(store, settings, writer);
        written.map_err(|error| match error {
            LayerError::Stream {
                action: "write",
                source,
            } => io_error("write", path)(source),
            error => rootfs_error(error),
        })
    })
}

/// Writes the root filesystems of `images` into the directory `path`, which is made if it is missing.
///
/// All files become the process's own (BuildKit: `syncTargetDiffCopy`, session/filesync/diffcopy.go). Files that are
/// there under the same names are replaced. Nothing outside of the directory is touched, wherever links in it lead.
pub fn export_rootfs_directory(
    store: &Store,
    images: &[RootfsImage],
    settings: &RootfsSettings,
    path: &Path,
    mode: LocalMode,
) -> Result<(), ExportError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(io_error("create", path))?;
    let rootfs = Rootfs::read(store, images)?;
    if mode == LocalMode::Delete {
        remove_others(path, &[], &rootfs.paths())?;
    }
    let (writer, reader) = pipe();
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        keep_directory_symlinks: false,
        owners: Owners::Squash,
        devices: Devices::Create,
        place: None,
    };
    let (written, unpacked) = std::thread::scope(|scope| {
        let producer = scope.spawn(|| rootfs.write_to_pipe(store, settings, writer));
        let unpacked = unpack_tar(reader, path, &options);
        let written = producer.join();
        (
            written.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            unpacked,
        )
    });
    match written {
        // The producer only noticed that nobody reads any more.
        Err(LayerError::Stream { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.map_err(rootfs_error)?,
    }
    unpacked.map_err(rootfs_error)?;
    Ok(())
}

fn rootfs_error(source: LayerError) -> ExportError {
    ExportError::Rootfs {
        source: Box::new(source),
    }
}

/// Root filesystems that are read so far that all their names are known.
struct Rootfs<'r> {
    parts: Vec<(&'r [Layer], Vec<u8>, Tree)>,
}

impl<'r> Rootfs<'r> {
    fn read(store: &Store, images: &'r [RootfsImage]) -> Result<Rootfs<'r>, ExportError> {
        let mut parts = Vec::new();
        let mut owners: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for RootfsImage { image, directory } in images {
            let tree = Tree::read(store, image.layers()).map_err(rootfs_error)?;
            let prefix = match directory {
                Some(directory) => format!("{directory}/").into_bytes(),
                None => Vec::new(),
            };
            if images.len() > 1 && directory.is_none() {
                let name = image.platform().id();
                claim(&mut owners, &tree, &name)?;
            }
            parts.push((image.layers(), prefix, tree));
        }
        Ok(Rootfs { parts })
    }

    fn write(
        self,
        store: &Store,
        settings: &RootfsSettings,
        writer: &mut dyn Write,
    ) -> Result<(), LayerError> {
        let mut target = Target {
            writer,
            prefix: &[],
            mtime: settings.mtime,
        };
        for (layers, prefix, tree) in self.parts {
            let mut target = Target {
                writer: &mut *target.writer,
                prefix: &prefix,
                mtime: settings.mtime,
            };
            if !prefix.is_empty() {
                target.prefix()?;
            }
            target.tree(store, layers, tree)?;
        }
        target.end()
    }

    fn write_to_pipe(
        self,
        store: &Store,
        settings: &RootfsSettings,
        mut pipe: PipeWriter,
    ) -> Result<(), LayerError> {
        self.write(store, settings, &mut pipe)?;
        pipe.finish().map_err(|source| LayerError::Stream {
            action: "write",
            source,
        })
    }

    /// All paths, and whether each is a directory.
    fn paths(&self) -> BTreeMap<Vec<u8>, bool> {
        let mut paths = BTreeMap::new();
        for (_, prefix, tree) in &self.parts {
            if let Some(directory) = prefix.strip_suffix(b"/") {
                paths.insert(directory.to_vec(), true);
            }
            let own = tree.paths();
            paths.extend(own.map(|(path, is_directory)| ([prefix, path].concat(), is_directory)));
        }
        paths
    }
}

/// Notes that the files of `tree` are those of `platform`, unless they are another's.
fn claim(
    owners: &mut BTreeMap<Vec<u8>, String>,
    tree: &Tree,
    platform: &str,
) -> Result<(), ExportError> {
    for (path, is_directory) in tree.paths() {
        if is_directory {
            continue;
        }
        if let Some(first) = owners.insert(path.to_vec(), platform.to_owned()) {
            return Err(ExportError::Overwritten {
                path: PathBuf::from(std::ffi::OsStr::from_bytes(path)),
                first,
                second: platform.to_owned(),
            });
        }
    }
    Ok(())
}

/// Removes what is below `root` and not among `kept`. Links are removed and not followed.
fn remove_others(
    root: &Path,
    directory: &[u8],
    kept: &BTreeMap<Vec<u8>, bool>,
) -> Result<(), ExportError> {
    let here = root.join(std::ffi::OsStr::from_bytes(directory));
    for entry in fs::read_dir(&here).map_err(io_error("list", &here))? {
        let entry = entry.map_err(io_error("list", &here))?;
        let name = entry.file_name();
        let path = match directory {
            b"" => name.as_bytes().to_vec(),
            directory => [directory, b"/", name.as_bytes()].concat(),
        };
        let full = entry.path();
        let is_directory = entry
            .file_type()
            .map_err(io_error("inspect", &full))?
            .is_dir();
        match (is_directory, kept.get(&path)) {
            (true, Some(true)) => remove_others(root, &path, kept)?,
            (true, _) => fs::remove_dir_all(&full).map_err(io_error("remove", &full))?,
            (false, Some(_)) => {}
            (false, None) => fs::remove_file(&full).map_err(io_error("remove", &full))?,
        }
    }
    Ok(())
}
