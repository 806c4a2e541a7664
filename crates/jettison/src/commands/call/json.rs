//! Outlines and targets as JSON, with BuildKit's keys in its order.

use std::ops::RangeInclusive;

use jettison_dockerfile::{Outline, OutlineMount, Target};
use serde::Serialize;

use crate::printable::printable_json;

#[derive(Serialize)]
struct OutlineJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<MountJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<MountJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct ArgJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    location: LocationJson,
}

#[derive(Serialize)]
struct MountJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    required: bool,
    location: LocationJson,
}

#[derive(Serialize)]
struct TargetsJson<'a> {
    targets: Vec<TargetJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct TargetJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    base: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    location: LocationJson,
}

/// Lines, each as a range of its own.
#[derive(Serialize)]
pub(super) struct LocationJson {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<RangeJson>,
}

#[derive(Serialize)]
struct RangeJson {
    start: PositionJson,
    end: PositionJson,
}

/// A line; BuildKit leaves the column out, which is always 0.
#[derive(Serialize)]
struct PositionJson {
    line: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// An outline of the Dockerfile `text`.
pub(super) fn outline(outline: &Outline, text: &str) -> String {
    let args = outline.args.iter().map(|arg| ArgJson {
        name: &arg.name,
        description: arg.description.as_deref(),
        value: &arg.value,
        location: location(&arg.lines),
    });
    pretty(&OutlineJson {
        name: outline.name.as_deref(),
        description: outline.description.as_deref(),
        args: args.collect(),
        secrets: mounts(&outline.secrets),
        ssh: mounts(&outline.ssh),
        sources: [base64(text.as_bytes())],
    })
}

fn mounts(mounts: &[OutlineMount]) -> Vec<MountJson<'_>> {
    let mounts = mounts.iter().map(|mount| MountJson {
        name: &mount.name,
        required: mount.is_required,
        location: location(&mount.lines),
    });
    mounts.collect()
}

/// The targets of the Dockerfile `text`.
pub(super) fn targets(targets: &[Target], text: &str) -> String {
    let targets = targets.iter().map(|target| TargetJson {
        name: target.name.as_deref(),
        default: target.is_default,
        description: target.description.as_deref(),
        base: &target.base,
        platform: target.platform.as_deref(),
        location: location(&target.lines),
    });
    pretty(&TargetsJson {
        targets: targets.collect(),
        sources: [base64(text.as_bytes())],
    })
}

/// A location of these lines.
pub(super) fn location(lines: &RangeInclusive<usize>) -> LocationJson {
    let ranges = lines.clone().map(|line| RangeJson {
        start: PositionJson { line },
        end: PositionJson { line },
    });
    LocationJson {
        ranges: ranges.collect(),
    }
}

/// Indented JSON as Go writes it, with what HTML could misread escaped, and a line break at its end.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value)
        .expect("because these structs have text keys and no values that JSON lacks");
    let escapes = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    let json = escapes
        .iter()
        .fold(printable_json(&json), |json, (character, escape)| {
            json.replace(*character, escape)
        });
    json + "\n"
}

/// Bytes as Base64, as in RFC 4648.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                text.push('=');
            } else {
                let value = bits >> (18 - 6 * digit) & 63;
                text.push(char::from(DIGITS[value as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(base64(bytes.as_bytes()), expected, "{bytes}");
        }
    }
}
