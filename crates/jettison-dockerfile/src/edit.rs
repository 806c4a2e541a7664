//! Changes to a text.

use crate::text::TextRange;

/// A replaced range of a text; an empty range is an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub range: TextRange,
    /// What comes in its place.
    pub replacement: String,
}

/// A set of edits that can be applied together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditSet {
    // Invariant: sorted by start, then by end; no two ranges overlap. Insertions at one place are in the
    // order in which they came.
    edits: Vec<Edit>,
}

/// Two edits change the same text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot edit bytes {}..{}: bytes {}..{} are already edited", .refused.start, .refused.end, .present.start, .present.end)]
pub struct OverlappingEdits {
    /// The range of the edit that was refused.
    pub refused: TextRange,
    /// The range of the edit that it would have clobbered.
    pub present: TextRange,
}

impl EditSet {
    /// The empty set.
    pub fn new() -> EditSet {
        EditSet::default()
    }

    /// The set of one edit.
    pub fn replace(range: TextRange, replacement: impl Into<String>) -> EditSet {
        let replacement = replacement.into();
        EditSet {
            edits: vec![Edit { range, replacement }],
        }
    }

    /// Adds `edit`, or says which range it would have clobbered.
    ///
    /// Ranges may touch. An insertion at the edge of a replaced range is beside it.
    pub fn insert(&mut self, edit: Edit) -> Result<(), OverlappingEdits> {
        let place = self.place(&edit.range)?;
        self.edits.insert(place, edit);
        Ok(())
    }

    /// Adds all edits of another set or, if one overlaps, none.
    pub fn extend(&mut self, other: &EditSet) -> Result<(), OverlappingEdits> {
        for edit in other {
            self.place(&edit.range)?;
        }
        // Edits of one set do not overlap each other, so that none is refused now.
        for edit in other {
            self.insert(edit.clone())?;
        }
        Ok(())
    }

    /// Where an edit of `range` would stand.
    fn place(&self, range: &TextRange) -> Result<usize, OverlappingEdits> {
        let place = self.edits.partition_point(|other| {
            (other.range.start, other.range.end) <= (range.start, range.end)
        });
        let before = self.edits[..place].last().into_iter();
        for other in before.chain(self.edits.get(place)) {
            if overlap(&other.range, range) {
                return Err(OverlappingEdits {
                    refused: range.clone(),
                    present: other.range.clone(),
                });
            }
        }
        Ok(place)
    }

    /// Says whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The edits, from the start of the text to its end.
    pub fn iter(&self) -> std::slice::Iter<'_, Edit> {
        self.edits.iter()
    }
}

impl<'a> IntoIterator for &'a EditSet {
    type Item = &'a Edit;
    type IntoIter = std::slice::Iter<'a, Edit>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn overlap(left: &TextRange, right: &TextRange) -> bool {
    left.start < right.end && right.start < left.end
}

/// The edits do not fit the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The range is not in the text, or its end is before its start.
    #[error("cannot edit bytes {}..{} of a text of {len} bytes", .range.start, .range.end)]
    OutOfBounds {
        /// The range.
        range: TextRange,
        /// The length of the text.
        len: usize,
    },
    /// The range cuts a character in two.
    #[error("cannot edit bytes {}..{}: they cut a character in two", .range.start, .range.end)]
    InsideCharacter {
        /// The range.
        range: TextRange,
    },
}

/// Applies edits to a text.
pub fn apply(text: &str, edits: &EditSet) -> Result<String, ApplyError> {
    let mut result = String::with_capacity(text.len());
    let mut copied = 0;
    for Edit { range, replacement } in edits {
        if range.start > range.end || range.end > text.len() {
            return Err(ApplyError::OutOfBounds {
                range: range.clone(),
                len: text.len(),
            });
        }
        let (Some(before), Some(_)) = (text.get(copied..range.start), text.get(range.clone()))
        else {
            return Err(ApplyError::InsideCharacter {
                range: range.clone(),
            });
        };
        result.push_str(before);
        result.push_str(replacement);
        copied = range.end;
    }
    result.push_str(&text[copied..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(range: TextRange, replacement: &str) -> Edit {
        Edit {
            range,
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn edits_apply_together_whatever_their_order() {
        let mut edits = EditSet::new();
        edits.insert(edit(4..5, "y")).unwrap();
        edits.insert(edit(0..1, "x")).unwrap();
        edits.insert(edit(1..1, "-")).unwrap();
        edits.insert(edit(1..1, "+")).unwrap();
        assert_eq!(apply("abcde", &edits), Ok("x-+bcdy".to_owned()));
    }

    #[test]
    fn overlapping_edits_are_refused() {
        let mut edits = EditSet::new();
        edits.insert(edit(2..6, "")).unwrap();
        for range in [0..3, 3..4, 5..9, 2..6, 0..9, 3..3] {
            let refused = OverlappingEdits {
                refused: range.clone(),
                present: 2..6,
            };
            assert_eq!(edits.insert(edit(range, "")), Err(refused));
        }
        for range in [0..2, 6..9, 2..2, 6..6] {
            assert_eq!(edits.insert(edit(range, "")), Ok(()));
        }
    }

    #[test]
    fn edits_that_do_not_fit_are_errors() {
        let set = |range: TextRange| {
            let mut edits = EditSet::new();
            edits.insert(edit(range, "")).unwrap();
            edits
        };
        assert_eq!(
            apply("é", &set(0..3)),
            Err(ApplyError::OutOfBounds {
                range: 0..3,
                len: 2
            })
        );
        assert_eq!(
            apply("é", &set(0..1)),
            Err(ApplyError::InsideCharacter { range: 0..1 })
        );
        assert_eq!(
            apply("é", &set(1..2)),
            Err(ApplyError::InsideCharacter { range: 1..2 })
        );
    }

    proptest! {
        #[test]
        fn the_set_stays_sorted_and_disjoint(ranges in proptest::collection::vec((0usize..30, 0usize..6), 0..20)) {
            let mut edits = EditSet::new();
            for (start, len) in ranges {
                let _ = edits.insert(edit(start..start + len, ""));
            }
            let all: Vec<&Edit> = edits.iter().collect();
            for (i, left) in all.iter().enumerate() {
                for right in &all[i + 1..] {
                    prop_assert!(left.range.start <= right.range.start);
                    prop_assert!(!overlap(&left.range, &right.range));
                }
            }
        }
    }
}
