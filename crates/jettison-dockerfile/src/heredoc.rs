//! Here-documents: `<<EOF` on an instruction's line, and the lines up to `EOF` below it.

use std::sync::Arc;

use memchr::memchr;

use crate::expand::{Quotes, name_words, raw_words};
use crate::quote::quoted;
use crate::text::TextRange;

/// A here-document of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it; also the name of the file that `COPY` makes of it.
    pub name: String,
    /// The lines of the body as they stand, line endings included.
    ///
    /// Shared, because `COPY` may name one heredoc any number of times.
    pub content: Arc<str>,
    /// No part of the name was quoted, so variables in the body are expanded.
    pub expand: bool,
    /// Written `<<-`: tabs at the start of lines are not part of the content.
    pub strip_tabs: bool,
    /// The number before `<<`, or 0.
    pub file_descriptor: u32,
    /// Where the body is.
    pub body: TextRange,
    /// Where the line that ends it is, without its line ending; empty if there is none.
    pub end: TextRange,
}

impl Heredoc {
    /// The content without the tabs that `<<-` removes.
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.to_string();
        }
        self.content
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

/// What a heredoc's word says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) name: String,
    pub(crate) expand: bool,
    pub(crate) strip_tabs: bool,
    pub(crate) file_descriptor: u32,
}

/// Finds the heredocs that a logical line announces, in order.
pub(crate) fn announcements(line: &str) -> Result<Vec<Announcement>, String> {
    if !has_arrow(line) {
        return Ok(Vec::new());
    }
    raw_words(line)
        .iter()
        .filter_map(|word| announcement(word).transpose())
        .collect()
}

/// Says whether there is a `<<`.
fn has_arrow(text: &str) -> bool {
    // Most texts have no `<` at all, and looking for one byte is much faster than for two.
    memchr(b'<', text.as_bytes()).is_some_and(|first| text[first..].contains("<<"))
}

/// Reads a word as `[number]<<[-]name`; `None` means that it is something else.
pub(crate) fn announcement(word: &str) -> Result<Option<Announcement>, String> {
    if !has_arrow(word) {
        return Ok(None);
    }
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let Some(rest) = word[digits..].strip_prefix("<<") else {
        return Ok(None);
    };
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    // The white space of Go's regular expressions.
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let words = |quotes| {
        name_words(rest, quotes)
            .map_err(|error| format!("failed to process {}: {error}", quoted(rest)))
    };
    let names = words(Quotes::Removed)?;
    let [name] = names.as_slice() else {
        return Ok(None);
    };
    let written = words(Quotes::Kept)?;
    let [written] = written.as_slice() else {
        return Err(format!(
            "internal lexing of heredoc produced inconsistent results: {rest}"
        ));
    };
    Ok(Some(Announcement {
        name: name.clone(),
        // A quote that is gone has quoted something; one that was escaped is still there.
        expand: quotes(written) == quotes(name),
        strip_tabs,
        file_descriptor: file_descriptor(&word[..digits]),
    }))
}

/// Reads a number; one that is too large is the largest, as in BuildKit.
fn file_descriptor(digits: &str) -> u32 {
    if digits.is_empty() {
        return 0;
    }
    digits.parse().unwrap_or(u32::MAX)
}

fn quotes(text: &str) -> usize {
    text.matches(['\'', '"']).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[(&str, bool, bool, u32)]) {
        let found = announcements(line).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|doc| {
                (
                    doc.name.as_str(),
                    doc.expand,
                    doc.strip_tabs,
                    doc.file_descriptor,
                )
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn heredocs_are_found_on_a_line() {
        check("RUN <<EOF", &[("EOF", true, false, 0)]);
        check(
            "RUN 3<<-EOF cat <<\"B\" <<C'D'",
            &[
                ("EOF", true, true, 3),
                ("B", false, false, 0),
                ("CD", false, false, 0),
            ],
        );
        check(
            "COPY <<a <<b /d/",
            &[("a", true, false, 0), ("b", true, false, 0)],
        );
        check("RUN << EOF", &[("EOF", true, false, 0)]);
        check("RUN <<$EOF", &[("$EOF", true, false, 0)]);
        check("RUN <<'a b'", &[("a b", false, false, 0)]);
    }

    #[test]
    fn a_large_number_is_the_largest() {
        check(
            "RUN 99999999999999999999<<E",
            &[("E", true, false, u32::MAX)],
        );
    }

    #[test]
    fn other_arrows_are_not_heredocs() {
        check("RUN cat <<<EOF", &[]);
        check("RUN x=$((1<<2))", &[]);
        check("RUN echo '<<EOF'", &[]);
        check("RUN echo \\<<EOF", &[]);
        check("RUN cat <<", &[]);
    }
}
