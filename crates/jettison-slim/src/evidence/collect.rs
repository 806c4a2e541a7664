//! What is known of an image's program: which file it is, who made it, and what it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jettison_build::{Built, DEFAULT_PATH, Definition, StepId};
use jettison_dockerfile::Parse;
use jettison_oci::RunConfig;

use crate::evidence::closure::{ElfClosure, elf_closure};
use crate::evidence::elf::Elf;
use crate::evidence::program::{ProgramKind, find_program, program_kind};
use crate::refactor::{KeptPath, Rung, RuntimeStage, exec_argv};
use crate::report::size_text;
use crate::rootfs::RootDir;

/// The largest program that is read into memory.
const PROGRAM_LIMIT: u64 = 1 << 30;

/// What was observed about an image, and where from.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The facts, for the report.
    pub facts: Vec<Fact>,
    /// What the final stage has to hold.
    pub runtime: RuntimeStage,
    /// What more the author could win by changing the program's build, which we do not touch.
    pub advice: Vec<String>,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What was observed, in one sentence.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Origin::ImageConfig => write!(f, "{} (image configuration)", self.text),
            Origin::Line(line) => write!(f, "{} (line {line})", self.text),
            Origin::File(path) => write!(f, "{} ({})", self.text, path.display()),
        }
    }
}

/// Where a fact comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The image's configuration.
    ImageConfig,
    /// A line of the Dockerfile.
    Line(usize),
    /// The header or the content of a file in the image.
    File(PathBuf),
}

/// Why nothing smaller can be proposed.
#[derive(Debug, thiserror::Error)]
pub enum NotApplicable {
    /// The program cannot run without the rest of the image, as far as we can tell.
    #[error("{0}")]
    Reason(String),
    /// The image could not be read.
    #[error("cannot read the image's files: {0}")]
    Read(String),
}

/// Collects the evidence about `built`, whose merged file system is `root`.
pub fn collect(parse: &Parse, built: &Built, root: &RootDir) -> Result<Evidence, NotApplicable> {
    let config = &built.image.config().config;
    let mut facts = Vec::new();
    let (entrypoint, cmd) = commands(config, &mut facts)?;
    let program = entrypoint.first().or(cmd.first()).ok_or_else(|| {
        reason("the image has neither ENTRYPOINT nor CMD, so there is no program to keep")
    })?;
    let working_dir = PathBuf::from(if config.working_dir.is_empty() {
        "/"
    } else {
        &config.working_dir
    });
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let path = find_program(root, program, &working_dir, path_env)
        .map_err(|error| reason(format!("the command cannot be started: {error}")))?;
    let bytes = root
        .read(&path, PROGRAM_LIMIT)
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    let maker = maker(parse, built, &path);
    let elf = compiled(root, &path, &bytes, maker, &mut facts)?;
    let mut kept = vec![KeptPath {
        path: path.clone(),
        reason: format!("`{program}` is what the image starts"),
    }];
    let rung = libraries(root, &path, &elf, config, &mut kept, &mut facts)?;
    refuse_helpers(&path, &bytes, &elf)?;
    kept.extend(data_files(root, &path, &bytes));
    kept.extend(named_files(parse, built, root, &path, &bytes));
    dedup(&mut kept);
    for path in kept.iter().skip(1) {
        facts.push(Fact {
            text: format!("{} is kept: {}", path.path.display(), path.reason),
            origin: Origin::File(path.path.clone()),
        });
    }
    let runtime = RuntimeStage {
        rung,
        kept,
        entrypoint: (!entrypoint.is_empty()).then_some(entrypoint),
        cmd: (!cmd.is_empty()).then_some(cmd),
        user: numeric_user(root, &config.user)?,
        env: config.env.clone(),
        working_dir: config.working_dir.clone(),
        labels: config
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        exposed_ports: config.exposed_ports.iter().cloned().collect(),
    };
    let advice = strip_advice(&path, bytes.len() as u64, &elf);
    Ok(Evidence {
        facts,
        runtime,
        advice,
    })
}

/// What leaving out symbol tables and debug sections would save.
fn strip_advice(path: &Path, size: u64, elf: &Elf) -> Vec<String> {
    if elf.strippable_size == 0 {
        return Vec::new();
    }
    let how = if elf.go_buildinfo.is_some() {
        "-ldflags=\"-s -w\""
    } else {
        "strip"
    };
    let left = size.saturating_sub(elf.strippable_size);
    vec![format!(
        "{} has {} of symbols and debug sections; {how} would leave {}",
        path.display(),
        size_text(elf.strippable_size),
        size_text(left),
    )]
}

