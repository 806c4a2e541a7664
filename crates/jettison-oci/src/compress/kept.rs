//! Compressed blocks that are kept, so that the same content is compressed once.
//!
//! ```text
//! <directory>/<SHA-256 of what a block is and how it is compressed>    the compressed block, and the CRC-32 of name and block
//! ```
//!
//! Files appear by rename. What is not whole is made again, and what cannot be written is not kept: the blocks are the same
//! with and without them.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use libdeflater::Crc;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::compress::codec::Format;
use crate::digest::Digest;

/// What the format of kept blocks is called; another format has other names.
const VERSION: u32 = 1;
/// How many bytes all of them may take. What was used longest ago goes first, until a quarter of the room is free.
const LIMIT: u64 = 1 << 30;
/// How files are called that are not whole yet, and after how long nobody is writing to one any more.
const UNFINISHED: &str = ".new-";
const ABANDONED: Duration = Duration::from_hours(1);
/// The length of a CRC-32.
const CHECK: usize = 4;

/// What a block holds, as far as it has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Whatever it is, its bytes name it.
    Any,
    /// The part of this number, counted in whole blocks, of a file with this digest, and the zeros behind its end.
    File(Digest, u64),
}

impl Contents {
    /// What the next block holds if this one was full.
    pub(crate) fn rest(&self) -> Contents {
        match self {
            Contents::Any => Contents::Any,
            Contents::File(digest, number) => Contents::File(*digest, number + 1),
        }
    }

    /// What the block is called, whose bytes are `bytes`.
    pub(crate) fn name(&self, bytes: &[u8]) -> String {
        match self {
            Contents::Any => format!("bytes {}", Digest::of(bytes)),
            // Its reader finds out at its end that it is another file. That must not be kept under this name.
            Contents::File(digest, number) => {
                format!("file {digest} {number} {:08x}", crc(&[bytes]))
            }
        }
    }
}

/// A directory of compressed blocks of layers that are kept for the next ones.
///
/// It may be removed at any time, and several processes may use it. It holds at most a gibibyte or so; what was used
/// longest ago goes first.
#[derive(Debug, Clone)]
pub struct KeptBlocks {
    dir: PathBuf,
    /// What tells blocks of one format from those of others.
    format: String,
}

impl KeptBlocks {
    /// Those in `dir`, which is made when the first block is kept.
    pub fn new(dir: &Path) -> KeptBlocks {
        KeptBlocks {
            dir: dir.to_path_buf(),
            format: String::new(),
        }
    }

