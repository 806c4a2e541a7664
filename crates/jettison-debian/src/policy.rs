//! Which version of a package is its candidate: priorities of archives, and pins.
//!
//! See <https://manpages.debian.org/apt_preferences.5>. The version with the highest priority is the candidate, and
//! of those with the same priority the latest. What is not above zero is never one. Nothing is installed here yet, so
//! the rules about downgrades have nothing to say.

use std::str::FromStr;

use crate::package::Package;
use crate::relation::{Relation, RelationError};
use crate::release::Release;

/// The priority of a version that was asked for by its number, above that of any archive.
const ASKED_FOR: i32 = 1_000;

/// A priority for some versions of some packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The package's name, in which `*` stands for any characters and `?` for one. A pin for `*` alone counts where no
    /// other one does.
    pub package: String,
    /// Which of its versions.
    pub versions: PinnedVersions,
    /// How much they count: 500 is that of archives, and what is not above zero is never taken.
    pub priority: i32,
}

/// Which versions a pin is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinnedVersions {
    /// Those whose number is this, in which `*` and `?` stand for other characters.
    Numbered(String),
    /// Those of the suite or codename, such as `bookworm-backports`.
    OfSuite(String),
    /// Those of the archive with this origin field, such as `Debian`.
    OfOrigin(String),
    /// Those of the archive at this host.
    OfHost(String),
}

/// A package as people ask for it: `name`, `name=version`, or any relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRequest {
    /// What is to be satisfied.
    pub relation: Relation,
    /// What makes the version the candidate.
    pub pin: Option<Pin>,
}

impl FromStr for PackageRequest {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<PackageRequest, RelationError> {
        let (text, version) = match text.split_once('=') {
            Some((name, version)) if !name.contains(['(', '<', '>', '|', ' ']) => {
                (format!("{name} (= {version})"), Some((name, version)))
            }
            Some(_) | None => (text.to_owned(), None),
        };
        Ok(PackageRequest {
            relation: text.parse()?,
            pin: version.map(|(name, version)| Pin::exactly(name, version)),
        })
    }
}

impl Pin {
    /// The pin that makes `version` of `package` its candidate.
    pub fn exactly(package: &str, version: &str) -> Pin {
        Pin {
            package: package.to_owned(),
            versions: PinnedVersions::Numbered(version.to_owned()),
            priority: ASKED_FOR,
        }
    }

    fn is_general(&self) -> bool {
        self.package == "*"
    }
}

impl PinnedVersions {
    fn hold(&self, package: &Package<'_>, release: Option<&Release>) -> bool {
        let is_of = |what: fn(&Release) -> &str, wanted: &str| {
            release.is_some_and(|release| matches(wanted, what(release)))
        };
        match self {
            PinnedVersions::Numbered(pattern) => package
                .field("Version")
                .is_some_and(|version| matches(pattern, version)),
            PinnedVersions::OfSuite(suite) => {
                is_of(|release| &release.suite, suite) || is_of(|release| &release.codename, suite)
            }
            PinnedVersions::OfOrigin(origin) => is_of(|release| &release.origin, origin),
            PinnedVersions::OfHost(host) => matches(host, host_of(package.archive_uri())),
        }
    }
}

fn host_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

/// Whether `text` is `pattern`, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` is, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            Some(_) | None => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, seen) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Who decides which version is the candidate.
#[derive(Debug)]
pub(crate) struct Policy<'p> {
    /// The archives by number, with the priority of each.
    pub(crate) archives: Vec<(i32, &'p Release)>,
    pub(crate) pins: &'p [Pin],
}

impl<'p> Policy<'p> {
    /// The latest version, whatever its archive.
    pub(crate) fn latest() -> Policy<'p> {
        Policy {
            archives: Vec::new(),
            pins: &[],
        }
    }

    /// Whether the only version of a package is its candidate, whichever it is.
    pub(crate) fn takes_anything(&self) -> bool {
        self.pins.is_empty() && self.archives.iter().all(|(priority, _)| *priority > 0)
    }

    /// The position of the candidate among all versions of one package; of equals, the first.
    pub(crate) fn candidate(&self, versions: &[Package<'_>]) -> Option<usize> {
        let ranked = versions
            .iter()
            .map(|one| (self.priority(one), one.version()));
        let ranked: Vec<_> = ranked.collect();
        let positions = (0..versions.len()).filter(|&at| ranked[at].0 > 0);
        // `max_by` gives the last of equals.
        positions.rev().max_by(|&a, &b| ranked[a].cmp(&ranked[b]))
    }

    /// The first pin that names the package counts, then the first for all packages, then the archive's priority.
    fn priority(&self, package: &Package<'_>) -> i32 {
        let archive = self.archives.get(package.archive());
        if self.pins.is_empty() {
            return archive.map_or(500, |(priority, _)| *priority);
        }
        let release = archive.map(|(_, release)| *release);
        let counts = |pin: &&Pin| {
            matches(&pin.package, package.name()) && pin.versions.hold(package, release)
        };
        let pins = || self.pins.iter().filter(counts);
        let specific = pins().find(|pin| !pin.is_general());
        match (specific.or_else(|| pins().next()), archive) {
            (Some(pin), _) => pin.priority,
            (None, Some((priority, _))) => *priority,
            (None, None) => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        check("*", "", true);
        check("", "", true);
        check("", "a", false);
        check("a*", "abc", true);
        check("*c", "abcbc", true);
        check("a*b*c", "aXbXbXc", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("lib*-dev", "libc6-dev", true);
        check("lib*-dev", "libc6-dev2", false);
        check("***", "x", true);
    }

    #[test]
    fn a_host_has_neither_user_nor_port() {
        assert_eq!(host_of("http://me:pw@deb.example:80/debian"), "deb.example");
        assert_eq!(host_of("deb.example"), "deb.example");
    }

    #[test]
    fn a_request_may_name_a_version() {
        let check = |text: &str, relation: &str, pin: Option<&str>| {
            let request: PackageRequest = text.parse().unwrap();
            assert_eq!(request.relation.to_string(), relation);
            let version = request.pin.map(|pin| match pin.versions {
                PinnedVersions::Numbered(version) => version,
                other => panic!("{other:?}"),
            });
            assert_eq!(version.as_deref(), pin);
        };
        check("bash", "bash", None);
        check("bash=5.2-1", "bash (= 5.2-1)", Some("5.2-1"));
        check("bash (>= 5)", "bash (>= 5)", None);
        assert!("bash=".parse::<PackageRequest>().is_err());
        assert!("../x=1".parse::<PackageRequest>().is_err());
    }
}
