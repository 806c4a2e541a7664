//! `CMD`, `ENTRYPOINT`, `SHELL`, `VOLUME`.

use crate::diagnostic::Diagnostic;
use crate::instruction::Arguments;
use crate::node::Values;

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandForm {
    /// A text that a shell runs. A JSON array that is broken is one, too.
    Shell(String),
    /// A program and its arguments; no shell is started.
    Exec(Vec<String>),
}

/// Reads a command.
pub(super) fn form(values: &Values) -> CommandForm {
    match values {
        Values::Json(argv) => CommandForm::Exec(argv.clone()),
        Values::Text(word) => CommandForm::Shell(word.text.clone()),
        Values::Nothing
        | Values::Ignored
        | Values::Words(_)
        | Values::Pairs(_)
        | Values::Health(..)
        | Values::Trigger(_) => CommandForm::Shell(String::new()),
    }
}

/// Reads `SHELL`, which has no shell form.
pub(super) fn shell(arguments: Arguments<'_>) -> Result<Vec<String>, Diagnostic> {
    let argv = arguments.at_least_one_word()?;
    match arguments.values {
        Values::Json(_) => Ok(argv),
        _ => Err(arguments
            .error("SHELL requires the arguments to be in JSON form")
            .with_hint(r#"for example `SHELL ["/bin/bash", "-c"]`"#)),
    }
}

/// Reads `VOLUME`.
pub(super) fn volumes(arguments: Arguments<'_>) -> Result<Vec<String>, Diagnostic> {
    let volumes: Vec<String> = arguments
        .at_least_one_word()?
        .iter()
        .map(|path| path.trim().to_owned())
        .collect();
    if volumes.iter().any(String::is_empty) {
        return Err(arguments.error("VOLUME specified can not be an empty string"));
    }
    Ok(volumes)
}
