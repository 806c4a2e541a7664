//! `jettison rmi`

use std::collections::BTreeMap;
use std::process::ExitCode;

use jettison_build::free_unneeded;
use jettison_oci::{DiffId, Digest, Image, Reference, Store, StoreError};
use jettison_slim::size_text;

use crate::cli::{Global, RmiArgs};
use crate::commands::lookup::{self, Found, names_of, repository};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &RmiArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    // Only root of the namespace can remove unpacked files of other IDs. Where there are no namespaces, there are none.
    let _entered = if args.no_prune {
        None
    } else {
        world::entered().ok()
    };
    let store = world::store(&world::root(global, surroundings)?)?;
    let mut failures = Vec::new();
    let mut gone: Vec<Image> = Vec::new();
    for name in &args.images {
        match remove(&store, name, args, output) {
            Ok(image) => gone.extend(image),
            Err(failure) => failures.push(failure),
        }
    }
    if !gone.is_empty() && !args.no_prune {
        free(&store, &gone, output)?;
    }
    let last = failures.pop();
    for failure in &failures {
        output.failure(failure);
    }
    last.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Removes what nothing needs any more, and says what stays for the build cache.
fn free(store: &Store, gone: &[Image], output: &mut Output) -> Result<(), Failure> {
    let layers: Vec<Vec<DiffId>> = gone
        .iter()
        .map(|image| image.layers().iter().map(|layer| layer.diff_id).collect())
        .collect();
    let freed = free_unneeded(store, &layers).map_err(|error| {
        Failure::user("the images are gone, but what they left cannot be removed").because(&error)
    })?;
    let Some(freed) = freed else {
        output.note(
            Look::Note,
            "another process uses the store: `jettison prune` removes the blobs later",
        );
        return Ok(());
    };
    for layer in &freed.layers {
        output.line(&format!("Deleted: {}", layer.digest()));
    }
    let failed = |error: StoreError| Failure::user("cannot read the store").because(&error);
    let needed = store.needed_blobs().map_err(failed)?;
    let blobs = gone.iter().flat_map(Image::layers).map(|layer| &layer.blob);
    let kept: BTreeMap<Digest, u64> = blobs
        .filter(|blob| store.has(&blob.digest) && !needed.contains(&blob.digest))
        .map(|blob| (blob.digest, blob.size))
        .collect();
    let size: u64 = kept.values().sum();
    if size > 0 {
        let text = format!(
            "{} of layers stay in the build cache: `jettison prune` removes them",
            size_text(size)
        );
        output.note(Look::Note, &text);
    }
    Ok(())
}

/// Takes a name away, or all names if `name` is an ID; and the image if it has no name left. Gives the image
/// if it is gone.
fn remove(
    store: &Store,
    name: &str,
    args: &RmiArgs,
    output: &mut Output,
) -> Result<Option<Image>, Failure> {
    let Some(Found { image, reference }) = lookup::look_up(store, name)? else {
        if args.force {
            output.note(Look::Note, &format!("no such image: {name}"));
            return Ok(None);
        }
        return Err(lookup::no_such_image(name));
    };
    let failed = |error: StoreError| Failure::user(format!("cannot remove {name}")).because(&error);
    let id = image.id();
    let names = names_of(&lookup::named(store)?, &id);
    let taken: Vec<&Reference> = match &reference {
        Some(reference) => vec![reference],
        None => names.iter().collect(),
    };
    if reference.is_none() && !args.force && has_several_repositories(&taken) {
        let list: Vec<String> = taken.iter().map(|name| name.familiar()).collect();
        return Err(Failure::no(format!(
            "cannot remove {name}: the image has names in several repositories: {}",
            list.join(", ")
        ))
        .hint("name one of them, or take them all away with -f"));
    }
    for reference in &taken {
        if store.untag(reference).map_err(failed)? {
            output.line(&format!("Untagged: {}", reference.familiar()));
        }
    }
    if names.iter().any(|name| !taken.contains(&name)) {
        return Ok(None);
    }
    store.forget_image(&id).map_err(failed)?;
    output.line(&format!("Deleted: {}", id.0));
    Ok(Some(image))
}

fn has_several_repositories(names: &[&Reference]) -> bool {
    let mut repositories: Vec<String> = names.iter().map(|name| repository(name)).collect();
    repositories.sort();
    repositories.dedup();
    repositories.len() > 1
}
