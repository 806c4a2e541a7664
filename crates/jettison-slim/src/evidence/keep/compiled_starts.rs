//! Programs that a compiled program starts, by its own strings: its sources need not be there, as after `git clone` in a `RUN`.

use std::collections::BTreeSet;
use std::path::Path;

use super::commands::Sureness;
use super::{Keeper, UseKind};
use crate::evidence::elf::{Elf, imports, loaded};
use crate::rootfs::RootError;

/// The longest string that may be a command, in bytes.
const LONGEST: usize = 4096;

impl Keeper<'_> {
    /// Keeps what the program at `path` may start: of what the Dockerfile has installed, what its strings begin with; and the
    /// shell, if it calls a function that needs one.
    pub(super) fn add_started_by(
        &mut self,
        path: &Path,
        elf: &Elf,
        bytes: &[u8],
    ) -> Result<(), RootError> {
        // Strings of Go have no end; what it starts is found in its sources.
        if elf.interpreter.is_none() || !elf.starts_programs || elf.go_buildinfo.is_some() {
            return Ok(());
        }
        let reason = format!("{} may start it", path.display());
        let (Ok(imports), Ok(loaded)) = (imports(bytes), loaded(bytes)) else {
            return Ok(());
        };
        // POSIX: both run a command with `sh`.
        if imports
            .iter()
            .any(|name| matches!(*name, b"system" | b"popen"))
        {
            self.add(Path::new("/bin/sh"), UseKind::Looked, &reason)?;
        }
        let names: BTreeSet<&str> = loaded.into_iter().flat_map(first_words).collect();
        for name in names {
            self.add_program(name, Sureness::Somewhere, &reason)?;
        }
        Ok(())
    }
}

/// The words that may be names of programs with which the strings of a program in C begin, or commands in them after `|`, `&`
/// or `;`.
fn first_words(bytes: &[u8]) -> BTreeSet<&str> {
    let strings = bytes.split(|byte| *byte == 0);
    let strings = strings.filter(|string| (2..=LONGEST).contains(&string.len()));
    let texts = strings.filter_map(|string| std::str::from_utf8(string).ok());
    let commands = texts.flat_map(|text| text.split(['|', '&', ';', '(', '`']));
    let words = commands.filter_map(|command| command.split_ascii_whitespace().next());
    words
        .filter(|word| {
            let is_of_name =
                |letter: char| letter.is_ascii_alphanumeric() || "._+-/".contains(letter);
            word.len() > 1 && word.chars().all(is_of_name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_begin_with_names_of_programs() {
        let bytes = b"\x7fELF\0bc -l\0cd %s && rsync -a . %s\0sort\0sort | uniq -c\0x\0\xff\xfe\0(units -v)\0say %\0";
        let words: Vec<&str> = first_words(bytes).into_iter().collect();
        assert_eq!(words, ["bc", "cd", "rsync", "say", "sort", "uniq", "units"]);
    }
}
