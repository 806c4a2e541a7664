//! Copies that are written before their keys are known.
//!
//! The key of a copy is over what its files hold. Files that no build has seen are read for what is written, and their key
//! is found out on the way, so that they are read once. Where the result turns out to be known, it was written in vain; so this is done
//! only where that is unlikely: no copy of files of these names and sizes is known, or one of the files was known with another
//! content.

use std::fs::File;
use std::time::{Duration, Instant};

use crate::build::copying::{Written, copy_error, merged};
use crate::build::step::StepRun;
use crate::cache::{CacheKey, KeyText, with_contents, with_shape};
use crate::error::BuildError;
use crate::event::Event;
use crate::exec::{CopyWork, Unread};
use crate::plan::{CopyDefinition, Step, StepId};
use crate::snapshot::{Active, Snapshot};

/// Reading less than this twice does not matter.
const SMALL: u64 = 1 << 20;
/// What opening a file costs, in bytes that could be read in that time.
const OPENING: u64 = 4 << 10;

/// A step's key, and what was found out on the way to it.
pub(crate) struct StepKey {
    pub(crate) text: KeyText,
    /// Another name of the key, and whether that was known.
    pub(crate) alias: Option<(CacheKey, bool)>,
    pub(crate) ahead: Option<Ahead>,
    /// Keeps other processes from copying the same files until the result is known to them.
    pub(crate) lock: Option<File>,
}

/// A copy that is done.
pub(crate) struct Ahead {
    pub(crate) active: Snapshot<Active>,
    pub(crate) written: Written,
    pub(crate) elapsed: Duration,
}

impl From<KeyText> for StepKey {
    fn from(text: KeyText) -> StepKey {
        StepKey {
            text,
            alias: None,
            ahead: None,
            lock: None,
        }
    }
}

impl StepRun<'_> {
    /// The key of a copy from a context.
    pub(super) fn context_key(
        &self,
        (id, step): (StepId, &Step),
        copy: &CopyDefinition,
        work: &CopyWork<'_>,
    ) -> Result<StepKey, BuildError> {
        let parent = self.input_key(step.parent);
        let contents = |known| {
            let contents = work.contents(known);
            contents.map_err(|failure| copy_error(step, &failure))
        };
        let known = work.known();
        let unread = work.unread(&known);
        // Other sources may know the result, and are asked for it by its key.
        let may_be_elsewhere = !self.request.cache_from.is_empty();
        if is_small(&unread) || may_be_elsewhere || work.may_unpack() {
            return Ok(with_contents(copy, &parent, &contents(known)?).into());
        }
        let shape = work
            .shape()
            .map(|shape| with_shape(copy, &parent, &shape).key())
            .map_err(|failure| copy_error(step, &failure))?;
        let has_failed = || self.schedule.has_failed();
        let Some(lock) = self.engine.cache.lock(&shape, &has_failed)? else {
            return Err(BuildError::CANCELLED);
        };
        let is_new = self.known_alias(step, &shape).is_none();
        let (known, ahead) = if is_new || unread.is_rewritten {
            let ahead = self.write_ahead(id, step, work)?;
            let known = work.known();
            if work.unread(&known).n_files == 0 {
                (known, Some(ahead))
            } else {
                // Something was not learned: another source hides it, or it may still be changing. What a key says of it must be
                // what is copied, so the key comes first.
                self.discard(Some(ahead));
                (known, None)
            }
        } else {
            (known, None)
        };
        Ok(StepKey {
            text: with_contents(copy, &parent, &contents(known)?),
            alias: Some((shape, false)),
            ahead,
            lock: Some(lock),
        })
    }

    fn write_ahead(
        &self,
        id: StepId,
        step: &Step,
        work: &CopyWork<'_>,
    ) -> Result<Ahead, BuildError> {
        let start = Instant::now();
        self.reporter.event(Event::StepStarted {
            step: id.0,
            title: &step.hints.title,
            change: None,
        });
        let below = merged(&self.lowers_below(step)?)?;
        let active = self.engine.snapshots.prepare()?;
        let written = work
            .onto(&below, &active.work())
            .and_then(|changes| self.write(id, &changes, &active, work.index()));
        match written {
            Ok(written) => Ok(Ahead {
                active,
                written,
                elapsed: start.elapsed(),
            }),
            Err(failure) => {
                // What cannot be removed now is removed with the engine; the step's error counts.
                self.engine.snapshots.discard(active).unwrap_or_default();
                let error = copy_error(step, &failure);
                self.failed(id, &error);
                Err(error)
            }
        }
    }
}

fn is_small(unread: &Unread) -> bool {
    let n_files = u64::try_from(unread.n_files).unwrap_or(u64::MAX);
    let opening = n_files.saturating_mul(OPENING);
    unread.n_bytes.saturating_add(opening) < SMALL
}
