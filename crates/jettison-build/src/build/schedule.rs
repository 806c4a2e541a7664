//! The order of a build's steps: each as soon as its inputs are there.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;

use crate::build::step::StepResult;
use crate::error::BuildError;
use crate::plan::{Plan, StepId};

/// As many steps are executed at once if nobody says how many. They may all be waiting for the network.
const MOST_JOBS: usize = 64;

/// The steps of a plan, what they wait for, and what they have come to.
pub(crate) struct Schedule<'a> {
    plan: &'a Plan,
    jobs: usize,
    results: Vec<OnceLock<StepResult>>,
    has_failed: AtomicBool,
}

impl<'a> Schedule<'a> {
    pub(crate) fn new(plan: &'a Plan, jobs: Option<usize>) -> Schedule<'a> {
        Schedule {
            plan,
            jobs: jobs.unwrap_or(MOST_JOBS).max(1),
            results: plan.steps.iter().map(|_| OnceLock::new()).collect(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// What a step has come to. Steps see the results of their inputs.
    pub(crate) fn result(&self, id: StepId) -> Result<&StepResult, BuildError> {
        self.found(id)
            .ok_or(BuildError::Internal("a step was used before it was done"))
    }

    /// The same, if it is done.
    pub(crate) fn found(&self, id: StepId) -> Option<&StepResult> {
        self.results.get(id.0)?.get()
    }

    /// Whether the build cannot succeed any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Lets no further step start.
    pub(crate) fn give_up(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    /// Does every step with `step`. After the first error no further step is started.
    ///
    /// A chain of steps is done by the calling thread; others are started only where there is more than one thing to do.
    pub(crate) fn run(
        &self,
        step: &(dyn Fn(StepId) -> Result<StepResult, BuildError> + Sync),
    ) -> Result<(), BuildError> {
        let mut waiting = Waiting::of(self.plan);
        let mut ready = waiting.ready();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let mut running = 0;
            let mut failure = None;
            loop {
                while !ready.is_empty() && running < self.jobs && !self.has_failed() {
                    let Some(id) = ready.pop_first() else {
                        break;
                    };
                    if running == 0 && ready.is_empty() {
                        let result = step(id);
                        self.take(id, result, &mut failure);
                        ready.extend(waiting.done(id));
                        continue;
                    }
                    running += 1;
                    let sender = sender.clone();
                    scope.spawn(move || {
                        let result =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(id)));
                        // The receiver outlives this scope.
                        sender.send((id, result)).unwrap_or_default();
                    });
                }
                if running == 0 {
                    break;
                }
                let Ok((id, result)) = receiver.recv() else {
                    break;
                };
                running -= 1;
                match result {
                    Ok(result) => self.take(id, result, &mut failure),
                    Err(panic) => {
                        self.give_up();
                        std::panic::resume_unwind(panic);
                    }
                }
                ready.extend(waiting.done(id));
            }
            match failure {
                Some(error) => Err(error),
                None => Ok(()),
            }
        })
    }

    fn take(
        &self,
        id: StepId,
        result: Result<StepResult, BuildError>,
        failure: &mut Option<BuildError>,
    ) {
        match result {
            Ok(result) => {
                // Each step is done once.
                self.results[id.0].set(result).unwrap_or_default();
            }
            Err(error) => {
                self.give_up();
                // Others fail because this one did.
                failure.get_or_insert(error);
            }
        }
    }
}

/// For each step, how many of its inputs are not done and who waits for it.
struct Waiting {
    missing: Vec<usize>,
    users: Vec<Vec<StepId>>,
}

impl Waiting {
    fn of(plan: &Plan) -> Waiting {
        let mut waiting = Waiting {
            missing: vec![0; plan.steps.len()],
            users: vec![Vec::new(); plan.steps.len()],
        };
        for (index, step) in plan.steps.iter().enumerate() {
            for StepId(input) in step.inputs() {
                waiting.missing[index] += 1;
                waiting.users[input].push(StepId(index));
            }
        }
        waiting
    }

