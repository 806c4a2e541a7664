//! The stage that collects what `COPY` cannot say: packages, links, directories without what is in them.
//!
//! It takes them from the build stage, so that they are the very files that the program was built and tested with, and
//! nothing is downloaded again. It needs a shell, GNU tar and dpkg, which every Debian has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::shell::shell_step;
use super::{EmitError, Style};
use crate::refactor::{RootfsStage, ShellStep};

/// Where the stage puts the files.
pub(super) const DIRECTORY: &str = "/rootfs";
/// Where it puts the records of the base that the final stage starts from.
const BASE_STATUS: &str = "/rootfs.base-status";

/// The stage's lines, an empty one first; `from` is its `FROM` without its name.
pub(super) fn rootfs_stage(
    rootfs: &RootfsStage,
    (from, name): (&str, &str),
    style: &Style,
) -> Result<Vec<String>, EmitError> {
    let from = format!("{from} {} {name}", style.word("AS"));
    let mut lines = vec![String::new(), from];
    if rootfs.needs_root {
        lines.push(format!("{} root", style.word("USER")));
    }
    if let Some(base) = &rootfs.status_of {
        let copy = style.word("COPY");
        lines.push(format!(
            "{copy} --from={base} /var/lib/dpkg/status {BASE_STATUS}"
        ));
    }
    let collecting = ShellStep {
        comment: comment(rootfs).to_owned(),
        commands: steps(rootfs)?,
        ..ShellStep::default()
    };
    let all = rootfs.before.iter().chain([&collecting]);
    let all = all.chain(&rootfs.further);
    lines.extend(all.flat_map(|step| shell_step(step, style)));
    Ok(lines)
}

fn comment(rootfs: &RootfsStage) -> &'static str {
    if rootfs.packages.is_empty() {
        "What the program needs of the system, with its links, owners and modes."
    } else {
        "The packages that the program uses, without papers, and their records, which scanners read."
    }
}

/// The commands, which a shell runs one after the other.
fn steps(rootfs: &RootfsStage) -> Result<Vec<String>, EmitError> {
    let mut steps = Vec::new();
    let mut directories = vec![DIRECTORY.to_owned()];
    let mut lists = Vec::new();
    if !rootfs.packages.is_empty() {
        steps.push(format!("packages='{}'", wrapped(&rootfs.packages)));
        directories = vec![format!("{DIRECTORY}/var/lib/dpkg")];
        lists.push(packaged(rootfs));
        if let Some(tag) = &rootfs.byte_code {
            lists.push(format!(
                "dpkg --listfiles $packages | sed -n 's#/\\([^/]*\\)\\.py$#/__pycache__/\\1.{tag}.pyc#p'"
            ));
        }
    }
    // What a link such as `/lib` leads to has to be there before anything is put behind it.
    for directory in &rootfs.link_targets {
        directories.push(format!("{DIRECTORY}{}", word(directory)?));
    }
    steps.push(format!("mkdir -p {}", directories.join(" ")));
    if !rootfs.packages.is_empty() {
        let records = match rootfs.status_of {
            Some(_) => format!("{{ cat {BASE_STATUS}; echo; dpkg --status $packages; }}"),
            None => "dpkg --status $packages".to_owned(),
        };
        steps.push(format!("{records} >{DIRECTORY}/var/lib/dpkg/status"));
    }
    lists.extend(printed(&rootfs.singles)?);
    // What lies in a directory that is left out is looked for by itself.
    let (inner, outer): (Vec<&PathBuf>, Vec<&PathBuf>) = rootfs
        .trees
        .iter()
        .partition(|tree| rootfs.pruned.iter().any(|pruned| tree.starts_with(pruned)));
    let (of_inner, of_outer): (Vec<PathBuf>, Vec<PathBuf>) =
        left_out_of_trees(rootfs).into_iter().partition(|path| {
            let mut above = path.ancestors().skip(2);
            above.any(|above| inner.iter().any(|tree| tree.as_path() == above))
                || rootfs.pruned_files.contains(path)
                    && inner.iter().any(|tree| path.starts_with(tree))
        });
    let found = outer.iter().chain(&inner).copied();
    let long = LongName::of(found.chain(&of_outer).chain(&of_inner));
    if let Some(long) = &long {
        steps.insert(0, format!("{}={}", long.variable, word(long.directory)?));
    }
    for (trees, left_out) in [(&outer, &of_outer), (&inner, &of_inner)] {
        if !trees.is_empty() {
            lists.push(find(trees, left_out, long.as_ref())?);
        }
    }
    if lists.is_empty() {
        return Ok(steps);
    }
    // A package may list what somebody has removed since.
    steps.push(format!(
        "{{ {}; }} \\\n    | sort -u | while IFS= read -r path; do if [ -e \"$path\" ] || [ -L \"$path\" ]; then echo \".$path\"; fi; done >/rootfs.list",
        lists.join("; \\\n      ")
    ));
    steps.push(
        "tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar".to_owned(),
    );
    // Directories get their times in the end: the list has others between those and what lies in them (`fonts-x` < `fonts/x`).
    steps.push(format!(
        "tar -C {DIRECTORY} --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar"
    ));
    Ok(steps)
}

