//! `jettison run`

use std::io::IsTerminal;
use std::process::ExitCode;

use jettison_build::{Engine, ImageProcess, image_sandbox};
use jettison_oci::{Image, Store};
use jettison_sandbox::{HeldSignals, Input, Network, OutputMode, Status, Terminal};

use crate::cli::{Global, NetworkKind, RunArgs};
use crate::commands::build_failure::build_failure;
use crate::commands::world;
use crate::failure::Failure;
use crate::source::Source;
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &RunArgs,
    surroundings: &Surroundings,
) -> Result<ExitCode, Failure> {
    let Some((name, arguments)) = args.command.split_first() else {
        return Err(Failure::user("name the image to run"));
    };
    let root = world::root(global, surroundings)?;
    let entered = world::entered()?;
    let signals = HeldSignals::hold()
        .map_err(|error| Failure::host("cannot pass on signals").because(&error))?;
    let store = world::store(&root)?;
    let image = find(&store, name)?;
    let host = world::run_host(&root, &entered, &std::collections::BTreeMap::new())?;
    let failed = |error: &jettison_build::BuildError| {
        build_failure(error, &Source::new(name.clone(), String::new()))
    };
    let engine = Engine::open(&store, &entered, &host).map_err(|error| failed(&error))?;
    let lowers = engine.lowers(&image).map_err(|error| failed(&error))?;
    let mut env = Vec::new();
    for pair in &args.env {
        match pair.split_once('=') {
            Some(("", _)) => {
                return Err(Failure::user(format!("`{pair}` is not `NAME=VALUE`")));
            }
            Some((name, value)) => env.push((name.to_string(), value.to_string())),
            // As in docker, a name alone takes the value that it has here, if it has one.
            None => env.extend(
                surroundings
                    .variables
                    .get(pair)
                    .map(|value| (pair.clone(), value.clone())),
            ),
        }
    }
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal && let Some(term) = surroundings.variables.get("TERM") {
        env.insert(0, ("TERM".to_string(), term.clone()));
    }
    let process = ImageProcess {
        arguments: (!arguments.is_empty()).then(|| arguments.to_vec()),
        entrypoint: args.entrypoint.clone().map(|program| {
            if program.is_empty() {
                Vec::new()
            } else {
                vec![program]
            }
        }),
        env,
        stdin: Input::Inherit,
        output: OutputMode::Inherit,
        terminal: if is_terminal {
            Terminal::Inherit
        } else {
            Terminal::None
        },
        network: match args.network {
            NetworkKind::Host => Network::Host,
            NetworkKind::None => Network::None,
        },
        time_limit: None,
    };
    let sandbox =
        image_sandbox(&host, image.config(), &lowers, &process).map_err(|error| failed(&error))?;
    let start = |error: &jettison_sandbox::SandboxError| {
        Failure::host(format!("cannot run {name}")).because(error)
    };
    let exit = sandbox
        .spawn(&entered)
        .map_err(|error| start(&error))?
        .wait_passing_on(&signals)
        .map_err(|error| start(&error))?;
    if let Some(failure) = &exit.exec_failure {
        let reason = std::io::Error::from_raw_os_error(failure.errno);
        crate::output::Output::new().note(
            crate::output::Look::Bad,
            &format!("cannot start `{}`: {reason}", failure.program),
        );
    }
    let code = match exit.status {
        Status::Code(code) => u8::try_from(code).unwrap_or(u8::MAX),
        Status::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        Status::TimedOut => 124,
    };
    Ok(ExitCode::from(code))
}

/// The image called `name`, or whose ID begins with it.
fn find(store: &Store, name: &str) -> Result<Image, Failure> {
    let failed = |error: &jettison_oci::StoreError| {
        Failure::user(format!("cannot load image {name}")).because(error)
    };
    if let Ok(reference) = name.parse()
        && let Some(image) = store.find(&reference).map_err(|error| failed(&error))?
    {
        return Ok(image);
    }
    match store.find_by_id(name).map_err(|error| failed(&error))? {
        Some(image) => Ok(image),
        None => Err(Failure::user(format!("there is no image called `{name}`"))
            .hint("`jettison images` lists those that there are")),
    }
}
