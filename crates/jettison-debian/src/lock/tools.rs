//! Packages with programs that something is made with on a host of another architecture.

use std::collections::BTreeMap;
use std::fmt;

use crate::arch::Architecture;
use crate::lock::{Lock, LockedPackage};

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
        let mut lock = self;
        let places: Vec<usize> = tools
            .archives
            .into_iter()
            .map(|archive| lock.place_of(archive))
            .collect();
        let tools = BTreeMap::from([(architecture.clone(), tools.packages)]);
        lock.with_moved_tools(tools, &places)
    }

    /// This lock, with tools whose archives are at `places` of this lock.
    pub(super) fn with_moved_tools(mut self, tools: Tools, places: &[usize]) -> Lock {
        for (architecture, by_host) in tools {
            let known = self.tools.entry(architecture).or_default();
            for (host, packages) in by_host {
                let moved = packages.into_iter().map(|package| LockedPackage {
                    archive: places.get(package.archive).copied().unwrap_or(usize::MAX),
                    ..package
                });
                known.insert(host, moved.collect());
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
