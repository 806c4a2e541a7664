//! What makes a candidate smaller still: files that the build stage makes anew.
//!
//! All gains that apply are tried together, before the candidate without them is asked at all; if that image does not pass, one
//! after the other. An image with a gain takes the place of the one without only if it is smaller, passes as well, and
//! differs from the original in no other files than the gain names: what else differs is what the one without has.

mod alike;

mod jlink;
mod npm;
mod npm_needs;
mod strip;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{InstructionKind, Parse, mount_fields};
use jettison_oci::RunConfig;
use jettison_sandbox::Trace;

use super::OptimizeError;
use super::ladder::{Attempt, Ladder};
use crate::evidence::{Evidence, Fact, KeptFact, KeptWhat, Origin, Step, steps};
use crate::refactor::{Gain, RuntimeStage};
use crate::rootfs::{RootDir, RootError};
use crate::verify::{Trail, Verdict, verdict};
use alike::is_alike;

/// How many gains are tried by themselves when all together fail.
const MOST: usize = 6;

/// Why a gain is none.
const NOT_SMALLER: &str = "the image does not become smaller";

/// What is known when gains are looked for.
pub(super) struct Situation<'a> {
    /// The original's files: the build stage's are the same.
    pub(super) root: &'a RootDir,
    /// What made the original.
    pub(super) steps: &'a [Step],
    /// The original's configuration.
    pub(super) config: &'a RunConfig,
    /// What the candidate without gains is made of.
    pub(super) runtime: &'a RuntimeStage,
    /// That candidate's files.
    pub(super) candidate: &'a RootDir,
    /// What the runs of the original looked up; nothing if nobody had to watch it.
    pub(super) trace: Option<&'a Trace>,
    /// Programs that are knowingly others than the original's anyway.
    pub(super) others: &'a BTreeSet<PathBuf>,
    /// The directories of the caches that the Dockerfile mounts.
    pub(super) caches: &'a [String],
}

