//! Instructions with their meaning.

mod command;
mod copy;
mod device;
mod duration;
mod from;
mod health;
mod mount;
mod onbuild;
mod pairs;
mod run;

use crate::diagnostic::{Diagnostic, Severity};
use crate::few::Few;
use crate::flag::{Flag, FlagKind, Flags};
use crate::heredoc::Heredoc;
use crate::joined::Joined;
use crate::keyword::Keyword;
use crate::node::{Node, NodeError, Values};
use crate::source_text::SourceText;
use crate::text::{TextRange, upper};
use crate::word::Word;

pub(crate) use crate::instruction::device::{is_boolean, is_true};
pub(crate) use crate::instruction::mount::comma_separated;

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
    pub flags: Few<Flag>,
    /// Where its arguments are, after the flags and without the heredocs.
    pub arguments: TextRange,
    /// What it says.
    pub kind: InstructionKind,
    /// Its heredocs, in order.
    pub heredocs: Few<Heredoc>,
    /// The whole logical line, keyword and flags included, joined: BuildKit's `Node.Original`.
    pub logical_line: SourceText,
    /// The comments directly above it, without `#`.
    pub comments: Few<SourceText>,
    // Invariant: lies in the logical line, between characters.
    original: TextRange,
}

impl Instruction {
    /// The text of the arguments, with continued lines joined.
    pub fn original(&self) -> &str {
        &self.logical_line[self.original.clone()]
    }
}

