//! What the final stage copies and the sources do not change.

use std::path::PathBuf;

use jettison_dockerfile::Stage;

use super::{OptimizeError, Run};
use crate::optimize::division::{Divided, Part, before};
use crate::optimize::moments::{Moments, State};
use crate::refactor::Division;

/// `division` with what is kept and is there before the sources come as it is in the end.
pub(super) fn settled(
    run: &Run<'_>,
    divided: Divided<'_>,
    (stage, parts): (&Stage, &[Part]),
    division: Option<Division>,
) -> Result<Option<Division>, OptimizeError> {
    let Some(mut division) = division else {
        return Ok(None);
    };
    // Here the final stage copies the sources itself, after all others.
    if division.copies_sources() {
        return Ok(Some(division));
    }
    let place = division
        .aside
        .as_ref()
        .map_or(division.at, |aside| aside.at);
    let is_later =
        |part: &Part| stage.instructions.contains(&part.instruction) && part.instruction >= place;
    let at = parts.iter().position(is_later).unwrap_or(parts.len());
    let Some(early) = before(run, divided.built, &parts[..at])? else {
        return Ok(Some(division));
    };
    let moments = Moments::between(&early.root, divided.root, &parts[at..]);
    let kept = divided.runtime.kept.iter().map(|kept| &kept.path);
    let is_same = |path: &&PathBuf| match divided.root.entry(path) {
        Some(found) if found.is_dir() => moments.is_same_tree(path, &[]),
        _ => moments.state(path) == State::Same,
    };
    let settled: Vec<PathBuf> = kept.filter(is_same).cloned().collect();
    // Nothing would be taken from the second part then.
    let is_all = settled.len() == divided.runtime.kept.len();
    let has_others = division.late.is_some() || !division.copied.is_empty();
    if !is_all || has_others || division.aside.is_some() {
        division.settled = settled;
    }
    Ok(Some(division))
}
