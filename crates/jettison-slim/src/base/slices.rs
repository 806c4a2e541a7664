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
    patterns: Patterns,
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
        self.patterns.has(path)
    }
}

/// Patterns of files.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    /// A path is one of these if it is one of any part.
    parts: Vec<Part>,
}

/// Patterns that can only be looked at together.
#[derive(Debug, Clone)]
struct Part {
    file: IgnoreFile,
    /// How paths begin that may match; most do not, and matching costs more than all else that is done with a path.
    starts: Vec<String>,
}

impl Patterns {
    /// Whether the file at `path`, which has no slash at its start, is one of these.
    pub(super) fn has(&self, path: &str) -> bool {
        let may_match = |start: &String| path.starts_with(start.as_str());
        let has = |part: &Part| part.starts.iter().any(may_match) && part.file.is_ignored(path);
        self.parts.iter().any(has)
    }
}

/// What every path begins with that a pattern matches, or that is below what it matches.
fn start(pattern: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_+.".contains(c);
    let end = pattern.find(|c| !is_plain(c)).unwrap_or(pattern.len());
    let start = pattern[..end].trim_end_matches('/');
    // These are written in more than one way.
    let last = start.rsplit('/').next().unwrap_or_default();
    if start.contains("./") || start.contains("//") || [".", ".."].contains(&last) {
        return "";
    }
    start
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
pub(super) fn patterns(list: &[String]) -> Result<Patterns, DistrolessError> {
    let list = list.iter().map(|pattern| pattern.trim_start_matches('/'));
    let lines: Vec<&str> = list.collect();
    let whole = part(&lines)?;
    // What starts with `!` takes away from the others.
    if lines.iter().any(|line| line.trim_start().starts_with('!')) {
        return Ok(Patterns { parts: vec![whole] });
    }
    let parts = lines.iter().map(|line| part(&[*line]));
    Ok(Patterns {
        parts: parts.collect::<Result<_, _>>()?,
    })
}

fn part(lines: &[&str]) -> Result<Part, DistrolessError> {
    let file = IgnoreFile::parse(&lines.join("\n")).map_err(|error| DistrolessError::Pattern {
        problem: error.to_string(),
    })?;
    let others = lines.iter().filter(|pattern| !pattern.starts_with('!'));
    Ok(Part {
        file,
        starts: others.map(|pattern| start(pattern).to_owned()).collect(),
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

    #[test]
    fn paths_that_cannot_match_are_not_tried() {
        for (pattern, expected) in [
            ("usr/share/doc/*/*", "usr/share/doc"),
            ("usr/share/man/", "usr/share/man"),
            ("etc/cron.*", "etc/cron."),
            ("usr/..", ""),
            ("etc/issue*", "etc/issue"),
            ("**/*.a", ""),
            ("./usr", ""),
            ("usr/../lib", ""),
            ("usr/lib/python3*/test", "usr/lib/python3"),
            ("a\\b", "a"),
        ] {
            assert_eq!(start(pattern), expected, "{pattern}");
        }
        let all = Slice::all();
        // A directory, what is in it, and what has its name in its own.
        let paths = [
            "usr/share/man",
            "usr/share/man/man1/x.1",
            "usr/share/manual",
            "usr/share/doc/a/b",
            "usr/share/doc/a/copyright",
            "usr/lib/x.a",
            "x.a",
            "etc/cron.d/x",
            "etc/cronic",
            "usr/lib/jvm/a/lib/server/classes_nocoops.jsa",
        ];
        let wire: BTreeMap<String, WireSlice> = toml::from_str(SLICES).unwrap();
        for slice in &all {
            let whole = IgnoreFile::parse(&wire[&slice.name].leaves_out.join("\n")).unwrap();
            for path in paths {
                let (slow, fast) = (whole.is_ignored(path), slice.has(path));
                assert_eq!(slow, fast, "{}: {path}", slice.name);
            }
        }
    }
}
