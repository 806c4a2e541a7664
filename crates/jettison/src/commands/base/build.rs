//! `jettison base build`

use std::fs;
use std::process::ExitCode;

use jettison_debian::Lock;
use jettison_oci::Reference;
use jettison_slim::{DistrolessImage, cyclonedx_json, spdx_json};

use crate::cli::{BaseBuildArgs, BaseChoice, Global, SbomFormat};
use crate::commands::base::{BoxError, Chosen, Place, failure};
use crate::failure::Failure;
use crate::family::{Family, Locked, write_lock};
use crate::output::Output;
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

pub(super) fn run(
    global: &Global,
    args: &BaseBuildArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let chosen = Chosen::new(&args.choice)?;
    let tags = args.naming.references()?;
    let place = Place::new(global, surroundings)?;
    let progress = Progress::new(args.naming.progress(global), Reasons::Untold);
    let built = assemble(
        &place.family(&args.choice, &progress),
        &chosen,
        &args.choice,
    );
    drop(progress);
    let built = built?;
    for spec in &args.sboms {
        let name = tags.first().map(Reference::familiar);
        let sbom = built.sbom(name.as_deref().unwrap_or(&chosen.title));
        let text = match spec.format {
            SbomFormat::Spdx => spdx_json(&sbom),
            SbomFormat::CycloneDx => cyclonedx_json(&sbom),
        };
        fs::write(&spec.file, text).map_err(|error| {
            Failure::user(format!("cannot write {}", spec.file.display())).because(&error)
        })?;
    }
    let image = built.image;
    place.name(&image, &tags)?;
    output.line(&image.id().0.to_string());
    Ok(ExitCode::SUCCESS)
}

/// Assembles what was chosen, by the lock file if there is one; that is made if it is missing.
pub(super) fn assemble(
    family: &Family<'_>,
    chosen: &Chosen,
    choice: &BaseChoice,
) -> Result<DistrolessImage, Failure> {
    let lock = lock_with_tools(family, chosen, choice)?;
    family
        .assemble(&chosen.request(), &lock)
        .map_err(|error| failure(&chosen.title, &error))
}

/// The packages of the lock file, or the newest, and those that the base is made with.
fn lock_with_tools(
    family: &Family<'_>,
    chosen: &Chosen,
    choice: &BaseChoice,
) -> Result<Lock, Failure> {
    let failed = |error: BoxError| failure(&chosen.title, &error);
    let lock = lock(family, chosen, choice)?;
    let all = family
        .with_tools(&chosen.request(), lock.clone())
        .map_err(failed)?;
    if let Some(path) = &choice.exact.lock
        && all != lock
    {
        write_lock(path, &all).map_err(failed)?;
    }
    Ok(all)
}

/// The packages of the lock file, or the newest.
pub(super) fn lock(
    family: &Family<'_>,
    chosen: &Chosen,
    choice: &BaseChoice,
) -> Result<Lock, Failure> {
    let failed = |error: BoxError| failure(&chosen.title, &error);
    let request = chosen.request();
    let Some(path) = &choice.exact.lock else {
        return family.resolve(&request).map_err(failed);
    };
    match Family::locked(&request, path).map_err(failed)? {
        Locked::Found(lock) => Ok(lock),
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
