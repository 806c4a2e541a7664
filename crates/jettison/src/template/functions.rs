//! The functions of templates: those of Go that make sense here, and docker's own (docker/cli: templates/templates.go).

use std::cmp::Ordering;

use crate::template::TemplateError;
use crate::template::data::Data;
use crate::template::print::shown;

/// All functions, sorted.
pub(super) const NAMES: [&str; 23] = [
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// A wider field than this is nobody's wish.
const WIDEST: usize = 1 << 16;

/// Calls the function `name`. (`and` and `or` are the renderer's.)
pub(super) fn call(name: &str, arguments: &[Data]) -> Result<Data, TemplateError> {
    let text = |index: usize| text_of(name, &arguments[index]);
    match (name, arguments.len()) {
        ("json", 1) => json(&arguments[0]),
        ("lower", 1) => Ok(text(0)?.to_lowercase().into()),
        ("upper", 1) => Ok(text(0)?.to_uppercase().into()),
        ("title", 1) => Ok(title(text(0)?).into()),
        ("split", 2) => Ok(Data::texts(text(0)?.split(text(1)?))),
        ("join", 2) => join(&arguments[0], text(1)?),
        ("pad", 3) => {
            let spaces = |index: usize| number(name, &arguments[index]).map(|n| " ".repeat(n));
            Ok(format!("{}{}{}", spaces(1)?, text(0)?, spaces(2)?).into())
        }
        ("truncate", 2) => {
            let length = number(name, &arguments[1])?;
            Ok(text(0)?.chars().take(length).collect::<String>().into())
        }
        ("not", 1) => Ok((!arguments[0].is_true()).into()),
        ("len", 1) => length(&arguments[0]),
        ("index", 1..) => index(arguments),
        ("slice", 1..=3) => slice(arguments),
        ("print", _) => Ok(print(arguments).into()),
        ("println", _) => {
            let words: Vec<String> = arguments.iter().map(shown).collect();
            Ok(format!("{}\n", words.join(" ")).into())
        }
        ("printf", 1..) => printf(text(0)?, &arguments[1..]),
        ("eq", 2..) => {
            let (first, others) = (&arguments[0], &arguments[1..]);
            Ok(others.iter().any(|other| other == first).into())
        }
        ("ne", 2) => Ok((arguments[0] != arguments[1]).into()),
        ("lt" | "le" | "gt" | "ge", 2) => {
            let order = compare(&arguments[0], &arguments[1])?;
            Ok(match name {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "gt" => order.is_gt(),
                _ => order.is_ge(),
            }
            .into())
        }
        (_, given) => {
            let wanted = match name {
                "json" | "lower" | "upper" | "title" | "not" | "len" => "1 argument",
                "pad" => "3 arguments",
                "index" | "printf" | "eq" | "slice" => "more arguments",
                _ => "2 arguments",
            };
            Err(TemplateError::new(format!(
                "`{name}` takes {wanted}, not {given}"
            )))
        }
    }
}

fn text_of<'d>(name: &str, data: &'d Data) -> Result<&'d str, TemplateError> {
    match data {
        Data::Text(text) => Ok(text),
        // Docker's functions take a nil where they take a text.
        Data::Missing | Data::Null => Ok(""),
        other => {
            let message = format!("`{name}` takes a text, not {}", other.kind());
            Err(TemplateError::new(message))
        }
    }
}

fn number(name: &str, data: &Data) -> Result<usize, TemplateError> {
    let number = match data {
        Data::Number(number) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok()),
        _ => None,
    };
    number.filter(|number| *number <= WIDEST).ok_or_else(|| {
        TemplateError::new(format!(
            "`{name}` takes a number from 0, not `{}`",
            shown(data)
        ))
    })
}

fn json(data: &Data) -> Result<Data, TemplateError> {
    let json = serde_json::to_string(data).map(Data::Text);
    json.map_err(|error| TemplateError::new(error.to_string()))
}

fn title(text: &str) -> String {
    let mut starts_word = true;
    let mut titled = String::new();
    for character in text.chars() {
        if starts_word {
            titled.extend(character.to_uppercase());
        } else {
            titled.push(character);
        }
        starts_word = !(character.is_alphanumeric() || character == '_' || character == '\'');
    }
    titled
}

fn join(list: &Data, separator: &str) -> Result<Data, TemplateError> {
    match list {
        Data::List(list) => {
            let texts: Vec<String> = list.iter().map(shown).collect();
            Ok(texts.join(separator).into())
        }
        Data::Missing | Data::Null => Ok("".into()),
        other => Err(TemplateError::new(format!(
            "`join` takes a list, not {}",
            other.kind()
        ))),
    }
}

fn length(data: &Data) -> Result<Data, TemplateError> {
    let length = match data {
        Data::Text(text) => text.len(),
        Data::List(list) => list.len(),
        Data::Map(map) => map.len(),
        Data::Missing | Data::Null | Data::Bool(_) | Data::Number(_) | Data::Record(_) => {
            return Err(TemplateError::new(format!("{} has no length", data.kind())));
        }
    };
    Ok(u64::try_from(length).unwrap_or(u64::MAX).into())
}

