//! `jettison run`

mod docker;
mod environment;
mod hosts;
mod mounts;
mod signal;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use jettison_build::{BuildError, Engine, ImageProcess, RunHost, image_sandbox};
use jettison_oci::{Image, ImageConfig};
use jettison_sandbox::{
    Capabilities, Child, Entered, Exit, HeldSignals, Input, Network, OutputMode, Sandbox,
    SandboxError, Security, Status, Terminal, TerminalSize, Typed, Ulimit,
};

use crate::cli::{Global, LimitArgs, NetworkKind, ProcessArgs, RunArgs};
use crate::commands::build_failure::build_failure;
use crate::commands::run::mounts::Place;
use crate::commands::wanted::Wanted;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::source::Source;
use crate::surroundings::Surroundings;

/// The name of the host, unless another is asked for.
const HOSTNAME: &str = "jettison";

pub(crate) fn run(
    global: &Global,
    args: &RunArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let Some((name, arguments)) = args.command.split_first() else {
        return Err(Failure::user("name the image to run"));
    };
    for note in docker::explained(&args.docker, args.process.network)? {
        output.note(Look::Note, &note);
    }
    // Docker's words: two options that belong together, and no terminal to connect.
    if args.streams.tty && args.streams.interactive && !io::stdin().is_terminal() {
        return Err(Failure::user("the input device is not a TTY")
            .hint("leave -t out: without a terminal on this side the program needs none"));
    }
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    let store = world::store(&root)?;
    let wanted = Wanted {
        name,
        args: &args.image,
        progress: global.progress,
    };
    let image = wanted.get(&store, surroundings, output)?;
    // What is fetched can be interrupted.
    let signals = hold_signals()?;
    let host = limited_host(&root, &entered, &args.limits)?;
    let failed = |error: &BuildError| cannot_build(name, error);
    let engine = Engine::open(&store, &entered, &host).map_err(|error| failed(&error))?;
    let lowers = engine.lowers(&image).map_err(|error| failed(&error))?;
    let config = config(&image, &args.process);
    let process = process(args, arguments, surroundings)?;
    let sandbox =
        image_sandbox(&host, &config, &lowers, &process).map_err(|error| failed(&error))?;
    let stage = Stage {
        name,
        root: &root,
        entered: &entered,
        host: &host,
    };
    let exit = stage.play(sandbox, args, (&config, signals), output)?;
    Ok(ended(&exit, output))
}

/// Holds the signals that a program is to get. Must come before there are threads.
pub(super) fn hold_signals() -> Result<HeldSignals, Failure> {
    HeldSignals::hold().map_err(|error| Failure::host("cannot pass on signals").because(&error))
}

/// What a program gets from the host, within limits.
pub(super) fn limited_host(
    root: &Path,
    entered: &Entered,
    limits: &LimitArgs,
) -> Result<RunHost, Failure> {
    let mut host = world::run_host(root, entered, &std::collections::BTreeMap::new())?;
    let memory = [&limits.memory, &limits.memory_swap];
    let cpus = [&limits.cpus, &limits.cpu_shares, &limits.cpuset_cpus];
    for limit in memory.into_iter().chain(cpus).flatten() {
        limit.limit(&mut host.resources);
    }
    Ok(host)
}

pub(super) fn cannot_build(name: &str, error: &BuildError) -> Failure {
    build_failure(error, &Source::new(name.to_string(), String::new()))
}

/// Where a program runs.
pub(super) struct Stage<'a> {
    /// The image's name, for messages.
    pub(super) name: &'a str,
    pub(super) root: &'a Path,
    pub(super) entered: &'a Entered,
    pub(super) host: &'a RunHost,
}

impl Stage<'_> {
    /// Runs the program of `sandbox` to its end, with what the command line says.
    pub(super) fn play(
        &self,
        mut sandbox: Sandbox,
        args: &RunArgs,
        (config, signals): (&ImageConfig, HeldSignals),
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        adapt(&mut sandbox, args, self.host)?;
        let place = Place {
            config,
            root: self.root,
            entered: self.entered,
        };
        let _volumes = mounts::add(&mut sandbox, &args.files, &place, output)?;
        let stop = signal::stop(args.process.stop_signal.as_deref(), config)?;
        let signals = signals.stopping_by(stop);
        wait(&sandbox, args, self.entered, &signals)
            .map_err(|error| Failure::host(format!("cannot run {}", self.name)).because(&error))
    }

    /// Runs the program of `sandbox` to its end, with what the command line says, and gives what it wrote.
    pub(super) fn capture(
        &self,
        mut sandbox: Sandbox,
        args: &RunArgs,
        config: &ImageConfig,
        output: &mut Output,
    ) -> Result<jettison_sandbox::Output, Failure> {
        adapt(&mut sandbox, args, self.host)?;
        let place = Place {
            config,
            root: self.root,
            entered: self.entered,
        };
        let _volumes = mounts::add(&mut sandbox, &args.files, &place, output)?;
        sandbox.output = OutputMode::Piped;
        sandbox
            .spawn(self.entered)
            .and_then(Child::wait_with_output)
            .map_err(|error| Failure::host(format!("cannot run {}", self.name)).because(&error))
    }
}

