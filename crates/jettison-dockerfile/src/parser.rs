//! From text to instructions. Never fails and loses nothing.
//!
//! The text is read line by line. Lines that continue each other become one logical line, whose arguments
//! are split (`node`) and then understood (`instruction`). Each byte of the text ends up in one token. After
//! a mistake the next logical line is read as if nothing had happened.

use crate::diagnostic::{Diagnostic, Severity};
use crate::directive::{Directive, directive, escape_character};
use crate::dump::dump;
use crate::flag::RawFlag;
use crate::heredoc::{Announcement, Heredoc, announcements};
use crate::instruction::{Instruction, InstructionKind, Source, understand};
use crate::joined::Joined;
use crate::node::{Node, node};
use crate::text::{Line, TextRange, lines};
use crate::token::{SyntaxKind, Token, cut, push};

/// The longest line that BuildKit reads, in bytes.
const MAX_LINE: usize = 65_535;

/// The result of parsing: always a tree, and what was wrong with the text.
#[derive(Debug, Clone)]
pub struct Parse {
    text: String,
    tokens: Vec<Token>,
    directives: Vec<Directive>,
    escape: char,
    instructions: Vec<Instruction>,
    diagnostics: Vec<Diagnostic>,
    dump: String,
}

impl Parse {
    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with the text, in its order.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The tokens. Their texts concatenate to the input, byte for byte.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The parser directives.
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// The escape character: a backslash unless a directive says otherwise.
    pub fn escape(&self) -> char {
        self.escape
    }

    /// The instructions, broken ones included.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Says whether the text cannot be built.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Writes the loose parse tree as s-expressions, one line per instruction, as BuildKit's parser does.
    pub fn dump(&self) -> &str {
        &self.dump
    }
}

/// Parses a Dockerfile. Never fails.
pub fn parse(text: &str) -> Parse {
    let mut parser = Parser::new(text);
    while parser.next < parser.lines.len() {
        parser.logical_line();
    }
    if parser.instructions.is_empty() {
        parser.diagnostics.push(Diagnostic::error(
            0..text.len(),
            "file with no instructions",
        ));
    }
    parser
        .diagnostics
        .sort_by_key(|diagnostic| diagnostic.range.start);
    Parse {
        text: text.to_owned(),
        tokens: parser.tokens,
        directives: parser.directives,
        escape: parser.escape,
        instructions: parser.instructions,
        diagnostics: parser.diagnostics,
        dump: parser.dump,
    }
}

struct Parser<'t> {
    text: &'t str,
    lines: Vec<Line>,
    /// The line to read next.
    next: usize,
    escape: char,
    /// Directives may still come.
    at_top: bool,
    /// The comments above the next instruction.
    comments: Vec<String>,
    tokens: Vec<Token>,
    directives: Vec<Directive>,
    instructions: Vec<Instruction>,
    diagnostics: Vec<Diagnostic>,
    dump: String,
}

