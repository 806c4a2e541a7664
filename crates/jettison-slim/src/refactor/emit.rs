//! Writing a multi-stage Dockerfile: the original's lines, byte for byte, then the final stage.

use std::path::PathBuf;

use jettison_build::DEFAULT_PATH;
use jettison_dockerfile::{
    CommandForm, Edit, EditSet, Instruction, InstructionKind, Keyword, OverlappingEdits, Parse,
    TextRange, apply, exec_form, stages,
};

pub(crate) use crate::refactor::emit::copy::can_copy;
use crate::refactor::emit::copy::{CopyStep, copies};
use crate::refactor::emit::health::{health_arguments, says_the_same};
use crate::refactor::emit::parts::{Parts, divide};
use crate::refactor::emit::rootfs::rootfs_stage;
use crate::refactor::emit::shell::{aside_stage, build_steps};
use crate::refactor::{Aside, Candidate, Division, KeptPath, RuntimeStage, Writing, target_stage};

mod copy;
mod health;
mod parts;
mod rootfs;
mod shell;

/// Why a Dockerfile cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// There is no stage to be built.
    #[error("the Dockerfile has no stage")]
    NoStage,
    /// The original's own text got in the way.
    #[error("cannot edit the Dockerfile")]
    Edit(#[source] OverlappingEdits),
    /// The edits do not fit the text.
    #[error("cannot apply the edits: {0}")]
    Apply(String),
    /// A path cannot be written into a Dockerfile.
    #[error("cannot write path {0:?} into a Dockerfile")]
    Path(PathBuf),
    /// A value cannot be written into a Dockerfile.
    #[error("cannot write value {0:?} into a Dockerfile")]
    Value(String),
    /// The Dockerfile has an escape character of its own, which changes how values are written.
    #[error(
        "the Dockerfile has an `escape` directive; only those with the usual backslash are rewritten"
    )]
    Escape,
}

/// How the author writes.
struct Style {
    /// Whether keywords are in lower case.
    is_lower: bool,
    newline: &'static str,
}

impl Style {
    fn of(parse: &Parse, from: &Instruction) -> Style {
        let keyword = &parse.text()[from.keyword_range.clone()];
        Style {
            is_lower: keyword.chars().all(char::is_lowercase),
            newline: if parse.text().contains("\r\n") {
                "\r\n"
            } else {
                "\n"
            },
        }
    }

    fn word(&self, keyword: &str) -> String {
        if self.is_lower {
            keyword.to_lowercase()
        } else {
            keyword.to_string()
        }
    }
}

/// Rewrites `parse` so that its last stage becomes the build stage of `runtime`.
pub fn multi_stage(
    parse: &Parse,
    runtime: &RuntimeStage,
    reasons: Vec<String>,
) -> Result<Candidate, EmitError> {
    write_stages(parse, runtime, Writing::default(), reasons)
}

