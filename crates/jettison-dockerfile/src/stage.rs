//! Build stages, and which of them a target needs.

mod reach;

use std::ops::Range;

pub use crate::stage::reach::SourceName;
pub(crate) use crate::stage::reach::named_sources;

use crate::diagnostic::Diagnostic;
use crate::instruction::{FromInstruction, InstructionKind};
use crate::keyword::Keyword;
use crate::parser::Parse;

/// The stages of a Dockerfile.
#[derive(Debug, Clone)]
pub struct StageGraph {
    /// The `ARG` instructions before the first stage.
    pub global_args: Vec<usize>,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// What is wrong with the order of the instructions.
    pub diagnostics: Vec<Diagnostic>,
}

/// A build stage: a `FROM` and the instructions after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its position, from 0.
    pub index: usize,
    /// Its name in lower case.
    pub name: Option<String>,
    /// Its `FROM` among the instructions.
    pub from: usize,
    /// The instructions after its `FROM`.
    pub instructions: Range<usize>,
    /// A named context of its name takes its place: it is not built, and who names it gets the context.
    pub is_replaced: bool,
}

impl Stage {
    /// What messages call it: its name, or one made of its position.
    pub fn label(&self) -> String {
        let unnamed = || format!("stage-{}", self.index);
        self.name.clone().unwrap_or_else(unnamed)
    }
}

/// Groups the instructions of a Dockerfile into stages.
pub fn stages(parse: &Parse) -> StageGraph {
    let mut graph = StageGraph {
        global_args: Vec::new(),
        stages: Vec::new(),
        diagnostics: Vec::new(),
    };
    for (index, instruction) in parse.instructions().iter().enumerate() {
        // A broken `FROM` still starts a stage, so that what follows is not said to be outside of one.
        if instruction.keyword == Keyword::From {
            let name = from_of(&instruction.kind).and_then(|from| from.name.clone());
            let name = name.map(String::from);
            let position = graph.stages.len();
            let instructions = index + 1..index + 1;
            graph.stages.push(Stage {
                index: position,
                name,
                from: index,
                instructions,
                is_replaced: false,
            });
        } else if let Some(stage) = graph.stages.last_mut() {
            stage.instructions.end = index + 1;
        } else if instruction.keyword == Keyword::Arg {
            graph.global_args.push(index);
        } else if instruction.keyword != Keyword::Unknown {
            let place = instruction.keyword_range.clone();
            graph.diagnostics.push(
                Diagnostic::error(place, "no build stage in current context")
                    .with_hint("start the Dockerfile with FROM; only ARG may come before it"),
            );
        }
    }
    if graph.stages.is_empty() {
        let message = "dockerfile contains no stages to build";
        graph
            .diagnostics
            .push(Diagnostic::error(0..parse.text().len(), message));
    }
    graph
}

pub(crate) fn from_of(kind: &InstructionKind) -> Option<&FromInstruction> {
    if let InstructionKind::From(from) = kind {
        Some(from)
    } else {
        None
    }
}

impl StageGraph {
    /// The same where named contexts take the places of stages of their names (BuildKit: `toDispatchState`,
    /// dockerfile2llb/convert.go). Case does not matter.
    #[must_use]
    pub fn with_named_contexts(mut self, names: &[&str]) -> StageGraph {
        for stage in &mut self.stages {
            let of_stage = stage.name.as_deref().unwrap_or_default();
            stage.is_replaced = names.iter().any(|name| name.eq_ignore_ascii_case(of_stage));
        }
        self
    }

    /// Finds a stage as `COPY --from` does.
    ///
    /// A number is a position and never a name. Case does not matter; of several stages with one name the last
    /// one is found (BuildKit: `findStateByName`, dockerfile2llb/convert.go).
    pub fn find(&self, name_or_index: &str) -> Option<&Stage> {
        if let Some(index) = position(name_or_index) {
            return self.stages.get(usize::try_from(index).ok()?);
        }
        self.named(name_or_index)
    }

    /// Finds a stage by its name; case does not matter.
    fn named(&self, name: &str) -> Option<&Stage> {
        let name = name.to_lowercase();
        self.stages
            .iter()
            .rfind(|stage| stage.name.as_ref() == Some(&name))
    }

    /// Finds a stage before position `before` as `FROM` does: the text must be the name in lower case.
    pub fn stage_before(&self, name: &str, before: usize) -> Option<&Stage> {
        let earlier = &self.stages[..before.min(self.stages.len())];
        earlier
            .iter()
            .rfind(|stage| stage.name.as_deref() == Some(name))
    }

    /// The stages' names.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(|stage| stage.name.as_deref())
    }
}

/// Reads a stage's position as Go's `strconv.Atoi` does: a sign is allowed.
fn position(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    #[test]
    fn stages_take_the_instructions_after_their_from() {
        let parse = parse("ARG V=1\nFROM a AS One\nRUN x\nRUN y\nFROM one\nFROM b AS one\nCMD z\n");
        let graph = stages(&parse);
        assert_eq!(graph.diagnostics, []);
        assert_eq!(graph.global_args, [0]);
        let ranges: Vec<_> = graph
            .stages
            .iter()
            .map(|stage| stage.instructions.clone())
            .collect();
        assert_eq!(ranges, [2..4, 5..5, 6..7]);
        assert_eq!(graph.find("ONE").map(|stage| stage.index), Some(2));
        assert_eq!(graph.find("1").map(|stage| stage.index), Some(1));
        assert_eq!(graph.find("3"), None);
        assert_eq!(graph.find("-1"), None);
        assert_eq!(
            graph.stage_before("one", 2).map(|stage| stage.index),
            Some(0)
        );
        assert_eq!(graph.stage_before("One", 2), None);
        assert_eq!(graph.stage_before("one", 0), None);
        assert_eq!(
            graph.stage_before("one", 99).map(|stage| stage.index),
            Some(2)
        );
    }

    #[test]
    fn what_stands_before_the_first_stage_is_an_error() {
        let messages = |text: &str| -> Vec<String> {
            stages(&parse(text))
                .diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.message)
                .collect()
        };
        assert_eq!(
            messages("RUN x\nFROM a\n"),
            ["no build stage in current context"]
        );
        assert_eq!(
            messages("ARG A\n"),
            ["dockerfile contains no stages to build"]
        );
    }
}
