//! `jettison prune`

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use jettison_build::{ItemKind, PruneRequest, prune, store_items};
use jettison_oci::Store;

use crate::cli::{Cli, Global, PruneArgs};
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
        output.note(Look::Note, &waiting_for(&users(&root.join("lock"))));
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

/// What is waited for, if `users` hold the store.
fn waiting_for(users: &[String]) -> String {
    let who = match users {
        [] => "a running build".to_owned(),
        users => users.join(", "),
    };
    format!("waiting for {who} to be done with the store…")
}

/// The processes that hold a lock of the file `lock`, as far as the system tells: each with its number and how it was started.
fn users(lock: &Path) -> Vec<String> {
    let Ok(metadata) = fs::metadata(lock) else {
        return Vec::new();
    };
    // Each line has: number, FLOCK, ADVISORY, READ or WRITE, process, device and inode.
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holders = locks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = words[..] else {
            return None;
        };
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        (inode == metadata.ino()).then_some(process)
    });
    // One that has opened it twice has two locks.
    let holders: BTreeSet<&str> = holders.collect();
    holders
        .into_iter()
        .filter_map(|process| {
            let words = fs::read(Path::new("/proc").join(process).join("cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words);
            let mut words = words.split_terminator('\0');
            let program = Path::new(words.next()?).file_name()?.to_str()?.to_owned();
            let own = Cli::command();
            let command = words.find_map(|word| own.find_subcommand(word));
            let command =
                command.map_or(String::new(), |command| format!(" {}", command.get_name()));
            Some(format!(
                "`{}{command}` (process {process})",
                program.escape_debug()
            ))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    #[test]
    fn whoever_holds_the_store_is_named_with_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(
            waiting_for(&users(&path)),
            "waiting for a running build to be done with the store…"
        );
        file.lock_shared().unwrap();
        let said = waiting_for(&users(&path));
        let own = format!("(process {}) to be done with the store…", process::id());
        assert!(said.ends_with(&own), "{said}");
    }
}