/// The same, written as `writing` says.
pub(crate) fn write_stages(
    parse: &Parse,
    runtime: &RuntimeStage,
    writing: Writing<'_>,
    reasons: Vec<String>,
) -> Result<Candidate, EmitError> {
    let division = writing.division;
    let graph = stages(parse);
    let stage = target_stage(&graph, writing.target).ok_or(EmitError::NoStage)?;
    if parse.escape() != '\\' {
        return Err(EmitError::Escape);
    }
    let from = &parse.instructions()[stage.from];
    let style = Style::of(parse, from);
    let mut edits = EditSet::new();
    let mut insert = |range: TextRange, replacement: String| {
        let edit = Edit { range, replacement };
        edits.insert(edit).map_err(EmitError::Edit)
    };
    let moved = moved(parse, &parse.instructions()[stage.instructions.clone()]);
    for (_, range) in &moved {
        insert(whole_lines(parse.text(), range.clone()), String::new())?;
    }
    let parts = divide(parse, (stage, &moved), &writing, &style);
    for (range, replacement) in &parts.edits {
        insert(range.clone(), replacement.clone())?;
    }
    // What comes after the stage that is built has no part in it.
    if let Some(next) = graph.stages.get(stage.index + 1) {
        let next = &parse.instructions()[next.from];
        let start = with_comments(parse.text(), &next.range).start;
        insert(start..parse.text().len(), String::new())?;
    }
    let build = apply(parse.text(), &edits).map_err(|error| EmitError::Apply(error.to_string()))?;
    let mut text = build.trim_end().to_string();
    if !text.is_empty() {
        text.push_str(style.newline);
    }
    let mut lines = build_steps(runtime, (division, &parts.aside), &style);
    let aside = division.and_then(|division| division.aside.as_ref());
    if let Some(aside) = aside {
        let from = (parts.aside_from.as_str(), parts.aside.as_str());
        lines.extend(aside_stage(aside, from, &style));
    }
    let collected = Parts::collected(runtime, division);
    if let Some(rootfs) = collected {
        let from = (parts.rootfs_from.as_str(), parts.rootfs.as_str());
        lines.extend(rootfs_stage(rootfs, from, &style)?);
    }
    let late = division.and_then(|division| division.late.as_ref());
    if let Some(late) = late {
        let from = format!("{} {}", style.word("FROM"), parts.build);
        lines.extend(rootfs_stage(late, (&from, &parts.late), &style)?);
    }
    let first = collected.map(|_| parts.rootfs.as_str());
    let second = late.map(|_| parts.late.as_str());
    let stages: Vec<&str> = first.into_iter().chain(second).collect();
    let aside_name = aside.map(|_| parts.aside.as_str());
    let own_stages = stages.iter().copied().chain(aside_name);
    let own_stages = own_stages.chain([&*parts.runtime]);
    let own_stages = own_stages.map(str::to_owned).collect();
    let copied = Copied {
        stages,
        aside: aside.map_or(Ok(Vec::new()), |aside| of_aside(runtime, aside))?,
        settled: settled(runtime, division)?,
        paths: paths(runtime, division)?,
        sources: &parts.copied,
    };
    lines.extend(final_stage(
        (parse, &moved),
        runtime,
        (&parts, &style),
        &copied,
    )?);
    let lines = lines.iter().flat_map(|line| line.split('\n'));
    let is_all = text.is_empty();
    for line in lines.skip_while(|line| is_all && line.is_empty()) {
        text.push_str(line);
        text.push_str(style.newline);
    }
    Ok(Candidate {
        rung: runtime.rung,
        dockerfile: text,
        own_stages,
        reasons,
    })
}

/// The instructions that only tell how the image runs, with their comments: the build stage has no
/// use for them. Those that also affect what follows are moved if nothing follows.
fn moved<'p>(parse: &Parse, instructions: &'p [Instruction]) -> Vec<(&'p Instruction, TextRange)> {
    let last_step = instructions.iter().rposition(|instruction| {
        !matches!(
            instruction.keyword,
            Keyword::Cmd
                | Keyword::Entrypoint
                | Keyword::Expose
                | Keyword::Label
                | Keyword::User
                | Keyword::Env
                | Keyword::Volume
                | Keyword::Stopsignal
                | Keyword::Healthcheck
        )
    });
    instructions
        .iter()
        .enumerate()
        .filter(|(index, instruction)| match instruction.keyword {
            Keyword::Cmd
            | Keyword::Entrypoint
            | Keyword::Expose
            | Keyword::Label
            | Keyword::Volume
            | Keyword::Stopsignal
            | Keyword::Healthcheck => true,
            Keyword::User | Keyword::Env => last_step.is_none_or(|last| *index > last),
            _ => false,
        })
        .map(|(_, instruction)| {
            let range = with_comments(parse.text(), &instruction.range);
            (instruction, range)
        })
        .collect()
}

/// What the final stage copies.
struct Copied<'a> {
    /// The stages that collected something.
    stages: Vec<&'a str>,
    /// Each `COPY` from the stage in which something was made anew.
    aside: Vec<CopyStep>,
    /// The same of the first part of the build stage.
    settled: Vec<CopyStep>,
    /// The same of the build stage.
    paths: Vec<CopyStep>,
    /// The author's own lines.
    sources: &'a [String],
}

impl Copied<'_> {
    /// The `COPY` instructions of all that stages made. What seldom changes comes first.
    fn lines(&self, (parts, style): (&Parts, &Style)) -> Vec<String> {
        let copy = style.word("COPY");
        let collected = |from: &&str| format!("{copy} --from={from} {} /", rootfs::DIRECTORY);
        let mut lines: Vec<String> = self.stages.iter().map(collected).collect();
        let taken = [
            (&parts.aside, &self.aside),
            (&parts.first, &self.settled),
            (&parts.build, &self.paths),
        ];
        for (stage, steps) in taken {
            lines.extend(steps.iter().flat_map(|step| step.lines(stage, style)));
        }
        lines
    }
}

