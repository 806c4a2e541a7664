//! Where the words of an instruction are.

use crate::flag::Flag;
use crate::instruction::Instruction;
use crate::text::TextRange;

/// An instruction in the text, or what stands for one that comes from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The whole instruction.
    range: &'a TextRange,
    arguments: &'a TextRange,
    /// Its flags; none if it is a trigger that comes from elsewhere.
    pub(super) flags: &'a [Flag],
    /// The text of the file; empty for a trigger.
    text: &'a str,
}

/// A word of an instruction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot<'a> {
    /// The word is there.
    At(&'a TextRange),
    /// The word is the value of a flag.
    Flag(&'a str),
    /// The word is one of the arguments.
    Argument(&'a str),
}

impl<'a> Place<'a> {
    pub(super) fn of(instruction: &'a Instruction, text: &'a str) -> Place<'a> {
        Place {
            range: &instruction.range,
            arguments: &instruction.arguments,
            flags: &instruction.flags,
            text,
        }
    }

    /// The place of a trigger: that of the `FROM` which runs it.
    pub(super) fn of_trigger(from: &'a TextRange) -> Place<'a> {
        Place {
            range: from,
            arguments: from,
            flags: &[],
            text: "",
        }
    }

    /// Where a word is, as exactly as the text tells.
    pub(super) fn exact(&self, spot: Spot<'_>) -> TextRange {
        match spot {
            Spot::At(range) => range.clone(),
            Spot::Flag(name) => {
                let flag = self.flags.iter().find(|flag| flag.name == name);
                let range = flag.map(|flag| flag.value_range.as_ref().unwrap_or(&flag.range));
                range.unwrap_or(self.arguments).clone()
            }
            Spot::Argument(word) => {
                find_word(self.text, self.arguments, word).unwrap_or_else(|| self.arguments.clone())
            }
        }
    }

    /// Where a word is, if that is known without a search; the whole instruction otherwise.
    pub(super) fn rough(&self, spot: Spot<'_>) -> TextRange {
        match spot {
            Spot::At(range) => range.clone(),
            Spot::Flag(_) | Spot::Argument(_) => self.range.clone(),
        }
    }

    pub(super) fn range(&self) -> &'a TextRange {
        self.range
    }
}

/// Finds a word in a part of a text.
pub(crate) fn find_word(text: &str, part: &TextRange, word: &str) -> Option<TextRange> {
    let part_text = text.get(part.clone())?;
    let is_edge = |c: char| c.is_whitespace() || "\"',[]=".contains(c);
    let (at, _) = part_text.match_indices(word).find(|(at, _)| {
        !word.is_empty()
            && part_text[..*at].chars().next_back().is_none_or(is_edge)
            && part_text[at + word.len()..]
                .chars()
                .next()
                .is_none_or(is_edge)
    })?;
    Some(part.start + at..part.start + at + word.len())
}
