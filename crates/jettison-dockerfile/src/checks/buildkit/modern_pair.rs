//! From `key value` to `key=value`, without a change to what the value becomes.
//!
//! In the old form the value is everything up to the end of the line; in the new one it ends at white space that is
//! neither quoted nor escaped (BuildKit: `parseNameVal` and `parseWords`, `parser/line_parsers.go`). Quotes mean the same
//! in both: they are removed when the value is expanded.

use crate::checks::buildkit::place::has_comments;
use crate::edit::{Edit, EditSet};
use crate::expand::expand;
use crate::instruction::{InstructionKind, KeyValue};
use crate::parser::{Parse, parse};

/// The edits that write a pair in the new form; none if they cannot be shown to be right.
pub(super) fn modern(document: &Parse, pair: &KeyValue) -> EditSet {
    let gap = pair.key_range.end..pair.value_range.start;
    if has_comments(document, &gap) || pair.key_range.end > pair.value_range.start {
        return EditSet::new();
    }
    let escape = document.escape();
    let is_in_one_piece = document.text()[pair.value_range.clone()] == pair.value;
    let is_right = |value: &str| means_the_same(pair, value, escape);

    let mut edits = EditSet::replace(gap, "=");
    let mut add = |range: std::ops::Range<usize>, replacement: String| {
        // The gap, the start, the end and the whole of the value are apart.
        edits
            .insert(Edit { range, replacement })
            .unwrap_or_default();
    };
    if is_right(&pair.value) {
        return edits;
    }
    let is_simple = !pair.value.contains(['"', '\'', escape]);
    if is_simple && is_right(&format!("\"{}\"", pair.value)) {
        // A value that goes over several lines stays there.
        add(pair.value_range.start..pair.value_range.start, "\"".into());
        add(pair.value_range.end..pair.value_range.end, "\"".into());
        return edits;
    }
    if !is_in_one_piece {
        return EditSet::new();
    }
    let candidates = [
        quoted_constant(&pair.value, escape),
        Some(protected(&pair.value, escape)),
    ];
    match candidates
        .into_iter()
        .flatten()
        .find(|value| is_right(value))
    {
        Some(value) => {
            add(pair.value_range.clone(), value);
            edits
        }
        None => EditSet::new(),
    }
}

/// A value without variables, quoted as a whole.
fn quoted_constant(value: &str, escape: char) -> Option<String> {
    if value.contains('$') {
        return None;
    }
    let plain = expand(value, escape, &|_| None).ok()?;
    let mut quoted = String::from("\"");
    for character in plain.chars() {
        if matches!(character, '"' | '$') || character == escape {
            quoted.push(escape);
        }
        quoted.push(character);
    }
    quoted.push('"');
    Some(quoted)
}

/// A value whose white space is quoted where it stands free.
fn protected(value: &str, escape: char) -> String {
    let mut protected = String::new();
    let mut quote = None;
    let mut is_in_space = false;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        let is_free_space = quote.is_none() && character.is_whitespace();
        if is_free_space != is_in_space {
            protected.push('"');
            is_in_space = is_free_space;
        }
        protected.push(character);
        match quote {
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(open) if open == character => quote = None,
            None | Some(_) => {}
        }
        if character == escape && quote != Some('\'') {
            protected.extend(characters.next());
        }
    }
    if is_in_space {
        protected.push('"');
    }
    protected
}