fn reason(text: impl Into<String>) -> NotApplicable {
    NotApplicable::Reason(text.into())
}

fn variable<'e>(env: &'e [String], name: &str) -> Option<&'e str> {
    env.iter()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// ENTRYPOINT and CMD without a shell around them.
fn commands(
    config: &RunConfig,
    facts: &mut Vec<Fact>,
) -> Result<(Vec<String>, Vec<String>), NotApplicable> {
    let unhealthy = [
        (config.healthcheck.is_some(), "HEALTHCHECK"),
        (!config.volumes.is_empty(), "VOLUME"),
        (config.stop_signal.is_some(), "STOPSIGNAL"),
    ];
    if let Some((_, name)) = unhealthy.iter().find(|(present, _)| *present) {
        return Err(reason(format!(
            "the image has a {name}, which is not carried over yet"
        )));
    }
    let entrypoint = config.entrypoint.clone().unwrap_or_default();
    let cmd = config.cmd.clone().unwrap_or_default();
    if shell_text(&entrypoint).is_some() {
        return Err(reason(
            "ENTRYPOINT is in shell form, which passes no arguments on; write it in exec form",
        ));
    }
    match shell_text(&cmd) {
        Some(text) if entrypoint.is_empty() => match exec_argv(text) {
            Some(argv) => {
                let text = format!("`{text}` needs no shell: exec form means the same");
                facts.push(Fact {
                    text,
                    origin: Origin::ImageConfig,
                });
                Ok((entrypoint, argv))
            }
            None => Err(reason(format!("the command needs a shell: {text}"))),
        },
        _ => Ok((entrypoint, cmd)),
    }
}

/// The text of a shell-form command.
fn shell_text(argv: &[String]) -> Option<&str> {
    match argv {
        [shell, option, text] if shell == "/bin/sh" && option == "-c" => Some(text),
        _ => None,
    }
}

/// The line of the instruction that wrote `path` last; `None` if the base image did.
fn maker(parse: &Parse, built: &Built, path: &Path) -> Option<usize> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let (_, chain) = built.plan.chain(built.plan.target.result);
    chain.iter().rev().find_map(|StepId(index)| {
        let file = built.steps[*index].files.join(relative);
        let made = std::fs::symlink_metadata(file)
            .is_ok_and(|metadata| metadata.is_file() || metadata.is_symlink());
        let instruction = built.plan.steps[*index].hints.instruction;
        made.then(|| parse.instructions()[instruction].line)
    })
}

/// The program's ELF header, if it is a compiled program that the Dockerfile itself made.
fn compiled(
    root: &RootDir,
    path: &Path,
    bytes: &[u8],
    maker: Option<usize>,
    facts: &mut Vec<Fact>,
) -> Result<Elf, NotApplicable> {
    let shown = path.display();
    let Some(line) = maker else {
        return Err(reason(format!(
            "{shown} comes from the base image, not from an instruction of this Dockerfile"
        )));
    };
    if is_packaged(root, path) {
        return Err(reason(format!(
            "{shown} belongs to a Debian package; programs of packages are not moved yet"
        )));
    }
    let elf = match program_kind(bytes) {
        ProgramKind::Elf(elf) => *elf,
        ProgramKind::Script(script) => {
            return Err(reason(format!(
                "{shown} is a script for {}; scripts are not moved yet",
                script.path.display()
            )));
        }
        ProgramKind::Unknown => {
            return Err(reason(format!(
                "{shown} is neither an ELF program nor a script"
            )));
        }
    };
    facts.push(Fact {
        text: format!("{shown} is made by this instruction"),
        origin: Origin::Line(line),
    });
    if let Some(info) = &elf.go_buildinfo {
        let text = format!("{shown} is compiled by {}", info.version);
        facts.push(Fact {
            text,
            origin: Origin::File(path.to_path_buf()),
        });
    }
    Ok(elf)
}

/// Whether dpkg says that a package owns `path`.
fn is_packaged(root: &RootDir, path: &Path) -> bool {
    let info = Path::new("/var/lib/dpkg/info");
    let Ok(names) = root.list(info) else {
        return false;
    };
    let wanted = path.to_string_lossy().into_owned();
    names
        .iter()
        .filter(|name| name.to_string_lossy().ends_with(".list"))
        .any(|name| {
            root.read(&info.join(name), 64 << 20).is_ok_and(|bytes| {
                bytes
                    .split(|byte| *byte == b'\n')
                    .any(|line| line == wanted.as_bytes())
            })
        })
}

