//! A program that a runner of scripts starts (`npm start`), compared with one that is started itself.
//!
//! npm, pnpm and yarn announce the script, and say at the end that it has failed. It does not matter how well the program ends:
//! `SIGTERM` comes to the shell between the two, which dies of it, so that they exit with 1, and the program is
//! killed with its container. Started itself it gets the signal, and ends as it means to. That is better, but it is another
//! exit status, and other lines on the outputs: it is told as an exception, and nothing else is passed over. uv hands signals
//! on, and says of a program that raises the signal again at its end that it has ended so; as the first process it exits with 0.
//! That it is the first process is seen in logs that name it.
//!
//! `go run` and `cargo run` compile the program first. cargo tells of that, and starts it in place of itself. go starts it as its
//! child, exits with 1 when it fails, with its status in a line of its own, and dies of `SIGTERM`, which is the end of both.

mod compiling;
mod process;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jettison_oci::RunConfig;

use crate::evidence::{compiled_run, plain_start};
use crate::rootfs::RootDir;
use crate::verify::compare::compare_with;
use crate::verify::observation::{ExitKind, Observation, WrittenFile};
use crate::verify::probe::{Action, Probe, ProbeOrigin};

/// How all three exit when a signal has ended their script.
const FAILED: ExitKind = ExitKind::Code(1);
/// How a program ends that was asked to: well, or as a parent says of one that `SIGTERM` has ended.
const ENDED: [ExitKind; 2] = [ExitKind::Code(0), ExitKind::Code(128 + 15)];
/// How the first process exits that Go's runtime ends because of a signal.
const ENDED_BY_GO: ExitKind = ExitKind::Code(2);

/// What starts the original's program, and does not start the candidate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Runner {
    /// `npm`, `uv` and their like.
    tool: String,
    /// The script as its description has it.
    script: String,
    /// The directory of the program's sources.
    directory: PathBuf,
}

impl Runner {
    /// The runner that `original` starts its program with, if `candidate` starts the same program without.
    pub(super) fn between(
        root: &RootDir,
        original: &RunConfig,
        candidate: &RunConfig,
    ) -> Option<Runner> {
        let start =
            plain_start(root, original).or_else(|| Some(compiled_run(root, original)?.start))?;
        let commands = [&start.config, candidate].map(|config| (&config.entrypoint, &config.cmd));
        (commands[0] == commands[1]).then_some(Runner {
            tool: start.tool,
            script: start.script,
            directory: start.directory,
        })
    }

    /// What is different because of the runner, if all else is the same; `None` if anything else differs as well.
    pub(super) fn exception(
        &self,
        probe: &Probe,
        originals: &[Observation],
        candidate: &Observation,
    ) -> Option<String> {
        if probe.arguments.is_some() && !self.compiles() {
            return None;
        }
        let is_asked = matches!(probe.action, Action::Serve(_)) && candidate.trouble().is_none();
        // Where it fails at its end, the others are killed, and nobody knows of it.
        let ends_well = ENDED.contains(&candidate.exit)
            || (self.tool == "go" && candidate.exit == ENDED_BY_GO)
            || (self.announces() && candidate.exit == FAILED);
        let is_ended = is_asked && ends_well && originals.iter().all(|run| self.has_ended(run));
        let bare: Vec<Observation> = originals
            .iter()
            .map(|run| self.bare(run, is_ended.then_some(candidate.exit)))
            .collect();
        let cut = if is_ended && self.kills() {
            before_the_end(&bare, candidate)
        } else {
            candidate.clone()
        };
        let process = process_beside(probe, &bare, &cut);
        let is_same = process.is_some() || is_same(probe, &bare, &cut);
        if !is_same && self.does_not_start(probe, originals) {
            return Some(format!(
                "where the original does not start ({}), the program may, since it is started without {}",
                probe.name, self.tool
            ));
        }
        let first = originals.first()?;
        is_same.then(|| {
            let mut text = format!("it is started without {}", self.tool);
            if self.announces() || self.compiles() {
                let _infallible = write!(text, ": what {} itself says is not there", self.tool);
            }
            if is_ended {
                text.push_str(&self.ending(first, candidate));
            } else if candidate.exit != first.exit {
                let _infallible = write!(
                    text,
                    ", and the program's own exit status is: {} in place of {}",
                    candidate.exit, first.exit
                );
            }
            if let Some(process) = process {
                let _infallible = write!(
                    text,
                    ", and its process has the number 1 in place of {process}"
                );
            }
            text
        })
    }

