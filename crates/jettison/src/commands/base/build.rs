//! `jettison base build`

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use jettison_build::Engine;
use jettison_debian::Lock;
use jettison_oci::{Image, Reference};
use jettison_slim::{DistrolessImage, cyclonedx_json, spdx_json};

use crate::cli::{BaseBuildArgs, Global, ProgressKind, SbomFormat};
use crate::commands::base::{BoxError, Chosen, DebianChosen, Place, Target, failure, settings};
use crate::commands::world;
use crate::failure::Failure;
use crate::family::{Family, LockFile, Locked, Pinning, write_lock};
use crate::output::Output;
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

pub(super) fn run(
    global: &Global,
    args: &BaseBuildArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let choice = &args.choice;
    let settings = settings(surroundings)?;
    let target = Target::new(choice, &settings)?;
    if let Target::Debian(debian) = &target {
        refuse_for_debian(args, debian)?;
    }
    let tags = args
        .tags
        .iter()
        .map(|tag| world::reference(tag))
        .collect::<Result<Vec<_>, _>>()?;
    let place = Place::new(global, settings, &choice.making.origin, surroundings)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let progress = Progress::new(kind, Reasons::Untold);
    let family = place.family(&progress);
    let image = match &target {
        Target::Distroless(chosen) => {
            let built = assemble(&family, chosen)?;
            write_sboms(args, &built, tags.first(), &chosen.title)?;
            built.image
        }
        Target::Debian(debian) => install(&place, &family, debian)?,
    };
    drop(progress);
    for tag in &tags {
        place
            .store
            .tag(tag, &image.manifest_digest(), &image)
            .map_err(|error| {
                Failure::user(format!("cannot name the base {tag}")).because(&error)
            })?;
    }
    output.line(&image.id().0.to_string());
    Ok(ExitCode::SUCCESS)
}

/// Refuses what is said of distroless bases alone.
fn refuse_for_debian(args: &BaseBuildArgs, debian: &DebianChosen) -> Result<(), Failure> {
    let choice = &args.choice;
    let options = [
        ("--keep", !choice.making.keep.is_empty()),
        ("--debian", choice.debian.is_some()),
        ("--platform", choice.making.platform.name.is_some()),
        ("--sbom", !args.sboms.is_empty()),
    ];
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::user(format!(
            "{option} is for distroless bases: {} is installed by its own dpkg",
            debian.title
        ))),
        None => Ok(()),
    }
}

fn write_sboms(
    args: &BaseBuildArgs,
    built: &DistrolessImage,
    tag: Option<&Reference>,
    title: &str,
) -> Result<(), Failure> {
    for spec in &args.sboms {
        let name = tag.map(Reference::familiar);
        let sbom = built.sbom(name.as_deref().unwrap_or(title));
        let text = match spec.format {
            SbomFormat::Spdx => spdx_json(&sbom),
            SbomFormat::CycloneDx => cyclonedx_json(&sbom),
        };
        fs::write(&spec.file, text).map_err(|error| {
            Failure::user(format!("cannot write {}", spec.file.display())).because(&error)
        })?;
    }
    Ok(())
}

/// Lets dpkg install a `debian://` base.
fn install(place: &Place, family: &Family<'_>, debian: &DebianChosen) -> Result<Image, Failure> {
    let entered = match &place.entered {
        Some(entered) => entered,
        None => &world::entered()?,
    };
    let host = world::run_host(&place.root, entered, &BTreeMap::new())?;
    let engine = Engine::open(&place.store, entered, &host)
        .map_err(|error| Failure::host("cannot install packages here").because(&error))?;
    let pinning = match &debian.lock {
        Some(path) => Pinning::File(LockFile {
            path: path.clone(),
            is_made: true,
        }),
        None => Pinning::Newest,
    };
    family
        .debian(&engine, &debian.base, &pinning)
        .map_err(|error| failure(&debian.title, &error))
}

/// Assembles what was chosen, by the lock file if there is one; that is made if it is missing.
pub(super) fn assemble(family: &Family<'_>, chosen: &Chosen) -> Result<DistrolessImage, Failure> {
    let lock = lock(family, chosen)?;
    family
        .assemble(&chosen.request(), &lock)
        .map_err(|error| failure(&chosen.title, &error))
}

/// The packages of the lock file, or the newest.
pub(super) fn lock(family: &Family<'_>, chosen: &Chosen) -> Result<Lock, Failure> {
    let failed = |error: BoxError| failure(&chosen.title, &error);
    let request = chosen.request();
    let Some(path) = &chosen.lock else {
        return family.resolve(&request).map_err(failed);
    };
    match Family::locked(&request, path).map_err(failed)? {
        Locked::Found(lock) => {
            let all = family.with_tools(&request, lock.clone()).map_err(failed)?;
            if all != lock {
                write_lock(path, &all).map_err(failed)?;
            }
            Ok(all)
        }
        Locked::Stale(_) => {
            let text = format!("{} is not for {}", path.display(), chosen.title);
            Err(Failure::no(text)
                .hint("`jettison base update` with the same options writes it anew"))
        }
        Locked::Missing(others) => {
            let new = family.resolve(&request).map_err(failed)?;
            let all = match others {
                Some(others) => others.joined(new),
                None => new,
            };
            write_lock(path, &all).map_err(failed)?;
            Ok(all)
        }
    }
}
