//! `ENV`, `LABEL` and `ARG`.

use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, Problem};
use crate::node::Values;
use crate::source_text::SourceText;
use crate::text::TextRange;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key as written.
    pub key: SourceText,
    /// The value as written: [`expand`](crate::expand) removes its quotes.
    pub value: SourceText,
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
    pub name: SourceText,
    /// Its default as written, if it has one.
    pub default: Option<SourceText>,
    /// Where it is, default included.
    pub range: TextRange,
}

/// Reads `ENV` or `LABEL`.
pub(super) fn key_values(
    context: &Context<'_>,
    values: &mut Values<'_>,
) -> Result<Vec<KeyValue>, Diagnostic> {
    let pairs = match values {
        Values::Pairs(pairs) if !pairs.is_empty() => pairs,
        _ => return Err(context.needs_an_argument()),
    };
    let mut read = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let key_range = context.source(&pair.key.range);
        let value_range = context.source(&pair.value.range);
        if pair.key.text.is_empty() {
            let message = format!("{} names can not be blank", context.keyword);
            return Err(Diagnostic::error(key_range.start..value_range.end, message));
        }
        read.push(KeyValue {
            key: context.text(&pair.key),
            value: context.text(&pair.value),
            key_range,
            value_range,
            is_legacy: pair.is_legacy,
        });
    }
    Ok(read)
}

/// Reads `ARG`.
pub(super) fn declarations(
    context: &Context<'_>,
    values: &mut Values<'_>,
) -> Result<Vec<ArgDeclaration>, Problem> {
    let Values::Words(words) = values else {
        return Err(Problem::first(context.needs_an_argument()));
    };
    // Most declare one thing.
    let mut declarations = Vec::with_capacity(1);
    for word in words {
        let range = context.source(&word.range);
        let start = word.range.start;
        let end = start + word.text.len();
        let equals = word.text.bytes().position(|byte| byte == b'=');
        let equals = equals.map(|equals| start + equals);
        let name = start..equals.unwrap_or(end);
        if name.is_empty() {
            return Err(Diagnostic::error(range, "ARG names can not be blank").into());
        }
        declarations.push(ArgDeclaration {
            name: context.line.slice(name),
            default: equals.map(|equals| context.line.slice(equals + 1..end)),
            range,
        });
    }
    if declarations.is_empty() {
        return Err(Problem::first(context.needs_an_argument()));
    }
    Ok(declarations)
}
