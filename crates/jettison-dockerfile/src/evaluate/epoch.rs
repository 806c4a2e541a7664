//! `SOURCE_DATE_EPOCH`: a number, `context`, or a stage that does nothing but download one thing (BuildKit:
//! `resolveSourceDateEpochState` and `sourceDateEpochStageSource`, dockerfile2llb/epoch.go).

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::evaluate::Walk;
use crate::expand::expand;
use crate::instruction::{ArgDeclaration, CopyInstruction, CopySource, InstructionKind};
use crate::quote::quoted;
use crate::refusal::{SourceAddress, digest_problem};
use crate::stage::{Stage, from_of};
use crate::text::TextRange;

const NAME: &str = "SOURCE_DATE_EPOCH";

impl Walk<'_> {
    /// Looks at the date that the build is to pretend.
    pub(super) fn epoch(&mut self) {
        let Some(value) = self.global_value(NAME).or_else(|| {
            // A build argument counts also if nothing declares it.
            self.given.args.get(NAME).cloned()
        }) else {
            return;
        };
        let is_plain = value.is_empty() || value.parse::<i64>().is_ok() || value == "context";
        if is_plain || self.is_global_open(NAME) {
            return;
        }
        let is_named = |stage: &&Stage| {
            let name = stage.name.as_deref().unwrap_or_default();
            name.eq_ignore_ascii_case(&value)
        };
        let (place, message) = match self.graph.stages.iter().find(is_named) {
            Some(stage) if stage.is_replaced => return,
            Some(stage) => match self.source_stage_problem(stage) {
                Some(message) => {
                    let place = self.parse.instructions()[stage.from].range.clone();
                    (place, message)
                }
                None => return,
            },
            None => (self.epoch_place(), format!("invalid {NAME}: {value}")),
        };
        self.problems.epoch = Some(Diagnostic::error(place, message));
    }

    /// The last global `ARG` of that name, or the start of the file.
    fn epoch_place(&self) -> TextRange {
        let globals = self.graph.global_args.iter().rev();
        let mut instructions = globals.filter_map(|&index| self.parse.instructions().get(index));
        let place = instructions.find_map(|instruction| {
            let InstructionKind::Arg(declarations) = &instruction.kind else {
                return None;
            };
            let declaration = declarations
                .iter()
                .rfind(|argument| argument.name == NAME)?;
            Some(declaration.range.clone())
        });
        place.unwrap_or(0..0)
    }

    /// Says why a stage does not tell a date.
    fn source_stage_problem(&self, stage: &Stage) -> Option<String> {
        let instructions = self.parse.instructions();
        // What is broken is an error already.
        let from = from_of(&instructions[stage.from].kind)?;
        let mut own = Own {
            walk: self,
            args: BTreeMap::new(),
        };
        match own.expand(&from.base) {
            Ok(base) if base == "scratch" => {}
            Ok(_) => return Some(format!("{NAME} stage must use FROM scratch")),
            Err(problem) => {
                let base = quoted(&from.base);
                return Some(format!(
                    "failed to process source stage base name {base}: {problem}"
                ));
            }
        }
        let mut has_source = false;
        for instruction in &instructions[stage.instructions.clone()] {
            let problem = match &instruction.kind {
                InstructionKind::Arg(declarations) => own.declare(declarations),
                InstructionKind::Add(_) if has_source => Some(exactly_one()),
                InstructionKind::Add(add) => {
                    has_source = true;
                    own.add_problem(add)
                }
                InstructionKind::Unknown | InstructionKind::Invalid => return None,
                InstructionKind::From(_)
                | InstructionKind::Run(_)
                | InstructionKind::Cmd(_)
                | InstructionKind::Entrypoint(_)
                | InstructionKind::Label(_)
                | InstructionKind::Env(_)
                | InstructionKind::Copy(_)
                | InstructionKind::Expose(_)
                | InstructionKind::Volume(_)
                | InstructionKind::User(_)
                | InstructionKind::Workdir(_)
                | InstructionKind::Shell(_)
                | InstructionKind::Stopsignal(_)
                | InstructionKind::Healthcheck(_)
                | InstructionKind::Onbuild(_)
                | InstructionKind::Maintainer(_) => Some(format!(
                    "{NAME} stage does not meet source-only requirements: unsupported {} instruction",
                    instruction.keyword
                )),
            };
            if problem.is_some() {
                return problem;
            }
        }
        (!has_source).then(exactly_one)
    }
}

fn exactly_one() -> String {
    format!("{NAME} stage must contain exactly one remote ADD")
}

/// The variables of such a stage: the global ones but this, and its own.
struct Own<'a> {
    walk: &'a Walk<'a>,
    args: BTreeMap<&'a str, String>,
}

impl<'a> Own<'a> {
    fn expand(&self, word: &str) -> Result<String, String> {
        let lookup = |name: &str| {
            let own = self.args.get(name).cloned();
            own.or_else(|| self.walk.global_value(name).filter(|_| name != NAME))
        };
        expand(word, self.walk.parse.escape(), &lookup)
            .map_err(|error| format!("failed to process {}: {error}", quoted(word)))
    }

    fn declare(&mut self, declarations: &'a [ArgDeclaration]) -> Option<String> {
        for ArgDeclaration { name, default, .. } in declarations {
            let given = self.walk.given_argument(name).cloned();
            let value = match (given, default) {
                (Some(given), _) => given,
                (None, Some(default)) => match self.expand(default) {
                    Ok(value) => value,
                    Err(problem) => return Some(problem),
                },
                (None, None) => continue,
            };
            self.args.insert(name, value);
        }
        None
    }

    /// BuildKit: `sourceDateEpochAddSource`.
    fn add_problem(&self, add: &CopyInstruction) -> Option<String> {
        let [CopySource::Path(source)] = add.sources.as_slice() else {
            return Some(format!("{} source", exactly_one()));
        };
        let source = match self.expand(source) {
            Ok(source) => source,
            Err(problem) => return Some(problem),
        };
        let checksum = match add
            .checksum
            .as_deref()
            .map(|checksum| self.expand(checksum))
        {
            Some(Err(problem)) => Some(problem),
            Some(Ok(checksum)) => digest_problem(&checksum).map(str::to_owned),
            None => None,
        };
        match SourceAddress::of(&source) {
            SourceAddress::Url { .. } => checksum,
            // Its checksum is a commit.
            SourceAddress::Git(_) => {
                checksum.filter(|problem| problem.starts_with("failed to process"))
            }
            SourceAddress::Broken { problem, .. } => Some(problem),
            SourceAddress::Path { .. } => Some(format!(
                "{NAME} stage source must be a single HTTP(S) or Git ADD"
            )),
        }
    }
}
