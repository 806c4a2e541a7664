//! `[debian]` in the settings: where packages come from, and which versions.

use std::fs;
use std::path::{Path, PathBuf};

use jettison_debian::{
    Archive, ArchiveSource, Downgrade, Freshness, Keyring, PackageRequest, Pin, PinnedVersions,
    SnapshotArchive,
};
use serde::Deserialize;

/// Where Debian's packages come from besides Debian's archives, and which versions are taken.
#[derive(Debug)]
pub(crate) struct DebianSettings {
    /// Other archives.
    pub(crate) archives: Vec<FurtherArchive>,
    /// Priorities of versions.
    pub(crate) pins: Vec<Pin>,
    /// Whether Debian's own archives may be of the past.
    pub(crate) freshness: Freshness,
    /// Whether Debian's own archives may be older than they were the last time.
    pub(crate) downgrade: Downgrade,
    /// Where packages are that Debian's own archives have no more.
    pub(crate) snapshot: Option<SnapshotArchive>,
}

/// An archive with keys of its own.
#[derive(Debug)]
pub(crate) struct FurtherArchive {
    archive: Archive,
    keyring: PathBuf,
    priority: Option<i32>,
    freshness: Freshness,
    downgrade: Downgrade,
    /// The only suite of Debian that it goes with, if it does not go with all.
    with: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FileArchive {
    uri: String,
    suite: String,
    #[serde(default)]
    components: Vec<String>,
    signed_by: PathBuf,
    priority: Option<i32>,
    check_valid_until: Option<bool>,
    allow_older: Option<bool>,
    with: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum FilePin {
    /// `package=version`
    Short(String),
    Long(LongPin),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LongPin {
    package: String,
    version: Option<String>,
    suite: Option<String>,
    origin: Option<String>,
    host: Option<String>,
    priority: i32,
}

impl Default for DebianSettings {
    fn default() -> DebianSettings {
        DebianSettings {
            archives: Vec::new(),
            pins: Vec::new(),
            freshness: Freshness::Checked,
            downgrade: Downgrade::Refused,
            snapshot: None,
        }
    }
}

impl DebianSettings {
    /// The archives that go with Debian's `suite`.
    pub(crate) fn archives_for<'s>(
        &'s self,
        suite: &'s str,
    ) -> impl Iterator<Item = &'s FurtherArchive> {
        let goes =
            move |one: &&FurtherArchive| one.with.as_deref().is_none_or(|with| with == suite);
        self.archives.iter().filter(goes)
    }
}

impl FurtherArchive {
    /// Which suite of which archive it is.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The archive with its keys, which are read from their file.
    pub(crate) fn source(&self) -> Result<ArchiveSource, String> {
        let path = self.keyring.display();
        let bytes = fs::read(&self.keyring);
        let bytes = bytes.map_err(|error| format!("cannot read the keys in {path}: {error}"))?;
        let keyring = Keyring::from_bytes(&bytes)
            .map_err(|error| format!("cannot read the keys in {path}: {error}"))?;
        Ok(ArchiveSource {
            archive: self.archive.clone(),
            keyring,
            priority: self.priority,
            freshness: self.freshness,
            downgrade: self.downgrade,
        })
    }
}

impl FileArchive {
    /// The archive of a file in `directory`.
    pub(super) fn read(self, directory: &Path) -> Result<FurtherArchive, String> {
        let is_directory = self.suite.ends_with('/');
        if is_directory != self.components.is_empty() {
            return Err(format!(
                "the archive {}: a suite has components, and a suite that ends in a slash has none",
                self.uri
            ));
        }
        Ok(FurtherArchive {
            archive: Archive {
                uri: self.uri.trim_end_matches('/').to_string(),
                suite: self.suite,
                components: self.components,
            },
            keyring: directory.join(self.signed_by),
            priority: self.priority,
            freshness: freshness(self.check_valid_until.unwrap_or(true)),
            downgrade: downgrade(self.allow_older.unwrap_or(false)),
            with: self.with,
        })
    }
}

impl FilePin {
    pub(super) fn read(self) -> Result<Pin, String> {
        let pin = match self {
            FilePin::Short(text) => {
                let request: PackageRequest = text.parse().map_err(|error| format!("{error}"))?;
                return request
                    .pin
                    .ok_or_else(|| format!("the pin `{text}` is not `package=version`"));
            }
            FilePin::Long(pin) => pin,
        };
        let fail = || {
            format!(
                "the pin for `{}` takes one of `version`, `suite`, `origin` and `host`",
                pin.package
            )
        };
        let kinds = [
            pin.version.map(PinnedVersions::Numbered),
            pin.suite.map(PinnedVersions::OfSuite),
            pin.origin.map(PinnedVersions::OfOrigin),
            pin.host.map(PinnedVersions::OfHost),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let versions = kinds.next().filter(|_| kinds.next().is_none());
        Ok(Pin {
            versions: versions.ok_or_else(fail)?,
            package: pin.package,
            priority: pin.priority,
        })
    }
}

/// Whether a Release file may be one that is not valid any more.
pub(super) fn freshness(is_checked: bool) -> Freshness {
    if is_checked {
        Freshness::Checked
    } else {
        Freshness::IgnoreValidUntil
    }
}

/// Whether a Release file may be older than the last one.
pub(super) fn downgrade(is_allowed: bool) -> Downgrade {
    if is_allowed {
        Downgrade::Permitted
    } else {
        Downgrade::Refused
    }
}

/// The archive of snapshots at `uri`.
pub(super) fn snapshot(uri: &str) -> Result<SnapshotArchive, String> {
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| uri.len() > scheme.len() && uri.starts_with(scheme));
    if !is_url {
        return Err(format!("snapshot: `{uri}` is not a URL of http or https"));
    }
    Ok(SnapshotArchive {
        uri: uri.to_string(),
    })
}
