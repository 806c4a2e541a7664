//! A text that shares its bytes with the text that it is a part of.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::text::TextRange;

/// A part of a text. It behaves as the `str` that it is, and cloning it copies nothing.
#[derive(Clone)]
pub struct SourceText {
    whole: Arc<str>,
    // Invariant: lies in the whole, between characters.
    range: TextRange,
}

impl SourceText {
    /// A text that is a part of no other.
    pub(crate) fn whole(whole: Arc<str>) -> SourceText {
        SourceText {
            range: 0..whole.len(),
            whole,
        }
    }

    /// The part of `whole` at `range`.
    pub(crate) fn part(whole: &Arc<str>, range: TextRange) -> SourceText {
        assert!(
            whole.is_char_boundary(range.start) && whole.is_char_boundary(range.end),
            "a part of a text starts and ends between characters"
        );
        SourceText {
            whole: Arc::clone(whole),
            range,
        }
    }

    /// The part of this text at `range`.
    pub(crate) fn slice(&self, range: TextRange) -> SourceText {
        let start = self.range.start;
        SourceText::part(&self.whole, start + range.start..start + range.end)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.whole[self.range.clone()]
    }
}

impl Deref for SourceText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for SourceText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for SourceText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for SourceText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), formatter)
    }
}

impl PartialEq for SourceText {
    fn eq(&self, other: &SourceText) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SourceText {}

impl PartialEq<str> for SourceText {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for SourceText {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_part_is_a_part_of_the_whole() {
        let whole: Arc<str> = "FROM debian AS build".into();
        let part = SourceText::part(&whole, 5..20);
        assert_eq!(part, "debian AS build");
        assert_eq!(part.slice(10..15), "build");
        assert_eq!(part.slice(10..15), SourceText::whole("build".into()));
        assert_eq!(
            format!("{part} {part:?}"),
            r#"debian AS build "debian AS build""#
        );
        assert!(part.starts_with("deb"));
    }
}
