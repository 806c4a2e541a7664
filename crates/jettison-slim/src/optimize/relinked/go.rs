//! Programs of Go, built once more without C.
//!
//! Where there is a C compiler, Go links programs to the C library, to look up hosts and users with it; its own library can do
//! both as well (`netgo`, `osusergo`). `CGO_ENABLED=0` makes the same program without a loader, and nothing of the C library has to
//! be kept for it: neither the library itself nor its tables.

use std::path::{Path, PathBuf};

use jettison_dockerfile::{Edit, EditSet, Instruction, InstructionKind, Parse, apply};

use super::static_link::has_other_sources;
use super::{LIMIT, Original, Proposal, Way, above_comments, commands, makes};
use crate::evidence::{Elf, has_optional_c};
use crate::rootfs::{RootDir, RootError};

/// What stands above the line that is new.
const COMMENT: &str = "# Go itself looks up hosts and users: nothing of C is needed.";
const SETTING: &str = "ENV CGO_ENABLED=0";
/// How people call what builds programs of Go.
const BUILDERS: [&str; 3] = ["go build", "go install", "make"];

/// The Dockerfile without C, if the program that the image starts is one of Go that can do without.
pub(super) fn proposal(original: &Original<'_>) -> Result<Option<Proposal>, RootError> {
    if !is_linked_to_c(original.root, original.main) || has_other_sources(original.root) {
        return Ok(None);
    }
    // Those without C know how they were built, and are others, too.
    let programs =
        original.programs(|root, path| is_linked_to_c(root, path) || is_without_c(root, path))?;
    if !programs.contains(original.main) {
        return Ok(None);
    }
    let commands: Vec<(usize, bool)> = commands(original.built)
        .into_iter()
        .map(|(at, files)| (at, makes(&files, programs.iter().map(PathBuf::as_path))))
        .collect();
    Ok(
        with_setting(original.parsed, &commands, &format!("{COMMENT}\n{SETTING}")).map(|text| {
            Proposal {
                way: Way::Go,
                text,
                programs,
            }
        }),
    )
}

/// What is to be known of `programs`, which were built so.
pub(super) fn note(programs: &str) -> String {
    format!(
        "without-cgo: CGO_ENABLED=0 builds {programs}, since of C there was only what Go's own library does as well; these are other files, whose answers \
         were compared. Hosts are then looked up in /etc/hosts and by DNS alone, without other sources of /etc/nsswitch.conf and options of \
         /etc/resolv.conf that Go does not know, and users in /etc/passwd and /etc/group alone, without LDAP and its like"
    )
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

/// The Dockerfile with the lines of `setting` before the first command that makes a program, `commands` being the positions of the `RUN` instructions, and
/// whether each makes one.
pub(super) fn with_setting(
    parsed: &Parse,
    commands: &[(usize, bool)],
    setting: &str,
) -> Option<String> {
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
            replacement: format!("{}{newline}", setting.replace('\n', newline)),
        })
        .ok()?;
    apply(text, &edits).ok()
}

#[cfg(test)]
mod tests {
    use jettison_dockerfile::parse;

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
        let setting = format!("{COMMENT}\n{SETTING}");
        let found = with_setting(&parsed, &commands, &setting).unwrap_or_default();
        let expected = expected.replace("SETTING", &setting);
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
