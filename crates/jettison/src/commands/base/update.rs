//! `jettison base update`

use std::path::Path;
use std::process::ExitCode;

use jettison_debian::{Architecture, Lock};

use crate::cli::{BaseChoice, BaseMaking, BasePlatform, BaseUpdateArgs, Global};
use crate::commands::base::moves::{Moves, versions};
use crate::commands::base::{BoxError, Place, Target, architecture, failure, settings};
use crate::failure::Failure;
use crate::family::{Family, FamilyRequest, Locked, Wanted, debian_wanted, locked, write_lock};
use crate::output::{Look, Output};
use crate::progress::{Progress, Reasons};
use crate::settings::Settings;
use crate::surroundings::Surroundings;

pub(super) fn run(
    global: &Global,
    args: &BaseUpdateArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let settings = settings(surroundings)?;
    let names = match &args.base {
        Some(name) => vec![name.clone()],
        None => locked_bases(&settings)?,
    };
    let targets = names
        .iter()
        .map(|name| Target::new(&choice(args, name), &settings))
        .collect::<Result<Vec<_>, _>>()?;
    let place = Place::new(global, settings, &args.origin, surroundings)?;
    for (name, target) in names.iter().zip(&targets) {
        if names.len() > 1 {
            output.line(&format!("{name}:"));
        }
        update(&place, args, (global, target), output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bases of the settings that have lock files.
fn locked_bases(settings: &Settings) -> Result<Vec<String>, Failure> {
    let is_locked = |(name, address): &(&String, &String)| {
        let lock = crate::family::split_lock(address);
        !name.contains('*') && lock.is_ok_and(|(_, lock)| lock.is_some())
    };
    let bases = settings.bases.iter().filter(is_locked);
    let names: Vec<String> = bases.map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return Err(
            Failure::user("no base in [bases] of the settings has a lock file")
                .hint("say which base and which file: jettison base update NAME --lock FILE")
                .hint(
                    "an address in [bases] names one so: \"distroless://static?lock=static.lock\"",
                ),
        );
    }
    Ok(names)
}

fn choice(args: &BaseUpdateArgs, name: &str) -> BaseChoice {
    BaseChoice {
        base: name.to_string(),
        debian: args.debian,
        making: BaseMaking {
            platform: BasePlatform {
                name: args.platform.clone(),
            },
            keep: Vec::new(),
            origin: args.origin.clone(),
            lock: args.lock.clone(),
        },
    }
}

/// Looks for newer packages of one base.
fn update(
    place: &Place,
    args: &BaseUpdateArgs,
    (global, target): (&Global, &Target),
    output: &mut Output,
) -> Result<(), Failure> {
    let (title, lock) = match target {
        Target::Distroless(chosen) => (&chosen.title, &chosen.lock),
        Target::Debian(debian) => (&debian.title, &debian.lock),
    };
    let Some(path) = lock else {
        return Err(Failure::user("there is no lock file to update")
            .hint("say which with --lock FILE; `jettison base build --lock FILE` makes one"));
    };
    let progress = Progress::new(global.progress, Reasons::Untold);
    let family = place.family(&progress);
    let failed = |error: BoxError| failure(title, &error);
    let own = architecture(args.platform.as_deref())?;
    let (old, is_kept) = match read(target, &own, path).map_err(failed)? {
        Locked::Found(lock) => (Some(lock), true),
        Locked::Missing(others) => (others, true),
        // What it has for other architectures is for something else, too.
        Locked::Stale(lock) => (Some(lock), false),
    };
    if !is_kept {
        let path = path.display();
        let text = format!("{path} was made for other packages than those of {title}");
        output.note(Look::Note, &text);
    }
    let known = old.iter().flat_map(|lock| lock.packages.keys().cloned());
    let mut architectures: Vec<Architecture> = known.collect();
    if args.platform.is_some() || architectures.is_empty() {
        architectures = vec![own];
    }
    let mut all = old.clone().filter(|_| is_kept);
    let mut lines = Vec::new();
    for architecture in &architectures {
        let new = resolve(&family, target, architecture).map_err(failed)?;
        let before = old.as_ref().and_then(|lock| lock.packages(architecture));
        let packages = new.packages(architecture).unwrap_or_default();
        let (before, after) = (versions(before.unwrap_or_default()), versions(packages));
        let moves = Moves::between(&before, &after);
        let fixes = family
            .fixes(&new, &moves.newer_of(packages))
            .map_err(failed)?;
        let found = moves.lines(&fixes).into_iter();
        lines.extend(found.map(|line| {
            if architectures.len() > 1 {
                format!("{architecture}: {line}")
            } else {
                line
            }
        }));
        all = Some(match all {
            Some(all) => all.joined(new),
            None => new,
        });
    }
    drop(progress);
    for line in &lines {
        output.line(line);
    }
    if lines.is_empty() {
        output.note(Look::Note, "nothing has moved");
    }
    match all {
        Some(all) if !args.dry_run => write_lock(path, &all).map_err(failed),
        Some(_) | None => Ok(()),
    }
}

/// What the lock file says about the base.
fn read(target: &Target, architecture: &Architecture, path: &Path) -> Result<Locked, BoxError> {
    match target {
        Target::Distroless(chosen) => {
            let request = chosen.request();
            let wanted = Wanted {
                architecture,
                ..request.wanted()
            };
            locked(&wanted, path)
        }
        Target::Debian(debian) => {
            let wanted = debian_wanted(&debian.base, &debian.title, architecture);
            locked(&wanted, path)
        }
    }
}

/// The newest packages of the base.
fn resolve(
    family: &Family<'_>,
    target: &Target,
    architecture: &Architecture,
) -> Result<Lock, BoxError> {
    match target {
        Target::Distroless(chosen) => family.resolve(&FamilyRequest {
            architecture: architecture.clone(),
            ..chosen.request()
        }),
        Target::Debian(debian) => family.resolve_debian(&debian.base, architecture),
    }
}
