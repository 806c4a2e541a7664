//! "Did you mean": the closest of a few words.

/// The longest distance at which a word is still taken for a slip of the pen.
const MAX_DISTANCE: usize = 2;

/// Returns the option that is closest to `word`, without regard to case, if one is close.
pub fn did_you_mean<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |letters: &mut Vec<char>, text: &str| {
        letters.clear();
        letters.extend(text.chars().flat_map(char::to_lowercase));
    };
    let (mut word_letters, mut option_letters) = (Vec::new(), Vec::new());
    let mut row = Vec::new();
    let mut closest = None;
    for option in options {
        // Options are ASCII, and a letter has at most four bytes: this spares almost all of the work.
        let is_too_long = word.len() > 4 * (option.len() + MAX_DISTANCE);
        if is_too_long || option.len() > word.len() + MAX_DISTANCE {
            continue;
        }
        if word_letters.is_empty() {
            letters(&mut word_letters, word);
        }
        if option.len().abs_diff(word_letters.len()) > MAX_DISTANCE {
            continue;
        }
        letters(&mut option_letters, option);
        let distance = levenshtein(&mut row, &word_letters, &option_letters);
        let is_close = distance <= MAX_DISTANCE && distance < word_letters.len();
        if is_close && closest.is_none_or(|(best, _)| distance < best) {
            closest = Some((distance, option));
        }
    }
    closest.map(|(_, option)| option)
}

/// Returns the option that is closest to `word`, the first one of several, if one is close.
///
/// This is how BuildKit completes what a check found (`suggest.Search`, util/suggest/error.go): case matters, and a
/// word may be changed altogether.
pub(crate) fn closest<'a>(
    word: &str,
    options: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.chars().collect();
    let mut row = Vec::new();
    let mut closest = None;
    for option in options {
        let letters: Vec<char> = option.chars().collect();
        if letters.len().abs_diff(word.len()) > MAX_DISTANCE {
            continue;
        }
        let distance = levenshtein(&mut row, &word, &letters);
        if distance == 0 {
            return None;
        }
        if distance <= MAX_DISTANCE && closest.is_none_or(|(best, _)| distance < best) {
            closest = Some((distance, option));
        }
    }
    // An empty name can be the closest one, and is not shown.
    closest
        .map(|(_, option)| option)
        .filter(|option| !option.is_empty())
}

/// The number of letters to insert, remove or replace to get from one word to the other. `row` is room to work in.
fn levenshtein(row: &mut Vec<usize>, left: &[char], right: &[char]) -> usize {
    row.clear();
    row.extend(0..=right.len());
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_wins_and_far_words_lose() {
        let options = ["from", "chown", "chmod", "link"];
        assert_eq!(did_you_mean("chwon", options), Some("chown"));
        assert_eq!(did_you_mean("FORM", options), Some("from"));
        assert_eq!(did_you_mean("platform", options), None);
        assert_eq!(did_you_mean("x", ["y"]), None);
    }

    #[test]
    fn for_checks_case_matters_and_short_words_are_close() {
        assert_eq!(closest("x", ["path", "y", "z"]), Some("y"));
        assert_eq!(closest("FO", ["fo", "foo"]), Some("fo"));
        assert_eq!(closest("FOO", ["foo"]), None);
        assert_eq!(closest("A", ["B", "A"]), None);
        assert_eq!(closest("AB", ["", "ABCD"]), None);
    }
}