    /// How the candidate ends otherwise than the original when a signal asks it to.
    fn ending(&self, original: &Observation, candidate: &Observation) -> String {
        let tool = &self.tool;
        let mut text = String::new();
        if candidate.exit != original.exit {
            let _infallible = write!(
                text,
                ", and when a signal asks it to end: {} in place of {}",
                candidate.exit, original.exit
            );
        } else if self.kills() {
            let _infallible = write!(
                text,
                ", and when a signal asks it to end: its own {}, and not that",
                candidate.exit
            );
        }
        if self.kills() {
            let _infallible = write!(text, ", with which {tool} ends and the program is killed");
            let files = written_by_candidate_alone(std::slice::from_ref(original), candidate);
            let files: Vec<String> = files.map(|path| path.display().to_string()).collect();
            if !files.is_empty() {
                let _infallible = write!(text, " before it writes {}", files.join(", "));
            }
        }
        text
    }

    /// Whether a run of the original ended as the tool does that a signal asks to end.
    fn has_ended(&self, run: &Observation) -> bool {
        if self.announces() {
            run.exit == FAILED
        } else if self.tool == "go" {
            run.exit == ENDED_BY_GO && self.status_of_program(run).is_none()
        } else {
            // The others hand the signal on, or are gone, and say how their program has ended: as the first process, where
            // what ends nobody else does nothing, it may say otherwise.
            ENDED.contains(&run.exit)
        }
    }

    /// A run of the original as it had been without the tool; `exit`, if that is known.
    fn bare(&self, run: &Observation, exit: Option<ExitKind>) -> Observation {
        let status = self.status_of_program(run).map(ExitKind::Code);
        Observation {
            exit: exit.or(status).unwrap_or(run.exit),
            stdout: self.without_lines(&run.stdout),
            stderr: self.without_lines(&run.stderr),
            written: self.written_by_program(&run.written),
            ..run.clone()
        }
    }

    /// The files without those that cargo compiles into.
    fn written_by_program(&self, written: &[WrittenFile]) -> Vec<WrittenFile> {
        let target = self.directory.join("target");
        let is_of_cargo =
            |file: &&WrittenFile| self.tool == "cargo" && file.path.starts_with(&target);
        written
            .iter()
            .filter(|file| !is_of_cargo(file))
            .cloned()
            .collect()
    }

    /// The exit status of the program that `go run` speaks of at the end.
    fn status_of_program(&self, run: &Observation) -> Option<i32> {
        let is_told = self.tool == "go" && run.exit == FAILED;
        is_told.then(|| compiling::status_by_go(&run.stderr))?
    }

    /// Whether it compiles the program each time.
    fn compiles(&self) -> bool {
        ["cargo", "go"].contains(&self.tool.as_str())
    }

    /// Whether the program is killed when the tool is asked to end.
    fn kills(&self) -> bool {
        self.announces() || self.tool == "go"
    }

    /// Whether the original came to nothing in a probe of ours, as a user without rights or with nothing to write to: the tool wants
    /// more than its program. Such a probe says nothing of the program; what the candidate looks up is judged all the same.
    fn does_not_start(&self, probe: &Probe, originals: &[Observation]) -> bool {
        let is_failure = |run: &Observation| {
            let has_failed = matches!(run.exit, ExitKind::Code(code) if code != 0);
            (has_failed && run.trouble().is_some())
                || (self.compiles() && compiling::has_come_to_nothing(&self.tool, run))
        };
        probe.origin == ProbeOrigin::Own
            && !originals.is_empty()
            && originals.iter().all(is_failure)
    }

    /// Whether it says what it does, and does not hand on signals: all that start scripts of Node.js.
    fn announces(&self) -> bool {
        ["npm", "npx", "pnpm", "yarn"].contains(&self.tool.as_str())
    }

