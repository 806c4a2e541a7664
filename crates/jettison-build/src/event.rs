//! What a build tells while it runs. The engine never prints.

use std::time::Duration;

use crate::cache::KeyChange;

/// Where events go.
pub trait Reporter: Sync {
    /// Takes one event. Called from any thread.
    fn event(&self, event: Event<'_>);
}

/// Something that happened during a build.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A base image was found.
    BaseFound {
        /// Its number in the plan.
        base: usize,
        /// How it is shown, such as `[build 1/5] FROM docker.io/library/debian:12@sha256:…`.
        title: &'a str,
    },
    /// A step begins to execute.
    StepStarted {
        /// The step's number in the plan.
        step: usize,
        /// How the step is shown, such as `[build 2/5] RUN make`.
        title: &'a str,
        /// Why it is executed, if that is known before: files that are read and copied at once are not.
        change: Option<&'a KeyChange>,
    },
    /// It is known now why a step is executed that has begun.
    StepExplained {
        /// The step's number in the plan.
        step: usize,
        /// Why it is executed.
        change: &'a KeyChange,
    },
    /// A step's result was found in the cache.
    StepCached {
        /// The step's number in the plan.
        step: usize,
        /// How the step is shown.
        title: &'a str,
    },
    /// A step's command wrote something.
    StepOutput {
        /// The step's number in the plan.
        step: usize,
        /// The bytes, as they came; if the last line has no line break, one follows.
        bytes: &'a [u8],
    },
    /// A step is done; its layer may still be written.
    StepFinished {
        /// The step's number in the plan.
        step: usize,
        /// Wall time of its execution.
        elapsed: Duration,
    },
    /// A step failed, and the build with it. Others may still run.
    StepFailed {
        /// The step's number in the plan.
        step: usize,
        /// Why, in one line.
        error: &'a str,
    },
    /// Something went wrong that the build can do without.
    Warning {
        /// What, in one line.
        text: &'a str,
    },
    /// A piece of work that is not a step begins, such as a package download.
    TaskStarted {
        /// What is done, such as `download 88 packages`.
        title: &'a str,
    },
    /// How far the current task is.
    TaskProgress {
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The current task is done.
    TaskFinished {
        /// Its title, as when it started.
        title: &'a str,
        /// Its wall time.
        elapsed: Duration,
    },
}

/// A reporter that ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _event: Event<'_>) {}
}
