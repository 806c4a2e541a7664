//! Parser directives: comments of the form `# directive=value` at the very top of a file.
//!
//! See <https://docs.docker.com/reference/dockerfile/#parser-directives>.

use crate::text::TextRange;

/// A parser directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name in lower case: `syntax`, `escape` or `check`.
    pub name: String,
    /// Its value, without white space around it.
    pub value: String,
    /// Where it is, from its `#` to the end of the value.
    pub range: TextRange,
}

/// The directives that the language knows.
const KNOWN: [&str; 3] = ["syntax", "escape", "check"];

/// Reads `line` as a directive; `range` says where it is. `None` means that it is something else.
pub(crate) fn directive(line: &str, range: TextRange) -> Option<Directive> {
    let body = line.strip_prefix('#')?.trim_start();
    let (name, value) = body.split_once('=')?;
    let name = name.trim_end().to_ascii_lowercase();
    let value = value.trim();
    let is_directive = KNOWN.contains(&name.as_str()) && !value.is_empty();
    is_directive.then(|| Directive {
        name,
        value: value.to_owned(),
        range,
    })
}

/// Reads the value of an `escape` directive.
pub(crate) fn escape_character(value: &str) -> Result<char, String> {
    match value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        other => Err(format!(
            "invalid escape token '{other}' does not match ` or \\"
        )),
    }
}
