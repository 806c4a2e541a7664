//! The shell inside `RUN`: simple commands, with the way back into the Dockerfile.
//!
//! A script is read as the POSIX shell grammar with the extensions of bash that Dockerfiles use. The result is
//! not a tree but the simple commands in the order of the text, each with what it is nested in and how it
//! follows the one before it. What cannot be read for certain makes the whole script opaque: nothing is
//! guessed. See <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html>.

mod arithmetic;
mod command;
mod compound;
mod expansion;
mod flow;
mod heredoc;
mod list;
mod reader;
mod redirect;
mod scan;
mod script;
mod simple;
mod source;
mod test;
mod variables;
mod word;
mod wrapper;

use crate::instruction::Instruction;
use crate::shell::flow::Flow;
use crate::shell::reader::{Base, Found, Read, Reader};
use crate::shell::source::Pieces;

pub use crate::shell::command::{
    Assignment, CompoundCommand, Connector, Nesting, Separator, ShellDirectory, ShellOption,
    ShellOptions, SimpleCommand,
};
pub use crate::shell::redirect::{HeredocBody, Redirect, RedirectKind};
pub use crate::shell::script::{
    OpaqueScript, ShellFunction, ShellScript, VariableAccess, VariableUse,
};
pub use crate::shell::word::{ExpansionKind, ShellExpansion, ShellWord};

/// The shells whose language is read here.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "ksh"];

/// Reads the script of a `RUN`, or of the shell form of `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`.
///
/// `text` is the Dockerfile and `escape` its escape character. An `ONBUILD` counts as its trigger. The result
/// is `None` if there is no script: another instruction, or exec form. Whether a shell of this language gets
/// the script is for the caller to know, who has seen `SHELL`; see [`is_posix_shell`].
pub fn shell_script(text: &str, escape: char, instruction: &Instruction) -> Option<ShellScript> {
    Some(read(source::script(text, escape, instruction)?))
}

/// Says whether a program reads the language that [`shell_script`] understands: `/bin/sh`, `bash` and their like.
pub fn is_posix_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    SHELLS.contains(&name)
}

/// Reads a script.
fn read(script: Pieces) -> ShellScript {
    let base = Base {
        map: &script.map,
        outer: None,
    };
    let mut reader = Reader::new(&script.text, base, Flow::default());
    let result = interpreted(&mut reader);
    let (mut found, opaque) = match result {
        Ok(()) => (reader.found, None),
        Err(opaque) => (Found::default(), Some(opaque)),
    };
    found
        .commands
        .sort_by_key(|command| command.source_range.start);
    found
        .variables
        .sort_by_key(|variable| variable.source_range.start);
    ShellScript {
        commands: found.commands,
        compounds: found.compounds,
        functions: found.functions,
        variables: found.variables,
        comments: found.comments,
        opaque,
        source: script.text,
        map: script.map,
    }
}

/// Reads all of a script, if its `#!` line, if any, names a shell.
fn interpreted(reader: &mut Reader<'_>) -> Read<()> {
    if let Some(line) = reader.text.strip_prefix("#!") {
        let line = line.lines().next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let mut program = words.next().unwrap_or_default();
        if program.ends_with("/env") {
            program = words
                .find(|word| !word.starts_with('-'))
                .unwrap_or_default();
        }
        if !is_posix_shell(program) {
            let reason = format!("a script for `{program}`");
            return Err(reader.opaque(0..line.len() + 2, reason));
        }
        reader.flow.set(words.map(Some));
    }
    reader.read_all()
}
