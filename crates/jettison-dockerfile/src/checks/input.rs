//! What a rule looks at.

use std::cell::OnceCell;

use crate::checks::image_name::ImageName;
use crate::diagnostic::{Diagnostic, Severity};
use crate::evaluate::{
    BaseImage, BuildTarget, Evaluated, Evaluation, Given, StageEvaluation, evaluate,
    evaluate_target, find_word,
};
use crate::expand::expand_with_matches;
use crate::ignore::IgnoreFile;
use crate::instruction::{Instruction, InstructionKind, RunScript};
use crate::parser::Parse;
use crate::shell::{ShellScript, is_posix_shell, shell_script};
use crate::stage::{Stage, StageGraph};
use crate::text::TextRange;

/// A Dockerfile that has been read and followed, and what is known of its surroundings.
#[derive(Debug)]
pub struct CheckInput<'a> {
    /// The Dockerfile.
    pub parse: &'a Parse,
    /// Its stages.
    pub graph: &'a StageGraph,
    /// What its instructions find.
    pub evaluation: Evaluation,
    /// The ignore file of the build context, if there is one and it is known.
    pub ignore: Option<&'a IgnoreFile>,
    /// Says whether the build context is known to have no ignore file.
    pub is_without_ignore_file: bool,
    /// The position of the stage that is built.
    pub target: usize,
    given: Given<'a>,
    /// The script of each instruction, read when first asked for.
    scripts: Vec<OnceCell<Option<ShellScript>>>,
}

impl<'a> CheckInput<'a> {
    /// Follows a Dockerfile whose last stage is built.
    pub fn new(parse: &'a Parse, graph: &'a StageGraph, given: &Given<'a>) -> CheckInput<'a> {
        CheckInput {
            given: *given,
            parse,
            graph,
            evaluation: evaluate(parse, graph, given),
            ignore: None,
            is_without_ignore_file: false,
            target: graph.stages.len().saturating_sub(1),
            scripts: parse
                .instructions()
                .iter()
                .map(|_| OnceCell::new())
                .collect(),
        }
    }

    /// The same with the ignore file of the build context.
    #[must_use]
    pub fn with_ignore_file(mut self, ignore: Option<&'a IgnoreFile>) -> CheckInput<'a> {
        self.ignore = ignore;
        self
    }

    /// The same with a build context that is known to have no ignore file.
    #[must_use]
    pub fn without_ignore_file(mut self) -> CheckInput<'a> {
        self.ignore = None;
        self.is_without_ignore_file = true;
        self
    }

    /// The same with another stage as the one that is built.
    #[must_use]
    pub fn with_target(mut self, target: usize) -> CheckInput<'a> {
        if target != self.target {
            self.target = target;
            self.evaluate(BuildTarget::Stage(target));
        }
        self
    }

