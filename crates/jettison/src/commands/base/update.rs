//! `jettison base update`

use std::collections::BTreeMap;
use std::process::ExitCode;

use jettison_debian::{LockedPackage, Version};

use crate::cli::{BaseUpdateArgs, Global};
use crate::commands::base::{BoxError, Chosen, Place, failure};
use crate::failure::Failure;
use crate::family::{Family, Locked, write_lock};
use crate::output::{Look, Output};
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

pub(super) fn run(
    global: &Global,
    args: &BaseUpdateArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let chosen = Chosen::new(&args.choice)?;
    let Some(path) = &args.choice.exact.lock else {
        return Err(Failure::user("there is no lock file to update")
            .hint("say which with --lock FILE; `jettison base build --lock FILE` makes one"));
    };
    let place = Place::new(global, surroundings)?;
    let progress = Progress::new(global.progress, Reasons::Untold);
    let family = place.family(&args.choice, &progress);
    let failed = |error: BoxError| failure(&chosen.title, &error);
    let request = chosen.request();
    let (old, is_kept) = match Family::locked(&request, path).map_err(failed)? {
        Locked::Found(lock) => (Some(lock), true),
        Locked::Missing(others) => (others, true),
        // What it has for other architectures is for something else, too.
        Locked::Stale(lock) => (Some(lock), false),
    };
    let new = family.resolve(&request).map_err(failed)?;
    let new = family.with_tools(&request, new).map_err(failed)?;
    let before = old
        .as_ref()
        .and_then(|lock| lock.packages(&chosen.architecture));
    let after = new.packages(&chosen.architecture).unwrap_or_default();
    let moves = Moves::between(before.unwrap_or_default(), after);
    let fixes = family.fixes(&new, &moves.newer).map_err(failed)?;
    drop(progress);
    let lines = moves.lines(&fixes);
    for line in &lines {
        output.line(line);
    }
    if lines.is_empty() {
        output.note(Look::Note, "nothing has moved");
    }
    if !args.dry_run {
        let all = match old {
            Some(old) if is_kept => old.joined(new),
            Some(_) | None => new,
        };
        write_lock(path, &all).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What came, went, and moved.
pub(super) struct Moves<'a> {
    /// The packages of which there is another version, with the one before.
    newer: Vec<(&'a LockedPackage, Version)>,
    added: Vec<&'a LockedPackage>,
    removed: Vec<&'a LockedPackage>,
}

impl<'a> Moves<'a> {
    /// The packages of which there is another version, with the one before.
    pub(super) fn newer(&self) -> &[(&'a LockedPackage, Version)] {
        &self.newer
    }

    pub(super) fn between(before: &'a [LockedPackage], after: &'a [LockedPackage]) -> Moves<'a> {
        let by_name = |list: &'a [LockedPackage]| -> BTreeMap<&'a str, &'a LockedPackage> {
            list.iter()
                .map(|package| (package.name.as_str(), package))
                .collect()
        };
        let (old, new) = (by_name(before), by_name(after));
        let newer = new.iter().filter_map(|(name, package)| {
            let old = old.get(name)?;
            (old.version != package.version).then(|| (*package, old.version.clone()))
        });
        let missing_in = |list: &BTreeMap<&str, &'a LockedPackage>,
                          others: &BTreeMap<&str, &'a LockedPackage>| {
            let missing = list.iter().filter(|(name, _)| !others.contains_key(*name));
            missing.map(|(_, package)| *package).collect()
        };
        Moves {
            newer: newer.collect(),
            added: missing_in(&new, &old),
            removed: missing_in(&old, &new),
        }
    }

    /// A line for each; `fixes` are vulnerabilities by package.
    pub(super) fn lines(&self, fixes: &BTreeMap<String, Vec<String>>) -> Vec<String> {
        let mut lines = Vec::new();
        for (package, old) in &self.newer {
            let mut line = format!("{} {old} -> {}", package.name, package.version);
            if let Some(names) = fixes.get(&package.name).filter(|names| !names.is_empty()) {
                line.push_str(" fixes ");
                line.push_str(&names.join(", "));
            }
            lines.push(line);
        }
        for package in &self.added {
            lines.push(format!("{} {} is new", package.name, package.version));
        }
        for package in &self.removed {
            lines.push(format!("{} {} is gone", package.name, package.version));
        }
        lines
    }
}