/// Each `COPY` from the build stage.
fn paths(runtime: &RuntimeStage, division: Option<&Division>) -> Result<Vec<CopyStep>, EmitError> {
    let sources = division.and_then(|division| division.sources.as_ref());
    let aside = division.and_then(|division| division.aside.as_ref());
    let is_elsewhere = |path: &PathBuf| {
        sources.is_some_and(|sources| sources.absent.contains(path))
            || aside.is_some_and(|aside| aside.holds(path))
            || division.is_some_and(|division| division.is_settled(path, runtime))
    };
    let mut there = runtime.clone();
    there.kept.retain(|kept| !is_elsewhere(&kept.path));
    let copied = division.map(|division| division.copied.iter());
    there.kept.extend(copied.into_iter().flatten().cloned());
    copies(&there)
}

/// The same for what the sources do not change.
fn settled(
    runtime: &RuntimeStage,
    division: Option<&Division>,
) -> Result<Vec<CopyStep>, EmitError> {
    let mut there = runtime.clone();
    there
        .kept
        .retain(|kept| division.is_some_and(|division| division.is_settled(&kept.path, runtime)));
    copies(&there)
}

/// The same for what is taken from a stage in which something was made anew.
fn of_aside(runtime: &RuntimeStage, aside: &Aside) -> Result<Vec<CopyStep>, EmitError> {
    let mut there = runtime.clone();
    there.kept.retain(|kept| aside.holds(&kept.path));
    let replaced = aside.replaced(runtime);
    let whole = aside.taken.iter();
    let is_missing = |taken: &&KeptPath| {
        let mut kept = runtime.kept.iter();
        replaced.contains(&taken.path.as_path()) && !kept.any(|kept| kept.path == taken.path)
    };
    there.kept.extend(whole.filter(is_missing).cloned());
    copies(&there)
}

/// The final stage's lines, an empty one first.
fn final_stage(
    (parse, moved): (&Parse, &[(&Instruction, TextRange)]),
    runtime: &RuntimeStage,
    (parts, style): (&Parts, &Style),
    copied: &Copied<'_>,
) -> Result<Vec<String>, EmitError> {
    let base = runtime.base.as_ref();
    let reference = base.map_or("scratch", |base| base.reference.as_str());
    let (from, alias) = (style.word("FROM"), style.word("AS"));
    let mut lines = vec![
        String::new(),
        format!("{from} {reference} {alias} {}", parts.runtime),
    ];
    let env = environment(runtime, style)?;
    lines.extend(own_text_or(parse, moved, Keyword::Env, env));
    let has_other_directory = base.is_some_and(|base| !is_root_directory(&base.working_dir));
    let mut directory = None;
    if !is_root_directory(&runtime.working_dir) || has_other_directory {
        let path = match runtime.working_dir.as_str() {
            "" => "/".to_owned(),
            path => quoted(path)?,
        };
        directory = Some(format!("{} {path}", style.word("WORKDIR")));
    }
    // What it makes is root's, and `COPY` leaves the owner of a directory that is there.
    let has_owner = runtime
        .owners
        .keys()
        .any(|path| std::path::Path::new(&runtime.working_dir).starts_with(path));
    if !has_owner {
        lines.extend(directory.take());
    }
    lines.extend(copied.lines((parts, style)));
    lines.extend(directory);
    lines.extend(copied.sources.iter().cloned());
    let mut labels = Vec::new();
    for (key, value) in &runtime.labels {
        let (key, value) = (quoted(key)?, quoted(value)?);
        labels.push(format!("{} {key}={value}", style.word("LABEL")));
    }
    lines.extend(own_text_or(parse, moved, Keyword::Label, labels));
    let open = exposed(runtime, style);
    lines.extend(own_text_or(parse, moved, Keyword::Expose, open));
    if !runtime.volumes.is_empty() {
        let volumes = exec_form(&runtime.volumes);
        let line = format!("{} {volumes}", style.word("VOLUME"));
        lines.extend(own_text_or(parse, moved, Keyword::Volume, [line]));
    }
    let signal = runtime
        .stop_signal
        .iter()
        .map(|signal| format!("{} {signal}", style.word("STOPSIGNAL")));
    lines.extend(own_text_or(parse, moved, Keyword::Stopsignal, signal));
    lines.extend(health(parse, runtime, style, moved)?);
    let user = match (runtime.user.as_str(), base) {
        ("", Some(base)) if !base.user.is_empty() => Some("root"),
        ("", _) => None,
        (user, _) => Some(user),
    };
    let user = user.map(|user| format!("{} {user}", style.word("USER")));
    lines.extend(own_text_or(parse, moved, Keyword::User, user));
    for (keyword, argv) in [
        (Keyword::Entrypoint, &runtime.entrypoint),
        (Keyword::Cmd, &runtime.cmd),
    ] {
        let line = argv
            .as_ref()
            .map(|argv| format!("{} {}", style.word(&keyword.to_string()), exec_form(argv)));
        let is_inherited = base.is_some_and(|base| match keyword {
            Keyword::Entrypoint => base.has_entrypoint,
            // A new entrypoint makes a base's command void.
            _ => base.has_cmd && runtime.entrypoint.is_none(),
        });
        let void = is_inherited.then(|| format!("{} []", style.word(&keyword.to_string())));
        lines.extend(own_text_or(parse, moved, keyword, line.or(void)));
    }
    Ok(lines)
}

