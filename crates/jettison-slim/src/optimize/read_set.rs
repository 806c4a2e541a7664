//! What the commands of a build looked up of the build context.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_build::Definition;
use jettison_sandbox::{End, Trace, Use};

use crate::optimize::division::Part;
use crate::rootfs::RootDir;

/// Names of what lies in contexts and is seldom of use to a build.
const WASTE: [&str; 22] = [
    ".DS_Store",
    ".cache",
    ".coverage",
    ".env",
    ".git",
    ".github",
    ".gradle",
    ".hg",
    ".idea",
    ".mypy_cache",
    ".nyc_output",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "coverage",
    "node_modules",
    "target",
    "venv",
];

/// What commands looked for in vain that the original had copied from the context by then.
///
/// A command that does not find what it would have found may do something else another time, even if it did the same now.
pub(super) fn missed(original: &[Part], changed: &[Part]) -> BTreeSet<PathBuf> {
    let copied: Vec<&Path> = of_context(original)
        .map(|part| part.files.as_path())
        .collect();
    // What comes after everything has been copied misses nothing of it, but what it removes itself.
    let last = changed.iter().rposition(is_of_context).unwrap_or_default();
    let mut missed = BTreeSet::new();
    for trace in changed[..last]
        .iter()
        .filter_map(|part| part.trace.as_ref())
    {
        for lookup in trace.lookups() {
            let End::Missing(path) = &lookup.end else {
                continue;
            };
            let has_it = |files: &&&Path| exists(files, path);
            if trace.mount_of(path).is_none() && copied.iter().any(|files| has_it(&files)) {
                missed.insert(path.clone());
            }
        }
    }
    missed
}

/// What of the context is copied, read by no command, and is not in the final image: what an ignore file could leave out. It is
/// nothing if it is not known of all commands what they read.
pub(super) fn unread(parts: &[Part], last: &RootDir) -> Vec<String> {
    let Some(first) = parts.iter().position(is_of_context) else {
        return Vec::new();
    };
    let mut traces: Vec<&Arc<Trace>> = Vec::new();
    for part in &parts[first..] {
        match (&part.definition, &part.trace) {
            (Definition::Run(_), Some(trace)) if trace.is_complete() => traces.push(trace),
            (Definition::Run(_), _) => return Vec::new(),
            (Definition::Copy(_) | Definition::Workdir(_), _) => {}
        }
    }
    let mut names = BTreeSet::new();
    for part in of_context(parts) {
        for path in waste(&part.files) {
            let is_read = traces.iter().any(|trace| reads(trace, &path));
            if !is_read && last.symlink_metadata(&path).is_err() {
                names.extend(
                    path.file_name()
                        .map(|name| name.to_string_lossy().into_owned()),
                );
            }
        }
    }
    names.into_iter().collect()
}

fn is_of_context(part: &Part) -> bool {
    part.is_of_sources && matches!(part.definition, Definition::Copy(_))
}

fn of_context(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts.iter().filter(|part| is_of_context(part))
}

/// Whether a step wrote something at `path`.
fn exists(files: &Path, path: &Path) -> bool {
    let relative = path.strip_prefix("/").unwrap_or(path);
    fs::symlink_metadata(files.join(relative)).is_ok()
}

/// Whether a command opened `path`, listed it, or reached something in it.
fn reads(trace: &Trace, path: &Path) -> bool {
    trace.lookups().iter().any(|lookup| {
        let end = lookup.end.path();
        let is_it = |found: &Path| found.starts_with(path);
        let is_only_seen = end.is_some_and(|end| end == path)
            && lookup
                .uses
                .iter()
                .all(|what| matches!(what, Use::Stat | Use::Access | Use::Refer));
        !is_only_seen && (end.is_some_and(is_it) || lookup.links.iter().any(|link| is_it(link)))
    })
}

/// The entries with telling names in what a step wrote, by their paths in the image.
fn waste(files: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/")];
    while let Some(directory) = pending.pop() {
        let here = files.join(directory.strip_prefix("/").unwrap_or(&directory));
        let Ok(entries) = fs::read_dir(here) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = directory.join(entry.file_name());
            if WASTE.iter().any(|name| entry.file_name() == *name) {
                found.push(path);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use jettison_build::{
        Archives, CopyDefinition, CopyFrom, RunDefinition, RunLimits, RunNetwork, RunSecurity,
    };
    use jettison_sandbox::{Lookup, Uses};

    use super::*;

    fn copy(files: &Path) -> Part {
        Part {
            instruction: 1,
            files: files.to_path_buf(),
            definition: Definition::Copy(CopyDefinition {
                from: CopyFrom::Context,
                sources: Vec::new(),
                destination: "/app".to_owned(),
                chown: None,
                chmod: None,
                exclude: Vec::new(),
                keeps_parents: false,
                is_linked: false,
                archives: Archives::Kept,
            }),
            is_of_sources: true,
            trace: None,
        }
    }

    /// A command that looked these up: what it found, and what not.
    fn run(found: &[&str], missing: &[&str]) -> Part {
        let lookup = |end: End| Lookup {
            asked: "/app/x".into(),
            links: Vec::new(),
            end,
            uses: [Use::Read].into_iter().collect::<Uses>(),
            program: None,
        };
        let found = found.iter().map(|path| lookup(End::Found(path.into())));
        let missing = missing.iter().map(|path| lookup(End::Missing(path.into())));
        Part {
            definition: Definition::Run(RunDefinition {
                argv: Vec::new(),
                env: Vec::new(),
                working_dir: "/".to_owned(),
                user: String::new(),
                network: RunNetwork::Default,
                security: RunSecurity::Sandbox,
                mounts: Vec::new(),
                script: None,
                limits: RunLimits::default(),
            }),
            is_of_sources: false,
            trace: Some(Arc::new(Trace::of(
                found.chain(missing).collect(),
                Vec::new(),
            ))),
            ..copy(Path::new("/nowhere"))
        }
    }

    fn context(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn a_file_that_the_original_had_copied_by_then_is_missed() {
        let all = context(&["app/package.json", "app/.npmrc"]);
        let original = [copy(all.path()), run(&["/app/.npmrc"], &[])];
        let changed = [
            run(
                &["/app/package.json"],
                &["/app/.npmrc", "/app/npm-shrinkwrap.json"],
            ),
            copy(all.path()),
            // It has removed this file itself.
            run(&[], &["/app/package.json"]),
        ];
        let missed = missed(&original, &changed);
        assert_eq!(
            missed.into_iter().collect::<Vec<_>>(),
            [Path::new("/app/.npmrc")]
        );
    }

    #[test]
    fn what_nobody_reads_can_be_left_out_of_the_context() {
        let all = context(&[
            "app/.git/HEAD",
            "app/node_modules/a/b",
            "app/web/.env",
            "app/main.c",
        ]);
        let empty = context(&[]);
        let last = RootDir::open(empty.path()).unwrap();
        let parts = [
            copy(all.path()),
            run(&["/app/main.c", "/app/node_modules/a"], &[]),
        ];
        assert_eq!(unread(&parts, &last), [".env", ".git"]);
        let same = RootDir::open(all.path()).unwrap();
        assert!(unread(&parts, &same).is_empty());
        let unknown = Part {
            trace: None,
            ..run(&[], &[])
        };
        assert!(unread(&[copy(all.path()), unknown], &last).is_empty());
    }
}
