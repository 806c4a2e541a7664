//! Who made a file: an instruction of the Dockerfile, a package, or the base image.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jettison_build::{Built, Definition, StepId};

use crate::evidence::installs::packages_asked_for;
use crate::evidence::packages::Packages;
use crate::rootfs::RootDir;

/// What one instruction did to the file system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// The directory that holds what it wrote.
    pub(crate) files: PathBuf,
    /// Its line in the Dockerfile.
    pub(crate) line: usize,
    /// Whether it is a `COPY` or an `ADD`.
    pub(crate) copies: bool,
    /// The packages of Debian that it asks for by name.
    pub(crate) asks_for: BTreeSet<String>,
    /// The commands that it runs, as they are written, and before them where.
    pub(crate) text: String,
}

/// The steps that the image is made of, first to last.
pub(crate) fn steps(built: &Built) -> Vec<Step> {
    let (_, chain) = built.plan.chain(built.plan.target.result);
    chain
        .into_iter()
        .map(|StepId(index)| {
            let step = &built.plan.steps[index];
            Step {
                files: built.steps[index].files.clone(),
                line: step.hints.line,
                copies: matches!(step.definition, Definition::Copy(_)),
                asks_for: packages_asked_for(&run_text(&step.definition)),
                text: run_text(&step.definition),
            }
        })
        .collect()
}

/// The commands of a `RUN`; nothing of other instructions.
fn run_text(definition: &Definition) -> String {
    let Definition::Run(run) = definition else {
        return String::new();
    };
    let script = run.script.iter().map(|script| script.text.as_str());
    // What a shell is given is the commands, the first of them a command as well: `/bin/sh -c optipng *.png`.
    let argv = match run.argv.as_slice() {
        [.., option, text] if option == "-c" => text.clone(),
        words => words.join(" "),
    };
    let texts: Vec<&str> = [run.working_dir.as_str(), &argv]
        .into_iter()
        .chain(script)
        .collect();
    texts.join("\n")
}

/// The line of the instruction that wrote the file `path` last; `None` if the base image did.
pub(super) fn maker(steps: &[Step], path: &Path) -> Option<usize> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    steps.iter().rev().find_map(|step| {
        let made = fs::symlink_metadata(step.files.join(relative))
            .is_ok_and(|metadata| metadata.is_file() || metadata.is_symlink());
        made.then_some(step.line)
    })
}

/// The files, links and empty directories that instructions made outside of the system's own
/// directories, with the line of the last of them. `COPY` counts everywhere.
pub(super) fn own_files(
    steps: &[Step],
    root: &RootDir,
    packages: &Packages,
) -> BTreeMap<PathBuf, usize> {
    let mut made = BTreeMap::new();
    for step in steps {
        let mut found = Vec::new();
        list_files(&step.files, Path::new("/"), step.copies, &mut found);
        for path in found {
            made.insert(path, step.line);
        }
    }
    made.retain(|path, _| match root.symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            root.listing(path).is_some_and(|names| names.is_empty())
                && packages.owner_either_side(path).is_none()
        }
        Ok(metadata) => {
            (metadata.is_file() || metadata.is_symlink())
                && packages.owner_either_side(path).is_none()
        }
        Err(_) => false,
    });
    made
}

fn list_files(dir: &Path, inside: &Path, copies: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = inside.join(entry.file_name());
        if !copies && (is_system(&path) || is_cache(&path)) {
            // These lie below directories that are skipped.
            for own in ["/usr/local", "/usr/src", "/var/www"].map(Path::new) {
                if let (true, Ok(rest)) = (inside == Path::new("/"), own.strip_prefix(&path)) {
                    list_files(&entry.path().join(rest), own, copies, found);
                }
            }
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                found.push(path.clone());
                list_files(&entry.path(), &path, copies, found);
            }
            Ok(kind) if kind.is_file() || kind.is_symlink() => found.push(path),
            _ => {}
        }
    }
}

/// Whether `path` is one of the system's own directories or lies below one.
pub(crate) fn is_system(path: &Path) -> bool {
    const SYSTEM: [&str; 17] = [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/media", "/mnt",
        "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
    ];
    // People put their own programs there, as the official images of Node.js and Python do.
    let is_own = ["/usr/local", "/usr/src", "/var/www"]
        .iter()
        .any(|own| path.starts_with(own) && path != Path::new(own));
    path == Path::new("/") || (SYSTEM.iter().any(|system| path.starts_with(system)) && !is_own)
}

/// Whether build tools keep what they may need again at `path`.
pub(crate) fn is_cache(path: &Path) -> bool {
    const CACHES: [&str; 12] = [
        "/root/.cache",
        "/root/.cargo",
        "/root/.config",
        "/root/.cpanm",
        "/root/.npm",
        "/root/.rustup",
        "/root/go",
        "/go/pkg",
        "/usr/local/cargo",
        "/usr/local/go",
        "/usr/local/rustup",
        "/usr/local/share/man",
    ];
    CACHES.iter().any(|cache| path.starts_with(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_lie_outside_of_the_system_and_of_packages() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "app/data.db",
            "etc/motd",
            "usr/bin/tool",
            "usr/local/share/x/y",
            "root/.cache/go-build/z",
            "opt/pkg/file",
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let lists = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&lists).unwrap();
        fs::write(
            lists.join("pkg.list"),
            "/.\n/opt\n/opt/pkg\n/opt/pkg/file\n",
        )
        .unwrap();
        fs::create_dir_all(root.path().join("app/uploads")).unwrap();
        let open = RootDir::open(root.path()).unwrap();
        let packages = Packages::read(&open).unwrap();
        let mut step = Step {
            files: root.path().to_path_buf(),
            line: 3,
            copies: false,
            ..Step::default()
        };
        let shown = |step: &Step| -> Vec<String> {
            own_files(std::slice::from_ref(step), &open, &packages)
                .keys()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(
            shown(&step),
            ["/app/data.db", "/app/uploads", "/usr/local/share/x/y"]
        );
        step.copies = true;
        assert!(shown(&step).contains(&"/etc/motd".to_string()));
        assert!(!shown(&step).contains(&"/opt/pkg/file".to_string()));
    }

    #[test]
    fn the_last_instruction_that_wrote_a_file_made_it() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        fs::write(dirs[0].path().join("app"), "1").unwrap();
        let steps: Vec<Step> = dirs
            .iter()
            .enumerate()
            .map(|(line, dir)| Step {
                files: dir.path().to_path_buf(),
                line,
                copies: false,
                ..Step::default()
            })
            .collect();
        assert_eq!(maker(&steps, Path::new("/app")), Some(0));
        fs::write(dirs[1].path().join("app"), "2").unwrap();
        assert_eq!(maker(&steps, Path::new("/app")), Some(1));
        assert_eq!(maker(&steps, Path::new("/other")), None);
    }
}
