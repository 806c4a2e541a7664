//! `FROM`.

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::instruction::Arguments;
use crate::node::Values;
use crate::text::TextRange;

/// `FROM [--platform=P] base [AS name]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromInstruction {
    /// The platform, not expanded.
    pub platform: Option<String>,
    /// The base: an image, an earlier stage or `scratch`; not expanded.
    pub base: String,
    /// The name of the stage in lower case.
    pub name: Option<String>,
    /// Where the base is.
    pub base_range: TextRange,
    /// Where `AS` is.
    pub as_range: Option<TextRange>,
    /// Where the name is.
    pub name_range: Option<TextRange>,
}

/// Reads `FROM`.
pub(super) fn from(
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
) -> Result<FromInstruction, Diagnostic> {
    let words = match arguments.values {
        Values::Words(words) => words.as_slice(),
        _ => &[],
    };
    let platform = flags.text("platform");
    match words {
        [base] => Ok(FromInstruction {
            platform,
            base: base.text.clone(),
            name: None,
            base_range: arguments.source(&base.range),
            as_range: None,
            name_range: None,
        }),
        [base, word, name] if word.text.eq_ignore_ascii_case("as") => {
            let name_range = arguments.source(&name.range);
            let lower_case = name.text.to_lowercase();
            if !is_stage_name(&lower_case) {
                let message = format!(
                    "invalid name for build stage: {:?}, name can't start with a number or contain symbols",
                    name.text
                );
                return Err(Diagnostic::error(name_range, message));
            }
            Ok(FromInstruction {
                platform,
                base: base.text.clone(),
                name: Some(lower_case),
                base_range: arguments.source(&base.range),
                as_range: Some(arguments.source(&word.range)),
                name_range: Some(name_range),
            })
        }
        _ => Err(arguments.error("FROM requires either one or three arguments")),
    }
}

/// A letter, then letters, digits, `-`, `_` and `.` (BuildKit: `validStageName`, instructions/parse.go).
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c))
}
