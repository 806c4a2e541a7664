//! What makes a candidate that has passed smaller still: files that the build stage makes anew.
//!
//! All gains that apply are tried together; if that image does not pass, one after the other. An image with a gain takes the
//! place of the one without only if it is smaller, passes as well, and differs from the original in no other files
//! than the gain names.

mod jlink;
mod npm;
mod npm_needs;
mod strip;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use jettison_oci::RunConfig;
use jettison_sandbox::Trace;

use super::OptimizeError;
use super::ladder::{Attempt, Ladder};
use crate::evidence::{Evidence, Fact, KeptFact, KeptWhat, Origin, Step, steps};
use crate::refactor::{Gain, RuntimeStage};
use crate::rootfs::{RootDir, RootError};
use crate::verify::{Trail, Verdict, verdict};

/// How many gains are tried by themselves when all together fail.
const MOST: usize = 6;

/// What is known when gains are looked for.
pub(super) struct Situation<'a> {
    /// The original's files: the build stage's are the same.
    pub(super) root: &'a RootDir,
    /// What made the original.
    pub(super) steps: &'a [Step],
    /// The original's configuration.
    pub(super) config: &'a RunConfig,
    /// What the candidate that has passed is made of.
    #[expect(
        dead_code,
        reason = "for gains that put other files in place of what is kept"
    )]
    pub(super) runtime: &'a RuntimeStage,
    /// That candidate's files.
    pub(super) candidate: &'a RootDir,
    /// What the runs of the original looked up; nothing if nobody had to watch it.
    pub(super) trace: Option<&'a Trace>,
}

/// Looks for one kind of gain.
type Find = fn(&Situation<'_>) -> Result<Option<Gain>, RootError>;

/// Every kind, in the order in which their steps run.
const KINDS: [Find; 3] = [npm::find, jlink::find, strip::find];

impl Ladder<'_> {
    /// `passed` or, if there is one, a smaller candidate that passes as well.
    pub(super) fn gain(
        &self,
        passed: Attempt,
        trace: Option<&Trace>,
    ) -> Result<Attempt, OptimizeError> {
        let gains = self.gains(&passed, trace)?;
        let Some((first, others)) = gains.split_first() else {
            return Ok(passed);
        };
        let mut best = match self.try_gains(&passed, &gains)? {
            Ok(together) => return Ok(together),
            Err(reason) if others.is_empty() => return Ok(without(passed, first, &reason)),
            Err(_) => passed,
        };
        for gain in gains.iter().take(MOST) {
            best = match self.try_gains(&best, std::slice::from_ref(gain))? {
                Ok(with) => with,
                Err(reason) => without(best, gain, &reason),
            };
        }
        Ok(best)
    }

    /// The gains that apply to `passed`.
    fn gains(&self, passed: &Attempt, trace: Option<&Trace>) -> Result<Vec<Gain>, OptimizeError> {
        let steps = steps(self.built);
        let view = self.run.view(&passed.built.image)?;
        let situation = Situation {
            root: self.root,
            steps: &steps,
            config: &self.built.image.config().config,
            runtime: &passed.evidence.runtime,
            candidate: &view.root,
            trace,
        };
        let mut gains = Vec::new();
        for find in KINDS {
            gains.extend(find(&situation).map_err(OptimizeError::Root)?);
        }
        Ok(gains)
    }

    /// `passed` with `gains`, or why not.
    fn try_gains(
        &self,
        passed: &Attempt,
        gains: &[Gain],
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        let names: Vec<&str> = gains.iter().map(|gain| gain.name).collect();
        let names = names.join(", ");
        self.run.observer.phase(&format!("Try to gain: {names}"));
        let evidence = gains.iter().fold(passed.evidence.clone(), with);
        let attempt = match self.attempt(&evidence) {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(reason)) => return Ok(Err(reason)),
            // Its commands are ours: that they fail says nothing of what has passed.
            Err(OptimizeError::Candidate(error)) => return Ok(Err(chain(&error))),
            Err(error) => return Err(error),
        };
        Ok(match refusal(passed, &attempt, gains) {
            Some(reason) => Err(reason),
            None => Ok(attempt),
        })
    }
}

/// `evidence` with what `gain` changes.
fn with(evidence: Evidence, gain: &Gain) -> Evidence {
    let runtime = gain.apply(&evidence.runtime);
    let mut facts = evidence.facts;
    facts.push(Fact {
        text: format!("{}: {}", gain.name, gain.reason),
        origin: Origin::ImageConfig,
    });
    // Advice about a file is taken when the file is made anew.
    let is_taken = |advice: &String| {
        let mut claims = gain.claims.iter();
        claims.any(|claim| advice.starts_with(&format!("{} ", claim.path.display())))
    };
    let advice = evidence.advice.into_iter();
    let is_kept = |fact: &KeptFact| match &fact.what {
        KeptWhat::Package(name) => !gain.dropped_packages.contains(name),
        KeptWhat::Path(path) | KeptWhat::Directory(path) => {
            !gain.dropped.iter().any(|drop| path.starts_with(drop))
        }
    };
    let kept = evidence.kept.into_iter();
    Evidence {
        kept: kept.filter(is_kept).collect(),
        runtime,
        facts,
        advice: advice.filter(|advice| !is_taken(advice)).collect(),
    }
}

/// `passed`, with a note that `gain` was tried in vain.
fn without(mut passed: Attempt, gain: &Gain, reason: &str) -> Attempt {
    let note = format!("{} was tried and is left out: {reason}", gain.name);
    passed.candidate.reasons.push(note);
    passed
}

/// Why `attempt` does not take the place of `passed`; nothing if it does.
fn refusal(passed: &Attempt, attempt: &Attempt, gains: &[Gain]) -> Option<String> {
    if let Some(problem) = &attempt.problem {
        return Some(problem.clone());
    }
    let [before, after] = [passed, attempt].map(|attempt| attempt.built.image.unpacked_size());
    if after >= before {
        return Some("the image does not become smaller".to_owned());
    }
    let verdicts = [passed, attempt].map(|attempt| verdict(&attempt.outcomes));
    if verdicts[1] == Verdict::Weak && verdicts[0] != Verdict::Weak {
        return Some("not everything that it does could be watched".to_owned());
    }
    let known = different(passed);
    let is_claimed = |path: &Path| gains.iter().any(|gain| gain.makes_another(path));
    let other = different(attempt)
        .into_iter()
        .find(|path| !known.contains(path) && !is_claimed(path));
    other.map(|path| format!("{} is another one then", path.display()))
}

/// What is known to differ from the original and was used nevertheless.
pub(super) fn different(attempt: &Attempt) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for outcome in &attempt.outcomes {
        if let Trail::But { directories, files } = &outcome.trail {
            paths.extend(directories.iter().cloned());
            paths.extend(files.iter().map(|file| file.path.clone()));
        }
    }
    paths
}

/// Whether the shell and people read `path` as one word.
fn is_word(path: &Path) -> bool {
    path.to_str().is_some_and(|text| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c))
    })
}

/// An error with what caused it.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