/// The variables that the final stage does not have already.
fn environment(runtime: &RuntimeStage, style: &Style) -> Result<Vec<String>, EmitError> {
    let mut env = Vec::new();
    for pair in &runtime.env {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_there = match &runtime.base {
            Some(base) => base.env.contains(pair),
            // `FROM scratch` has this search path already.
            None => name == "PATH" && value == DEFAULT_PATH,
        };
        if !is_there {
            env.push(format!("{} {name}={}", style.word("ENV"), quoted(value)?));
        }
    }
    Ok(env)
}

fn is_root_directory(path: &str) -> bool {
    ["", "/"].contains(&path)
}

/// The line of `EXPOSE`, if there is one.
fn exposed(runtime: &RuntimeStage, style: &Style) -> Option<String> {
    let ports = runtime.exposed_ports.iter();
    let ports: Vec<&str> = ports.map(|port| without_tcp(port)).collect();
    (!ports.is_empty()).then(|| format!("{} {}", style.word("EXPOSE"), ports.join(" ")))
}

/// The lines of `HEALTHCHECK`: the author's own, else what the base image had.
fn health(
    parse: &Parse,
    runtime: &RuntimeStage,
    style: &Style,
    moved: &[(&Instruction, TextRange)],
) -> Result<Vec<String>, EmitError> {
    let Some(healthcheck) = &runtime.healthcheck else {
        return Ok(Vec::new());
    };
    let own = moved
        .iter()
        .rev()
        .find(|(instruction, _)| instruction.keyword == Keyword::Healthcheck);
    let mut lines = Vec::new();
    if let Some((instruction, range)) = own {
        let own = parse.text()[range.clone()].lines().map(str::to_owned);
        if says_the_same(instruction, healthcheck) {
            return Ok(own.collect());
        }
        lines.extend(own.take_while(|line| line.trim_start().starts_with('#')));
    }
    let arguments = health_arguments(healthcheck)?;
    lines.push(format!("{} {arguments}", style.word("HEALTHCHECK")));
    Ok(lines)
}

/// The author's own lines for `keyword` if they still say the same, else `generated`.
fn own_text_or(
    parse: &Parse,
    moved: &[(&Instruction, TextRange)],
    keyword: Keyword,
    generated: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let generated: Vec<String> = generated.into_iter().collect();
    let own: Vec<&(&Instruction, TextRange)> = moved
        .iter()
        .filter(|(instruction, _)| instruction.keyword == keyword)
        .collect();
    let texts: Vec<&str> = own
        .iter()
        .map(|(_, range)| &parse.text()[range.clone()])
        .collect();
    let said: Option<Vec<String>> = own
        .iter()
        .map(|(instruction, _)| meaning(instruction))
        .collect::<Option<Vec<_>>>()
        .map(|lists| lists.into_iter().flatten().collect());
    // An instruction that says nothing new or that a later one overrides is left out.
    let says_the_same = said.is_some_and(|mut said| {
        let mut wanted: Vec<String> = generated
            .iter()
            .filter_map(|line| line.split_once(' ').map(|(_, rest)| rest.to_string()))
            .collect();
        for list in [&mut said, &mut wanted] {
            for line in list.iter_mut() {
                let mut words: Vec<&str> = line.split(' ').collect();
                if keyword == Keyword::Expose {
                    words.sort_unstable();
                }
                *line = words.join(" ");
            }
            list.sort();
        }
        !own.is_empty() && said == wanted
    });
    if says_the_same {
        return texts
            .iter()
            .flat_map(|text| text.lines())
            .map(str::to_string)
            .collect();
    }
    // The comments above stay even where the instruction is written anew.
    let comments = texts.iter().flat_map(|text| {
        text.lines()
            .take_while(|line| line.trim_start().starts_with('#'))
    });
    let mut lines: Vec<String> = if generated.is_empty() {
        Vec::new()
    } else {
        comments.map(str::to_string).collect()
    };
    lines.extend(generated);
    lines
}

