//! Flags: `--name=value` between the keyword and the arguments.
//!
//! They end at the first word that does not start with `--`, or at a lone `--`. Quotes and escape characters
//! keep white space in a value together and are removed (BuildKit: `extractBuilderFlags`,
//! `parser/split_command.go`).

use std::borrow::Cow;

use crate::diagnostic::Diagnostic;
use crate::few::Few;
use crate::joined::Joined;
use crate::source_text::SourceText;
use crate::text::{TextRange, is_space_byte, next_boundary, plain_len};

/// A flag of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: SourceText,
    /// Its value with quotes removed, if there is a `=`.
    pub value: Option<SourceText>,
    /// Where it is, dashes and value included.
    pub range: TextRange,
    /// Where the value is, as written.
    pub value_range: Option<TextRange>,
}

/// A flag as it stands in a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFlag<'a> {
    /// The flag with quotes removed.
    pub(crate) text: Cow<'a, str>,
    pub(crate) range: TextRange,
    /// Where the value starts.
    value_start: Option<usize>,
}

impl RawFlag<'_> {
    /// The flag of the logical line `line`, which is the text of `joined`.
    pub(crate) fn flag(&self, line: &SourceText, joined: &Joined<'_>) -> Flag {
        let unquoted: SourceText;
        let (text, range, value_start) = match &self.text {
            Cow::Borrowed(_) => (line, self.range.clone(), self.value_start),
            Cow::Owned(text) => {
                unquoted = SourceText::from(text.as_str());
                let value_start = text.find('=').map(|equals| equals + 1);
                (&unquoted, 0..text.len(), value_start)
            }
        };
        let name = range.start + if self.text.starts_with("--") { 2 } else { 0 };
        Flag {
            name: text.slice(name..value_start.map_or(range.end, |start| start - 1)),
            value: value_start.map(|start| text.slice(start..range.end)),
            range: joined.source(self.range.clone()),
            value_range: self
                .value_start
                .map(|start| joined.source(start..self.range.end)),
        }
    }
}

/// The flags, the `--` if there is one, and where the arguments start.
pub(crate) type SplitFlags<'a> = (Vec<RawFlag<'a>>, Option<TextRange>, usize);

/// Splits the flags off.
pub(crate) fn split_flags(line: &str, range: TextRange, escape: char) -> SplitFlags<'_> {
    let bytes = &line.as_bytes()[..range.end];
    let mut flags = Vec::new();
    let mut position = range.start;
    loop {
        while bytes.get(position).copied().is_some_and(is_space_byte) {
            position += 1;
        }
        if !bytes[position..].starts_with(b"--") {
            return (flags, None, position);
        }
        let flag = flag_word(line, position..range.end, escape);
        position = flag.range.end;
        if flag.text == "--" {
            return (flags, Some(flag.range), position);
        }
        flags.push(flag);
    }
}

/// Reads one word at the start of `range`.
fn flag_word(line: &str, range: TextRange, escape: char) -> RawFlag<'_> {
    let bytes = &line.as_bytes()[range.clone()];
    let length = plain_len(bytes);
    if bytes
        .get(length)
        .is_some_and(|&byte| !byte.is_ascii_whitespace() && byte != 0xb)
    {
        return quoted_flag_word(line, range, escape);
    }
    let range = range.start..range.start + length;
    let text = &line[range.clone()];
    let equals = text.bytes().position(|byte| byte == b'=');
    let value_start = equals.map(|equals| range.start + equals + 1);
    RawFlag {
        text: Cow::Borrowed(text),
        range,
        value_start,
    }
}

