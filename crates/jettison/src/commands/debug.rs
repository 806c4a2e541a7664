//! `jettison debug`

mod toolbox;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use jettison_build::{Bases, Engine, Event, Reporter, image_sandbox};
use jettison_dockerfile::Platform;
use jettison_oci::{Image, Transfer, TransferObserver};

use crate::bases::{Outside, SettingsBases};
use crate::cli::{DebugArgs, DockerRunArgs, Global, InputArgs, ProgressKind, RunArgs, StreamArgs};
use crate::commands::debug::toolbox::{BIN, TOOLS, Toolbox};
use crate::commands::run::{self, Stage};
use crate::commands::wanted::Wanted;
use crate::commands::{layers, lookup, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::progress::Notes;
use crate::registry::{PARALLEL, Registries};
use crate::settings::Settings;
use crate::surroundings::Surroundings;

/// The name of this machine's own busybox.
const OF_HOST: &str = "host";

pub(crate) fn run(
    global: &Global,
    args: &DebugArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let Some((name, command)) = args.command.split_first() else {
        return Err(Failure::user("name the image to look into"));
    };
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    let store = world::store(&root)?;
    let wanted = Wanted {
        name,
        args: &args.image,
        progress: global.progress,
    };
    let image = wanted.get(&store, surroundings, output)?;
    let host = run::limited_host(&root, &entered, &args.limits)?;
    let failed = |error: &jettison_build::BuildError| run::cannot_build(name, error);
    let engine = Engine::open(&store, &entered, &host).map_err(|error| failed(&error))?;
    let toolbox = if args.toolbox == OF_HOST {
        Toolbox::of_host(&root, &entered)
    } else {
        let told = (global.progress, surroundings);
        let box_image = toolbox_image(&engine, args, told)?;
        let box_lowers = engine.lowers(&box_image).map_err(|error| failed(&error))?;
        Toolbox::open(box_lowers, &root, &entered)
    };
    // What is fetched can be interrupted.
    let signals = run::hold_signals()?;
    let toolbox = toolbox.map_err(|failure| failure.in_file(Path::new(&args.toolbox)))?;
    let lowers = engine.lowers(&image).map_err(|error| failed(&error))?;
    let args = run_args(args, command);
    let mut config = run::config(&image, &args.process);
    if args.process.user.is_none() {
        // Who looks may see everything.
        config.config.user = String::new();
    }
    let process = run::process(&args, command, surroundings)?;
    let mut sandbox =
        image_sandbox(&host, &config, &lowers, &process).map_err(|error| failed(&error))?;
    for (variable, value) in &mut sandbox.env {
        if variable == "PATH" {
            *value = format!("{value}:{TOOLS}:{BIN}");
        }
    }
    sandbox.mounts.extend(toolbox.mounts());
    if args.streams.tty {
        output.note(Look::Note, &welcome(name, &image));
    }
    let stage = Stage {
        name,
        root: &root,
        entered: &entered,
        host: &host,
    };
    let exit = stage.play(sandbox, &args, (&config, signals), output)?;
    Ok(run::ended(&exit, output))
}

/// What is said to somebody who gets a shell.
fn welcome(name: &str, image: &Image) -> String {
    let config = &image.config().config;
    let words = config.entrypoint.iter().chain(&config.cmd).flatten();
    let words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    format!(
        "{name} runs [{}]; its files are under /, tools are in {BIN}; what you change is thrown away",
        words.join(", ")
    )
}

/// The same, in terms of `run`: a shell if nothing else is asked for, on a terminal if there is one.
fn run_args(args: &DebugArgs, command: &[String]) -> RunArgs {
    let is_terminal = io::stdin().is_terminal();
    let mut process = args.process.clone();
    if process.entrypoint.is_none() {
        process.entrypoint = Some(if command.is_empty() {
            format!("{BIN}/sh")
        } else {
            String::new()
        });
    }
    RunArgs {
        image: args.image.clone(),
        streams: StreamArgs {
            interactive: true,
            tty: is_terminal && (args.tty || io::stdout().is_terminal()),
        },
        process,
        files: args.files.clone(),
        limits: args.limits.clone(),
        docker: DockerRunArgs::default(),
        command: args.command.clone(),
    }
}

/// The image with the tools: out of the store, assembled, or pulled.
fn toolbox_image(
    engine: &Engine<'_>,
    args: &DebugArgs,
    (kind, surroundings): (ProgressKind, &Surroundings),
) -> Result<Image, Failure> {
    let name = &args.toolbox;
    let complete = |image| layers::complete(engine.store, &image, name, (kind, surroundings));
    if let Some(found) = lookup::look_up(engine.store, name)? {
        return complete(found.image);
    }
    let settings = Settings::read(Path::new("."), surroundings.user_settings().as_deref())?;
    let input = InputArgs {
        context: Path::new(".").to_path_buf(),
        file: None,
        build_args: Vec::new(),
        no_cache: false,
        pull: false,
        archive: args.archive.clone(),
    };
    let teller = Teller(Mutex::new(Output::new()));
    let registries = Registries::new(&settings.registries, surroundings, PARALLEL);
    let outside = Outside {
        now: surroundings.now,
        reach: surroundings.reach(settings.build.ca.as_deref()),
    };
    let bases = SettingsBases::new(engine, &teller, &settings, &input, outside)
        .with_registries(&registries);
    let platform = Platform::new("linux", &Surroundings::architecture());
    let found = bases.base(name, &platform).map_err(|error| {
        Failure::user(format!("cannot get the toolbox {name}"))
            .because(error.as_ref())
            .hint("--toolbox=host takes this machine's static busybox; an image that has one will do, too")
    })?;
    complete(found.image)
}

/// Tells what is being assembled, and nothing of its steps.
struct Teller(Mutex<Output>);

impl Reporter for Teller {
    fn event(&self, _event: Event<'_>) {}
}

impl TransferObserver for Teller {
    fn transfer(&self, _transfer: Transfer<'_>) {}
}

impl Notes for Teller {
    fn note(&self, text: &str) {
        let mut output = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        output.note(Look::Note, text);
    }
}
