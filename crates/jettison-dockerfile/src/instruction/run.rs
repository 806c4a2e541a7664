//! `RUN`.

use crate::diagnostic::Diagnostic;
use crate::few::Few;
use crate::flag::{Flag, Flags};
use crate::heredoc::{Heredoc, announcement};
use crate::instruction::Context;
use crate::instruction::command::{CommandForm, form};
use crate::instruction::device::{check_device, required_device};
use crate::instruction::mount::check_mount;
use crate::node::Values;
use crate::quote::quoted;
use crate::source_text::SourceText;

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstruction {
    /// The command; with heredocs its first line only. [`RunInstruction::script`] has all of it.
    pub form: CommandForm,
    /// `--mount`, each one, as written.
    pub mounts: Few<SourceText>,
    /// `--network`
    pub network: Option<SourceText>,
    /// `--security`
    pub security: Option<SourceText>,
    /// `--device`, each one, as written.
    pub devices: Few<SourceText>,
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
            return RunScript::Shell(line.to_string());
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
        RunScript::Shell(line.to_string() + &bodies.collect::<String>())
    }

    /// The name of the first device that the command cannot do without (BuildKit: `ParseDevice`).
    pub fn required_device(&self) -> Option<String> {
        self.devices
            .iter()
            .find_map(|device| required_device(device))
    }
}

/// Reads `RUN`.
pub(super) fn run(
    context: &Context<'_>,
    values: &mut Values<'_>,
    flags: &Flags<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> RunInstruction {
    // In the order in which BuildKit looks at them.
    for name in ["device", "mount", "network", "security"] {
        for flag in flags.iter().filter(|flag| flag.name == name) {
            diagnostics.extend(problem(flag));
        }
    }
    RunInstruction {
        form: form(context, values),
        mounts: flags.list("mount"),
        network: flags.text("network"),
        security: flags.text("security"),
        devices: flags.list("device"),
    }
}

/// Says what is wrong with the value of a flag.
fn problem(flag: &Flag) -> Option<Diagnostic> {
    let value = flag.value.as_ref()?;
    let place = flag.value_range.as_ref().unwrap_or(&flag.range);
    let networks = ["default", "none", "host"];
    let securities = ["sandbox", "insecure"];
    match flag.name.as_str() {
        "device" => check_device(value, place),
        "mount" => check_mount(value, place),
        "network" if !networks.contains(&value.as_str()) => {
            let message = format!("invalid network mode {}", quoted(value));
            Some(Diagnostic::error(place.clone(), message).with_suggestion(value, networks))
        }
        "security" if !securities.contains(&value.as_str()) => {
            let message = format!("security {} is not valid", quoted(value));
            Some(Diagnostic::error(place.clone(), message).with_suggestion(value, securities))
        }
        _ => None,
    }
}
