//! Flags: `--name=value` between the keyword and the arguments.
//!
//! They end at the first word that does not start with `--`, or at a lone `--`. Quotes and backslashes
//! keep white space in a value together and are removed (BuildKit: `extractBuilderFlags`,
//! `parser/split_command.go`). The backslash escapes here whatever the `escape` directive says.

use crate::diagnostic::Diagnostic;
use crate::joined::Joined;
use crate::text::TextRange;

/// A flag of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: String,
    /// Its value with quotes removed, if there is a `=`.
    pub value: Option<String>,
    /// Where it is, dashes and value included.
    pub range: TextRange,
    /// Where the value is, as written.
    pub value_range: Option<TextRange>,
}

/// A flag as it stands in a logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawFlag {
    /// The flag with quotes removed.
    pub(crate) text: String,
    pub(crate) range: TextRange,
    /// Where the value starts.
    value_start: Option<usize>,
}

impl RawFlag {
    pub(crate) fn flag(&self, joined: &Joined) -> Flag {
        let body = self.text.strip_prefix("--").unwrap_or(&self.text);
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (body, None),
        };
        Flag {
            name: name.to_owned(),
            value,
            range: joined.source(self.range.clone()),
            value_range: self
                .value_start
                .map(|start| joined.source(start..self.range.end)),
        }
    }
}

/// Splits the flags off; returns them, the `--` if there is one, and where the arguments start.
pub(crate) fn split_flags(
    line: &str,
    range: TextRange,
) -> (Vec<RawFlag>, Option<TextRange>, usize) {
    let mut flags = Vec::new();
    let mut position = range.start;
    loop {
        let rest = &line[position..range.end];
        position += rest.len() - rest.trim_start().len();
        if !line[position..range.end].starts_with("--") {
            return (flags, None, position);
        }
        let flag = flag_word(line, position..range.end);
        position = flag.range.end;
        if flag.text == "--" {
            return (flags, Some(flag.range), position);
        }
        flags.push(flag);
    }
}

/// Reads one word at the start of `range`.
fn flag_word(line: &str, range: TextRange) -> RawFlag {
    let mut text = String::new();
    let mut value_start = None;
    let mut quote = None;
    let mut end = range.end;
    let mut characters = line[range.clone()].char_indices();
    while let Some((offset, character)) = characters.next() {
        let offset = range.start + offset;
        match quote {
            None if character.is_whitespace() => {
                end = offset;
                break;
            }
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if open == character => quote = None,
            None | Some(_) if character == '\\' => {
                text.extend(characters.next().map(|(_, escaped)| escaped));
            }
            None | Some(_) => {
                if character == '=' && value_start.is_none() {
                    value_start = Some(offset + 1);
                }
                text.push(character);
            }
        }
    }
    RawFlag {
        text,
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
        for (position, flag) in flags.iter().enumerate() {
            let is_repeated = flags[..position]
                .iter()
                .any(|other| other.name == flag.name);
            if let Some(message) = problem(flag, known, is_repeated) {
                let problem = Diagnostic::error(flag.range.clone(), message);
                let is_known = known.iter().any(|(name, _)| *name == flag.name);
                let options = known.iter().map(|(name, _)| *name);
                problems.push(if is_known {
                    problem
                } else {
                    problem.with_suggestion(&flag.name, options)
                });
            }
        }
        Flags { flags }
    }

    /// The value of a text flag; an empty value is none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.list(name).into_iter().find(|value| !value.is_empty())
    }

    /// The values of a list flag.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let named = self.flags.iter().filter(|flag| flag.name == name);
        named.filter_map(|flag| flag.value.clone()).collect()
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

fn problem(flag: &Flag, known: &[(&str, FlagKind)], is_repeated: bool) -> Option<String> {
    let name = &flag.name;
    let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
        return Some(format!("unknown flag: --{name}"));
    };
    if is_repeated && *kind != FlagKind::List {
        return Some(format!("Duplicate flag specified: {name}"));
    }
    match (kind, flag.value.as_deref()) {
        (FlagKind::Boolean, None) | (FlagKind::Text | FlagKind::List, Some(_)) => None,
        (FlagKind::Text | FlagKind::List, None) | (FlagKind::Boolean, Some("")) => {
            Some(format!("Missing a value on flag: {name}"))
        }
        (FlagKind::Boolean, Some(value)) => {
            let is_boolean = ["true", "false"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(value));
            (!is_boolean).then(|| format!("Expecting boolean value for flag {name}, not: {value}"))
        }
    }
}
