//! Literal secrets in a text: what is certain by its shape alone.

use std::ops::RangeInclusive;

use crate::text::TextRange;

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    /// What it is, with an article. Nothing of the secret is in it but the prefix that all of its kind have.
    pub(super) what: String,
    /// Where it is.
    pub(super) range: TextRange,
}

/// A kind of token that can be told by its beginning, its alphabet and its length.
struct Shape {
    what: &'static str,
    prefix: &'static str,
    /// How many characters come after the prefix.
    length: RangeInclusive<usize>,
    alphabet: fn(char) -> bool,
}

const fn shape(
    what: &'static str,
    prefix: &'static str,
    length: RangeInclusive<usize>,
    alphabet: fn(char) -> bool,
) -> Shape {
    Shape {
        what,
        prefix,
        length,
        alphabet,
    }
}

const SHAPES: [Shape; 23] = [
    shape("a GitHub token", "ghp_", 36..=255, alphanumeric),
    shape("a GitHub token", "gho_", 36..=255, alphanumeric),
    shape("a GitHub token", "ghs_", 36..=255, alphanumeric),
    shape("a GitHub token", "ghu_", 36..=255, alphanumeric),
    shape("a GitHub token", "ghr_", 36..=255, alphanumeric),
    shape("a GitHub token", "github_pat_", 59..=255, underscored),
    shape("a GitLab token", "glpat-", 20..=255, url_safe),
    shape("an AWS access key", "AKIA", 16..=16, upper),
    shape("an AWS access key", "ASIA", 16..=16, upper),
    shape("a Slack token", "xoxb-", 20..=255, dashed),
    shape("a Slack token", "xoxa-", 20..=255, dashed),
    shape("a Slack token", "xoxp-", 20..=255, dashed),
    shape("a Slack token", "xoxr-", 20..=255, dashed),
    shape("a Slack token", "xoxs-", 20..=255, dashed),
    shape("a Stripe key", "sk_live_", 24..=255, alphanumeric),
    shape("a Stripe key", "rk_live_", 24..=255, alphanumeric),
    shape(GOOGLE, "AIza", 35..=35, url_safe),
    shape("an npm token", "npm_", 36..=36, alphanumeric),
    shape("a PyPI token", "pypi-AgEI", 50..=512, url_safe),
    shape("a Hugging Face token", "hf_", 34..=34, alphanumeric),
    shape("a Docker Hub token", "dckr_pat_", 27..=255, url_safe),
    shape("an Anthropic key", "sk-ant-", 80..=255, url_safe),
    shape("an age identity", "AGE-SECRET-KEY-1", 58..=58, upper),
];

/// Keys that are meant to be in a web page have the same shape.
const GOOGLE: &str = "a Google API key";

/// A token has more different characters than this; `xxxxxxxx` has not.
const FEW: usize = 6;

fn alphanumeric(character: char) -> bool {
    character.is_ascii_alphanumeric()
}

