//! What came, went and moved between two sets of packages.

use std::collections::BTreeMap;

use jettison_debian::{LockedPackage, Version};
use jettison_slim::SecurityFixes;

/// Versions of packages, by name.
pub(super) type Versions = BTreeMap<String, Version>;

/// What came, went, and moved.
pub(super) struct Moves<'a> {
    /// The packages of which there is another version: name, before, after.
    newer: Vec<(&'a str, &'a Version, &'a Version)>,
    added: Vec<(&'a str, &'a Version)>,
    removed: Vec<(&'a str, &'a Version)>,
}

/// The versions of packages of a lock.
pub(super) fn versions(packages: &[LockedPackage]) -> Versions {
    let version = |package: &LockedPackage| (package.name.clone(), package.version.clone());
    packages.iter().map(version).collect()
}

impl<'a> Moves<'a> {
    pub(super) fn between(before: &'a Versions, after: &'a Versions) -> Moves<'a> {
        let newer = after.iter().filter_map(|(name, version)| {
            let old = before.get(name)?;
            (old != version).then_some((name.as_str(), old, version))
        });
        let missing_in = |list: &'a Versions, others: &Versions| {
            let missing = list.iter().filter(|(name, _)| !others.contains_key(*name));
            missing
                .map(|(name, version)| (name.as_str(), version))
                .collect()
        };
        Moves {
            newer: newer.collect(),
            added: missing_in(after, before),
            removed: missing_in(before, after),
        }
    }

    /// Those of `packages` that are new versions, with the ones before.
    pub(super) fn newer_of<'l>(
        &self,
        packages: &'l [LockedPackage],
    ) -> Vec<(&'l LockedPackage, Version)> {
        let old = |package: &LockedPackage| {
            let mut newer = self.newer.iter();
            let (_, old, _) = newer.find(|(name, ..)| *name == package.name)?;
            Some((*old).clone())
        };
        packages
            .iter()
            .filter_map(|package| Some((package, old(package)?)))
            .collect()
    }

    /// A line for each; `fixes` are vulnerabilities by package.
    pub(super) fn lines(&self, fixes: &BTreeMap<String, SecurityFixes>) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, old, new) in &self.newer {
            let mut line = format!("{name} {old} -> {new}");
            if let Some(fixes) = fixes.get(*name) {
                line.push_str(&described(fixes, old));
            }
            lines.push(line);
        }
        for (name, version) in &self.added {
            lines.push(format!("{name} {version} is new"));
        }
        for (name, version) in &self.removed {
            lines.push(format!("{name} {version} is gone"));
        }
        lines
    }
}

/// What a changelog says that was mended since `old`.
fn described(fixes: &SecurityFixes, old: &Version) -> String {
    let names = fixes.names.join(", ");
    match (fixes.names.is_empty(), fixes.is_successor) {
        (true, _) => String::new(),
        (false, true) => format!(" fixes {names}"),
        (false, false) => {
            format!("; its changelog does not know {old}, which may have mended, too: {names}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_fix_is_one_if_the_older_version_was_the_ground_for_the_newer() {
        let versions = |list: &[(&str, &str)]| -> Versions {
            let version =
                |(name, version): &(&str, &str)| ((*name).to_string(), version.parse().unwrap());
            list.iter().map(version).collect()
        };
        let before = versions(&[
            ("a", "1"),
            ("b", "1"),
            ("c", "1"),
            ("old", "1"),
            ("same", "1"),
        ]);
        let after = versions(&[
            ("a", "2"),
            ("b", "2"),
            ("c", "2"),
            ("new", "1"),
            ("same", "1"),
        ]);
        let fixes = |is_successor, names: &[&str]| SecurityFixes {
            names: names.iter().map(ToString::to_string).collect(),
            is_successor,
        };
        let fixes = BTreeMap::from([
            ("a".to_string(), fixes(true, &["CVE-2026-1", "CVE-2026-2"])),
            ("b".to_string(), fixes(false, &["CVE-2026-1"])),
            ("c".to_string(), fixes(false, &[])),
        ]);
        let lines = Moves::between(&before, &after).lines(&fixes);
        expect![[r"
            a 1 -> 2 fixes CVE-2026-1, CVE-2026-2
            b 1 -> 2; its changelog does not know 1, which may have mended, too: CVE-2026-1
            c 1 -> 2
            new 1 is new
            old 1 is gone"]]
        .assert_eq(&lines.join("\n"));
    }
}