/// Looks for one kind of gain.
type Find = fn(&Situation<'_>) -> Result<Option<Gain>, RootError>;

/// Every kind, in the order in which their steps run.
const KINDS: [Find; 3] = [npm::find, jlink::find, strip::find];

impl Ladder<'_> {
    /// Builds and asks the candidate of `evidence`, made as small as it can be; else says why there is none.
    pub(super) fn attempt_to_gain(
        &self,
        evidence: &Evidence,
        trace: Option<&Trace>,
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        let draft = match self.draft(evidence)? {
            Ok(draft) => draft,
            Err(reason) => return Ok(Err(reason)),
        };
        if draft.attempt.problem.is_some() {
            return self.asked(draft);
        }
        let gains = self.gains(&draft.attempt, trace)?;
        let Some((first, others)) = gains.split_first() else {
            return self.asked(draft);
        };
        let together = self.attempt_with(&draft.attempt, &gains)?;
        if let Ok(attempt) = &together
            && self.is_settled(&draft.attempt, attempt, &gains)?
        {
            return Ok(together);
        }
        let passed = match self.asked(draft)? {
            Ok(attempt) if attempt.problem.is_none() => attempt,
            failed => return Ok(failed),
        };
        let refused = match together {
            Ok(attempt) => match refusal(&passed, &attempt, &gains) {
                None => return Ok(Ok(attempt)),
                Some(reason) => reason,
            },
            Err(reason) => reason,
        };
        if others.is_empty() {
            return Ok(Ok(without(passed, first, &refused)));
        }
        let mut best = passed;
        for gain in gains.iter().take(MOST) {
            best = match self.try_gains(&best, std::slice::from_ref(gain))? {
                Ok(with) => with,
                Err(reason) => without(best, gain, &reason),
            };
        }
        Ok(Ok(best))
    }

    /// Whether `attempt`, which is `plain` with `gains`, says all that asking `plain` would: it is the answer, or it misses what
    /// `plain` does not have either.
    fn is_settled(
        &self,
        plain: &Attempt,
        attempt: &Attempt,
        gains: &[Gain],
    ) -> Result<bool, OptimizeError> {
        let [without, with] = [plain, attempt].map(|attempt| self.run.view(&attempt.built.image));
        let (without, with) = (without?, with?);
        // What fails besides may have looked for more because of the gains.
        if verdict(&attempt.outcomes) == Verdict::Missed {
            let is_absent = |path: &Path| {
                let found = without.root.symlink_metadata(path);
                found.is_err_and(|error| error.is_absent())
            };
            return Ok(attempt.missed.iter().all(|used| is_absent(&used.path)));
        }
        let sizes = [plain, attempt].map(|attempt| attempt.built.image.unpacked_size());
        let is_better = attempt.problem.is_none()
            && sizes[1] < sizes[0]
            && verdict(&attempt.outcomes) != Verdict::Weak;
        let is_explained = |path: &PathBuf| {
            gains.iter().any(|gain| gain.makes_another(path))
                || is_alike([&without.root, &with.root], path)
        };
        Ok(is_better && different(attempt).iter().all(is_explained))
    }

    /// The gains that apply to `passed`.
    fn gains(&self, passed: &Attempt, trace: Option<&Trace>) -> Result<Vec<Gain>, OptimizeError> {
        let steps = steps(self.built);
        let view = self.run.view(&passed.built.image)?;
        let caches = caches(&self.parsed);
        let situation = Situation {
            root: self.root,
            steps: &steps,
            config: &self.built.image.config().config,
            runtime: &passed.evidence.runtime,
            candidate: &view.root,
            trace,
            others: &self.others,
            caches: &caches,
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
        let attempt = self.attempt_with(passed, gains)?;
        Ok(
            attempt.and_then(|attempt| match refusal(passed, &attempt, gains) {
                Some(reason) => Err(reason),
                None => Ok(attempt),
            }),
        )
    }

    /// Builds and asks `plain` with `gains`; else says why that cannot be built, or need not be asked.
    fn attempt_with(
        &self,
        plain: &Attempt,
        gains: &[Gain],
    ) -> Result<Result<Attempt, String>, OptimizeError> {
        let names: Vec<&str> = gains.iter().map(|gain| gain.name).collect();
        let names = names.join(", ");
        self.run.observer.phase(&format!("Try to gain: {names}"));
        let evidence = gains.iter().fold(plain.evidence.clone(), with);
        let draft = match self.draft(&evidence) {
            // Its commands are ours: that they fail says nothing of what it is made from.
            Err(OptimizeError::Candidate(error)) if !error.is_for_lack_of_room() => {
                return Ok(Err(chain(&error)));
            }
            Err(error) => return Err(error),
            Ok(Err(reason)) => return Ok(Err(reason)),
            Ok(Ok(draft)) => draft,
        };
        let sizes = [plain, &draft.attempt].map(|attempt| attempt.built.image.unpacked_size());
        if sizes[1] >= sizes[0] {
            return Ok(Err(NOT_SMALLER.to_owned()));
        }
        match self.asked(draft) {
            Err(OptimizeError::Candidate(error)) if !error.is_for_lack_of_room() => {
                Ok(Err(chain(&error)))
            }
            attempt => attempt,
        }
    }
}

/// The directories of the caches that commands of `parse` have mounted by nothing but `type=cache,target=…`.
fn caches(parse: &Parse) -> Vec<String> {
    let runs = parse.instructions().iter().filter_map(|instruction| {
        let InstructionKind::Run(run) = &instruction.kind else {
            return None;
        };
        Some(run)
    });
    let target = |mount: &str| {
        let fields = mount_fields(mount).ok()?;
        let value = |key: &str| fields.iter().find(|field| field.key == key)?.value.clone();
        let is_plain = fields.len() == 2 && value("type").as_deref() == Some("cache");
        value("target").filter(|target| is_plain && is_word(Path::new(target)))
    };
    let mounts = runs.flat_map(|run| run.mounts.iter());
    mounts.filter_map(|mount| target(mount)).collect()
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
        return Some(NOT_SMALLER.to_owned());
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
    other.map(|path| format!("it would use another {} than the original", path.display()))
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