fn underscored(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn dashed(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn url_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

fn upper(character: char) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit()
}

/// Finds secrets, in the order of the text; no two overlap.
pub(super) fn secrets(text: &str) -> Vec<Secret> {
    let mut found = tokens(text);
    found.extend(private_keys(text));
    found.extend(passwords_in_urls(text));
    found.extend(headers(text));
    // A token may be the password of a URL, too. What is known best comes first.
    let mut kept: Vec<Secret> = Vec::new();
    for secret in found {
        let is_known = kept.iter().any(|other| {
            other.range.start < secret.range.end && secret.range.start < other.range.end
        });
        if !is_known {
            kept.push(secret);
        }
    }
    kept.sort_by_key(|secret| secret.range.start);
    kept
}

fn tokens(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    for shape in &SHAPES {
        for (start, prefix) in text.match_indices(shape.prefix) {
            let rest = &text[start + prefix.len()..];
            let length = rest
                .find(|c: char| !(shape.alphabet)(c))
                .unwrap_or(rest.len());
            let is_inside_a_word = text[..start].ends_with(underscored);
            let is_public = shape.what == GOOGLE && is_for_browsers(text, start);
            if is_inside_a_word
                || is_public
                || !shape.length.contains(&length)
                || is_placeholder(&rest[..length])
            {
                continue;
            }
            found.push(Secret {
                what: format!("{} (`{}…`)", shape.what, &prefix[..4.min(prefix.len())]),
                range: start..start + prefix.len() + length,
            });
        }
    }
    found
}

/// Says whether a key is the value of a variable that web frameworks put into what browsers load.
fn is_for_browsers(text: &str, start: usize) -> bool {
    let word = text[..start].rsplit(char::is_whitespace).next();
    let before = &text[text[..start].rfind('\n').map_or(0, |newline| newline + 1)..start];
    let name = match word {
        Some("" | "\"" | "'") | None => before,
        Some(word) => word,
    };
    ["PUBLIC", "FIREBASE", "VITE_", "REACT_APP_", "GATSBY_"]
        .iter()
        .any(|part| name.to_ascii_uppercase().contains(part))
}

/// Says whether this stands for a secret rather than being one.
pub(super) fn is_placeholder(secret: &str) -> bool {
    let mut characters: Vec<char> = secret.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if characters.len() < FEW.min(secret.len().div_ceil(2)) {
        return true;
    }
    let lower = secret.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

const PLACEHOLDERS: [&str; 12] = [
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "xxxx",
    "your",
    "dummy",
    "redacted",
    "insert",
    "abcdefgh",
    "12345678",
];

/// Private keys: the header, and enough of the key below it.
fn private_keys(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    for (start, begin) in text.match_indices("-----BEGIN ") {
        let rest = &text[start + begin.len()..];
        let Some(end) = rest.find("-----") else {
            continue;
        };
        let is_private = ["PRIVATE KEY", "PRIVATE KEY BLOCK"]
            .iter()
            .any(|label| rest[..end].ends_with(label));
        let key = rest[end + 5..].split("-----END").next().unwrap_or_default();
        if is_private && has_base64(key) {
            found.push(Secret {
                what: "a private key".to_owned(),
                range: start..start + begin.len() + end + 5,
            });
        }
    }
    found
}

/// Says whether there is a line's worth of base64 in a text.
fn has_base64(text: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
        .any(|run| run.len() >= 32 && !is_placeholder(run))
}

/// Passwords between `https://` and `@`.
fn passwords_in_urls(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    for scheme in ["https://", "http://"] {
        for (start, _) in text.match_indices(scheme) {
            let rest = &text[start + scheme.len()..];
            let ends = |c: char| c.is_whitespace() || "/?#\"'`<>\\|;,)".contains(c);
            let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
            let Some((user_info, host)) = authority.rsplit_once('@') else {
                continue;
            };
            let Some((user, password)) = user_info.split_once(':') else {
                continue;
            };
            // GitHub takes a token as the user.
            let secret = match password {
                "x-oauth-basic" => user,
                password => password,
            };
            if !is_literal_password(user, secret) || is_local(host) {
                continue;
            }
            found.push(Secret {
                what: "a password in a URL".to_owned(),
                range: start..start + scheme.len() + authority.len(),
            });
        }
    }
    found
}

/// Says whether a password is one: no variable, no template, no word that stands for one.
pub(super) fn is_literal_password(user: &str, password: &str) -> bool {
    let lower = password.to_ascii_lowercase();
    let is_word = [
        "pass",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "key",
        "user",
        "username",
        "none",
        "null",
        "foo",
        "bar",
        "test",
        "...",
    ]
    .contains(&lower.as_str());
    let is_template = password.contains(['$', '{', '}', '<', '>', '%', '*', '[', ']']);
    password.len() >= 4 && !is_word && !is_template && user != password && !is_placeholder(password)
}

fn is_local(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    name.is_empty()
        || matches!(name, "localhost" | "127.0.0.1" | "host" | "hostname")
        || ["example.com", "example.org", "example.net", "example"]
            .iter()
            .any(|domain| name == *domain || name.ends_with(&format!(".{domain}")))
}

/// Literal credentials in headers that name who asks.
fn headers(text: &str) -> Vec<Secret> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (header, schemes) in HEADERS {
        let name = format!("{}:", header.to_ascii_lowercase());
        for (start, _) in lower.match_indices(&name) {
            let value = skip_blanks(text, start + name.len());
            let scheme = schemes
                .iter()
                .find(|scheme| lower[value..].starts_with(**scheme));
            let Some(scheme) = scheme else {
                continue;
            };
            let secret = skip_blanks(text, value + scheme.len());
            let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            let length = text[secret..]
                .find(|c: char| !is_token(c))
                .unwrap_or(text.len() - secret);
            let next = text[secret + length..].chars().next();
            let is_whole = next.is_none_or(|c| c.is_whitespace() || "\"'`;|)&\\".contains(c));
            let credential = &text[secret..secret + length];
            if length >= 12
                && is_whole
                && is_literal_password("", credential)
                && is_mixed(credential)
            {
                found.push(Secret {
                    what: format!("a credential in the header `{header}`"),
                    range: secret..secret + length,
                });
            }
        }
    }
    found
}

/// The headers, and in lower case what comes before the credential in each.
const HEADERS: [(&str, &[&str]); 2] = [
    ("Authorization", &["bearer ", "token ", "basic "]),
    ("PRIVATE-TOKEN", &[""]),
];

/// Words such as `your-token-here` have no digits; credentials have.
fn is_mixed(credential: &str) -> bool {
    credential.contains(|c: char| c.is_ascii_digit())
        && credential.contains(|c: char| c.is_ascii_alphabetic())
}

fn skip_blanks(text: &str, from: usize) -> usize {
    let rest = &text[from..];
    from + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens are put together here, so that no scanner takes this file for a leak.
    const BODY: &str = "q7Zr2Lk9Xw4Bn8Tc1Vf6Hd3Js5Mp0Gy7Ra2Qe";

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = secrets(text);
        let found: Vec<&str> = found.iter().map(|secret| secret.what.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn tokens_are_told_by_their_shape() {
        let body = &BODY[..36];
        check(&format!("T=ghp_{body}"), &["a GitHub token (`ghp_…`)"]);
        check(&format!("T=npm_{body} x"), &["an npm token (`npm_…`)"]);
        check(
            &format!("hf_{}", &BODY[..34]),
            &["a Hugging Face token (`hf_…`)"],
        );
        check(
            &format!("K=AIza{}", &BODY[..35]),
            &["a Google API key (`AIza…`)"],
        );
        check(
            &format!("AKIA{}", "Q7ZR2LK9XW4BN8TC"),
            &["an AWS access key (`AKIA…`)"],
        );
    }

    #[test]
    fn what_only_looks_like_a_token_is_none() {
        check(&format!("ghp_{}", "x".repeat(36)), &[]);
        check(&format!("my_ghp_{}", &BODY[..36]), &[]);
        check("npm_config_cache=/tmp/a-long-directory-name/npm", &[]);
        check("AKIAIOSFODNN7EXAMPLE", &[]);
        check("hf_transfer hf_hub_download", &[]);
        check(&format!("NEXT_PUBLIC_MAPS=AIza{}", &BODY[..35]), &[]);
        check(&format!("VITE_KEY \"AIza{}\"", &BODY[..35]), &[]);
    }

    #[test]
    fn private_keys_have_a_key_below_their_header() {
        let key = format!("-----BEGIN RSA PRIVATE KEY-----\\n\\\n{BODY}\n");
        check(&key, &["a private key"]);
        check("grep -q -- '-----BEGIN PRIVATE KEY-----' a-file", &[]);
        check(
            "-----BEGIN PRIVATE KEY-----\n$KEY\n-----END PRIVATE KEY-----",
            &[],
        );
        check(&format!("-----BEGIN CERTIFICATE-----\n{BODY}"), &[]);
        check(
            &format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n{BODY}"),
            &[],
        );
    }

    #[test]
    fn passwords_in_urls_are_literal() {
        check(
            "git clone https://bot:hunter2@git.acme.io/a.git",
            &["a password in a URL"],
        );
        for harmless in [
            "https://user:password@git.acme.io/a",
            "https://bot:$TOKEN@git.acme.io/a",
            "https://${U}:${P}@git.acme.io/a",
            "https://bot:<token>@git.acme.io/a",
            "https://oauth2:@git.acme.io/a",
            "https://bot@git.acme.io/a",
            "https://cdn.acme.io:443/a@1.2",
            "http://bot:hunter2@localhost:8080/",
            "https://admin:admin@git.acme.io/a",
        ] {
            check(harmless, &[]);
        }
    }

    #[test]
    fn credentials_in_headers_are_literal() {
        check(
            &format!("curl -H 'Authorization: Bearer {BODY}' https://a"),
            &["a credential in the header `Authorization`"],
        );
        for harmless in [
            "curl -H \"Authorization: Bearer $TOKEN\" https://a",
            "curl -H \"Authorization: Bearer $(cat /run/secrets/t)\" https://a",
            "curl -H 'Authorization: Bearer QQ==' https://a",
            "curl -H 'Authorization: Bearer your-token-0123' https://a",
            "curl -H \"Authorization: Bearer ab12cd34ef56${X}\" https://a",
        ] {
            check(harmless, &[]);
        }
    }

    #[test]
    fn a_secret_is_found_once() {
        let text = format!("https://bot:ghp_{}@git.acme.io/a", &BODY[..36]);
        check(&text, &["a GitHub token (`ghp_…`)"]);
    }
}
