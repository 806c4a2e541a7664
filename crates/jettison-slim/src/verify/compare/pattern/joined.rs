//! Words that change and have a `_` in some runs alone, such as names of temporary files in Python (`tmpkozf_rzz`): whether one of
//! eight random letters is one is chance.

use super::{Item, fits, is_word};

/// The largest product of items and parts for which it is tried; bounds the time that it takes.
const LIMIT: usize = 1 << 20;

/// Whether the whole of `parts` fits, where something that is something else each time may be several words with `_` between.
pub(super) fn matches_joined(items: &[Item<'_>], parts: &[&[u8]]) -> bool {
    let is_joint = |part: &&[u8]| *part == b"_";
    if !parts.iter().any(is_joint) || items.len().saturating_mul(parts.len()) > LIMIT {
        return false;
    }
    let mut reached = vec![false; parts.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for item in items {
        let mut next = vec![false; parts.len() + 1];
        for at in (0..=parts.len()).filter(|at| reached.get(*at) == Some(&true)) {
            match item {
                Item::Many => next.iter_mut().skip(at).for_each(|place| *place = true),
                Item::One => {
                    let rest = parts.get(at..).unwrap_or_default();
                    let lengths = joined_lengths(rest).into_iter();
                    lengths.for_each(|length| next[at + length] = true);
                }
                item => {
                    if parts.get(at).is_some_and(|part| fits(item, part)) {
                        next[at + 1] = true;
                    }
                }
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// How many parts at the start of `parts` may be one word.
fn joined_lengths(parts: &[&[u8]]) -> Vec<usize> {
    let Some((first, mut rest)) = parts.split_first() else {
        return Vec::new();
    };
    let mut lengths = vec![1];
    while let [b"_", word, further @ ..] = rest
        && is_word(first)
        && is_word(word)
    {
        lengths.push(parts.len() - further.len());
        rest = further;
    }
    lengths
}
