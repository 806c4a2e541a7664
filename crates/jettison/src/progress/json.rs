//! `--progress rawjson`: one JSON object a line for each event, in the shape of BuildKit's `SolveStatus` (client/graph.go):
//! `vertexes` are steps, `logs` what their commands print (in Base64), `statuses` pieces of work that are no steps.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jettison_build::Event;
use jettison_oci::{Digest, base64};
use jettison_slim::timestamp;
use serde::Serialize;

use crate::printable::printable_json;
use crate::progress::carried;

/// Prints events as JSON.
#[derive(Debug)]
pub(super) struct Json {
    /// The wall clock when this one showed no time.
    epoch: Duration,
    start: Instant,
    /// The steps that have begun.
    vertexes: Vec<Option<Vertex>>,
    task: Option<Task>,
}

/// The piece of work that is under way.
#[derive(Clone, Debug)]
struct Task {
    title: String,
    started: String,
}

#[derive(Debug, Default, Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    vertexes: &'a [Vertex],
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<[Work; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<[Log<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<[Warning; 1]>,
}

#[derive(Debug, Serialize)]
struct Warning {
    level: u8,
    /// The text in Base64.
    short: String,
}

#[derive(Clone, Debug, Serialize)]
struct Vertex {
    digest: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Work {
    id: String,
    #[serde(skip_serializing_if = "is_zero")]
    total: u64,
    current: u64,
    timestamp: String,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

#[derive(Debug, Serialize)]
struct Log<'a> {
    vertex: &'a str,
    /// Standard output; a command's two streams come as one.
    stream: u8,
    data: String,
    timestamp: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Json {
    pub(super) fn new() -> Json {
        Json {
            epoch: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            start: Instant::now(),
            vertexes: Vec::new(),
            task: None,
        }
    }

    /// Prints an event.
    pub(super) fn event(&mut self, event: &Event<'_>, now: Instant) {
        let line = self.line(event, now);
        self.print(line);
    }

    /// Prints how far a blob is.
    pub(super) fn work(&mut self, work: carried::Work, now: Instant) {
        let time = self.time(now);
        let status = Status {
            statuses: Some([Work {
                id: work.id,
                total: work.total,
                current: work.done,
                timestamp: time.clone(),
                started: time.clone(),
                completed: work.is_over.then_some(time),
            }]),
            ..Status::default()
        };
        let line = serde_json::to_string(&status).ok();
        self.print(line);
    }

    /// Prints how it ended for those that were running.
    pub(super) fn fail(&mut self, now: Instant) {
        let time = self.time(now);
        let mut failed = Vec::new();
        for vertex in self.vertexes.iter_mut().flatten() {
            if vertex.completed.is_none() {
                vertex.completed = Some(time.clone());
                // BuildKit's word for it (Go: `context.Canceled`).
                vertex.error = Some("context canceled".to_string());
                failed.push(vertex.clone());
            }
        }
        if !failed.is_empty() {
            let status = Status {
                vertexes: &failed,
                ..Status::default()
            };
            let line = serde_json::to_string(&status).ok();
            self.print(line);
        }
    }

    #[expect(clippy::unused_self, reason = "the stream is the process's")]
    fn print(&self, line: Option<String>) {
        if let Some(line) = line {
            // Nobody is left to be told that standard error is closed.
            let line = printable_json(&line);
            writeln!(io::stderr().lock(), "{line}").unwrap_or_default();
        }
    }

    /// The line for an event, if it says anything.
    fn line(&mut self, event: &Event<'_>, now: Instant) -> Option<String> {
        let time = self.time(now);
        let mut status = Status::default();
        let vertex;
        match event {
            Event::BaseFound { base, title } => {
                vertex = [Vertex {
                    digest: Digest::of(format!("base {base} {title}").as_bytes()).to_string(),
                    name: (*title).to_string(),
                    started: Some(time.clone()),
                    completed: Some(time),
                    cached: false,
                    error: None,
                }];
                status.vertexes = &vertex;
            }
            Event::StepStarted { step, title, .. } => {
                vertex = [self.begin(*step, title, time)];
                status.vertexes = &vertex;
            }
            Event::StepCached { step, title } => {
                let begun = self.begin(*step, title, time.clone());
                vertex = [self.complete(
                    *step,
                    Vertex {
                        cached: true,
                        ..begun
                    },
                    time,
                )];
                status.vertexes = &vertex;
            }
            Event::StepFinished { step, .. } => {
                let begun = self.vertex(*step)?.clone();
                vertex = [self.complete(*step, begun, time)];
                status.vertexes = &vertex;
            }
            Event::StepFailed { step, error } => {
                let begun = Vertex {
                    error: Some((*error).to_string()),
                    ..self.vertex(*step)?.clone()
                };
                vertex = [self.complete(*step, begun, time)];
                status.vertexes = &vertex;
            }
            Event::StepOutput { step, bytes } => {
                status.logs = Some([Log {
                    vertex: &self.vertex(*step)?.digest,
                    stream: 1,
                    data: base64(bytes),
                    timestamp: time,
                }]);
            }
            // BuildKit has no word for it.
            Event::StepExplained { .. } => return None,
            Event::Warning { text } => {
                status.warnings = Some([Warning {
                    level: 1,
                    short: base64(text.as_bytes()),
                }]);
            }
            Event::TaskStarted { title } => {
                let task = Task {
                    title: (*title).to_string(),
                    started: time.clone(),
                };
                status.statuses = Some([work(&task, (0, 0), time)]);
                self.task = Some(task);
            }
            Event::TaskProgress { done, total } => {
                status.statuses = Some([work(self.task.as_ref()?, (*done, *total), time)]);
            }
            Event::TaskFinished { .. } => {
                let done = work(&self.task.take()?, (0, 0), time.clone());
                let completed = Some(time);
                status.statuses = Some([Work { completed, ..done }]);
            }
        }
        serde_json::to_string(&status).ok()
    }

    fn begin(&mut self, step: usize, title: &str, time: String) -> Vertex {
        if self.vertexes.len() <= step {
            self.vertexes.resize(step + 1, None);
        }
        let vertex = Vertex {
            // It is the same in every message about the step, and no other step's; nothing more is promised.
            digest: Digest::of(format!("{step} {title}").as_bytes()).to_string(),
            name: title.to_string(),
            started: Some(time),
            completed: None,
            cached: false,
            error: None,
        };
        self.vertexes[step] = Some(vertex.clone());
        vertex
    }

    fn complete(&mut self, step: usize, begun: Vertex, time: String) -> Vertex {
        let vertex = Vertex {
            completed: Some(time),
            ..begun
        };
        self.vertexes[step] = Some(vertex.clone());
        vertex
    }

    fn vertex(&self, step: usize) -> Option<&Vertex> {
        self.vertexes.get(step)?.as_ref()
    }

    /// The time in RFC 3339, with nanoseconds.
    fn time(&self, now: Instant) -> String {
        let since = self.epoch + now.saturating_duration_since(self.start);
        let whole = timestamp(since.as_secs());
        let whole = whole.trim_end_matches('Z');
        format!("{whole}.{:09}Z", since.subsec_nanos())
    }
}

fn work(task: &Task, (current, total): (u64, u64), timestamp: String) -> Work {
    Work {
        id: task.title.clone(),
        total,
        current,
        timestamp,
        started: task.started.clone(),
        completed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_build::KeyChange;

    #[test]
    fn events_have_buildkits_keys() {
        let mut json = Json::new();
        json.epoch = Duration::from_millis(1_700_000_000_250);
        let start = json.start;
        let mut lines = String::new();
        for event in [
            Event::BaseFound {
                base: 0,
                title: "[1/3] FROM a",
            },
            Event::StepCached {
                step: 0,
                title: "[1/2] COPY a b",
            },
            Event::StepStarted {
                step: 1,
                title: "[2/2] RUN \"x\"",
                change: Some(&KeyChange::New),
            },
            Event::StepOutput {
                step: 1,
                bytes: b"\x1b[2Jhi\n",
            },
            Event::StepFinished {
                step: 1,
                elapsed: Duration::from_secs(1),
            },
            Event::Warning { text: "foo" },
            Event::TaskStarted { title: "download" },
            Event::TaskProgress { done: 5, total: 10 },
            Event::TaskFinished {
                title: "download",
                elapsed: Duration::from_secs(1),
            },
        ] {
            lines += &json.line(&event, start).unwrap();
            lines.push('\n');
        }
        let [base, first, second] = [
            "base 0 [1/3] FROM a",
            "0 [1/2] COPY a b",
            "1 [2/2] RUN \"x\"",
        ]
        .map(|name| Digest::of(name.as_bytes()).to_string());
        let lines = lines
            .replace(&base, "[BASE]")
            .replace(&first, "[FIRST]")
            .replace(&second, "[SECOND]");
        let lines = lines.replace("2023-11-14T22:13:20.250000000Z", "[NOW]");
        expect_test::expect![[r#"
            {"vertexes":[{"digest":"[BASE]","name":"[1/3] FROM a","started":"[NOW]","completed":"[NOW]"}]}
            {"vertexes":[{"digest":"[FIRST]","name":"[1/2] COPY a b","started":"[NOW]","completed":"[NOW]","cached":true}]}
            {"vertexes":[{"digest":"[SECOND]","name":"[2/2] RUN \"x\"","started":"[NOW]"}]}
            {"logs":[{"vertex":"[SECOND]","stream":1,"data":"G1sySmhpCg==","timestamp":"[NOW]"}]}
            {"vertexes":[{"digest":"[SECOND]","name":"[2/2] RUN \"x\"","started":"[NOW]","completed":"[NOW]"}]}
            {"warnings":[{"level":1,"short":"Zm9v"}]}
            {"statuses":[{"id":"download","current":0,"timestamp":"[NOW]","started":"[NOW]"}]}
            {"statuses":[{"id":"download","total":10,"current":5,"timestamp":"[NOW]","started":"[NOW]"}]}
            {"statuses":[{"id":"download","current":0,"timestamp":"[NOW]","started":"[NOW]","completed":"[NOW]"}]}
        "#]].assert_eq(&lines);
    }
}
