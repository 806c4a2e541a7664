//! Classes of characters, and escaped characters, in the syntax of Go's regular expressions.

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    is_negated: bool,
    members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Range(char, char),
    /// Such as `[:alpha:]` or `\d`.
    Named {
        is_negated: bool,
        name: &'static str,
    },
}

impl Class {
    /// `[^/]`
    pub(super) fn is_all_but_slash(&self) -> bool {
        self.is_negated && self.members == [Member::Range('/', '/')]
    }

    pub(super) fn contains(&self, character: char) -> bool {
        let is_in = |member: &Member| match member {
            Member::Range(low, high) => (*low..=*high).contains(&character),
            Member::Named { is_negated, name } => is_named(name, character) != *is_negated,
        };
        self.members.iter().any(is_in) != self.is_negated
    }
}

const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

fn is_named(name: &str, c: char) -> bool {
    match name {
        "alnum" => c.is_ascii_alphanumeric(),
        "alpha" => c.is_ascii_alphabetic(),
        "ascii" => c.is_ascii(),
        "blank" => matches!(c, ' ' | '\t'),
        "cntrl" => c.is_ascii_control(),
        "digit" => c.is_ascii_digit(),
        "graph" => c.is_ascii_graphic(),
        "lower" => c.is_ascii_lowercase(),
        "print" => c.is_ascii_graphic() || c == ' ',
        "punct" => c.is_ascii_punctuation(),
        "space" => matches!(c, '\t'..='\r' | ' '),
        "upper" => c.is_ascii_uppercase(),
        "word" => c.is_ascii_alphanumeric() || c == '_',
        "xdigit" => c.is_ascii_hexdigit(),
        // `\s` is `[:space:]` without the vertical tab.
        _ => matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' '),
    }
}

/// Reads a class after its `[`; returns what comes after the `]`.
pub(super) fn class(text: &str) -> Option<(Class, &str)> {
    let (is_negated, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut members = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !members.is_empty()
        {
            return Some((
                Class {
                    is_negated,
                    members,
                },
                after,
            ));
        }
        let (member, after) = member(rest)?;
        members.push(member);
        rest = after;
    }
}

fn member(text: &str) -> Option<(Member, &str)> {
    if let Some((name, rest)) = text
        .strip_prefix("[:")
        .and_then(|rest| rest.split_once(":]"))
    {
        let (is_negated, name) = match name.strip_prefix('^') {
            Some(name) => (true, name),
            None => (false, name),
        };
        let name = NAMES.into_iter().find(|known| *known == name)?;
        return Some((Member::Named { is_negated, name }, rest));
    }
    if let Some((member, rest)) = named_escape(text) {
        return Some((member, rest));
    }
    let (low, rest) = member_character(text)?;
    // In `[a-]` the dash is a member.
    match rest.strip_prefix('-') {
        Some(after) if !after.is_empty() && !after.starts_with(']') => {
            let (high, rest) = member_character(after)?;
            (low <= high).then_some((Member::Range(low, high), rest))
        }
        Some(_) | None => Some((Member::Range(low, low), rest)),
    }
}

fn member_character(text: &str) -> Option<(char, &str)> {
    if text.starts_with('\\') {
        return escape(text);
    }
    let mut characters = text.chars();
    Some((characters.next()?, characters.as_str()))
}

/// Reads `\d` and its like.
pub(super) fn class_escape(text: &str) -> Option<(Class, &str)> {
    let (member, rest) = named_escape(text)?;
    let class = Class {
        is_negated: false,
        members: vec![member],
    };
    Some((class, rest))
}

fn named_escape(text: &str) -> Option<(Member, &str)> {
    let mut characters = text.strip_prefix('\\')?.chars();
    let letter = characters.next()?;
    let name = match letter.to_ascii_lowercase() {
        'd' => "digit",
        's' => "perl space",
        'w' => "word",
        _ => return None,
    };
    let is_negated = letter.is_ascii_uppercase();
    Some((Member::Named { is_negated, name }, characters.as_str()))
}

/// Reads a backslash and what it makes of the characters after it.
pub(super) fn escape(text: &str) -> Option<(char, &str)> {
    let mut characters = text.strip_prefix('\\')?.chars();
    let first = characters.next()?;
    let rest = characters.as_str();
    let literal = match first {
        '0'..='7' => return octal(first, rest),
        'x' => return hexadecimal(rest),
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        mark if mark.is_ascii() && !mark.is_ascii_alphanumeric() => mark,
        _ => return None,
    };
    Some((literal, rest))
}

/// Reads up to three octal digits, the first of which has been read. One alone must be a zero.
fn octal(first: char, rest: &str) -> Option<(char, &str)> {
    let more = rest
        .chars()
        .take(2)
        .take_while(|digit| digit.is_digit(8))
        .count();
    if more == 0 && first != '0' {
        return None;
    }
    let (digits, rest) = rest.split_at(more);
    let number = format!("{first}{digits}");
    let code = u32::from_str_radix(&number, 8).ok()?;
    Some((char::from_u32(code)?, rest))
}

/// Reads what follows `\x`: two digits, or any number of them in braces.
fn hexadecimal(text: &str) -> Option<(char, &str)> {
    let (digits, rest) = match text.strip_prefix('{') {
        Some(text) => text.split_once('}')?,
        None => (text.get(..2)?, &text[2..]),
    };
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits.trim_start_matches('0'), 16);
    // Go takes surrogates, which are in no path of ours.
    let code = if digits.bytes().all(|digit| digit == b'0') {
        0
    } else {
        code.ok()?
    };
    (is_number && !digits.is_empty()).then_some((char::from_u32(code)?, rest))
}
