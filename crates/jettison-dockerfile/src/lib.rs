//! Dockerfiles: text in, a lossless tree, typed instructions and build stages out.
//!
//! [`parse`] never fails: what is wrong comes as [`Diagnostic`]s. [`stages`] groups the instructions,
//! [`expand`](fn@expand) replaces variables, [`IgnoreFile`] reads `.dockerignore`, and [`apply`] changes a text.
//! The rules are those of BuildKit's Dockerfile frontend, version 1.26.

#![forbid(unsafe_code)]

mod checks;
mod diagnostic;
mod directive;
mod dump;
mod edit;
mod evaluate;
mod expand;
mod few;
mod flag;
mod git_reference;
mod heredoc;
mod ignore;
mod instruction;
mod joined;
mod json;
mod keyword;
mod layered;
mod meaning;
mod node;
mod outline;
mod parser;
mod platform;
mod quote;
mod refusal;
mod scope;
mod shell;
mod source_text;
mod stage;
mod suggest;
mod text;
mod token;
mod word;

pub use crate::checks::{
    Applicability, Category, Change, CheckInput, CheckOptions, CheckReport, Finding, Fixed,
    OptionsError, Proposal, Rule, RuleId, Status, Withdrawn, check, find_rule, fix, rules,
};
pub use crate::diagnostic::{Diagnostic, Severity};
pub use crate::directive::Directive;
pub use crate::edit::{ApplyError, Edit, EditSet, OverlappingEdits, apply};
pub use crate::evaluate::{
    BaseImage, BuildTarget, Evaluated, Evaluation, Given, StageEvaluation, Triggered,
    UnsetVariable, evaluate, evaluate_target, platform_args, platform_args_of,
};
pub use crate::expand::{
    ExpandError, Expansion, expand, expand_heredoc, expand_heredoc_with_matches,
    expand_with_matches, expand_words,
};
pub use crate::few::Few;
pub use crate::flag::Flag;
pub use crate::git_reference::{GitMtime, GitReference, GitReferenceError};
pub use crate::heredoc::Heredoc;
pub use crate::ignore::{IgnoreDirectory, IgnoreError, IgnoreFile, ignore_file_names};
pub use crate::instruction::{
    ArgDeclaration, CommandForm, CopyInstruction, CopySource, FromInstruction, HealthCommand,
    Healthcheck, Instruction, InstructionKind, KeyValue, MountError, MountField,
    OnbuildInstruction, RunInstruction, RunScript, mount_fields,
};
pub use crate::json::exec_form;
pub use crate::keyword::{Keyword, UnknownKeyword};
pub use crate::meaning::{Meaning, meaning};
pub use crate::outline::{Outline, OutlineArg, OutlineMount, Target, outline, targets};
pub use crate::parser::{Parse, parse};
pub use crate::platform::{Platform, PlatformError};
pub use crate::refusal::{
    MountKind, MountSharing, MountValues, SourceAddress, digest_problem, exposed_ports,
    is_owner_by_name, is_signal, mode_problem, mount_values, reference_problem,
};
pub use crate::scope::{KnownImage, Scope, WorkingDirectory};
pub use crate::shell::{
    Assignment, CompoundCommand, Connector, ExpansionKind, HeredocBody, Nesting, OpaqueScript,
    Redirect, RedirectKind, Separator, ShellDirectory, ShellExpansion, ShellFunction, ShellOption,
    ShellOptions, ShellScript, ShellWord, SimpleCommand, VariableAccess, VariableUse,
    is_posix_shell, shell_script,
};
pub use crate::source_text::SourceText;
pub use crate::stage::{SourceName, Stage, StageGraph, stages};
pub use crate::suggest::did_you_mean;
pub use crate::text::{TextRange, line_column};
pub use crate::token::{SyntaxKind, Token};
