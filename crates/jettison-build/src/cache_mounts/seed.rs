//! Copying a directory with everything that files have.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use rustix::io::Errno;

/// Copies the directory `source` to `target`, which must not exist.
pub(crate) fn copy_tree(source: &Path, target: &Path) -> io::Result<()> {
    let mut links = BTreeMap::new();
    copy(source, target, &mut links)
}

/// What has been copied of the files with several names.
type Links = BTreeMap<(u64, u64), PathBuf>;

fn copy(source: &Path, target: &Path, links: &mut Links) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    let inode = (metadata.dev(), metadata.ino());
    if !metadata.is_dir() && metadata.nlink() > 1 {
        if let Some(first) = links.get(&inode) {
            return fs::hard_link(first, target);
        }
        links.insert(inode, target.to_path_buf());
    }
    let kind = FileType::from_raw_mode(metadata.mode());
    match kind {
        FileType::Directory => {
            fs::create_dir(target)?;
            for entry in fs::read_dir(source)? {
                let entry = entry?;
                copy(&entry.path(), &target.join(entry.file_name()), links)?;
            }
        }
        FileType::RegularFile => {
            io::copy(&mut File::open(source)?, &mut File::create_new(target)?)?;
        }
        FileType::Symlink => std::os::unix::fs::symlink(fs::read_link(source)?, target)?,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => {
            let mode = Mode::from_raw_mode(metadata.mode());
            rustix::fs::mknodat(CWD, target, kind, mode, metadata.rdev())?;
        }
    }
    adorn(&metadata, source, target)
}

/// Owner, permissions, attributes and times, in the order in which none undoes another.
fn adorn(metadata: &fs::Metadata, source: &Path, target: &Path) -> io::Result<()> {
    let (uid, gid) = (Some(metadata.uid()), Some(metadata.gid()));
    if metadata.is_symlink() {
        lchown(target, uid, gid)?;
    } else if metadata.is_file() || metadata.is_dir() {
        let file = File::open(target)?;
        fchown(&file, uid, gid)?;
        file.set_permissions(metadata.permissions())?;
        copy_attributes(source, target)?;
    } else {
        lchown(target, uid, gid)?;
        fs::set_permissions(target, metadata.permissions())?;
    }
    let times = Timestamps {
        last_access: time(metadata.atime(), metadata.atime_nsec()),
        last_modification: time(metadata.mtime(), metadata.mtime_nsec()),
    };
    rustix::fs::utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn time(seconds: i64, nanoseconds: i64) -> Timespec {
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
}

fn copy_attributes(source: &Path, target: &Path) -> io::Result<()> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(source, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = String::from_utf8_lossy(&names[..length]).into_owned();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // Those are the overlay's own books.
        if name.starts_with("user.overlay.") {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(source, name, &mut value[..])?;
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::lsetxattr(target, name, &value[..length], flags) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
