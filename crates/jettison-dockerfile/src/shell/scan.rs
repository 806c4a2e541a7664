//! Words: where they end, what their quotes leave, and what is expanded in them.

use crate::shell::command::Nesting;
use crate::shell::reader::{Place, Read, Reader, is_meta, name_len};
use crate::shell::word::{ExpansionKind, ShellExpansion, ShellWord};

/// Where a word stands, as far as that changes how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordPlace {
    /// Anywhere.
    Anywhere,
    /// After a builtin that takes assignments as arguments, such as `export`.
    Declaration,
    /// After the `=` of an assignment.
    Value,
    /// Inside `[[ … ]]`.
    Test,
    /// After `=~` in `[[ … ]]`.
    Regex,
}

/// What is known of a word while it is being read.
#[derive(Debug, Default)]
pub(super) struct WordBuilder {
    /// The value; `None` once something is expanded in it.
    pub(super) value: Option<String>,
    pub(super) pattern: Pattern,
    pub(super) has_tilde: bool,
    pub(super) variables: Vec<String>,
    pub(super) expansions: Vec<ShellExpansion>,
}

/// How much of a pattern or of braces has been seen outside of quotes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pattern {
    #[default]
    None,
    /// `[`
    Bracket,
    /// `{`
    Brace,
    /// `{a,` or `{a..`
    Braces,
    /// All of it.
    Complete,
}

impl Pattern {
    /// The state after one more byte outside of quotes.
    fn then(self, byte: u8, next: Option<u8>) -> Pattern {
        match (self, byte) {
            (Pattern::Complete, _)
            | (_, b'*' | b'?')
            | (Pattern::Bracket, b']')
            | (Pattern::Braces, b'}') => Pattern::Complete,
            (_, b'[') => Pattern::Bracket,
            (_, b'{') => Pattern::Brace,
            (Pattern::Brace, b'}') => Pattern::None,
            (Pattern::Brace, b',') => Pattern::Braces,
            (Pattern::Brace, b'.') if next == Some(b'.') => Pattern::Braces,
            _ => self,
        }
    }
}

impl WordBuilder {
    pub(super) fn new() -> WordBuilder {
        WordBuilder {
            value: Some(String::new()),
            ..WordBuilder::default()
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        if let Some(value) = &mut self.value {
            value.push_str(text);
        }
    }
}

impl Reader<'_> {
    /// Reads a word that must come next.
    pub(super) fn expect_word(&mut self) -> Read<ShellWord> {
        match self.word(WordPlace::Anywhere)? {
            // At the start of a word it is a comment.
            Some(word) if !word.text.starts_with('#') => Ok(word),
            Some(_) | None => Err(self.unexpected()),
        }
    }

