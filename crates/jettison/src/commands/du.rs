//! `jettison du`

use std::process::ExitCode;
use std::time::SystemTime;

use jettison_build::{ItemKind, StoreItem, store_items};

use crate::cli::{DuArgs, DuFormat, Global};
use crate::commands::items;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::Output;
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &DuArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let root = world::root(global, surroundings)?;
    // Only root of the namespace can look into directories of other IDs.
    let _entered = world::entered()?;
    let store = world::store(&root)?;
    let kinds = args.filter.kinds(&ItemKind::ALL);
    let unused_for = args.filter.unused_for();
    let now = surroundings.time();
    let age = |item: &StoreItem| now.duration_since(item.used).unwrap_or_default();
    let mut list = store_items(&store)
        .map_err(|error| Failure::user("cannot look into the store").because(&error))?;
    list.retain(|item| kinds.contains(&item.kind) && age(item) >= unused_for);
    // The largest first, as in buildx.
    list.sort_by_key(|item| std::cmp::Reverse(item.size));
    let format = if args.verbose {
        DuFormat::Pretty
    } else {
        args.format
    };
    print(&list, format, now, output)?;
    Ok(ExitCode::SUCCESS)
}

fn print(
    list: &[StoreItem],
    format: DuFormat,
    now: SystemTime,
    output: &mut Output,
) -> Result<(), Failure> {
    match format {
        DuFormat::Json => {
            for item in list {
                output.line(&items::json(item, now)?);
            }
            return Ok(());
        }
        DuFormat::Pretty => items::print_pretty(list, now, output),
        DuFormat::Table => items::print_table(list, now, output),
    }
    let total = list.iter().map(|item| item.size).sum();
    output.line(&items::total("Total", total));
    Ok(())
}
