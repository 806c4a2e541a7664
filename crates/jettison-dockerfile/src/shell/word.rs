//! A word of a command.

use std::ops::Range;

use crate::text::TextRange;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellWord {
    /// As written.
    pub text: String,
    /// Its value without quotes, if there is no expansion in it. Patterns, braces and `~` stay as they are.
    pub literal: Option<String>,
    /// An unquoted `*`, `?`, `[…]` or `{a,b}` in it: it may stand for several words.
    pub has_glob: bool,
    /// It starts with an unquoted `~`, which stands for a home directory.
    pub has_tilde: bool,
    /// Where it is in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
    /// The names of the variables that it reads, in order, not those of commands substituted in it.
    pub variables: Vec<String>,
    /// The expansions in it, outermost only, in order.
    pub expansions: Vec<ShellExpansion>,
}

/// An expansion in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellExpansion {
    /// What is expanded.
    pub kind: ExpansionKind,
    /// It is inside double quotes, so its result stays one word.
    pub quoted: bool,
    /// Where it is in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// What an expansion expands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpansionKind {
    /// `$A`, `${A}`, `${A:-b}`, `$1`, `$?`
    Parameter,
    /// `$( … )` or backticks
    Command,
    /// `$(( … ))`
    Arithmetic,
    /// `<( … )` or `>( … )`
    Process,
    /// `$'…'` or `$"…"`, whose meaning depends on the shell
    Quote,
    /// `(a b)` after `NAME=`
    Array,
}
