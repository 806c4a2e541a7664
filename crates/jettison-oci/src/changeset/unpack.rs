//! Unpacks archives into a directory that they cannot lead out of.

mod many;
mod place;
mod tree;

pub use crate::changeset::unpack::many::unpack_layers;

use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::changeset::LayerError;
use crate::changeset::entry::{Entry, EntryKind, each_entry, safe_path};
use crate::changeset::lowers::Lowers;
use crate::changeset::read::with_tar;
use crate::changeset::root::{Root, to_path};
use crate::changeset::unpack::place::Unpacker;
use crate::image::Layer;
use crate::store::Store;

/// What entries named `.wh.<name>` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteouts {
    /// Removed names, to be written as overlayfs has them in an upper directory.
    Overlay,
    /// Files with such names.
    Literal,
}

/// Whose the unpacked files become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// The users and groups that the archive says.
    Preserve,
    /// Those of the process.
    Squash,
    /// The users and groups that the archive says where they exist in this user namespace, and those of the process
    /// elsewhere, without set-user-ID and set-group-ID bits then. [`UnpackSummary::squashed`] says how often.
    WhereMapped,
}

/// What is done with device nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices {
    /// An archive that has one is refused.
    Refuse,
    /// They are made, which takes real privileges.
    Create,
    /// They are left out, as moby does it in a user namespace.
    Skip,
}

/// Says where an entry goes: its path in the archive (without `./`) to a path in the directory, or
/// `None` to leave it out.
pub type Placement<'p> = dyn Fn(&Path) -> Option<PathBuf> + 'p;

/// How an archive is unpacked.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'p> {
    /// What entries named `.wh.<name>` mean.
    pub whiteouts: Whiteouts,
    /// Whether a symlink to a directory stays where the archive has a directory, and a directory
    /// where the archive has a symlink, as dpkg does it.
    pub keep_directory_symlinks: bool,
    /// Whose the files become.
    pub owners: Owners,
    /// What is done with device nodes.
    pub devices: Devices,
    /// Where entries go, if not where the archive says.
    pub place: Option<&'p Placement<'p>>,
}

impl fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnpackOptions")
            .field("whiteouts", &self.whiteouts)
            .field("keep_directory_symlinks", &self.keep_directory_symlinks)
            .field("owners", &self.owners)
            .field("devices", &self.devices)
            .field("place", &self.place.is_some())
            .finish()
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnpackSummary {
    /// The number of entries that are neither directories nor whiteouts.
    pub files: u64,
    /// The sum of the sizes of the regular files; a file with several names counts once.
    pub unpacked_size: u64,
    /// The number of directories.
    pub directories: u64,
    /// The number of removed names, opaque directories included.
    pub whiteouts: u64,
    /// The number of files and directories whose owners are not those that the archive says, if that is permitted.
    pub squashed: u64,
}

/// Unpacks `layer` into `directory` in the format of an overlay upper.
///
/// If it fails, what is in `directory` is of no use and up to the caller to remove.
pub fn unpack_layer(store: &Store, layer: &Layer, directory: &Path) -> Result<(), LayerError> {
    unpack_layer_over(store, layer, &[], directory)
}

/// Unpacks `layer`, which lies on `lowers` (top first), into `directory`.
///
/// A directory that the layer needs and does not list looks as it does in the lowers.
pub fn unpack_layer_over(
    store: &Store,
    layer: &Layer,
    lowers: &[PathBuf],
    directory: &Path,
) -> Result<(), LayerError> {
    unpack_layer_as(store, layer, lowers, directory, Owners::Preserve)?;
    Ok(())
}

/// Unpacks `layer` as [`unpack_layer_over`] does, with owners as `owners` says.
///
/// In a user namespace with one ID only [`Owners::WhereMapped`] and [`Owners::Squash`] are possible: everything belongs
/// to that ID then, and a program that looks at owners, or gives a file away, finds that out.
pub fn unpack_layer_as(
    store: &Store,
    layer: &Layer,
    lowers: &[PathBuf],
    directory: &Path,
    owners: Owners,
) -> Result<UnpackSummary, LayerError> {
    let options = UnpackOptions {
        whiteouts: Whiteouts::Overlay,
        keep_directory_symlinks: false,
        owners,
        devices: Devices::Refuse,
        place: None,
    };
    let root = Root::open(directory)?;
    let lowers = Lowers::open(lowers)?;
    with_tar(store, &layer.blob, &layer.diff_id, |tar| {
        unpack(tar, &root, &lowers, &options)
    })
}

/// Unpacks the tar that `reader` gives into `directory`.
///
/// No entry gets out of `directory`: symlinks in it mean what they would mean if it were `/`.
pub fn unpack_tar(
    reader: impl Read,
    directory: &Path,
    options: &UnpackOptions<'_>,
) -> Result<UnpackSummary, LayerError> {
    unpack(
        reader,
        &Root::open(directory)?,
        &Lowers::open(&[])?,
        options,
    )
}

fn unpack(
    reader: impl Read,
    root: &Root,
    lowers: &Lowers,
    options: &UnpackOptions<'_>,
) -> Result<UnpackSummary, LayerError> {
    let mut unpacker = Unpacker::new(root, lowers, options);
    each_entry(reader, |entry, content| match placed(entry, options)? {
        Some(entry) => unpacker.entry(&entry, content),
        None => Ok(()),
    })?;
    unpacker.finish()
}

/// The entry with the path that the caller wants it to have.
fn placed(mut entry: Entry, options: &UnpackOptions<'_>) -> Result<Option<Entry>, LayerError> {
    let Some(place) = options.place else {
        return Ok(Some(entry));
    };
    let Some(path) = place(&entry.to_path()) else {
        return Ok(None);
    };
    entry.path = safe(&path)?;
    if let EntryKind::HardLink(target) = &entry.kind {
        // A name for a file that was left out cannot be made.
        let target = place(&to_path(target)).ok_or_else(|| LayerError::MissingTarget {
            path: entry.to_path(),
        })?;
        entry.kind = EntryKind::HardLink(safe(&target)?);
    }
    Ok(Some(entry))
}

fn safe(path: &Path) -> Result<Vec<u8>, LayerError> {
    safe_path(path.as_os_str().as_bytes())
}
