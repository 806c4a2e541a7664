//! The loose reading of one logical line: keyword, flags, and arguments split in the keyword's way.
//!
//! This is BuildKit's parse tree (`Node`, parser/parser.go). Whether the flags and the number of
//! arguments make sense is decided later, in `instruction`.

use crate::flag::{RawFlag, split_flags};
use crate::json::{JsonArray, json_array};
use crate::keyword::Keyword;
use crate::text::{TextRange, is_blank, trimmed};
use crate::word::{Word, split_at_blanks, split_outside_quotes, verbatim};

/// A logical line, loosely read. All ranges are in the logical line.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) word: Word,
    pub(crate) keyword: Keyword,
    pub(crate) flags: Vec<RawFlag>,
    /// The `--` after the flags.
    pub(crate) flags_end: Option<TextRange>,
    pub(crate) arguments: TextRange,
    pub(crate) values: Result<Values, NodeError>,
}

/// The arguments, split.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    /// There are none.
    Nothing,
    /// The keyword is unknown.
    Ignored,
    /// All of it.
    Text(Word),
    /// At blanks or white space.
    Words(Vec<Word>),
    /// A JSON array of strings.
    Json(Vec<String>),
    /// Keys and values.
    Pairs(Vec<Pair>),
    /// `HEALTHCHECK`: its type, and the rest.
    Health(Word, Box<Values>),
    /// `ONBUILD`: the instruction after it.
    Trigger(Box<Node>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) key: Word,
    pub(crate) value: Word,
    /// Written `KEY value` rather than `KEY=value`.
    pub(crate) is_legacy: bool,
}

/// Why the arguments cannot be split.
#[derive(Debug, Clone)]
pub(crate) struct NodeError {
    pub(crate) message: String,
    pub(crate) range: TextRange,
}

/// Reads the logical line at `range` of `line`.
pub(crate) fn node(line: &str, range: TextRange, escape: char) -> Node {
    let mut node = head(line, range);
    node.values = values(line, &node, escape);
    node
}

impl Node {
    /// The trigger of `ONBUILD`, else the node itself.
    pub(crate) fn innermost(&self) -> &Node {
        match &self.values {
            Ok(Values::Trigger(node)) => node,
            Ok(
                Values::Nothing
                | Values::Ignored
                | Values::Text(_)
                | Values::Words(_)
                | Values::Json(_)
                | Values::Pairs(_)
                | Values::Health(..),
            )
            | Err(_) => self,
        }
    }

    /// Says whether the lines after this one may be the bodies of heredocs.
    pub(crate) fn can_contain_heredocs(&self) -> bool {
        let node = self.innermost();
        matches!(node.keyword, Keyword::Add | Keyword::Copy | Keyword::Run)
            && !matches!(node.values, Ok(Values::Json(_)))
    }
}

/// Splits keyword, flags and arguments.
fn head(line: &str, range: TextRange) -> Node {
    let range = trimmed(line, range);
    let word_len = line[range.clone()].find(is_blank).unwrap_or(range.len());
    let word_end = range.start + word_len;
    let word = verbatim(line, range.start..word_end);
    let (flags, flags_end, start) = split_flags(line, word_end..range.end);
    Node {
        keyword: Keyword::of(&word.text),
        word,
        flags,
        flags_end,
        arguments: trimmed(line, start..range.end),
        values: Ok(Values::Nothing),
    }
}