/// What an instruction says. Variables are not expanded yet, and words keep their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `FROM`
    From(Box<FromInstruction>),
    /// `RUN`
    Run(Box<RunInstruction>),
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
    Copy(Box<CopyInstruction>),
    /// `ADD`
    Add(Box<CopyInstruction>),
    /// `EXPOSE`, sorted
    Expose(Vec<SourceText>),
    /// `VOLUME`
    Volume(Vec<SourceText>),
    /// `USER`
    User(SourceText),
    /// `WORKDIR`
    Workdir(SourceText),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`
    Stopsignal(SourceText),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `ONBUILD`
    Onbuild(Box<OnbuildInstruction>),
    /// `MAINTAINER`
    Maintainer(SourceText),
    /// The keyword is not one of the language.
    Unknown,
    /// The keyword is known, and the rest is wrong: a diagnostic says how.
    Invalid,
}

/// What is known of a logical line besides what it says.
pub(crate) struct Source {
    pub(crate) logical_line: SourceText,
    pub(crate) range: TextRange,
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    pub(crate) comments: Few<SourceText>,
    pub(crate) heredocs: Few<Heredoc>,
}

/// Understands a logical line.
pub(crate) fn understand(
    source: Source,
    mut node: Node<'_>,
    joined: &Joined<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Instruction {
    let line = &source.logical_line;
    let flags = flags(&node, line, joined);
    let (keyword, arguments) = (node.keyword, node.arguments.clone());
    let keyword_range = joined.source(node.word.range.clone());
    let context = Context {
        keyword,
        joined,
        line,
        heredocs: &source.heredocs,
        place: &keyword_range,
    };
    let kind = kind(&context, &node.word, &mut node.values, &flags, diagnostics);
    Instruction {
        keyword,
        keyword_range,
        range: source.range,
        line: source.first_line,
        last_line: source.last_line,
        flags,
        arguments: joined.source(arguments.clone()),
        original: arguments,
        kind,
        heredocs: source.heredocs,
        logical_line: source.logical_line,
        comments: source.comments,
    }
}

fn flags(node: &Node<'_>, line: &SourceText, joined: &Joined<'_>) -> Few<Flag> {
    if node.flags.is_empty() {
        return Few::new();
    }
    let flags = node.flags.iter().map(|flag| flag.flag(line, joined));
    flags.collect()
}

/// What the readers of one instruction need besides its arguments.
#[derive(Debug)]
struct Context<'a> {
    keyword: Keyword,
    joined: &'a Joined<'a>,
    /// The text of `joined`.
    line: &'a SourceText,
    heredocs: &'a [Heredoc],
    /// The keyword's word, for problems without a better place.
    place: &'a TextRange,
}

impl Context<'_> {
    fn source(&self, range: &TextRange) -> TextRange {
        self.joined.source(range.clone())
    }

    /// The text of a word, shared.
    fn text(&self, word: &Word<'_>) -> SourceText {
        let start = word.range.start;
        self.line.slice(start..start + word.text.len())
    }

    /// An error about the instruction as a whole.
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place.clone(), message)
    }

    fn needs_an_argument(&self) -> Diagnostic {
        self.error(format!("{} requires at least one argument", self.keyword))
    }

    fn at_least_one_word(&self, values: &mut Values<'_>) -> Result<Vec<SourceText>, Problem> {
        let words = self.words(values);
        if words.is_empty() {
            return Err(Problem::first(self.needs_an_argument()));
        }
        Ok(words)
    }

    /// The words, or the strings of a JSON array.
    fn words(&self, values: &mut Values<'_>) -> Vec<SourceText> {
        match values {
            Values::Nothing
            | Values::Ignored
            | Values::Pairs(_)
            | Values::Health(_)
            | Values::Trigger(_) => Vec::new(),
            Values::Text(word) => vec![self.text(word)],
            Values::Blanks(list) => list.words().map(|word| self.text(&word)).collect(),
            Values::Words(words) => words.map(|word| self.text(&word)).collect(),
            Values::Json(strings) => strings.drain(..).map(SourceText::from).collect(),
        }
    }

    fn one_text(&self, values: &Values<'_>) -> Result<SourceText, Problem> {
        if let Values::Text(word) = values {
            return Ok(self.text(word));
        }
        let message = format!("{} requires exactly one argument", self.keyword);
        Err(Problem::first(self.error(message)))
    }
}

/// Why an instruction is refused, and when BuildKit finds out.
#[derive(Debug)]
enum Problem {
    /// Before it looks at the flags.
    First(Box<Diagnostic>),
    /// After that.
    Later(Box<Diagnostic>),
}

impl Problem {
    fn first(problem: Diagnostic) -> Problem {
        Problem::First(Box::new(problem))
    }
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Problem {
        Problem::Later(Box::new(diagnostic))
    }
}

fn kind(
    context: &Context<'_>,
    word: &Word<'_>,
    values: &mut Result<Values<'_>, Box<NodeError>>,
    flags: &[Flag],
    diagnostics: &mut Vec<Diagnostic>,
) -> InstructionKind {
    let keyword = context.keyword;
    if keyword == Keyword::Unknown {
        let word = word.text;
        diagnostics.push(
            context
                .error(format!("unknown instruction: {word}"))
                .with_suggestion(word, Keyword::ALL.map(Keyword::as_str)),
        );
        return InstructionKind::Unknown;
    }
    let values = match values {
        Ok(values) => values,
        Err(error) => {
            let range = context.source(&error.range);
            let message = std::mem::take(&mut error.message);
            diagnostics.push(Diagnostic::error(range, message));
            return InstructionKind::Invalid;
        }
    };
    let first = diagnostics.len();
    let flags = if ignores_flags(values, keyword) {
        Flags::ignored()
    } else {
        Flags::check(flags, known_flags(keyword), diagnostics)
    };
    let result = read(context, values, &flags, diagnostics);
    let mut problems = diagnostics[first..].iter();
    let is_refused = problems.any(|problem| problem.severity == Severity::Error);
    match result {
        Ok(kind) if !is_refused => kind,
        Ok(_) => InstructionKind::Invalid,
        Err(Problem::First(problem)) => {
            diagnostics.insert(first, *problem);
            InstructionKind::Invalid
        }
        Err(Problem::Later(problem)) => {
            diagnostics.push(*problem);
            InstructionKind::Invalid
        }
    }
}

/// Says whether BuildKit does not look at the flags (BuildKit: `parseArg`, `parseStopSignal` and
/// `parseHealthcheck`, instructions/parse.go).
fn ignores_flags(values: &Values<'_>, keyword: Keyword) -> bool {
    match values {
        Values::Health(health) => upper(health.kind.text) == "NONE",
        _ => matches!(keyword, Keyword::Arg | Keyword::Stopsignal),
    }
}

/// The flags that an instruction may have.
fn known_flags(keyword: Keyword) -> &'static [(&'static str, FlagKind)] {
    match keyword {
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
    context: &Context<'_>,
    values: &mut Values<'_>,
    flags: &Flags<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<InstructionKind, Problem> {
    Ok(match context.keyword {
        Keyword::Add => InstructionKind::Add(copy::add(context, values, flags)?),
        Keyword::Arg => InstructionKind::Arg(pairs::declarations(context, values)?),
        Keyword::Cmd => InstructionKind::Cmd(command::form(context, values)),
        Keyword::Copy => InstructionKind::Copy(copy::copy(context, values, flags)?),
        Keyword::Entrypoint => InstructionKind::Entrypoint(command::form(context, values)),
        Keyword::Env => InstructionKind::Env(pairs::key_values(context, values)?),
        Keyword::Expose => {
            let mut ports = context.at_least_one_word(values)?;
            ports.sort();
            InstructionKind::Expose(ports)
        }
        Keyword::From => InstructionKind::From(from::from(context, values, flags)?),
        Keyword::Healthcheck => {
            InstructionKind::Healthcheck(health::healthcheck(context, values, flags)?)
        }
        Keyword::Label => InstructionKind::Label(pairs::key_values(context, values)?),
        Keyword::Maintainer => InstructionKind::Maintainer(context.one_text(values)?),
        Keyword::Onbuild => {
            InstructionKind::Onbuild(Box::new(onbuild::onbuild(context, values, diagnostics)?))
        }
        Keyword::Run => {
            InstructionKind::Run(Box::new(run::run(context, values, flags, diagnostics)))
        }
        Keyword::Shell => InstructionKind::Shell(command::shell(context, values)?),
        Keyword::Stopsignal => InstructionKind::Stopsignal(context.one_text(values)?),
        Keyword::User => InstructionKind::User(context.one_text(values)?),
        Keyword::Volume => InstructionKind::Volume(command::volumes(context, values)?),
        Keyword::Workdir => InstructionKind::Workdir(context.one_text(values)?),
        Keyword::Unknown => InstructionKind::Unknown,
    })
}
