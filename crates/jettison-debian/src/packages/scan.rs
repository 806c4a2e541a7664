//! One pass over the text of an index, which finds out no more than loading needs.
//!
//! Debian's text has 1.3 million lines: names of fields are told apart by their first byte, and nothing is copied.

use memchr::memchr;

use crate::deb822::field_of;
use crate::package::PackagePart;

/// A stanza, and what was seen in it. All six parts that every package has are there and well-formed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanned<'t> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) name: &'t str,
    pub(super) architecture: &'t str,
    pub(super) provides: Option<&'t str>,
    /// Whether every system has it: it is essential, or of the priority `required`.
    pub(super) is_basic: bool,
}

/// A stanza that is not a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Malformed<'t> {
    pub(super) stanza: &'t str,
    pub(super) part: PackagePart,
}

/// The packages of an index's text, in its order.
pub(super) fn scan(text: &str) -> impl Iterator<Item = Result<Scanned<'_>, Malformed<'_>>> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let start = skip_to_stanza(text, position)?;
        let (end, next, found) = read_stanza(text, start);
        position = next;
        Some(found.finish(text, start, end))
    })
}

/// The end of the line that starts at `at`, behind its line feed.
fn line_end(text: &str, at: usize) -> usize {
    memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |end| at + end + 1)
}

fn is_blank(line: &str) -> bool {
    matches!(line.as_bytes()[0], b'\n' | b' ' | b'\t' | b'\r') && line.trim_ascii().is_empty()
}

fn skip_to_stanza(text: &str, mut at: usize) -> Option<usize> {
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        if !is_blank(line) && !line.starts_with('#') {
            return Some(at);
        }
        at = end;
    }
    None
}

/// Where the stanza ends that starts at `at`, where to go on, and what is in it.
fn read_stanza(text: &str, start: usize) -> (usize, usize, Found<'_>) {
    let mut found = Found::default();
    let mut at = start;
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        if is_blank(line) {
            return (at, end, found);
        }
        let goes_on = matches!(text.as_bytes().get(end), Some(b' ' | b'\t' | b'#'));
        found.see(line, goes_on);
        at = end;
    }
    (text.len(), text.len(), found)
}

#[derive(Debug, Default)]
struct Found<'t> {
    parts: [Option<&'t str>; PackagePart::ALL.len()],
    provides: Option<&'t str>,
    is_basic: bool,
    malformed: Option<PackagePart>,
    /// Whether a field's value is in several lines, so that the fast way does not know it.
    is_folded: bool,
}

impl<'t> Found<'t> {
    fn see(&mut self, line: &'t str, goes_on: bool) {
        // The fields that are looked for start with these letters.
        if !matches!(
            line.as_bytes()[0] | 0x20,
            b'p' | b'v' | b'a' | b'f' | b's' | b'e'
        ) {
            return;
        }
        let Some(colon) = memchr(b':', line.as_bytes()) else {
            return;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("Provides") {
            self.is_folded |= goes_on;
            self.provides = self.provides.or(Some(value.trim()));
            return;
        }
        if is("Priority") || is("Essential") {
            self.is_folded |= goes_on;
            self.is_basic |= matches!(value.trim(), "required" | "yes");
            return;
        }
        let places = self.parts.iter_mut().zip(PackagePart::ALL);
        for (place, part) in places.filter(|(_, part)| is(part.field_name())) {
            self.is_folded |= goes_on;
            let value = value.trim();
            if !part.is_well_formed(value) {
                self.malformed = self.malformed.or(Some(part));
            }
            *place = place.or(Some(value));
        }
    }

    fn finish(
        mut self,
        text: &'t str,
        start: usize,
        end: usize,
    ) -> Result<Scanned<'t>, Malformed<'t>> {
        let stanza = &text[start..end];
        let fail = |part| Err(Malformed { stanza, part });
        if self.is_folded {
            self.provides = field_of(stanza, "Provides");
            self.is_basic = field_of(stanza, "Priority") == Some("required")
                || field_of(stanza, "Essential") == Some("yes");
            for (place, part) in self.parts.iter_mut().zip(PackagePart::ALL) {
                *place = field_of(stanza, part.field_name());
                if place.is_some_and(|value| !part.is_well_formed(value)) {
                    return fail(part);
                }
            }
        }
        if let Some(part) = self.malformed {
            return fail(part);
        }
        let missing = self.parts.iter().zip(PackagePart::ALL);
        if let Some((_, part)) = missing.into_iter().find(|(value, _)| value.is_none()) {
            return fail(part);
        }
        let [name, _, architecture, _, _, _] = self.parts;
        Ok(Scanned {
            start,
            end,
            name: name.unwrap_or_default(),
            architecture: architecture.unwrap_or_default(),
            provides: self.provides,
            is_basic: self.is_basic,
        })
    }
}
