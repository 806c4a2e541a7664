//! What happens, while it happens, on standard error.
//!
//! Several steps run at once. Elsewhere than on a terminal every line is printed with its step's number, as
//! `docker build --progress plain` does; on a terminal the steps that run are shown in place, each with its last line
//! of output. What commands print is made printable first: it cannot do anything to the terminal.

mod carried;
mod json;
mod lines;
mod plain;
mod steps;
mod terminal;

use std::io::{self, IsTerminal, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jettison_build::{Event, Reporter};
use jettison_oci::{Transfer, TransferObserver};

use crate::cli::ProgressKind;
use crate::printable::one_line;
use crate::progress::carried::Carried;
pub(crate) use crate::progress::carried::Direction;
use crate::progress::json::Json;
use crate::progress::plain::{Plain, last_lines};
pub(crate) use crate::progress::steps::Reasons;
use crate::progress::steps::Steps;
use crate::progress::terminal::Live;

/// How often what changes by itself is shown anew.
const TICK: Duration = Duration::from_millis(150);

/// Prints events.
#[derive(Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the ticker for its end.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    view: View,
    steps: Steps,
    carried: Carried,
    has_ended: bool,
}

/// How events are shown.
#[derive(Debug)]
enum View {
    Nothing,
    /// The output of a step that failed alone.
    Quiet,
    Plain(Plain),
    Live(Live),
    Json(Json),
}

impl Progress {
    pub(crate) fn new(kind: ProgressKind, reasons: Reasons) -> Progress {
        let view = match kind {
            ProgressKind::None => View::Nothing,
            ProgressKind::Quiet => View::Quiet,
            // Without a terminal nothing can change in place.
            ProgressKind::Auto | ProgressKind::Tty if io::stderr().is_terminal() => {
                View::Live(Live::new())
            }
            ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => {
                View::Plain(Plain::new(anstream::stderr()))
            }
            ProgressKind::Rawjson => View::Json(Json::new()),
        };
        let needs_ticks = matches!(view, View::Plain(_) | View::Live(_));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                view,
                steps: Steps::new(reasons),
                carried: Carried::default(),
                has_ended: false,
            }),
            ended: Condvar::new(),
        });
        let ticker = needs_ticks.then(|| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || tick(&shared))
        });
        Progress { shared, ticker }
    }

    /// Prints how it ended for the steps that were running, and the end of their output if it has not been shown.
    pub(crate) fn fail(&self) {
        let mut state = self.shared.lock();
        let State { view, steps, .. } = &mut *state;
        match view {
            View::Live(live) => live.fail(steps, Instant::now()),
            View::Plain(plain) => plain.fail(steps, Instant::now()),
            View::Json(json) => json.fail(Instant::now()),
            View::Quiet => {
                steps.cancel(Instant::now());
                for line in steps.failed().flat_map(last_lines) {
                    // Nobody is left to be told that standard error is closed.
                    writeln!(anstream::stderr(), "{line}").unwrap_or_default();
                }
            }
            View::Nothing => {}
        }
    }

    /// Says which way blobs go from now on.
    pub(crate) fn carries(&self, direction: Direction) {
        self.shared.lock().carried.direction = direction;
    }

    /// Shows blobs for those who outlive this.
    pub(crate) fn transfers(&self) -> Arc<dyn TransferObserver + Send> {
        Arc::clone(&self.shared) as Arc<dyn TransferObserver + Send>
    }

    /// Leaves the terminal to others until the next event.
    pub(crate) fn settle(&self) {
        let mut state = self.shared.lock();
        let State { view, steps, .. } = &mut *state;
        view.settle(steps);
    }
}

/// Tells what happens, and what else people should know.
pub(crate) trait Notes: Reporter + TransferObserver {
    /// Tells something in a line.
    fn note(&self, text: &str);
}

impl Notes for Progress {
    fn note(&self, text: &str) {
        let mut state = self.shared.lock();
        match &mut state.view {
            View::Live(live) => live.note(text),
            View::Plain(plain) => plain.note(text),
            View::Nothing | View::Quiet | View::Json(_) => {}
        }
    }
}

impl TransferObserver for Progress {
    fn transfer(&self, transfer: Transfer<'_>) {
        self.shared.transfer(transfer);
    }
}

impl TransferObserver for Shared {
    fn transfer(&self, transfer: Transfer<'_>) {
        let now = Instant::now();
        let mut state = self.lock();
        let State { view, carried, .. } = &mut *state;
        let lines = carried.transfer(&transfer, now);
        match view {
            View::Nothing | View::Quiet => {}
            View::Plain(plain) => lines.iter().for_each(|line| plain.note(line)),
            // What only begins is seen where it changes.
            View::Live(_)
                if matches!(transfer, Transfer::Planned { .. } | Transfer::Checks { .. }) => {}
            View::Live(live) => lines.iter().for_each(|line| live.keep(line)),
            View::Json(json) => {
                if let Some(work) = carried.work(&transfer, now) {
                    json.work(work, now);
                }
            }
        }
    }
}

impl View {
    fn settle(&mut self, steps: &mut Steps) {
        match self {
            View::Live(live) => live.settle(),
            View::Plain(plain) => plain.show(steps, Instant::now()),
            View::Nothing | View::Quiet | View::Json(_) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.has_ended = true;
        let State { view, steps, .. } = &mut *state;
        view.settle(steps);
        drop(state);
        self.shared.ended.notify_all();
        if let Some(ticker) = self.ticker.take() {
            // Its panic has been printed.
            ticker.join().unwrap_or_default();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows what changes by itself, until the end.
fn tick(shared: &Shared) {
    let mut state = shared.lock();
    while !state.has_ended {
        let State {
            view,
            steps,
            carried,
            ..
        } = &mut *state;
        match view {
            View::Live(live) => live.redraw(steps, carried, Instant::now()),
            View::Plain(plain) => plain.show(steps, Instant::now()),
            View::Nothing | View::Quiet | View::Json(_) => {}
        }
        state = shared
            .ended
            .wait_timeout(state, TICK)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

impl Reporter for Progress {
    fn event(&self, event: Event<'_>) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let State { view, steps, .. } = &mut *state;
        match view {
            View::Nothing => {}
            View::Quiet => {
                steps.event(&event, now);
                steps.forget_pending();
            }
            View::Json(json) => json.event(&event, now),
            View::Plain(plain) => {
                steps.event(&event, now);
                plain.event(&event);
                plain.show(steps, now);
            }
            View::Live(live) => {
                steps.event(&event, now);
                live.event(&event, steps);
            }
        }
    }
}

/// A warning as people read it.
fn warning(text: &str) -> String {
    format!("warning: {}", one_line(text))
}

/// A duration as people read it.
pub(crate) fn seconds(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}
