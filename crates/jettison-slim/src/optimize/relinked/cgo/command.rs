//! Commands that build programs of Go, with the options to link the libraries of C in.

use jettison_dockerfile::{Edit, ShellWord, SimpleCommand};

/// What a command of Go is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Build tags.
    pub(super) tags: Vec<&'static str>,
    /// Libraries that others need, as the linker calls them (`-lm`).
    pub(super) libraries: Vec<String>,
}

impl Options {
    /// What Go's linker is told, in quotes of this kind where there have to be any.
    pub(super) fn for_linker(&self, quote: &str) -> String {
        if self.libraries.is_empty() {
            return "-extldflags=-static".to_owned();
        }
        let libraries = self.libraries.join(" ");
        format!("-extldflags {quote}-static {libraries}{quote}")
    }
}

/// Whether `command` builds programs of Go, with C, that are here.
pub(super) fn builds(command: &SimpleCommand) -> bool {
    let words = command.unwrapped();
    let verb = words.get(1).and_then(|word| word.literal.as_deref());
    let is_without_c = command.assignments.iter().any(|assignment| {
        assignment.name == "CGO_ENABLED" && assignment.value.literal.as_deref() == Some("0")
    });
    let is_elsewhere = words.iter().any(|word| {
        let word = word.literal.as_deref();
        word.is_some_and(|word| !word.starts_with('-') && word.contains('@'))
    });
    command.tool() == Some("go")
        && matches!(verb, Some("build" | "install"))
        && !is_without_c
        && !is_elsewhere
}

/// `command` of the Dockerfile `text` with `options`, beside those that it has.
pub(super) fn edit(text: &str, command: &SimpleCommand, options: &Options) -> Option<Vec<Edit>> {
    let words = command.unwrapped();
    let verb = words.get(1)?;
    let words = words.get(2..)?;
    let mut edits = Vec::new();
    let mut added = String::new();
    if !options.tags.is_empty() {
        match value_of(text, words, "tags").ok()? {
            Some(value) => edits.push(with_tags(&value, options)?),
            None => added = format!(" -tags={}", options.tags.join(",")),
        }
    }
    match value_of(text, words, "ldflags").ok()? {
        Some(value) => edits.push(with_flags(&value, options)?),
        None => added = format!("{added} -ldflags=\"{}\"", options.for_linker("'")),
    }
    if !added.is_empty() {
        edits.push(Edit {
            range: verb.range.end..verb.range.end,
            replacement: added,
        });
    }
    Some(edits)
}

/// The value of an option.
struct Value<'a> {
    /// Where it starts in the Dockerfile.
    start: usize,
    /// It as it is written there.
    source: &'a str,
    /// The quote that the whole word starts with, if not the value alone.
    outer: Option<char>,
    /// What the option gets, if that can be told.
    literal: Option<String>,
}

impl Value<'_> {
    /// The quote that it is in, at its start.
    fn quote(&self) -> Option<char> {
        let own = self.source.chars().next();
        self.outer
            .or(own.filter(|first| ['"', '\''].contains(first)))
    }

    fn is_in_own_quotes(&self) -> bool {
        self.outer.is_none() && self.quote().is_some()
    }
}

/// It cannot be told what options a command has.
#[derive(Debug)]
struct Unclear;

/// The value of the option `name`, if there is one; unclear if there are several, or an option cannot be told from something else.
fn value_of<'a>(
    text: &'a str,
    words: &[ShellWord],
    name: &str,
) -> Result<Option<Value<'a>>, Unclear> {
    let mut found = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let source = text.get(word.range.clone()).ok_or(Unclear)?;
        let outer = source.chars().next().filter(|c| ['"', '\''].contains(c));
        let bare = source.trim_start_matches(['"', '\'']);
        let Some(option) = bare.strip_prefix('-') else {
            // Options may be in what is expanded without quotes.
            if bare.starts_with('$') && outer.is_none() {
                return Err(Unclear);
            }
            continue;
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        let Some(rest) = option.strip_prefix(name) else {
            continue;
        };
        let value = if let Some(value) = rest.strip_prefix('=') {
            let literal = word.literal.as_deref();
            let literal = literal.and_then(|word| Some(word.split_once('=')?.1.to_owned()));
            Value {
                start: word.range.end - value.len(),
                source: value,
                outer,
                literal,
            }
        } else if rest.is_empty() && outer.is_none() {
            let word = words.next().ok_or(Unclear)?;
            Value {
                start: word.range.start,
                source: text.get(word.range.clone()).ok_or(Unclear)?,
                outer: None,
                literal: word.literal.clone(),
            }
        } else {
            continue;
        };
        if found.replace(value).is_some() {
            return Err(Unclear);
        }
    }
    Ok(found)
}

fn with_tags(value: &Value<'_>, options: &Options) -> Option<Edit> {
    let literal = value.literal.as_deref()?;
    let separator = match literal.trim() {
        "" => return None,
        // With a space in it, commas do not separate (`tagsFlag.Set`).
        tags if tags.contains([' ', '\'']) => " ",
        _ => ",",
    };
    let mut added = String::new();
    for tag in &options.tags {
        added = format!("{added}{separator}{tag}");
    }
    let is_closed = value
        .quote()
        .is_some_and(|quote| value.source.ends_with(quote));
    if separator == " " && !is_closed {
        return None;
    }
    let end = value.start + value.source.len() - usize::from(is_closed);
    Some(Edit {
        range: end..end,
        replacement: added,
    })
}

fn with_flags(value: &Value<'_>, options: &Options) -> Option<Edit> {
    let quote = value.quote();
    let start = value.start + usize::from(value.is_in_own_quotes());
    let rest = value.source.get(start - value.start..)?;
    // What starts otherwise is for some packages alone: `all=-s`.
    let is_for_program = rest.trim_start().starts_with(['-', '$']);
    let is_linked_otherwise = ["-linkmode", "-extld"]
        .iter()
        .any(|name| rest.contains(name));
    if !is_for_program || is_linked_otherwise {
        return None;
    }
    let replacement = match quote {
        Some('\'') => format!("{} ", options.for_linker("\"")),
        Some(_) => format!("{} ", options.for_linker("'")),
        None => format!("\"{} \"", options.for_linker("'")),
    };
    Some(Edit {
        range: start..start,
        replacement,
    })
}
