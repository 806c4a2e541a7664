//! The value of `RUN --mount`: comma-separated fields, each of which may be quoted.

use crate::diagnostic::Diagnostic;
use crate::text::TextRange;

/// One field of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountField {
    /// The key in lower case.
    pub key: String,
    /// The value, not expanded, if there is a `=`.
    pub value: Option<String>,
}

/// The fields of a mount cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// A quote stands inside a field.
    #[error("bare `\"` in a field of mount `{mount}`")]
    BareQuote {
        /// The mount.
        mount: String,
    },
    /// A quote is not closed, or a field goes on after it.
    #[error("extraneous or missing `\"` in mount `{mount}`")]
    OpenQuote {
        /// The mount.
        mount: String,
    },
}

/// Splits a mount such as `type=bind,source=a,target=/b` into its fields.
pub fn mount_fields(mount: &str) -> Result<Vec<MountField>, MountError> {
    let fields = comma_separated(mount)?;
    let field = |field: String| match field.split_once('=') {
        Some((key, value)) => MountField {
            key: key.to_lowercase(),
            value: Some(value.to_owned()),
        },
        None => MountField {
            key: field.to_lowercase(),
            value: None,
        },
    };
    Ok(fields.into_iter().map(field).collect())
}

/// Splits at commas; a field in double quotes may contain commas, and `""` for a quote.
fn comma_separated(mount: &str) -> Result<Vec<String>, MountError> {
    let mut fields = Vec::new();
    let mut rest = mount;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = rest
                .split_once(',')
                .map_or((rest, None), |(field, after)| (field, Some(after)));
            if field.contains('"') {
                return Err(MountError::BareQuote {
                    mount: mount.to_owned(),
                });
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let open = || MountError::OpenQuote {
            mount: mount.to_owned(),
        };
        let (field, after) = unquote(quoted).ok_or_else(open)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => return Err(open()),
        }
    }
}

/// Reads up to the closing quote; returns the field and what comes after the quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// The keys that may stand without a value.
const SWITCHES: [&str; 5] = ["readonly", "ro", "readwrite", "rw", "required"];

const KEYS: [&str; 20] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
    "bind-propagation",
];

/// Says what is wrong with a mount, as far as that can be said before expansion.
pub(super) fn check_mount(mount: &str, place: &TextRange) -> Option<Diagnostic> {
    let fields = match mount_fields(mount) {
        Ok(fields) => fields,
        Err(error) => return Some(Diagnostic::error(place.clone(), error.to_string())),
    };
    fields.iter().find_map(|field| check_field(field, place))
}

fn check_field(field: &MountField, place: &TextRange) -> Option<Diagnostic> {
    let MountField { key, value } = field;
    let error = |message: String| Diagnostic::error(place.clone(), message);
    if !KEYS.contains(&key.as_str()) {
        let text = value
            .as_ref()
            .map_or_else(|| key.clone(), |value| format!("{key}={value}"));
        return Some(
            error(format!("unexpected key '{key}' in '{text}'")).with_suggestion(key, KEYS),
        );
    }
    let Some(value) = value else {
        let is_switch = SWITCHES.contains(&key.as_str());
        return (!is_switch)
            .then(|| error(format!("invalid field '{key}' must be a key=value pair")));
    };
    match key.as_str() {
        "type" if !value.contains('$') && !KINDS.contains(&value.to_lowercase().as_str()) => {
            Some(error(format!("unsupported mount type {value:?}")).with_suggestion(value, KINDS))
        }
        "from" if value.contains('$') => Some(error(
            "'from' doesn't support variable expansion, define alias stage instead".to_owned(),
        )),
        _ => None,
    }
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
        check("", expect![""]);
    }

    #[test]
    fn quotes_in_the_wrong_place_are_errors() {
        check(
            r#"id=a"b"#,
            expect![[r#"error: bare `"` in a field of mount `id=a"b`"#]],
        );
        check(
            r#""id=a"#,
            expect![[r#"error: extraneous or missing `"` in mount `"id=a`"#]],
        );
        check(
            r#""id=a"b"#,
            expect![[r#"error: extraneous or missing `"` in mount `"id=a"b`"#]],
        );
    }
}