/// Says whether `value` after a `=` is read as one value that expands as that of `pair` does.
fn means_the_same(pair: &KeyValue, value: &str, escape: char) -> bool {
    let text = format!(
        "# escape={escape}\nFROM scratch\nENV {}={value}\n",
        pair.key
    );
    let parse = parse(&text);
    let [_, instruction] = parse.instructions() else {
        return false;
    };
    let InstructionKind::Env(pairs) = &instruction.kind else {
        return false;
    };
    let [written] = pairs.as_slice() else {
        return false;
    };
    let agrees = |lookup: &dyn Fn(&str) -> Option<String>| {
        let before = expand(&pair.value, escape, lookup);
        before.is_ok() && before == expand(&written.value, escape, lookup)
    };
    !written.is_legacy
        && written.key == pair.key
        && agrees(&|_| None)
        && agrees(&|_| Some(String::new()))
        && agrees(&|name| Some(format!("{name} a  b'c\"d\\e`f$g")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::apply;
    use crate::expand::expand_with_matches;
    use proptest::prelude::*;

    /// The text after the change.
    fn changed(text: &str) -> Option<String> {
        let parse = parse(text);
        let pairs = pairs(&parse)?;
        let edits = modern(&parse, pairs.iter().find(|pair| pair.is_legacy)?);
        (!edits.is_empty()).then(|| apply(text, &edits).unwrap())
    }

    fn pairs(parse: &Parse) -> Option<Vec<KeyValue>> {
        let last = parse.instructions().last()?;
        match &last.kind {
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => Some(pairs.clone()),
            _ => None,
        }
    }

    #[test]
    fn values_are_quoted_as_much_as_they_need_it() {
        let cases = [
            ("ENV a b", "ENV a=b"),
            ("ENV a\t  b c  d", "ENV a=\"b c  d\""),
            ("LABEL a \"b\" c", "LABEL a=\"b c\""),
            ("ENV a $b c", "ENV a=\"$b c\""),
            ("ENV a \"$b\" 'c d'", "ENV a=\"$b\"\" \"'c d'"),
            ("ENV a b\\ c", "ENV a=b\\ c"),
            ("ENV a C:\\\\x y", "ENV a=\"C:\\\\x y\""),
            ("ENV a \"\"", "ENV a=\"\""),
            ("ENV a b=c", "ENV a=b=c"),
            ("ENV a ${b:-c d}", "ENV a=\"${b:-c d}\""),
            ("ENV a \\\n  b", "ENV a=b"),
            ("ENV a b \\\n  c", "ENV a=\"b \\\n  c\""),
        ];
        for (before, after) in cases {
            let head = "FROM x\n";
            let expected = format!("{head}{after}");
            assert_eq!(
                changed(&format!("{head}{before}")),
                Some(expected),
                "{before}"
            );
        }
    }

    #[test]
    fn what_cannot_be_shown_to_be_right_is_left_alone() {
        for text in [
            "FROM x\nENV a \\\n# why\n b",
            "FROM x\nENV a 'b' \\\n c",
            "FROM x\nENV a it's",
        ] {
            assert_eq!(changed(text), None, "{text}");
        }
    }

    /// Pieces that make trouble when put together.
    fn value() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "b", " ", "  ", "\t", "\"", "'", "\\", "`", "$A", "${A}", "${B:-", "${A#", "${A/",
            "/", "}", "$", "=", "#", "é", "\u{a0}", "<<", "*", "x y", "\"x y\"", "'x y'", "\\ ",
            "` ",
        ]);
        proptest::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn the_value_stays_what_it_is(
            value in value(),
            backtick in any::<bool>(),
            is_label in any::<bool>(),
            a in proptest::option::of(value()),
            b in proptest::option::of(value()),
        ) {
            let escape = if backtick { '`' } else { '\\' };
            let keyword = if is_label { "LABEL" } else { "ENV" };
            let text = format!("# escape={escape}\nFROM x\n{keyword} key {value}\n");
            let before = parse(&text);
            let lookup = |name: &str| match name {
                "A" => a.clone(),
                "B" => b.clone(),
                _ => None,
            };
            let expanded = |parse: &Parse| {
                let pairs = pairs(parse)?;
                let [pair] = pairs.as_slice() else { return None };
                let text = expand_with_matches(&pair.value, escape, &lookup).ok()?.text;
                Some((pair.key.clone(), text))
            };
            let Some(changed) = changed(&text) else { return Ok(()) };
            let after = parse(&changed);
            prop_assert!(!after.has_errors(), "{changed}");
            // A substitution that fails for these values fails before and after.
            prop_assert_eq!(expanded(&before), expanded(&after), "{} -> {}", text, changed);
        }
    }
}
