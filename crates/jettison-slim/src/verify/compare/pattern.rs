//! What several runs of the original have in common, line by line and word by word.
//!
//! A line that all runs have is compared. In lines that are different in each run, such as those with a time, the words
//! that all of them have are compared. What was there in each run has to be there in the candidate as well.

mod durations;
mod joined;

use std::collections::{BTreeSet, HashSet};

use similar::{Algorithm, DiffTag, capture_diff_slices};

use self::durations::numbers_of_durations;
use self::joined::matches_joined;

/// Of larger texts, in bytes, only whole lines are compared, and not their order; bounds the time that it takes.
const LIMIT: usize = 1 << 20;

/// The texts of several runs, as far as they agree.
#[derive(Debug)]
pub(super) enum Pattern<'t> {
    /// They are the same.
    Same(&'t [u8]),
    /// They agree in lines or words.
    Lines(Vec<Item<'t>>),
    /// They are large, and differ; these lines are in all of them.
    Large(BTreeSet<&'t [u8]>),
}

/// One part of a text.
#[derive(Debug)]
pub(super) enum Item<'t> {
    /// A line or word that is always the same.
    Same(&'t [u8]),
    /// A line that always has these words.
    Words(Vec<Item<'t>>),
    /// Always a number.
    Number,
    /// Always a number with a unit of time.
    Duration,
    /// At most three digits, and then this, which may be nothing.
    Moment(&'t [u8]),
    /// Something, each time something else.
    One,
    /// Anything, or nothing.
    Many,
}

impl<'t> Pattern<'t> {
    /// What `first` and `others` have in common.
    pub(super) fn of(first: &'t [u8], others: &[&'t [u8]]) -> Pattern<'t> {
        if others.iter().all(|other| *other == first) {
            return Pattern::Same(first);
        }
        if others.iter().chain([&first]).any(|text| text.len() > LIMIT) {
            let mut shared: BTreeSet<&[u8]> = lines(first).into_iter().collect();
            for other in others {
                let theirs: BTreeSet<&[u8]> = lines(other).into_iter().collect();
                shared.retain(|line| theirs.contains(line));
            }
            return Pattern::Large(shared);
        }
        let (first, others) = (lines(first), others.iter().map(|other| lines(other)));
        let others: Vec<Vec<&[u8]>> = others.collect();
        let mut items = common(&first, &others, like_line);
        let is_changing = |line: &&[u8]| !others.iter().all(|other| other.contains(line));
        if first
            .iter()
            .any(|line| has_duration(line) && is_changing(line))
        {
            // Who measures in one line measures in all of them, and may have measured the same a few times by chance.
            for item in &mut items {
                match item {
                    Item::Same(line) if has_duration(line) => *item = like_line(line, &[]),
                    Item::Same(_)
                    | Item::Words(_)
                    | Item::Number
                    | Item::Duration
                    | Item::Moment(_)
                    | Item::One
                    | Item::Many => {}
                }
            }
        }
        Pattern::Lines(items)
    }

    /// Whether `text` could be the text of another run.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Pattern::Same(expected) => text == *expected,
            Pattern::Lines(items) => matches(items, &lines(text)),
            Pattern::Large(shared) => {
                let theirs: BTreeSet<&[u8]> = lines(text).into_iter().collect();
                !text.is_empty() && shared.iter().all(|line| theirs.contains(line))
            }
        }
    }

    /// Whether `text` has the lines of each run in another order, as processes write them that do not wait for each other.
    pub(super) fn matches_in_another_order(&self, text: &[u8]) -> bool {
        let theirs = lines(text);
        match self {
            Pattern::Same(expected) => {
                let (mut ours, mut theirs) = (lines(expected), theirs);
                ours.sort_unstable();
                theirs.sort_unstable();
                ours == theirs
            }
            Pattern::Lines(items) => {
                let is_line = |item: &Item<'_>| matches!(item, Item::Same(_) | Item::Words(_));
                items.len() == theirs.len()
                    && items.iter().all(is_line)
                    && items
                        .iter()
                        .all(|item| theirs.iter().any(|line| fits(item, line)))
                    && theirs
                        .iter()
                        .all(|line| items.iter().any(|item| fits(item, line)))
            }
            Pattern::Large(_) => false,
        }
    }

    /// `candidate` with the lines of `original`, the first of the texts, in place of those that are others in each run: beside
    /// `original`, it shows what is not. The same if nothing else is different.
    pub(super) fn with_lines_of(&self, original: &[u8], candidate: &[u8]) -> Vec<u8> {
        let Pattern::Lines(items) = self else {
            return candidate.to_vec();
        };
        let changing: Vec<(&Item<'_>, &[u8])> = items
            .iter()
            .filter(|item| matches!(item, Item::Words(_)))
            .filter_map(|item| {
                Some((
                    item,
                    lines(original).into_iter().find(|line| fits(item, line))?,
                ))
            })
            .collect();
        let known: HashSet<&[u8]> = lines(original).into_iter().collect();
        let shown: Vec<&[u8]> = lines(candidate)
            .into_iter()
            .map(|line| {
                if known.contains(line) {
                    return line;
                }
                let like = changing.iter().find(|(item, _)| fits(item, line));
                like.map_or(line, |(_, own)| *own)
            })
            .collect();
        let shown = shown.concat();
        if shown == original {
            candidate.to_vec()
        } else {
            shown
        }
    }

    /// The same for a run that is a little slower: less than ten milliseconds may be any that are less than a second. What takes
    /// no time is the same in each run by its rounding, and takes some where it is watched.
    pub(super) fn of_slower_run(self) -> Pattern<'t> {
        let free = |item| match item {
            Item::Same(line) => with_moments(line),
            other => other,
        };
        match self {
            Pattern::Same(text) => {
                Pattern::Lines(lines(text).into_iter().map(with_moments).collect())
            }
            Pattern::Lines(items) => Pattern::Lines(items.into_iter().map(free).collect()),
            Pattern::Large(shared) => Pattern::Large(shared),
        }
    }

    /// How many lines are not always the same; those that are not always there count as one.
    pub(super) fn n_volatile(&self) -> usize {
        match self {
            Pattern::Same(_) => 0,
            Pattern::Lines(items) => items
                .iter()
                .filter(|item| !matches!(item, Item::Same(_)))
                .count(),
            Pattern::Large(_) => 1,
        }
    }

    /// Whether there is a word that is always the same.
    pub(super) fn has_words(&self) -> bool {
        let has_letters = |text: &[u8]| {
            text.iter()
                .any(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
        };
        match self {
            Pattern::Same(text) => !text.is_empty(),
            Pattern::Large(shared) => shared.iter().any(|line| has_letters(line)),
            Pattern::Lines(items) => items.iter().any(|item| match item {
                Item::Same(line) => has_letters(line),
                Item::Words(words) => words
                    .iter()
                    .any(|word| matches!(word, Item::Same(text) if has_letters(text))),
                Item::Number | Item::Duration | Item::Moment(_) | Item::One | Item::Many => false,
            }),
        }
    }
}

/// What is known about one part of the first text, from the others.
enum Known<'t> {
    Same,
    /// In its place stand these.
    Like(Vec<&'t [u8]>),
    Other,
    /// Not always there.
    Missing,
}

/// What the sequences have in common; `like` makes one item of parts that stand in each other's place.
fn common<'t>(
    first: &[&'t [u8]],
    others: &[Vec<&'t [u8]>],
    like: fn(&'t [u8], &[&'t [u8]]) -> Item<'t>,
) -> Vec<Item<'t>> {
    let mut known: Vec<Known<'t>> = first.iter().map(|_| Known::Same).collect();
    let mut grows_before = vec![false; first.len() + 1];
    for other in others {
        for operation in capture_diff_slices(Algorithm::Myers, first, other) {
            if operation.tag() == DiffTag::Equal {
                continue;
            }
            let (old, new) = (operation.old_range(), operation.new_range());
            let n_both = old.len().min(new.len());
            for (offset, index) in old.clone().enumerate() {
                let part = new.start + offset;
                match (&mut known[index], other.get(part)) {
                    (Known::Missing, _) => {}
                    (place, _) if offset >= n_both => *place = Known::Missing,
                    (Known::Other, _) => {}
                    (Known::Like(parts), Some(part)) if old.len() == new.len() => parts.push(part),
                    (place @ Known::Same, Some(part)) if old.len() == new.len() => {
                        *place = Known::Like(vec![part]);
                    }
                    (place, _) => *place = Known::Other,
                }
            }
            if new.len() > old.len() {
                grows_before[old.end] = true;
            }
        }
    }
    let mut items = Vec::new();
    for (index, grows) in grows_before.into_iter().enumerate() {
        if grows {
            items.push(Item::Many);
        }
        let (Some(part), Some(known)) = (first.get(index), known.get(index)) else {
            continue;
        };
        items.push(match known {
            Known::Same => Item::Same(part),
            Known::Like(parts) => like(part, parts),
            Known::Other => Item::One,
            Known::Missing => Item::Many,
        });
    }
    items
}

