//! `FROM`.

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::instruction::{Context, Problem};
use crate::node::Values;
use crate::quote::quoted;
use crate::source_text::SourceText;
use crate::text::{TextRange, lower};
use crate::word::Word;

/// `FROM [--platform=P] base [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromInstruction {
    /// The platform, not expanded.
    pub platform: Option<SourceText>,
    /// The base: an image, an earlier stage or `scratch`; not expanded.
    pub base: SourceText,
    /// The name of the stage in lower case.
    pub name: Option<SourceText>,
    /// Where the base is.
    pub base_range: TextRange,
    /// Where `AS` is.
    pub as_range: Option<TextRange>,
    /// Where the name is.
    pub name_range: Option<TextRange>,
}

/// Reads `FROM`.
pub(super) fn from(
    context: &Context<'_>,
    values: &Values<'_>,
    flags: &Flags<'_>,
) -> Result<Box<FromInstruction>, Problem> {
    let mut words = match values {
        Values::Blanks(list) => list.words(),
        _ => return Err(wrong_number(context)),
    };
    let Some(base) = words.next() else {
        return Err(wrong_number(context));
    };
    let (word, name) = match (words.next(), words.next(), words.next()) {
        (None, _, _) => (None, None),
        (Some(word), Some(name), None) if is_as(word.text) => (Some(word), Some(name)),
        _ => return Err(wrong_number(context)),
    };
    let range = |word: Option<&Word<'_>>| word.map(|word| context.source(&word.range));
    Ok(Box::new(FromInstruction {
        name: match &name {
            Some(name) => Some(stage_name(context, name)?),
            None => None,
        },
        platform: flags.text("platform"),
        base: context.text(&base),
        base_range: context.source(&base.range),
        as_range: range(word.as_ref()),
        name_range: range(name.as_ref()),
    }))
}

/// Reads the name of a stage.
fn stage_name(context: &Context<'_>, name: &Word<'_>) -> Result<SourceText, Problem> {
    if is_stage_name(name.text) {
        return Ok(context.text(name));
    }
    let lower_case = lower(name.text);
    if is_stage_name(&lower_case) {
        return Ok(lower_case.into());
    }
    let message = format!(
        "invalid name for build stage: {}, name can't start with a number or contain symbols",
        quoted(name.text)
    );
    let place = context.source(&name.range);
    Err(Problem::first(Diagnostic::error(place, message)))
}

fn wrong_number(context: &Context<'_>) -> Problem {
    Problem::first(context.error("FROM requires either one or three arguments"))
}

/// Says whether a word is `AS` in any case, of which the long s is one (Go: `strings.EqualFold`).
fn is_as(word: &str) -> bool {
    let mut letters = word.chars();
    matches!(
        (letters.next(), letters.next(), letters.next()),
        (Some('a' | 'A'), Some('s' | 'S' | '\u{17f}'), None)
    )
}

/// A letter, then letters, digits, `-`, `_` and `.` (BuildKit: `validStageName`, instructions/parse.go).
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}