/// The image's configuration, with what the command line replaces.
pub(super) fn config(image: &Image, args: &ProcessArgs) -> ImageConfig {
    let mut config = image.config().clone();
    if let Some(user) = &args.user {
        config.config.user.clone_from(user);
    }
    if let Some(workdir) = &args.workdir {
        config.config.working_dir.clone_from(workdir);
    }
    let workdir = &mut config.config.working_dir;
    if !workdir.is_empty() && !Path::new(workdir).is_absolute() {
        workdir.insert(0, '/');
    }
    config
}

/// How the image's program is started.
pub(super) fn process(
    args: &RunArgs,
    arguments: &[String],
    surroundings: &Surroundings,
) -> Result<ImageProcess, Failure> {
    let has_terminal = args.streams.tty;
    let entrypoint = args.process.entrypoint.clone().map(|program| {
        if program.is_empty() {
            Vec::new()
        } else {
            vec![program]
        }
    });
    Ok(ImageProcess {
        arguments: (!arguments.is_empty()).then(|| arguments.to_vec()),
        entrypoint,
        env: environment::variables(args, surroundings)?,
        stdin: if args.streams.interactive && !has_terminal {
            Input::Inherit
        } else {
            Input::Null
        },
        output: OutputMode::Inherit,
        terminal: if has_terminal {
            Terminal::Own(TerminalSize::of_caller())
        } else {
            Terminal::None
        },
        network: match args.process.network {
            NetworkKind::Host => Network::Host,
            NetworkKind::None => Network::None,
        },
        time_limit: None,
    })
}

/// Puts into the sandbox what an image does not say.
fn adapt(sandbox: &mut Sandbox, args: &RunArgs, host: &RunHost) -> Result<(), Failure> {
    let hostname = args.process.hostname.as_deref().unwrap_or(HOSTNAME);
    sandbox.hostname = hostname.to_string();
    for (name, value) in &mut sandbox.env {
        if name == "HOSTNAME" && value == HOSTNAME {
            *value = hostname.to_string();
        }
    }
    hosts::mount(sandbox, &args.process, host)?;
    sandbox.read_only = args.files.read_only;
    sandbox.shm_size = args.files.shm_size;
    for limit in &args.limits.ulimits {
        let value = |limit: i64| u64::try_from(limit).ok();
        let kind = limit
            .name
            .parse()
            .map_err(|error: jettison_sandbox::UlimitError| {
                Failure::user("cannot limit the program").because(&error)
            })?;
        sandbox.ulimits.push(Ulimit {
            kind,
            soft: value(limit.soft),
            hard: value(limit.hard),
        });
    }
    sandbox.security = security(&args.process)?;
    Ok(())
}

fn security(args: &ProcessArgs) -> Result<Security, Failure> {
    if args.privileged {
        return Ok(Security::Unconfined);
    }
    if args.cap_add.is_empty() && args.cap_drop.is_empty() {
        return Ok(Security::Confined);
    }
    let named = |names: &[String]| -> Result<Capabilities, Failure> {
        let mut all = Capabilities::NONE;
        for name in names {
            all = all.with(Capabilities::named(name).ok_or_else(|| {
                Failure::user(format!("there is no capability called `{name}`"))
                    .hint("capabilities(7) lists them: NET_ADMIN, SYS_PTRACE, …, or ALL")
            })?);
        }
        Ok(all)
    };
    let is_all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let (added, dropped) = (named(&args.cap_add)?, named(&args.cap_drop)?);
    // As in docker, a single capability counts more than `ALL` (moby: `TweakCapabilities`, oci/caps/utils.go).
    let base = if is_all(&args.cap_drop) {
        Capabilities::NONE
    } else {
        Capabilities::docker()
    };
    Ok(Security::Capabilities(if is_all(&args.cap_drop) {
        base.with(added)
    } else {
        base.with(added).without(dropped)
    }))
}

/// Runs the program to its end, on a terminal if it has one.
fn wait(
    sandbox: &Sandbox,
    args: &RunArgs,
    entered: &Entered,
    signals: &HeldSignals,
) -> Result<Exit, SandboxError> {
    let child = sandbox.spawn(entered)?;
    if !args.streams.tty {
        return child.wait_passing_on(signals);
    }
    let typed = if args.streams.interactive {
        Typed::Forwarded
    } else {
        Typed::Left
    };
    child.wait_on_terminal(signals, typed)
}

/// The program's exit status, as a shell has it.
pub(super) fn ended(exit: &Exit, output: &mut Output) -> ExitCode {
    if let Some(failure) = &exit.exec_failure {
        let reason = io::Error::from_raw_os_error(failure.errno);
        let text = format!("cannot start `{}`: {reason}", failure.program);
        output.note(Look::Bad, &text);
    }
    ExitCode::from(match exit.status {
        Status::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Status::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Status::TimedOut => 124,
    })
}