    /// Reads a word, if one comes next. A value may be empty.
    pub(super) fn word(&mut self, place: WordPlace) -> Read<Option<ShellWord>> {
        let start = self.at;
        let mut word = WordBuilder::new();
        // Parentheses that belong to a pattern, and are open.
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if open == 0 && self.is_end_continued() => break,
                b'\\' => self.escaped(&mut word),
                b'\'' => self.single_quoted(&mut word)?,
                b'"' => self.double_quoted(&mut word)?,
                b'$' | b'`' => self.expansion(&mut word, false)?,
                b'<' | b'>' if self.peek_at(1) == Some(b'(') && place != WordPlace::Test => {
                    self.process_substitution(&mut word)?;
                }
                b'(' if is_array(place, &self.text[start..self.at]) => {
                    self.array(&mut word)?;
                }
                b'(' if open > 0 || self.opens_pattern(place, start) => {
                    open += 1;
                    self.plain_byte(&mut word);
                }
                b')' if open > 0 => {
                    open -= 1;
                    self.plain_byte(&mut word);
                }
                b'|' if place == WordPlace::Regex => self.plain_byte(&mut word),
                _ if open > 0 => self.plain_byte(&mut word),
                b'~' if self.at == start || starts_value(place, &self.text[start..self.at]) => {
                    word.has_tilde = true;
                    self.plain_byte(&mut word);
                }
                _ if is_meta(byte) => break,
                _ => self.plain_byte(&mut word),
            }
        }
        if open > 0 {
            return Err(self.opaque(start..self.at, "`(` without a closing `)`"));
        }
        if self.at == start && place != WordPlace::Value {
            return Ok(None);
        }
        Ok(Some(self.built(word, start)))
    }

    /// Says whether nothing but continued lines is left of a word.
    fn is_end_continued(&self) -> bool {
        let rest = self.rest();
        let after = rest.trim_start_matches("\\\n");
        after.len() < rest.len() && after.bytes().next().is_none_or(is_meta)
    }

    /// The word from `start` up to here.
    pub(super) fn built(&self, word: WordBuilder, start: usize) -> ShellWord {
        let Place { source, text } = self.place(start..self.at);
        ShellWord {
            text: self.text[start..self.at].to_owned(),
            literal: word.value,
            has_glob: word.pattern == Pattern::Complete,
            has_tilde: word.has_tilde,
            range: text,
            source_range: source,
            variables: word.variables,
            expansions: word.expansions,
        }
    }

    /// Says whether the `(` here opens a pattern or a group of a regular expression.
    fn opens_pattern(&self, place: WordPlace, start: usize) -> bool {
        match place {
            WordPlace::Regex => true,
            WordPlace::Test => {
                let before = self.text[start..self.at].bytes().next_back();
                before.is_some_and(|byte| b"?*+@!".contains(&byte))
            }
            WordPlace::Anywhere | WordPlace::Declaration | WordPlace::Value => false,
        }
    }

    /// Takes a character that stands for itself, and those after it that do.
    fn plain_byte(&mut self, word: &mut WordBuilder) {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        word.pattern = word.pattern.then(bytes[0], bytes.get(1).copied());
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let is_plain = |byte: u8| {
            !byte.is_ascii() || byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_')
        };
        let more = bytes[first..].iter().position(|&byte| !is_plain(byte));
        let len = more.map_or(bytes.len(), |more| first + more);
        word.push(&rest[..len]);
        self.at += len;
    }

    /// Takes a backslash and what it quotes.
    fn escaped(&mut self, word: &mut WordBuilder) {
        self.at += 1;
        match self.rest().chars().next() {
            Some('\n') => self.at += 1,
            Some(character) => {
                let len = character.len_utf8();
                word.push(&self.rest()[..len]);
                self.at += len;
            }
            None => word.push("\\"),
        }
    }

    /// Takes `'…'`.
    pub(super) fn single_quoted(&mut self, word: &mut WordBuilder) -> Read<()> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let Some(len) = rest.find('\'') else {
            return Err(self.opaque(start..self.end, "`'` without a closing `'`"));
        };
        word.push(&rest[..len]);
        self.at += len + 1;
        Ok(())
    }

    /// Takes `"…"`.
    pub(super) fn double_quoted(&mut self, word: &mut WordBuilder) -> Read<()> {
        let start = self.at;
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(len) = rest.find(['"', '\\', '$', '`']) else {
                return Err(self.opaque(start..self.end, "`\"` without a closing `\"`"));
            };
            word.push(&rest[..len]);
            self.at += len;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match self.peek_at(1) {
                    Some(b'\n') => self.at += 2,
                    Some(b'"' | b'\\' | b'$' | b'`') => self.escaped(word),
                    _ => {
                        word.push("\\");
                        self.at += 1;
                    }
                },
                _ => self.expansion(word, true)?,
            }
        }
    }

    /// Takes `<( … )` or `>( … )`.
    fn process_substitution(&mut self, word: &mut WordBuilder) -> Read<()> {
        let start = self.at;
        self.substitution(Nesting::ProcessSubstitution, 2)?;
        self.expanded(word, (ExpansionKind::Process, false), start);
        Ok(())
    }

    /// Takes the `( … )` of an array.
    fn array(&mut self, word: &mut WordBuilder) -> Read<()> {
        let start = self.at;
        self.at += 1;
        let mut inner = WordBuilder::default();
        loop {
            self.skip_lines()?;
            if self.eat(")") {
                break;
            }
            let element = self.expect_word()?;
            inner.variables.extend(element.variables);
        }
        word.variables.append(&mut inner.variables);
        if self.peek().is_some_and(|byte| !is_meta(byte)) {
            return Err(self.unexpected());
        }
        self.expanded(word, (ExpansionKind::Array, false), start);
        Ok(())
    }

    /// Notes that what is from `start` up to here is expanded.
    pub(super) fn expanded(
        &self,
        word: &mut WordBuilder,
        (kind, quoted): (ExpansionKind, bool),
        start: usize,
    ) {
        let Place { source, text } = self.place(start..self.at);
        word.value = None;
        word.expansions.push(ShellExpansion {
            kind,
            quoted,
            range: text,
            source_range: source,
        });
    }
}

/// Says whether a `(` after `before` starts an array.
fn is_array(place: WordPlace, before: &str) -> bool {
    match place {
        WordPlace::Value => before.is_empty(),
        WordPlace::Declaration => starts_value(place, before),
        WordPlace::Anywhere | WordPlace::Test | WordPlace::Regex => false,
    }
}

/// Says whether a value starts after `before`: a name and `=`.
fn starts_value(place: WordPlace, before: &str) -> bool {
    place == WordPlace::Declaration && {
        let name = name_len(before);
        name > 0 && matches!(&before[name..], "=" | "+=")
    }
}
