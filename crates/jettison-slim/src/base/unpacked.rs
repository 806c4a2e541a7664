//! Packages taken apart, kept beside the downloads: a package is decompressed once.
//!
//! ```text
//! <directory>/<SHA-256 of the .deb>.data    the contents of its files, one behind the other
//! <directory>/<SHA-256 of the .deb>.json    the digest of the rest, a line feed, and what is where
//! <directory>/java-<key>.{data,json}        the same of a Java runtime that was linked in place of a package's
//! <directory>/python-<key>.{data,json}      the same of compiled modules
//! ```
//!
//! Both appear by rename, the second last. What is read of the data is checked again ([`StoredFile::open`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use jettison_debian::{Deb, Sha256};
use jettison_oci::{Entry, EntryKind, each_entry};
use md5::{Digest as _, Md5};
use object::read::ReadCacheOps;
use serde::{Deserialize, Serialize};
use sha1::Sha1;

use crate::base::distroless::DistrolessError;

/// How many bytes are copied at once.
const BUFFER: usize = 128 << 10;
/// How files are called that are not whole yet.
const UNFINISHED: &str = ".new-";
/// After how long nobody is writing to such a file any more.
const ABANDONED: Duration = Duration::from_hours(1);
/// What the format is called; another format has other files.
const VERSION: u32 = 2;

/// A package's control data and files.
#[derive(Debug, Clone)]
pub(super) struct Unpacked {
    /// The text of the control file.
    pub(super) control: String,
    /// The files, in the package's order.
    pub(super) entries: Vec<UnpackedEntry>,
    /// Their contents.
    pub(super) data: Arc<File>,
    /// Of what was made: how many bytes slices saved.
    pub(super) saved: BTreeMap<String, u64>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnpackedEntry {
    /// The path, without a slash at its start.
    pub(super) path: String,
    pub(super) kind: UnpackedKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
}

/// What a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum UnpackedKind {
    Directory,
    Symlink(String),
    /// Another name of the file at this path.
    HardLink(String),
    File(FileFacts),
}

/// What is known of a regular file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileFacts {
    /// Where in the data it starts.
    pub(super) offset: u64,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its MD5 digest in hexadecimal, which dpkg's lists have.
    pub(super) md5: String,
    /// Its SHA-1 digest in hexadecimal, which SPDX documents have.
    pub(super) sha1: String,
    /// Its SHA-256 digest in hexadecimal.
    pub(super) sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Index {
    version: u32,
    control: String,
    entries: Vec<UnpackedEntry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    saved: BTreeMap<String, u64>,
}

/// Where packages are kept.
#[derive(Debug)]
pub(super) struct UnpackedPackages<'a> {
    pub(super) dir: &'a Path,
}

