//! Steps of gains: what is run at the end of the build stage, and after collecting.

use super::Style;
use crate::refactor::{Aside, Division, RuntimeStage, ShellStep};

/// The lines that end the build stage, an empty one first, if the stage beside it is called `aside`; none if nothing is to be done there, or all is done before.
pub(super) fn build_steps(
    runtime: &RuntimeStage,
    (division, aside): (Option<&Division>, &str),
    style: &Style,
) -> Vec<String> {
    let steps = runtime.build_steps.iter();
    let is_early = |step: &&ShellStep| division.is_some_and(|division| division.is_early(step));
    let mut steps: Vec<ShellStep> = steps.filter(|step| !is_early(step)).cloned().collect();
    let replaced = division.and_then(|division| division.aside.as_ref());
    let replaced = replaced.map(|aside| aside.replaced(runtime));
    steps.extend(replaced.filter(|paths| !paths.is_empty()).map(|paths| {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        ShellStep {
            comment: format!("What the program needs of this comes from {aside}."),
            commands: vec![format!("rm -rf {}", paths.join(" "))],
            ..ShellStep::default()
        }
    }));
    if steps.is_empty() {
        return Vec::new();
    }
    // A stage may end as somebody who may not write to its files.
    let needs_root = !["", "0", "root"].contains(&runtime.user.as_str());
    let lines = as_root(needs_root, style);
    let steps = steps.iter().flat_map(|step| shell_step(step, style));
    [String::new()]
        .into_iter()
        .chain(lines)
        .chain(steps)
        .collect()
}

/// The lines of the stage `name` on `from` in which something is made anew, an empty one first.
pub(super) fn aside_stage(aside: &Aside, (from, name): (&str, &str), style: &Style) -> Vec<String> {
    let from = format!("{from} {} {name}", style.word("AS"));
    let steps = aside.steps.iter().flat_map(|step| shell_step(step, style));
    [String::new(), from]
        .into_iter()
        .chain(as_root(aside.needs_root, style))
        .chain(steps)
        .collect()
}

fn as_root(is_needed: bool, style: &Style) -> Option<String> {
    is_needed.then(|| format!("{} root", style.word("USER")))
}

/// The comment of `step`, and its commands as one instruction.
pub(super) fn shell_step(step: &ShellStep, style: &Style) -> Vec<String> {
    let comment = format!("# {}", step.comment);
    let mount = |target: &String| format!("--mount=type=cache,target={target} ");
    let mounts: String = step.caches.iter().map(mount).collect();
    let commands = run((&mounts, &step.commands), style);
    [comment].into_iter().chain(commands).collect()
}

/// `commands`, which a shell runs one after the other, as one instruction with these options.
fn run((options, commands): (&str, &[String]), style: &Style) -> Vec<String> {
    let last = commands.len().saturating_sub(1);
    let line = |(index, command): (usize, &String)| {
        let start = if index == 0 {
            format!("{} {options}", style.word("RUN"))
        } else {
            " && ".to_owned()
        };
        let end = if index == last { "" } else { " \\" };
        format!("{start}{command}{end}")
    };
    commands.iter().enumerate().map(line).collect()
}
