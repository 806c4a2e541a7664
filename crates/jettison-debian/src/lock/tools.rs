//! Packages with programs that something is made with on a host of another architecture.

use std::collections::BTreeMap;
use std::fmt;

use crate::arch::Architecture;
use crate::lock::{Lock, LockedArchive, LockedPackage};

type Tools = BTreeMap<Architecture, BTreeMap<Architecture, Vec<LockedPackage>>>;

impl Lock {
    /// The packages with the programs that what is for `architecture` is made with on a host of the architecture `host`:
    /// where it is the same, those of the system itself.
    pub fn tools(
        &self,
        architecture: &Architecture,
        host: &Architecture,
    ) -> Option<&[LockedPackage]> {
        if architecture == host {
            return self.packages(architecture);
        }
        let tools = self.tools.get(architecture)?.get(host)?;
        Some(tools)
    }

    /// This lock, with the packages of `tools` as those that what is for `architecture` is made with on a host of their
    /// architecture.
    #[must_use]
    pub fn with_tools(self, architecture: &Architecture, tools: Lock) -> Lock {
        let packages = BTreeMap::from([(architecture.clone(), tools.packages)]);
        self.with_moved_tools(packages, &tools.archives)
    }

    /// This lock, with tools whose archives are positions in `archives`.
    pub(super) fn with_moved_tools(mut self, tools: Tools, archives: &[LockedArchive]) -> Lock {
        for (architecture, by_host) in tools {
            for (host, packages) in by_host {
                let moved = packages.into_iter().map(|package| LockedPackage {
                    archive: match archives.get(package.archive) {
                        Some(archive) => self.place_of(archive),
                        None => usize::MAX,
                    },
                    ..package
                });
                let moved = moved.collect();
                let known = self.tools.entry(architecture.clone()).or_default();
                known.insert(host, moved);
            }
        }
        self
    }

    pub(super) fn write_tools(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (architecture, by_host) in &self.tools {
            for (host, packages) in by_host {
                for package in packages {
                    writeln!(formatter, "\n[[tool.{architecture}.{host}]]")?;
                    package.write(formatter, host)?;
                }
            }
        }
        Ok(())
    }
}