impl UnpackedPackages<'_> {
    /// The package in the file `deb`, whose digest is `digest`. The file is read only if the package is not here.
    pub(super) fn get(&self, deb: &Path, digest: Sha256) -> Result<Unpacked, DistrolessError> {
        let stem = digest.to_string();
        let stem = stem.trim_start_matches("sha256:");
        if let Some(known) = self.read(stem) {
            return Ok(known);
        }
        self.unpack(deb, digest, stem)
    }

    /// What is kept; nothing, if it is not whole.
    pub(super) fn read(&self, stem: &str) -> Option<Unpacked> {
        let text = fs::read(self.path(stem, "json")).ok()?;
        let line = text.iter().position(|byte| *byte == b'\n')?;
        let (digest, rest) = (&text[..line], &text[line + 1..]);
        if Sha256::of(rest).to_string().as_bytes() != digest {
            return None;
        }
        let index: Index = serde_json::from_slice(rest).ok()?;
        let data = File::open(self.path(stem, "data")).ok()?;
        (index.version == VERSION).then(|| Unpacked {
            control: index.control,
            entries: index.entries,
            data: Arc::new(data),
            saved: index.saved,
        })
    }

    fn path(&self, stem: &str, extension: &str) -> PathBuf {
        self.dir.join(format!("{stem}.{extension}"))
    }

    fn unpack(&self, deb: &Path, digest: Sha256, stem: &str) -> Result<Unpacked, DistrolessError> {
        let at = |action: &'static str, path: &Path| {
            let path = path.to_path_buf();
            move |source| DistrolessError::Io {
                action,
                path,
                source,
            }
        };
        let bytes = fs::read(deb).map_err(at("read", deb))?;
        let actual = Sha256::of(&bytes);
        if actual != digest {
            return Err(DistrolessError::Digest {
                path: deb.to_path_buf(),
                expected: digest,
                actual,
            });
        }
        let wrong = |source| DistrolessError::Package {
            path: deb.to_path_buf(),
            source,
        };
        let package = Deb::read(&bytes).map_err(wrong)?;
        let control = package
            .control_file("control")
            .map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
            .unwrap_or_default();
        fs::create_dir_all(self.dir).map_err(at("create", self.dir))?;
        let data = tempfile_in(self.dir).map_err(at("write below", self.dir))?;
        let entries = take_apart(&package, deb, &data)?;
        let index = Index {
            version: VERSION,
            control,
            entries,
            saved: BTreeMap::new(),
        };
        let data = self
            .keep(stem, data, &index)
            .map_err(at("write below", self.dir))?;
        Ok(Unpacked {
            control: index.control,
            entries: index.entries,
            data: Arc::new(data),
            saved: index.saved,
        })
    }

    /// A place for the contents of files that are made, not unpacked.
    pub(super) fn made_data(&self) -> io::Result<MadeData> {
        fs::create_dir_all(self.dir)?;
        Ok(MadeData {
            data: tempfile_in(self.dir)?,
            place: 0,
        })
    }

    /// Keeps what was made in place of a package under the name `stem`, and how much slices saved of it.
    pub(super) fn keep_made(
        &self,
        stem: &str,
        control: String,
        entries: Vec<UnpackedEntry>,
        (made, saved): (MadeData, BTreeMap<String, u64>),
    ) -> io::Result<()> {
        let index = Index {
            version: VERSION,
            control,
            entries,
            saved,
        };
        self.keep(stem, made.data, &index).map(drop)
    }

    fn keep(&self, stem: &str, data: Temporary, index: &Index) -> io::Result<File> {
        let json = serde_json::to_vec(index).map_err(io::Error::other)?;
        let file = data.keep(&self.path(stem, "data"))?;
        let mut text = tempfile_in(self.dir)?;
        text.file
            .write_all(format!("{}\n", Sha256::of(&json)).as_bytes())?;
        text.file.write_all(&json)?;
        text.keep(&self.path(stem, "json"))?;
        Ok(file)
    }
}

/// Contents of files that are made.
pub(super) struct MadeData {
    data: Temporary,
    place: u64,
}

impl MadeData {
    /// Adds the content of a file.
    pub(super) fn store(&mut self, content: &mut dyn Read) -> io::Result<FileFacts> {
        store(content, &self.data.file, &mut self.place)
    }
}

/// Writes the contents of the package's files to `data`, and says what is where.
fn take_apart(
    package: &Deb<'_>,
    deb: &Path,
    data: &Temporary,
) -> Result<Vec<UnpackedEntry>, DistrolessError> {
    let wrong = |source| DistrolessError::Package {
        path: deb.to_path_buf(),
        source,
    };
    let mut entries = Vec::new();
    let mut refused = None;
    let mut place = 0;
    let reader = package.data().map_err(wrong)?;
    let walked = each_entry(reader, |entry, content| {
        match unpacked_entry(&entry, content, &data.file, &mut place) {
            Ok(Ok(unpacked)) => entries.extend(unpacked),
            Ok(Err(reason)) => {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                refused = refused.take().or(Some((path, reason)));
            }
            Err(source) => {
                return Err(jettison_oci::LayerError::Io {
                    action: "take apart",
                    path: deb.to_path_buf(),
                    source,
                });
            }
        }
        Ok(())
    });
    walked.map_err(|source| DistrolessError::Files {
        path: deb.to_path_buf(),
        source,
    })?;
    match refused {
        Some((path, reason)) => Err(DistrolessError::Refused {
            package: deb.to_path_buf(),
            path,
            reason,
        }),
        None => Ok(entries),
    }
}