/// Adds the interpreter and libraries that the program asks for.
fn libraries(
    root: &RootDir,
    path: &Path,
    elf: &Elf,
    config: &RunConfig,
    kept: &mut Vec<KeptPath>,
    facts: &mut Vec<Fact>,
) -> Result<Rung, NotApplicable> {
    let origin = Origin::File(path.to_path_buf());
    if elf.interpreter.is_none() && elf.needed.is_empty() {
        facts.push(Fact {
            text: format!("{} asks for no interpreter and no library", path.display()),
            origin,
        });
        return Ok(Rung::Scratch);
    }
    let library_path = variable(&config.env, "LD_LIBRARY_PATH").unwrap_or("");
    let ElfClosure { files, missing } = elf_closure(root, path, library_path)
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    if let Some((needing, soname)) = missing.first() {
        return Err(reason(format!(
            "{} needs {soname}, which the image does not have",
            needing.display()
        )));
    }
    facts.push(Fact {
        text: format!("{} asks for {}", path.display(), elf.needed.join(", ")),
        origin,
    });
    let program = root
        .resolve(path)
        .map(|resolved| resolved.real_path)
        .unwrap_or_default();
    for file in files
        .iter()
        .filter(|file| file.real_path != program && file.path != path)
    {
        let is_file = root
            .metadata(&file.path)
            .is_ok_and(|metadata| metadata.is_file());
        if is_file {
            kept.push(KeptPath {
                path: file.path.clone(),
                reason: file.why.to_string(),
            });
        }
    }
    if root.metadata(Path::new("/etc/ld.so.cache")).is_ok() {
        kept.push(KeptPath {
            path: "/etc/ld.so.cache".into(),
            reason: "the dynamic linker looks libraries up in it".to_string(),
        });
    }
    Ok(Rung::ScratchWithLibraries)
}

/// Programs that start other programs or load libraries by name need more than can be seen.
fn refuse_helpers(path: &Path, bytes: &[u8], elf: &Elf) -> Result<(), NotApplicable> {
    let shown = path.display();
    if elf.go_buildinfo.is_some() && contains(bytes, b"os/exec.(*Cmd).Start") {
        return Err(reason(format!(
            "{shown} can start other programs (os/exec), which are not traced yet"
        )));
    }
    for (used, what) in [
        (elf.starts_programs, "start other programs"),
        (elf.uses_dlopen, "load libraries by name"),
    ] {
        if used {
            return Err(reason(format!(
                "{shown} can {what}, which is not traced yet"
            )));
        }
    }
    Ok(())
}

/// Files of the system that programs open by a fixed name: kept if the program holds that name.
fn data_files(root: &RootDir, program: &Path, bytes: &[u8]) -> Vec<KeptPath> {
    const BY_LITERAL: [(&str, &[&str]); 10] = [
        (
            "/etc/ssl/certs/ca-certificates.crt",
            &["/etc/ssl/certs/ca-certificates.crt"],
        ),
        (
            "/usr/share/zoneinfo",
            &["/usr/share/zoneinfo", "/etc/localtime"],
        ),
        ("/etc/passwd", &["/etc/passwd", "/etc/group"]),
        // A home directory is looked up in the table of users.
        ("HOME", &["/etc/passwd", "/etc/group"]),
        ("/etc/group", &["/etc/group"]),
        ("/etc/nsswitch.conf", &["/etc/nsswitch.conf"]),
        ("/etc/services", &["/etc/services"]),
        ("/etc/protocols", &["/etc/protocols"]),
        (
            "/etc/mime.types",
            &["/etc/mime.types", "/usr/share/mime/globals2"],
        ),
        ("TMPDIR", &["/tmp"]),
    ];
    let mut kept = Vec::new();
    for (literal, paths) in BY_LITERAL {
        if !contains(bytes, literal.as_bytes()) {
            continue;
        }
        for path in paths {
            if root.metadata(Path::new(path)).is_ok() {
                let reason = format!("{} contains `{literal}`", program.display());
                kept.push(KeptPath {
                    path: PathBuf::from(path),
                    reason,
                });
            }
        }
    }
    kept
}

/// Extensions of files that a compiled program was made from.
const SOURCES: [&str; 18] = [
    "go", "mod", "sum", "work", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "rs", "s", "S", "o",
    "a", "md", "mk",
];

