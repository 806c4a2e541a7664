//! What is known of an image's program: which file it is, who made it, and what it needs.

mod command;
mod data;
mod layout;
mod libraries;
mod literals;
mod made;
mod mentioned;
mod program;
mod rootfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jettison_build::{Built, DEFAULT_PATH};
use jettison_oci::RunConfig;

use crate::evidence::elf::Elf;
use crate::evidence::keep::{BROUGHT, brought, is_startable};
use crate::evidence::owner::Owners;
use crate::evidence::packages::Packages;
use crate::evidence::program::find_program;
use crate::refactor::{KeptPath, RuntimeStage};
use crate::report::size_text;
use crate::rootfs::{RootDir, RootError, normalise};

pub(crate) use self::command::exec_commands;
use self::command::{commands, numeric_user};
use self::data::{configured_files, literal_files, named_files, system_files};
pub(crate) use self::layout::owners;
use self::layout::{dedup, follow_links, whole_directories};
pub(crate) use self::libraries::name_services;
use self::libraries::{Libraries, libraries};
pub(crate) use self::literals::{absolute_paths, own_bytes};
use self::made::own_files;
pub(crate) use self::made::{Step, is_cache, is_system, steps};
pub(crate) use self::mentioned::{OwnProgram, holds_sources, mentioned_files};
use self::program::{Place, Program, compiled, refuse_writable};
use self::rootfs::behind_links;

/// What was observed about an image, and where from.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The facts, for the report.
    pub facts: Vec<Fact>,
    /// What the final stage has to hold.
    pub runtime: RuntimeStage,
    /// Why it holds what it holds.
    pub kept: Vec<KeptFact>,
    /// What more the author could win by changing the program's build, which we do not touch.
    pub advice: Vec<String>,
}