/// The entry without its content, which goes to `data` at `place`; nothing for the top; or why it cannot be taken.
fn unpacked_entry(
    entry: &Entry,
    content: &mut dyn Read,
    data: &File,
    place: &mut u64,
) -> io::Result<Result<Option<UnpackedEntry>, &'static str>> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
    let Ok(path) = text(&entry.path) else {
        return Ok(Err("its name is not UTF-8"));
    };
    if path.is_empty() {
        return Ok(Ok(None));
    }
    // A line of `md5sums` is a file.
    if path.contains('\n') {
        return Ok(Err("its name has more than one line"));
    }
    let kind = match &entry.kind {
        EntryKind::Directory => UnpackedKind::Directory,
        EntryKind::Symlink(target) => match text(target) {
            Ok(target) => UnpackedKind::Symlink(target),
            Err(_) => return Ok(Err("it leads to a name that is not UTF-8")),
        },
        EntryKind::HardLink(target) => match text(target) {
            Ok(target) => UnpackedKind::HardLink(target),
            Err(_) => return Ok(Err("it is a link to a name that is not UTF-8")),
        },
        EntryKind::File => UnpackedKind::File(store(content, data, place)?),
        EntryKind::CharDevice(..) | EntryKind::BlockDevice(..) | EntryKind::Fifo => {
            return Ok(Err("it is a device or a pipe"));
        }
    };
    Ok(Ok(Some(UnpackedEntry {
        path,
        kind,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime.0,
    })))
}

fn store(content: &mut dyn Read, data: &File, place: &mut u64) -> io::Result<FileFacts> {
    let offset = *place;
    let mut md5 = Md5::new();
    let mut sha1 = <Sha1 as sha1::Digest>::new();
    let mut sha256 = sha2::Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        md5.update(&buffer[..read]);
        sha1::Digest::update(&mut sha1, &buffer[..read]);
        sha256.update(&buffer[..read]);
        data.write_all_at(&buffer[..read], *place)?;
        *place += read as u64;
    }
    Ok(FileFacts {
        offset,
        size: *place - offset,
        md5: hex(&md5.finalize()),
        sha1: hex(&sha1::Digest::finalize(sha1)),
        sha256: hex(&sha256.finalize()),
    })
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// The content of a file in a package's data, to be read from its start.
#[derive(Debug)]
pub(super) struct StoredFile<'a> {
    data: &'a File,
    facts: &'a FileFacts,
    place: u64,
    sha256: sha2::Sha256,
}

impl<'a> StoredFile<'a> {
    /// Starts to read. Data that is not what was written ends in an error.
    pub(super) fn open(data: &'a File, facts: &'a FileFacts) -> StoredFile<'a> {
        StoredFile {
            data,
            facts,
            place: 0,
            sha256: sha2::Sha256::new(),
        }
    }
}

impl Read for StoredFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.facts.size - self.place;
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self
            .data
            .read_at(&mut buffer[..want], self.facts.offset + self.place)?;
        self.sha256.update(&buffer[..read]);
        self.place += read as u64;
        let is_whole = self.place == self.facts.size;
        let is_same = || hex(&self.sha256.clone().finalize()) == self.facts.sha256;
        if read == 0 || (is_whole && !is_same()) {
            let text = "the unpacked package has changed on the disk: remove `downloads/unpacked`";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(read)
    }
}

/// The content of a file in a package's data, to be read where one likes. What is read is not checked: this is for what
/// is read whole as well, before anything is kept of it.
#[derive(Debug)]
pub(super) struct StoredParts<'a> {
    data: &'a File,
    facts: &'a FileFacts,
    place: u64,
    /// Why reading failed; who reads through a parser does not hear of it.
    pub(super) error: Option<io::Error>,
}

