//! The value of `RUN --mount`: comma-separated fields, each of which may be quoted.

use crate::diagnostic::Diagnostic;
use crate::text::{TextRange, lower};

/// One field of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountField {
    /// The key in lower case.
    pub key: String,
    /// The value, not expanded, if there is a `=`.
    pub value: Option<String>,
}

/// The fields of a mount cannot be told apart. The words are those of Go's `encoding/csv`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// There is nothing.
    #[error("EOF")]
    Empty,
    /// A quote stands inside a field.
    #[error("parse error on line 1, column {column}: bare \" in non-quoted-field")]
    BareQuote {
        /// Where the quote is, in bytes from 1.
        column: usize,
    },
    /// A quote is not closed, or a field goes on after it.
    #[error("parse error on line 1, column {column}: extraneous or missing \" in quoted-field")]
    OpenQuote {
        /// Where that is, in bytes from 1.
        column: usize,
    },
}

/// Splits a mount such as `type=bind,source=a,target=/b` into its fields.
pub fn mount_fields(mount: &str) -> Result<Vec<MountField>, MountError> {
    let fields = comma_separated(mount)?;
    Ok(fields.iter().map(|field| mount_field(field)).collect())
}

fn mount_field(field: &str) -> MountField {
    match field.split_once('=') {
        Some((key, value)) => MountField {
            key: lower(key),
            value: Some(value.to_owned()),
        },
        None => MountField {
            key: lower(field),
            value: None,
        },
    }
}

/// Splits at commas; a field in double quotes may contain commas, and `""` for a quote.
pub(crate) fn comma_separated(list: &str) -> Result<Vec<String>, MountError> {
    if list.is_empty() {
        return Err(MountError::Empty);
    }
    let mut fields = Vec::new();
    let mut rest = list;
    loop {
        let column = |rest: &str| list.len() - rest.len() + 1;
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = rest
                .split_once(',')
                .map_or((rest, None), |(field, after)| (field, Some(after)));
            if let Some(quote) = field.find('"') {
                let column = column(rest) + quote;
                return Err(MountError::BareQuote { column });
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let (field, after) = unquote(quoted).map_err(|unread| MountError::OpenQuote {
            column: column(unread),
        })?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => {
                let column = column(after) - 1;
                return Err(MountError::OpenQuote { column });
            }
        }
    }
}

/// Reads up to the closing quote; returns the field and what comes after the quote, or what has no quote.
fn unquote(text: &str) -> Result<(String, &str), &str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').ok_or(rest)?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, after)),
        }
    }
}

/// Says what is wrong with a mount before its variables are expanded.
///
/// Nothing else is looked at so early (BuildKit: `parseMount` without an expander, `instructions/commands_runmount.go`).
pub(super) fn check_mount(mount: &str, place: &TextRange) -> Option<Diagnostic> {
    let error = |message: String| Some(Diagnostic::error(place.clone(), message));
    // Without these nothing can be wrong.
    let is_suspect = |byte: u8| matches!(byte, b'"' | b'$');
    if !mount.is_empty() && !mount.bytes().any(is_suspect) {
        return None;
    }
    let fields = match mount_fields(mount) {
        Ok(fields) => fields,
        Err(problem) => return error(format!("failed to parse csv mounts: {problem}")),
    };
    let expands = |value: &str| value.find('$').is_some_and(|at| at + 1 < value.len());
    let has_variable = fields
        .iter()
        .filter(|field| field.key == "from")
        .any(|field| field.value.as_deref().is_some_and(expands));
    if has_variable {
        let message = "'from' doesn't support variable expansion, define alias stage instead";
        return error(message.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(mount: &str, expected: Expect) {
        let text = match mount_fields(mount) {
            Err(error) => format!("error: {error}"),
            Ok(fields) => {
                let fields = fields.iter().map(|field| match &field.value {
                    Some(value) => format!("{}={value}", field.key),
                    None => field.key.clone(),
                });
                fields.collect::<Vec<_>>().join("|")
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn fields_are_split_at_commas_outside_of_quotes() {
        check(
            "type=bind,Source=a=b,ro",
            expect!["type=bind|source=a=b|ro"],
        );
        check(
            r#""source=a,b","id=""x""",rw"#,
            expect![[r#"source=a,b|id="x"|rw"#]],
        );
        check("", expect!["error: EOF"]);
    }

    #[test]
    fn quotes_in_the_wrong_place_are_errors() {
        check(
            r#"id=a"b"#,
            expect![[r#"error: parse error on line 1, column 5: bare " in non-quoted-field"#]],
        );
        check(
            r#""id=a"#,
            expect![[
                r#"error: parse error on line 1, column 2: extraneous or missing " in quoted-field"#
            ]],
        );
        check(
            r#""id=a"b"#,
            expect![[
                r#"error: parse error on line 1, column 6: extraneous or missing " in quoted-field"#
            ]],
        );
    }
}
