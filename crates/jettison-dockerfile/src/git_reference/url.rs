//! URLs, as far as it matters whether Go reads them (`net/url`: `Parse`, `ParseQuery`).

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::text::lower;

/// The parts of a URL that matter here, without escapes.
#[derive(Debug)]
pub(super) struct Url {
    /// Everything before the query, as it is to be given on.
    pub(super) remote: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, Vec<String>>,
    pub(super) fragment: String,
}

impl Url {
    /// Reads a URL; one that Go refuses is none.
    pub(super) fn parse(text: &str) -> Option<Url> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return None;
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (rest, raw_query) = rest.split_once('?').unwrap_or((rest, ""));
        let (before, raw_path) = match rest.split_once("://") {
            Some((scheme, rest)) => {
                let slash = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(slash);
                if !is_authority(authority) {
                    return None;
                }
                (format!("{}://{authority}", lower(scheme)), path)
            }
            None => (String::new(), rest),
        };
        let path = unescaped(raw_path)?;
        // What cannot be read of a query is left out.
        let (query, _) = query(raw_query);
        Some(Url {
            remote: format!("{before}{}", escaped(raw_path, &path)),
            path,
            query,
            fragment: unescaped(fragment)?,
        })
    }
}

/// `user:password@host:port`
fn is_authority(authority: &str) -> bool {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", authority),
    };
    let is_user = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(is_user) || unescaped(user).is_none() {
        return false;
    }
    let (is_name, port) = if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.rsplit_once(']') else {
            return false;
        };
        let address = address.split("%25").next().unwrap_or_default();
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
        (is_host_name(name), port)
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    is_name && is_port
}

fn is_host_name(name: &str) -> bool {
    // Escapes stand for what is not ASCII, and for nothing else.
    let mut escapes = name.split('%').skip(1);
    let is_escape = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_hexdigit() && !('0'..='7').contains(&c))
            && unescaped(&format!("%{rest}")).is_some()
    };
    let is_letter = |c: char| {
        !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=[]<>\"%".contains(c)
    };
    escapes.all(is_escape) && name.chars().all(is_letter)
}

/// A path as it was written, or with escapes if it should have had some (Go: `URL.EscapedPath`).
fn escaped(raw: &str, path: &str) -> String {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:@[]/%".contains(c);
    if raw.chars().all(is_good) {
        return raw.to_owned();
    }
    let mut escaped = String::with_capacity(path.len() + 8);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|digit| {
                char::from_digit(u32::from(digit), 16)
                    .map_or('0', |digit| digit.to_ascii_uppercase())
            }));
        }
    }
    escaped
}

/// A text with its `%` escapes replaced, if all of them are good.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a query, and says whether all of it can be read.
pub(super) fn query(text: &str) -> (BTreeMap<String, Vec<String>>, bool) {
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut is_whole = true;
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |text: &str| unescaped(&text.replace('+', " "));
        match (text(key), text(value)) {
            (Some(key), Some(value)) if !pair.contains(';') => {
                read.entry(key).or_default().push(value);
            }
            _ => is_whole = false,
        }
    }
    (read, is_whole)
}
