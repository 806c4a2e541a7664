//! Programs built once more so that nothing of the C library has to be kept for them.
//!
//! Programs of Go do without it ([`go`]) or have it linked in with all else of C ([`cgo`]); into others it can be linked ([`static_link`]). Such a program is another file, so that only its answers can be
//! compared; where they could differ is said.

mod cgo;
mod go;
mod static_link;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_build::{Built, DEFAULT_PATH, Definition};
use jettison_dockerfile::{Parse, parse};
use jettison_oci::Image;

use super::climbed::Climbed;
use super::gains::{chain, different};
use super::ladder::{Attempt, Ladder};
use super::{OptimizeError, Run, View};
use crate::evidence::{
    Elf, KeptWhat, Owner, Owners, exec_commands, find_program, steps, tells_times, variable,
};
use crate::optimize::config::health_command;
use crate::optimize::division::parts;
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest program that is looked at, in bytes.
const LIMIT: u64 = 1 << 30;

/// Variables with which something else is loaded before the C library's own.
const LOADERS: [&str; 2] = ["LD_AUDIT", "LD_PRELOAD"];

/// A way to build programs so that they need nothing of the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Go without cgo.
    Go,
    /// The C library linked into programs of compilers that link; whether these ask the name service.
    Static { asks_names: bool },
    /// All libraries of C linked into programs of Go.
    Cgo(cgo::Differences),
}

/// A Dockerfile to try.
struct Proposal {
    way: Way,
    text: String,
    /// The programs that may be others then.
    programs: BTreeSet<PathBuf>,
}

/// A build of the same programs that needs nothing of the C library.
pub(super) struct Relinked {
    pub(super) parse: Parse,
    /// The build, configured as the original is.
    pub(super) built: Built,
    /// Its files.
    pub(super) view: View,
    /// The programs that are knowingly others.
    programs: BTreeSet<PathBuf>,
    way: Way,
}

/// The build of `built`'s programs without the C library; nothing if what it starts is no such program, else why there is none.
pub(super) fn relinked(
    run: &Run<'_>,
    (built, root): (&Built, &RootDir),
    parsed: &Parse,
) -> Result<Option<Result<Relinked, String>>, OptimizeError> {
    let Some(main) = started(built, root) else {
        return Ok(None);
    };
    if needs_more(built, root).map_err(OptimizeError::Root)? {
        return Ok(None);
    }
    let original = Original {
        built,
        root,
        parsed,
        main: &main,
    };
    let Some(proposal) = original.proposal().map_err(OptimizeError::Root)? else {
        return Ok(None);
    };
    let Proposal {
        way,
        text,
        programs,
    } = proposal;
    run.observer.phase(way.phase());
    let request = run.rewritten(&text);
    let made = match run.build(&request) {
        Ok(made) => made,
        Err(error) if error.is_for_lack_of_room() => return Err(OptimizeError::Candidate(error)),
        Err(error) => return Ok(Some(Err(way.left_out(&chain(&error))))),
    };
    // A variable that is set for it is the build's alone.
    let mut config = made.image.config().clone();
    config.config = built.image.config().config.clone();
    let image = Image::new(config, made.image.layers().to_vec())
        .map_err(|error| OptimizeError::Look(jettison_build::BuildError::Image(error)))?;
    let made = Built { image, ..made };
    let view = run.view(&made.image)?;
    let programs: BTreeSet<PathBuf> = programs
        .into_iter()
        .filter(|path| has_no_loader(&view.root, path))
        .collect();
    if !programs.contains(&main) {
        let reason = format!("{} is linked to C nevertheless", main.display());
        return Ok(Some(Err(way.left_out(&reason))));
    }
    if let Some(reason) = way.difference((root, &view.root), &programs) {
        return Ok(Some(Err(way.left_out(&reason))));
    }
    Ok(Some(Ok(Relinked {
        parse: parse(&text),
        built: made,
        view,
        programs,
        way,
    })))
}

/// Whether something that the image starts besides is linked to C, so that nothing is to be gained, or libraries are loaded before
/// those of programs, as only the loader does.
fn needs_more(built: &Built, root: &RootDir) -> Result<bool, RootError> {
    let config = &built.image.config().config;
    let is_preloading = LOADERS
        .iter()
        .any(|name| variable(&config.env, name).is_some_and(|value| !value.is_empty()))
        || root.target(Path::new("/etc/ld.so.preload")).is_some();
    if is_preloading {
        return Ok(true);
    }
    let Some(argv) = health_command(config.healthcheck.as_ref()) else {
        return Ok(false);
    };
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let program = argv
        .first()
        .and_then(|name| find_program(root, name, Path::new("/"), path_env).ok());
    let Some(program) = program.and_then(|path| Some(root.resolve(&path).ok()?.real_path)) else {
        return Ok(false);
    };
    // A program of one's own may be built anew as well.
    let steps = steps(built);
    let owner = Owners::read(root, &steps)?.of(&program);
    let is_own = matches!(owner, Owner::Instruction(_));
    Ok(!is_own && !has_no_loader(root, &program))
}

