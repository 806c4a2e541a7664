//! The words of an instruction that BuildKit expands, and what they use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluate::mount::mount_problem;
use crate::evaluate::{Evaluated, UnsetVariable};
use crate::expand::{ExpandError, Expansion, expand_heredoc_with_matches, expand_with_matches};
use crate::flag::Flag;
use crate::instruction::{
    CopyInstruction, CopySource, Healthcheck, Instruction, InstructionKind, RunInstruction,
    mount_fields,
};
use crate::quote::quoted;
use crate::scope::Scope;
use crate::suggest::closest;
use crate::text::TextRange;

/// Words that have been expanded so far.
#[derive(Debug, Default)]
pub(crate) struct Words {
    expanded: Vec<String>,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
    unset: Vec<UnsetVariable>,
    /// So many of them are settled.
    settled: usize,
    /// The base image, which is not known, may set any variable: `${NAME:?}` is no error then.
    pub(crate) base_may_set: bool,
    pub(crate) errors: Vec<Diagnostic>,
}

impl Words {
    /// Expands one word; an error is noted, and no value returned.
    pub(crate) fn expand(
        &mut self,
        word: &str,
        place: &TextRange,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Option<String> {
        self.expand_split(word, place, escape, lookup)
            .map(|expansion| {
                self.expanded.push(expansion.0.clone());
                expansion.0
            })
    }

    /// Expands one word into its text and its words, without noting the result.
    fn expand_split(
        &mut self,
        word: &str,
        place: &TextRange,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Option<(String, Vec<String>)> {
        self.note(word, place, expand_with_matches(word, escape, lookup))
    }

    /// Notes what a word has used, or that it cannot be expanded.
    fn note(
        &mut self,
        word: &str,
        place: &TextRange,
        result: Result<Expansion, ExpandError>,
    ) -> Option<(String, Vec<String>)> {
        match result {
            Ok(expansion) => {
                self.matched.extend(expansion.matched);
                let unset = expansion.unmatched.iter().map(|name| UnsetVariable {
                    name: name.clone(),
                    place: place.clone(),
                    is_declared: false,
                    closest: None,
                });
                self.unset.extend(unset);
                self.unmatched.extend(expansion.unmatched);
                Some((expansion.text, expansion.words))
            }
            Err(ExpandError::Required { .. }) if self.base_may_set => None,
            Err(error) => {
                let message = format!("failed to process {}: {error}", quoted(word));
                self.errors.push(Diagnostic::error(place.clone(), message));
                None
            }
        }
    }

    /// The names of the variables in all words so far.
    pub(super) fn variables(&self) -> BTreeSet<String> {
        self.matched.union(&self.unmatched).cloned().collect()
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

    /// Expands the words of an instruction as its `Expand` in BuildKit does (instructions/commands.go).
    pub(super) fn instruction(
        &mut self,
        kind: &InstructionKind,
        of: Place<'_>,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) {
        let place = of.range;
        match kind {
            InstructionKind::Label(pairs) => {
                for pair in pairs {
                    self.expand(&pair.key, &pair.key_range, escape, lookup);
                    self.expand(&pair.value, &pair.value_range, escape, lookup);
                }
            }
            InstructionKind::Copy(copy) | InstructionKind::Add(copy) => {
                self.copy(copy, place, escape, lookup);
            }
            InstructionKind::Expose(ports) => {
                for port in ports {
                    if let Some((_, words)) = self.expand_split(port, place, escape, lookup) {
                        self.expanded.extend(words);
                    }
                }
            }
            InstructionKind::Volume(paths) => {
                for path in paths {
                    self.expand(path, place, escape, lookup);
                }
            }
            InstructionKind::Stopsignal(signal) => {
                self.expand(signal, place, escape, lookup);
            }
            InstructionKind::Run(run) => self.mounts(run, of, escape, lookup),
            InstructionKind::From(_)
            | InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Healthcheck(Healthcheck::None | Healthcheck::Command(_))
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {}
        }
    }

    fn copy(
        &mut self,
        copy: &CopyInstruction,
        place: &TextRange,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) {
        for flag in [&copy.chown, &copy.chmod, &copy.checksum]
            .into_iter()
            .flatten()
        {
            self.expand(flag, place, escape, lookup);
        }
        for source in &copy.sources {
            match source {
                CopySource::Path(path) => {
                    self.expand(path, place, escape, lookup);
                }
                CopySource::Heredoc(heredoc) => {
                    let text = heredoc.text();
                    let expanded = heredoc.expand.then(|| {
                        let result = expand_heredoc_with_matches(&text, lookup);
                        self.note(&text, &heredoc.body, result)
                    });
                    let expanded = expanded.flatten().map(|(text, _)| text);
                    self.expanded.push(expanded.unwrap_or(text));
                }
            }
        }
        self.expand(&copy.destination, place, escape, lookup);
    }

    fn mounts(
        &mut self,
        run: &RunInstruction,
        of: Place<'_>,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) {
        let mut flags = of.flags.iter().filter(|flag| flag.name == "mount");
        for mount in &run.mounts {
            let flag = flags.next();
            let place = flag.map_or(of.range, |flag| {
                flag.value_range.as_ref().unwrap_or(&flag.range)
            });
            let Ok(written) = mount_fields(mount) else {
                continue;
            };
            let n_errors = self.errors.len();
            let mut fields = written.clone();
            for field in &mut fields {
                let Some(value) = &field.value else {
                    self.expanded.push(field.key.clone());
                    continue;
                };
                // `from` is never expanded, and one with a variable is refused.
                if field.key != "from" {
                    let expanded = self.expand_split(value, place, escape, lookup);
                    field.value = Some(expanded.map(|(text, _)| text).unwrap_or_default());
                }
                let value = field.value.as_deref().unwrap_or_default();
                self.expanded.push(format!("{}={value}", field.key));
            }
            if self.errors.len() == n_errors {
                self.errors.extend(mount_problem(&written, &fields, place));
            }
        }
    }
}

/// Where the words of an instruction are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The whole instruction.
    pub(super) range: &'a TextRange,
    /// Its flags; none if it is a trigger that comes from elsewhere.
    pub(super) flags: &'a [Flag],
}

impl<'a> From<&'a Instruction> for Place<'a> {
    fn from(instruction: &'a Instruction) -> Place<'a> {
        Place {
            range: &instruction.range,
            flags: &instruction.flags,
        }
    }
}