    /// `text` without what the runner itself says.
    fn without_lines(&self, text: &[u8]) -> Vec<u8> {
        if self.compiles() {
            return compiling::without_lines(&self.tool, text).to_vec();
        }
        if !self.announces() {
            return text.to_vec();
        }
        let text = String::from_utf8_lossy(text);
        let text = self.announced(&text).unwrap_or(&text);
        let is_own = |line: &&str| {
            let starts: &[&str] = match self.tool.as_str() {
                "npm" | "npx" => &[
                    "npm error",
                    "npm ERR!",
                    "npm warn",
                    "npm WARN",
                    "npm notice",
                ],
                "pnpm" => &[
                    "\u{2009}ELIFECYCLE\u{2009}",
                    " ELIFECYCLE ",
                    "\u{2009}WARN\u{2009}",
                    " WARN ",
                ],
                _ => &["error Command failed", "info Visit "],
            };
            starts.iter().any(|start| line.starts_with(start))
        };
        let lines = text.split_inclusive('\n');
        lines
            .filter(|line| !is_own(line))
            .collect::<String>()
            .into_bytes()
    }

    /// What follows the announcement of the script.
    fn announced<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.tool != "yarn" {
            let (_, rest) = text.strip_prefix("\n> ")?.split_once('\n')?;
            let rest = rest.strip_prefix("> ")?.strip_prefix(&self.script)?;
            return rest.strip_prefix("\n\n");
        }
        // Its warnings come before anything else, on the other output.
        if text.starts_with("warning ") {
            let is_warning = |line: &&str| line.starts_with("warning ");
            let lines = text.split_inclusive('\n').take_while(is_warning);
            return text.get(lines.map(str::len).sum::<usize>()..);
        }
        let (_, rest) = text.strip_prefix("yarn run v")?.split_once('\n')?;
        let rest = rest.strip_prefix("$ ")?.strip_prefix(&self.script)?;
        rest.strip_prefix('\n')
    }
}

/// What `candidate` has said and written, but for what the originals, which were killed at their end, had no time for.
fn before_the_end(originals: &[Observation], candidate: &Observation) -> Observation {
    let longest = |text: fn(&Observation) -> &[u8]| {
        let lines = originals
            .iter()
            .map(|run| text(run).split_inclusive(|byte| *byte == b'\n'));
        lines.map(Iterator::count).max().unwrap_or_default()
    };
    let alone: Vec<&Path> = written_by_candidate_alone(originals, candidate).collect();
    let written = candidate.written.iter();
    Observation {
        stdout: first_lines(&candidate.stdout, longest(|run| &run.stdout)),
        stderr: first_lines(&candidate.stderr, longest(|run| &run.stderr)),
        written: written
            .filter(|file| !alone.contains(&file.path.as_path()))
            .cloned()
            .collect(),
        ..candidate.clone()
    }
}

/// The files that `candidate` has written, and no original.
fn written_by_candidate_alone<'o>(
    originals: &'o [Observation],
    candidate: &'o Observation,
) -> impl Iterator<Item = &'o Path> {
    let paths = candidate.written.iter().map(|file| file.path.as_path());
    paths.filter(|path| {
        let mut files = originals.iter().flat_map(|run| &run.written);
        !files.any(|file| file.path == *path)
    })
}

fn is_same(probe: &Probe, originals: &[Observation], candidate: &Observation) -> bool {
    let originals: Vec<&Observation> = originals.iter().collect();
    let comparison = compare_with(&originals, candidate, &probe.ignore);
    comparison.differences.is_empty()
}

/// The number of the original's process, if the candidate does the same but says 1 where the original says that.
fn process_beside(
    probe: &Probe,
    originals: &[Observation],
    candidate: &Observation,
) -> Option<String> {
    if is_same(probe, originals, candidate) {
        return None;
    }
    let first = originals.first()?;
    let mut numbers = process::numbers(&first.stdout, &candidate.stdout);
    numbers.extend(process::numbers(&first.stderr, &candidate.stderr));
    let number = numbers.into_iter().find(|number| {
        let originals: Vec<Observation> = originals
            .iter()
            .map(|run| Observation {
                stdout: process::as_first(&run.stdout, number, &candidate.stdout),
                stderr: process::as_first(&run.stderr, number, &candidate.stderr),
                ..run.clone()
            })
            .collect();
        is_same(probe, &originals, candidate)
    })?;
    String::from_utf8(number).ok()
}

