//! Steps of gains: what is run at the end of the build stage, and after collecting.

use super::Style;
use crate::refactor::{Division, RuntimeStage, ShellStep};

/// The lines that end the build stage, an empty one first; none if nothing is to be done there, or all is done before.
pub(super) fn build_steps(
    runtime: &RuntimeStage,
    division: Option<&Division>,
    style: &Style,
) -> Vec<String> {
    let steps = runtime.build_steps.iter();
    let is_early = |step: &&ShellStep| division.is_some_and(|division| division.is_early(step));
    let mut steps = steps.filter(|step| !is_early(step)).peekable();
    if steps.peek().is_none() {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    // A stage may end as somebody who may not write to its files.
    if !["", "0", "root"].contains(&runtime.user.as_str()) {
        lines.push(format!("{} root", style.word("USER")));
    }
    lines.extend(steps.flat_map(|step| shell_step(step, style)));
    lines
}

/// The comment of `step`, and its commands as one instruction.
pub(super) fn shell_step(step: &ShellStep, style: &Style) -> Vec<String> {
    let comment = format!("# {}", step.comment);
    let commands = run(&step.commands, style);
    [comment].into_iter().chain(commands).collect()
}

/// `commands`, which a shell runs one after the other, as one instruction.
pub(super) fn run(commands: &[String], style: &Style) -> Vec<String> {
    let last = commands.len().saturating_sub(1);
    let line = |(index, command): (usize, &String)| {
        let start = if index == 0 {
            format!("{} ", style.word("RUN"))
        } else {
            " && ".to_owned()
        };
        let end = if index == last { "" } else { " \\" };
        format!("{start}{command}{end}")
    };
    commands.iter().enumerate().map(line).collect()
}