impl<'a> StoredParts<'a> {
    /// The content of this file in `data`.
    pub(super) fn open(data: &'a File, facts: &'a FileFacts) -> StoredParts<'a> {
        StoredParts {
            data,
            facts,
            place: 0,
            error: None,
        }
    }
}

impl ReadCacheOps for StoredParts<'_> {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.facts.size)
    }

    fn seek(&mut self, place: u64) -> Result<u64, ()> {
        self.place = place;
        Ok(place)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let left = self.facts.size.saturating_sub(self.place);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let place = self.facts.offset + self.place;
        let read = self.data.read_at(&mut buffer[..want], place);
        let read = read.map_err(|error| self.error = Some(error))?;
        self.place += read as u64;
        Ok(read)
    }

    fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<(), ()> {
        while !buffer.is_empty() {
            match self.read(buffer)? {
                0 => {
                    self.error = Some(io::ErrorKind::UnexpectedEof.into());
                    return Err(());
                }
                read => buffer = &mut buffer[read..],
            }
        }
        Ok(())
    }
}

/// A file that goes away if it is not kept.
struct Temporary {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Temporary {
    fn keep(mut self, path: &Path) -> io::Result<File> {
        fs::rename(&self.path, path)?;
        self.is_kept = true;
        self.file.try_clone()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            let _gone = fs::remove_file(&self.path);
        }
    }
}

fn tempfile_in(dir: &Path) -> io::Result<Temporary> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static CLEANED: Once = Once::new();
    // A process that was killed could not do it. What cannot be removed stays.
    CLEANED.call_once(|| drop(remove_abandoned(dir)));
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let created = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        match created {
            Ok(file) => {
                return Ok(Temporary {
                    file,
                    path,
                    is_kept: false,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes files that nobody has written to for long before the next one is made.
fn remove_abandoned(dir: &Path) -> io::Result<()> {
    // The file system's own clock.
    let mark = dir.join(format!("{UNFINISHED}{}-clock", std::process::id()));
    fs::write(&mark, "")?;
    let now = fs::metadata(&mark)?.modified()?;
    fs::remove_file(&mark)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let written = entry.metadata()?.modified()?;
            if now.duration_since(written).is_ok_and(|age| age > ABANDONED) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use object::{ReadCache, ReadRef as _};

    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_after_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = ["1-0", "1-1"].map(|name| dir.path().join(format!("{UNFINISHED}{name}")));
        let kept = dir.path().join("a.data");
        for path in [&old, &new, &kept] {
            fs::write(path, "").unwrap();
        }
        for path in [&old, &kept] {
            let file = File::options().write(true).open(path).unwrap();
            let long_ago = file.metadata().unwrap().modified().unwrap() - 2 * ABANDONED;
            file.set_modified(long_ago).unwrap();
        }
        remove_abandoned(dir.path()).unwrap();
        assert_eq!(
            [&old, &new, &kept].map(|path| path.exists()),
            [false, true, true]
        );
    }

    #[test]
    fn parts_are_of_the_file_alone_and_what_is_cut_off_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.data");
        fs::write(&path, "before|content|after").unwrap();
        let data = File::options().read(true).write(true).open(&path).unwrap();
        let facts = FileFacts {
            offset: 7,
            size: 7,
            md5: String::new(),
            sha1: String::new(),
            sha256: String::new(),
        };
        let parts = ReadCache::new(StoredParts::open(&data, &facts));
        assert_eq!((&parts).read_bytes_at(3, 4), Ok(&b"tent"[..]));
        assert_eq!((&parts).read_bytes_at(3, 5), Err(()));
        assert!(parts.into_inner().error.is_none());
        data.set_len(10).unwrap();
        let parts = ReadCache::new(StoredParts::open(&data, &facts));
        assert_eq!((&parts).read_bytes_at(0, 7), Err(()));
        let error = parts.into_inner().error.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
