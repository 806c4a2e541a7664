//! All archives that packages are taken from at once.

use std::thread;

use crate::arch::Architecture;
use crate::archive::{Archive, ArchiveError, Supply, VerifiedSuite, load_texts};
use crate::keyring::Keyring;
use crate::package::Package;
use crate::packages::PackagesIndex;
use crate::policy::{Pin, Policy};
use crate::release::{Freshness, Release};

/// A suite to take packages from, and how far to trust it.
#[derive(Debug, Clone)]
pub struct ArchiveSource {
    /// The suite.
    pub archive: Archive,
    /// Whose signatures count.
    pub keyring: Keyring,
    /// How much its packages count; `None` leaves that to the suite's Release file, which says 500 as a rule.
    pub priority: Option<i32>,
    /// Whether the end of its validity matters.
    pub freshness: Freshness,
    /// Whether it may be older than it was the last time.
    pub downgrade: Downgrade,
}

/// Whether a suite may be older than the last one that came from the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downgrade {
    /// An older one is refused, so that nobody can take updates back.
    Refused,
    /// It is accepted, and the one to compare the next with.
    Permitted,
}

/// Where packages come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The suites. Where two have the same version of a package, the first serves it.
    pub list: Vec<ArchiveSource>,
    /// Whose packages.
    pub architecture: Architecture,
    /// Priorities that differ from those of the suites.
    pub pins: Vec<Pin>,
}

/// The verified indexes of all sources, as one.
#[derive(Debug)]
pub struct Universe {
    /// The suites, in the order of the sources.
    pub suites: Vec<VerifiedSuite>,
    /// The packages of all suites.
    pub packages: PackagesIndex,
}

impl Universe {
    /// When the newest of its Release files was made, in Unix seconds.
    pub fn date(&self) -> u64 {
        let dates = self.suites.iter().map(|suite| suite.release.date);
        dates.max().unwrap_or(0)
    }

    /// The suite that `package` is taken from.
    pub fn suite_of(&self, package: Package<'_>) -> Option<&VerifiedSuite> {
        self.suites.get(package.archive())
    }
}

/// Loads the indexes of all sources, side by side, and verifies them.
pub fn load_universe(supply: &Supply<'_>, sources: &Sources) -> Result<Universe, ArchiveError> {
    let loaded: Vec<_> = thread::scope(|scope| {
        let load = |source| scope.spawn(move || load_texts(supply, source, &sources.architecture));
        let threads: Vec<_> = sources.list.iter().map(load).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(loaded) => loaded,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    });
    let mut suites = Vec::new();
    let mut files = Vec::new();
    for (number, loaded) in loaded.into_iter().enumerate() {
        let (suite, of_suite) = loaded?;
        files.extend(of_suite.into_iter().map(|file| (number, file)));
        suites.push(suite);
    }
    let priority = |(suite, source): (&VerifiedSuite, &ArchiveSource)| {
        source.priority.unwrap_or(suite.release.priority)
    };
    let releases: Vec<(i32, &Release)> = suites
        .iter()
        .zip(&sources.list)
        .map(|pair| (priority(pair), &pair.0.release))
        .collect();
    let policy = Policy {
        archives: releases,
        pins: &sources.pins,
    };
    let packages = PackagesIndex::of_files(files, &sources.architecture, &policy)
        .map_err(|(url, source)| ArchiveError::Packages { url, source })?;
    Ok(Universe { suites, packages })
}
