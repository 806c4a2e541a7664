//! Running the commands of tests, as `jettison run` runs programs.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jettison_build::image_sandbox;
use jettison_sandbox::{Output as Captured, Status, Upper};
use jettison_slim::{CommandOutput, CommandRun, ContainerRunOptions, StructureTests};

use crate::cli::{
    DockerRunArgs, FileArgs, ImageArgs, LimitArgs, NetworkKind, PlatformArgs, ProcessArgs,
    PullWhen, RunArgs, StreamArgs,
};
use crate::commands::run::{self, Stage};
use crate::commands::test::{Runner, Subject};
use crate::failure::Failure;
use crate::output::{Look, Output};

/// Where the commands of one file run: each test in a container of its own.
pub(super) struct Container<'a> {
    subject: &'a Subject<'a>,
    runner: &'a Runner<'a>,
    args: RunArgs,
    /// What is said while something is mounted.
    notes: RefCell<Output>,
}

impl<'a> Container<'a> {
    /// A container for the commands of `tests`.
    pub(super) fn new(
        subject: &'a Subject<'a>,
        runner: &'a Runner<'a>,
        tests: &StructureTests,
        output: &mut Output,
    ) -> Result<Container<'a>, Failure> {
        let options = &tests.container_run_options;
        if options.terminal {
            output.note(
                Look::Note,
                "allocateTty: commands run without a terminal, so that their output can be read",
            );
        }
        let args = run_args(options, subject.args.network)?;
        // What is wrong with the options is wrong before the first test, and a mistake.
        run::process(&args, &[], subject.surroundings)?;
        Ok(Container {
            subject,
            runner,
            args,
            notes: RefCell::new(Output::new()),
        })
    }

    /// Runs the commands of one test.
    pub(super) fn run(&self, run: &CommandRun) -> Result<CommandOutput, String> {
        let mut args = self.args.clone();
        let variables = run
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        args.process.env.extend(variables);
        if run.setup.is_empty() {
            return self.command(&args, &run.argv, None);
        }
        let snapshots = self.runner.engine.snapshots();
        let active = snapshots.prepare().map_err(|error| error.to_string())?;
        let upper = Upper {
            dir: active.fs(),
            work: active.work(),
        };
        let result = self.prepared(&args, run, &upper);
        snapshots
            .discard(active)
            .map_err(|error| error.to_string())?;
        result
    }

    /// Runs the commands that come before, then the one that is tested. As there, only a command that cannot be started
    /// ends the test.
    fn prepared(
        &self,
        args: &RunArgs,
        run: &CommandRun,
        upper: &Upper,
    ) -> Result<CommandOutput, String> {
        let mut notes = Vec::new();
        for argv in &run.setup {
            let done = self.command(args, argv, Some(upper))?;
            if done.exit_code != 0 {
                let stderr = String::from_utf8_lossy(&done.stderr);
                notes.push(format!(
                    "the setup command {argv:?} ended with status {}: {stderr:?}",
                    done.exit_code
                ));
            }
        }
        let output = self.command(args, &run.argv, Some(upper))?;
        Ok(CommandOutput { notes, ..output })
    }

    fn command(
        &self,
        args: &RunArgs,
        words: &[String],
        upper: Option<&Upper>,
    ) -> Result<CommandOutput, String> {
        let start = Instant::now();
        let captured = self
            .captured(args, words, upper)
            .map_err(|failure| lines(&failure))?;
        if let Some(failure) = &captured.exit.exec_failure {
            let reason = std::io::Error::from_raw_os_error(failure.errno);
            return Err(format!("cannot start `{}`: {reason}", failure.program));
        }
        Ok(CommandOutput {
            exit_code: match captured.exit.status {
                Status::Code(code) => code,
                Status::Signal(signal) => 128 + signal,
                Status::TimedOut => 124,
            },
            stdout: captured.stdout,
            stderr: captured.stderr,
            elapsed: whole_microseconds(start.elapsed()),
            notes: Vec::new(),
        })
    }

    fn captured(
        &self,
        args: &RunArgs,
        words: &[String],
        upper: Option<&Upper>,
    ) -> Result<Captured, Failure> {
        let Subject { name, root, .. } = *self.subject;
        let config = run::config(self.subject.image, &args.process);
        let process = run::process(args, words, self.subject.surroundings)?;
        let host = self.runner.host;
        let mut sandbox = image_sandbox(host, &config, self.runner.lowers, &process)
            .map_err(|error| run::cannot_build(name, &error))?;
        sandbox.rootfs.upper = upper.cloned();
        let stage = Stage {
            name,
            root,
            entered: self.runner.engine.entered,
            host,
        };
        stage.capture(sandbox, args, &config, &mut self.notes.borrow_mut())
    }
}

/// All that is to be said about a failure.
fn lines(failure: &Failure) -> String {
    let texts = failure.lines().into_iter().map(|(_, text)| text);
    texts.collect::<Vec<_>>().join(": ")
}

/// Less is noise.
fn whole_microseconds(elapsed: Duration) -> Duration {
    Duration::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// The options of a file in terms of `run`.
fn run_args(options: &ContainerRunOptions, network: NetworkKind) -> Result<RunArgs, Failure> {
    let network = match options.network.as_str() {
        "" => network,
        "none" => NetworkKind::None,
        // Docker's own networks lead to where this machine's does.
        "host" | "bridge" | "default" => NetworkKind::Host,
        other => {
            return Err(Failure::user(format!(
                "containerRunOptions: there is no network called `{other}`"
            ))
            .hint("take host, the network of this machine, or none"));
        }
    };
    Ok(RunArgs {
        image: ImageArgs {
            pull: PullWhen::Never,
            platform: PlatformArgs::default(),
            quiet: false,
        },
        streams: StreamArgs {
            interactive: false,
            tty: false,
        },
        process: ProcessArgs {
            // Whatever the image's ENTRYPOINT is, commands are commands.
            entrypoint: Some(String::new()),
            env: options.env_vars.clone(),
            env_files: (!options.env_file.is_empty())
                .then(|| PathBuf::from(&options.env_file))
                .into_iter()
                .collect(),
            user: (!options.user.is_empty()).then(|| options.user.clone()),
            workdir: None,
            network,
            hostname: None,
            add_hosts: Vec::new(),
            cap_add: options.capabilities.clone(),
            cap_drop: Vec::new(),
            privileged: options.privileged,
            stop_signal: None,
        },
        files: FileArgs {
            volumes: options
                .bind_mounts
                .iter()
                .map(|text| absolute(text))
                .collect(),
            mounts: Vec::new(),
            tmpfs: Vec::new(),
            read_only: false,
            shm_size: None,
        },
        limits: LimitArgs::default(),
        docker: DockerRunArgs::default(),
        command: Vec::new(),
    })
}

/// `source:target` with a source that starts with `.` or `..` as a path of this directory.
fn absolute(text: &str) -> String {
    match text.split_once(':') {
        Some((source, rest)) if source.starts_with('.') => {
            let path = std::path::absolute(Path::new(source));
            let path = path.map_or_else(|_| source.to_owned(), |path| path.display().to_string());
            format!("{path}:{rest}")
        }
        _ => text.to_owned(),
    }
}