/// A logical line that has been read.
struct LogicalLine {
    joined: Joined,
    /// From its first character to the end of its last line, without line ending.
    range: TextRange,
    first_line: usize,
    empty_continuation: Option<TextRange>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        let mut parser = Parser {
            text,
            lines: lines(text),
            next: 0,
            escape: '\\',
            at_top: true,
            comments: Vec::new(),
            tokens: Vec::new(),
            directives: Vec::new(),
            instructions: Vec::new(),
            diagnostics: Vec::new(),
            dump: String::new(),
        };
        if text.starts_with('\u{feff}') {
            push(&mut parser.tokens, SyntaxKind::ByteOrderMark, 0..3);
            parser.lines[0].content.start = 3;
        }
        parser
    }

    /// Reads a comment, a blank line or an instruction.
    fn logical_line(&mut self) {
        let first_line = self.next;
        let line = self.take_line();
        let content = self.push_indent(line.content.clone());
        if self.text[content.clone()].starts_with('#') {
            let kind = self.comment(content.clone());
            self.push(kind, content);
            return self.push_newline(&line);
        }
        self.at_top = false;
        if content.is_empty() {
            return self.push_newline(&line);
        }
        let before = self.tokens.len();
        let logical = self.join(first_line, line, content);
        self.instruction(logical, before);
    }

    fn take_line(&mut self) -> Line {
        let line = self.lines[self.next].clone();
        self.next += 1;
        if line.content.len() > MAX_LINE {
            let message = format!("dockerfile line greater than max allowed size of {MAX_LINE}");
            self.diagnostics
                .push(Diagnostic::error(line.content.clone(), message));
        }
        line
    }

    fn push(&mut self, kind: SyntaxKind, range: TextRange) {
        push(&mut self.tokens, kind, range);
    }

    /// Adds the white space at the start of a line; returns the rest of the line.
    fn push_indent(&mut self, content: TextRange) -> TextRange {
        let text = &self.text[content.clone()];
        let start = content.start + (text.len() - text.trim_start().len());
        self.push(SyntaxKind::Whitespace, content.start..start);
        start..content.end
    }

    fn push_newline(&mut self, line: &Line) {
        self.push(SyntaxKind::Newline, line.content.end..line.end);
    }

    /// Takes notice of a comment between instructions, which may be a directive.
    fn comment(&mut self, range: TextRange) -> SyntaxKind {
        let text = &self.text[range.clone()];
        let end = range.start + text.trim_end().len();
        if self.at_top
            && let Some(directive) = directive(text, range.start..end)
        {
            self.directive(directive);
            return SyntaxKind::Directive;
        }
        self.at_top = false;
        match text[1..].trim() {
            "" => self.comments.clear(),
            comment => self.comments.push(comment.to_owned()),
        }
        SyntaxKind::Comment
    }

    fn directive(&mut self, directive: Directive) {
        let Directive { name, value, range } = &directive;
        if self.directives.iter().any(|other| other.name == *name) {
            let message = format!("only one {name} parser directive can be used");
            self.diagnostics
                .push(Diagnostic::error(range.clone(), message));
            return;
        }
        if name == "escape" {
            match escape_character(value) {
                Ok(escape) => self.escape = escape,
                Err(message) => self
                    .diagnostics
                    .push(Diagnostic::error(range.clone(), message)),
            }
        }
        self.directives.push(directive);
    }

    /// Reads the rest of a logical line that starts with `content`.
    fn join(&mut self, first_line: usize, line: Line, content: TextRange) -> LogicalLine {
        let mut joined = Joined::default();
        let mut empty_continuation = None;
        let mut end = line.content.end;
        let start = content.start;
        let mut continues = self.push_text(&mut joined, content);
        self.push_newline(&line);
        while continues && self.next < self.lines.len() {
            let line = self.take_line();
            end = line.content.end;
            let text = &self.text[line.content.clone()];
            if text.trim_start().starts_with('#') {
                let content = self.push_indent(line.content.clone());
                self.push(SyntaxKind::Comment, content);
            } else if text.trim_start().is_empty() {
                self.push(SyntaxKind::Whitespace, line.content.clone());
                empty_continuation.get_or_insert(line.content.start..line.end);
            } else {
                continues = self.push_text(&mut joined, line.content.clone());
            }
            self.push_newline(&line);
        }
        LogicalLine {
            joined,
            range: start..end,
            first_line,
            empty_continuation,
        }
    }

    /// Adds one physical line to a logical one; says whether it continues.
    fn push_text(&mut self, joined: &mut Joined, content: TextRange) -> bool {
        let text = &self.text[content.clone()];
        let text_end = content.start + continued(text, self.escape).unwrap_or(text.len());
        joined.push(self.text, content.start..text_end);
        self.push(SyntaxKind::Argument, content.start..text_end);
        self.push(SyntaxKind::Continuation, text_end..content.end);
        text_end < content.end
    }

    /// Understands a logical line; its tokens start at `first_token`.
    fn instruction(&mut self, logical: LogicalLine, first_token: usize) {
        let LogicalLine {
            joined,
            mut range,
            first_line,
            empty_continuation,
        } = logical;
        let line = joined.text();
        if let Some(place) = empty_continuation {
            self.diagnostics.push(
                Diagnostic::warning(place, format!("Empty continuation line found in: {line}"))
                    .with_hint("empty continuation lines will become errors in a future release"),
            );
        }
        let node = node(line, 0..line.len(), self.escape);
        let uncut = self.tokens.split_off(first_token);
        self.tokens
            .extend(cut(self.text, uncut, &marks(&node, &joined)));

        let announced = if node.can_contain_heredocs() {
            announcements(line)
        } else {
            Ok(Vec::new())
        };
        let announced = announced.unwrap_or_else(|message| {
            self.diagnostics
                .push(Diagnostic::error(range.clone(), message));
            Vec::new()
        });
        let mut heredocs = Vec::new();
        for announcement in announced {
            heredocs.push(self.heredoc(announcement));
        }
        if let Some(open) = heredocs.iter().find(|heredoc| heredoc.end.is_empty()) {
            let hint = format!("end it with a line that is just `{}`", open.name);
            self.diagnostics
                .push(Diagnostic::error(range.clone(), "unterminated heredoc").with_hint(hint));
        }
        if let Some(last) = heredocs.last() {
            range.end = last.end.end;
        }
        self.dump.push_str(&dump(&node));
        self.dump.push('\n');
        let source = Source {
            node: &node,
            joined: &joined,
            range: range.clone(),
            lines: first_line + 1..=self.next,
            comments: std::mem::take(&mut self.comments),
        };
        let instruction = understand(source, heredocs, &mut self.diagnostics);
        debug_assert!(
            instruction.kind != InstructionKind::Invalid || !self.diagnostics.is_empty(),
            "an invalid instruction comes with a diagnostic"
        );
        self.instructions.push(instruction);
    }

    /// Reads the body of a heredoc: up to the line that ends it, or all that is left.
    fn heredoc(&mut self, announcement: Announcement) -> Heredoc {
        let Announcement {
            name,
            expand,
            strip_tabs,
            file_descriptor,
        } = announcement;
        let first = self.next;
        let start = first.checked_sub(1).map_or(0, |last| self.lines[last].end);
        let is_end = |line: &Line| {
            let text = &self.text[line.content.clone()];
            name == if strip_tabs {
                text.trim_start_matches('\t')
            } else {
                text
            }
        };
        let found = self.lines[first..].iter().position(is_end);
        let body = start..found.map_or(self.text.len(), |count| {
            self.lines[first + count].content.start
        });
        for _ in 0..found.unwrap_or(self.lines.len() - first) {
            self.take_line();
        }
        self.push(SyntaxKind::HeredocBody, body.clone());
        let mut end = body.end..body.end;
        if found.is_some() {
            let line = self.take_line();
            end = line.content.clone();
            self.push(SyntaxKind::HeredocEnd, end.clone());
            self.push_newline(&line);
        }
        let content = self.text[body.clone()].to_owned();
        Heredoc {
            name,
            content,
            expand,
            strip_tabs,
            file_descriptor,
            body,
            end,
        }
    }
}

/// Where a line that continues on the next one stops being text; `None` if it does not continue.
///
/// The escape character at the end, which blanks may follow, must not itself be escaped: a line that ends in
/// two or more does not continue (BuildKit: the regular expression in `setEscapeToken`, parser/parser.go).
fn continued(line: &str, escape: char) -> Option<usize> {
    let text = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
    (!text.ends_with(escape)).then_some(text.len())
}

/// Names the parts of a logical line.
fn marks(node: &Node, joined: &Joined) -> Vec<Token> {
    let mut marks = Vec::new();
    let mut mark = |kind, range: &TextRange| {
        if !range.is_empty() {
            marks.push(Token {
                kind,
                range: joined.source(range.clone()),
            });
        }
    };
    mark(SyntaxKind::Keyword, &node.word.range);
    for RawFlag { range, .. } in &node.flags {
        mark(SyntaxKind::Flag, range);
    }
    if let Some(range) = &node.flags_end {
        mark(SyntaxKind::Flag, range);
    }
    mark(SyntaxKind::Argument, &node.arguments);
    marks
}
