//! The arguments of an instruction on one line, with the way back to the text.

use std::ops::Range;

use crate::instruction::Instruction;
use crate::joined::Joined;
use crate::parser::Parse;
use crate::text::TextRange;
use crate::word::Word;

/// The arguments of an instruction, continued lines joined.
#[derive(Debug)]
pub(super) struct Arguments<'t> {
    joined: Joined<'t>,
}

impl<'t> Arguments<'t> {
    /// Joins the lines of the arguments as the parser does; `None` if the result is not what the parser has.
    pub(super) fn of(parse: &'t Parse, instruction: &Instruction) -> Option<Arguments<'t>> {
        let (text, escape) = (parse.text(), parse.escape());
        let range = instruction.arguments.clone();
        let mut joined = Joined::starting_at(text, range.start, Box::default());
        let mut start = range.start;
        for line in text.get(range.clone())?.split_inclusive('\n') {
            let content = line.trim_end_matches(['\r', '\n']);
            let words = content.trim_start();
            let is_dropped = start > range.start && (words.is_empty() || words.starts_with('#'));
            if !is_dropped {
                let is_last = line.len() == content.len();
                let blanks = content.trim_end_matches([' ', '\t']);
                let end = match blanks.strip_suffix(escape) {
                    Some(before) if !is_last => before.len(),
                    Some(_) | None => content.len(),
                };
                joined.push(start..start + end);
            }
            start += line.len();
        }
        (instruction.original() == joined.text()).then_some(Arguments { joined })
    }

    /// The joined text.
    pub(super) fn text(&self) -> &str {
        self.joined.text()
    }

    /// Where a range of the joined text is in the Dockerfile.
    pub(super) fn source(&self, range: Range<usize>) -> TextRange {
        self.joined.source(range)
    }

    /// The words, split at blanks, each with its place in the Dockerfile.
    pub(super) fn words(&self) -> Vec<(&str, TextRange)> {
        let line = Word::at(self.text(), 0..self.text().len());
        let placed = line.words().map(|word| {
            let place = self.source(word.range.clone());
            (word.text, place)
        });
        placed.collect()
    }

    /// The strings of the JSON array that starts at `from`: what is between the quotes, as written.
    ///
    /// The array must be valid.
    pub(super) fn strings(&self, from: usize) -> Vec<Range<usize>> {
        let mut strings = Vec::new();
        let mut open = None;
        let mut is_escaped = false;
        for (offset, character) in self.text()[from..].char_indices() {
            let offset = from + offset;
            match (open, character) {
                (Some(_), _) if is_escaped => is_escaped = false,
                (Some(_), '\\') => is_escaped = true,
                (Some(start), '"') => {
                    strings.push(start..offset);
                    open = None;
                }
                (None, '"') => open = Some(offset + 1),
                (Some(_) | None, _) => {}
            }
        }
        strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    #[test]
    fn words_lead_back_to_their_place_across_lines() {
        let text = "FROM a\nCOPY --link a \\\n  # no word\n  bc \\\n  /d/\n";
        let parse = parse(text);
        let arguments = Arguments::of(&parse, &parse.instructions()[1]).unwrap();
        let words: Vec<&str> = arguments
            .words()
            .iter()
            .map(|(_, place)| &text[place.clone()])
            .collect();
        assert_eq!(words, ["a", "bc", "/d/"]);
    }

    #[test]
    fn strings_are_found_between_their_quotes() {
        let text = "FROM a\nCMD [\"a\\\"b\", \\\n\"c\"]\n";
        let parse = parse(text);
        let arguments = Arguments::of(&parse, &parse.instructions()[1]).unwrap();
        let strings: Vec<&str> = arguments
            .strings(0)
            .into_iter()
            .map(|range| &text[arguments.source(range)])
            .collect();
        assert_eq!(strings, ["a\\\"b", "c"]);
    }
}
