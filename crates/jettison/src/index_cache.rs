//! What is kept of Debian's archives between two runs.
//!
//! ```text
//! downloads/releases/<SHA-256 of the URL>     a Release file that was accepted, and what it came with
//! downloads/indexes/<SHA-256 of the text>     the text of a Packages index
//! downloads/indexes/<SHA-256>.seen            what that file looked like when its digest was last computed
//! ```
//!
//! Everything appears by rename. What is missing or cannot be read is fetched again, and what cannot be written is not
//! kept. An index that nobody has asked for in two weeks goes when another one comes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jettison_debian::{IndexCache, KeptRelease, Sha256};
use serde::{Deserialize, Serialize};

use crate::remote::looks;

/// How long an index is kept that nobody asks for.
const UNUSED: Duration = Duration::from_hours(14 * 24);

/// Indexes in files below the store's root.
pub(crate) struct IndexFiles {
    downloads: PathBuf,
}

/// A Release file on disk. The text of one is UTF-8, for it would not have been accepted else.
#[derive(Serialize, Deserialize)]
struct StoredRelease {
    url: String,
    mark: Option<String>,
    text: String,
    signature: Option<Vec<u8>>,
}

impl IndexFiles {
    /// The files below the store's `root`, which are made when there is something to keep.
    pub(crate) fn new(root: &Path) -> IndexFiles {
        let downloads = root.join("downloads");
        IndexFiles { downloads }
    }

    fn release_path(&self, url: &str) -> PathBuf {
        let name = Sha256::of(url.as_bytes()).to_string();
        self.downloads.join("releases").join(name)
    }

    fn index_path(&self, digest: &Sha256) -> PathBuf {
        self.downloads.join("indexes").join(digest.to_string())
    }

    fn read_release(&self, url: &str) -> Option<KeptRelease> {
        let bytes = fs::read(self.release_path(url)).ok()?;
        let stored: StoredRelease = serde_json::from_slice(&bytes).ok()?;
        (stored.url == url).then(|| KeptRelease {
            bytes: stored.text.into_bytes(),
            signature: stored.signature,
            mark: stored.mark,
        })
    }

    fn read_index(&self, digest: &Sha256, size: u64) -> Option<String> {
        let path = self.index_path(digest);
        let look = looks(&fs::metadata(&path).ok().filter(|one| one.len() == size)?);
        let text = fs::read_to_string(&path).ok()?;
        let seen = path.with_extension("seen");
        let is_known = fs::read_to_string(&seen).is_ok_and(|seen| seen == look);
        if !is_known && Sha256::of(text.as_bytes()) != *digest {
            return None;
        }
        // Written even where nothing changes, for its time says when the index was last used.
        replace(&seen, look.as_bytes()).ok();
        Some(text)
    }

    fn write_index(&self, digest: &Sha256, text: &str) -> io::Result<()> {
        let path = self.index_path(digest);
        replace(&path, text.as_bytes())?;
        let look = looks(&fs::metadata(&path)?);
        replace(&path.with_extension("seen"), look.as_bytes())?;
        self.remove_unused(&path)
    }

    /// Removes the indexes that were not used for long before the one at `newest` was written.
    fn remove_unused(&self, newest: &Path) -> io::Result<()> {
        let now = fs::metadata(newest)?.modified()?;
        for entry in fs::read_dir(self.downloads.join("indexes"))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "seen")
            {
                let used = fs::metadata(&path)?.modified()?;
                if now.duration_since(used).is_ok_and(|age| age > UNUSED) {
                    fs::remove_file(path.with_extension(""))?;
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}

impl IndexCache for IndexFiles {
    fn release(&self, url: &str) -> Option<KeptRelease> {
        self.read_release(url)
    }

    fn keep_release(&self, url: &str, release: &KeptRelease) {
        let Ok(text) = String::from_utf8(release.bytes.clone()) else {
            return;
        };
        let stored = StoredRelease {
            url: url.to_string(),
            mark: release.mark.clone(),
            text,
            signature: release.signature.clone(),
        };
        if let Ok(bytes) = serde_json::to_vec(&stored) {
            replace(&self.release_path(url), &bytes).ok();
        }
    }

    fn index(&self, digest: &Sha256, size: u64) -> Option<String> {
        self.read_index(digest, size)
    }

    fn keep_index(&self, digest: &Sha256, text: &str) {
        self.write_index(digest, text).ok();
    }
}

/// Writes the file at `path`, which is there whole or as it was before.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    const TEXT: &str = "Package: a\n";

    fn files() -> (tempfile::TempDir, IndexFiles) {
        let dir = tempfile::tempdir().unwrap();
        let files = IndexFiles::new(dir.path());
        (dir, files)
    }

    #[test]
    fn what_was_kept_is_there() {
        let (_dir, files) = files();
        let digest = Sha256::of(TEXT.as_bytes());
        assert_eq!(files.index(&digest, 11), None);
        files.keep_index(&digest, TEXT);
        assert_eq!(files.index(&digest, 11).as_deref(), Some(TEXT));
        assert_eq!(files.index(&digest, 12), None, "it has another size");

        let release = KeptRelease {
            bytes: b"Date: today\n".to_vec(),
            signature: Some(vec![1, 0, 255]),
            mark: Some("mark".to_string()),
        };
        assert_eq!(files.release("http://a/InRelease"), None);
        files.keep_release("http://a/InRelease", &release);
        assert_eq!(files.release("http://a/InRelease"), Some(release));
        assert_eq!(files.release("http://b/InRelease"), None);
    }

    #[test]
    fn an_index_that_was_changed_is_not_there() {
        let (_dir, files) = files();
        let digest = Sha256::of(TEXT.as_bytes());
        files.keep_index(&digest, TEXT);
        let path = files.index_path(&digest);
        fs::write(&path, "Package: b\n").unwrap();
        assert_eq!(files.index(&digest, 11), None);
        fs::write(&path, TEXT).unwrap();
        assert_eq!(files.index(&digest, 11).as_deref(), Some(TEXT));
    }

    #[test]
    fn an_index_that_nobody_uses_goes_when_another_one_comes() {
        let (_dir, files) = files();
        let (old, new) = (Sha256::of(b"old"), Sha256::of(b"new"));
        files.keep_index(&old, "old");
        let seen = fs::File::open(files.index_path(&old).with_extension("seen")).unwrap();
        let long_ago = SystemTime::now() - UNUSED - Duration::from_hours(1);
        seen.set_modified(long_ago).unwrap();
        files.keep_index(&new, "new");
        assert_eq!(files.index(&old, 3), None);
        assert_eq!(files.index(&new, 3).as_deref(), Some("new"));
    }
}