/// Files that COPY brought in and whose name the program holds: templates, settings and the like.
fn named_files(
    parse: &Parse,
    built: &Built,
    root: &RootDir,
    program: &Path,
    bytes: &[u8],
) -> Vec<KeptPath> {
    let (_, chain) = built.plan.chain(built.plan.target.result);
    let mut files = BTreeSet::new();
    for StepId(index) in chain {
        if matches!(built.plan.steps[index].definition, Definition::Copy(_)) {
            list_files(&built.steps[index].files, Path::new("/"), &mut files);
        }
    }
    let mut kept = Vec::new();
    for path in files {
        let is_source = path
            .extension()
            .is_some_and(|extension| SOURCES.iter().any(|known| extension == *known));
        if path == program || is_source || root.metadata(&path).is_err() {
            continue;
        }
        let named = path.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => name.to_str(),
            _ => None,
        });
        // The directories that hold the program itself are in every path.
        let own: BTreeSet<&str> = program
            .parent()
            .into_iter()
            .flat_map(|dir| dir.iter().filter_map(|part| part.to_str()))
            .collect();
        let found = named
            .filter(|name| name.len() > 2 && !own.contains(name))
            .find(|name| contains(bytes, name.as_bytes()));
        if let Some(name) = found {
            let line = maker(parse, built, &path)
                .map_or_else(String::new, |line| format!(" (line {line})"));
            let reason = format!("{} contains `{name}`{line}", program.display());
            kept.push(KeptPath { path, reason });
        }
    }
    kept
}

fn list_files(dir: &Path, inside: &Path, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = inside.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list_files(&entry.path(), &path, files),
            Ok(kind) if kind.is_file() || kind.is_symlink() => {
                files.insert(path);
            }
            _ => {}
        }
    }
}

/// `USER` as numbers, because a final stage without `/etc/passwd` knows no names.
fn numeric_user(root: &RootDir, user: &str) -> Result<String, NotApplicable> {
    if user.is_empty() || user.split(':').all(|part| part.parse::<u32>().is_ok()) {
        return Ok(user.to_string());
    }
    let read = |path: &str| {
        let bytes = root.read(Path::new(path), 10 << 20).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    jettison_sandbox::resolve_user(user, &read("/etc/passwd"), &read("/etc/group"))
        .map(|found| format!("{}:{}", found.user.uid, found.user.gid))
        .map_err(|error| reason(format!("the image's user cannot be found: {error}")))
}

/// Each path once, the program first, the rest sorted; nothing below a directory that is kept whole.
fn dedup(kept: &mut Vec<KeptPath>) {
    let program = kept.remove(0);
    kept.sort();
    kept.dedup_by(|a, b| a.path == b.path);
    let paths: BTreeSet<PathBuf> = kept.iter().map(|path| path.path.clone()).collect();
    kept.retain(|path| {
        path.path != program.path
            && !path
                .path
                .ancestors()
                .skip(1)
                .any(|above| paths.contains(above))
    });
    kept.insert(0, program);
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cmd: &[&str]) -> RunConfig {
        RunConfig {
            cmd: Some(cmd.iter().map(ToString::to_string).collect()),
            ..RunConfig::default()
        }
    }

    #[test]
    fn a_shell_around_a_plain_command_is_taken_away() {
        let mut facts = Vec::new();
        let (entrypoint, cmd) =
            commands(&config(&["/bin/sh", "-c", "./app --x"]), &mut facts).unwrap();
        assert!(entrypoint.is_empty());
        assert_eq!(cmd, ["./app", "--x"]);
    }

    #[test]
    fn a_shell_around_more_is_not() {
        let error =
            commands(&config(&["/bin/sh", "-c", "./app $PORT"]), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the command needs a shell: ./app $PORT");
    }

    #[test]
    fn paths_below_a_kept_directory_are_left_out() {
        let keep = |path: &str| KeptPath {
            path: path.into(),
            reason: String::new(),
        };
        let mut kept = vec![
            keep("/app/app"),
            keep("/usr/share/zoneinfo/UTC"),
            keep("/usr/share/zoneinfo"),
            keep("/etc/group"),
            keep("/etc/group"),
        ];
        dedup(&mut kept);
        let paths: Vec<_> = kept
            .iter()
            .map(|path| path.path.display().to_string())
            .collect();
        assert_eq!(paths, ["/app/app", "/etc/group", "/usr/share/zoneinfo"]);
    }
}
