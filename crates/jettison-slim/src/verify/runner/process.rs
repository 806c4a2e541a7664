//! The number of the program's process, which is 1 if nothing starts the program.
//!
//! Loggers write it in each line (`[Nest] 14  - `, `"pid":14`). In a sandbox, where processes are numbered from 1, it is the
//! same in each run of the original, as are the processes before it.

use std::collections::BTreeSet;

use crate::verify::compare::words;

/// Numbers that `original` has where `candidate` says 1, in lines with as many words: one of them may be that of the process.
pub(super) fn numbers(original: &[u8], candidate: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for (line, other) in lines(original).zip(lines(candidate)) {
        let (line, other) = (words(line), words(other));
        if line.len() != other.len() {
            continue;
        }
        for (word, other) in line.into_iter().zip(other) {
            if other == FIRST && is_process(word) {
                found.insert(word.to_vec());
            }
        }
    }
    found
}

/// `original` with 1 in place of `number` wherever `candidate` has it so.
pub(super) fn as_first(original: &[u8], number: &[u8], candidate: &[u8]) -> Vec<u8> {
    let mut others = lines(candidate);
    let mut text = Vec::with_capacity(original.len());
    for line in lines(original) {
        let parts = words(line);
        let other = others.next().map(words).unwrap_or_default();
        let is_alike = parts.len() == other.len();
        for (index, word) in parts.into_iter().enumerate() {
            let is_first = is_alike && word == number && other.get(index) == Some(&FIRST);
            text.extend_from_slice(if is_first { FIRST } else { word });
        }
    }
    text
}

/// The first process.
const FIRST: &[u8] = b"1";

/// Whether `word` may be the number of a process that others have started.
fn is_process(word: &[u8]) -> bool {
    (1..=3).contains(&word.len())
        && word.iter().all(u8::is_ascii_digit)
        && !word.starts_with(b"0")
        && word != FIRST
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_the_first_process_says_one() {
        let original = b"[Nest] 14 - up, 3 tasks, 05\n{\"pid\":14,\"n\":7}\na 8 b\n";
        let candidate = b"[Nest] 1 - up, 3 tasks, 1\n{\"pid\":1,\"n\":1}\na 1\n";
        let found: Vec<Vec<u8>> = numbers(original, candidate).into_iter().collect();
        assert_eq!(found, [b"14".to_vec(), b"7".to_vec()]);
        let replaced = as_first(original, b"14", candidate);
        let expected = "[Nest] 1 - up, 3 tasks, 05\n{\"pid\":1,\"n\":7}\na 8 b\n";
        assert_eq!(String::from_utf8_lossy(&replaced), expected);
    }
}
