//! Archives that keep what others had, by time.
//!
//! ```text
//! <uri>/archive/<name of the archive>/<time>/<path>      such as archive/debian/20260801T000000Z/pool/main/…
//! ```
//!
//! A time between two snapshots means the one before it. Names are the last part of an archive's address: `debian`,
//! `debian-security`. Files are also kept by their SHA-1, which no index of Debian has any more.

use crate::date::format_compact;
use crate::keyring::Keyring;
use crate::lock::LockedArchive;

/// How long after the making of a Release file the snapshot was taken that has its packages, in seconds: four are
/// taken a day. A package that has been replaced stays in Debian's archive for more than a day.
const DELAYS: [u64; 3] = [12 * 3_600, 0, 24 * 3_600];

/// An archive of the snapshots of other archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotArchive {
    /// Where it is; `archive` is below.
    pub uri: String,
}

impl SnapshotArchive {
    /// Where the file at `path` below `archive` may be, in the order in which to ask; nowhere, if the archive is none of
    /// Debian's.
    pub fn urls(&self, archive: &LockedArchive, path: &str) -> Vec<String> {
        let Some(name) = name_of(archive) else {
            return Vec::new();
        };
        let uri = self.uri.trim_end_matches('/');
        let url = |delay| {
            let time = format_compact(archive.date.saturating_add(delay));
            format!("{uri}/archive/{name}/{time}/{path}")
        };
        DELAYS.into_iter().map(url).collect()
    }
}

/// The name that the archive has among the snapshots.
fn name_of(archive: &LockedArchive) -> Option<&str> {
    let debian = Keyring::debian().fingerprints();
    let is_debians = archive.signers.iter().any(|one| debian.contains(one));
    let mut parts = archive.uri.trim_end_matches('/').rsplit('/');
    let is_name = |part: &&str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    // The archive may be a snapshot itself, whose address ends in a time.
    let name = parts.next().filter(is_name).or_else(|| parts.next());
    name.filter(is_name).filter(|_| is_debians)
}
