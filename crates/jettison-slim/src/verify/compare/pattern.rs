//! What several runs of the original have in common, line by line and word by word.
//!
//! A line that all runs have is compared. In lines that are different in each run, such as those with a time, the words
//! that all of them have are compared. What was there in each run has to be there in the candidate as well.

use std::collections::BTreeSet;

use similar::{Algorithm, DiffTag, capture_diff_slices};

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
                Item::Number | Item::Duration | Item::One | Item::Many => false,
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
    let mut items = common(&words(line), &others, like_word);
    free_durations(&mut items);
    Item::Words(items)
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
            Item::Words(_) | Item::Number | Item::One | Item::Many => continue,
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
    for index in numbers {
        items[index] = Item::Number;
    }
    for index in durations {
        items[index] = Item::Duration;
    }
}

/// Where the parts of the number are, a decimal one maybe, with which `items` end.
fn number_at_end(items: &[Item<'_>]) -> Vec<usize> {
    let is_point = |item: &Item<'_>| matches!(item, Item::Same(b"." | b","));
    let is_part = |item: &Item<'_>| match item {
        Item::Number => true,
        Item::Same(word) => is_number(word) || is_point(item),
        Item::Words(_) | Item::Duration | Item::One | Item::Many => false,
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
        Item::Words(items) => matches(items, &words(part)),
        Item::Number => is_number(part),
        Item::Duration => is_duration(part),
        Item::One | Item::Many => true,
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Letters and digits together, everything else by itself.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80;
    line.chunk_by(|left, right| belongs(*left) && belongs(*right))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(originals: &[&str], fitting: &[&str], others: &[&str]) {
        let texts: Vec<&[u8]> = originals.iter().map(|text| text.as_bytes()).collect();
        let pattern = Pattern::of(texts[0], &texts[1..]);
        for text in originals.iter().chain(fitting) {
            assert!(pattern.matches(text.as_bytes()), "{text:?} {pattern:?}");
        }
        for text in others {
            assert!(!pattern.matches(text.as_bytes()), "{text:?} {pattern:?}");
        }
    }

    #[test]
    fn what_is_always_the_same_is_compared() {
        check(&["a\nb\n", "a\nb\n"], &[], &["a\n", "a\nb", "a\nc\n", ""]);
    }

    #[test]
    fn of_large_texts_the_lines_that_are_always_there_are_compared() {
        let large =
            |first: &str| format!("{first}\n{}", "a line of text\nand more\n".repeat(60_000));
        let other = large("3").replace("and more", "and less");
        check(
            &[&large("1"), &large("2")],
            &[&large("3")],
            &[&other, "3\n", ""],
        );
    }

    #[test]
    fn words_that_change_are_free_but_the_others_are_not() {
        check(
            &["start\n12:01 ready pid=7\n", "start\n12:02 ready pid=12\n"],
            &["start\n12:59 ready pid=345\n"],
            &[
                "start\n12:59 failed pid=345\n",
                "start\n",
                "start\n12:59 ready pid=x\n",
                "12:01 ready pid=7\n",
                "start\n12:01 ready pid=7\nmore\n",
            ],
        );
    }

    #[test]
    fn how_long_something_took_is_free_where_times_are() {
        check(
            &["12:01 ready in 1 ms\n", "12:02 ready in 1 ms\n"],
            &["12:03 ready in 25 ms\n"],
            &["12:03 ready in x ms\n", "12:03 failed in 1 ms\n"],
        );
        check(
            &[
                "12:01 up (6.51 seconds, 3 workers)\n",
                "12:02 up (6.12 seconds, 3 workers)\n",
            ],
            &["12:03 up (15.0 seconds, 3 workers)\n"],
            &["12:03 up (6.51 seconds, 4 workers)\n"],
        );
        check(
            &[
                "12:01 [nio-exec-1] took 0ms\n",
                "12:02 [nio-exec-1] took 0ms\n",
            ],
            &["12:03 [nio-exec-2] took 17ms\n"],
            &["12:03 [nio-main-1] took 0ms\n"],
        );
        check(&["ready in 1 ms\n"], &[], &["ready in 2 ms\n"]);
        check(
            &["404 GET / 9.09ms\n", "404 GET / 9.43ms\n"],
            &["404 GET / 0.5ms\n", "404 GET / 12.3ms\n"],
            &["404 GET / 0.5mm\n", "405 GET / 9.09ms\n"],
        );
        // The second line took as long both times.
        check(
            &["a 0.31ms\nb 0.43ms\n", "a 0.35ms\nb 0.43ms\n"],
            &["a 0.31ms\nb 0.92ms\n"],
            &["a 0.31ms\nc 0.43ms\n"],
        );
    }

    #[test]
    fn a_document_of_one_line_is_compared_by_its_words() {
        check(
            &[
                r#"{"id":"0a1b","user":"ada","at":1700000001}"#,
                r#"{"id":"ff99","user":"ada","at":1700000002}"#,
            ],
            &[r#"{"id":"1234","user":"ada","at":1700000009}"#],
            &[
                r#"{"id":"1234","user":"eve","at":1700000009}"#,
                r#"{"error":"no such user"}"#,
            ],
        );
    }

    #[test]
    fn lines_that_are_not_always_there_may_be_missing() {
        check(
            &["a\nwaiting\nz\n", "a\nz\n"],
            &["a\nanything\nz\n"],
            &["a\n", "z\n"],
        );
        check(&["a\nz\n", "a\n1\n2\nz\n"], &["a\n1\nz\n"], &["a\n1\n2\n"]);
    }

    #[test]
    fn each_further_run_makes_the_pattern_wider() {
        check(
            &["10:00:01 up\n", "10:00:02 up\n", "10:01:03 up\n"],
            &["10:59:59 up\n"],
            &["11:59:59 up\n", "10:59:59 down\n"],
        );
    }

    #[test]
    fn it_is_known_whether_anything_is_left() {
        let says =
            |left: &str, right: &str| Pattern::of(left.as_bytes(), &[right.as_bytes()]).has_words();
        assert!(!says("17\n", "18\n"));
        assert!(!says("a-b\n", "c-d\n"));
        assert!(says("a 1\n", "a 2\n"));
        assert!(says("a\n", "a\n"));
        assert!(!says("", ""));
    }

    proptest! {
        #[test]
        fn every_original_fits(texts in proptest::collection::vec("([ab1 ]{0,3}\n?){0,12}", 1..5)) {
            let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            let pattern = Pattern::of(texts[0], &texts[1..]);
            for text in &texts {
                prop_assert!(pattern.matches(text), "{:?} {:?}", pattern, texts);
            }
        }
    }
}
