//! Words and variables that turn the check of a certificate or a signature off.

use crate::checks::packages::{Manager, base_name, package_command};
use crate::shell::{ShellWord, SimpleCommand};

/// What is no longer checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unchecked {
    /// That the server is who it says.
    Certificate,
    /// That packages come from who should have made them.
    Signature,
}

/// A word that turns a check off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch<'c> {
    /// What it turns off.
    pub(super) unchecked: Unchecked,
    /// The word.
    pub(super) word: &'c ShellWord,
    /// The switch itself: the word, or a flag in it.
    pub(super) text: String,
    /// What is left of the word without the switch; empty if it can go.
    pub(super) without: Option<String>,
}

/// The switches among the words of a command.
pub(super) fn switches(command: &SimpleCommand) -> Vec<Switch<'_>> {
    let words = command.unwrapped();
    let Some((program, arguments)) = words.split_first() else {
        return Vec::new();
    };
    let Some(program) = program.literal.as_deref().map(base_name) else {
        return Vec::new();
    };
    match program {
        "curl" => curl(arguments),
        "wget" => flags(
            arguments,
            &["--no-check-certificate"],
            Unchecked::Certificate,
        ),
        "git" => git(arguments),
        "rpm" => flags(arguments, &["--nosignature"], Unchecked::Signature),
        "composer" => settings(arguments, "disable-tls", "true", Unchecked::Certificate),
        _ => of_package_manager(command, arguments),
    }
}

fn of_package_manager<'c>(command: &'c SimpleCommand, words: &'c [ShellWord]) -> Vec<Switch<'c>> {
    let Some(package) = package_command(command) else {
        return Vec::new();
    };
    match package.manager {
        Manager::Apt => {
            let mut found = flags(words, &APT_FLAGS, Unchecked::Signature);
            found.extend(apt_options(words));
            found
        }
        Manager::Apk => flags(words, &["--allow-untrusted"], Unchecked::Signature),
        Manager::Rpm => {
            let names = ["--nogpgcheck", "--no-gpgchecks", "--setopt=gpgcheck=0"];
            flags(words, &names, Unchecked::Signature)
        }
        Manager::Zypper => {
            let names = ["--no-gpg-checks", "--allow-unsigned-rpm"];
            flags(words, &names, Unchecked::Signature)
        }
        Manager::Pip => trusted_hosts(words),
        Manager::Npm | Manager::Yarn | Manager::Pnpm => {
            let names = ["--strict-ssl=false", "--no-strict-ssl"];
            let mut found = flags(words, &names, Unchecked::Certificate);
            found.extend(settings(
                words,
                "strict-ssl",
                "false",
                Unchecked::Certificate,
            ));
            found.extend(settings(
                words,
                "enableStrictSsl",
                "false",
                Unchecked::Certificate,
            ));
            found
        }
    }
}

const APT_FLAGS: [&str; 4] = [
    "--allow-unauthenticated",
    "--allow-insecure-repositories",
    "--force-yes",
    "--no-allow-authenticated",
];

/// Words that are one of `names`.
fn flags<'c>(words: &'c [ShellWord], names: &[&str], unchecked: Unchecked) -> Vec<Switch<'c>> {
    words
        .iter()
        .filter(|word| {
            word.literal
                .as_deref()
                .is_some_and(|literal| names.contains(&literal))
        })
        .map(|word| Switch {
            unchecked,
            word,
            text: word.text.clone(),
            without: Some(String::new()),
        })
        .collect()
}

/// `config set name value`, `config name value` and `set name=value`.
fn settings<'c>(
    words: &'c [ShellWord],
    name: &str,
    value: &str,
    unchecked: Unchecked,
) -> Vec<Switch<'c>> {
    let is = |word: Option<&ShellWord>, text: &str| {
        word.and_then(|word| word.literal.as_deref())
            .is_some_and(|literal| literal.eq_ignore_ascii_case(text))
    };
    let sets = |word: &ShellWord| is(Some(word), "config") || is(Some(word), "set");
    if !words.iter().any(sets) {
        return Vec::new();
    }
    let joined = format!("{name}={value}");
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let is_pair = is(Some(word), name) && is(words.get(index + 1), value);
        if is_pair || is(Some(word), &joined) {
            found.push(Switch {
                unchecked,
                word,
                text: format!("{name} {value}"),
                without: None,
            });
        }
    }
    found
}

