//! Passwords among the words of commands.

use crate::checks::packages::base_name;
use crate::checks::security::secrets::is_literal_password;
use crate::shell::{Redirect, RedirectKind, ShellScript, ShellWord, SimpleCommand};
use crate::text::TextRange;

/// A password that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Password {
    /// Whose it is, in words.
    pub(super) whose: String,
    pub(super) range: TextRange,
    pub(super) kind: Kind,
}

/// What a password is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user of the image.
    Account,
    /// A user of the image, who needs none to log in.
    NoPassword,
    /// Something else that the build or the program logs in to.
    Service,
}

/// The passwords of users of the image that a command sets.
pub(super) fn account_passwords(script: &ShellScript, command: &SimpleCommand) -> Vec<Password> {
    let Some((program, arguments)) = program(command) else {
        return Vec::new();
    };
    match program {
        "chpasswd" if !command.has_flag('e', "--encrypted") => {
            let mut found: Vec<Password> =
                command.redirects.iter().filter_map(from_redirect).collect();
            found.extend(from_pipe(script, command, user_with_password));
            found
        }
        "passwd" => passwd(script, command, arguments),
        "useradd" | "usermod" => hashed(command, arguments),
        "openssl" => openssl(arguments).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// `passwd -d user` takes the password away; what is piped into `passwd` becomes the password.
fn passwd(script: &ShellScript, command: &SimpleCommand, arguments: &[ShellWord]) -> Vec<Password> {
    let user = last_operand(arguments).unwrap_or("root").to_owned();
    let deletes = arguments
        .iter()
        .find(|word| is(word, &["-d", "--delete", "-de"]));
    if let Some(word) = deletes {
        return vec![Password {
            whose: user,
            range: word.range.clone(),
            kind: Kind::NoPassword,
        }];
    }
    from_pipe(script, command, |word| Some((user.clone(), word)))
}

fn program(command: &SimpleCommand) -> Option<(&str, &[ShellWord])> {
    let (program, arguments) = command.unwrapped().split_first()?;
    Some((base_name(program.literal.as_deref()?), arguments))
}

fn is(word: &ShellWord, texts: &[&str]) -> bool {
    word.literal
        .as_deref()
        .is_some_and(|literal| texts.contains(&literal))
}

fn last_operand(words: &[ShellWord]) -> Option<&str> {
    let literal = words.last()?.literal.as_deref()?;
    (!literal.starts_with('-')).then_some(literal)
}

/// `chpasswd <<< user:password`
fn from_redirect(redirect: &Redirect) -> Option<Password> {
    let literal = redirect.target.literal.as_deref()?;
    if redirect.kind != RedirectKind::HereString {
        return None;
    }
    let (user, password) = literal.split_once(':')?;
    (!password.is_empty()).then(|| Password {
        whose: user.to_owned(),
        range: redirect.target.range.clone(),
        kind: Kind::Account,
    })
}

/// What `echo` or `printf` writes into the pipe that a command reads: the words that `read` takes for a password.
fn from_pipe<'s>(
    script: &'s ShellScript,
    command: &SimpleCommand,
    read: impl Fn(&'s str) -> Option<(String, &'s str)>,
) -> Vec<Password> {
    let mut found = Vec::new();
    for writer in &script.commands {
        let is_before = writer.pipeline == command.pipeline
            && writer.source_range.end <= command.source_range.start;
        let Some((program, arguments)) = program(writer) else {
            continue;
        };
        if !is_before || !matches!(program, "echo" | "printf") {
            continue;
        }
        for word in arguments {
            let literal = word
                .literal
                .as_deref()
                .filter(|text| !text.starts_with('-'));
            let Some((whose, password)) = literal.and_then(&read) else {
                continue;
            };
            // A format of `printf` without a value in it.
            let is_format = password.contains('%') || password.trim_end_matches("\\n").is_empty();
            if !is_format && found.is_empty() {
                found.push(Password {
                    whose,
                    range: word.range.clone(),
                    kind: Kind::Account,
                });
            }
        }
    }
    found
}

fn user_with_password(word: &str) -> Option<(String, &str)> {
    let (user, password) = word.split_once(':')?;
    let is_user = !user.is_empty() && !user.contains(['%', ' ', '/']);
    is_user.then(|| (user.to_owned(), password))
}

/// `useradd -p hash`: whoever has the hash can try passwords until one fits. `!` and `*` fit none.
fn hashed(command: &SimpleCommand, arguments: &[ShellWord]) -> Vec<Password> {
    let mut found = Vec::new();
    for pair in command.unwrapped().windows(2) {
        let [flag, value] = pair else { continue };
        let literal = value.literal.as_deref().unwrap_or_default();
        let locks = literal.is_empty() || literal.starts_with(['!', '*', 'x', '-']);
        if is(flag, &["-p", "--password"]) && !locks {
            found.push(Password {
                whose: last_operand(arguments).unwrap_or("a user").to_owned(),
                range: value.range.clone(),
                kind: Kind::Account,
            });
        }
    }
    found
}

/// `openssl passwd -6 password`, whose output is then the hash.
fn openssl(arguments: &[ShellWord]) -> Option<Password> {
    let [verb, .., before, last] = arguments else {
        return None;
    };
    let reads = arguments.iter().any(|word| is(word, &["-stdin", "-in"]));
    let literal = last.literal.as_deref()?;
    let is_password = is(verb, &["passwd"])
        && !reads
        && !literal.is_empty()
        && !literal.starts_with('-')
        && !is(before, &["-salt", "-in", "-rand"]);
    is_password.then(|| Password {
        whose: "a user".to_owned(),
        range: last.range.clone(),
        kind: Kind::Account,
    })
}

/// Variables that hold the password of a client.
const VARIABLES: [&str; 5] = [
    "PGPASSWORD",
    "MYSQL_PWD",
    "SSHPASS",
    "REDISCLI_AUTH",
    "RSYNC_PASSWORD",
];

/// The passwords that a command logs in with, or sets for a service.
pub(super) fn service_passwords(command: &SimpleCommand) -> Vec<Password> {
    let mut found = Vec::new();
    for assignment in &command.assignments {
        let value = assignment.value.literal.as_deref().unwrap_or_default();
        // A database that is only there for the build keeps its name for a password.
        let is_default = matches!(value, "postgres" | "root" | "mysql" | "admin" | "redis");
        let is_password = !is_default && is_literal_password("", value);
        if VARIABLES.contains(&assignment.name.as_str()) && is_password {
            found.push(service(&assignment.name, &assignment.range));
        }
    }
    let Some((program, arguments)) = program(command) else {
        return found;
    };
    let flags: &[&str] = match program {
        "sshpass" => &["-p"],
        "curl" => &["-u", "--user"],
        "wget" => &["--password", "--http-password", "--ftp-password"],
        "docker" | "podman" | "skopeo" | "helm" | "svn" => &["-p", "--password"],
        "htpasswd" => {
            found.extend(htpasswd(arguments));
            return found;
        }
        "mysqladmin" => {
            found.extend(mysqladmin(arguments));
            return found;
        }
        _ => return found,
    };
    // `docker run -p` is a port.
    let logs_in = !matches!(program, "docker" | "podman" | "skopeo" | "helm")
        || arguments.iter().any(|word| is(word, &["login"]));
    for (index, word) in arguments.iter().enumerate().filter(|_| logs_in) {
        let Some(value) = flag_value(arguments, index, flags) else {
            continue;
        };
        let (user, password) = match program {
            "curl" => value.split_once(':').unwrap_or_default(),
            _ => ("", value),
        };
        if is_literal_password(user, password) {
            let word = if word.text.contains(value) {
                word
            } else {
                &arguments[index + 1]
            };
            found.push(service(program, &word.range));
        }
    }
    found
}

fn service(name: &str, range: &TextRange) -> Password {
    Password {
        whose: name.to_owned(),
        range: range.clone(),
        kind: Kind::Service,
    }
}

/// The value of a flag at `index`: after `=`, or the next word.
fn flag_value<'w>(words: &'w [ShellWord], index: usize, flags: &[&str]) -> Option<&'w str> {
    let literal = words[index].literal.as_deref()?;
    if flags.contains(&literal) {
        return words.get(index + 1)?.literal.as_deref();
    }
    let (flag, value) = literal.split_once('=')?;
    flags.contains(&flag).then_some(value)
}

/// `htpasswd -b file user password`
fn htpasswd(arguments: &[ShellWord]) -> Option<Password> {
    let has_batch = arguments
        .iter()
        .any(|word| word.text.starts_with('-') && word.text.contains('b'));
    let last = arguments.last().filter(|word| word.literal.is_some())?;
    has_batch.then(|| service("htpasswd", &last.range))
}

/// `mysqladmin password new`
fn mysqladmin(arguments: &[ShellWord]) -> Option<Password> {
    let at = arguments.iter().position(|word| is(word, &["password"]))?;
    let value = arguments.get(at + 1)?;
    let is_empty = value.literal.as_deref()?.is_empty();
    (!is_empty).then(|| service("mysqladmin", &value.range))
}
