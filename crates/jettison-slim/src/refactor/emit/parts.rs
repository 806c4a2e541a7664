//! The two parts of a build stage: what stays in the cache when the sources change, and what is done with these.

use std::collections::BTreeSet;

use jettison_dockerfile::{
    Instruction, InstructionKind, Keyword, Parse, RunInstruction, Stage, TextRange,
};

use super::{Style, whole_lines, with_comments};
use crate::refactor::{Division, RootfsStage, RuntimeStage, Writing};

/// How a build stage is written.
pub(super) struct Parts {
    /// The name of the stage that everything is built in.
    pub(super) build: String,
    /// The name of the stage that has the first part: that one, if it is not divided.
    pub(super) first: String,
    /// The name of the stage that collects packages.
    pub(super) rootfs: String,
    /// The name of the stage that collects what the second part changed.
    pub(super) late: String,
    /// The name of the stage in which something is made anew that the second part needs as it was.
    pub(super) aside: String,
    /// The `FROM` of that stage, without its name.
    pub(super) aside_from: String,
    /// The name of the final stage.
    pub(super) runtime: String,
    /// The `FROM` of the stage that collects packages, without its name.
    pub(super) rootfs_from: String,
    /// What changes in the text.
    pub(super) edits: Vec<(TextRange, String)>,
    /// The author's lines that copy sources, for the final stage.
    pub(super) copied: Vec<String>,
}

impl Parts {
    /// What is collected in the stage of packages.
    pub(super) fn collected<'r>(
        runtime: &'r RuntimeStage,
        division: Option<&'r Division>,
    ) -> Option<&'r RootfsStage> {
        match division {
            Some(division) => division.early.as_ref(),
            None => runtime.rootfs.as_ref(),
        }
    }
}

/// Divides `stage` where `writing` says, or only gives it a name.
pub(super) fn divide(
    parse: &Parse,
    (stage, moved): (&Stage, &[(&Instruction, TextRange)]),
    writing: &Writing<'_>,
    style: &Style,
) -> Parts {
    let text = parse.text();
    let from = &parse.instructions()[stage.from];
    let (keyword, name) = (style.word("FROM"), style.word("AS"));
    let mut taken = named(parse);
    taken.extend(writing.taken.iter().map(|name| name.to_lowercase()));
    // Who builds one of several stages by its name gets the final one.
    let is_asked_for = stage.index > 0 || writing.target.is_some();
    let (build, runtime) = match (&stage.name, is_asked_for) {
        (Some(own), true) => (free(&mut taken, &["build", "builder", "app"]), own.clone()),
        (Some(own), false) => (own.clone(), free(&mut taken, &["runtime", "final"])),
        (None, _) => {
            let build = free(&mut taken, &["build", "builder", "app"]);
            (build, free(&mut taken, &["runtime", "final"]))
        }
    };
    let mut parts = Parts {
        rootfs: free(&mut taken, &["rootfs", "packages"]),
        late: free(&mut taken, &["changed", "changes"]),
        aside: free(&mut taken, &["prod-deps", "production"]),
        aside_from: format!("{keyword} {build}"),
        rootfs_from: format!("{keyword} {build}"),
        edits: Vec::new(),
        copied: Vec::new(),
        first: build.clone(),
        build,
        runtime,
    };
    let own = &parse.instructions()[stage.instructions.clone()];
    let Some(division) = writing.division else {
        let named = named_from(from, &parts.build, &name);
        parts.edits.extend(named);
        return parts;
    };
    let collects_at = division.at.saturating_sub(stage.instructions.start);
    let aside = division.aside.as_ref();
    let at = aside.map_or(division.at, |aside| aside.at);
    let at = at.saturating_sub(stage.instructions.start);
    let second = own.get(at..).unwrap_or_default();
    if let Some(sources) = &division.sources {
        parts.take_sources(text, second);
        if sources.is_stage_used {
            parts.edits.extend(named_from(from, &parts.build, &name));
        } else {
            let is_moved =
                |own: &&Instruction| moved.iter().any(|(moved, _)| moved.range == own.range);
            let rest = own.iter().filter(|own| !is_moved(own));
            parts.drop_rest(text, [from].into_iter().chain(rest));
        }
        return parts;
    }
    let mut from_name = parts.build.clone();
    if collects_at == 0 {
        parts.rootfs_from = String::from(base_of(text, from));
    }
    if at > 0
        && let Some(first) = second.first()
    {
        from_name = free(&mut taken, &["deps", "dependencies"]);
        parts.first.clone_from(&from_name);
        parts.aside_from = format!("{keyword} {from_name}");
        if collects_at > 0 {
            parts.rootfs_from.clone_from(&parts.aside_from);
        }
        let start = with_comments(text, &first.range).start;
        let before = text[..start].trim_end_matches([' ', '\t', '\r']);
        let newline = style.newline;
        let gap = if before.ends_with("\n\n") || before.ends_with("\n\r\n") {
            ""
        } else {
            newline
        };
        let line = format!(
            "{gap}# A change of the sources leaves what is above in the cache.{newline}{keyword} {from_name} {name} {}{newline}",
            parts.build
        );
        parts.edits.push((start..start, line));
    }
    parts.edits.extend(named_from(from, &from_name, &name));
    parts
}

