//! Reading a `HEALTHCHECK` that is one request of `curl`.

use serde_json::Value;

/// A text of which some parts are variables of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Literal(String),
    /// `$NAME`, or `${NAME:-default}`.
    Variable {
        name: String,
        /// What stands there if the variable is empty or not set.
        default: String,
    },
}

/// A request, and when its answer is a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpCheck {
    pub(super) method: String,
    /// The host, without a port.
    pub(super) host: String,
    /// The port; nothing if that is 80.
    pub(super) port: Option<Piece>,
    /// The path with what follows it, from the first slash on.
    pub(super) path: Vec<Piece>,
    pub(super) headers: Vec<(String, String)>,
    /// Whether a status of 400 or more is a failure.
    pub(super) is_strict: bool,
    /// After how many seconds it fails.
    pub(super) limit: Option<u32>,
}

impl HttpCheck {
    /// The request that `healthcheck`, as the configuration of an image has it, makes with `curl`; nothing if it does anything
    /// else, or more.
    pub(crate) fn of_curl(healthcheck: &Value) -> Option<HttpCheck> {
        let words: Vec<&str> = healthcheck
            .get("Test")?
            .as_array()?
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()?;
        let words = match words.split_first()? {
            (&"CMD", argv) => argv
                .iter()
                .map(|word| vec![Piece::Literal((*word).to_owned())])
                .collect(),
            (&"CMD-SHELL", [text]) => words_of_shell(without_exit(text))?,
            _ => return None,
        };
        of_words(&words)
    }

    /// The port that it asks, with these variables.
    pub(crate) fn port(&self, env: &[String]) -> Option<u16> {
        match &self.port {
            None => Some(80),
            Some(Piece::Literal(port)) => port.parse().ok(),
            Some(Piece::Variable { name, default }) => {
                let set = crate::evidence::variable(env, name).filter(|value| !value.is_empty());
                set.unwrap_or(default).parse().ok()
            }
        }
    }
}

/// A command without what only makes its exit code 1.
fn without_exit(text: &str) -> &str {
    let text = text.trim();
    let command = text.rsplit_once("||").and_then(|(command, rest)| {
        let words: Vec<&str> = rest.split_whitespace().collect();
        matches!(words.as_slice(), ["exit", "1"] | ["false"]).then_some(command)
    });
    command.unwrap_or(text).trim_end()
}

/// The words of a command that a shell passes to one program, but for variables and output that is thrown away.
fn words_of_shell(text: &str) -> Option<Vec<Vec<Piece>>> {
    const THROWN_AWAY: [&str; 4] = [">/dev/null", "1>/dev/null", "2>/dev/null", "2>&1"];
    let mut words: Vec<Vec<Piece>> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let thrown = THROWN_AWAY.iter().find_map(|redirection| {
            let rest = rest.strip_prefix(*redirection)?;
            (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
        });
        if let Some(after) = thrown.or_else(|| rest.strip_prefix("> /dev/null")) {
            rest = after.trim_start();
            continue;
        }
        let (word, after) = word_of_shell(rest)?;
        words.push(word);
        rest = after.trim_start_matches([' ', '\t']);
    }
    Some(words)
}

/// The first word, and what follows it.
fn word_of_shell(text: &str) -> Option<(Vec<Piece>, &str)> {
    let mut word = Vec::new();
    let mut rest = text;
    let mut quote = None;
    loop {
        let Some(c) = rest.chars().next() else {
            return quote.is_none().then_some((word, rest));
        };
        let after = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, ' ' | '\t') => return Some((word, rest)),
            (None, '\'' | '"') => {
                quote = Some(c);
                push(&mut word, "");
            }
            (Some(open), c) if open == c => quote = None,
            (Some('\''), c) => push(&mut word, c.encode_utf8(&mut [0; 4])),
            (_, '$') => {
                let (variable, after) = variable(after)?;
                word.push(variable);
                rest = after;
                continue;
            }
            (Some(_), '\\' | '`') => return None,
            (Some(_), c) => push(&mut word, c.encode_utf8(&mut [0; 4])),
            (None, c) if c.is_alphanumeric() || "-_./:=@%+,".contains(c) => {
                push(&mut word, c.encode_utf8(&mut [0; 4]));
            }
            (None, _) => return None,
        }
        rest = after;
    }
}

fn push(word: &mut Vec<Piece>, text: &str) {
    if let Some(Piece::Literal(last)) = word.last_mut() {
        last.push_str(text);
    } else {
        word.push(Piece::Literal(text.to_owned()));
    }
}

/// The variable behind a dollar sign, and what follows it.
fn variable(text: &str) -> Option<(Piece, &str)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (inner, after) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => text.split_at(text.find(|c| !is_of_name(c)).unwrap_or(text.len())),
    };
    let (name, default) = inner.split_once(":-").unwrap_or((inner, ""));
    let is_name = name.chars().all(is_of_name) && name.starts_with(|c: char| !c.is_ascii_digit());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if name.is_empty() || !is_name || !default.chars().all(is_plain) {
        return None;
    }
    let variable = Piece::Variable {
        name: name.to_owned(),
        default: default.to_owned(),
    };
    Some((variable, after))
}

/// The text of a word without variables.
fn literal(word: &[Piece]) -> Option<&str> {
    match word {
        [Piece::Literal(text)] => Some(text),
        _ => None,
    }
}

