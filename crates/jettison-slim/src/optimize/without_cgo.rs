//! Programs of Go, built once more without C.
//!
//! Where there is a C compiler, Go links programs to the C library, to look up hosts and users with it; its own library can do
//! both as well (`netgo`, `osusergo`). `CGO_ENABLED=0` makes the same program without a loader, and nothing of the C library has to
//! be kept for it: neither the library itself nor its tables. It is another file, so that only its answers can be compared; where
//! they could differ is said.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_build::{Built, DEFAULT_PATH, Definition};
use jettison_dockerfile::{Edit, EditSet, Instruction, InstructionKind, Parse, apply, parse};
use jettison_oci::Image;

use super::gains::{chain, different};
use super::ladder::{Attempt, Climbed, Ladder};
use super::{OptimizeError, Run, View};
use crate::evidence::{
    Elf, Owner, Owners, exec_commands, find_program, has_optional_c, steps, variable,
};
use crate::optimize::division::parts;
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest program that is looked at, in bytes.
const LIMIT: u64 = 1 << 30;
/// What stands above the line that is new.
const COMMENT: &str = "# Go itself looks up hosts and users: nothing of C is needed.";
const SETTING: &str = "ENV CGO_ENABLED=0";
/// How people call what builds programs of Go.
const BUILDERS: [&str; 3] = ["go build", "go install", "make"];

/// A build of the same programs, without C.
pub(super) struct WithoutC {
    pub(super) parse: Parse,
    /// The build, configured as the original is.
    pub(super) built: Built,
    /// Its files.
    pub(super) view: View,
    /// The programs that are knowingly others.
    programs: BTreeSet<PathBuf>,
}

/// The build of `built`'s programs without C; nothing if what it starts is no such program, else why there is none.
pub(super) fn without_cgo(
    run: &Run<'_>,
    (built, root): (&Built, &RootDir),
    parsed: &Parse,
) -> Result<Option<Result<WithoutC, String>>, OptimizeError> {
    let Some(main) = started(built, root) else {
        return Ok(None);
    };
    if !is_linked_to_c(root, &main) {
        return Ok(None);
    }
    let programs = programs(built, root).map_err(OptimizeError::Root)?;
    if !programs.contains(&main) {
        return Ok(None);
    }
    let Some(text) = text_without_c(built, parsed, &programs) else {
        return Ok(None);
    };
    run.observer.phase("Build without C");
    let request = run.rewritten(&text);
    let made = match run.engine.build(&request, run.bases, run.observer) {
        Ok(made) => made,
        Err(error) => return Ok(Some(Err(chain(&error)))),
    };
    // The variable is the build's alone.
    let mut config = made.image.config().clone();
    config.config = built.image.config().config.clone();
    let image = Image::new(config, made.image.layers().to_vec())
        .map_err(|error| OptimizeError::Look(jettison_build::BuildError::Image(error)))?;
    let made = Built { image, ..made };
    let view = run.view(&made.image)?;
    let programs: BTreeSet<PathBuf> = programs
        .into_iter()
        .filter(|path| is_without_c(&view.root, path))
        .collect();
    if !programs.contains(&main) {
        let main = main.display();
        return Ok(Some(Err(format!(
            "{main} is linked to C even with CGO_ENABLED=0"
        ))));
    }
    Ok(Some(Ok(WithoutC {
        parse: parse(&text),
        built: made,
        view,
        programs,
    })))
}