/// Why something is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFact {
    /// What is kept.
    pub what: KeptWhat,
    /// Why, in a few words.
    pub reason: String,
}

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptWhat {
    /// A Debian package, by its name.
    Package(String),
    /// A file, or a directory with all that is in it, by its path.
    Path(PathBuf),
    /// A directory without what is in it, by its path.
    Directory(PathBuf),
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
pub fn collect(built: &Built, root: &RootDir) -> Result<Evidence, NotApplicable> {
    collect_from(&built.image.config().config, &steps(built), root)
}

fn collect_from(
    config: &RunConfig,
    steps: &[Step],
    root: &RootDir,
) -> Result<Evidence, NotApplicable> {
    let mut facts = Vec::new();
    let (entrypoint, cmd) = commands(config, &mut facts)?;
    let words: Vec<String> = entrypoint.iter().chain(&cmd).cloned().collect();
    let name = words.first().ok_or_else(|| {
        reason("the image has neither ENTRYPOINT nor CMD, so there is no program to keep")
    })?;
    let user = numeric_user(root, &config.user)?;
    let packages = Packages::read(root).map_err(|error| NotApplicable::Read(error.to_string()))?;
    let place = place(root, config, name)?;
    let program = compiled(root, place, steps, &packages, &mut facts)?;
    let Libraries {
        rung,
        kept: libraries,
        fact,
    } = libraries(root, &program, config)?;
    facts.push(fact);
    let mut kept = vec![KeptPath {
        path: program.path.clone(),
        reason: format!("`{name}` is what the image starts"),
        is_directory: false,
    }];
    let mut data = named_files(steps, root, &program, &packages);
    whole_directories(root, &program, &packages, &mut data);
    kept.extend(data);
    kept.extend(libraries);
    kept.extend(system_files(root, &program));
    kept.extend(literal_files(root, &program, &packages, &config.env)?);
    kept.extend(configured_files(root, &program, &words, &config.env)?);
    kept.extend(brought_files(root, steps, &program.working_dir)?);
    follow_links(root, &mut kept)?;
    dedup(&mut kept);
    mark_directories(root, &mut kept);
    refuse_writable_above(root, &user, (&kept, &program))?;
    facts.extend(kept.iter().skip(1).map(|path| Fact {
        text: format!("{} is kept: {}", path.path.display(), path.reason),
        origin: Origin::File(path.path.clone()),
    }));
    if program.elf.lists_directories {
        facts.extend(left_out(&own_files(steps, root, &packages), &kept));
    }
    let mut rootfs = behind_links(root, rung, &mut kept)?;
    if let Some(stage) = &mut rootfs {
        stage.needs_root = !["", "0", "root"].contains(&config.user.as_str());
    }
    let reasons = reasons(&kept);
    let runtime = RuntimeStage {
        rung,
        build_steps: Vec::new(),
        remade: Vec::new(),
        base: None,
        rootfs,
        owners: owners(root, &kept),
        kept,
        entrypoint: (!entrypoint.is_empty()).then_some(entrypoint),
        cmd: (!cmd.is_empty()).then_some(cmd),
        user,
        env: config.env.clone(),
        working_dir: config.working_dir.clone(),
        labels: config
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        exposed_ports: config.exposed_ports.iter().cloned().collect(),
        volumes: Vec::new(),
        stop_signal: None,
        healthcheck: None,
    };
    root.all_was_read()
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    let advice = strip_advice(&program.path, program.bytes.len() as u64, &program.elf);
    Ok(Evidence {
        facts,
        runtime,
        kept: reasons,
        advice,
    })
}

fn mark_directories(root: &RootDir, kept: &mut [KeptPath]) {
    for path in kept {
        let found = root.target(&path.path);
        path.is_directory = found.is_some_and(|metadata| metadata.is_dir());
    }
}

/// What was brought for whoever runs the image. A program among it needs more.
fn brought_files(
    root: &RootDir,
    steps: &[Step],
    working_dir: &Path,
) -> Result<Vec<KeptPath>, NotApplicable> {
    let read = |error: RootError| NotApplicable::Read(error.to_string());
    let owners = Owners::read(root, steps).map_err(read)?;
    let mut kept = Vec::new();
    for path in brought(root, &owners, working_dir).map_err(read)? {
        if is_startable(root, &path) {
            return Err(reason(format!(
                "{} was copied for whoever runs the image to start it",
                path.display()
            )));
        }
        kept.push(KeptPath {
            path,
            reason: BROUGHT.to_owned(),
            is_directory: false,
        });
    }
    Ok(kept)
}

/// Refuses directories above what is kept into which the user could write.
fn refuse_writable_above(
    root: &RootDir,
    user: &str,
    (kept, program): (&[KeptPath], &Program),
) -> Result<(), NotApplicable> {
    let directories: Vec<&Path> = kept
        .iter()
        .flat_map(|kept| kept.path.ancestors().skip(1))
        .chain([program.working_dir.as_path()])
        .filter(|directory| !kept.iter().any(|kept| directory.starts_with(&kept.path)))
        .collect();
    refuse_writable(root, user, &directories)
}

/// Why each path is kept.
fn reasons(kept: &[KeptPath]) -> Vec<KeptFact> {
    kept.iter()
        .map(|path| KeptFact {
            what: KeptWhat::Path(path.path.clone()),
            reason: path.reason.clone(),
        })
        .collect()
}

/// Files beside a program that lists directories that are not copied, since they look like sources.
fn left_out(own: &BTreeMap<PathBuf, usize>, kept: &[KeptPath]) -> Option<Fact> {
    const SHOWN: usize = 5;
    let names: Vec<String> = own
        .keys()
        .filter(|path| !kept.iter().any(|kept| path.starts_with(&kept.path)))
        .map(|path| path.display().to_string())
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let program = &kept.first()?.path;
    (!names.is_empty()).then(|| Fact {
        text: format!(
            "{} can list directories, but gets nothing that looks like sources and papers ({}{more}): add a probe if it reads these",
            program.display(),
            names[..names.len().min(SHOWN)].join(", "),
        ),
        origin: Origin::File(program.clone()),
    })
}

/// The file that the image starts, and where it is started.
fn place<'e>(
    root: &RootDir,
    config: &'e RunConfig,
    name: &str,
) -> Result<Place<'e>, NotApplicable> {
    let working_dir = normalise(Path::new(&config.working_dir));
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let path = find_program(root, name, &working_dir, path_env)
        .map_err(|error| reason(format!("the command cannot be started: {error}")))?;
    Ok(Place {
        path,
        working_dir,
        path_env,
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

pub(crate) fn variable<'e>(env: &'e [String], name: &str) -> Option<&'e str> {
    env.iter()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
pub(crate) mod tests;
