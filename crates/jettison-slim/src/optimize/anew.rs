//! What is collected for a final image, done anew.
//!
//! Results are found by what a step is made from, and times of files are no part of that: what was collected from an earlier
//! build of the same sources has that build's times, and would differ from an original that was just built anew, or whose files
//! another candidate has built with times of its own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use jettison_build::CacheUse;
use jettison_dockerfile::{Parse, parse, stages};

use crate::refactor::Candidate;

/// What this run has built of the stages that only candidates have.
pub(super) struct Anew {
    /// Whether nothing of earlier builds may be used.
    distrusts: Cell<bool>,
    /// The text of each Dockerfile up to the end of such a stage.
    built: RefCell<BTreeSet<String>>,
}

impl Anew {
    /// For a run that was told so.
    pub(super) fn new(cache: CacheUse) -> Anew {
        Anew {
            distrusts: Cell::new(cache == CacheUse::Ignore),
            built: RefCell::default(),
        }
    }

    /// A candidate whose sources were built once more has failed: what was collected for it has the times of that build.
    pub(super) fn distrust(&self) {
        self.distrusts.set(true);
    }

    /// The stages of `candidate` that this run has yet to build anew, which is then taken for granted.
    pub(super) fn stages(&self, candidate: &Candidate) -> BTreeSet<String> {
        if !self.distrusts.get() {
            return BTreeSet::new();
        }
        let parsed = parse(&candidate.dockerfile);
        let texts = candidate.own_stages.iter().filter_map(|name| {
            let text = up_to(&parsed, name)?;
            self.built.borrow_mut().insert(text).then(|| name.clone())
        });
        texts.collect()
    }
}

/// The text up to the end of the stage of this name.
fn up_to(parsed: &Parse, name: &str) -> Option<String> {
    let graph = stages(parsed);
    let stage = graph
        .stages
        .iter()
        .find(|stage| stage.name.as_deref() == Some(&name.to_lowercase()))?;
    let end = match stage.instructions.clone().next_back() {
        Some(last) => parsed.instructions().get(last)?.range.end,
        None => parsed.instructions().get(stage.from)?.range.end,
    };
    parsed.text().get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refactor::Rung;

    fn candidate(dockerfile: &str) -> Candidate {
        Candidate {
            rung: Rung::Scratch,
            dockerfile: dockerfile.to_owned(),
            own_stages: vec!["rootfs".to_owned(), "Runtime".to_owned()],
            reasons: Vec::new(),
        }
    }

    #[test]
    fn own_stages_are_built_anew_once_if_nothing_earlier_may_be_used() {
        let first =
            candidate("FROM a AS build\nFROM build AS rootfs\nRUN b\nFROM scratch AS Runtime\n");
        let second = candidate("FROM a AS build\nFROM build AS rootfs\nRUN b\nFROM c AS Runtime\n");
        let none = BTreeSet::new();
        let anew = Anew::new(CacheUse::Ignore);
        assert_eq!(
            anew.stages(&first),
            ["Runtime".to_owned(), "rootfs".to_owned()].into()
        );
        assert_eq!(anew.stages(&second), ["Runtime".to_owned()].into());
        assert_eq!(anew.stages(&first), none);
        let cached = Anew::new(CacheUse::Use);
        assert_eq!(cached.stages(&first), none);
        cached.distrust();
        assert_eq!(cached.stages(&first).len(), 2);
        assert_eq!(cached.stages(&first), none);
    }
}