impl WithoutC {
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
            Err(reason) => Err(format!(
                "building without C was tried and is left out: {reason}"
            )),
        })
    }

    /// Why `attempt`, which was made of this build, is not the answer; nothing if it is.
    fn refusal(&self, attempt: &Attempt, root: &RootDir) -> Option<String> {
        if let Some(problem) = &attempt.problem {
            return Some(problem.clone());
        }
        let rootfs = attempt.evidence.runtime.rootfs.as_ref();
        let libraries = ["libc6", "musl"];
        if rootfs.is_some_and(|stage| {
            libraries
                .iter()
                .any(|name| stage.packages.iter().any(|kept| kept == name))
        }) {
            return Some("something else needs the C library anyway".to_owned());
        }
        // What differs from the original although it is the same in both builds is told as it always is.
        let other = different(attempt)
            .into_iter()
            .find(|path| !self.programs.contains(path) && !is_same(root, &self.view.root, path));
        other.map(|path| format!("{} is another one then", path.display()))
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
        format!(
            "without-cgo: CGO_ENABLED=0 builds {}, since of C there was only what Go's own library does as well; these are other files, whose answers \
             were compared. Hosts are then looked up in /etc/hosts and by DNS alone, without other sources of /etc/nsswitch.conf and options of \
             /etc/resolv.conf that Go does not know, and users in /etc/passwd and /etc/group alone, without LDAP and its like",
            names.join(", ")
        )
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

/// Every program of Go that instructions have made and that needs C only where Go does not, or not at all: those know how they
/// were built, and are others, too.
fn programs(built: &Built, root: &RootDir) -> Result<BTreeSet<PathBuf>, RootError> {
    const EXECUTABLE: u32 = 0o111;
    let mut files = Vec::new();
    root.walk(&mut |path, metadata| {
        if metadata.is_file() && metadata.mode() & EXECUTABLE != 0 {
            files.push(path.to_path_buf());
        }
    })?;
    let steps = steps(built);
    let mut owners = Owners::read(root, &steps)?;
    files.retain(|path| {
        matches!(owners.of(path), Owner::Instruction(_))
            && (is_linked_to_c(root, path) || is_without_c(root, path))
    });
    Ok(files.into_iter().collect())
}

fn is_linked_to_c(root: &RootDir, path: &Path) -> bool {
    root.content(path, LIMIT)
        .is_some_and(|bytes| Elf::parse(&bytes).is_ok_and(|elf| has_optional_c(&elf, &bytes)))
}

fn is_without_c(root: &RootDir, path: &Path) -> bool {
    root.content(path, LIMIT).is_some_and(|bytes| {
        Elf::parse(&bytes).is_ok_and(|elf| {
            elf.go_buildinfo.is_some() && elf.interpreter.is_none() && elf.needed.is_empty()
        })
    })
}

/// The Dockerfile with the variable set before the first command that makes one of `programs`.
fn text_without_c(built: &Built, parsed: &Parse, programs: &BTreeSet<PathBuf>) -> Option<String> {
    let makes = |files: &Path| {
        programs.iter().any(|path| {
            let path = files.join(path.strip_prefix("/").unwrap_or(path));
            path.symlink_metadata().is_ok_and(|found| found.is_file())
        })
    };
    let commands: Vec<(usize, bool)> = parts(built)
        .into_iter()
        .filter(|part| matches!(part.definition, Definition::Run(_)))
        .map(|part| (part.instruction, makes(&part.files)))
        .collect();
    with_setting(parsed, &commands)
}

/// The same, `commands` being the positions of the `RUN` instructions, and whether each makes one of the programs.
fn with_setting(parsed: &Parse, commands: &[(usize, bool)]) -> Option<String> {
    let maker = commands.iter().find(|(_, makes)| *makes)?.0;
    let builds = |instruction: &Instruction| {
        let text = instruction.original();
        BUILDERS.iter().any(|builder| text.contains(builder))
    };
    let instructions = parsed.instructions();
    // What only moves a program was built by a command before.
    let at = if builds(instructions.get(maker)?) {
        maker
    } else {
        let mut before = commands.iter().map(|(at, _)| *at).filter(|at| *at < maker);
        before
            .find(|at| instructions.get(*at).is_some_and(builds))
            .unwrap_or(maker)
    };
    let instruction = instructions.get(at)?;
    let InstructionKind::Run(_) = &instruction.kind else {
        return None;
    };
    let text = parsed.text();
    let start = above_comments(text, instruction.range.start);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edits = EditSet::new();
    edits
        .insert(Edit {
            range: start..start,
            replacement: format!("{COMMENT}{newline}{SETTING}{newline}"),
        })
        .ok()?;
    apply(text, &edits).ok()
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
    use super::*;

    /// `maker` is the position of the instruction that makes the program.
    #[track_caller]
    fn check(text: &str, maker: usize, expected: &str) {
        let parsed = parse(text);
        let commands: Vec<(usize, bool)> = parsed
            .instructions()
            .iter()
            .enumerate()
            .filter(|(_, instruction)| matches!(instruction.kind, InstructionKind::Run(_)))
            .map(|(at, _)| (at, at == maker))
            .collect();
        let found = with_setting(&parsed, &commands).unwrap_or_default();
        let expected = expected.replace("SETTING", &format!("{COMMENT}\n{SETTING}"));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_variable_is_set_before_what_builds_the_program() {
        check(
            "FROM golang\nRUN go mod download\nRUN go build -o a\nCMD [\"./a\"]\n",
            2,
            "FROM golang\nRUN go mod download\nSETTING\nRUN go build -o a\nCMD [\"./a\"]\n",
        );
        check(
            "FROM golang\n\n# All of it.\n# Really.\nRUN ./build.sh\n",
            1,
            "FROM golang\n\nSETTING\n# All of it.\n# Really.\nRUN ./build.sh\n",
        );
    }

    #[test]
    fn a_program_that_is_moved_was_built_before() {
        check(
            "FROM golang\nRUN make test\nRUN mv a /bin/a\n",
            2,
            "FROM golang\nSETTING\nRUN make test\nRUN mv a /bin/a\n",
        );
        check("FROM golang\nCOPY a /bin/a\n", 1, "");
    }
}