/// The first `count` lines of `text`.
fn first_lines(text: &[u8], count: usize) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').take(count);
    lines.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jettison_sandbox::Signal;

    use super::*;
    use crate::verify::observation::{Served, WrittenFile};
    use crate::verify::probe::{Ending, Ready, Server, Talk};

    const NPM: &str = "\n> shop@1.0.0 start\n> node server.js\n\nup\n";
    const ERRORS: &str =
        "npm error path /app\nnpm error command failed\nnpm error signal SIGTERM\n";

    fn ran(code: i32, stdout: &str, stderr: &str) -> Observation {
        Observation {
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            served: Some(Served::default()),
            ..Observation::ended(ExitKind::Code(code))
        }
    }

    #[track_caller]
    fn check(tool: &str, original: &Observation, candidate: &Observation, expected: Option<&str>) {
        let runner = Runner {
            tool: tool.to_owned(),
            script: "node server.js".to_owned(),
            directory: PathBuf::from("/app"),
        };
        let mut probe = Probe::run("it", ProbeOrigin::Given, Duration::from_secs(1));
        probe.action = Action::Serve(Server {
            port: Some(80),
            ready: Ready::Listening(Duration::from_secs(1)),
            talk: Talk::Nothing,
            ending: Ending::by(Signal::TERM),
        });
        let originals = [original.clone(), original.clone()];
        let found = runner.exception(&probe, &originals, candidate);
        assert_eq!(found.as_deref(), expected);
        // What arguments npm and uv are given is for them.
        probe.arguments = Some(Vec::new());
        let expected = expected.filter(|_| runner.compiles());
        assert_eq!(
            runner.exception(&probe, &originals, candidate).as_deref(),
            expected
        );
    }

    #[test]
    fn what_the_runner_says_and_how_it_exits_is_told_as_an_exception() {
        check(
            "npm",
            &ran(1, NPM, ERRORS),
            &ran(0, "up\nbye\n", ""),
            Some(
                "it is started without npm: what npm itself says is not there, and when a signal asks it to end: exit code 0 in place of exit code 1, with which npm ends and the program is killed",
            ),
        );
        check(
            "pnpm",
            &ran(
                1,
                "\n> shop@1.0.0 start /app\n> node server.js\n\nup\n\u{2009}ELIFECYCLE\u{2009} Command failed.\n",
                "",
            ),
            &ran(143, "up\n", ""),
            Some(
                "it is started without pnpm: what pnpm itself says is not there, and when a signal asks it to end: exit code 143 in place of exit code 1, with which pnpm ends and the program is killed",
            ),
        );
        check(
            "yarn",
            &ran(
                0,
                "yarn run v1.22.22\n$ node server.js\nup\n",
                "warning package.json: No license field\n",
            ),
            &ran(0, "up\n", ""),
            Some("it is started without yarn: what yarn itself says is not there"),
        );
        check(
            "uv",
            &ran(143, "up\n", ""),
            &ran(0, "up\n", ""),
            Some(
                "it is started without uv, and when a signal asks it to end: exit code 0 in place of exit code 143",
            ),
        );
    }

    #[test]
    fn what_compiles_the_program_says_more_and_exits_otherwise() {
        check(
            "go",
            &ran(1, "", "bad input\nexit status 3\n"),
            &ran(3, "", "bad input\n"),
            Some(
                "it is started without go: what go itself says is not there, and the program's own exit status is: exit code 3 in place of exit code 1",
            ),
        );
        check(
            "go",
            &ran(2, "up\n", ""),
            &ran(0, "up\nbye\n", ""),
            Some(
                "it is started without go: what go itself says is not there, and when a signal asks it to end: exit code 0 in place of exit code 2, with which go ends and the program is killed",
            ),
        );
        check(
            "cargo",
            &ran(
                3,
                "",
                "    Finished `release` profile [optimized] target(s) in 0.04s\n     Running `target/release/shop`\nbad input\n",
            ),
            &ran(3, "", "bad input\n"),
            Some("it is started without cargo: what cargo itself says is not there"),
        );
        let wrote = |path: &str| Observation {
            written: vec![WrittenFile {
                path: path.into(),
                mode: 0o644,
                owner: (0, 0),
                content: "1 byte".to_owned(),
            }],
            ..ran(0, "up\n", "")
        };
        let plain = Some("it is started without cargo: what cargo itself says is not there");
        check(
            "cargo",
            &wrote("/app/target/debug/a"),
            &ran(0, "up\n", ""),
            plain,
        );
        check("cargo", &wrote("/app/state"), &ran(0, "up\n", ""), None);
        check("go", &ran(1, "", "exit status 3\n"), &ran(4, "", ""), None);
        check(
            "go",
            &ran(1, "", "exit status 3\n"),
            &ran(3, "", "more\n"),
            None,
        );
        check("go", &ran(2, "up\n", ""), &ran(1, "up\n", ""), None);
        check(
            "cargo",
            &ran(3, "", "bad input\n"),
            &ran(4, "", "bad input\n"),
            None,
        );
        check("cargo", &ran(3, "", "bad input\n"), &ran(3, "", ""), None);
    }

    #[test]
    fn a_runner_that_does_not_start_says_nothing_of_its_program() {
        let runner = Runner {
            tool: "uv".to_owned(),
            script: String::new(),
            directory: PathBuf::from("/app"),
        };
        let mut failed = ran(2, "", "error: failed to open the cache\n");
        failed.served = Some(Served {
            trouble: Some("it ended before it listened".to_owned()),
            ..Served::default()
        });
        let mut probe = Probe::run("as user 7", ProbeOrigin::Own, Duration::from_secs(1));
        let found = runner.exception(&probe, &[failed.clone()], &ran(0, "up\n", ""));
        let expected = "where the original does not start (as user 7), the program may, since it is started without uv";
        assert_eq!(found.as_deref(), Some(expected));
        probe.origin = ProbeOrigin::Given;
        assert_eq!(
            runner.exception(&probe, &[failed], &ran(0, "up\n", "")),
            None
        );
    }

    #[test]
    fn a_log_may_name_the_first_process_and_nothing_else() {
        let original = ran(1, &NPM.replace("up", "[Nest] 14 - up\n14 tasks"), ERRORS);
        check(
            "npm",
            &original,
            &ran(0, "[Nest] 1 - up\n14 tasks\n", ""),
            Some(
                "it is started without npm: what npm itself says is not there, and when a signal asks it to end: exit code 0 in place of exit code 1, with which npm ends and the program is killed, and its process has the number 1 in place of 14",
            ),
        );
        let others = ["[Nest] 2 - up\n14 tasks\n", "[Nest] 1 - up\n13 tasks\n"];
        for stdout in others {
            check("npm", &original, &ran(0, stdout, ""), None);
        }
    }

    #[test]
    fn what_the_program_does_at_its_end_npm_leaves_no_time_for() {
        let original = ran(1, NPM, ERRORS);
        let file = WrittenFile {
            path: "/data/state.json".into(),
            mode: 0o644,
            owner: (0, 0),
            content: "2 bytes".to_owned(),
        };
        let saved = Observation {
            written: vec![file],
            ..ran(0, "up\nsaved\n", "")
        };
        check(
            "npm",
            &original,
            &saved,
            Some(
                "it is started without npm: what npm itself says is not there, and when a signal asks it to end: exit code 0 in place of exit code 1, with which npm ends and the program is killed before it writes /data/state.json",
            ),
        );
        check(
            "npm",
            &original,
            &ran(1, "up\n", "cannot save\n"),
            Some(
                "it is started without npm: what npm itself says is not there, and when a signal asks it to end: its own exit code 1, and not that, with which npm ends and the program is killed",
            ),
        );
        // The original has time, and does not write it.
        check("uv", &ran(0, "up\n", ""), &saved, None);
        check("npm", &saved, &ran(0, "up\n", ""), None);
    }

    #[test]
    fn whatever_else_is_different_stays_a_difference() {
        let original = ran(1, NPM, ERRORS);
        // It has to be killed, where npm ends.
        let killed = Observation {
            exit: ExitKind::Killed,
            ..ran(0, "up\n", "")
        };
        check("npm", &original, &killed, None);
        check("npm", &original, &ran(2, "up\n", ""), None);
        check("npm", &original, &ran(0, "", ""), None);
        check("npm", &original, &ran(0, "down\n", ""), None);
        check("npm", &ran(2, NPM, ERRORS), &ran(0, "up\n", ""), None);
        check("yarn", &original, &ran(0, "up\n", ""), None);
        check("uv", &ran(1, "up\n", ""), &ran(0, "up\n", ""), None);
        check("uv", &ran(143, "up\n", ""), &ran(0, "up\nbye\n", ""), None);
        let mut silent = ran(0, "up\n", "");
        silent.served = Some(Served {
            trouble: Some("it does not listen".to_owned()),
            ..Served::default()
        });
        check("npm", &original, &silent, None);
    }
}
