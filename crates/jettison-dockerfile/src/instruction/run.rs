//! `RUN`.

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::heredoc::{Heredoc, announcement};
use crate::instruction::Arguments;
use crate::instruction::command::{CommandForm, form};
use crate::instruction::mount::check_mount;

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstruction {
    /// The command; with heredocs its first line only. [`RunInstruction::script`] has all of it.
    pub form: CommandForm,
    /// `--mount`, each one, as written.
    pub mounts: Vec<String>,
    /// `--network`
    pub network: Option<String>,
    /// `--security`
    pub security: Option<String>,
    /// `--device`, each one, as written.
    pub devices: Vec<String>,
}

/// What `RUN` runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunScript {
    /// A text for the shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
    /// A file to put at `/dev/pipes/<name>` with mode 0755; the shell runs that path.
    File {
        /// The name of the file.
        name: String,
        /// What is in it.
        content: String,
    },
}

impl RunInstruction {
    /// What is run, given the instruction's heredocs.
    ///
    /// A command that is nothing but a heredoc is the heredoc's text, or a file of its own if that starts with
    /// `#!`. Any other command goes to the shell together with its heredocs, to make of them what it will
    /// (BuildKit: `dispatchRun`, dockerfile2llb/convert.go).
    pub fn script(&self, heredocs: &[Heredoc]) -> RunScript {
        let line = match &self.form {
            CommandForm::Exec(argv) => return RunScript::Exec(argv.clone()),
            CommandForm::Shell(line) => line,
        };
        let [first, ..] = heredocs else {
            return RunScript::Shell(line.clone());
        };
        if matches!(announcement(line), Ok(Some(_))) {
            let text = first.text();
            if text.starts_with("#!") {
                return RunScript::File {
                    name: first.name.clone(),
                    content: text,
                };
            }
            return RunScript::Shell(text);
        }
        let bodies = heredocs
            .iter()
            .map(|heredoc| format!("\n{}{}", heredoc.content, heredoc.name));
        RunScript::Shell(line.clone() + &bodies.collect::<String>())
    }
}

/// Reads `RUN`.
pub(super) fn run(
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> RunInstruction {
    let network = flags.text("network");
    let security = flags.text("security");
    for flag in flags.iter() {
        let Some(value) = &flag.value else { continue };
        let place = flag
            .value_range
            .clone()
            .unwrap_or_else(|| flag.range.clone());
        let networks = ["default", "none", "host"];
        let securities = ["sandbox", "insecure"];
        match flag.name.as_str() {
            "mount" => diagnostics.extend(check_mount(value, &place)),
            "network" if !networks.contains(&value.as_str()) => diagnostics.push(
                Diagnostic::error(place, format!("invalid network mode {value:?}"))
                    .with_suggestion(value, networks),
            ),
            "security" if !securities.contains(&value.as_str()) => diagnostics.push(
                Diagnostic::error(place, format!("security {value:?} is not valid"))
                    .with_suggestion(value, securities),
            ),
            _ => {}
        }
    }
    RunInstruction {
        form: form(arguments.values),
        mounts: flags.list("mount"),
        network,
        security,
        devices: flags.list("device"),
    }
}
