//! Which programs a base is made with, and their packages for a host of another architecture.

use std::collections::BTreeSet;

use jettison_debian::{LockedPackage, Package, PackagesIndex};

use crate::base::byte_code;
use crate::base::family::Levels;
use crate::base::link;
use crate::base::recipe::{Generator, RecipeLink};
use crate::base::tools::ToolError;

/// What of a base programs make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Making<'a> {
    /// The Java runtime that is linked, if one is.
    pub link: Option<&'a RecipeLink>,
    /// Whether Python's library is compiled.
    pub byte_code: bool,
}

impl<'a> Making<'a> {
    /// What is made of a base of which these slices are kept.
    pub fn of(levels: &'a Levels, keep: &BTreeSet<String>) -> Making<'a> {
        let mut generators = levels.levels.iter().flat_map(|(_, part)| &part.generate);
        let is_compiled = generators.any(|generator| *generator == Generator::ByteCode);
        Making {
            link: levels.link().filter(|_| !keep.contains("java-modules")),
            byte_code: is_compiled && !keep.contains("python-plain"),
        }
    }

    /// The packages that must be as those among the image's `packages`, and the libraries that they load.
    fn names(&self, packages: &[LockedPackage]) -> (Vec<String>, BTreeSet<&'static str>) {
        let mut same = Vec::new();
        let mut libraries = BTreeSet::new();
        if let Some(link) = self.link {
            same.extend(link.program_packages());
            libraries.extend(link::LIBRARIES);
        }
        if self.byte_code {
            same.extend(byte_code::program_packages(packages));
            libraries.extend(byte_code::LIBRARIES);
        }
        if same.is_empty() {
            libraries.clear();
        }
        (same, libraries)
    }

    /// Whether `tools` has all of the programs that a base of `packages` is made with.
    pub fn is_served_by(&self, tools: &[LockedPackage], packages: &[LockedPackage]) -> bool {
        let (same, _) = self.names(packages);
        same.iter()
            .all(|name| tools.iter().any(|tool| tool.name == *name))
    }
}

/// The packages of the programs that a base of `packages` is made with on a host whose packages are in `index`: of the same
/// versions as the image's, and the newest libraries.
pub fn host_tools<'i>(
    index: &'i PackagesIndex,
    making: &Making<'_>,
    packages: &[LockedPackage],
) -> Result<Vec<Package<'i>>, ToolError> {
    let (same, libraries) = making.names(packages);
    let mut found = Vec::new();
    for name in same {
        let target = packages.iter().find(|package| package.name == name);
        let target = target.ok_or_else(|| ToolError::Missing { name: name.clone() })?;
        let versions = index.versions(&name);
        let mut fitting = versions
            .iter()
            .filter(|package| source_version(**package) == target.source_version.as_str());
        let Some(package) = fitting.next() else {
            return Err(ToolError::Versions {
                tool: versions
                    .first()
                    .map_or_else(|| "none".to_string(), |package| source_version(*package)),
                name,
                host: index.architecture().clone(),
                target: target.source_version.to_string(),
                architecture: target.architecture.clone(),
            });
        };
        found.push(*package);
    }
    found.extend(libraries.into_iter().filter_map(|name| index.get(name)));
    Ok(found)
}

/// The version of the source that a package is built from.
fn source_version(package: Package<'_>) -> String {
    let (_, version) = package.source();
    version.map_or_else(|| package.version().to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_debian::{Architecture, Lock, parse_lock};

    /// A lock of packages for arm64, each `name version source-version`.
    fn lock(packages: &[(&str, &str, &str)]) -> Lock {
        let zeros = "0".repeat(64);
        let mut text = format!(
            "version = 1\n[[archive]]\nuri = \"http://archive.example\"\nsuite = \"trixie\"\ncodename = \"trixie\"\ndate = 2026-01-01T00:00:00Z\nrelease = \"{zeros}\"\nsigners = []\n"
        );
        for (name, version, source) in packages {
            let package = format!(
                "[[package.arm64]]\nname = \"{name}\"\nversion = \"{version}\"\nsource-version = \"{source}\"\narchive = 0\npath = \"pool/{name}.deb\"\nsize = 1\nsha256 = \"{zeros}\"\n"
            );
            text.push_str(&package);
        }
        parse_lock("test.lock", &text).unwrap()
    }

    fn index(packages: &[(&str, &str, &str)]) -> PackagesIndex {
        let stanza = |(name, version, source): &(&str, &str, &str)| {
            let zeros = "0".repeat(64);
            format!(
                "Package: {name}\nVersion: {version}\nSource: src ({source})\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: 1\nSHA256: {zeros}\n"
            )
        };
        let stanzas: Vec<String> = packages.iter().map(stanza).collect();
        let architecture: Architecture = "amd64".parse().unwrap();
        PackagesIndex::parse(stanzas.join("\n"), "http://archive.example", &architecture).unwrap()
    }

    #[track_caller]
    fn check(index: &PackagesIndex, packages: &[(&str, &str, &str)], expected: Expect) {
        let lock = lock(packages);
        let making = Making {
            link: None,
            byte_code: true,
        };
        let packages = lock.packages(&"arm64".parse().unwrap()).unwrap_or_default();
        expected.assert_eq(&match host_tools(index, &making, packages) {
            Ok(found) => {
                let names: Vec<String> = found
                    .iter()
                    .map(|package| format!("{} {}", package.name(), package.version()))
                    .collect();
                names.join(", ")
            }
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn programs_are_of_the_same_source_as_what_they_work_on() {
        let index = index(&[
            ("python3.13-minimal", "3.13.5-2+b1", "3.13.5-2"),
            ("python3.13-minimal", "3.13.6-1", "3.13.6-1"),
            ("libpython3.13-minimal", "3.13.5-2+b1", "3.13.5-2"),
            ("libpython3.13-minimal", "3.13.6-1", "3.13.6-1"),
            ("libc6", "2.41-12", "2.41-12"),
            ("zlib1g", "1:1.3", "1:1.3"),
            ("perl-base", "5", "5"),
        ]);
        check(
            &index,
            &[
                ("python3.13-minimal", "3.13.5-2", "3.13.5-2"),
                ("libpython3.13-minimal", "3.13.5-2", "3.13.5-2"),
            ],
            expect![
                "python3.13-minimal 3.13.5-2+b1, libpython3.13-minimal 3.13.5-2+b1, libc6 2.41-12, zlib1g 1:1.3"
            ],
        );
        check(
            &index,
            &[
                ("python3.13-minimal", "3.13.4-1", "3.13.4-1"),
                ("libpython3.13-minimal", "3.13.4-1", "3.13.4-1"),
            ],
            expect![
                "error: python3.13-minimal is of version 3.13.6-1 for amd64 and of version 3.13.4-1 for arm64, which do not go together: `jettison base update` takes newer ones"
            ],
        );
        check(&index, &[("libc6", "2.41-12", "2.41-12")], expect![""]);
    }
}