/// What `find` leaves out, as patterns. The directories themselves stay: somebody may read the names beside them.
fn left_out_of_trees(rootfs: &RootfsStage) -> Vec<PathBuf> {
    let inside = rootfs.pruned.iter().map(|path| path.join("*"));
    // Two trees may leave out the same.
    let mut seen = BTreeSet::new();
    let all = inside.chain(rootfs.pruned_files.iter().cloned());
    all.filter(|path| seen.insert(path.clone())).collect()
}

/// The commands that print `singles`: those of one directory have its name once.
fn printed(singles: &[PathBuf]) -> Result<Vec<String>, EmitError> {
    /// Fewer are as well written out.
    const MANY: usize = 4;
    let mut of_directories: BTreeMap<&Path, Vec<&PathBuf>> = BTreeMap::new();
    for path in singles {
        // The directory is part of a format.
        let is_usual =
            |directory: &&Path| is_plain(directory) && !directory.to_string_lossy().contains('%');
        if let Some(directory) = path.parent().filter(is_usual) {
            of_directories.entry(directory).or_default().push(path);
        }
    }
    of_directories.retain(|directory, paths| paths.len() >= MANY && directory.parent().is_some());
    let is_alone = |path: &&PathBuf| {
        let directory = path.parent();
        directory.is_none_or(|directory| !of_directories.contains_key(directory))
    };
    let alone = words(singles.iter().filter(is_alone))?;
    let mut commands = Vec::new();
    if !alone.is_empty() {
        commands.push(format!("printf '%s\\n' {}", wrapped(&alone)));
    }
    for (directory, paths) in &of_directories {
        let names = paths.iter().filter_map(|path| path.file_name());
        let names = names.map(|name| word(Path::new(name)));
        let names: Vec<String> = names.collect::<Result<_, _>>()?;
        let directory = word(directory)?;
        commands.push(format!("printf '{directory}/%s\\n' {}", wrapped(&names)));
    }
    Ok(commands)
}

/// A directory that a command names so often that a variable stands for it.
struct LongName<'p> {
    variable: &'static str,
    directory: &'p Path,
}

impl<'p> LongName<'p> {
    /// Directories of modules, by their last component, and how people call them.
    const OF_MODULES: [(&'static str, &'static str); 3] = [
        ("dist-packages", "site"),
        ("site-packages", "site"),
        ("node_modules", "modules"),
    ];
    /// Fewer are as well written out.
    const MANY: usize = 4;

