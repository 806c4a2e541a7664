//! Numbers that settings and JSON call durations.

use super::{Item, is_number};

/// Where the numbers are, decimal ones maybe, that settings and JSON call durations: `"responseTime":2.948`, `duration=12`.
pub(super) fn numbers_of_durations(items: &[Item<'_>]) -> Vec<usize> {
    let is_part = |item: &Item<'_>| match item {
        Item::Number => true,
        Item::Same(word) => is_number(word),
        Item::Words(_) | Item::Duration | Item::Moment(_) | Item::One | Item::Many => false,
    };
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (before, rest) = items.split_at(index);
        if !is_part(item) || !ends_with_duration(before) {
            continue;
        }
        found.push(index);
        if let [_, Item::Same(b"."), fraction, ..] = rest
            && is_part(fraction)
        {
            found.push(index + 2);
        }
    }
    found
}

/// Whether `items` end with a key that names a duration, and what stands between it and its value.
fn ends_with_duration(items: &[Item<'_>]) -> bool {
    const WORDS: [&[u8]; 7] = [
        b"duration",
        b"elapsed",
        b"latency",
        b"ms",
        b"responsetime",
        b"runtime",
        b"took",
    ];
    let before = match items {
        [before @ .., Item::Same(b" ")] | before => before,
    };
    let [before @ .., Item::Same(b":" | b"=")] = before else {
        return false;
    };
    let before = match before {
        [before @ .., Item::Same(b"\"")] | before => before,
    };
    match before {
        [.., Item::Same(b"_"), Item::Same(b"time")] => true,
        [.., Item::Same(word)] => {
            let word = word.strip_suffix(b"Ms").unwrap_or(word);
            WORDS.contains(&word.to_ascii_lowercase().as_slice())
        }
        _ => false,
    }
}
