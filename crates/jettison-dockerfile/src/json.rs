//! Just enough JSON to tell an array of strings from everything else.
//!
//! Nothing here recurses, so that no depth of nesting can exhaust the stack.

/// What a text is, read as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonArray {
    /// An array of strings.
    Strings(Vec<String>),
    /// A valid array with something that is not a string in it.
    Mixed,
    /// Not an array, or not JSON.
    Invalid,
}

/// Reads `text` as an array of strings.
pub(crate) fn json_array(text: &str) -> JsonArray {
    let mut reader = Reader {
        rest: text.trim_start(),
    };
    if !reader.rest.starts_with('[') {
        return JsonArray::Invalid;
    }
    reader.array().unwrap_or(JsonArray::Invalid)
}

/// How deep BuildKit follows arrays and objects (Go: `maxNestingDepth`, encoding/json/scanner.go).
const MAX_DEPTH: usize = 10_000;

/// A container that is open, and what may come next in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// Reads a whole text that starts with `[`; `None` if it is not valid.
    fn array(&mut self) -> Option<JsonArray> {
        let mut open = Vec::new();
        let mut strings = Vec::new();
        let mut is_mixed = false;
        loop {
            // Here a value starts.
            self.blanks();
            let container = match self.rest.as_bytes().first()? {
                b'[' => Some((Open::Array, ']')),
                b'{' => Some((Open::Object, '}')),
                _ => None,
            };
            if let Some((kind, close)) = container {
                is_mixed |= !open.is_empty();
                self.rest = &self.rest[1..];
                self.blanks();
                if open.len() == MAX_DEPTH {
                    return None;
                }
                if !self.eat(close) {
                    open.push(kind);
                    if kind == Open::Object {
                        self.key()?;
                    }
                    continue;
                }
            } else if self.rest.starts_with('"') {
                let string = self.string()?;
                if open.len() == 1 {
                    strings.push(string);
                }
            } else {
                is_mixed = true;
                self.scalar()?;
            }
            if self.after_value(&mut open)? {
                break;
            }
        }
        self.blanks();
        let result = if is_mixed {
            JsonArray::Mixed
        } else {
            JsonArray::Strings(strings)
        };
        self.rest.is_empty().then_some(result)
    }

    /// Closes what ends after a value; says whether the outermost array is closed.
    fn after_value(&mut self, open: &mut Vec<Open>) -> Option<bool> {
        loop {
            self.blanks();
            let Some(&kind) = open.last() else {
                return Some(true);
            };
            if self.eat(',') {
                if kind == Open::Object {
                    self.blanks();
                    self.key()?;
                }
                return Some(false);
            }
            let is_closed = self.eat(if kind == Open::Object { '}' } else { ']' });
            if !is_closed {
                return None;
            }
            open.pop();
        }
    }

    fn key(&mut self) -> Option<()> {
        self.string()?;
        self.blanks();
        self.eat(':').then_some(())
    }

    /// Reads `true`, `false`, `null` or a number.
    fn scalar(&mut self) -> Option<()> {
        for word in ["true", "false", "null"] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Some(());
            }
        }
        let number = self.rest;
        self.eat('-');
        if !self.eat('0') {
            self.digits()?;
        }
        if self.eat('.') {
            self.digits()?;
        }
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('+') || self.eat('-');
            self.digits()?;
        }
        // A number that does not fit is an error in Go.
        let number = &number[..number.len() - self.rest.len()];
        let fits = number.parse().is_ok_and(f64::is_finite);
        fits.then_some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_empty = rest.len() == self.rest.len();
        self.rest = rest;
        (!is_empty).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut rest = self.rest.strip_prefix('"')?;
        loop {
            let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'"' | b'\\');
            let length = rest.bytes().position(|byte| !is_plain(byte))?;
            value.push_str(&rest[..length]);
            let mut characters = rest[length..].chars();
            match characters.next()? {
                '"' => {
                    self.rest = characters.as_str();
                    return Some(value);
                }
                '\\' => value.push(escaped(&mut characters)?),
                _ => return None,
            }
            rest = characters.as_str();
        }
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn eat(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// Reads what follows a backslash. Half a surrogate pair becomes U+FFFD, as in Go.
fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match rest.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let unit = hexadecimal(rest)?;
            let mut ahead = rest.clone();
            let pair = (ahead.next() == Some('\\') && ahead.next() == Some('u'))
                .then(|| hexadecimal(&mut ahead))
                .flatten()
                .and_then(|low| char::decode_utf16([unit, low]).next()?.ok())
                .filter(|_| (0xD800..0xDC00).contains(&unit));
            if pair.is_some() {
                *rest = ahead;
            }
            pair.or_else(|| char::from_u32(u32::from(unit)))
                .unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        same @ ('"' | '\\' | '/') => same,
        _ => return None,
    })
}

