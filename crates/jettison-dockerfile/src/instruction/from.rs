//! `FROM`.

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::instruction::{Context, Problem};
use crate::node::Values;
use crate::quote::quoted;
use crate::source_text::SourceText;
use crate::text::{TextRange, lower};

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
    context: Context<'_>,
    values: &Values<'_>,
    flags: &Flags<'_>,
) -> Result<FromInstruction, Problem> {
    let mut words = match values {
        Values::Blanks(list) => list.words(),
        _ => return Err(wrong_number(context)),
    };
    let mut next = || words.next();
    let (base, word, name, fourth) = (next(), next(), next(), next());
    let Some(base) = base else {
        return Err(wrong_number(context));
    };
    let from = FromInstruction {
        platform: flags.text("platform"),
        base: context.text(&base),
        name: None,
        base_range: context.source(&base.range),
        as_range: None,
        name_range: None,
    };
    match (word, name, fourth) {
        (None, _, _) => Ok(from),
        (Some(word), Some(name), None) if is_as(word.text) => {
            let name_range = context.source(&name.range);
            let lower_case = if is_stage_name(name.text) {
                context.text(&name)
            } else {
                lower(name.text).into()
            };
            if !is_stage_name(&lower_case) {
                let message = format!(
                    "invalid name for build stage: {}, name can't start with a number or contain symbols",
                    quoted(name.text)
                );
                return Err(Problem::First(Diagnostic::error(name_range, message)));
            }
            Ok(FromInstruction {
                name: Some(lower_case),
                as_range: Some(context.source(&word.range)),
                name_range: Some(name_range),
                ..from
            })
        }
        _ => Err(wrong_number(context)),
    }
}

fn wrong_number(context: Context<'_>) -> Problem {
    Problem::First(context.error("FROM requires either one or three arguments"))
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
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}
