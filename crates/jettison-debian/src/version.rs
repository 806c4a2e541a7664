//! Package versions, `[epoch:]upstream[-revision]`, in dpkg's order.
//!
//! See <https://manpages.debian.org/deb-version.7>. Like dpkg, reading is lenient: a version need not start with a
//! digit, and `_` is let through, because old archives hold such versions.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

mod order;

/// A package version, kept as it was written.
///
/// Versions that dpkg takes for the same (`1.0` and `0:1.0-0`) are equal.
#[derive(Clone)]
pub struct Version {
    // Invariant: `text` is not empty and holds only the characters that `is_version_character` accepts;
    // `upstream` is not empty and, like `revision`, is a range of it.
    text: String,
    epoch: u32,
    upstream: (usize, usize),
    revision: (usize, usize),
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read version `{text}`: {problem}")]
pub struct VersionError {
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Version {
    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number before the first colon, 0 where there is none.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The part between epoch and revision.
    pub fn upstream(&self) -> &str {
        &self.text[self.upstream.0..self.upstream.1]
    }

    /// The part after the last hyphen, or `None` for a native package.
    pub fn revision(&self) -> Option<&str> {
        let (start, end) = self.revision;
        (start < end).then(|| &self.text[start..end])
    }

    /// The version without its epoch, as it stands in file names.
    pub fn without_epoch(&self) -> &str {
        &self.text[self.upstream.0..]
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Version, VersionError> {
        let parts = parse_parts(text).map_err(|problem| VersionError {
            text: text.to_owned(),
            problem,
        })?;
        let Parts { epoch, start, end } = parts;
        Ok(Version {
            text: text.to_owned(),
            epoch,
            upstream: (start, end),
            revision: ((end + 1).min(text.len()), text.len()),
        })
    }
}

/// Where the parts of a version are.
struct Parts {
    epoch: u32,
    /// The start of the upstream version.
    start: usize,
    /// Its end, where a hyphen stands if there is a revision.
    end: usize,
}

fn parse_parts(text: &str) -> Result<Parts, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if !text.bytes().all(is_version_character) {
        return Err("it holds a character that no version may hold");
    }
    let (epoch, start) = match text.split_once(':') {
        Some((epoch, _)) => (parse_epoch(epoch)?, epoch.len() + 1),
        None => (0, 0),
    };
    let end = match text[start..].rfind('-') {
        Some(hyphen) if start + hyphen + 1 == text.len() => return Err("its revision is empty"),
        Some(hyphen) => start + hyphen,
        None => text.len(),
    };
    if start == end {
        return Err("its upstream version is empty");
    }
    Ok(Parts { epoch, start, end })
}

/// Whether `text` is a version.
pub(crate) fn is_version(text: &str) -> bool {
    parse_parts(text).is_ok()
}

fn is_version_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-' | b'~' | b':' | b'_')
}

fn parse_epoch(text: &str) -> Result<u32, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its epoch is not a number");
    }
    match text.parse::<i32>() {
        Ok(epoch) => Ok(epoch.unsigned_abs()),
        Err(_) => Err("its epoch is too large"),
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| order::compare(self.upstream(), other.upstream()))
            .then_with(|| {
                order::compare(
                    self.revision().unwrap_or_default(),
                    other.revision().unwrap_or_default(),
                )
            })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Version({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let got = match text.parse::<Version>() {
            Ok(version) => format!(
                "{} / {} / {:?}",
                version.epoch(),
                version.upstream(),
                version.revision()
            ),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&got);
    }

    #[test]
    fn a_version_has_an_epoch_an_upstream_version_and_a_revision() {
        check("2:1.2-3-4", expect![[r#"2 / 1.2-3 / Some("4")"#]]);
        check("1.2", expect!["0 / 1.2 / None"]);
        check("1:2:3", expect!["1 / 2:3 / None"]);
    }

    #[test]
    fn what_dpkg_refuses_is_refused() {
        check("", expect!["error: cannot read version ``: it is empty"]);
        check(
            "1.0-",
            expect!["error: cannot read version `1.0-`: its revision is empty"],
        );
        check(
            "-1",
            expect!["error: cannot read version `-1`: its upstream version is empty"],
        );
        check(
            "1:",
            expect!["error: cannot read version `1:`: its upstream version is empty"],
        );
        check(
            ":1",
            expect!["error: cannot read version `:1`: its epoch is not a number"],
        );
        check(
            "a:1",
            expect!["error: cannot read version `a:1`: its epoch is not a number"],
        );
        check(
            "2147483648:1",
            expect!["error: cannot read version `2147483648:1`: its epoch is too large"],
        );
    }

    #[test]
    fn a_path_is_not_a_version() {
        check(
            "1/../2",
            expect![
                "error: cannot read version `1/../2`: it holds a character that no version may hold"
            ],
        );
    }

    #[test]
    fn a_file_name_has_no_epoch() {
        let version: Version = "3:1.0-2".parse().unwrap();
        assert_eq!(version.without_epoch(), "1.0-2");
    }
}
