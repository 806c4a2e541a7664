//! From text to instructions. Never fails and loses nothing.
//!
//! The text is read line by line. Lines that continue each other become one logical line, whose arguments
//! are split (`node`) and then understood (`instruction`). Each byte of the text ends up in one token. After
//! a mistake the next logical line is read as if nothing had happened.

use std::sync::{Arc, OnceLock};

use crate::diagnostic::{Diagnostic, Severity};
use crate::directive::{Directive, directive, escape_character};
use crate::dump::push_dump;
use crate::few::Few;
use crate::heredoc::{Announcement, Heredoc, announcements};
use crate::instruction::{Instruction, InstructionKind, Source, understand};
use crate::joined::{Buffers, Joined};
use crate::node::{Node, node};
use crate::source_text::{SourceText, Whole};
use crate::text::{Line, TextRange, line_at, next_boundary, skip_space, trimmed};
use crate::token::{SyntaxKind, Token, cut, push};

/// The longest line that BuildKit reads, in bytes.
const MAX_LINE: usize = 65_535;

/// How long instructions are, at a guess that is rather too small: what is reserved and not used costs nothing.
const BYTES_PER_INSTRUCTION: usize = 48;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The result of parsing: always a tree, and what was wrong with the text.
#[derive(Debug, Clone)]
pub struct Parse {
    text: Whole,
    details: OnceLock<Details>,
    directives: Vec<Directive>,
    escape: char,
    instructions: Vec<Instruction>,
    diagnostics: Vec<Diagnostic>,
}

impl Parse {
    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with the text, instruction by instruction.
    ///
    /// Of each instruction, the first error is the one that BuildKit reports, in its words.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The tokens. Their texts concatenate to the input, byte for byte.
    ///
    /// The text is read again for them, once.
    pub fn tokens(&self) -> &[Token] {
        &self.details().tokens
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

    /// The loose parse tree as s-expressions, one line per instruction, as BuildKit's parser writes it.
    ///
    /// The text is read again for it, once.
    pub fn dump(&self) -> &str {
        &self.details().dump
    }

    fn details(&self) -> &Details {
        self.details.get_or_init(|| {
            let mut parser = Parser::<true>::new(&self.text, Arc::clone(&self.text));
            parser.run();
            parser.details
        })
    }
}

/// What few want to know of a text, and only a closer reading finds.
#[derive(Debug, Clone, Default)]
struct Details {
    tokens: Vec<Token>,
    dump: String,
}

/// Parses a Dockerfile. Never fails.
pub fn parse(text: &str) -> Parse {
    let mut parser = Parser::<false>::new(text, Arc::new(text.into()));
    parser.instructions = Vec::with_capacity(text.len() / BYTES_PER_INSTRUCTION);
    parser.run();
    if parser.instructions.is_empty() {
        parser.diagnostics.push(Diagnostic::error(
            0..text.len(),
            "file with no instructions",
        ));
    }
    Parse {
        text: parser.shared,
        details: OnceLock::new(),
        directives: parser.directives,
        escape: parser.escape,
        instructions: parser.instructions,
        diagnostics: parser.diagnostics,
    }
}

/// Reads a text, closely for its details, or for everything else.
struct Parser<'t, const CLOSELY: bool> {
    text: &'t str,
    /// The same text, for those who keep a part of it.
    shared: Whole,
    /// Where the line to read next starts.
    next: usize,
    /// How many lines have been read.
    line: usize,
    escape: char,
    /// Directives may still come.
    at_top: bool,
    /// The comments above the next instruction.
    comments: Vec<SourceText>,
    directives: Vec<Directive>,
    instructions: Vec<Instruction>,
    diagnostics: Vec<Diagnostic>,
    details: Details,
    /// The tokens of the logical line that is being read, its text not yet cut into parts.
    pieces: Vec<Token>,
    /// The parts of that line.
    marks: Vec<Token>,
    /// What logical lines are joined in.
    buffers: Option<Box<Buffers>>,
}

/// A logical line that has been read.
struct LogicalLine<'t> {
    joined: Joined<'t>,
    /// From its first character to the end of its last line, without line ending.
    range: TextRange,
    first_line: usize,
    empty_continuation: Option<TextRange>,
}