/// What an instruction says, as the generated lines would; `None` if that takes more to tell.
fn meaning(instruction: &Instruction) -> Option<Vec<String>> {
    // In commands a variable is the shell's, not the Dockerfile's.
    let is_command = matches!(instruction.keyword, Keyword::Cmd | Keyword::Entrypoint);
    if !is_command && instruction.original().contains('$') {
        return None;
    }
    match &instruction.kind {
        InstructionKind::Cmd(CommandForm::Exec(argv))
        | InstructionKind::Entrypoint(CommandForm::Exec(argv)) => Some(vec![exec_form(argv)]),
        // Without a SHELL of its own a stage has this one.
        InstructionKind::Cmd(CommandForm::Shell(text))
        | InstructionKind::Entrypoint(CommandForm::Shell(text)) => {
            let argv = ["/bin/sh", "-c", text.as_ref()].map(str::to_owned);
            Some(vec![exec_form(&argv)])
        }
        InstructionKind::Stopsignal(signal) => Some(vec![signal.to_string()]),
        InstructionKind::Volume(volumes) => {
            let mut volumes: Vec<String> = volumes.iter().map(ToString::to_string).collect();
            volumes.sort();
            Some(vec![exec_form(&volumes)])
        }
        InstructionKind::Expose(ports) => {
            let mut ports: Vec<&str> = ports.iter().map(|port| without_tcp(port)).collect();
            ports.sort_unstable();
            Some(vec![ports.join(" ")])
        }
        InstructionKind::Label(pairs) | InstructionKind::Env(pairs) => pairs
            .iter()
            .map(|pair| {
                let (key, value) = (plain(&pair.key)?, plain(&pair.value)?);
                Some(format!("{}={}", quoted(key).ok()?, quoted(value).ok()?))
            })
            .collect(),
        InstructionKind::User(user) => Some(vec![user.to_string()]),
        _ => None,
    }
}

/// A port as people write it.
fn without_tcp(port: &str) -> &str {
    port.strip_suffix("/tcp").unwrap_or(port)
}

/// A word without its quotes, if that is all that they are.
fn plain(word: &str) -> Option<&str> {
    let inner = word
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(word);
    (!inner.contains(['"', '\'', '\\'])).then_some(inner)
}

/// `range` and the comment lines directly above it.
fn with_comments(text: &str, range: &TextRange) -> TextRange {
    let mut start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        let line = text[above..start].trim();
        // A directive at the top belongs to the file.
        if !line.starts_with('#') || above == 0 {
            break;
        }
        start = above;
    }
    start..range.end
}

/// `range` with the line break after it, and with the empty lines after it if one is before it.
fn whole_lines(text: &str, range: TextRange) -> TextRange {
    let line_end = |from: usize| {
        text[from..]
            .find('\n')
            .map_or(text.len(), |at| from + at + 1)
    };
    let mut end = line_end(range.end);
    let before = &text[..range.start];
    let follows_empty_line = before.ends_with("\n\n") || before.ends_with("\n\r\n");
    while follows_empty_line && end < text.len() && text[end..line_end(end)].trim().is_empty() {
        end = line_end(end);
    }
    range.start..end
}

/// A value as a Dockerfile word.
fn quoted(value: &str) -> Result<String, EmitError> {
    if value.chars().any(char::is_control) {
        return Err(EmitError::Value(value.to_string()));
    }
    let is_plain = !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./:=@%+,".contains(c));
    if is_plain {
        return Ok(value.to_string());
    }
    let escaped: String = value
        .chars()
        .flat_map(|c| {
            if "\"\\$".contains(c) {
                vec!['\\', c]
            } else {
                vec![c]
            }
        })
        .collect();
    Ok(format!("\"{escaped}\""))
}

#[cfg(test)]
mod tests;
