//! Control data: stanzas of fields, separated by empty lines.
//!
//! ```text
//! Package: hello
//! Description: first line of the value
//!  a continuation line starts with a space or a tab
//!  .
//! # a comment is no part of any value
//! ```
//!
//! See <https://manpages.debian.org/deb822.5>. Nothing is copied: names and values are slices of the text.

/// One stanza: its fields, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza<'a> {
    text: &'a str,
    fields: Vec<Field<'a>>,
}

/// One field of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was written. Names do not distinguish case.
    pub name: &'a str,
    /// Everything behind the colon, continuation lines included, without white space around it.
    pub value: &'a str,
}

/// A line that belongs to no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read line {line} of control data: {problem}")]
pub struct Deb822Error {
    /// The line's number, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl<'a> Stanza<'a> {
    /// The stanza as it was written.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The fields, in the order of the text.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The value of the field called `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let field = self
            .fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(field.value)
    }
}

impl<'a> Field<'a> {
    /// The lines of the value, trimmed, without comments.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        value_lines(self.value)
    }
}

/// The lines of the field value `value`, trimmed, without comments.
pub(crate) fn value_lines(value: &str) -> impl Iterator<Item = &str> {
    value
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim)
}

/// Reads all stanzas of `text`.
pub fn parse_stanzas(text: &str) -> Result<Vec<Stanza<'_>>, Deb822Error> {
    let mut stanzas = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for (start, end) in stanza_ranges(text) {
        line += count_lines(&text[counted..start]);
        stanzas.push(parse_stanza(&text[start..end], line)?);
        line += count_lines(&text[start..end]);
        counted = end;
    }
    Ok(stanzas)
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

fn parse_stanza(text: &str, first_line: usize) -> Result<Stanza<'_>, Deb822Error> {
    let mut fields = Vec::new();
    for (line, field) in raw_fields(text) {
        let Some((name, value)) = field.split_once(':') else {
            return Err(Deb822Error {
                line: first_line + line,
                problem: "it has no colon",
            });
        };
        if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(Deb822Error {
                line: first_line + line,
                problem: "it does not start with a field name",
            });
        }
        let value = value.trim();
        fields.push(Field { name, value });
    }
    Ok(Stanza { text, fields })
}

/// Where the stanzas of `text` start and end. Lines of white space separate stanzas; so do no others.
pub(crate) fn stanza_ranges(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let mut start = None;
        while position < text.len() {
            let line = line_at(text, position);
            let at = position;
            position += line.len();
            match start {
                Some(start) if line.trim_ascii().is_empty() => return Some((start, at)),
                Some(_) => {}
                None if line.trim_ascii().is_empty() || line.starts_with('#') => {}
                None => start = Some(at),
            }
        }
        start.map(|start| (start, text.len()))
    })
}

/// The line that starts at `position`, with its line feed.
fn line_at(text: &str, position: usize) -> &str {
    let rest = &text[position..];
    rest.find('\n').map_or(rest, |end| &rest[..=end])
}

/// The fields of a stanza with their continuation lines, each with the number of its line, counted from zero.
pub(crate) fn raw_fields(stanza: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut position, mut line_number) = (0, 0);
    std::iter::from_fn(move || {
        let mut found: Option<(usize, usize, usize)> = None;
        while position < stanza.len() {
            let line = line_at(stanza, position);
            let is_comment = line.starts_with('#');
            let continues = line.starts_with([' ', '\t']);
            if let Some((number, start, end)) = found
                && !is_comment
                && !continues
            {
                return Some((number, &stanza[start..end]));
            }
            if !is_comment {
                let (number, start) = found
                    .map_or((line_number, position), |(number, start, _)| {
                        (number, start)
                    });
                found = Some((number, start, position + line.len()));
            }
            position += line.len();
            line_number += 1;
        }
        found.map(|(number, start, end)| (number, &stanza[start..end]))
    })
}

/// The value of the field called `name` of a stanza's text, without reading the other fields.
pub(crate) fn field_of<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    raw_fields(stanza).find_map(|(_, field)| {
        let rest = field.get(name.len()..)?.strip_prefix(':')?;
        let is_named = field.as_bytes()[..name.len()].eq_ignore_ascii_case(name.as_bytes());
        is_named.then(|| rest.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let got = match parse_stanzas(text) {
            Ok(stanzas) => {
                let show = |stanza: &Stanza<'_>| {
                    let field = |field: &Field<'_>| format!("{} = {:?}\n", field.name, field.value);
                    stanza.fields().iter().map(field).collect::<String>()
                };
                stanzas.iter().map(show).collect::<Vec<_>>().join("--\n")
            }
            Err(error) => format!("error: {error}\n"),
        };
        expected.assert_eq(&got);
    }

    #[test]
    fn a_value_goes_on_in_lines_that_start_with_white_space() {
        check(
            "A: 1\nB: two\n lines\n .\n\tthree\nC:\n",
            expect![[r#"
                A = "1"
                B = "two\n lines\n .\n\tthree"
                C = ""
            "#]],
        );
    }

    #[test]
    fn lines_of_white_space_separate_stanzas() {
        check(
            "\n\nA: 1\n \t\r\nA: 2\n\n\nB: 3",
            expect![[r#"
                A = "1"
                --
                A = "2"
                --
                B = "3"
            "#]],
        );
    }

    #[test]
    fn comments_belong_to_no_field() {
        check(
            "# top\nA: 1\n# between\nB: 2\n# end\n",
            expect![[r#"
                A = "1"
                B = "2"
            "#]],
        );
        let stanzas = parse_stanzas("A: 1\n# inside\n 2\n").unwrap();
        let lines: Vec<&str> = stanzas[0].fields()[0].lines().collect();
        assert_eq!(lines, ["1", "2"]);
    }

    #[test]
    fn a_line_outside_of_any_field_is_named() {
        check(
            "A: 1\n\nB: 2\nnonsense\n",
            expect![[r"
                error: cannot read line 4 of control data: it has no colon
            "]],
        );
        check(
            " A: 1\n",
            expect![[r"
                error: cannot read line 1 of control data: it does not start with a field name
            "]],
        );
        check(
            ": 1\n",
            expect![[r"
                error: cannot read line 1 of control data: it does not start with a field name
            "]],
        );
    }

    #[test]
    fn a_field_is_found_whatever_the_case_of_its_name() {
        let text = "Package-List: x\npackage: y\n Package: z\n";
        assert_eq!(field_of(text, "Package"), Some("y\n Package: z"));
        assert_eq!(field_of(text, "Pack"), None);
        assert_eq!(field_of("é: 1\n", "A"), None);
        assert_eq!(
            parse_stanzas(text).unwrap()[0].get("PACKAGE"),
            Some("y\n Package: z")
        );
    }
}
