//! `ENV`, `LABEL` and `ARG`.

use crate::diagnostic::Diagnostic;
use crate::instruction::Arguments;
use crate::node::Values;
use crate::text::TextRange;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key as written.
    pub key: String,
    /// The value as written: [`expand`](crate::expand) removes its quotes.
    pub value: String,
    /// Where the key is.
    pub key_range: TextRange,
    /// Where the value is.
    pub value_range: TextRange,
    /// Written `KEY value` rather than `KEY=value`.
    pub is_legacy: bool,
}

/// A build argument that `ARG` declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// Its name.
    pub name: String,
    /// Its default as written, if it has one.
    pub default: Option<String>,
    /// Where it is, default included.
    pub range: TextRange,
}

/// Reads `ENV` or `LABEL`.
pub(super) fn key_values(arguments: Arguments<'_>) -> Result<Vec<KeyValue>, Diagnostic> {
    let keyword = arguments.keyword;
    let Values::Pairs(pairs) = arguments.values else {
        return Err(arguments.error(format!("{keyword} requires at least one argument")));
    };
    if pairs.is_empty() {
        return Err(arguments.error(format!("{keyword} requires at least one argument")));
    }
    let read = pairs.iter().map(|pair| KeyValue {
        key: pair.key.text.clone(),
        value: pair.value.text.clone(),
        key_range: arguments.source(&pair.key.range),
        value_range: arguments.source(&pair.value.range),
        is_legacy: pair.is_legacy,
    });
    let read: Vec<KeyValue> = read.collect();
    match read.iter().find(|pair| pair.key.is_empty()) {
        Some(pair) => {
            let message = format!("{keyword} names can not be blank");
            Err(Diagnostic::error(
                pair.key_range.start..pair.value_range.end,
                message,
            ))
        }
        None => Ok(read),
    }
}

/// Reads `ARG`.
pub(super) fn declarations(arguments: Arguments<'_>) -> Result<Vec<ArgDeclaration>, Diagnostic> {
    let words = match arguments.values {
        Values::Words(words) => words.as_slice(),
        _ => &[],
    };
    if words.is_empty() {
        return Err(arguments.error("ARG requires at least one argument"));
    }
    let declaration = |word: &crate::word::Word| {
        let range = arguments.source(&word.range);
        let (name, default) = match word.text.split_once('=') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (word.text.as_str(), None),
        };
        if name.is_empty() {
            return Err(Diagnostic::error(range, "ARG names can not be blank"));
        }
        Ok(ArgDeclaration {
            name: name.to_owned(),
            default,
            range,
        })
    };
    words.iter().map(declaration).collect()
}
