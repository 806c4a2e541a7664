//! Why a Dockerfile cannot be lowered.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    BuildTarget, Diagnostic, Given, Instruction, InstructionKind, Parse, Severity, StageGraph,
    TextRange, evaluate_target, line_column,
};

use crate::lower::arguments::predefined;
use crate::lower::request::LowerRequest;

/// Why a Dockerfile cannot be lowered. All of these are for its author to fix.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// The text has errors.
    #[error("the Dockerfile has {} error{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Syntax(Vec<Located>),
    /// One instruction cannot be carried out.
    #[error("{0}")]
    Instruction(Located),
    /// A base image could not be had.
    #[error("line {line}: cannot get base image `{name}`")]
    Base {
        /// The first line of the instruction that names it.
        line: usize,
        /// The name, expanded.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The wanted stage does not exist.
    #[error("target stage {0:?} could not be found")]
    NoTarget(String),
    /// A named context stands for a stage that does not exist.
    #[error(
        "the named context `{context}` is `target:{stage}`, which is no stage: {}",
        stages_there_are(.known)
    )]
    NoContextStage {
        /// The context's name.
        context: String,
        /// The name that no stage has.
        stage: String,
        /// Those that stages have.
        known: Vec<String>,
    },
    /// The time of the image could not be had.
    #[error("cannot find out what SOURCE_DATE_EPOCH={value} stands for")]
    Epoch {
        /// What the argument says.
        value: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn stages_there_are(names: &[String]) -> String {
    match names {
        [] => "no stage has a name".to_owned(),
        [name] => format!("there is only {name}"),
        names => format!("there are {}", names.join(", ")),
    }
}

/// A message with its place in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes of the text that are meant; if absent, the instruction on that line.
    pub range: Option<TextRange>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl std::fmt::Display for Located {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// A message about a whole instruction.
pub(super) fn about(parse: &Parse, instruction: &Instruction, message: &str) -> Located {
    let (line, column) = line_column(parse.text(), instruction.range.start);
    Located {
        line,
        column,
        range: Some(instruction.range.clone()),
        message: message.to_string(),
        hints: Vec::new(),
    }
}

pub(super) fn locate(parse: &Parse, diagnostic: &Diagnostic) -> Located {
    let (line, column) = line_column(parse.text(), diagnostic.range.start);
    Located {
        line,
        column,
        range: Some(diagnostic.range.clone()),
        message: diagnostic.message.clone(),
        hints: diagnostic.hints.clone(),
    }
}

/// Refuses what is wrong with the text, and with what the stages say that `target` needs, all of it at once.
///
/// Images are not asked for: a word that depends on what one sets is looked at when its instruction is lowered.
pub(super) fn refuse_errors(
    parse: &Parse,
    graph: &StageGraph,
    target: Option<usize>,
    request: &LowerRequest,
) -> Result<(), LowerError> {
    // BuildKit reads all of the text before it looks at what it says, so that is wrong first (`dockerfile2llb.toDispatchState`).
    let of_text = parse.diagnostics().iter();
    let mut of_text: Vec<Diagnostic> = of_text.cloned().collect();
    of_text.sort_by_key(|diagnostic| diagnostic.range.start);
    let mut diagnostics = graph.diagnostics.clone();
    if let Some(target) = target.filter(|_| !overrides_predefined(parse, graph, request)) {
        let args = all_args(graph, request);
        let given = Given {
            args: &args,
            images: &|_| None,
        };
        let target = BuildTarget::Stage(target);
        diagnostics.extend(evaluate_target(parse, graph, &given, target).diagnostics);
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.range.start);
    let mut errors: Vec<Located> = of_text
        .iter()
        .chain(&diagnostics)
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| locate(parse, diagnostic))
        .collect();
    match errors.len() {
        0 => Ok(()),
        1 if !parse.has_errors() && graph.diagnostics.is_empty() => {
            Err(LowerError::Instruction(errors.swap_remove(0)))
        }
        _ => Err(LowerError::Syntax(errors)),
    }
}

/// Says whether a build argument wins over the default that an `ARG` gives to a predefined argument. Evaluation takes the
/// default; lowering knows better, and finds the same errors.
fn overrides_predefined(parse: &Parse, graph: &StageGraph, request: &LowerRequest) -> bool {
    let predefined = predefined(graph, request);
    let is_given = |name: &str| request.build_args.contains_key(name);
    let mut declarations = parse.instructions().iter().flat_map(|instruction| {
        let InstructionKind::Arg(declarations) = &instruction.kind else {
            return [].iter();
        };
        declarations.iter()
    });
    declarations.any(|declaration| {
        let name: &str = &declaration.name;
        declaration.default.is_some() && is_given(name) && predefined.contains_key(name)
    })
}

/// The build arguments, and what is predefined.
fn all_args(graph: &StageGraph, request: &LowerRequest) -> BTreeMap<String, String> {
    let mut args = predefined(graph, request);
    args.extend(request.build_args.clone());
    args
}

pub(super) fn target_stage(
    graph: &StageGraph,
    request: &LowerRequest,
) -> Result<usize, LowerError> {
    match &request.target {
        Some(name) => graph
            .target(Some(name))
            .map(|stage| stage.index)
            .map_err(|_| LowerError::NoTarget(name.clone())),
        None => graph.stages.len().checked_sub(1).ok_or_else(|| {
            LowerError::Syntax(vec![Located {
                line: 1,
                column: 1,
                range: None,
                message: "dockerfile contains no stages to build".to_string(),
                hints: Vec::new(),
            }])
        }),
    }
}