/// The short flags of curl that take what is left of the word, or the next word, as their value.
const CURL_VALUED: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

fn curl(words: &[ShellWord]) -> Vec<Switch<'_>> {
    let mut found = Vec::new();
    let addresses: Vec<&str> = words
        .iter()
        .map(|word| word.text.trim_matches(['"', '\'']))
        .filter(|text| text.contains("://"))
        .collect();
    let is_local = |address: &&str| {
        ["://localhost", "://127.0.0.1", "://[::1]"]
            .iter()
            .any(|host| address.contains(host))
    };
    if !addresses.is_empty() && addresses.iter().all(is_local) {
        return found;
    }
    let mut is_value = false;
    for word in words {
        let text = word.literal.as_deref().unwrap_or(&word.text);
        if is_value {
            is_value = false;
            continue;
        }
        if text == "--insecure" {
            found.push(Switch {
                unchecked: Unchecked::Certificate,
                word,
                text: text.to_owned(),
                without: Some(String::new()),
            });
            continue;
        }
        let Some(cluster) = text.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else {
            continue;
        };
        let valued = cluster.find(|c: char| CURL_VALUED.contains(c));
        is_value = valued.is_some_and(|at| at + 1 == cluster.len());
        let letters = &cluster[..valued.unwrap_or(cluster.len())];
        if letters.contains('k') {
            let rest = cluster.replacen('k', "", 1);
            found.push(Switch {
                unchecked: Unchecked::Certificate,
                word,
                text: "-k".to_owned(),
                without: Some(if rest.is_empty() {
                    rest
                } else {
                    format!("-{rest}")
                }),
            });
        }
    }
    found
}

/// `git -c http.sslVerify=false`, `git config http.sslVerify false`
fn git(words: &[ShellWord]) -> Vec<Switch<'_>> {
    let mut found = settings(words, "http.sslVerify", "false", Unchecked::Certificate);
    found.extend(settings(
        words,
        "http.sslVerify",
        "0",
        Unchecked::Certificate,
    ));
    for word in words {
        let literal = word.literal.as_deref().unwrap_or_default();
        let lower = literal.to_ascii_lowercase();
        let is_known = found.iter().any(|switch| switch.word == word);
        if !is_known && matches!(lower.as_str(), "http.sslverify=false" | "http.sslverify=0") {
            found.push(Switch {
                unchecked: Unchecked::Certificate,
                word,
                text: literal.to_owned(),
                without: None,
            });
        }
    }
    found
}

/// Options of apt, after `-o` or in one word with it.
fn apt_options(words: &[ShellWord]) -> Vec<Switch<'_>> {
    const OPTIONS: [(&str, Unchecked); 5] = [
        ("acquire::allowinsecurerepositories", Unchecked::Signature),
        ("apt::get::allowunauthenticated", Unchecked::Signature),
        ("acquire::https::verify-peer", Unchecked::Certificate),
        ("acquire::https::verify-host", Unchecked::Certificate),
        ("acquire::allowweakrepositories", Unchecked::Signature),
    ];
    let mut found = Vec::new();
    for word in words {
        let literal = word.literal.as_deref().unwrap_or_default();
        let option = literal.trim_start_matches("-o").to_ascii_lowercase();
        let Some((name, value)) = option.split_once('=') else {
            continue;
        };
        let Some((_, unchecked)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let is_yes = matches!(value, "true" | "1" | "yes" | "on");
        if is_yes == (*unchecked == Unchecked::Signature) {
            found.push(Switch {
                unchecked: *unchecked,
                word,
                text: literal.trim_start_matches("-o").to_owned(),
                without: None,
            });
        }
    }
    found
}

