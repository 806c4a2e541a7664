//! `jettison prune`

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use jettison_build::{ItemKind, PruneRequest, prune, store_items};
use jettison_oci::Store;

use crate::cli::{Global, PruneArgs};
use crate::commands::items;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::surroundings::Surroundings;

/// What is removed if nothing else is asked for: what builds make again by themselves.
const USUAL: [ItemKind; 5] = [
    ItemKind::Step,
    ItemKind::Snapshot,
    ItemKind::Blob,
    ItemKind::CacheMount,
    ItemKind::ContextIndex,
];

pub(crate) fn run(
    global: &Global,
    args: &PruneArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let root = world::root(global, surroundings)?;
    if !args.force && !args.dry_run && !is_agreed(args, output)? {
        output.note(Look::Note, "nothing was removed");
        return Ok(ExitCode::from(1));
    }
    // Only root of the namespace can remove files of other IDs.
    let _entered = world::entered()?;
    let store = world::store(&root)?;
    let usual: Vec<ItemKind> = if args.all {
        let all = ItemKind::ALL.into_iter();
        all.filter(|kind| *kind != ItemKind::Volume).collect()
    } else {
        USUAL.to_vec()
    };
    let request = PruneRequest {
        kinds: args.filter.kinds(&usual),
        unused_for: args.filter.unused_for(),
        most_space: most_space(args, &store, &root)?,
        is_trial: args.dry_run,
    };
    let notes = RefCell::new(&mut *output);
    let waiting = || {
        let mut output = notes.borrow_mut();
        output.note(
            Look::Note,
            "waiting for a running build that uses the store…",
        );
    };
    let pruned = prune(&store, &request, &waiting)
        .map_err(|error| Failure::user("cannot prune the store").because(&error))?;
    let now = surroundings.time();
    if args.verbose {
        items::print_pretty(&pruned.removed, now, output);
    } else if !pruned.removed.is_empty() {
        items::print_table(&pruned.removed, now, output);
    }
    let title = if args.dry_run {
        "Would be freed"
    } else {
        "Total"
    };
    output.line(&items::total(title, pruned.freed));
    Ok(ExitCode::SUCCESS)
}

/// How much may be left; `None` if space does not matter (BuildKit: `calculateKeepBytes`, cache/manager.go).
fn most_space(args: &PruneArgs, store: &Store, root: &Path) -> Result<Option<u64>, Failure> {
    let mut most = args.max_used_space;
    if let Some(wanted) = args.min_free_space {
        let fail = |error: &dyn std::error::Error| {
            format!(
                "cannot see how full the disk of {} is: {error}",
                root.display()
            )
        };
        let disk = rustix::fs::statvfs(root).map_err(|error| Failure::user(fail(&error)))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let left = match wanted.saturating_sub(free) {
            0 => u64::MAX,
            missing => {
                let list = store_items(store)
                    .map_err(|error| Failure::user("cannot look into the store").because(&error))?;
                let cached = list.iter().filter(|item| item.kind != ItemKind::Volume);
                let total: u64 = cached.map(|item| item.size).sum();
                total.saturating_sub(missing)
            }
        };
        most = Some(most.map_or(left, |most| most.min(left)));
    }
    Ok(match (most, args.reserved_space) {
        (Some(most), Some(reserved)) => Some(most.max(reserved)),
        (most, reserved) => most.or(reserved),
    })
}

/// Asks whether to go on.
fn is_agreed(args: &PruneArgs, output: &mut Output) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::user(
            "nobody can be asked whether to go on: standard input is no terminal",
        )
        .hint("--force removes without asking, --dry-run says what would be removed"));
    }
    let what = if args.all {
        "all of the build cache, downloads and images without a name"
    } else {
        "what builds can make again"
    };
    output.notice(&format!("This removes {what}. Go on? [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::user("cannot read the answer").because(&error))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
