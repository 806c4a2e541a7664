//! What newer packages mend, as their changelogs say.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use jettison_debian::Version;

use crate::base::distroless::{DistrolessError, LocalPackage};
use crate::base::unpacked::{StoredFile, UnpackedKind, UnpackedPackages};

/// The largest changelog that is read, unpacked.
const LIMIT: u64 = 64 << 20;

/// What a package's changelog says of vulnerabilities since an older version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityFixes {
    /// The vulnerabilities (`CVE-…`) that entries of later versions name, sorted.
    pub names: Vec<String>,
    /// Whether the newer version was made of the older one, whose entry the changelog has. One of another branch, such
    /// as another release of Debian, may have had the same mended on its own.
    pub is_successor: bool,
}

/// What the package's changelog says was mended after the version `since`.
///
/// None, if the package has no changelog of its own. `unpacked` is where packages are kept that were taken apart.
pub fn security_fixes(
    package: &LocalPackage,
    since: &Version,
    unpacked: &Path,
) -> Result<Option<SecurityFixes>, DistrolessError> {
    let packages = UnpackedPackages { dir: unpacked };
    let files = packages.get(&package.path, package.sha256)?;
    let directory = format!("usr/share/doc/{}", package.name);
    // A package that is native to Debian has one changelog, others have two (Debian Policy 12.7).
    let names = ["changelog.Debian.gz", "changelog.gz"];
    let facts = names.iter().find_map(|name| {
        let path = format!("{directory}/{name}");
        let entry = files.entries.iter().find(|entry| entry.path == path)?;
        match &entry.kind {
            UnpackedKind::File(facts) => Some(facts),
            UnpackedKind::Directory | UnpackedKind::Symlink(_) | UnpackedKind::HardLink(_) => None,
        }
    });
    let Some(facts) = facts else {
        return Ok(None);
    };
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(StoredFile::open(&files.data, facts))
        .take(LIMIT)
        .read_to_end(&mut text)
        .map_err(|source| DistrolessError::Io {
            action: "read the changelog of",
            path: package.path.clone(),
            source,
        })?;
    Ok(Some(fixes(&String::from_utf8_lossy(&text), since)))
}

/// What entries of versions after `since` name; the newest entry comes first (deb-changelog(5)).
fn fixes(changelog: &str, since: &Version) -> SecurityFixes {
    let mut found = BTreeSet::new();
    let mut is_successor = false;
    for line in changelog.lines() {
        let is_heading = line.starts_with(|c: char| c.is_ascii_alphanumeric());
        let version = line
            .split_once(" (")
            .and_then(|(_, rest)| rest.split_once(')'));
        if is_heading
            && let Some((version, _)) = version
            && let Ok(version) = version.parse::<Version>()
            && version <= *since
        {
            // A rebuild without changes (`+b1`) has no entry in the source's changelog.
            is_successor = version == *since || is_rebuild(since, &version);
            break;
        }
        for (start, _) in line.match_indices("CVE-") {
            let name: String = line[start..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            let mut parts = name.split('-').skip(1);
            let is_number =
                |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
            if is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none() {
                found.insert(name);
            }
        }
    }
    SecurityFixes {
        names: found.into_iter().collect(),
        is_successor,
    }
}

/// Whether `version` is one of `source` that was built again without a change, such as `1-2+b1` of `1-2` (Debian Policy,
/// 5.6.12.2).
fn is_rebuild(version: &Version, source: &Version) -> bool {
    let rest = version.as_str().strip_prefix(source.as_str());
    rest.and_then(|rest| rest.strip_prefix("+b"))
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "\
openssl (3.0.15-1~deb12u1) bookworm-security; urgency=medium

  * CVE-2025-1111 (a hole), also CVE-2025-22222.
  * Not CVE-2025 and not CVE-x-1.

 -- Somebody <somebody@example.org>  Mon, 01 Sep 2025 00:00:00 +0000

openssl (3.0.14-1) bookworm; urgency=medium

  * Closes CVE-2024-3333

 -- Somebody <somebody@example.org>  Mon, 01 Sep 2024 00:00:00 +0000
";

    #[track_caller]
    fn check(since: &str, names: &[&str], is_successor: bool) {
        let expected = SecurityFixes {
            names: names.iter().map(ToString::to_string).collect(),
            is_successor,
        };
        assert_eq!(
            fixes(CHANGELOG, &since.parse().unwrap()),
            expected,
            "{since}"
        );
    }

    #[test]
    fn vulnerabilities_are_those_of_entries_after_a_version() {
        check("3.0.15-1~deb12u1", &[], true);
        check("3.0.14-1", &["CVE-2025-1111", "CVE-2025-22222"], true);
        let all = ["CVE-2024-3333", "CVE-2025-1111", "CVE-2025-22222"];
        check("3.0.13-1", &all, false);
    }

    #[test]
    fn a_version_without_an_entry_is_of_another_branch_unless_it_is_a_rebuild() {
        check("3.0.14-1+b2", &["CVE-2025-1111", "CVE-2025-22222"], true);
        check("3.0.14-1+bx", &["CVE-2025-1111", "CVE-2025-22222"], false);
        check(
            "3.0.14-1+deb12u3",
            &["CVE-2025-1111", "CVE-2025-22222"],
            false,
        );
    }
}
