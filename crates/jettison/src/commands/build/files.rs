//! The files of an image, out of the store: into a directory, or as a tar (BuildKit: exporter/local and exporter/tar).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use jettison_build::Engine;
use jettison_oci::{
    Compression, Devices, Image, LayerOptions, Owners, UnpackOptions, Whiteouts, unpack_tar,
    write_layer,
};
use jettison_sandbox::mount_overlay;

use crate::failure::Failure;

/// Writes all files as one tar.
pub(super) fn write_tar(
    engine: &Engine<'_>,
    image: &Image,
    clamp_mtime: Option<i64>,
    sink: &mut dyn Write,
) -> Result<(), Failure> {
    let fail = || Failure::user("cannot write the image's files");
    let lowers = engine
        .lowers(image)
        .map_err(|error| fail().because(&error))?;
    let merged = mount_overlay(engine.entered, &lowers, None)
        .map_err(|error| Failure::host("cannot mount the image's files").because(&error))?;
    let options = LayerOptions {
        compression: Compression::None,
        clamp_mtime,
    };
    let layer = write_layer(engine.store, &merged.path(), &[], &options)
        .map_err(|error| fail().because(&error))?;
    let digest = layer.blob.digest;
    let copied = engine
        .store
        .open_blob(&digest)
        .map_err(|error| fail().because(&error))
        .and_then(|mut blob| {
            io::copy(&mut blob, sink)
                .and_then(|_| sink.flush())
                .map_err(|error| fail().because(&error))
        });
    // An image of one uncompressed layer may have this blob itself.
    let is_the_images = image
        .layers()
        .iter()
        .any(|layer| layer.blob.digest == digest);
    if !is_the_images {
        // What stays is of no use, and is removed with what nobody needs.
        engine.store.remove_blob(&digest).unwrap_or_default();
    }
    copied
}

/// Writes all files into a directory. They belong to the user who builds.
pub(super) fn write_directory(
    engine: &Engine<'_>,
    image: &Image,
    dir: &Path,
    clamp_mtime: Option<i64>,
) -> Result<(), Failure> {
    let fail = || {
        Failure::user(format!(
            "cannot write the image's files to {}",
            dir.display()
        ))
    };
    fs::create_dir_all(dir).map_err(|error| fail().because(&error))?;
    let mut tar: File = tempfile_in(engine.store.root()).map_err(|error| fail().because(&error))?;
    write_tar(engine, image, clamp_mtime, &mut tar)?;
    io::Seek::rewind(&mut tar).map_err(|error| fail().because(&error))?;
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        keep_directory_symlinks: false,
        owners: Owners::Squash,
        devices: Devices::Refuse,
        place: None,
    };
    unpack_tar(io::BufReader::new(tar), dir, &options).map_err(|error| fail().because(&error))?;
    Ok(())
}

/// Removes all that is in a directory.
pub(super) fn empty(dir: &Path) -> Result<(), Failure> {
    let fail =
        |error: io::Error| Failure::user(format!("cannot empty {}", dir.display())).because(&error);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let is_directory = path.symlink_metadata().map_err(fail)?.is_dir();
        let removed = if is_directory {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(fail)?;
    }
    Ok(())
}

/// A file without a name.
fn tempfile_in(root: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = open(root, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(File::from(file))
}
