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

/// Reads `line` as a directive; `start` says where it is. `None` means that it is something else.
///
/// White space is that of Go's regular expressions, which do not know the vertical tab, and a value of nothing
/// else is its last character (BuildKit: `directiveRegexp`, parser/directives.go).
pub(crate) fn directive(line: &str, start: usize) -> Option<Directive> {
    let is_space = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ');
    let body = line.strip_prefix('#')?.trim_start();
    let (name, value) = body.split_once('=')?;
    let name = name.trim_end_matches(is_space).to_ascii_lowercase();
    let mut value = value.trim_start_matches(is_space);
    let mut end = line.len();
    if value.is_empty() {
        value = &line[line.char_indices().next_back()?.0..];
        if value == "=" {
            return None;
        }
    } else {
        value = value.trim_end_matches(is_space);
        end = line.trim_end_matches(is_space).len();
    }
    KNOWN.contains(&name.as_str()).then(|| Directive {
        name,
        value: value.to_owned(),
        range: start..start + end,
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
