//! Instructions that change what later ones find.

use crate::evaluate::Walk;
use crate::evaluate::place::{Place, Spot};
use crate::evaluate::words::{Expanded, Words};
use crate::instruction::{ArgDeclaration, Healthcheck, Instruction, InstructionKind, KeyValue};
use crate::keyword::Keyword;
use crate::scope::Scope;
use crate::text::TextRange;

/// Says whether an instruction changes what later ones find.
pub(super) fn changes_scope(kind: &InstructionKind) -> bool {
    matches!(
        kind,
        InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
    )
}

/// Says whether an instruction cannot be read, and might change what later ones find if it could.
pub(super) fn is_broken(instruction: &Instruction) -> bool {
    matches!(
        instruction.kind,
        InstructionKind::Unknown | InstructionKind::Invalid
    ) && matches!(
        instruction.keyword,
        Keyword::Arg | Keyword::Env | Keyword::Workdir | Keyword::Unknown
    )
}

impl Walk<'_> {
    /// Applies an instruction that changes what later ones find.
    pub(super) fn apply(
        &self,
        kind: &InstructionKind,
        scope: &mut Scope,
        words: &mut Words,
        place: Place<'_>,
    ) {
        match kind {
            InstructionKind::Env(pairs) => self.set_env(pairs, scope, words, place),
            InstructionKind::Arg(declarations) => {
                for declaration in declarations {
                    self.declare(declaration, scope, words, place);
                }
            }
            InstructionKind::Workdir(path) => {
                let path = self.word(path, Spot::Argument(path), scope, (words, place));
                let is_known = path.as_ref().is_some_and(|path| path.is_known);
                let path = path.as_ref().map_or("", |path| &path.text);
                scope.change_dir(path, is_known);
            }
            InstructionKind::User(user) => {
                let user = self.word(user, Spot::Argument(user), scope, (words, place));
                scope.user = user.map(|user| user.text);
            }
            InstructionKind::Shell(argv) => scope.shell = Some(argv.clone()),
            InstructionKind::From(_)
            | InstructionKind::Run(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Label(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Expose(_)
            | InstructionKind::Volume(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(Healthcheck::None | Healthcheck::Command(_))
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {}
        }
        words.settle(scope);
    }

    fn set_env(&self, pairs: &[KeyValue], scope: &mut Scope, words: &mut Words, place: Place<'_>) {
        // All words see the values from before the instruction.
        let before = scope.clone();
        for pair in pairs {
            let mut expand = |word: &str, range: &TextRange| {
                self.word(word, Spot::At(range), &before, (words, place))
            };
            let key = expand(&pair.key, &pair.key_range);
            let value = expand(&pair.value, &pair.value_range);
            match (key, value) {
                (Some(key), Some(value)) => {
                    let is_known = key.is_known && value.is_known;
                    scope.set_env(&key.text, &value.text);
                    if !is_known {
                        scope.leave_open(&key.text);
                    }
                }
                (Some(key), None) => scope.leave_open(&key.text),
                (None, _) => {}
            }
        }
        words.settle(&before);
    }

    /// Expands one word of an instruction that changes what later ones find.
    fn word(
        &self,
        word: &str,
        spot: Spot<'_>,
        scope: &Scope,
        (words, place): (&mut Words, Place<'_>),
    ) -> Option<Expanded> {
        self.with_site(scope, (place, &|_| None), |site| {
            words.expand(word, spot, site)
        })
    }

    /// Declares an argument, which has the value that is given, its default, or the global one.
    fn declare(
        &self,
        declaration: &ArgDeclaration,
        scope: &mut Scope,
        words: &mut Words,
        place: Place<'_>,
    ) {
        let name = &declaration.name;
        let (value, is_known) = if let Some(value) = self.given_argument(name) {
            (Some(value.clone()), true)
        } else if let Some(default) = &declaration.default {
            let spot = Spot::At(&declaration.range);
            let value = self.word(default, spot, scope, (words, place));
            let is_known = value.as_ref().is_some_and(|value| value.is_known);
            (value.map(|value| value.text), is_known)
        } else {
            (self.global_value(name), !self.is_global_open(name))
        };
        words.settle(scope);
        scope.declare(declaration, value.as_deref());
        if !is_known {
            scope.leave_open(name);
        }
    }
}