fn hexadecimal(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    let digits = rest.as_str().get(..4)?;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16)
        .ok()
        .filter(|_| is_hexadecimal)?;
    *rest = rest.as_str()[4..].chars();
    Some(unit)
}

/// Writes the exec form of a command as people and BuildKit write it: `["a", "b"]`.
pub fn exec_form(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control < ' ' || control == '\u{7f}' => {
                text.extend(format!("\\u{:04x}", u32::from(control)).chars());
            }
            character => text.push(character),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(words: &[&str]) -> JsonArray {
        JsonArray::Strings(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn arrays_of_strings_are_read() {
        assert_eq!(json_array("[]"), strings(&[]));
        assert_eq!(json_array("\t[ \"a\" ,\n\"b\" ] "), strings(&["a", "b"]));
        assert_eq!(
            json_array(r#"["\u00e9\ud83d\ude00\ud800x\/"]"#),
            strings(&["é😀\u{fffd}x/"])
        );
    }

    #[test]
    fn other_values_make_an_array_mixed() {
        for text in [
            "[1]",
            "[[]]",
            "[\"a\", {\"b\": [\"c\", -1.5e+3]}]",
            "[true, null]",
            "[0, {}]",
        ] {
            assert_eq!(json_array(text), JsonArray::Mixed, "{text}");
        }
    }

    #[test]
    fn broken_arrays_are_invalid() {
        let broken = [
            "",
            "a",
            "\"a\"",
            "[",
            "[\"a\"",
            "[\"a\",]",
            "[,]",
            "['a']",
            "[\"a\"] b",
            "[\"\u{1}\"]",
            r#"["\x"]"#,
            r#"["\u12"]"#,
            "[01]",
            "[1e999]",
            "[1.]",
            "[\"a\" \"b\"]",
            "[{\"a\"}]",
            "[{1:2}]",
            "[}",
        ];
        for text in broken {
            assert_eq!(json_array(text), JsonArray::Invalid, "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(json_array(&deep(10_000)), JsonArray::Mixed);
        assert_eq!(json_array(&deep(10_001)), JsonArray::Invalid);
        assert_eq!(json_array(&deep(200_000)), JsonArray::Invalid);
    }

    proptest! {
        #[test]
        fn what_exec_form_writes_is_read_back(argv in proptest::collection::vec(".*", 0..4)) {
            prop_assert_eq!(json_array(&exec_form(&argv)), JsonArray::Strings(argv));
        }

        #[test]
        fn it_agrees_with_serde_json_on_what_is_valid(text in r#"\[[\[\]{},:"a1 \\u0-9.e-]{0,12}"#) {
            let value = serde_json::from_str::<serde_json::Value>(&text);
            let is_valid = json_array(&text) != JsonArray::Invalid;
            // `serde_json` refuses half a surrogate pair and numbers out of range; Go takes the former.
            if value.is_ok() {
                prop_assert!(is_valid, "{}", text);
            }
        }
    }
}