    /// The same where the last stage is built, and what is wrong with the others is an error, too.
    #[must_use]
    pub fn with_all_stages(mut self) -> CheckInput<'a> {
        self.target = self.graph.stages.len().saturating_sub(1);
        self.evaluate(BuildTarget::AllStages);
        self
    }

    fn evaluate(&mut self, target: BuildTarget) {
        self.evaluation = evaluate_target(self.parse, self.graph, &self.given, target);
    }

    /// What is wrong with the text, with the order of its instructions and with its words.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics = self.parse.diagnostics().to_vec();
        diagnostics.extend(self.graph.diagnostics.iter().cloned());
        diagnostics.extend(self.evaluation.diagnostics.iter().cloned());
        diagnostics.sort_by_key(|diagnostic| diagnostic.range.start);
        diagnostics
    }

    /// The first error that BuildKit would find; it reads the whole text before it looks at what the words mean.
    pub fn first_error(&self) -> Option<Diagnostic> {
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        let of_text = self
            .parse
            .diagnostics()
            .iter()
            .chain(&self.graph.diagnostics);
        let first = of_text
            .filter(is_error)
            .min_by_key(|diagnostic| diagnostic.range.start);
        let first = first.or_else(|| self.evaluation.diagnostics.iter().find(is_error));
        first.cloned()
    }

    /// The architecture of the machine that builds, which a platform without one means.
    pub(super) fn build_architecture(&self) -> &str {
        let known = self.evaluation.predefined.get("BUILDARCH");
        known.map_or("amd64", String::as_str)
    }

    /// The stages, in order.
    pub(super) fn stages(&self) -> impl Iterator<Item = StageView<'_>> {
        let pairs = self.graph.stages.iter().zip(&self.evaluation.stages);
        pairs.map(|(stage, evaluation)| StageView {
            input: self,
            stage,
            evaluation,
        })
    }

    /// The script of an instruction, if it has one.
    pub(super) fn script(&self, index: usize) -> Option<&ShellScript> {
        let instruction = self.parse.instructions().get(index)?;
        let script = self.scripts.get(index)?;
        script
            .get_or_init(|| shell_script(self.parse.text(), self.parse.escape(), instruction))
            .as_ref()
    }

    /// Says whether the layers of a stage are part of the image that is built: it is the target, or a stage that
    /// the target is `FROM`, directly or not.
    pub(super) fn ships(&self, stage: usize) -> bool {
        let mut current = self.target;
        loop {
            if current == stage {
                return true;
            }
            match self.evaluation.stages.get(current).map(|stage| &stage.base) {
                Some(&BaseImage::Stage(base)) if base < current => current = base,
                Some(
                    BaseImage::Stage(_)
                    | BaseImage::Scratch
                    | BaseImage::Image(_)
                    | BaseImage::Unknown,
                )
                | None => return false,
            }
        }
    }
}

/// How many stages on top of each other a rule looks at.
const TALLEST: usize = 50;

/// A stage as a rule sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StageView<'a> {
    input: &'a CheckInput<'a>,
    pub(super) stage: &'a Stage,
    pub(super) evaluation: &'a StageEvaluation,
}

impl<'a> StageView<'a> {
    /// Its `FROM`.
    pub(super) fn from(&self) -> &'a Instruction {
        &self.input.parse.instructions()[self.stage.from]
    }

    /// Says whether its layers are part of the image that is built.
    pub(super) fn ships(&self) -> bool {
        self.input.ships(self.stage.index)
    }

    /// The stages that it is `FROM`, the nearest first, and itself before them; of a tower that nobody builds by hand
    /// only the top.
    pub(super) fn chain(&self) -> Vec<StageView<'a>> {
        std::iter::successors(Some(*self), StageView::below)
            .take(TALLEST)
            .collect()
    }

    /// The stage that it is `FROM`.
    fn below(&self) -> Option<StageView<'a>> {
        let BaseImage::Stage(base) = self.evaluation.base else {
            return None;
        };
        (base < self.stage.index).then(|| StageView {
            input: self.input,
            stage: &self.input.graph.stages[base],
            evaluation: &self.input.evaluation.stages[base],
        })
    }

    /// The same from the bottom up: what an earlier one makes, a later one finds.
    pub(super) fn lineage(&self) -> Vec<StageView<'a>> {
        let mut lineage = self.chain();
        lineage.reverse();
        lineage
    }

    /// What the stage stands on in the end, local stages looked through.
    pub(super) fn root(&self) -> &'a BaseImage {
        let chain = std::iter::successors(Some(*self), StageView::below);
        let bottom = chain.last().unwrap_or(*self);
        &bottom.evaluation.base
    }

    /// The name of the image that the stage stands on in the end, if the text tells it.
    pub(super) fn root_image(&self) -> Option<ImageName<'a>> {
        match self.root() {
            BaseImage::Image(reference) => ImageName::of(reference),
            BaseImage::Scratch | BaseImage::Stage(_) | BaseImage::Unknown => None,
        }
    }

    /// Its instructions with what they find, in order, without its `FROM`.
    pub(super) fn instructions(&self) -> impl DoubleEndedIterator<Item = InstructionView<'a>> {
        let view = *self;
        let range = self.evaluation.instructions.clone();
        range
            .zip(&self.evaluation.evaluated)
            .map(move |(index, evaluated)| InstructionView {
                index,
                instruction: &view.input.parse.instructions()[index],
                evaluated,
                input: view.input,
            })
    }

    /// The same as it is written, once expanded.
    pub(super) fn root_reference(&self) -> Option<&'a str> {
        match self.root() {
            BaseImage::Image(image) => Some(image),
            BaseImage::Scratch | BaseImage::Stage(_) | BaseImage::Unknown => None,
        }
    }

    /// Says whether it is built for Windows, as far as the text tells it.
    pub(super) fn is_windows(&self) -> bool {
        let is_named = self.root_image().is_some_and(|image| image.is_windows());
        let chain = self.chain();
        let mut platforms = chain
            .iter()
            .filter_map(|stage| stage.evaluation.platform.as_deref());
        self.input.parse.escape() == '`'
            || is_named
            || platforms.any(|platform| platform.starts_with("windows"))
    }

    /// Its `RUN`s whose script a POSIX shell reads, and we can, too.
    pub(super) fn run_scripts(
        &self,
    ) -> impl Iterator<Item = (InstructionView<'a>, &'a ShellScript)> {
        let is_windows = self.is_windows();
        self.scripts().filter(move |(view, _)| {
            !is_windows
                && matches!(view.instruction.kind, InstructionKind::Run(_))
                && view.runs_in_posix_shell()
        })
    }

    /// Its `RUN`s, and other instructions with a script, whose script can be read.
    pub(super) fn scripts(&self) -> impl Iterator<Item = (InstructionView<'a>, &'a ShellScript)> {
        self.instructions().filter_map(|view| {
            let script = view.script()?;
            script.opaque.is_none().then_some((view, script))
        })
    }
}

