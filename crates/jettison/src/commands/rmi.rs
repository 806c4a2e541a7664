//! `jettison rmi`

use std::process::ExitCode;

use jettison_build::free_blobs;
use jettison_oci::{Reference, Store, StoreError};

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
    let store = world::store(&world::root(global, surroundings)?)?;
    let mut failures = Vec::new();
    let mut has_deleted = false;
    for name in &args.images {
        match remove(&store, name, args, output) {
            Ok(deleted) => has_deleted |= deleted,
            Err(failure) => failures.push(failure),
        }
    }
    if has_deleted && !args.no_prune {
        let freed = free_blobs(&store).map_err(|error| {
            Failure::user("the images are gone, but their blobs cannot be removed").because(&error)
        })?;
        if freed.is_none() {
            output.note(
                Look::Note,
                "another process uses the store: `jettison prune` removes the blobs later",
            );
        }
    }
    let last = failures.pop();
    for failure in &failures {
        output.failure(failure);
    }
    last.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Takes a name away, or all names if `name` is an ID; and the image if it has no name left. Says whether it is gone.
fn remove(store: &Store, name: &str, args: &RmiArgs, output: &mut Output) -> Result<bool, Failure> {
    let Some(Found { image, reference }) = lookup::look_up(store, name)? else {
        if args.force {
            output.note(Look::Note, &format!("no such image: {name}"));
            return Ok(false);
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
        return Ok(false);
    }
    store.forget_image(&id).map_err(failed)?;
    output.line(&format!("Deleted: {}", id.0));
    Ok(true)
}

fn has_several_repositories(names: &[&Reference]) -> bool {
    let mut repositories: Vec<String> = names.iter().map(|name| repository(name)).collect();
    repositories.sort();
    repositories.dedup();
    repositories.len() > 1
}