fn values(line: &str, node: &Node, escape: char) -> Result<Values, NodeError> {
    let range = node.arguments.clone();
    let is_empty = range.is_empty();
    Ok(match node.keyword {
        Keyword::Unknown => Values::Ignored,
        _ if is_empty => Values::Nothing,
        Keyword::Add | Keyword::Copy | Keyword::Volume => match json(line, range.clone())? {
            Some(strings) => Values::Json(strings),
            None => Values::Words(split_at_blanks(line, range)),
        },
        Keyword::Cmd | Keyword::Entrypoint | Keyword::Run | Keyword::Shell => {
            maybe_json(line, range)?
        }
        Keyword::Expose | Keyword::From => Values::Words(split_at_blanks(line, range)),
        Keyword::Arg => Values::Words(split_outside_quotes(line, range, escape)),
        Keyword::Env | Keyword::Label => pairs(line, node, escape)?,
        Keyword::Maintainer | Keyword::Stopsignal | Keyword::User | Keyword::Workdir => {
            Values::Text(verbatim(line, range))
        }
        Keyword::Healthcheck => health(line, range)?,
        Keyword::Onbuild => Values::Trigger(Box::new(trigger(line, range, escape))),
    })
}

/// Reads the instruction after `ONBUILD`. It may not be another `ONBUILD`, so that one is not looked into.
fn trigger(line: &str, range: TextRange, escape: char) -> Node {
    let inner = head(line, range.clone());
    if inner.keyword == Keyword::Onbuild {
        inner
    } else {
        node(line, range, escape)
    }
}

fn json(line: &str, range: TextRange) -> Result<Option<Vec<String>>, NodeError> {
    match json_array(&line[range.clone()]) {
        JsonArray::Strings(strings) => Ok(Some(strings)),
        JsonArray::Invalid => Ok(None),
        JsonArray::Mixed => Err(NodeError {
            message: "when using JSON array syntax, arrays must be comprised of strings only"
                .into(),
            range,
        }),
    }
}

fn maybe_json(line: &str, range: TextRange) -> Result<Values, NodeError> {
    Ok(match json(line, range.clone())? {
        Some(strings) => Values::Json(strings),
        None => Values::Text(verbatim(line, range)),
    })
}

fn health(line: &str, range: TextRange) -> Result<Values, NodeError> {
    let text = &line[range.clone()];
    let end = range.start + text.find(char::is_whitespace).unwrap_or(text.len());
    let rest = trimmed(line, end..range.end);
    let command = if rest.is_empty() {
        Values::Nothing
    } else {
        maybe_json(line, rest)?
    };
    Ok(Values::Health(
        verbatim(line, range.start..end),
        Box::new(command),
    ))
}

/// Reads `KEY=value …`, or `KEY value` if the first word has no `=`.
fn pairs(line: &str, node: &Node, escape: char) -> Result<Values, NodeError> {
    let range = node.arguments.clone();
    let words = split_outside_quotes(line, range.clone(), escape);
    let is_legacy = words.first().is_some_and(|word| !word.text.contains('='));
    if is_legacy {
        let text = &line[range.clone()];
        let Some(key_len) = text.find(is_blank) else {
            let message = format!("{} must have two arguments", node.keyword);
            return Err(NodeError { message, range });
        };
        let rest = text[key_len..].trim_start_matches(is_blank);
        let key = verbatim(line, range.start..range.start + key_len);
        let value = verbatim(line, range.end - rest.len()..range.end);
        return Ok(Values::Pairs(vec![Pair {
            key,
            value,
            is_legacy,
        }]));
    }
    words
        .iter()
        .map(|word| pair(line, word))
        .collect::<Result<_, _>>()
        .map(Values::Pairs)
}

fn pair(line: &str, word: &Word) -> Result<Pair, NodeError> {
    let (text, range) = (&word.text, word.range.clone());
    let Some((key, value)) = text.split_once('=') else {
        let message =
            format!("Syntax error - can't find = in {text:?}. Must be of the form: name=value");
        return Err(NodeError { message, range });
    };
    // A word loses characters only at its end, so the first `=` of the line's text is the word's.
    let equals = range.start + line[range.clone()].find('=').unwrap_or(key.len());
    Ok(Pair {
        key: Word {
            text: key.to_owned(),
            range: range.start..equals,
        },
        value: Word {
            text: value.to_owned(),
            range: equals + 1..range.end,
        },
        is_legacy: false,
    })
}
