//! What can be made anew beside the build stage, on what there is before the sources come.

use std::path::Path;

use jettison_dockerfile::Stage;

use super::{OptimizeError, Run};
use crate::optimize::division::{Divided, Part, before, is_early, is_in, needs_root, places};
use crate::optimize::moments::Moments;
use crate::refactor::{Aside, Division, KeptPath, ShellStep};
use crate::rootfs::RootDir;

/// `collected` with the steps that can be done in a stage of their own, on what there is before the sources come: these do not
/// change it, but what the steps take away is needed with them.
pub(super) fn set_aside(
    run: &Run<'_>,
    divided: Divided<'_>,
    (stage, parts): (&Stage, &[Part]),
    collected: Option<Division>,
) -> Result<Option<Division>, OptimizeError> {
    let Some(steps) = steps_aside(divided, collected.as_ref()) else {
        return Ok(collected);
    };
    let start = stage.instructions.start;
    for at in places(parts, stage) {
        let instruction = parts[at].instruction;
        let is_start = !parts[..at].iter().any(|part| is_in(stage, part));
        let suits = |division: &Division| [start, instruction].contains(&division.at);
        if is_start || !collected.as_ref().is_none_or(suits) {
            continue;
        }
        let Some(early) = before(run, divided.built, &parts[..at])? else {
            continue;
        };
        let moments = Moments::between(&early.root, divided.root, &parts[at..]);
        let place = (stage, instruction);
        if !steps
            .iter()
            .all(|step| is_early(divided, step, place, &moments))
        {
            continue;
        }
        let aside = Aside {
            at: instruction,
            taken: made_by(divided.root, &steps),
            steps,
            needs_root: needs_root(divided, instruction),
        };
        let bare = Division {
            at: instruction,
            ..Division::default()
        };
        return Ok(Some(Division {
            aside: Some(aside),
            ..collected.unwrap_or(bare)
        }));
    }
    Ok(collected)
}

/// The steps at the end of the build stage that could be done elsewhere, if all others have nothing to do with what these make.
fn steps_aside(divided: Divided<'_>, collected: Option<&Division>) -> Option<Vec<ShellStep>> {
    let runtime = divided.runtime;
    let is_undivided = collected.is_none() && runtime.rootfs.is_some();
    if is_undivided || collected.is_some_and(|division| division.sources.is_some()) {
        return None;
    }
    let late = runtime.build_steps.iter();
    let late = late.filter(|step| !collected.is_some_and(|division| division.is_early(step)));
    let (steps, rest): (Vec<_>, Vec<_>) = late.cloned().partition(|step| !step.makes.is_empty());
    let made = made_by(divided.root, &steps);
    let is_made = |path: &Path| {
        let mut made = made.iter().map(|made| made.path.as_path());
        made.any(|made| made.starts_with(path) || path.starts_with(made))
    };
    let is_apart =
        |step: &ShellStep| !step.trees.is_empty() && !step.trees.iter().any(|tree| is_made(tree));
    let is_kept = |made: &KeptPath| {
        let mut kept = runtime.kept.iter();
        kept.any(|kept| made.path.starts_with(&kept.path) || kept.path.starts_with(&made.path))
    };
    let rootfs = runtime.rootfs.iter();
    let mut gathered = rootfs.flat_map(|rootfs| rootfs.trees.iter().chain(&rootfs.singles));
    let can_be = !made.is_empty()
        && rest.iter().all(is_apart)
        && made.iter().all(is_kept)
        && !gathered.any(|path| is_made(path))
        // `COPY` gives all below a directory the same owner.
        && !runtime.owners.keys().any(|path| is_made(path));
    can_be.then_some(steps)
}

/// What there is of what `steps` make.
fn made_by(root: &RootDir, steps: &[ShellStep]) -> Vec<KeptPath> {
    let made = steps.iter().flat_map(|step| &step.makes);
    let there = made.filter_map(|path| {
        let found = root.entry(path)?;
        Some(KeptPath {
            path: path.clone(),
            reason: "it is made anew in a stage of its own".to_owned(),
            is_directory: found.is_dir(),
        })
    });
    there.collect()
}