    /// The steps that wait for nothing.
    fn ready(&self) -> BTreeSet<StepId> {
        let free = self.missing.iter().enumerate();
        free.filter(|(_, missing)| **missing == 0)
            .map(|(index, _)| StepId(index))
            .collect()
    }

    /// The steps that wait for nothing any more now that `id` is done, in the plan's order.
    fn done(&mut self, id: StepId) -> Vec<StepId> {
        let mut free = Vec::new();
        for user in std::mem::take(&mut self.users[id.0]) {
            self.missing[user.0] -= 1;
            if self.missing[user.0] == 0 {
                free.push(user);
            }
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex};
    use std::time::Duration;

    use crate::cache::{CacheEntry, KeyText};
    use crate::plan::{Definition, Hints, Input, PlannedImage, Step, WorkdirDefinition};

    /// A plan whose steps start from the steps that `parents` names.
    fn plan(parents: &[Option<usize>]) -> Plan {
        let step = |parent: &Option<usize>| Step {
            definition: Definition::Workdir(WorkdirDefinition {
                time: None,
                path: "/".to_owned(),
                user: String::new(),
            }),
            parent: parent.map_or(Input::Scratch, |parent| Input::Step(StepId(parent))),
            hints: Hints {
                title: String::new(),
                stage: 0,
                instruction: 0,
                line: 1,
            },
        };
        Plan {
            steps: parents.iter().map(step).collect(),
            bases: Vec::new(),
            target: PlannedImage {
                result: Input::Scratch,
                platform: jettison_dockerfile::Platform::new("linux", "amd64"),
                author: None,
                config: jettison_oci::RunConfig::default(),
                history: Vec::new(),
            },
            uncached_stages: BTreeSet::new(),
            epoch: None,
        }
    }

    fn result(StepId(number): StepId) -> StepResult {
        StepResult {
            key: KeyText::read(&number.to_string()).key(),
            entry: CacheEntry {
                snapshot: number.to_string(),
                layer: None,
                elapsed: Duration::ZERO,
                processor_time: None,
                peak_memory: None,
                title: String::new(),
            },
            is_cached: false,
            change: None,
            alias: None,
            source: None,
            paths: None,
            trace: None,
        }
    }

    #[test]
    fn independent_steps_are_executed_at_once() {
        let plan = plan(&[None, None, None]);
        let schedule = Schedule::new(&plan, None);
        // Nobody gets past it before all three are there.
        let barrier = Barrier::new(3);
        let ran = schedule.run(&|id| {
            barrier.wait();
            Ok(result(id))
        });
        assert!(ran.is_ok());
        assert!((0..3).all(|id| schedule.found(StepId(id)).is_some()));
    }

    #[test]
    fn a_step_waits_for_what_it_needs() {
        let plan = plan(&[None, None, Some(0), Some(2), Some(1)]);
        for jobs in [1, 2, 64] {
            let schedule = Schedule::new(&plan, Some(jobs));
            let order = Mutex::new(Vec::new());
            let ran = schedule.run(&|id| {
                let parent = plan.steps[id.0].inputs();
                assert!(parent.iter().all(|id| schedule.found(*id).is_some()));
                order.lock().unwrap().push(id.0);
                Ok(result(id))
            });
            assert!(ran.is_ok());
            let order = order.into_inner().unwrap();
            assert_eq!(order.len(), 5);
            if jobs == 1 {
                assert_eq!(order, [0, 1, 2, 3, 4]);
            }
        }
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let plan = plan(&[None, Some(0), Some(1), None]);
        let schedule = Schedule::new(&plan, Some(1));
        let ran = schedule.run(&|id| match id {
            StepId(1) => Err(BuildError::NoCommand),
            other => Ok(result(other)),
        });
        assert!(matches!(ran, Err(BuildError::NoCommand)));
        assert!(schedule.found(StepId(0)).is_some());
        assert!((1..4).all(|id| schedule.found(StepId(id)).is_none()));
    }
}
