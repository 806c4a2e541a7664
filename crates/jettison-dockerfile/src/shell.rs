//! The shell inside `RUN`: simple commands, with the way back into the Dockerfile.
//!
//! A script is read as the POSIX shell grammar with the extensions of bash that Dockerfiles use. The result is
//! not a tree: it is the list of simple commands in the order of the text, each with what it is nested in and
//! how it follows the one before it. What cannot be read for certain makes the whole script opaque.

mod command;
mod redirect;
mod script;
mod source;
mod word;

use crate::instruction::Instruction;
use crate::shell::source::script;

pub use crate::shell::command::{
    Assignment, CompoundCommand, Connector, Nesting, Separator, ShellDirectory, ShellOption,
    ShellOptions, SimpleCommand,
};
pub use crate::shell::redirect::{HeredocBody, Redirect, RedirectKind};
pub use crate::shell::script::{
    OpaqueScript, ShellFunction, ShellScript, VariableAccess, VariableUse,
};
pub use crate::shell::word::{ExpansionKind, ShellExpansion, ShellWord};

/// Reads the script of a `RUN`, or of the shell form of `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`.
///
/// `text` is the Dockerfile and `escape` its escape character. An `ONBUILD` counts as its trigger. The result
/// is `None` if there is no script: another instruction, or exec form. Whether a shell of this language reads
/// the script is for the caller to know, who has seen `SHELL`.
pub fn shell_script(text: &str, escape: char, instruction: &Instruction) -> Option<ShellScript> {
    Some(ShellScript::unread(script(text, escape, instruction)?))
}
