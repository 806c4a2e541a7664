//! A text that shares its bytes with the text that it is a part of.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::text::TextRange;

/// A part of a text. It behaves as the `str` that it is, and cloning it copies nothing.
#[derive(Clone)]
pub struct SourceText {
    whole: Arc<str>,
    // Invariant: both lie in the whole, between characters, or `end` is `u32::MAX`, which is the end of the whole.
    // Instructions have two of these, and they are what takes most of the memory of a `Parse`.
    start: u32,
    end: u32,
}

impl SourceText {
    /// A text that is a part of no other.
    pub(crate) fn whole(whole: Arc<str>) -> SourceText {
        SourceText {
            whole,
            start: 0,
            end: u32::MAX,
        }
    }

    /// The part of `whole` at `range`.
    pub(crate) fn part(whole: &Arc<str>, range: TextRange) -> SourceText {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) if end < u32::MAX => SourceText {
                whole: Arc::clone(whole),
                start,
                end,
            },
            // What lies too far out is copied.
            _ => SourceText::whole(whole[range].into()),
        }
    }

    /// The part of this text at `range`.
    pub(crate) fn slice(&self, range: TextRange) -> SourceText {
        let start = self.range().start;
        SourceText::part(&self.whole, start + range.start..start + range.end)
    }

    fn range(&self) -> TextRange {
        let index = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        let end = if self.end == u32::MAX {
            self.whole.len()
        } else {
            index(self.end)
        };
        index(self.start)..end
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.whole[self.range()]
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
