//! A simple command: a program with its arguments, and where it stands among the others.

use std::ops::Range;

use crate::shell::flow::Flow;
use crate::shell::redirect::Redirect;
use crate::shell::word::ShellWord;
use crate::text::TextRange;

/// A simple command. `[[ … ]]` counts as one whose words are all that is between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleCommand {
    /// All of it in the Dockerfile, assignments and redirects included.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
    /// The program, then its arguments; empty if there are only assignments or redirects.
    pub words: Vec<ShellWord>,
    /// The assignments before the program.
    pub assignments: Vec<Assignment>,
    /// The redirects, wherever they stand.
    pub redirects: Vec<Redirect>,
    /// How it follows what is before it in the same list.
    pub connector: Connector,
    /// A `!` before its pipeline turns the result around.
    pub negated: bool,
    /// What it is inside of, outermost first; empty at the top level.
    pub nesting: Vec<Nesting>,
    /// The innermost compound command that it is inside of: an index into [`ShellScript::compounds`](crate::ShellScript).
    pub inside: Option<usize>,
    /// The commands of one pipeline have the same number.
    pub pipeline: usize,
    /// The directory that it starts in, if the commands before it succeeded, and what `eval` and `.` run stays.
    pub directory: ShellDirectory,
    /// The options that are on when it starts.
    pub options: ShellOptions,
    /// The operator after it.
    pub separator_after: Option<Separator>,
}

/// `NAME=value`, `NAME+=value`, `NAME[index]=value` or `NAME=(values)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name of the variable.
    pub name: String,
    /// The value; empty text if there is none. An array is one word without a literal.
    pub value: ShellWord,
    /// All of it in the Dockerfile.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// How a command follows the one before it in the same list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connector {
    /// It is the first.
    First,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `;` or the end of a line
    Sequence,
    /// `|` or `|&`
    Pipe,
    /// `&`
    Background,
}

/// An operator between or after commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Separator {
    /// How what follows it is connected, if anything does.
    pub connector: Connector,
    /// Where it is in the Dockerfile. The end of a line is one, too.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
}

/// What a command is inside of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nesting {
    /// `( … )`
    Subshell,
    /// `{ …; }`
    Group,
    /// `if`, any part of it
    If,
    /// `for`, `while`, `until` or `select`, any part of it
    Loop,
    /// `case`, any part of it
    Case,
    /// The body of the function with this name
    Function(String),
    /// The condition of the `if`, `elif`, `while` or `until` around it
    Condition,
    /// `$( … )` or backticks, also in a double-quoted word or the body of a heredoc
    CommandSubstitution,
    /// `<( … )` or `>( … )`
    ProcessSubstitution,
    /// `(( … ))`: holds no commands but those of substitutions
    Arithmetic,
}

/// A compound command, or a substitution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompoundCommand {
    /// What it is.
    pub kind: Nesting,
    /// All of it in the Dockerfile, redirects included.
    pub range: TextRange,
    /// The same in the script's source.
    pub source_range: Range<usize>,
    /// The innermost compound command around it: an index into the same list.
    pub inside: Option<usize>,
    /// How it follows what is before it in the same list; a substitution is always the first.
    pub connector: Connector,
    /// The pipeline that it is part of; a substitution is its own.
    pub pipeline: usize,
    /// A `!` before its pipeline turns the result around.
    pub negated: bool,
    /// The words of `for` and `select` after `in`, or the word of `case` and then its patterns.
    pub words: Vec<ShellWord>,
    /// Its redirects.
    pub redirects: Vec<Redirect>,
    /// The operator after it.
    pub separator_after: Option<Separator>,
}

/// The directory that a command runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellDirectory {
    /// The one that the script started in: `WORKDIR`.
    Initial,
    /// This one. A relative path starts at `WORKDIR`.
    At(String),
    /// One that only running the script can tell.
    Unknown,
}

/// An option of the shell that `set` turns on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellOption {
    /// `set -e`: a command that fails ends the script
    ErrorExit,
    /// `set -u`: reading a variable that is not set is an error
    NoUnset,
    /// `set -x`: commands are printed
    Trace,
    /// `set -o pipefail`: a pipeline fails if any of its commands does
    PipeFail,
}

/// The options that are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShellOptions {
    bits: u8,
}

impl ShellOption {
    fn bit(self) -> u8 {
        match self {
            ShellOption::ErrorExit => 1,
            ShellOption::NoUnset => 2,
            ShellOption::Trace => 4,
            ShellOption::PipeFail => 8,
        }
    }
}

impl ShellOptions {
    /// The options that the words of a `SHELL` turn on: `["/bin/bash", "-o", "pipefail", "-c"]`.
    pub fn of_shell(shell: &[String]) -> ShellOptions {
        let mut flow = Flow::default();
        flow.set(shell.iter().skip(1).map(|word| Some(word.as_str())));
        flow.options
    }

    /// Says whether an option is on.
    pub fn contains(self, option: ShellOption) -> bool {
        self.bits & option.bit() != 0
    }

    pub(super) fn insert(&mut self, option: ShellOption) {
        self.bits |= option.bit();
    }

    pub(super) fn remove(&mut self, option: ShellOption) {
        self.bits &= !option.bit();
    }

    /// The options that are on in both.
    pub(super) fn common(self, other: ShellOptions) -> ShellOptions {
        ShellOptions {
            bits: self.bits & other.bits,
        }
    }
}