fn like_line<'t>(line: &'t [u8], others: &[&'t [u8]]) -> Item<'t> {
    let others: Vec<Vec<&[u8]>> = others.iter().map(|other| words(other)).collect();
    let first = words(line);
    let mut items = if others.iter().all(|other| are_alike(&first, other)) {
        by_place(&first, &others)
    } else {
        common(&first, &others, like_word)
    };
    free_durations(&mut items);
    free_times(&mut items);
    Item::Words(items)
}

/// Whether both have words in the same places, and the same between them. Then words are in each other's place, wherever the
/// same one stands as well: `08` in `12:08:24` is not the one in `12:10:08`.
fn are_alike(first: &[&[u8]], other: &[&[u8]]) -> bool {
    let is_alike =
        |(first, other): (&&[u8], &&[u8])| first == other || (is_word(first) && is_word(other));
    first.len() == other.len() && first.iter().zip(other).all(is_alike)
}

/// What lines that are alike have in common.
fn by_place<'t>(first: &[&'t [u8]], others: &[Vec<&'t [u8]>]) -> Vec<Item<'t>> {
    let words = first.iter().enumerate();
    words
        .map(|(index, word)| {
            let others = others.iter().filter_map(|other| other.get(index).copied());
            let others: Vec<&[u8]> = others.collect();
            if others.iter().all(|other| other == word) {
                Item::Same(word)
            } else {
                like_word(word, &others)
            }
        })
        .collect()
}

fn like_word<'t>(word: &'t [u8], others: &[&'t [u8]]) -> Item<'t> {
    let all = |is_such: fn(&[u8]) -> bool| others.iter().chain([&word]).all(|word| is_such(word));
    if all(is_number) {
        Item::Number
    } else if all(is_duration) {
        Item::Duration
    } else {
        Item::One
    }
}

/// Frees the numbers of durations (`in 1 ms`, `6.513 seconds`, `12ms`) and of threads (`exec-1`) in a line of which other words
/// change: that a few runs took as long, in whole numbers, or had the same thread do something, is chance.
fn free_durations(items: &mut [Item<'_>]) {
    let mut numbers = Vec::new();
    let mut durations = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (before, _) = items.split_at(index);
        let word = match item {
            Item::Same(word) => *word,
            Item::Duration => {
                numbers.extend(number_at_end(before));
                continue;
            }
            Item::Words(_) | Item::Number | Item::Moment(_) | Item::One | Item::Many => continue,
        };
        if is_duration(word) {
            durations.push(index);
            numbers.extend(number_at_end(before));
        } else if is_unit(word) {
            // There may be a space between a number and its unit.
            let before = match before {
                [before @ .., Item::Same(b" ")] | before => before,
            };
            numbers.extend(number_at_end(before));
        } else if is_number(word) && is_thread(before) {
            numbers.push(index);
        }
    }
    numbers.extend(numbers_of_durations(items));
    for index in numbers {
        items[index] = Item::Number;
    }
    for index in durations {
        items[index] = Item::Duration;
    }
}

/// Frees the minutes and seconds of times of day of which any changes: that two runs began in the same second of some minute, or
/// in the same minute, is chance. The hour is not: it is another one in another time zone.
fn free_times(items: &mut [Item<'_>]) {
    let mut at = 0;
    while at < items.len() {
        let places = time_at(items.get(at..).unwrap_or_default());
        let places: Vec<usize> = places.into_iter().map(|place| at + place).collect();
        let later = places.get(1..).unwrap_or_default();
        if later
            .iter()
            .any(|place| matches!(items[*place], Item::Number))
        {
            for place in later {
                items[*place] = Item::Number;
            }
        }
        at = places.last().map_or(at, |last| *last) + 1;
    }
}

/// Where the numbers of the time of day are with which `items` begin: `12:08`, `12:08:24`, `12:08:24.003`; none if they do not.
fn time_at(items: &[Item<'_>]) -> Vec<usize> {
    let is_part = |index: usize| match items.get(index) {
        Some(Item::Number) => true,
        Some(Item::Same(word)) => is_number(word),
        Some(Item::Words(_) | Item::Duration | Item::Moment(_) | Item::One | Item::Many) | None => {
            false
        }
    };
    let is_short = |index: usize| match items.get(index) {
        Some(Item::Same(word)) => word.len() <= 2,
        Some(
            Item::Words(_)
            | Item::Number
            | Item::Duration
            | Item::Moment(_)
            | Item::One
            | Item::Many,
        )
        | None => true,
    };
    let follows = |index: usize, mark: &[u8]| {
        matches!(items.get(index + 1), Some(Item::Same(word)) if *word == mark)
            && is_part(index + 2)
    };
    let mut places = Vec::new();
    if !is_part(0) || !is_short(0) {
        return places;
    }
    let mut last = 0;
    while last < 4 && follows(last, b":") && is_short(last + 2) {
        if places.is_empty() {
            places.push(0);
        }
        last += 2;
        places.push(last);
    }
    if last == 4 && (follows(last, b".") || follows(last, b",")) {
        places.push(last + 2);
    }
    places
}

/// Where the parts of the number are, a decimal one maybe, with which `items` end.
fn number_at_end(items: &[Item<'_>]) -> Vec<usize> {
    let is_point = |item: &Item<'_>| matches!(item, Item::Same(b"." | b","));
    let is_part = |item: &Item<'_>| match item {
        Item::Number => true,
        Item::Same(word) => is_number(word) || is_point(item),
        Item::Words(_) | Item::Duration | Item::Moment(_) | Item::One | Item::Many => false,
    };
    let parts = items.iter().enumerate().rev();
    parts
        .take_while(|(_, item)| is_part(item))
        .filter(|(_, item)| !is_point(item))
        .map(|(index, _)| index)
        .collect()
}

/// Whether the words end as names of threads do before their numbers.
fn is_thread(words: &[Item<'_>]) -> bool {
    matches!(
        words,
        [
            ..,
            Item::Same(b"exec" | b"executor" | b"thread" | b"worker"),
            Item::Same(b"-")
        ]
    )
}

/// Whether `word` is a unit of time.
fn is_unit(word: &[u8]) -> bool {
    const UNITS: [&[u8]; 11] = [
        b"min",
        b"minutes",
        b"milliseconds",
        b"ms",
        b"msec",
        b"ns",
        b"s",
        b"sec",
        b"second",
        b"seconds",
        b"us",
    ];
    UNITS.contains(&word)
}

/// The line with its times of less than ten milliseconds free.
fn with_moments(line: &[u8]) -> Item<'_> {
    const UNITS: [&[u8]; 3] = [b"milliseconds", b"ms", b"msec"];
    let words = words(line);
    let mut items = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let unit = match words.get(index + 1..).unwrap_or_default() {
            [b" ", unit, ..] | [unit, ..] => *unit,
            [] => b"",
        };
        let rest = word.get(1..).unwrap_or_default();
        let has_unit = UNITS.contains(&rest) || (rest.is_empty() && UNITS.contains(&unit));
        let is_moment = has_unit && word.first().is_some_and(u8::is_ascii_digit);
        items.push(if is_moment {
            Item::Moment(rest)
        } else {
            Item::Same(word)
        });
    }
    if items.iter().any(|item| matches!(item, Item::Moment(_))) {
        Item::Words(items)
    } else {
        Item::Same(line)
    }
}

/// Whether a line says how long something took.
fn has_duration(line: &[u8]) -> bool {
    let words = words(line);
    let mut places = words.iter().enumerate();
    places.any(|(index, word)| {
        let before = match &words[..index] {
            [before @ .., b" "] | before => before.last(),
        };
        is_duration(word) || (is_unit(word) && before.is_some_and(|before| is_number(before)))
    })
}

/// Whether `word` is a number and a unit of time.
fn is_duration(word: &[u8]) -> bool {
    let n_digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (_, unit) = word.split_at(n_digits);
    n_digits > 0 && (is_unit(unit) || unit == "µs".as_bytes())
}

/// Whether it consists of letters and digits.
fn is_word(part: &[u8]) -> bool {
    part.first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80)
}

fn is_number(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_digit)
}

/// Whether the whole of `parts` fits; [`Item::Many`] takes as little as it can, and more if it must.
fn matches(items: &[Item<'_>], parts: &[&[u8]]) -> bool {
    let (mut item, mut part) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (items.get(item), parts.get(part)) {
            (None, None) => return true,
            (Some(Item::Many), _) => {
                retry = Some((item, part));
                item += 1;
                continue;
            }
            (Some(found), Some(text)) if fits(found, text) => {
                item += 1;
                part += 1;
                continue;
            }
            _ => {}
        }
        let Some((many, taken)) = retry else {
            return false;
        };
        if taken >= parts.len() {
            return false;
        }
        retry = Some((many, taken + 1));
        (item, part) = (many + 1, taken + 1);
    }
}

fn fits(item: &Item<'_>, part: &[u8]) -> bool {
    match item {
        Item::Same(text) => *text == part,
        Item::Words(items) => {
            let parts = words(part);
            matches(items, &parts) || matches_joined(items, &parts)
        }
        Item::Number => is_number(part),
        Item::Duration => is_duration(part),
        Item::Moment(rest) => part
            .strip_suffix(*rest)
            .is_some_and(|digits| (1..=3).contains(&digits.len()) && is_number(digits)),
        Item::One | Item::Many => true,
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Letters and digits together, everything else by itself.
pub(crate) fn words(line: &[u8]) -> Vec<&[u8]> {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    line.chunk_by(|left, right| belongs(*left) && belongs(*right))
        .collect()
}

#[cfg(test)]
mod tests;
