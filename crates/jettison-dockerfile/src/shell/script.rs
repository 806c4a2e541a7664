//! A script that has been read.

use std::ops::Range;

use crate::shell::command::{CompoundCommand, SimpleCommand};
use crate::shell::source::PieceMap;
use crate::text::TextRange;

/// A script, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellScript {
    /// The script as the shell sees it.
    pub source: String,
    /// The simple commands in the order of the text; none if the script is opaque.
    pub commands: Vec<SimpleCommand>,
    /// The compound commands and the substitutions in the order of the text; none if the script is opaque.
    pub compounds: Vec<CompoundCommand>,
    /// The functions that it defines.
    pub functions: Vec<ShellFunction>,
    /// The variables that it reads and writes, in the order of the text.
    pub variables: Vec<VariableUse>,
    /// Where its comments are in the Dockerfile. Those between continued lines are not part of the script.
    pub comments: Vec<TextRange>,
    /// Why it cannot be read.
    pub opaque: Option<OpaqueScript>,
    pub(super) map: PieceMap,
}

/// Why a script cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueScript {
    /// The reason.
    pub reason: String,
    /// Where in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// The definition of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellFunction {
    /// Its name.
    pub name: String,
    /// All of it in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// A variable that is read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// Its name.
    pub name: String,
    /// What is done with it.
    pub access: VariableAccess,
    /// The expansion, the assignment or the name in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// What is done with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableAccess {
    /// It is expanded.
    Read,
    /// It is set for the rest of the script: by an assignment alone, `read`, `for`, `local` and their like.
    Write,
    /// It is exported, with or without a value.
    Export,
    /// It is set for one command: an assignment before a program.
    Temporary,
    /// It is removed.
    Unset,
}

impl ShellScript {
    /// Where a range of bytes of `source` is in the Dockerfile.
    ///
    /// A range that spans a continuation includes it. An empty range stays beside the text before it.
    pub fn range(&self, range: Range<usize>) -> TextRange {
        self.map.range(range)
    }
}
