//! Instructions with their meaning.

mod command;
mod copy;
mod duration;
mod from;
mod health;
mod mount;
mod onbuild;
mod pairs;
mod run;

use std::ops::RangeInclusive;

use crate::diagnostic::Diagnostic;
use crate::flag::{Flag, FlagKind, Flags};
use crate::heredoc::Heredoc;
use crate::joined::Joined;
use crate::keyword::Keyword;
use crate::node::{Node, Values};
use crate::text::TextRange;

pub use crate::instruction::command::CommandForm;
pub use crate::instruction::copy::{CopyInstruction, CopySource};
pub use crate::instruction::from::FromInstruction;
pub use crate::instruction::health::{HealthCommand, Healthcheck};
pub use crate::instruction::mount::{MountError, MountField, mount_fields};
pub use crate::instruction::onbuild::OnbuildInstruction;
pub use crate::instruction::pairs::{ArgDeclaration, KeyValue};
pub use crate::instruction::run::{RunInstruction, RunScript};

/// One logical line and its heredocs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its first word.
    pub keyword: Keyword,
    /// Where its first word is.
    pub keyword_range: TextRange,
    /// Where it is, heredocs included, without the line ending after it.
    pub range: TextRange,
    /// The number of its first line, from 1.
    pub line: usize,
    /// The number of its last line, heredocs included.
    pub last_line: usize,
    /// Its flags.
    pub flags: Vec<Flag>,
    /// Where its arguments are, after the flags and without the heredocs.
    pub arguments: TextRange,
    /// What it says.
    pub kind: InstructionKind,
    /// Its heredocs, in order.
    pub heredocs: Vec<Heredoc>,
    /// The text of the arguments, with continued lines joined.
    pub original: String,
    /// The whole logical line, keyword and flags included, joined: BuildKit's `Node.Original`.
    pub logical_line: String,
    /// The comments directly above it, without `#`.
    pub comments: Vec<String>,
}

