//! `jettison base update`

use std::collections::BTreeMap;
use std::process::ExitCode;

use jettison_debian::{Lock, LockedPackage};

use crate::cli::{BaseUpdateArgs, Global};
use crate::commands::base::{BoxError, Chosen, Place, failure};
use crate::failure::Failure;
use crate::family::{Locked, write_lock};
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
    let Some(path) = &args.choice.lock else {
        return Err(Failure::user("there is no lock file to update")
            .hint("say which with --lock FILE; `jettison base build --lock FILE` makes one"));
    };
    let place = Place::new(global, surroundings)?;
    let progress = Progress::new(global.progress, Reasons::Untold);
    let family = place.family(&args.choice, &progress);
    let failed = |error: BoxError| failure(&chosen.title, &error);
    let request = chosen.request();
    let old = match family.locked(&request, path).map_err(failed)? {
        Locked::Found(lock) => Some(lock),
        Locked::Missing(others) => others,
        Locked::Stale => None,
    };
    let new = family.resolve(&request).map_err(failed)?;
    drop(progress);
    let before = old
        .as_ref()
        .and_then(|lock| lock.packages(&chosen.architecture));
    let after = new.packages(&chosen.architecture).unwrap_or_default();
    let lines = moved(before.unwrap_or_default(), after);
    for line in &lines {
        output.line(line);
    }
    if lines.is_empty() {
        output.note(Look::Note, "nothing has moved");
    }
    if !args.dry_run {
        let all = match old {
            Some(old) => old.joined(new),
            None => new,
        };
        write(path, &all).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &std::path::Path, lock: &Lock) -> Result<(), BoxError> {
    write_lock(path, lock)
}

/// What came, went, and moved.
fn moved(before: &[LockedPackage], after: &[LockedPackage]) -> Vec<String> {
    let by_name = |list: &[LockedPackage]| -> BTreeMap<String, String> {
        list.iter()
            .map(|package| (package.name.clone(), package.version.to_string()))
            .collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    let mut lines = Vec::new();
    for (name, version) in &after {
        match before.get(name) {
            Some(old) if old == version => {}
            Some(old) => lines.push(format!("{name} {old} -> {version}")),
            None => lines.push(format!("{name} {version} is new")),
        }
    }
    for (name, version) in &before {
        if !after.contains_key(name) {
            lines.push(format!("{name} {version} is gone"));
        }
    }
    lines
}
