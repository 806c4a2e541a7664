//! What is known of the steps of a build while it runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jettison_build::Event;

use crate::explanation::explanation;
use crate::printable::one_line;
use crate::progress::lines::OpenLine;

/// How many lines of a step's output are kept, to be shown if it fails.
const TAIL: usize = 30;

/// The steps that have begun, by their number in the plan.
#[derive(Debug)]
pub(super) struct Steps(pub(super) BTreeMap<usize, StepView>, Reasons);

/// Whether it is said why a step is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reasons {
    Told,
    Untold,
}

/// One step.
#[derive(Debug)]
pub(super) struct StepView {
    pub(super) title: String,
    /// Why it is executed, if that is to be told.
    pub(super) reason: Option<String>,
    started: Instant,
    pub(super) state: StepState,
    /// Why it failed.
    pub(super) error: String,
    open: OpenLine,
    /// Lines that have not been shown, each with the time since the start.
    pub(super) pending: Vec<(Duration, String)>,
    /// When the oldest of them came.
    pub(super) pending_since: Option<Instant>,
    /// The last lines, whether they were shown or not.
    pub(super) tail: Vec<String>,
    /// How much of it has been shown.
    pub(super) shown: Shown,
    /// Whether lines of other steps stand between its own.
    pub(super) is_torn: bool,
}

/// How much of a step has been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Begun,
    /// All that there is.
    Closed,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    Runs,
    Cached,
    Done(Duration),
    Failed,
    /// It was running when another step failed.
    Canceled,
}

impl Steps {
    pub(super) fn new(reasons: Reasons) -> Steps {
        Steps(BTreeMap::new(), reasons)
    }

    pub(super) fn event(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            // A number may come again: `optimize` builds twice.
            Event::StepStarted {
                step,
                title,
                change,
            } => {
                let view = StepView::new(title, StepState::Runs, now);
                let reason = change.filter(|_| self.1 == Reasons::Told).map(explanation);
                self.0.insert(*step, StepView { reason, ..view });
            }
            Event::StepExplained { step, change } => {
                if let Some(view) = self.0.get_mut(step)
                    && self.1 == Reasons::Told
                {
                    view.reason = Some(explanation(change));
                }
            }
            Event::StepCached { step, title } => {
                self.0
                    .insert(*step, StepView::new(title, StepState::Cached, now));
            }
            Event::StepOutput { step, bytes } => {
                if let Some(view) = self.0.get_mut(step) {
                    let lines = view.open.lines(bytes);
                    view.add(lines, now);
                }
            }
            Event::StepFinished { step, elapsed } => {
                if let Some(view) = self.0.get_mut(step) {
                    let rest = view.open.rest();
                    view.add(rest, now);
                    view.state = StepState::Done(*elapsed);
                }
            }
            Event::StepFailed { step, error } => {
                if let Some(view) = self.0.get_mut(step) {
                    let rest = view.open.rest();
                    view.add(rest, now);
                    view.state = StepState::Failed;
                    view.error = one_line(error);
                }
            }
            Event::BaseFound { .. }
            | Event::Warning { .. }
            | Event::TaskStarted { .. }
            | Event::TaskProgress { .. }
            | Event::TaskFinished { .. } => {}
        }
    }

    /// Those that run, in order.
    pub(super) fn running(&self) -> impl Iterator<Item = (usize, &StepView)> {
        self.0
            .iter()
            .filter(|(_, view)| view.state == StepState::Runs)
            .map(|(number, view)| (*number, view))
    }

    /// Those that failed, in order.
    pub(super) fn failed(&self) -> impl Iterator<Item = &StepView> {
        let views = self.0.values();
        views.filter(|view| view.state == StepState::Failed)
    }

    /// Forgets the lines that nobody is shown.
    pub(super) fn forget_pending(&mut self) {
        for view in self.0.values_mut() {
            view.pending.clear();
            view.pending_since = None;
        }
    }

    /// Ends what still runs, and closes its last line.
    pub(super) fn cancel(&mut self, now: Instant) {
        for view in self.0.values_mut() {
            if view.state == StepState::Runs {
                let rest = view.open.rest();
                view.add(rest, now);
                view.state = StepState::Canceled;
            }
        }
    }
}

impl StepView {
    fn new(title: &str, state: StepState, now: Instant) -> StepView {
        StepView {
            title: one_line(title),
            reason: None,
            started: now,
            state,
            error: String::new(),
            open: OpenLine::default(),
            pending: Vec::new(),
            pending_since: None,
            tail: Vec::new(),
            shown: Shown::Nothing,
            is_torn: false,
        }
    }

    fn add(&mut self, lines: impl IntoIterator<Item = String>, now: Instant) {
        let since = now.saturating_duration_since(self.started);
        for line in lines {
            self.tail.push(line.clone());
            self.pending.push((since, line));
            self.pending_since.get_or_insert(now);
        }
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    /// How long it has been running.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }
}
