//! Release files: a suite's index files and their digests, signed.
//!
//! See <https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files>.

use std::collections::BTreeMap;

use crate::arch::Architecture;
use crate::date::{format_date, parse_date};
use crate::deb822::{Deb822Error, Stanza, parse_stanzas, value_lines};
use crate::digest::Sha256;
use crate::keyring::CLOCK_TOLERANCE;

mod verify;

pub(crate) use crate::release::verify::{kept_release, signed_date};
pub use crate::release::verify::{verify_inrelease, verify_release};

/// What a Release file says of its suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The suite, such as `stable`.
    pub suite: String,
    /// The codename, such as `trixie`.
    pub codename: String,
    /// Who made the archive.
    pub origin: String,
    /// The release's number, such as `13.2`; not every suite has one.
    pub version: String,
    /// When the file was made, in Unix seconds.
    pub date: u64,
    /// Until when to trust it, in Unix seconds; not every suite says.
    pub valid_until: Option<u64>,
    /// The components that the suite has.
    pub components: Vec<String>,
    /// The architectures that the suite has, `all` possibly among them.
    pub architectures: Vec<Architecture>,
    /// Whether index files can be fetched by their digest.
    pub acquire_by_hash: bool,
    /// Whether packages of the architecture `all` stand in an index of their own.
    pub has_index_of_all: bool,
    /// How much its packages count where nobody says otherwise (`apt_preferences(5)`).
    pub priority: i32,
    /// Size and digest of every index file, by its path below the suite's directory.
    pub files: BTreeMap<String, (u64, Sha256)>,
    /// The digest of the file itself.
    pub digest: Sha256,
    /// The fingerprints of the certificates that have signed it, of those in the keyring, sorted.
    pub signers: Vec<String>,
}

/// Whether the end of a Release file's validity matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// A file that is not valid any more is refused, so that nobody can hold back updates.
    Checked,
    /// It is accepted, as archives of the past must be.
    IgnoreValidUntil,
}

/// Why a Release file is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The file is not text.
    #[error("cannot read {name}: it is not UTF-8")]
    NotText {
        /// The file.
        name: String,
    },
    /// The signatures cannot be found.
    #[error("cannot verify {name}: {problem}")]
    Frame {
        /// The file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No signature counts.
    #[error("cannot verify {name}: {}", reasons.join("; "))]
    Untrusted {
        /// The file.
        name: String,
        /// What is wrong with each signature.
        reasons: Vec<String>,
    },
    /// The text is not control data.
    #[error("cannot read {name}")]
    Syntax {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: Deb822Error,
    },
    /// A field is missing, or has a value that it cannot have.
    #[error("cannot read field `{field}` of {name}")]
    Field {
        /// The file.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// The file is not valid any more.
    #[error("cannot use {name}: it was valid until {}", format_date(*until))]
    Expired {
        /// The file.
        name: String,
        /// The end of its validity, in Unix seconds.
        until: u64,
    },
    /// A later file had come from the same place before.
    #[error("cannot use {name}: it is of {}, and one of {} has been here before", format_date(*date), format_date(*known))]
    Older {
        /// The file.
        name: String,
        /// Its date, in Unix seconds.
        date: u64,
        /// The date of the one before, in Unix seconds.
        known: u64,
    },
    /// The file is not valid yet.
    #[error("cannot use {name}: it is of {}, which is in the future", format_date(*date))]
    FromTheFuture {
        /// The file.
        name: String,
        /// Its date, in Unix seconds.
        date: u64,
    },
}

impl Release {
    /// Checks that the file called `name` is valid at the time `now`.
    fn check_time(&self, name: &str, now: u64, freshness: Freshness) -> Result<(), ReleaseError> {
        if self.date > now.saturating_add(CLOCK_TOLERANCE) {
            return Err(ReleaseError::FromTheFuture {
                name: name.to_owned(),
                date: self.date,
            });
        }
        match (freshness, self.valid_until) {
            (Freshness::Checked, Some(until)) if until < now => Err(ReleaseError::Expired {
                name: name.to_owned(),
                until,
            }),
            (Freshness::Checked | Freshness::IgnoreValidUntil, _) => Ok(()),
        }
    }
}

/// Reads the text of the Release file called `name`.
fn parse_release(
    name: &str,
    text: &str,
    digest: Sha256,
    signers: Vec<String>,
) -> Result<Release, ReleaseError> {
    let stanzas = parse_stanzas(text).map_err(|source| ReleaseError::Syntax {
        name: name.to_owned(),
        source,
    })?;
    let fail = |field| ReleaseError::Field {
        name: name.to_owned(),
        field,
    };
    let [stanza] = stanzas.as_slice() else {
        return Err(fail("SHA256"));
    };
    let date = stanza.get("Date").and_then(parse_date);
    let valid_until = match stanza.get("Valid-Until") {
        Some(text) => Some(parse_date(text).ok_or_else(|| fail("Valid-Until"))?),
        None => None,
    };
    Ok(Release {
        suite: text_of(stanza, "Suite"),
        codename: text_of(stanza, "Codename"),
        origin: text_of(stanza, "Origin"),
        version: text_of(stanza, "Version"),
        date: date.ok_or_else(|| fail("Date"))?,
        valid_until,
        components: words_of(stanza, "Components").map(str::to_owned).collect(),
        architectures: words_of(stanza, "Architectures")
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| fail("Architectures"))?,
        acquire_by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
        has_index_of_all: words_of(stanza, "Architectures").any(|word| word == "all")
            && !words_of(stanza, "No-Support-for-Architecture-all").any(|word| word == "Packages"),
        priority: priority_of(stanza),
        files: parse_files(stanza).ok_or_else(|| fail("SHA256"))?,
        digest,
        signers,
    })
}

/// Packages that are not to be installed by themselves come last (`apt_preferences(5)`).
fn priority_of(stanza: &Stanza<'_>) -> i32 {
    let says_yes = |name| stanza.get(name) == Some("yes");
    match (says_yes("NotAutomatic"), says_yes("ButAutomaticUpgrades")) {
        (false, _) => 500,
        (true, true) => 100,
        (true, false) => 1,
    }
}

/// The date that the text of a Release file has.
fn date_of(text: &str) -> Option<u64> {
    let stanzas = parse_stanzas(text).ok()?;
    parse_date(stanzas.first()?.get("Date")?)
}

fn text_of(stanza: &Stanza<'_>, name: &str) -> String {
    stanza.get(name).unwrap_or_default().to_owned()
}

fn words_of<'a>(stanza: &Stanza<'a>, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    stanza
        .get(name)
        .unwrap_or_default()
        .split_ascii_whitespace()
}

fn parse_files(stanza: &Stanza<'_>) -> Option<BTreeMap<String, (u64, Sha256)>> {
    let mut files = BTreeMap::new();
    for line in value_lines(stanza.get("SHA256")?).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[digest, size, path] = words.as_slice() else {
            return None;
        };
        let file = (size.parse().ok()?, digest.parse().ok()?);
        files.insert(path.to_owned(), file);
    }
    Some(files)
}
