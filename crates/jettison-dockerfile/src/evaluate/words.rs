//! Words that are expanded, and what they use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluate::place::{Place, Spot};
use crate::evaluate::{Evaluated, UnsetVariable};
use crate::expand::{ExpandError, Expansion, expand_heredoc_with_matches, expand_with_matches};
use crate::heredoc::Heredoc;
use crate::quote::quoted;
use crate::scope::Scope;
use crate::stage::SourceName;
use crate::suggest::closest;

/// The words of an instruction that have been expanded so far.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(super) expanded: Vec<String>,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
    unset: Vec<UnsetVariable>,
    /// So many of them are settled.
    settled: usize,
    /// What is wrong; the first is what BuildKit says.
    pub(super) errors: Vec<Diagnostic>,
}

/// Says why files cannot be taken from a stage, if the name is one of a stage that comes too late.
pub(super) type Late<'a> = &'a dyn Fn(&SourceName) -> Option<String>;

/// What the words of an instruction can see.
pub(super) struct Site<'a> {
    pub(super) place: Place<'a>,
    pub(super) escape: char,
    /// The value of a variable.
    pub(super) value: &'a dyn Fn(&str) -> Option<String>,
    /// Says whether a variable may have another value, or one where there seems to be none.
    pub(super) is_open: &'a dyn Fn(&str) -> bool,
    pub(super) late: Late<'a>,
}

/// A word that has been expanded.
#[derive(Debug)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The same, split at white space that is not quoted.
    pub(super) words: Vec<String>,
    /// Says whether the text tells all that the word depends on.
    pub(super) is_known: bool,
}

impl Expanded {
    /// Its text, if that is known for certain.
    pub(super) fn known(self) -> Option<String> {
        self.is_known.then_some(self.text)
    }
}

impl Words {
    /// Expands one word; an error is noted, and no value returned.
    pub(super) fn expand(
        &mut self,
        word: &str,
        spot: Spot<'_>,
        site: &Site<'_>,
    ) -> Option<Expanded> {
        let expanded = self.expand_unlisted(word, spot, site)?;
        self.expanded.push(expanded.text.clone());
        Some(expanded)
    }

    /// The same without listing the word.
    pub(super) fn expand_unlisted(
        &mut self,
        word: &str,
        spot: Spot<'_>,
        site: &Site<'_>,
    ) -> Option<Expanded> {
        let result = expand_with_matches(word, site.escape, site.value);
        self.note(word, spot, result, site)
    }

    /// Expands the content of a heredoc.
    pub(super) fn heredoc(&mut self, heredoc: &Heredoc, site: &Site<'_>) {
        let text = heredoc.text();
        let expanded = heredoc.expand.then(|| {
            let result = expand_heredoc_with_matches(&text, site.value);
            // BuildKit's errors show the instruction.
            let place = result
                .as_ref()
                .map_or(site.place.range(), |_| &heredoc.body);
            self.note(&text, Spot::At(place), result, site)
        });
        let expanded = expanded.flatten().map(|expanded| expanded.text);
        self.expanded.push(expanded.unwrap_or(text));
    }

    /// Notes what a word has used, or that it cannot be expanded.
    fn note(
        &mut self,
        word: &str,
        spot: Spot<'_>,
        result: Result<Expansion, ExpandError>,
        site: &Site<'_>,
    ) -> Option<Expanded> {
        match result {
            Ok(expansion) => {
                let unset = expansion.unmatched.iter().map(|name| UnsetVariable {
                    name: name.clone(),
                    place: site.place.rough(spot),
                    is_declared: false,
                    closest: None,
                });
                self.unset.extend(unset);
                let mut used = expansion.matched.iter().chain(&expansion.unmatched);
                let is_known = !used.any(|name| (site.is_open)(name));
                self.matched.extend(expansion.matched);
                self.unmatched.extend(expansion.unmatched);
                Some(Expanded {
                    text: expansion.text,
                    words: expansion.words,
                    is_known,
                })
            }
            Err(ExpandError::Required { name, .. }) if (site.is_open)(&name) => None,
            Err(error) => {
                let message = format!("failed to process {}: {error}", quoted(word));
                self.refuse(spot, message, site);
                None
            }
        }
    }

    /// Notes that something is wrong with a word.
    pub(super) fn refuse(&mut self, spot: Spot<'_>, message: impl Into<String>, site: &Site<'_>) {
        let error = Diagnostic::error(site.place.exact(spot), message);
        self.errors.push(error);
    }

    /// The names of the variables in all words so far.
    pub(super) fn variables(&self) -> BTreeSet<String> {
        self.matched.union(&self.unmatched).cloned().collect()
    }

    /// The names of those without a value.
    pub(super) fn unset_names(&self) -> impl Iterator<Item = &str> {
        self.unmatched.iter().map(String::as_str)
    }

    /// Compares the variables without a value in the latest words with what they could see.
    pub(super) fn settle(&mut self, scope: &Scope) {
        if self.settled == self.unset.len() {
            return;
        }
        let names: Vec<&str> = if scope.is_crowded() {
            Vec::new()
        } else {
            scope.names().collect()
        };
        // One name may come up many times.
        let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
        for variable in &mut self.unset[self.settled..] {
            let name = &variable.name;
            variable.is_declared = scope.declares(name);
            let found = known
                .entry(name.clone())
                .or_insert_with(|| closest(name, names.iter().copied()).map(str::to_owned));
            variable.closest.clone_from(found);
        }
        self.settled = self.unset.len();
    }

    /// The same before the first stage, where some names are predefined and those without a value count, too.
    pub(super) fn settle_globally(&mut self, global: &Scope, predefined: &[&str]) {
        let declared = global.declarations().into_iter().map(|(name, _)| name);
        let known: Vec<&str> = declared.chain(predefined.iter().copied()).collect();
        for variable in &mut self.unset[self.settled..] {
            variable.is_declared = known.contains(&variable.name.as_str());
            let options = known.iter().copied();
            variable.closest = closest(&variable.name, options).map(str::to_owned);
        }
        self.settled = self.unset.len();
    }

    pub(super) fn evaluated(self, before: Arc<Scope>) -> Evaluated {
        Evaluated {
            before,
            words: self.expanded,
            matched: self.matched,
            unmatched: self.unmatched,
            unset: self.unset,
        }
    }
}
