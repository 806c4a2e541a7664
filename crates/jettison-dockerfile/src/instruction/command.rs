//! `CMD`, `ENTRYPOINT`, `SHELL`, `VOLUME`.

use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, Problem};
use crate::node::Values;
use crate::source_text::SourceText;
use crate::text::trimmed;

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandForm {
    /// A text that a shell runs. A JSON array that is broken is one, too.
    Shell(SourceText),
    /// A program and its arguments; no shell is started.
    Exec(Vec<String>),
}

/// Reads a command.
pub(super) fn form(context: &Context<'_>, values: &mut Values<'_>) -> CommandForm {
    match values {
        Values::Json(argv) => CommandForm::Exec(std::mem::take(argv)),
        Values::Text(word) => CommandForm::Shell(context.text(word)),
        Values::Nothing
        | Values::Ignored
        | Values::Blanks(_)
        | Values::Words(_)
        | Values::Pairs(_)
        | Values::Health(_)
        | Values::Trigger(_) => CommandForm::Shell(context.line.slice(0..0)),
    }
}

/// Reads `SHELL`, which has no shell form.
pub(super) fn shell(
    context: &Context<'_>,
    values: &mut Values<'_>,
) -> Result<Vec<String>, Diagnostic> {
    match values {
        Values::Json(argv) if !argv.is_empty() => Ok(std::mem::take(argv)),
        Values::Json(_) | Values::Nothing => Err(context.needs_an_argument()),
        _ => Err(context
            .error("SHELL requires the arguments to be in JSON form")
            .with_hint(r#"for example `SHELL ["/bin/bash", "-c"]`"#)),
    }
}

/// Reads `VOLUME`.
pub(super) fn volumes(
    context: &Context<'_>,
    values: &mut Values<'_>,
) -> Result<Vec<SourceText>, Problem> {
    let mut volumes = context.at_least_one_word(values)?;
    for path in &mut volumes {
        if path.trim().len() < path.len() {
            *path = path.slice(trimmed(path, 0..path.len()));
        }
        if path.is_empty() {
            let problem = context.error("VOLUME specified can not be an empty string");
            return Err(problem.into());
        }
    }
    Ok(volumes)
}
