//! Words whose variables are replaced.

use jettison_dockerfile::{expand as replace, expand_heredoc, expand_words};

use crate::lower::quote::quoted;
use crate::lower::{LowerError, Lowering, Place, StageState};

/// What a word sees of a variable.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces the variables of a word; an error is in BuildKit's words (`ProcessWord`, shell/lex.go).
pub(super) fn expand(word: &str, escape: char, lookup: Lookup<'_>) -> Result<String, String> {
    replace(word, escape, lookup)
        .map_err(|error| format!("failed to process {}: {error}", quoted(word)))
}

impl StageState {
    fn lookup(&self, name: &str) -> Option<String> {
        self.scope.lookup(name).map(str::to_owned)
    }
}

impl Lowering<'_> {
    pub(super) fn expand(
        &self,
        state: &StageState,
        place: Place<'_>,
        word: &str,
    ) -> Result<String, LowerError> {
        self.expand_word(state, word)
            .map_err(|message| self.error(place, &message))
    }

    /// The same where the caller says what an error is about.
    pub(super) fn expand_word(&self, state: &StageState, word: &str) -> Result<String, String> {
        expand(word, self.parse.escape(), &|name| state.lookup(name))
    }

    /// Replaces the variables of a word that may be there or not; an empty one is not.
    pub(super) fn expand_flag(
        &self,
        state: &StageState,
        place: Place<'_>,
        word: Option<&str>,
    ) -> Result<Option<String>, LowerError> {
        let Some(word) = word else { return Ok(None) };
        let value = self.expand(state, place, word)?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// The words that one word becomes.
    pub(super) fn expand_words(
        &self,
        state: &StageState,
        place: Place<'_>,
        word: &str,
    ) -> Result<Vec<String>, LowerError> {
        expand_words(word, self.parse.escape(), &|name| state.lookup(name)).map_err(|error| {
            self.error(
                place,
                &format!("failed to process {}: {error}", quoted(word)),
            )
        })
    }

    /// Replaces the variables in the content of a file.
    pub(super) fn expand_content(
        &self,
        state: &StageState,
        place: Place<'_>,
        content: &str,
    ) -> Result<String, LowerError> {
        expand_heredoc(content, &|name| state.lookup(name)).map_err(|error| {
            self.error(
                place,
                &format!("failed to process {}: {error}", quoted(content)),
            )
        })
    }
}
