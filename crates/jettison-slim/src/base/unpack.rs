//! Unpacking packages: two threads decompress ahead of the one that writes files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use jettison_debian::{Deb, LockedPackage};
use jettison_oci::{Devices, Owners, UnpackOptions, Whiteouts, unpack_tar};

use crate::base::assemble::AssembleError;

/// How many threads decompress.
const DECODERS: usize = 2;
/// Packages that say to be larger than this are decompressed while they are written.
const IN_MEMORY: u64 = 48 << 20;

/// A package's files, on their way from a decoder to the writer.
enum Files {
    /// The tar archive.
    Tar(Vec<u8>),
    /// The package itself, whose archive is too large to be held.
    Package(Vec<u8>),
}

type Decoded = Result<Files, AssembleError>;

/// Unpacks the packages' files below `root`, so that their programs are there when dpkg
/// installs them. The package that makes the directories comes first.
pub(super) fn unpack(
    packages: &[LockedPackage],
    files: &[PathBuf],
    root: &Path,
    owners: Owners,
) -> Result<(), AssembleError> {
    let mut order: Vec<(&LockedPackage, &Path)> = packages
        .iter()
        .zip(files.iter().map(PathBuf::as_path))
        .collect();
    order.sort_by_key(|(package, _)| package.name != "base-files");
    thread::scope(|scope| {
        let mut receivers: Vec<Receiver<Decoded>> = Vec::new();
        for first in 0..DECODERS {
            // One archive waits while another is made: memory stays bounded.
            let (sender, receiver) = sync_channel(1);
            receivers.push(receiver);
            let order = &order;
            scope.spawn(move || decode_every(order.iter().skip(first).step_by(DECODERS), &sender));
        }
        for (index, (_, path)) in order.iter().enumerate() {
            match receivers[index % DECODERS].recv() {
                Ok(decoded) => write(decoded?, path, root, owners)?,
                // The decoder is gone only if it panicked, which the scope passes on.
                Err(_) => break,
            }
        }
        Ok(())
    })
}

fn decode_every<'p>(
    packages: impl Iterator<Item = &'p (&'p LockedPackage, &'p Path)>,
    sender: &SyncSender<Decoded>,
) {
    for (package, path) in packages {
        let decoded = decode(package, path);
        let failed = decoded.is_err();
        // The writer has stopped at an error of its own.
        if sender.send(decoded).is_err() || failed {
            return;
        }
    }
}

fn decode(package: &LockedPackage, path: &Path) -> Decoded {
    let io = |source| AssembleError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    };
    let bytes = std::fs::read(path).map_err(io)?;
    let wrong = |source| AssembleError::Package {
        path: path.to_path_buf(),
        source,
    };
    let deb = Deb::read(&bytes).map_err(wrong)?;
    package.check(&deb).map_err(wrong)?;
    if deb.installed_size().is_none_or(|size| size > IN_MEMORY) {
        return Ok(Files::Package(bytes));
    }
    let mut tar = Vec::new();
    let limit = 2 * IN_MEMORY;
    deb.data()
        .map_err(wrong)?
        .take(limit + 1)
        .read_to_end(&mut tar)
        .map_err(io)?;
    // The package said that it is smaller than it is.
    let is_whole = tar.len() as u64 <= limit;
    Ok(if is_whole {
        Files::Tar(tar)
    } else {
        Files::Package(bytes)
    })
}

fn write(files: Files, path: &Path, root: &Path, owners: Owners) -> Result<(), AssembleError> {
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        keep_directory_symlinks: true,
        owners,
        devices: Devices::Refuse,
        place: None,
    };
    let unpacked = match files {
        Files::Tar(tar) => unpack_tar(tar.as_slice(), root, &options),
        Files::Package(bytes) => {
            let wrong = |source| AssembleError::Package {
                path: path.to_path_buf(),
                source,
            };
            let deb = Deb::read(&bytes).map_err(wrong)?;
            unpack_tar(deb.data().map_err(wrong)?, root, &options)
        }
    };
    unpacked
        .map(|_| ())
        .map_err(|source| AssembleError::Unpack {
            path: path.to_path_buf(),
            source,
        })
}