    /// The one in which most of `paths` lie, if they are many.
    fn of(paths: impl IntoIterator<Item = &'p PathBuf>) -> Option<Self> {
        let mut found: BTreeMap<&Path, (usize, &'static str)> = BTreeMap::new();
        for path in paths {
            let directory = path.ancestors().skip(1).find_map(|above| {
                let name = above.file_name()?;
                let mut known = Self::OF_MODULES.into_iter();
                let (_, variable) = known.find(|(known, _)| name == *known)?;
                Some((above, variable))
            });
            if let Some((directory, variable)) = directory.filter(|(above, _)| is_plain(above)) {
                found.entry(directory).or_insert((0, variable)).0 += 1;
            }
        }
        let (directory, (count, variable)) =
            found.into_iter().max_by_key(|(_, (count, _))| *count)?;
        (count >= Self::MANY).then_some(Self {
            variable,
            directory,
        })
    }

    /// `path` with the variable, if it lies there and its name needs no other quotes.
    fn word(&self, path: &Path) -> Option<String> {
        let rest = path.strip_prefix(self.directory).ok()?;
        let rest = rest.to_str()?;
        if rest.is_empty() {
            return Some(format!("${}", self.variable));
        }
        let text = format!("${}/{rest}", self.variable);
        if is_plain(Path::new(rest)) {
            return Some(text);
        }
        let is_pattern = is_plain(Path::new(&rest.replace('*', "")));
        is_pattern.then(|| format!("\"{text}\""))
    }
}

/// The command that lists what is in `trees`, but for what `left_out` matches.
fn find(
    trees: &[&PathBuf],
    left_out: &[PathBuf],
    long: Option<&LongName<'_>>,
) -> Result<String, EmitError> {
    let word = |path: &Path| match long.and_then(|long| long.word(path)) {
        Some(word) => Ok(word),
        None => word(path),
    };
    let trees = trees.iter().map(|path| word(path));
    let mut words: Vec<String> = trees.collect::<Result<_, _>>()?;
    for (index, path) in left_out.iter().enumerate() {
        let start = if index == 0 { "\\(" } else { "-o" };
        words.push(format!("{start} -path {}", word(path)?));
    }
    if !left_out.is_empty() {
        words.push("\\) -prune -o -print".to_owned());
    }
    Ok(format!("find {}", wrapped(&words)))
}

/// The command that lists the files of the packages.
fn packaged(rootfs: &RootfsStage) -> String {
    let list = "dpkg --listfiles $packages";
    if rootfs.left_out.is_empty() {
        return list.to_owned();
    }
    format!("{list} | grep -Ev '^/({})'", rootfs.left_out.join("|"))
}

/// Words in lines of a width that people read.
pub(super) fn wrapped(words: &[String]) -> String {
    const WIDTH: usize = 100;
    let mut text = String::new();
    let mut width = 20;
    for (index, word) in words.iter().enumerate() {
        if index > 0 && width + word.len() > WIDTH {
            text.push_str(" \\\n        ");
            width = 8;
        } else if index > 0 {
            text.push(' ');
        }
        text.push_str(word);
        width += word.len() + 1;
    }
    text
}

fn words<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Result<Vec<String>, EmitError> {
    paths.into_iter().map(|path| word(path)).collect()
}

/// A path as a word of a shell, in quotes if it needs them.
fn word(path: &Path) -> Result<String, EmitError> {
    let text = path
        .to_str()
        .filter(|text| {
            !text.contains("<<") && !text.chars().any(|c| c.is_control() || "'\\$".contains(c))
        })
        .ok_or_else(|| EmitError::Path(path.to_path_buf()))?;
    Ok(if is_plain(path) {
        text.to_owned()
    } else {
        format!("'{text}'")
    })
}

/// Whether a shell takes `path` as it is, without quotes.
fn is_plain(path: &Path) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    path.to_str().is_some_and(|text| text.chars().all(plain))
}

#[cfg(test)]
mod tests;