/// What is built once more.
struct Original<'a> {
    built: &'a Built,
    /// The files of its image.
    root: &'a RootDir,
    parsed: &'a Parse,
    /// The program that the image starts.
    main: &'a Path,
}

impl Original<'_> {
    /// The first way to build it anew that there is.
    fn proposal(&self) -> Result<Option<Proposal>, RootError> {
        for proposal in [go::proposal, cgo::proposal, static_link::proposal] {
            if let Some(found) = proposal(self)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Every program that instructions have made and that `is_one` of those that are looked for.
    fn programs(
        &self,
        is_one: fn(&RootDir, &Path) -> bool,
    ) -> Result<BTreeSet<PathBuf>, RootError> {
        const EXECUTABLE: u32 = 0o111;
        let mut files = Vec::new();
        self.root.walk(&mut |path, metadata| {
            if metadata.is_file() && metadata.mode() & EXECUTABLE != 0 {
                files.push(path.to_path_buf());
            }
        })?;
        let steps = steps(self.built);
        let mut owners = Owners::read(self.root, &steps)?;
        files.retain(|path| {
            matches!(owners.of(path), Owner::Instruction(_)) && is_one(self.root, path)
        });
        Ok(files.into_iter().collect())
    }
}

impl Way {
    fn phase(self) -> &'static str {
        match self {
            Way::Go => "Build without C",
            Way::Static { .. } | Way::Cgo(_) => "Link the C library into the program",
        }
    }

    fn left_out(self, reason: &str) -> String {
        let what = match self {
            Way::Go => "building without C",
            Way::Static { .. } | Way::Cgo(_) => "linking the C library into the program",
        };
        format!("{what} was tried and is left out: {reason}")
    }

    /// What is to be known of `programs`, which were built so.
    fn note(self, programs: &str) -> String {
        match self {
            Way::Go => go::note(programs),
            Way::Static { asks_names } => static_link::note(programs, asks_names),
            Way::Cgo(differences) => cgo::note(programs, differences),
        }
    }

    /// Why one of `programs` is not built as it was to be; nothing if all are.
    fn difference(
        self,
        roots: (&RootDir, &RootDir),
        programs: &BTreeSet<PathBuf>,
    ) -> Option<String> {
        match self {
            Way::Go | Way::Static { .. } => None,
            Way::Cgo(differences) => programs
                .iter()
                .find_map(|path| cgo::difference(roots, path, differences)),
        }
    }
}

impl Relinked {
    /// `ladder`, which stands on this build, told which programs are knowingly others than those of `root`, and what these say of
    /// themselves.
    pub(super) fn with_others<'l>(&self, ladder: Ladder<'l>, root: &RootDir) -> Ladder<'l> {
        let programs = self.programs.iter();
        Ladder {
            others: self.programs.clone(),
            without_times: programs
                .filter(|path| matches!(self.way, Way::Static { .. }) && asks_no_times(root, path))
                .cloned()
                .collect(),
            ..ladder
        }
    }

    /// Climbs `ladder`, which stands on this build and not on that of `root`, with what to tell of that; or says why it is no use.
    pub(super) fn climb(
        &self,
        ladder: &Ladder<'_>,
        root: &RootDir,
    ) -> Result<Result<(Climbed, String), String>, OptimizeError> {
        let climbed = ladder.climb()?;
        let told = match &climbed.attempt {
            Some(attempt) => match self.refusal(attempt, root) {
                Some(reason) => Err(reason),
                None => Ok(self.note(attempt)),
            },
            None => Err(climbed.refused.join("; ")),
        };
        Ok(match told {
            Ok(note) => Ok((climbed, note)),
            Err(reason) => Err(self.way.left_out(&reason)),
        })
    }

    /// Why `attempt`, which was made of this build, is not the answer; nothing if it is.
    fn refusal(&self, attempt: &Attempt, root: &RootDir) -> Option<String> {
        if let Some(problem) = &attempt.problem {
            return Some(problem.clone());
        }
        let rootfs = attempt.evidence.runtime.rootfs.as_ref();
        let is_kept =
            |name: &str| rootfs.is_some_and(|stage| stage.packages.iter().any(|kept| kept == name));
        if let Some(library) = ["libc6", "musl"].into_iter().find(|name| is_kept(name)) {
            let mut kept = attempt.evidence.kept.iter();
            let fact = kept.find(|fact| fact.what == KeptWhat::Package(library.to_owned()));
            let reason = fact.map_or_else(String::new, |fact| format!(": {}", fact.reason));
            return Some(format!("package {library} is needed anyway{reason}"));
        }
        // What differs from the original although it is the same in both builds is told as it always is.
        let other = different(attempt)
            .into_iter()
            .find(|path| !self.programs.contains(path) && !is_same(root, &self.view.root, path));
        other.map(|path| format!("it would use another {} than the original", path.display()))
    }

    /// What the user is told of `attempt`, which is the answer.
    fn note(&self, attempt: &Attempt) -> String {
        let kept = &attempt.evidence.runtime.kept;
        let names: Vec<String> = self
            .programs
            .iter()
            .filter(|path| kept.iter().any(|kept| path.starts_with(&kept.path)))
            .map(|path| path.display().to_string())
            .collect();
        self.way.note(&names.join(", "))
    }
}