/// An instruction as a rule sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstructionView<'a> {
    /// Its position among the file's instructions.
    pub(super) index: usize,
    pub(super) instruction: &'a Instruction,
    pub(super) evaluated: &'a Evaluated,
    input: &'a CheckInput<'a>,
}

impl<'a> InstructionView<'a> {
    /// Its script, if it has one.
    pub(super) fn script(&self) -> Option<&'a ShellScript> {
        self.input.script(self.index)
    }

    /// The program that reads its script, if the Dockerfile names one: that of `SHELL`, or of a first line `#!`.
    pub(super) fn named_shell(&self) -> Option<String> {
        if let InstructionKind::Run(run) = &self.instruction.kind
            && let RunScript::File { content, .. } = run.script(&self.instruction.heredocs)
        {
            let line = content.lines().next().unwrap_or_default();
            let mut words = line.trim_start_matches("#!").split_whitespace();
            let program = words.next().unwrap_or_default();
            return if program.ends_with("/env") {
                words.find(|word| !word.starts_with('-')).map(str::to_owned)
            } else {
                Some(program.to_owned())
            };
        }
        self.evaluated.before.shell.as_ref()?.first().cloned()
    }

    /// Says whether its script is one for a POSIX shell, as far as the text tells.
    pub(super) fn runs_in_posix_shell(&self) -> bool {
        match self.named_shell() {
            Some(program) => is_posix_shell(&program),
            None => self
                .input
                .stages()
                .find(|view| view.evaluation.instructions.contains(&self.index))
                .is_none_or(|view| !view.is_windows()),
        }
    }

    /// The value of a word of the instruction, if all variables in it have one that the text tells.
    pub(super) fn known_value(&self, word: &str) -> Option<String> {
        let escape = self.input.parse.escape();
        let scope = &self.evaluated.before;
        let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
        let expansion = expand_with_matches(word, escape, &lookup).ok()?;
        expansion.unmatched.is_empty().then_some(expansion.text)
    }

    /// Where a word of the arguments, or of the flags, is; all arguments if it cannot be found as it stands.
    pub(super) fn place_of(&self, word: &str) -> TextRange {
        let whole = self.instruction.keyword_range.end..self.instruction.range.end;
        find_word(self.input.parse.text(), &whole, word)
            .unwrap_or_else(|| self.instruction.arguments.clone())
    }
}
