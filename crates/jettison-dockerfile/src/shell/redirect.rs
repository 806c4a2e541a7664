//! Redirects.

use std::ops::Range;

use crate::shell::word::ShellWord;
use crate::text::TextRange;

/// A redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What it does.
    pub kind: RedirectKind,
    /// The number before the operator, if there is one.
    pub file_descriptor: Option<u32>,
    /// The word after the operator: a file, a file descriptor, a heredoc's delimiter, or a text.
    pub target: ShellWord,
    /// The body of a heredoc.
    pub body: Option<HeredocBody>,
    /// All of it in the Dockerfile, but not a heredoc's body.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// What a redirect does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    /// `<`
    Input,
    /// `>`
    Output,
    /// `>>`
    Append,
    /// `>|`
    Clobber,
    /// `<>`
    InputOutput,
    /// `&>`, and `>&` with a file
    OutputAndError,
    /// `&>>`
    AppendOutputAndError,
    /// `<&`
    DuplicateInput,
    /// `>&` with a file descriptor or `-`
    DuplicateOutput,
    /// `<<`
    Heredoc,
    /// `<<-`
    HeredocWithoutTabs,
    /// `<<<`
    HereString,
}

/// The body of a heredoc of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeredocBody {
    /// Where it is in the Dockerfile, without the line that ends it.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
    /// Variables and substitutions in it are expanded: no part of the delimiter is quoted.
    pub expand: bool,
}

impl RedirectKind {
    pub(super) fn is_heredoc(self) -> bool {
        matches!(
            self,
            RedirectKind::Heredoc | RedirectKind::HeredocWithoutTabs
        )
    }
}
