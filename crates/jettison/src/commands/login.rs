//! `jettison login`

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use jettison_oci::{Credentials, RegistryError};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use crate::cli::LoginArgs;
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::registry::{
    FixedKeys, Kept, Logins, PARALLEL, Registries, registry_failure, server_name,
};
use crate::surroundings::Surroundings;
use crate::text_file;

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// The longest password that is read.
const LONGEST: u64 = 64 << 10;

pub(crate) fn run(
    args: &LoginArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let registry = server_name(&args.server)?;
    let logins = Logins::new(surroundings)?;
    let (username, password) = credentials(args, &registry, output)?;
    let settings = world::user_settings(surroundings)?;
    let registries = Registries::new(&settings.registries, surroundings, PARALLEL);
    let keys = FixedKeys(Credentials::Password {
        username: username.clone(),
        password: password.clone(),
    });
    registries
        .client_with(&keys)
        .log_in(&registry)
        .map_err(|error| refused(&registry, &error))?;
    match logins.keep(&registry, (&username, &password))? {
        Kept::File(path) => {
            let text = format!(
                "the password is in {}, where whoever may read the file can read it; a credential helper keeps it better",
                path.display()
            );
            output.note(Look::Note, &text);
        }
        Kept::Helper(name) => {
            output.note(
                Look::Note,
                &format!("docker-credential-{name} keeps the password"),
            );
        }
    }
    output.line("Login Succeeded");
    Ok(ExitCode::SUCCESS)
}

fn refused(registry: &str, error: &RegistryError) -> Failure {
    let message = format!("cannot log in to {registry}");
    if let RegistryError::Denied { .. } = error {
        return Failure::user(message).because(error).hint(
            "the name or the password is wrong; some registries want an access token in place of the password",
        );
    }
    registry_failure(message, error)
}

/// The name and the password: from options, standard input, or whoever sits at the terminal.
fn credentials(
    args: &LoginArgs,
    registry: &str,
    output: &mut Output,
) -> Result<(String, String), Failure> {
    if args.password.is_some() {
        output.note(
            Look::Bad,
            "warning: others on this host can see a password on the command line; take --password-stdin",
        );
    }
    let missing = || {
        Failure::user("there is no terminal to ask for a name and a password")
            .hint("give `--username NAME --password-stdin`, and the password on standard input")
    };
    let username = match &args.username {
        Some(username) => username.clone(),
        None if io::stdin().is_terminal() => {
            asked(&format!("Username for {registry}: "), Echo::On)?
        }
        None => return Err(missing()),
    };
    let password = match &args.password {
        Some(password) => password.clone(),
        None if args.password_stdin => {
            let text = text_file::read_stdin(LONGEST)?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            text.strip_suffix('\r').unwrap_or(text).to_owned()
        }
        None if io::stdin().is_terminal() => asked("Password: ", Echo::Off)?,
        None => return Err(missing()),
    };
    if username.is_empty() || password.is_empty() {
        return Err(Failure::user("a login needs a name and a password"));
    }
    if username.contains(':') {
        return Err(Failure::user("a user's name cannot have a colon in it"));
    }
    Ok((username, password))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    On,
    Off,
}

/// Asks whoever sits at the terminal.
fn asked(prompt: &str, echo: Echo) -> Result<String, Failure> {
    let fail = |error: io::Error| Failure::user("cannot ask at the terminal").because(&error);
    let terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(fail)?;
    let before = tcgetattr(&terminal).map_err(|error| fail(error.into()))?;
    if echo == Echo::Off {
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        // Whoever interrupts us wants an answer now, and to see what is typed afterwards: it ends the line instead.
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)
            .map_err(|error| fail(error.into()))?;
    }
    let mut line = Vec::new();
    let read = (&terminal)
        .write_all(prompt.as_bytes())
        .and_then(|()| read_line(&terminal, &mut line));
    if echo == Echo::Off {
        // If this fails there is nothing better to do.
        tcsetattr(&terminal, OptionalActions::Flush, &before).unwrap_or_default();
        (&terminal).write_all(b"\n").unwrap_or_default();
    }
    read.map_err(fail)?;
    if line.contains(&INTERRUPT) {
        kill_process(getpid(), Signal::INT).map_err(|error| fail(error.into()))?;
        // Who has started us may have us ignore the signal, as shells do with what runs beside them.
        return Err(Failure::user("interrupted while a password was typed"));
    }
    let line = String::from_utf8(line)
        .map_err(|error| Failure::user("cannot read what was typed").because(&error))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Reads up to what ends a line.
fn read_line(mut terminal: &File, line: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let length = terminal.read(&mut bytes)?;
        line.extend_from_slice(&bytes[..length]);
        if length == 0 || line.ends_with(b"\n") || line.ends_with(&[INTERRUPT]) {
            return Ok(());
        }
    }
}