fn index(arguments: &[Data]) -> Result<Data, TemplateError> {
    let Some((data, keys)) = arguments.split_first() else {
        return Ok(Data::Missing);
    };
    let mut data = data;
    for key in keys {
        data = match (data, key) {
            (Data::List(list), Data::Number(_)) => {
                let place = number("index", key)?;
                list.get(place).ok_or_else(|| {
                    let message =
                        format!("there is no element {place} in a list of {}", list.len());
                    TemplateError::new(message)
                })?
            }
            (Data::Map(map), Data::Text(name)) => map.get(name).unwrap_or(&Data::Missing),
            (data, key) => {
                let message = format!("{} cannot be an index of {}", key.kind(), data.kind());
                return Err(TemplateError::new(message));
            }
        };
    }
    Ok(data.clone())
}

fn slice(arguments: &[Data]) -> Result<Data, TemplateError> {
    let length = match &arguments[0] {
        Data::Text(text) => text.len(),
        Data::List(list) => list.len(),
        other => {
            let message = format!("`slice` takes a text or a list, not {}", other.kind());
            return Err(TemplateError::new(message));
        }
    };
    let bound = |index: usize, default: usize| {
        arguments
            .get(index)
            .map_or(Ok(default), |data| number("slice", data))
    };
    let (start, end) = (bound(1, 0)?, bound(2, length)?);
    let part = match &arguments[0] {
        Data::Text(text) => text.get(start..end).map(Data::from),
        Data::List(list) => list.get(start..end).map(|part| Data::List(part.to_vec())),
        _ => None,
    };
    part.ok_or_else(|| TemplateError::new(format!("there is no part from {start} to {end}")))
}

/// Spaces stand between values of which neither is a text (Go: `fmt.Sprint`).
fn print(arguments: &[Data]) -> String {
    let mut text = String::new();
    for (place, argument) in arguments.iter().enumerate() {
        let is_text = |data: &Data| matches!(data, Data::Text(_));
        if place > 0 && !is_text(argument) && !is_text(&arguments[place - 1]) {
            text.push(' ');
        }
        text.push_str(&shown(argument));
    }
    text
}

fn compare(left: &Data, right: &Data) -> Result<Ordering, TemplateError> {
    let order = match (left, right) {
        (Data::Text(left), Data::Text(right)) => Some(left.cmp(right)),
        (Data::Number(left), Data::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64().partial_cmp(&right.as_f64()),
        },
        _ => None,
    };
    order.ok_or_else(|| {
        let message = format!("{} and {} cannot be compared", left.kind(), right.kind());
        TemplateError::new(message)
    })
}

/// Go's `printf` with the verbs `%s %v %d %q %t %x`, widths, precisions, and the flags `-` and `0`.
fn printf(format: &str, arguments: &[Data]) -> Result<Data, TemplateError> {
    let mut arguments = arguments.iter();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        let (verb, after) = Verb::read(after)?;
        let argument = arguments.next().ok_or_else(|| {
            TemplateError::new(format!("`printf` has no argument for `%{}`", verb.letter))
        })?;
        text.push_str(&verb.format(argument)?);
        rest = after;
    }
    text.push_str(rest);
    if arguments.next().is_some() {
        return Err(TemplateError::new(
            "`printf` has more arguments than its format takes",
        ));
    }
    Ok(text.into())
}

/// What stands behind a `%`.
struct Verb {
    letter: char,
    flags: String,
    width: usize,
    precision: Option<usize>,
}

impl Verb {
    /// Reads what stands behind a `%`; and gives what stands behind that.
    fn read(text: &str) -> Result<(Verb, &str), TemplateError> {
        let unflagged = text.trim_start_matches(['-', '0', '+', ' ', '#']);
        let flags = text[..text.len() - unflagged.len()].to_string();
        let (width, rest) = digits(unflagged);
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest);
                (Some(precision), rest)
            }
            None => (None, rest),
        };
        let mut chars = rest.chars();
        let letter = chars.next().unwrap_or(' ');
        if !"svdqtx".contains(letter) {
            let message = format!("`printf` does not know `%{letter}`; it knows %s %v %d %q %t %x");
            return Err(TemplateError::new(message));
        }
        let verb = Verb {
            letter,
            flags,
            width,
            precision,
        };
        Ok((verb, chars.as_str()))
    }

    fn format(&self, argument: &Data) -> Result<String, TemplateError> {
        let mut text = match (self.letter, argument) {
            ('q', data) => format!("{:?}", shown(data)),
            ('x', Data::Number(number)) => match number.as_i64() {
                Some(number) => format!("{number:x}"),
                None => number.to_string(),
            },
            ('x', data) => {
                let bytes = shown(data).into_bytes();
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                digits.concat()
            }
            ('d', Data::Number(number)) => number.to_string(),
            ('d', other) => {
                let message = format!("`%d` takes a number, not {}", other.kind());
                return Err(TemplateError::new(message));
            }
            (_, data) => shown(data),
        };
        if let (Some(precision), 's' | 'v') = (self.precision, self.letter) {
            text = text.chars().take(precision).collect();
        }
        let missing = self.width.saturating_sub(text.chars().count());
        Ok(if self.flags.contains('-') {
            text + &" ".repeat(missing)
        } else if self.flags.contains('0') {
            "0".repeat(missing) + &text
        } else {
            " ".repeat(missing) + &text
        })
    }
}

/// The number that `text` begins with, and what stands behind it.
fn digits(text: &str) -> (usize, &str) {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text[..text.len() - rest.len()].parse().unwrap_or(0_usize);
    (number.min(WIDEST), rest)
}
