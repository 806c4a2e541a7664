//! `jettison tag`

use std::process::ExitCode;

use crate::cli::{Global, TagArgs};
use crate::commands::{lookup, world};
use crate::failure::Failure;
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &TagArgs,
    surroundings: &Surroundings,
) -> Result<ExitCode, Failure> {
    let mut targets = Vec::new();
    for target in &args.targets {
        let reference = world::reference(target)?;
        if reference.digest().is_some() {
            return Err(
                Failure::user("a name with a digest cannot be given to an image")
                    .hint("the digest is the image's own; leave `@sha256:…` out"),
            );
        }
        targets.push(reference);
    }
    let store = world::store(&world::root(global, surroundings)?)?;
    let failed = |error: jettison_oci::StoreError| {
        Failure::user(format!("cannot name {}", args.source)).because(&error)
    };
    let _in_use = store.lock_shared().map_err(failed)?;
    let image = lookup::find(&store, &args.source)?.image;
    for target in &targets {
        // An image whose pointer a killed process has lost gets it back.
        let manifest = store.put_image(&image).map_err(failed)?;
        store.tag(target, &manifest, &image).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}