impl<'t, const CLOSELY: bool> Parser<'t, CLOSELY> {
    fn new(text: &'t str, shared: Whole) -> Parser<'t, CLOSELY> {
        Parser {
            text,
            shared,
            next: 0,
            line: 0,
            escape: '\\',
            at_top: true,
            comments: Vec::new(),
            directives: Vec::new(),
            instructions: Vec::new(),
            diagnostics: Vec::new(),
            details: Details::default(),
            pieces: Vec::new(),
            marks: Vec::new(),
            buffers: None,
        }
    }

    fn run(&mut self) {
        while self.next < self.text.len() {
            self.logical_line();
        }
    }

    /// Reads a comment, a blank line or an instruction.
    fn logical_line(&mut self) {
        let line = self.take_line();
        let mut raw = line.content();
        if line.start == 0 && self.text.starts_with(BYTE_ORDER_MARK) {
            raw.start += BYTE_ORDER_MARK.len_utf8();
            self.push(SyntaxKind::ByteOrderMark, 0..raw.start);
        }
        let content = self.push_indent(raw.clone());
        if self.is_comment(&content) {
            let kind = self.comment(raw.start, content.clone());
            self.push(kind, content);
            return self.push_newline(line);
        }
        self.at_top = false;
        if content.is_empty() {
            return self.push_newline(line);
        }
        let mut logical = LogicalLine {
            range: content.clone(),
            first_line: self.line,
            empty_continuation: None,
            joined: Joined::starting_at(
                self.text,
                content.start,
                self.buffers.take().unwrap_or_default(),
            ),
        };
        self.join(&mut logical, line, content);
        self.instruction(&logical);
        self.buffers = Some(logical.joined.into_buffers());
    }

    fn take_line(&mut self) -> Line {
        let line = line_at(self.text, self.next);
        self.next = line.end;
        self.line += 1;
        if line.len() > MAX_LINE {
            self.check_length(line);
        }
        line
    }

    #[cold]
    fn check_length(&mut self, line: Line) {
        let newline = self.text[line.content_end..line.end].ends_with('\n');
        if line.len() - usize::from(newline) > MAX_LINE {
            let message = format!("dockerfile line greater than max allowed size of {MAX_LINE}");
            self.diagnostics
                .push(Diagnostic::error(line.content(), message));
        }
    }

    fn push(&mut self, kind: SyntaxKind, range: TextRange) {
        if CLOSELY {
            push(&mut self.details.tokens, kind, range);
        }
    }

    /// Adds a token of the logical line that is being read.
    fn push_piece(&mut self, kind: SyntaxKind, range: TextRange) {
        if CLOSELY {
            push(&mut self.pieces, kind, range);
        }
    }

    /// Says whether a line is a comment, given what is left of it when white space at its start is skipped.
    fn is_comment(&self, content: &TextRange) -> bool {
        let first = self.text.as_bytes().get(content.start);
        !content.is_empty() && first == Some(&b'#')
    }

    /// Adds the white space at the start of a line; returns the rest of the line.
    fn push_indent(&mut self, content: TextRange) -> TextRange {
        let start = skip_space(self.text, content.clone());
        self.push(SyntaxKind::Whitespace, content.start..start);
        start..content.end
    }

    fn push_newline(&mut self, line: Line) {
        self.push(SyntaxKind::Newline, line.content_end..line.end);
    }

    /// Takes notice of a comment between instructions, which may be a directive; its line starts at `start`.
    fn comment(&mut self, start: usize, range: TextRange) -> SyntaxKind {
        if self.at_top
            && let Some(directive) = directive(&self.text[range.clone()], range.start)
        {
            self.directive(directive);
            return SyntaxKind::Directive;
        }
        self.at_top = false;
        // The first character is dropped, be it the `#` or white space before it (BuildKit: `Parse`,
        // parser/parser.go).
        let comment = trimmed(self.text, next_boundary(self.text, start + 1)..range.end);
        if comment.is_empty() {
            self.comments.clear();
        } else if !CLOSELY {
            self.comments.push(SourceText::part(&self.shared, comment));
        }
        SyntaxKind::Comment
    }

    fn directive(&mut self, directive: Directive) {
        let Directive { name, value, range } = &directive;
        if let Some(first) = self.directives.iter().find(|other| other.name == *name) {
            let message = format!("only one {name} parser directive can be used");
            // BuildKit names the line above, which is the first's as a rule.
            let place = first.range.clone();
            self.diagnostics.push(Diagnostic::error(place, message));
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
    fn join(&mut self, logical: &mut LogicalLine<'t>, line: Line, content: TextRange) {
        self.pieces.clear();
        let mut continues = self.push_text(&mut logical.joined, content);
        self.push_piece(SyntaxKind::Newline, line.content_end..line.end);
        while continues && self.next < self.text.len() {
            let line = self.take_line();
            let content = line.content();
            logical.range.end = content.end;
            let start = skip_space(self.text, content.clone());
            if self.is_comment(&(start..content.end)) {
                self.push_piece(SyntaxKind::Whitespace, content.start..start);
                self.push_piece(SyntaxKind::Comment, start..content.end);
            } else if start == content.end {
                self.push_piece(SyntaxKind::Whitespace, content.clone());
                logical
                    .empty_continuation
                    .get_or_insert(content.start..line.end);
            } else {
                continues = self.push_text(&mut logical.joined, content);
            }
            self.push_piece(SyntaxKind::Newline, line.content_end..line.end);
        }
    }

    /// Adds one physical line to a logical one; says whether it continues.
    fn push_text(&mut self, joined: &mut Joined<'t>, content: TextRange) -> bool {
        let text = &self.text.as_bytes()[content.clone()];
        let text_end = content.start + continued(text, self.escape).unwrap_or(text.len());
        joined.push(content.start..text_end);
        self.push_piece(SyntaxKind::Argument, content.start..text_end);
        self.push_piece(SyntaxKind::Continuation, text_end..content.end);
        text_end < content.end
    }

    /// Understands a logical line.
    fn instruction(&mut self, logical: &LogicalLine<'t>) {
        let joined = &logical.joined;
        let mut range = logical.range.clone();
        let line = joined.text();
        if let Some(place) = &logical.empty_continuation {
            self.diagnostics.push(
                Diagnostic::warning(
                    place.clone(),
                    format!("Empty continuation line found in: {line}"),
                )
                .with_hint("empty continuation lines will become errors in a future release"),
            );
        }
        let node = node(line, self.escape);
        if CLOSELY {
            self.cut_pieces(&node, joined);
            push_dump(&mut self.details.dump, &node);
            self.details.dump.push('\n');
        }
        let heredocs = if node.can_contain_heredocs() {
            self.heredocs(line, &mut range)
        } else {
            Few::new()
        };
        if !CLOSELY {
            let source = Source {
                logical_line: match joined.place() {
                    Some(place) => SourceText::part(&self.shared, place),
                    None => SourceText::from(line),
                },
                range,
                first_line: logical.first_line,
                last_line: self.line,
                comments: self.take_comments(),
                heredocs,
            };
            let instruction = understand(source, node, joined, &mut self.diagnostics);
            debug_assert!(
                instruction.kind != InstructionKind::Invalid || !self.diagnostics.is_empty(),
                "an invalid instruction comes with a diagnostic"
            );
            self.instructions.push(instruction);
        }
    }

    /// The comments above the instruction, copied so that the list need not grow again for the next one.
    fn take_comments(&mut self) -> Few<SourceText> {
        if self.comments.is_empty() {
            return Few::new();
        }
        self.comments.drain(..).collect()
    }

    /// Names the parts of the logical line.
    fn cut_pieces(&mut self, node: &Node<'_>, joined: &Joined<'_>) {
        let marks = &mut self.marks;
        marks.clear();
        let mut mark = |kind, range: &TextRange| {
            if !range.is_empty() {
                let range = joined.source(range.clone());
                marks.push(Token { kind, range });
            }
        };
        mark(SyntaxKind::Keyword, &node.word.range);
        for flag in &node.flags {
            mark(SyntaxKind::Flag, &flag.range);
        }
        if let Some(range) = &node.flags_end {
            mark(SyntaxKind::Flag, range);
        }
        mark(SyntaxKind::Argument, &node.arguments);
        cut(
            self.text,
            &mut self.details.tokens,
            &self.pieces,
            &self.marks,
        );
    }

    /// Reads the heredocs that `line` announces; its range grows with them.
    fn heredocs(&mut self, line: &str, range: &mut TextRange) -> Few<Heredoc> {
        let place = range.clone();
        let announced = match announcements(line) {
            Ok(announced) => announced,
            Err(message) => {
                self.diagnostics.push(Diagnostic::error(place, message));
                return Few::new();
            }
        };
        let heredocs: Few<Heredoc> = announced
            .into_iter()
            .map(|announcement| self.heredoc(announcement))
            .collect();
        if let Some(open) = heredocs.iter().find(|heredoc| heredoc.end.is_empty()) {
            let hint = format!("end it with a line that is just `{}`", open.name);
            self.diagnostics
                .push(Diagnostic::error(place, "unterminated heredoc").with_hint(hint));
        }
        if let Some(last) = heredocs.last() {
            range.end = last.end.end;
        }
        heredocs
    }

    /// Reads the body of a heredoc: up to the line that ends it, or all that is left.
    fn heredoc(&mut self, announcement: Announcement) -> Heredoc {
        let Announcement {
            name,
            expand,
            strip_tabs,
            file_descriptor,
        } = announcement;
        let start = self.next;
        let mut last = None;
        while self.next < self.text.len() {
            let line = self.take_line();
            let text = &self.text[line.content()];
            let unindented = text.trim_start_matches('\t');
            if name == if strip_tabs { unindented } else { text } {
                last = Some(line);
                break;
            }
        }
        let body = start..last.map_or(self.text.len(), |line| line.start);
        let end = last.map_or(body.end..body.end, Line::content);
        self.push(SyntaxKind::HeredocBody, body.clone());
        self.push(SyntaxKind::HeredocEnd, end.clone());
        if let Some(line) = last {
            self.push_newline(line);
        }
        Heredoc {
            name,
            content: self.text[body.clone()].into(),
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
fn continued(line: &[u8], escape: char) -> Option<usize> {
    let mut text = line;
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    match text {
        [.., before, last] if char::from(*last) == escape && char::from(*before) != escape => {
            Some(text.len() - 1)
        }
        [last] if char::from(*last) == escape => Some(0),
        _ => None,
    }
}
