//! What a URL gave when it was last asked.
//!
//! ```text
//! downloads/urls/<SHA-256 of the URL>         lines of `name value`; it appears by rename
//! downloads/urls/<SHA-256 of the URL>.lock    held by whoever asks the URL
//! ```
//!
//! A record that is missing or cannot be read is nothing but a reason to ask anew.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jettison_oci::Digest;

/// What is known of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The digest of what it gave.
    pub(crate) digest: Digest,
    /// The size of that in bytes.
    pub(crate) size: u64,
    /// `ETag`, as it was sent.
    pub(crate) etag: Option<String>,
    /// `Last-Modified`, as it was sent.
    pub(crate) last_modified: Option<String>,
    /// Whether `Last-Modified` was old enough to tell one version from the next.
    pub(crate) is_old: bool,
    /// What the file looked like when its digest was last computed.
    pub(crate) seen: String,
}

impl Record {
    pub(crate) fn read(path: &Path) -> Option<Record> {
        let text = fs::read_to_string(path).ok()?;
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
        };
        Some(Record {
            digest: value("digest")?.parse().ok()?,
            size: value("size")?.parse().ok()?,
            etag: value("etag"),
            last_modified: value("last-modified"),
            is_old: value("is-old").is_some_and(|value| value == "true"),
            seen: value("seen")?,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = format!(
            "digest {}\nsize {}\nis-old {}\nseen {}\n",
            self.digest, self.size, self.is_old, self.seen
        );
        for (name, value) in [("etag", &self.etag), ("last-modified", &self.last_modified)] {
            if let Some(value) = value {
                text.extend([name, " ", &value.replace(['\r', '\n'], " "), "\n"]);
            }
        }
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&temporary, text)?;
        fs::rename(&temporary, path)
    }
}

/// What changes when a file changes.
pub(crate) fn looks(metadata: &Metadata) -> String {
    format!(
        "{}:{}:{}.{}:{}.{}",
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec()
    )
}
