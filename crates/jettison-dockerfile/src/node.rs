//! The loose reading of one logical line: keyword, flags, and arguments split in the keyword's way.
//!
//! This is BuildKit's parse tree (`Node`, parser/parser.go). Whether the flags and the number of
//! arguments make sense is decided later, in `instruction`.

use crate::flag::{RawFlag, split_flags};
use crate::json::{JsonArray, json_array};
use crate::keyword::Keyword;
use crate::quote::quoted;
use crate::text::{TextRange, is_blank, is_space_byte, next_boundary, trimmed};
use crate::word::{OutsideQuotes, Word, split_outside_quotes};

/// A logical line, loosely read. All ranges are in the logical line.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    pub(crate) word: Word<'a>,
    pub(crate) keyword: Keyword,
    pub(crate) flags: Vec<RawFlag<'a>>,
    /// The `--` after the flags.
    pub(crate) flags_end: Option<TextRange>,
    pub(crate) arguments: TextRange,
    pub(crate) values: Result<Values<'a>, Box<NodeError>>,
}

/// The arguments, split.
#[derive(Debug, Clone)]
pub(crate) enum Values<'a> {
    /// There are none.
    Nothing,
    /// The keyword is unknown.
    Ignored,
    /// All of it.
    Text(Word<'a>),
    /// To be split at blanks.
    Blanks(Word<'a>),
    /// To be split at white space outside of quotes.
    Words(OutsideQuotes<'a>),
    /// A JSON array of strings.
    Json(Vec<String>),
    /// Keys and values.
    Pairs(Vec<Pair<'a>>),
    /// `HEALTHCHECK`
    Health(Box<Health<'a>>),
    // Invariant: not empty; all but the last are `ONBUILD` and have no values of their own.
    /// `ONBUILD`: the instruction after it, and if that is `ONBUILD` again, the one after that, and so on.
    Trigger(Vec<Node<'a>>),
}

/// The arguments of `HEALTHCHECK`.
#[derive(Debug, Clone)]
pub(crate) struct Health<'a> {
    /// Its type.
    pub(crate) kind: Word<'a>,
    /// The rest.
    pub(crate) command: Command<'a>,
}

/// What comes after the type of `HEALTHCHECK`.
#[derive(Debug, Clone)]
pub(crate) enum Command<'a> {
    Nothing,
    Text(Word<'a>),
    Json(Vec<String>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Pair<'a> {
    pub(crate) key: Word<'a>,
    pub(crate) value: Word<'a>,
    /// Written `KEY value` rather than `KEY=value`.
    pub(crate) is_legacy: bool,
}

/// Why the arguments cannot be split.
#[derive(Debug, Clone)]
pub(crate) struct NodeError {
    pub(crate) message: String,
    pub(crate) range: TextRange,
}

impl NodeError {
    /// In a box, because there rarely is one.
    fn result<T>(message: String, range: TextRange) -> Result<T, Box<NodeError>> {
        Err(Box::new(NodeError { message, range }))
    }
}

/// Reads a logical line.
pub(crate) fn node(line: &str, escape: char) -> Node<'_> {
    let mut node = head(line, 0..line.len(), escape);
    node.values = match node.keyword {
        Keyword::Onbuild if !node.arguments.is_empty() => {
            triggers(line, node.arguments.clone(), escape)
        }
        _ => values(line, &node, escape),
    };
    node
}

impl Node<'_> {
    /// Says whether the lines after this one may be the bodies of heredocs.
    pub(crate) fn can_contain_heredocs(&self) -> bool {
        let node = match &self.values {
            Ok(Values::Trigger(triggers)) => triggers.first().unwrap_or(self),
            Ok(_) | Err(_) => self,
        };
        match node.keyword {
            Keyword::Add | Keyword::Copy | Keyword::Run => {
                matches!(
                    node.values,
                    Ok(Values::Nothing | Values::Text(_) | Values::Blanks(_))
                )
            }
            _ => false,
        }
    }
}

/// Splits keyword, flags and arguments.
fn head(line: &str, range: TextRange, escape: char) -> Node<'_> {
    let range = trimmed(line, range);
    let bytes = &line.as_bytes()[range.clone()];
    let is_end = |&byte: &u8| is_blank(char::from(byte));
    let word_len = bytes.iter().position(is_end).unwrap_or(bytes.len());
    let word_end = range.start + word_len;
    let word = Word::at(line, range.start..word_end);
    let bytes = &bytes[word_len..];
    let is_space = |&byte: &u8| is_space_byte(byte);
    let spaces = bytes.iter().take_while(|byte| is_space(byte)).count();
    let rest = word_end + spaces..range.end;
    // Most have none.
    let (flags, flags_end, start) = if bytes[spaces..].starts_with(b"--") {
        split_flags(line, rest, escape)
    } else {
        (Vec::new(), None, rest.start)
    };
    Node {
        keyword: Keyword::of(word.text),
        word,
        flags,
        flags_end,
        arguments: trimmed(line, start..range.end),
        values: Ok(Values::Nothing),
    }
}

fn values<'a>(line: &'a str, node: &Node<'a>, escape: char) -> Result<Values<'a>, Box<NodeError>> {
    let range = node.arguments.clone();
    if range.is_empty() && node.keyword != Keyword::Unknown {
        return Ok(Values::Nothing);
    }
    Ok(match node.keyword {
        Keyword::Unknown => Values::Ignored,
        // The caller looks into it.
        Keyword::Onbuild => Values::Nothing,
        Keyword::Add | Keyword::Copy | Keyword::Volume => match json(line, range.clone())? {
            Some(strings) => Values::Json(strings),
            None => Values::Blanks(Word::at(line, range)),
        },
        Keyword::Cmd | Keyword::Entrypoint | Keyword::Run | Keyword::Shell => {
            match json(line, range.clone())? {
                Some(strings) => Values::Json(strings),
                None => Values::Text(Word::at(line, range)),
            }
        }
        Keyword::Expose | Keyword::From => Values::Blanks(Word::at(line, range)),
        Keyword::Arg => Values::Words(split_outside_quotes(line, range, escape)),
        Keyword::Env | Keyword::Label => pairs(line, node, escape)?,
        Keyword::Maintainer | Keyword::Stopsignal | Keyword::User | Keyword::Workdir => {
            Values::Text(Word::at(line, range))
        }
        Keyword::Healthcheck => health(line, range)?,
    })
}

/// Reads the instruction after `ONBUILD`, and those after it if it is another `ONBUILD`.
fn triggers(line: &str, range: TextRange, escape: char) -> Result<Values<'_>, Box<NodeError>> {
    let mut triggers = Vec::new();
    let mut range = range;
    // Not by recursion, which a long line could make too deep.
    loop {
        let mut node = head(line, range, escape);
        range = node.arguments.clone();
        if node.keyword == Keyword::Onbuild && !range.is_empty() {
            triggers.push(node);
            continue;
        }
        node.values = Ok(values(line, &node, escape)?);
        triggers.push(node);
        return Ok(Values::Trigger(triggers));
    }
}

fn json(line: &str, range: TextRange) -> Result<Option<Vec<String>>, Box<NodeError>> {
    // Most are none, which their first character says. White space and what is not ASCII are left to the reader.
    let first = line.as_bytes().get(range.start);
    if first.is_some_and(|&byte| byte.is_ascii_graphic() && byte != b'[') {
        return Ok(None);
    }
    match json_array(&line[range.clone()]) {
        JsonArray::Strings(strings) => Ok(Some(strings)),
        JsonArray::Invalid => Ok(None),
        JsonArray::Mixed => {
            let message = "when using JSON array syntax, arrays must be comprised of strings only";
            NodeError::result(message.to_owned(), range)
        }
    }
}

/// Reads the type of a health check and its command.
fn health(line: &str, range: TextRange) -> Result<Values<'_>, Box<NodeError>> {
    let bytes = &line.as_bytes()[..range.end];
    let is_space = |offset: usize| bytes.get(offset).copied().is_some_and(is_space_byte);
    let end = (range.start..range.end)
        .find(|&offset| is_space(offset))
        .unwrap_or(range.end);
    let end = next_boundary(line, end).min(range.end);
    let start = (end..range.end)
        .find(|&offset| !is_space(offset))
        .unwrap_or(range.end);
    let rest = next_boundary(line, start).min(range.end)..range.end;
    let command = if rest.is_empty() {
        Command::Nothing
    } else {
        match json(line, rest.clone())? {
            Some(strings) => Command::Json(strings),
            None => Command::Text(Word::at(line, rest)),
        }
    };
    let kind = Word::at(line, range.start..end);
    Ok(Values::Health(Box::new(Health { kind, command })))
}