/// What the words say, if they are `curl`, options that are known here, and one URL of `http`.
fn of_words(words: &[Vec<Piece>]) -> Option<HttpCheck> {
    let (program, arguments) = words.split_first()?;
    if !["curl", "/usr/bin/curl"].contains(&literal(program)?) {
        return None;
    }
    let mut check = HttpCheck {
        method: "GET".to_owned(),
        host: String::new(),
        port: None,
        path: Vec::new(),
        headers: Vec::new(),
        is_strict: false,
        limit: None,
    };
    let mut url = None;
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        let option = match word.first() {
            Some(Piece::Literal(text)) if text.starts_with('-') => literal(word)?,
            Some(_) if url.is_none() => {
                url = Some(word.clone());
                continue;
            }
            _ => return None,
        };
        let names: Vec<String> = match option.strip_prefix("--") {
            Some(_) => vec![option.to_owned()],
            None => split_options(option.strip_prefix('-')?),
        };
        for name in &names {
            if let Some(what) = name.strip_prefix(ATTACHED) {
                set(&mut check, what)?;
            } else {
                match name.as_str() {
                    "-f" | "--fail" | "--fail-with-body" => check.is_strict = true,
                    "-I" | "--head" => "HEAD".clone_into(&mut check.method),
                    // What is shown changes no exit code.
                    "-s"
                    | "--silent"
                    | "-S"
                    | "--show-error"
                    | "-v"
                    | "--verbose"
                    | "-i"
                    | "--include"
                    | "--no-progress-meter"
                    | "-#"
                    | "--progress-bar" => {}
                    "-o" | "--output" | "-m" | "--max-time" | "-X" | "--request" | "-H"
                    | "--header" => {
                        let value = literal(arguments.next()?)?;
                        set(&mut check, &format!("{name} {value}"))?;
                    }
                    _ => return None,
                }
            }
        }
    }
    with_url(check, url?)
}

/// What marks an option that was written together with its value.
const ATTACHED: &str = "attached ";

/// Short options that were written together, as curl takes them apart.
fn split_options(options: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, c) in options.char_indices() {
        let value = &options[at + c.len_utf8()..];
        if "omXH".contains(c) && !value.is_empty() {
            names.push(format!("{ATTACHED}-{c} {value}"));
            break;
        }
        names.push(format!("-{c}"));
    }
    names
}

/// Sets what an option with a value says.
fn set(check: &mut HttpCheck, option: &str) -> Option<()> {
    let (name, value) = option.split_once(' ')?;
    match name {
        "-o" | "--output" => (value == "/dev/null").then_some(())?,
        "-m" | "--max-time" => {
            let limit = value
                .parse()
                .ok()
                .filter(|limit| (1..=3600).contains(limit))?;
            check.limit = Some(limit);
        }
        "-X" | "--request" => {
            // Of HEAD, curl would wait for a body.
            (["GET", "POST", "OPTIONS"].contains(&value) && check.method == "GET").then_some(())?;
            value.clone_into(&mut check.method);
        }
        "-H" | "--header" => {
            let (name, value) = value.split_once(':')?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let is_value = |c: char| c == ' ' || c.is_ascii_graphic() && !"'\"\\`$".contains(c);
            let value = value.trim();
            (!name.is_empty() && name.chars().all(is_name)).then_some(())?;
            (!value.is_empty() && value.chars().all(is_value)).then_some(())?;
            check.headers.push((name.to_owned(), value.to_owned()));
        }
        _ => return None,
    }
    Some(())
}

/// `check` of this URL, if it is one of `http` and of a host that is known.
fn with_url(mut check: HttpCheck, url: Vec<Piece>) -> Option<HttpCheck> {
    let mut pieces = url.into_iter();
    let Some(Piece::Literal(first)) = pieces.next() else {
        return None;
    };
    // Without a scheme it is this one, unless the host's name says otherwise.
    let text = match first.strip_prefix("http://") {
        Some(text) => text,
        None if first.starts_with("localhost") || first.starts_with("127.") => &first,
        None => return None,
    };
    let host_end = text.find([':', '/']).unwrap_or(text.len());
    let (host, mut rest) = text.split_at(host_end);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return None;
    }
    host.clone_into(&mut check.host);
    let mut path = Vec::new();
    if let Some(port) = rest.strip_prefix(':') {
        if port.is_empty() {
            check.port = Some(pieces.next()?);
            rest = "";
        } else {
            let end = port.find('/').unwrap_or(port.len());
            let (number, after) = port.split_at(end);
            let _a_number: u16 = number.parse().ok()?;
            check.port = Some(Piece::Literal(number.to_owned()));
            rest = after;
        }
    }
    if !rest.is_empty() {
        path.push(Piece::Literal(rest.to_owned()));
    }
    path.extend(pieces);
    // What curl itself would take apart, or not send.
    let is_path = |c: char| c.is_ascii_alphanumeric() || "-._~/?&=%+,:@!*;()".contains(c);
    let is_fine = path.iter().all(|piece| match piece {
        Piece::Literal(text) => text.chars().all(is_path) && !text.contains("/."),
        Piece::Variable { .. } => true,
    });
    match path.first() {
        None => path.push(Piece::Literal("/".to_owned())),
        Some(Piece::Literal(text)) if text.starts_with('/') => {}
        Some(_) => return None,
    }
    check.path = path;
    is_fine.then_some(check)
}
