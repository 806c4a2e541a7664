//! A text that shares its bytes with the text that it is a part of.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::text::TextRange;

/// A part of a text. It behaves as the `str` that it is, and cloning it copies nothing.
///
/// It keeps the whole text, such as a Dockerfile, in memory: what is to live on by itself had better be a `String`.
#[derive(Clone)]
pub struct SourceText {
    // A pointer to a pointer, because it takes half the room of an `Arc<str>`: instructions are made of these, and
    // most of the time that parsing takes is spent on writing them down.
    whole: Whole,
    // Invariant: both lie in the whole, between characters, or `end` is `u32::MAX`, which is the end of the whole.
    start: u32,
    end: u32,
}

/// A text that many share.
pub(crate) type Whole = Arc<Box<str>>;

impl SourceText {
    /// The part of `whole` at `range`.
    #[inline]
    pub(crate) fn part(whole: &Whole, range: TextRange) -> SourceText {
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) if end < u32::MAX => SourceText {
                whole: Arc::clone(whole),
                start,
                end,
            },
            // What lies too far out is copied.
            _ => SourceText::from(&whole[range]),
        }
    }

    /// The part of this text at `range`.
    #[inline]
    pub(crate) fn slice(&self, range: TextRange) -> SourceText {
        let start = index(self.start);
        SourceText::part(&self.whole, start + range.start..start + range.end)
    }

    fn range(&self) -> TextRange {
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

fn index(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Default for SourceText {
    fn default() -> SourceText {
        SourceText::from("")
    }
}

impl From<String> for SourceText {
    /// A text that is a part of no other.
    fn from(text: String) -> SourceText {
        SourceText {
            whole: Arc::new(text.into_boxed_str()),
            start: 0,
            end: u32::MAX,
        }
    }
}

impl From<&str> for SourceText {
    /// A copy, which is a part of no other text.
    fn from(text: &str) -> SourceText {
        SourceText::from(text.to_owned())
    }
}

impl From<SourceText> for String {
    fn from(text: SourceText) -> String {
        text.as_str().to_owned()
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

impl Borrow<str> for SourceText {
    fn borrow(&self) -> &str {
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

impl PartialOrd for SourceText {
    fn partial_cmp(&self, other: &SourceText) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SourceText {
    fn cmp(&self, other: &SourceText) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for SourceText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

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

impl PartialEq<String> for SourceText {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<SourceText> for str {
    fn eq(&self, other: &SourceText) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<SourceText> for &str {
    fn eq(&self, other: &SourceText) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<SourceText> for String {
    fn eq(&self, other: &SourceText) -> bool {
        self == other.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_part_is_a_part_of_the_whole() {
        let whole: Whole = Arc::new("FROM debian AS build".into());
        let part = SourceText::part(&whole, 5..20);
        assert_eq!(part, "debian AS build");
        assert_eq!(part.slice(10..15), "build");
        assert_eq!(part.slice(10..15), SourceText::from("build"));
        assert_eq!(SourceText::from("build").slice(1..3), "ui");
        assert_eq!(
            format!("{part} {part:?}"),
            r#"debian AS build "debian AS build""#
        );
        assert!(part.starts_with("deb"));
        assert!(part > part.slice(0..6));
    }
}
