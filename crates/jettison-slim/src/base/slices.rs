//! Slices: what is left out of packages, by name.

use std::collections::BTreeMap;

use jettison_dockerfile::IgnoreFile;
use serde::Deserialize;

use crate::base::distroless::DistrolessError;

/// The slices that come along.
pub(super) const SLICES: &str = include_str!("../../recipes/slices.toml");

/// Something that images do not need, and the files that are it.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub description: String,
    patterns: IgnoreFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireSlice {
    description: String,
    leaves_out: Vec<String>,
}

impl Slice {
    /// Those that come along, by name.
    ///
    /// # Panics
    ///
    /// Never: a test reads them all.
    pub fn all() -> Vec<Slice> {
        let slices: BTreeMap<String, WireSlice> =
            toml::from_str(SLICES).expect("a test reads them all");
        slices
            .into_iter()
            .map(|(name, wire)| Slice {
                patterns: patterns(&wire.leaves_out).expect("a test reads them all"),
                name,
                description: wire.description,
            })
            .collect()
    }

    /// Whether it has the file at `path`, which has no slash at its start.
    pub(super) fn has(&self, path: &str) -> bool {
        self.patterns.is_ignored(path)
    }
}

/// The slice that a recipe's own patterns make.
pub(super) fn excluded(list: &[String]) -> Result<Option<Slice>, DistrolessError> {
    if list.is_empty() {
        return Ok(None);
    }
    Ok(Some(Slice {
        name: "exclude".to_string(),
        description: "what the recipe leaves out".to_string(),
        patterns: patterns(list)?,
    }))
}

/// The patterns of an `only` table.
pub(super) fn patterns(list: &[String]) -> Result<IgnoreFile, DistrolessError> {
    let mut text = String::new();
    for pattern in list {
        text.push_str(pattern.trim_start_matches('/'));
        text.push('\n');
    }
    IgnoreFile::parse(&text).map_err(|error| DistrolessError::Pattern {
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let slices = Slice::all();
        let found = slices.iter().find(|slice| slice.has(path));
        assert_eq!(found.map(|slice| slice.name.as_str()), expected, "{path}");
    }

    #[test]
    fn files_are_in_the_slice_that_names_them() {
        check("usr/share/doc/libc6/changelog.Debian.gz", Some("docs"));
        check("usr/share/doc/libc6/copyright", None);
        check("usr/share/doc/libstdc++6", None);
        check("usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so", Some("gconv"));
        check("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", None);
        check("usr/lib/x86_64-linux-gnu/libssl.a", Some("development"));
        check("usr/share/zoneinfo/Europe/Kiev", None);
        check(
            "usr/lib/jvm/java-17-openjdk-amd64/lib/ct.sym",
            Some("java-compiler-data"),
        );
        check("usr/lib/python3.11/test/support.py", Some("python-tests"));
        check("usr/lib/python3.11/pydoc_data/topics.py", Some("docs"));
        check("usr/lib/python3.11/unittest/mock.py", None);
    }
}