impl Parts {
    /// Moves the copies of `second` to the final stage, which has the working directory anyway.
    fn take_sources(&mut self, text: &str, second: &[Instruction]) {
        for instruction in second.iter().filter(|instruction| makes_files(instruction)) {
            let range = with_comments(text, &instruction.range);
            if instruction.keyword != Keyword::Workdir {
                let lines = text[range.clone()].lines();
                self.copied.extend(lines.map(str::to_owned));
            }
            self.edits.push((whole_lines(text, range), String::new()));
        }
    }

    /// Leaves out what is still there of a stage of which nothing is used. Other edits leave out the rest.
    fn drop_rest<'i>(&mut self, text: &str, instructions: impl Iterator<Item = &'i Instruction>) {
        for instruction in instructions {
            let range = whole_lines(text, with_comments(text, &instruction.range));
            let is_there = !self.edits.iter().any(|(edited, _)| *edited == range);
            if is_there {
                self.edits.push((range, String::new()));
            }
        }
    }
}

/// The change by which the stage of `from` gets a name, or another one.
fn named_from(from: &Instruction, name: &str, keyword: &str) -> Option<(TextRange, String)> {
    if let InstructionKind::From(said) = &from.kind
        && let Some(range) = &said.name_range
    {
        let is_same = said.name.as_ref().is_some_and(|said| said.as_str() == name);
        return (!is_same).then(|| (range.clone(), name.to_owned()));
    }
    let end = from.arguments.end;
    Some((end..end, format!(" {keyword} {name}")))
}

/// The text of a `FROM` without the name of its stage.
fn base_of<'t>(text: &'t str, from: &Instruction) -> &'t str {
    let end = match &from.kind {
        InstructionKind::From(said) => said.base_range.end,
        _ => from.arguments.end,
    };
    &text[from.range.start..end]
}

/// Whether an instruction makes a step that copies, or a directory.
fn makes_files(instruction: &Instruction) -> bool {
    matches!(
        instruction.keyword,
        Keyword::Copy | Keyword::Add | Keyword::Workdir
    )
}

/// Whatever a Dockerfile calls by a name that could be a stage's.
fn named(parse: &Parse) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for instruction in parse.instructions() {
        match &instruction.kind {
            InstructionKind::From(from) => {
                names.insert(from.base.to_lowercase());
                names.extend(from.name.iter().map(|name| name.to_lowercase()));
            }
            InstructionKind::Copy(copy) | InstructionKind::Add(copy) => {
                names.extend(copy.from.iter().map(|name| name.to_lowercase()));
            }
            InstructionKind::Run(run) => names.extend(mounted_from(run)),
            _ => {}
        }
    }
    names
}

fn mounted_from(run: &RunInstruction) -> impl Iterator<Item = String> {
    run.mounts.iter().flat_map(|mount| {
        mount
            .split(',')
            .filter_map(|field| field.trim().strip_prefix("from="))
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    })
}

/// The first of `names` that nothing else is called by.
fn free(taken: &mut BTreeSet<String>, names: &[&str]) -> String {
    let first = names.first().copied().unwrap_or("stage");
    let numbered = (2..).map(|number| format!("{first}{number}"));
    let name = names
        .iter()
        .map(|name| (*name).to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default();
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests;