/// Reads `KEY=value …`, or `KEY value` if the first word has no `=`.
fn pairs<'a>(line: &'a str, node: &Node<'a>, escape: char) -> Result<Values<'a>, Box<NodeError>> {
    let range = node.arguments.clone();
    let words = split_outside_quotes(line, range.clone(), escape);
    let mut first = words.clone();
    if first.next().is_none_or(|word| word.text.contains('=')) {
        let pairs: Result<_, _> = words.map(pair).collect();
        return pairs.map(Values::Pairs);
    }
    let text = &line[range.clone()];
    let Some(key_len) = text.find(is_blank) else {
        let message = format!("{} must have two arguments", node.keyword);
        return NodeError::result(message, range);
    };
    let rest = text[key_len..].trim_start_matches(is_blank);
    Ok(Values::Pairs(vec![Pair {
        key: Word::at(line, range.start..range.start + key_len),
        value: Word::at(line, range.end - rest.len()..range.end),
        is_legacy: true,
    }]))
}

fn pair(word: Word<'_>) -> Result<Pair<'_>, Box<NodeError>> {
    let Word { text, range } = word;
    let Some((key, value)) = text.split_once('=') else {
        let text = quoted(text);
        let message =
            format!("Syntax error - can't find = in {text}. Must be of the form: name=value");
        return NodeError::result(message, range);
    };
    let equals = range.start + key.len();
    Ok(Pair {
        key: Word {
            text: key,
            range: range.start..equals,
        },
        value: Word {
            text: value,
            range: equals + 1..range.end,
        },
        is_legacy: false,
    })
}
