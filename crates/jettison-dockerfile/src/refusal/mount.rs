//! The value of `RUN --mount`, when its variables have values (BuildKit: `parseMount` with an expander,
//! `instructions/commands_runmount.go`).

use crate::diagnostic::Diagnostic;
use crate::instruction::{comma_separated, is_boolean};
use crate::quote::quoted;
use crate::refusal::Words;
use crate::text::lower;

const KINDS: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

const SHARING: [&str; 3] = ["shared", "private", "locked"];

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// What is known of a mount. A value that depends on a variable is `None` inside.
#[derive(Default)]
struct Mount {
    kind: Kind,
    from: Option<Value>,
    source: Option<Value>,
    target: Option<Value>,
    id: Option<Value>,
    sharing: Option<Value>,
    /// The last of the keys that only some mounts may have.
    owner: [bool; 3],
}

type Value = Option<String>;

/// The type, if it is known.
struct Kind(Option<String>);

impl Default for Kind {
    fn default() -> Kind {
        Kind(Some("bind".to_owned()))
    }
}

/// Says what is wrong with a mount.
pub(super) fn mount_problem(words: &mut Words, mount: &str) -> Option<Diagnostic> {
    // What cannot be told apart is an error of the parser already.
    let fields = comma_separated(mount).ok()?;
    let place = words.place.clone();
    let error = |message: String| Diagnostic::error(place.clone(), message);
    let mut read = Mount::default();
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (lower(key), Some(value)),
            None => (lower(field), None),
        };
        let Some(value) = value else {
            match key.as_str() {
                "readonly" | "ro" | "readwrite" | "rw" => {}
                "required" => {
                    if let Some(message) = read.unexpected(&key, &["secret", "ssh"]) {
                        return Some(error(message));
                    }
                }
                _ => {
                    let message = format!("invalid field '{field}' must be a key=value pair");
                    return Some(error(message));
                }
            }
            continue;
        };
        let before = words.found.len();
        let known = words.known(value);
        if words.found.len() > before {
            return None;
        }
        if !KEYS.contains(&key.as_str()) {
            let message = format!("unexpected key '{key}' in '{field}'");
            return Some(error(message).with_suggestion(&key, KEYS));
        }
        match read.add(&key, known) {
            Ok(()) => {}
            Err(Refused::Plain(message)) => return Some(error(message)),
            Err(Refused::OneOf(message, word, options)) => {
                return Some(error(message).with_suggestion(&word, options.iter().copied()));
            }
        }
    }
    read.problem().map(error)
}

enum Refused {
    Plain(String),
    /// A word, and what it might be instead.
    OneOf(String, String, &'static [&'static str]),
}

impl Mount {
    fn is_one_of(&self, kinds: &[&str]) -> Option<bool> {
        self.kind.0.as_deref().map(|kind| kinds.contains(&kind))
    }

    fn unexpected(&self, key: &str, kinds: &[&str]) -> Option<String> {
        let kind = self.kind.0.as_deref()?;
        (!kinds.contains(&kind)).then(|| format!("unexpected key '{key}' for mount type '{kind}'"))
    }

    /// Adds a field; `known` is its value, if that does not depend on a variable.
    fn add(&mut self, key: &str, known: Value) -> Result<(), Refused> {
        let value = known.as_deref();
        let plain = |is_wrong: bool, message: String| {
            if is_wrong {
                Err(Refused::Plain(message))
            } else {
                Ok(())
            }
        };
        let text = value.unwrap_or_default();
        match key {
            "type" => {
                let kind = value.map(lower);
                if kind.as_deref().is_some_and(|kind| !KINDS.contains(&kind)) {
                    let message = format!("unsupported mount type {}", quoted(text));
                    return Err(Refused::OneOf(message, text.to_owned(), &KINDS));
                }
                self.kind = Kind(kind);
            }
            "sharing" => {
                let sharing = value.map(lower);
                if sharing
                    .as_deref()
                    .is_some_and(|word| !SHARING.contains(&word))
                {
                    let message = format!("unsupported sharing value {}", quoted(text));
                    return Err(Refused::OneOf(message, text.to_owned(), &SHARING));
                }
                self.sharing = Some(sharing);
            }
            "from" => self.from = Some(known),
            "source" | "src" => self.source = Some(known),
            "target" | "dst" | "destination" => self.target = Some(known),
            "id" => self.id = Some(known),
            "readonly" | "ro" | "readwrite" | "rw" => {
                let is_wrong = value.is_some_and(|value| !is_boolean(value));
                return plain(is_wrong, format!("invalid value for {key}: {text}"));
            }
            "required" => {
                if let Some(message) = self.unexpected(key, &["secret", "ssh"]) {
                    return Err(Refused::Plain(message));
                }
                let is_wrong = value.is_some_and(|value| !is_boolean(value));
                return plain(is_wrong, format!("invalid value for {key}: {text}"));
            }
            "size" => {
                let message = self.unexpected(key, &["tmpfs"]);
                return message.map_or(Ok(()), |message| Err(Refused::Plain(message)));
            }
            "mode" | "uid" | "gid" => {
                let radix = if key == "mode" { 8 } else { 10 };
                let is_number = |value: &str| {
                    !value.starts_with('+') && u32::from_str_radix(value, radix).is_ok()
                };
                let index = ["mode", "uid", "gid"].iter().position(|name| *name == key);
                self.owner[index.unwrap_or_default()] = true;
                let is_wrong = value.is_some_and(|value| !is_number(value));
                return plain(is_wrong, format!("invalid value {text} for {key}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Says what is wrong with the fields together.
    fn problem(&self) -> Option<String> {
        let kind = self.kind.0.as_deref()?;
        // Without a value, and with the empty one, a field is not there. One that depends on a variable may be.
        let is_set = |field: &Option<Value>| match field {
            Some(Some(text)) => !text.is_empty(),
            Some(None) => true,
            None => false,
        };
        let is_surely_set =
            |field: &Option<Value>| matches!(field, Some(Some(text)) if !text.is_empty());
        if self.is_one_of(&["secret", "ssh", "cache"]) == Some(false) {
            let names = ["mode", "uid", "gid"].into_iter().zip(self.owner);
            if let Some((name, _)) = names.into_iter().find(|(_, is_there)| *is_there) {
                return Some(format!(
                    "{name} not allowed for {} type mounts",
                    quoted(kind)
                ));
            }
        }
        if kind == "secret" {
            if is_surely_set(&self.from) {
                return Some("secret mount should not have a from".to_owned());
            }
            if is_surely_set(&self.sharing) {
                return Some("secret mount should not define sharing".to_owned());
            }
            if !is_set(&self.source) && !is_set(&self.target) && !is_set(&self.id) {
                return Some("invalid secret mount. one of source, target required".to_owned());
            }
            if is_surely_set(&self.source) && is_surely_set(&self.id) {
                return Some("both source and id can't be set".to_owned());
            }
        }
        if is_surely_set(&self.sharing) && kind != "cache" {
            return Some(format!("invalid cache sharing set for {kind} mount"));
        }
        if kind == "ssh" && is_surely_set(&self.source) {
            return Some("ssh does not support source".to_owned());
        }
        let is_root = matches!(&self.target, Some(Some(target)) if target == "/");
        (is_root && !matches!(kind, "secret" | "ssh"))
            .then(|| r#"invalid mount target "/""#.to_owned())
    }
}