/// Whether both have the same at `path`, but for times.
fn is_same(first: &RootDir, second: &RootDir, path: &Path) -> bool {
    let found = [first, second].map(|root| root.symlink_metadata(path));
    let [Ok(first_found), Ok(second_found)] = found else {
        return false;
    };
    if first_found.is_dir() || second_found.is_dir() {
        return first_found.is_dir() && first_found.mode() == second_found.mode();
    }
    let is_file = first_found.is_file() && second_found.is_file();
    let contents = (first.read(path, LIMIT), second.read(path, LIMIT));
    let is_equal = matches!(contents, (Ok(first), Ok(second)) if first == second);
    is_file && first_found.mode() == second_found.mode() && is_equal
}

/// The program that the image starts.
fn started(built: &Built, root: &RootDir) -> Option<PathBuf> {
    let config = &built.image.config().config;
    let (entrypoint, cmd) = exec_commands(config, root, &mut Vec::new());
    let name = entrypoint.iter().chain(&cmd).next()?;
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let working_dir = normalise(Path::new(&config.working_dir));
    let path = find_program(root, name, &working_dir, path_env).ok()?;
    Some(root.resolve(&path).ok()?.real_path)
}

/// Whether the program at `path`, which takes its functions from the C library when it is loaded, takes none that tells times of
/// places. Once the library of C++ is linked in, these are there for its `strftime`, and nothing says who else calls them.
fn asks_no_times(root: &RootDir, path: &Path) -> bool {
    root.content(path, LIMIT).is_some_and(|bytes| {
        Elf::parse(&bytes)
            .is_ok_and(|elf| !elf.needed.is_empty() && !tells_times(path, &elf, &bytes))
    })
}

fn has_no_loader(root: &RootDir, path: &Path) -> bool {
    let bytes = root.content(path, LIMIT);
    bytes.is_some_and(|bytes| {
        Elf::parse(&bytes).is_ok_and(|elf| elf.interpreter.is_none() && elf.needed.is_empty())
    })
}

/// The positions of the `RUN` instructions of `built`, with the directory that holds what each wrote.
fn commands(built: &Built) -> Vec<(usize, PathBuf)> {
    let parts = parts(built).into_iter();
    parts
        .filter(|part| matches!(part.definition, Definition::Run(_)))
        .map(|part| (part.instruction, part.files))
        .collect()
}

/// Whether a step that wrote `files` made one of `programs`.
fn makes<'a>(files: &Path, mut programs: impl Iterator<Item = &'a Path>) -> bool {
    programs.any(|path| {
        let path = files.join(path.strip_prefix("/").unwrap_or(path));
        path.symlink_metadata().is_ok_and(|found| found.is_file())
    })
}

/// The start of the line that `at` is in, or of the comments directly above it.
fn above_comments(text: &str, at: usize) -> usize {
    let line_of = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let mut start = line_of(at);
    while start > 0 {
        let above = line_of(start - 1);
        if !text[above..start].trim_start().starts_with('#') || above == 0 {
            break;
        }
        start = above;
    }
    start
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_program_asks_of_the_c_library_is_known_before_that_is_linked_in() {
        let dir = tempfile::tempdir().unwrap();
        for (name, call, linked) in [
            ("plain", "", None),
            ("clock", "localtime(0);", None),
            ("linked", "", Some("-static")),
        ] {
            let source = format!(
                "char *localtime(); int main(int n) {{ if (n > 5) {{ {call} }} return 0; }}"
            );
            fs::write(dir.path().join("main.c"), source).unwrap();
            let mut command = Command::new("cc");
            command.args(["-w", "-o", name, "main.c"]).args(linked);
            assert!(command.current_dir(dir.path()).status().unwrap().success());
        }
        let root = RootDir::open(dir.path()).unwrap();
        for (path, expected) in [
            ("/plain", true),
            ("/clock", false),
            ("/linked", false),
            ("/none", false),
        ] {
            assert_eq!(asks_no_times(&root, Path::new(path)), expected, "{path}");
        }
    }
}
