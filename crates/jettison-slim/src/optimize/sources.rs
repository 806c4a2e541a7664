//! Sources that the final stage can copy itself, since nothing is made of them.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use jettison_build::{CopyDefinition, CopyFrom, CopyItem, Definition};
use jettison_dockerfile::{Instruction, InstructionKind, Keyword, Stage, is_owner_by_name};

use crate::evidence::Owners;
use crate::optimize::division::{Divided, Part, leaves};
use crate::optimize::moments::Moments;
use crate::refactor::{RuntimeStage, Sources};
use crate::rootfs::normalise;

/// The sources, if all that `parts` do, whose instructions begin at `at` and end with their stage, is to copy what is kept.
pub(super) fn sources(
    divided: Divided<'_>,
    parts: &[Part],
    (target, at): (&Stage, usize),
    (owners, moments): (&Owners<'_>, &Moments<'_>),
) -> Option<Sources> {
    let runtime = divided.runtime;
    let packaged = packaged(runtime, owners);
    let is_kept = |path: &PathBuf| packaged.contains(path.as_path()) || is_kept(runtime, path);
    let rest = &divided.parse.instructions()[at..target.instructions.end];
    let instruction_of = |part: &Part| divided.parse.instructions().get(part.instruction);
    if rest
        .iter()
        .any(|instruction| matches!(instruction.keyword, Keyword::Run | Keyword::Add))
    {
        return None;
    }
    for part in parts {
        match &part.definition {
            Definition::Copy(copy) => {
                let instruction = instruction_of(part)?;
                if !is_repeatable(instruction, copy, &runtime.working_dir) {
                    return None;
                }
                if !leaves(&part.files).iter().all(is_kept) {
                    return None;
                }
            }
            Definition::Workdir(workdir) => {
                if normalise(Path::new(&workdir.path)) != normalise(Path::new(&runtime.working_dir))
                {
                    return None;
                }
            }
            Definition::Run(_) => return None,
        }
    }
    let absent: BTreeSet<PathBuf> = runtime
        .kept
        .iter()
        .map(|kept| kept.path.clone())
        .filter(|path| moments.early.symlink_metadata(path).is_err())
        .collect();
    let is_stage_used = runtime.rootfs.is_some() || absent.len() < runtime.kept.len();
    let is_dropped_whole = || {
        let first = target.instructions.start;
        let own = &divided.parse.instructions()[first..target.instructions.end];
        !own.iter()
            .any(|instruction| matches!(instruction.keyword, Keyword::Run | Keyword::Add))
    };
    (is_stage_used || is_dropped_whole()).then_some(Sources {
        absent,
        is_stage_used,
    })
}

/// Whether `instruction`, which does `copy`, means the same in a final stage that starts in `working_dir`.
fn is_repeatable(instruction: &Instruction, copy: &CopyDefinition, working_dir: &str) -> bool {
    let InstructionKind::Copy(said) = &instruction.kind else {
        return false;
    };
    let is_plain = !instruction.logical_line.contains('$') && instruction.heredocs.is_empty();
    // Other stages are there for every stage after them.
    let is_common = !matches!(copy.from, CopyFrom::Named(_));
    let are_paths = copy
        .sources
        .iter()
        .all(|source| matches!(source, CopyItem::Path(_)));
    // A name is looked up in the stage's own list of users.
    let is_numeric = !said
        .chown
        .as_ref()
        .is_some_and(|owner| is_owner_by_name(owner));
    let destination = Path::new(working_dir).join(said.destination.as_str());
    let leads_there = normalise(&destination) == normalise(Path::new(&copy.destination))
        && !said.destination.contains(['"', '\'', '\\']);
    is_plain && is_common && are_paths && is_numeric && leads_there
}

/// The files of packages that the final image has.
fn packaged<'o>(runtime: &RuntimeStage, owners: &'o Owners<'_>) -> HashSet<&'o Path> {
    let Some(rootfs) = &runtime.rootfs else {
        return HashSet::new();
    };
    let left_out = rootfs.left_out_pattern();
    let is_left_out = |path: &Path| {
        let left_out = left_out.as_ref();
        left_out.is_some_and(|pattern| pattern.is_match(&path.to_string_lossy()))
    };
    rootfs
        .packages
        .iter()
        .flat_map(|package| owners.files_of(package))
        .filter(|path| !is_left_out(path))
        .collect()
}

/// Whether `path` is one of those that are named, or lies in one.
fn is_kept(runtime: &RuntimeStage, path: &Path) -> bool {
    let is_copied = runtime
        .kept
        .iter()
        .any(|kept| path == kept.path || (kept.is_directory && path.starts_with(&kept.path)));
    let is_collected = runtime.rootfs.as_ref().is_some_and(|rootfs| {
        rootfs.singles.iter().any(|single| path == single)
            || rootfs.trees.iter().any(|tree| {
                let is_pruned =
                    |pruned: &PathBuf| path.starts_with(pruned) && !tree.starts_with(pruned);
                path.starts_with(tree)
                    && !rootfs.pruned.iter().any(is_pruned)
                    && !rootfs.pruned_files.iter().any(|left| left == path)
            })
    });
    is_copied || is_collected
}
