//! The words of an instruction that BuildKit expands, and what they use.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluate::Evaluated;
use crate::evaluate::mount::mount_problem;
use crate::expand::{ExpandError, Expansion, expand_heredoc_with_matches, expand_with_matches};
use crate::flag::Flag;
use crate::instruction::{
    CopyInstruction, CopySource, Healthcheck, Instruction, InstructionKind, RunInstruction,
    mount_fields,
};
use crate::quote::quoted;
use crate::scope::Scope;
use crate::text::TextRange;

/// Words that have been expanded so far.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Vec<String>,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
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
                self.words.push(expansion.0.clone());
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
                self.unmatched.extend(expansion.unmatched);
                Some((expansion.text, expansion.words))
            }
            Err(error) => {
                let message = format!("failed to process {}: {error}", quoted(word));
                self.errors.push(Diagnostic::error(place.clone(), message));
                None
            }
        }
    }

    pub(super) fn evaluated(self, before: Arc<Scope>) -> Evaluated {
        Evaluated {
            before,
            words: self.words,
            matched: self.matched,
            unmatched: self.unmatched,
        }
    }

    /// Expands the words of an instruction as its `Expand` in BuildKit does (instructions/commands.go).
    pub(super) fn instruction(
        &mut self,
        instruction: &Instruction,
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) {
        let place = &instruction.range;
        match &instruction.kind {
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
                        self.words.extend(words);
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
            InstructionKind::Run(run) => self.mounts(run, &instruction.flags, escape, lookup),
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
                        self.note(&text, place, result)
                    });
                    let expanded = expanded.flatten().map(|(text, _)| text);
                    self.words.push(expanded.unwrap_or(text));
                }
            }
        }
        self.expand(&copy.destination, place, escape, lookup);
    }

    fn mounts(
        &mut self,
        run: &RunInstruction,
        flags: &[Flag],
        escape: char,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) {
        let flags = flags.iter().filter(|flag| flag.name == "mount");
        for (mount, flag) in run.mounts.iter().zip(flags) {
            let place = flag.value_range.as_ref().unwrap_or(&flag.range);
            let Ok(written) = mount_fields(mount) else {
                continue;
            };
            let n_errors = self.errors.len();
            let mut fields = written.clone();
            for field in &mut fields {
                let Some(value) = &field.value else {
                    self.words.push(field.key.clone());
                    continue;
                };
                // `from` is never expanded, and one with a variable is refused.
                if field.key != "from" {
                    let expanded = self.expand_split(value, place, escape, lookup);
                    field.value = Some(expanded.map(|(text, _)| text).unwrap_or_default());
                }
                let value = field.value.as_deref().unwrap_or_default();
                self.words.push(format!("{}={value}", field.key));
            }
            if self.errors.len() == n_errors {
                self.errors.extend(mount_problem(&written, &fields, place));
            }
        }
    }
}
