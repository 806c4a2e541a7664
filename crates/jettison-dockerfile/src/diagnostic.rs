//! What is wrong with a text.

use crate::suggest::did_you_mean;
use crate::text::TextRange;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The Dockerfile cannot be built.
    Error,
    /// The Dockerfile can be built, but does something that it should not.
    Warning,
}

/// Something that is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub range: TextRange,
    /// What it is, in BuildKit's words where it has some.
    pub message: String,
    /// What the user may do about it.
    pub hints: Vec<String>,
}

impl Diagnostic {
    pub(crate) fn error(range: TextRange, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            range,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    pub(crate) fn warning(range: TextRange, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            ..Diagnostic::error(range, message)
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hints.push(hint.into());
        self
    }

    /// Adds "did you mean" if one of `options` is close to `word`.
    pub(crate) fn with_suggestion<'a>(
        self,
        word: &str,
        options: impl IntoIterator<Item = &'a str>,
    ) -> Diagnostic {
        match did_you_mean(word, options) {
            Some(option) => self.with_hint(format!("did you mean `{option}`?")),
            None => self,
        }
    }
}