/// Reads one word that may have quotes and escape characters.
///
/// Each byte is taken for a character, as BuildKit does: a letter that is not ASCII becomes two or more.
fn quoted_flag_word(line: &str, range: TextRange, escape: char) -> RawFlag<'_> {
    let mut text = String::new();
    let mut value_start = None;
    let mut quote = None;
    let mut end = range.end;
    let mut bytes = line.as_bytes()[range.clone()].iter();
    while let Some(&byte) = bytes.next() {
        let offset = range.end - bytes.len() - 1;
        let mut pushed = Some(byte);
        match quote {
            None if is_space_byte(byte) => {
                end = next_boundary(line, offset);
                break;
            }
            None if matches!(byte, b'\'' | b'"') => {
                quote = Some(byte);
                continue;
            }
            Some(open) if open == byte => {
                quote = None;
                continue;
            }
            None | Some(_) if char::from(byte) == escape => pushed = bytes.next().copied(),
            None | Some(_) => {}
        }
        if pushed == Some(b'=') && value_start.is_none() {
            value_start = Some(range.end - bytes.len());
        }
        text.extend(pushed.map(char::from));
    }
    RawFlag {
        text: Cow::Owned(text),
        range: range.start..end,
        value_start,
    }
}

/// What value a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlagKind {
    /// None, `=true` or `=false`.
    Boolean,
    /// One text.
    Text,
    /// A text, as often as one likes.
    List,
}

/// The flags of one instruction, checked against those that it may have.
#[derive(Debug)]
pub(crate) struct Flags<'f> {
    flags: &'f [Flag],
}

impl<'f> Flags<'f> {
    /// Checks `flags`; every problem is reported (BuildKit stops at the first; instructions/bflag.go).
    pub(crate) fn check(
        flags: &'f [Flag],
        known: &[(&'static str, FlagKind)],
        problems: &mut Vec<Diagnostic>,
    ) -> Flags<'f> {
        let mut seen = Vec::new();
        for flag in flags {
            let range = flag.range.clone();
            let Some((name, kind)) = known.iter().find(|(name, _)| *name == flag.name) else {
                let options = known.iter().map(|(name, _)| *name);
                problems.push(
                    Diagnostic::error(range, format!("unknown flag: --{}", flag.name))
                        .with_suggestion(&flag.name, options),
                );
                continue;
            };
            let is_repeated = seen.contains(name);
            if !is_repeated {
                seen.push(*name);
            }
            if let Some(message) = problem(flag, *kind, is_repeated) {
                problems.push(Diagnostic::error(range, message));
            }
        }
        Flags { flags }
    }

    /// None at all, whatever is written (BuildKit does not look at some instructions' flags).
    pub(crate) fn ignored() -> Flags<'f> {
        Flags { flags: &[] }
    }

    /// The value of a text flag; an empty value is none.
    pub(crate) fn text(&self, name: &str) -> Option<SourceText> {
        let named = self.flags.iter().filter(|flag| flag.name == name);
        let mut values = named.filter_map(|flag| flag.value.as_ref());
        values.find(|value| !value.is_empty()).cloned()
    }

    /// The values of a list flag.
    pub(crate) fn list(&self, name: &str) -> Few<SourceText> {
        let named = self.flags.iter().filter(|flag| flag.name == name);
        let values = named.filter_map(|flag| flag.value.as_ref());
        let mut list = Vec::with_capacity(values.clone().count());
        list.extend(values.cloned());
        list.into()
    }

    /// The value of a boolean flag, if it is there.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        let flag = self.flags.iter().find(|flag| flag.name == name)?;
        Some(
            flag.value
                .as_deref()
                .is_none_or(|value| value.eq_ignore_ascii_case("true")),
        )
    }

    /// Where a flag is.
    pub(crate) fn range(&self, name: &str) -> Option<TextRange> {
        self.flags
            .iter()
            .find(|flag| flag.name == name)
            .map(|flag| flag.range.clone())
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'f Flag> {
        self.flags.iter()
    }
}

fn problem(flag: &Flag, kind: FlagKind, is_repeated: bool) -> Option<String> {
    let name = &flag.name;
    if is_repeated && kind != FlagKind::List {
        return Some(format!("duplicate flag specified: --{name}"));
    }
    match (kind, flag.value.as_deref()) {
        (FlagKind::Boolean, None) | (FlagKind::Text | FlagKind::List, Some(_)) => None,
        (FlagKind::Text | FlagKind::List, None) | (FlagKind::Boolean, Some("")) => {
            Some(format!("missing a value on flag: --{name}"))
        }
        (FlagKind::Boolean, Some(value)) => {
            let is_boolean = ["true", "false"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(value));
            (!is_boolean)
                .then(|| format!("expecting boolean value for flag --{name}, not: {value}"))
        }
    }
}