    /// Those of a format; none, if it is not known what its blocks depend on.
    pub(crate) fn in_format(self, format: Format) -> Option<KeptBlocks> {
        let identity = format.identity()?;
        Some(KeptBlocks {
            format: format!("{VERSION} {identity}"),
            ..self
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        let text = format!("{}\n{name}\n", self.format);
        self.dir.join(Digest::of(text.as_bytes()).hex())
    }

    /// Makes `output` the block `name`, whose content has `length` bytes, if it is here and whole.
    pub(crate) fn read(&self, name: &str, length: usize, output: &mut Vec<u8>) -> bool {
        let whole = read(&self.path(name), output);
        whole.is_ok_and(|()| {
            let content = zstd::zstd_safe::get_frame_content_size(output);
            let expected = u64::try_from(length).ok();
            content.is_ok_and(|size| size == expected)
        })
    }

    /// Keeps the block `name`, if that is possible.
    pub(crate) fn write(&self, name: &str, block: &[u8]) {
        let _kept = self.try_write(&self.path(name), block);
    }

    fn try_write(&self, path: &Path, block: &[u8]) -> io::Result<()> {
        static TIDY: Once = Once::new();
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(&self.dir)?;
        file.write_all(block)?;
        file.write_all(&check_of(path, block))?;
        let now = file.as_file().metadata()?.modified()?;
        file.persist(path).map_err(|error| error.error)?;
        // What other processes keep at the same time counts for the next one.
        TIDY.call_once(|| drop(tidy(&self.dir, now, LIMIT)));
        Ok(())
    }
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    for part in parts {
        crc.update(part);
    }
    crc.sum()
}

/// What stands behind a block in the file at `path`: a block under another's name is none.
fn check_of(path: &Path, block: &[u8]) -> [u8; CHECK] {
    let name = path.file_name().unwrap_or_default();
    crc(&[name.as_bytes(), block]).to_le_bytes()
}

/// Reads a block, and marks it as used.
fn read(path: &Path, output: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    output.clear();
    file.read_to_end(output)?;
    let check = output.split_off(output.len().saturating_sub(CHECK));
    if check != check_of(path, output) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    // It is only what is removed first.
    let _marked = futimens(&file, &times);
    Ok(())
}

/// Removes what processes that were killed have left, and blocks that were used long ago if there are too many.
fn tidy(dir: &Path, now: SystemTime, limit: u64) -> io::Result<()> {
    let mut blocks = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Another process may have removed it.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let used = metadata.modified()?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            if now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                fs::remove_file(entry.path())?;
            }
        } else if metadata.is_file() {
            blocks.push((used, entry.path(), metadata.len()));
        }
    }
    let mut total: u64 = blocks.iter().map(|(_, _, size)| size).sum();
    if total <= limit {
        return Ok(());
    }
    blocks.sort();
    for (_, path, size) in blocks {
        if total <= limit - limit / 4 {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(dir: &Path) -> KeptBlocks {
        KeptBlocks::new(dir).in_format(Format::Zstd(3)).unwrap()
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 3).unwrap()
    }

    #[test]
    fn a_block_is_read_as_it_was_written_and_not_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let kept = kept(&dir.path().join("blocks"));
        let block = compressed(b"some content");
        let mut output = vec![7];
        assert!(!kept.read("a", 12, &mut output));
        kept.write("a", &block);
        assert!(kept.read("a", 12, &mut output));
        assert_eq!(output, block);
        assert!(!kept.read("b", 12, &mut output));
        // A block of another content, under this name by whatever accident.
        assert!(!kept.read("a", 13, &mut output));
        let other = KeptBlocks::new(&kept.dir)
            .in_format(Format::Zstd(4))
            .unwrap();
        assert!(!other.read("a", 12, &mut output));
    }

    #[test]
    fn a_block_that_is_damaged_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let kept = kept(dir.path());
        let block = compressed(&[1; 5000]);
        kept.write("a", &block);
        let path = kept.path("a");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(!kept.read("a", 5000, &mut Vec::new()), "{length}");
        }
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert!(!kept.read("a", 5000, &mut Vec::new()), "{place}");
        }
        kept.write("a", &block);
        assert!(kept.read("a", 5000, &mut Vec::new()));
        fs::copy(&path, kept.path("b")).unwrap();
        assert!(!kept.read("b", 5000, &mut Vec::new()));
    }

    #[test]
    fn blocks_that_cannot_be_kept_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let kept = kept(&file);
        kept.write("a", b"x");
        assert!(!kept.read("a", 1, &mut Vec::new()));
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let file = |name: &str, size: usize, hours: u32| {
            let path = dir.path().join(name);
            fs::write(&path, vec![0; size]).unwrap();
            let used = now - hours * Duration::from_hours(1);
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(used).unwrap();
        };
        file("old", 40, 9);
        file("older", 40, 10);
        file("new", 40, 1);
        file(".new-killed", 1, 2);
        file(".new-busy", 1, 0);
        let names = || {
            let entries = fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        tidy(dir.path(), now, 120).unwrap();
        assert_eq!(names(), [".new-busy", "new", "old", "older"]);
        tidy(dir.path(), now, 119).unwrap();
        assert_eq!(names(), [".new-busy", "new", "old"]);
    }
}
