//! A `RUN` that only sets up the shell that ends with it.

use crate::checks::correctness::scripts::run_scripts;
use crate::checks::finding::Findings;
use crate::checks::input::CheckInput;
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::shell::{Connector, ShellScript, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("state-lost-after-run"),
    summary: "A RUN changes nothing but its own shell, which ends with it",
    severity: Severity::Warning,
    categories: &[Category::Correctness],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/state-lost-after-run.md"),
    check: state_lost_after_run,
};

/// What of a shell a command changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Directory,
    Variable,
    Alias,
    Sourced,
    Option,
    /// Nothing that matters: `echo`, `true`.
    Nothing,
}

fn state_lost_after_run(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        for (_, script) in run_scripts(&stage) {
            let Some((command, state)) = lost(script) else {
                continue;
            };
            findings
                .add(command.range.clone(), message(command, state))
                .hint(hint(state));
        }
    }
}

/// The first command that changes the shell, if the script does nothing else.
fn lost(script: &ShellScript) -> Option<(&SimpleCommand, State)> {
    // Subshells, substitutions, functions and loops do who knows what.
    if !script.compounds.is_empty() {
        return None;
    }
    let mut first = None;
    for command in &script.commands {
        let runs_apart = matches!(command.connector, Connector::Pipe | Connector::Background);
        if runs_apart || !command.redirects.is_empty() {
            return None;
        }
        let state = state(command)?;
        if state != State::Nothing && first.is_none() {
            first = Some((command, state));
        }
    }
    first
}

/// What a command changes, if it is nothing but the shell's state.
fn state(command: &SimpleCommand) -> Option<State> {
    if command.words.is_empty() {
        return (!command.assignments.is_empty()).then_some(State::Variable);
    }
    let program = command.program()?;
    let mut literals = command.literals();
    Some(match program {
        "cd" | "pushd" | "popd" => State::Directory,
        "export" | "declare" | "typeset" | "readonly" | "unset" => State::Variable,
        "alias" | "unalias" => State::Alias,
        "." | "source" => {
            let file = command.words.get(1)?.literal.as_deref()?;
            if !is_start_file(file) {
                return None;
            }
            State::Sourced
        }
        "nvm" | "rvm" | "fnm" if literals.next() == Some("use") => State::Sourced,
        "conda" | "mamba" | "micromamba" if literals.next() == Some("activate") => State::Sourced,
        "workon" => State::Sourced,
        "set" | "shopt" | "umask" | "ulimit" => State::Option,
        "echo" | "true" | ":" | "pwd" | "exit" => State::Nothing,
        _ => return None,
    })
}

/// Says whether a file is known to set variables and functions, and to do nothing else.
fn is_start_file(path: &str) -> bool {
    let names = [
        "activate",
        ".bashrc",
        ".bash_profile",
        ".profile",
        ".zshrc",
        "bashrc",
        "profile",
        "environment",
        "nvm.sh",
        "conda.sh",
        "sdkman-init.sh",
        "emsdk_env.sh",
        "setup.bash",
        "setup.sh",
        "env",
        ".env",
        "envvars",
    ];
    let name = base_name(path);
    // A `setup.sh` is a start file only where ROS has it; elsewhere it sets things up.
    let is_setup = name.starts_with("setup.") && !path.starts_with("/opt/ros/");
    names.contains(&name) && !is_setup
}

fn message(command: &SimpleCommand, state: State) -> String {
    // Values may be long, and nobody else's business.
    let n_words = match state {
        State::Directory | State::Sourced | State::Option | State::Nothing => 2,
        State::Variable | State::Alias => 1,
    };
    let words = command.words.iter().take(n_words);
    let words: Vec<&str> = words.map(|word| word.text.as_str()).collect();
    let what = match command.assignments.first() {
        Some(assignment) if words.is_empty() => format!("the value of `{}`", assignment.name),
        Some(_) | None => format!("what `{}` sets", words.join(" ")),
    };
    format!("{what} is gone after this RUN, which does nothing else")
}

fn hint(state: State) -> &'static str {
    match state {
        State::Directory => "use WORKDIR, or change the directory in the RUN that needs it",
        State::Variable => "use ENV, or ARG for a value that only the build needs",
        State::Alias => "write the alias to a start file of the shell",
        State::Sourced => {
            "do it in the RUN that needs it, or set PATH and the other variables with ENV"
        }
        State::Option | State::Nothing => "set it in the RUN that needs it",
    }
}