fn trusted_hosts(words: &[ShellWord]) -> Vec<Switch<'_>> {
    words
        .iter()
        .filter(|word| {
            let name = word.text.split('=').next().unwrap_or_default();
            matches!(
                name,
                "--trusted-host" | "global.trusted-host" | "install.trusted-host"
            )
        })
        .map(|word| Switch {
            unchecked: Unchecked::Certificate,
            word,
            text: word.text.split('=').next().unwrap_or_default().to_owned(),
            without: None,
        })
        .collect()
}

/// Says what a variable with this value turns off.
pub(super) fn off_by_variable(name: &str, value: &str) -> Option<Unchecked> {
    let is_no = matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no");
    let is_off = match name {
        "NODE_TLS_REJECT_UNAUTHORIZED"
        | "PYTHONHTTPSVERIFY"
        | "NPM_CONFIG_STRICT_SSL"
        | "npm_config_strict_ssl"
        | "YARN_ENABLE_STRICT_SSL" => is_no,
        "GIT_SSL_NO_VERIFY" => !is_no && !value.is_empty(),
        "PIP_TRUSTED_HOST" | "GOINSECURE" => !value.is_empty(),
        "GOFLAGS" => value.split_whitespace().any(|flag| flag == "-insecure"),
        _ => false,
    };
    is_off.then_some(Unchecked::Certificate)
}

/// A setting in a file that a script or a heredoc writes: where it is, its text, and what it turns off.
pub(super) fn off_by_setting(text: &str) -> Vec<(usize, &str, Unchecked)> {
    let mut found = Vec::new();
    for (at, setting) in text.match_indices("trusted=yes") {
        let is_in_brackets = text[..at]
            .rfind(['[', ']', '\n'])
            .is_some_and(|before| text[before..].starts_with('['));
        let address = text[at..]
            .split_once(']')
            .map_or("", |(_, rest)| rest.trim_start());
        let is_local = ["file:", "copy:", "./", "/"]
            .iter()
            .any(|scheme| address.starts_with(scheme));
        if is_in_brackets && !is_local {
            found.push((at, setting, Unchecked::Signature));
        }
    }
    for (at, setting) in text.match_indices("gpgcheck=0") {
        // `repo_gpgcheck` is about the list of packages; packages have signatures of their own.
        let is_whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        // In `sed s/gpgcheck=0/gpgcheck=1/` it is what is looked for.
        let ends = text[at + setting.len()..]
            .chars()
            .next()
            .is_none_or(|c| c.is_whitespace() || "\"'\\;".contains(c));
        let is_flag = text[..at].ends_with("--setopt=");
        if is_whole && ends && !is_flag {
            found.push((at, setting, Unchecked::Signature));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_what_looks_for_them() {
        let check = |text: &str, expected: usize| {
            assert_eq!(off_by_setting(text).len(), expected, "{text}");
        };
        check("deb [trusted=yes] https://deb.acme.io stable main", 1);
        check("deb [arch=amd64 trusted=yes] https://deb.acme.io / ", 1);
        check("deb [trusted=yes] file:/repository ./", 0);
        check("trusted=yes", 0);
        check("echo 'gpgcheck=0' >> a.repo", 1);
        check("repo_gpgcheck=0", 0);
        check("sed -i s/gpgcheck=0/gpgcheck=1/ a.repo", 0);
        check("sed -i 's/gpgcheck=1/gpgcheck=0/' a.repo", 0);
    }

    #[test]
    fn variables_turn_checks_off_by_their_value() {
        let check = |name: &str, value: &str, expected: bool| {
            assert_eq!(
                off_by_variable(name, value).is_some(),
                expected,
                "{name}={value}"
            );
        };
        check("NODE_TLS_REJECT_UNAUTHORIZED", "0", true);
        check("NODE_TLS_REJECT_UNAUTHORIZED", "1", false);
        check("GIT_SSL_NO_VERIFY", "true", true);
        check("GIT_SSL_NO_VERIFY", "false", false);
        check("GOFLAGS", "-mod=vendor -insecure", true);
        check("GOFLAGS", "-mod=vendor", false);
        check("PATH", "0", false);
    }
}