/// What an instruction says. Variables are not expanded yet, and words keep their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `FROM`
    From(FromInstruction),
    /// `RUN`
    Run(RunInstruction),
    /// `CMD`
    Cmd(CommandForm),
    /// `ENTRYPOINT`
    Entrypoint(CommandForm),
    /// `LABEL`
    Label(Vec<KeyValue>),
    /// `ENV`
    Env(Vec<KeyValue>),
    /// `ARG`
    Arg(Vec<ArgDeclaration>),
    /// `COPY`
    Copy(CopyInstruction),
    /// `ADD`
    Add(CopyInstruction),
    /// `EXPOSE`, sorted
    Expose(Vec<String>),
    /// `VOLUME`
    Volume(Vec<String>),
    /// `USER`
    User(String),
    /// `WORKDIR`
    Workdir(String),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`
    Stopsignal(String),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `ONBUILD`
    Onbuild(OnbuildInstruction),
    /// `MAINTAINER`
    Maintainer(String),
    /// The keyword is not one of the language.
    Unknown,
    /// The keyword is known, and the rest is wrong: a diagnostic says how.
    Invalid,
}

/// A logical line to understand.
pub(crate) struct Source<'a> {
    pub(crate) node: &'a Node,
    pub(crate) joined: &'a Joined,
    pub(crate) range: TextRange,
    pub(crate) lines: RangeInclusive<usize>,
    pub(crate) comments: Vec<String>,
}

/// Understands a logical line.
pub(crate) fn understand(
    source: Source<'_>,
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Instruction {
    let Source {
        node,
        joined,
        range,
        lines,
        comments,
    } = source;
    let flags: Vec<Flag> = node.flags.iter().map(|flag| flag.flag(joined)).collect();
    let kind = kind(node, joined, &heredocs, diagnostics);
    Instruction {
        keyword: node.keyword,
        keyword_range: joined.source(node.word.range.clone()),
        range,
        line: *lines.start(),
        last_line: *lines.end(),
        flags,
        arguments: joined.source(node.arguments.clone()),
        kind,
        heredocs,
        original: joined.text()[node.arguments.clone()].to_owned(),
        logical_line: joined.text().to_owned(),
        comments,
    }
}

/// What the readers of one instruction need.
#[derive(Debug, Clone, Copy)]
struct Arguments<'a> {
    keyword: Keyword,
    values: &'a Values,
    joined: &'a Joined,
    heredocs: &'a [Heredoc],
    /// The keyword's word, for problems without a better place.
    place: &'a TextRange,
}

impl Arguments<'_> {
    fn source(&self, range: &TextRange) -> TextRange {
        self.joined.source(range.clone())
    }

    /// An error about the instruction as a whole.
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place.clone(), message)
    }

    /// The words, or the strings of a JSON array.
    fn words(&self) -> Vec<String> {
        match self.values {
            Values::Nothing
            | Values::Ignored
            | Values::Pairs(_)
            | Values::Health(..)
            | Values::Trigger(_) => Vec::new(),
            Values::Text(word) => vec![word.text.clone()],
            Values::Words(words) => words.iter().map(|word| word.text.clone()).collect(),
            Values::Json(strings) => strings.clone(),
        }
    }

    fn at_least_one_word(&self) -> Result<Vec<String>, Diagnostic> {
        let words = self.words();
        if words.is_empty() {
            return Err(self.error(format!("{} requires at least one argument", self.keyword)));
        }
        Ok(words)
    }

    fn one_text(&self) -> Result<String, Diagnostic> {
        match self.words().as_slice() {
            [text] => Ok(text.clone()),
            _ => Err(self.error(format!("{} requires exactly one argument", self.keyword))),
        }
    }
}

fn kind(
    node: &Node,
    joined: &Joined,
    heredocs: &[Heredoc],
    diagnostics: &mut Vec<Diagnostic>,
) -> InstructionKind {
    let place = joined.source(node.word.range.clone());
    if node.keyword == Keyword::Unknown {
        let word = &node.word.text;
        diagnostics.push(
            Diagnostic::error(place, format!("unknown instruction: {word}"))
                .with_suggestion(word, Keyword::ALL.map(Keyword::as_str)),
        );
        return InstructionKind::Unknown;
    }
    let before = diagnostics.len();
    let flags: Vec<Flag> = node.flags.iter().map(|flag| flag.flag(joined)).collect();
    let flags = Flags::check(&flags, known_flags(node), diagnostics);
    let values = match &node.values {
        Ok(values) => values,
        Err(error) => {
            let range = joined.source(error.range.clone());
            diagnostics.push(Diagnostic::error(range, &error.message));
            return InstructionKind::Invalid;
        }
    };
    let arguments = Arguments {
        keyword: node.keyword,
        values,
        joined,
        heredocs,
        place: &place,
    };
    match read(arguments, &flags, diagnostics) {
        Ok(kind) if diagnostics.len() == before || is_only_warned(&diagnostics[before..]) => kind,
        Ok(_) => InstructionKind::Invalid,
        Err(problem) => {
            diagnostics.push(problem);
            InstructionKind::Invalid
        }
    }
}

fn is_only_warned(diagnostics: &[Diagnostic]) -> bool {
    use crate::diagnostic::Severity;
    diagnostics
        .iter()
        .all(|diagnostic| diagnostic.severity == Severity::Warning)
}

/// The flags that an instruction may have. `HEALTHCHECK NONE` ignores its flags, whatever they are.
fn known_flags(node: &Node) -> &'static [(&'static str, FlagKind)] {
    match node.keyword {
        Keyword::Add => &[
            ("chown", FlagKind::Text),
            ("chmod", FlagKind::Text),
            ("link", FlagKind::Boolean),
            ("keep-git-dir", FlagKind::Boolean),
            ("checksum", FlagKind::Text),
            ("unpack", FlagKind::Boolean),
            ("exclude", FlagKind::List),
        ],
        Keyword::Copy => &[
            ("chown", FlagKind::Text),
            ("from", FlagKind::Text),
            ("chmod", FlagKind::Text),
            ("link", FlagKind::Boolean),
            ("parents", FlagKind::Boolean),
            ("exclude", FlagKind::List),
        ],
        Keyword::From => &[("platform", FlagKind::Text)],
        Keyword::Healthcheck => &[
            ("interval", FlagKind::Text),
            ("timeout", FlagKind::Text),
            ("start-period", FlagKind::Text),
            ("start-interval", FlagKind::Text),
            ("retries", FlagKind::Text),
        ],
        Keyword::Run => &[
            ("mount", FlagKind::List),
            ("network", FlagKind::Text),
            ("security", FlagKind::Text),
            ("device", FlagKind::List),
        ],
        Keyword::Arg
        | Keyword::Cmd
        | Keyword::Entrypoint
        | Keyword::Env
        | Keyword::Expose
        | Keyword::Label
        | Keyword::Maintainer
        | Keyword::Onbuild
        | Keyword::Shell
        | Keyword::Stopsignal
        | Keyword::User
        | Keyword::Volume
        | Keyword::Workdir
        | Keyword::Unknown => &[],
    }
}

fn read(
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<InstructionKind, Diagnostic> {
    Ok(match arguments.keyword {
        Keyword::Add => InstructionKind::Add(copy::add(arguments, flags)?),
        Keyword::Arg => InstructionKind::Arg(pairs::declarations(arguments)?),
        Keyword::Cmd => InstructionKind::Cmd(command::form(arguments.values)),
        Keyword::Copy => InstructionKind::Copy(copy::copy(arguments, flags)?),
        Keyword::Entrypoint => InstructionKind::Entrypoint(command::form(arguments.values)),
        Keyword::Env => InstructionKind::Env(pairs::key_values(arguments)?),
        Keyword::Expose => {
            let mut ports = arguments.at_least_one_word()?;
            ports.sort();
            InstructionKind::Expose(ports)
        }
        Keyword::From => InstructionKind::From(from::from(arguments, flags)?),
        Keyword::Healthcheck => {
            InstructionKind::Healthcheck(health::healthcheck(arguments, flags)?)
        }
        Keyword::Label => InstructionKind::Label(pairs::key_values(arguments)?),
        Keyword::Maintainer => InstructionKind::Maintainer(arguments.one_text()?),
        Keyword::Onbuild => InstructionKind::Onbuild(onbuild::onbuild(arguments, diagnostics)?),
        Keyword::Run => InstructionKind::Run(run::run(arguments, flags, diagnostics)),
        Keyword::Shell => InstructionKind::Shell(command::shell(arguments)?),
        Keyword::Stopsignal => InstructionKind::Stopsignal(arguments.one_text()?),
        Keyword::User => InstructionKind::User(arguments.one_text()?),
        Keyword::Volume => InstructionKind::Volume(command::volumes(arguments)?),
        Keyword::Workdir => InstructionKind::Workdir(arguments.one_text()?),
        Keyword::Unknown => InstructionKind::Unknown,
    })
}
