//! The value of `RUN --device`: a name and whether it is required.

use crate::diagnostic::Diagnostic;
use crate::instruction::comma_separated;
use crate::text::{TextRange, lower};

/// Says what is wrong with a device (BuildKit: `ParseDevice`, `instructions/commands_rundevice.go`).
pub(super) fn check_device(device: &str, place: &TextRange) -> Option<Diagnostic> {
    let error = |message: String| Some(Diagnostic::error(place.clone(), message));
    let fields = match comma_separated(device) {
        Ok(fields) => fields,
        Err(problem) => return error(format!("failed to parse csv devices: {problem}")),
    };
    let mut name = "";
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (lower(key), Some(value)),
            None => (lower(field), None),
        };
        match (key.as_str(), value) {
            ("required", None) => {}
            ("required", Some(value)) => {
                if !is_boolean(value) {
                    return error(format!("invalid value for {key}: {value}"));
                }
            }
            ("name", Some(value)) if name.is_empty() => name = value,
            ("name", Some(_)) => return error(format!("device name already set to {name}")),
            // The first field that is nothing else is the name, even with a `=` in it.
            _ if name.is_empty() => name = field,
            (_, None) => {
                return error(format!("invalid field '{field}' must be a key=value pair"));
            }
            (_, Some(_)) => {
                let problem = format!("unexpected key '{key}' in '{field}'");
                let problem = Diagnostic::error(place.clone(), problem);
                return Some(problem.with_suggestion(&key, ["name", "required"]));
            }
        }
    }
    None
}

/// The name of a device that a command cannot do without, of one that [`check_device`] has nothing against.
pub(super) fn required_device(device: &str) -> Option<String> {
    let fields = comma_separated(device).ok()?;
    let (mut name, mut is_required) = (String::new(), false);
    for field in &fields {
        match field.split_once('=') {
            None if lower(field) == "required" => is_required = true,
            Some((key, value)) if lower(key) == "required" => is_required = is_true(value),
            Some((key, value)) if lower(key) == "name" => value.clone_into(&mut name),
            _ if name.is_empty() => field.clone_into(&mut name),
            _ => {}
        }
    }
    is_required.then_some(name)
}

/// Says whether Go's `strconv.ParseBool` reads a text as true.
pub(crate) fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

/// Says whether Go's `strconv.ParseBool` reads a text.
pub(crate) fn is_boolean(text: &str) -> bool {
    matches!(
        text,
        "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False"
    )
}
