//! Outlines and targets as JSON, with BuildKit's keys in its order.

use std::ops::RangeInclusive;

use jettison_dockerfile::{Outline, OutlineMount, Target};
use serde::Serialize;

use crate::printable::printable_json;
use jettison_oci::base64;

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

#[derive(Serialize)]
struct MethodJson {
    name: String,
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
    opts: Option<Vec<NamedJson>>,
    inputs: Option<Vec<NamedJson>>,
    metadata: Vec<NamedJson>,
    refs: Option<Vec<NamedJson>>,
}

#[derive(Serialize)]
struct NamedJson {
    name: &'static str,
    description: &'static str,
}

/// The methods of `--call`, by name and description.
pub(super) fn methods(methods: &[(&'static str, &'static str)]) -> String {
    let named = |name, description| NamedJson { name, description };
    let list = methods.iter().map(|(name, description)| MethodJson {
        name: format!("frontend.{name}"),
        version: "1.0.0",
        kind: "rpc",
        description,
        opts: match *name {
            "outline" => Some(vec![named("target", "Target build stage")]),
            "targets" => Some(Vec::new()),
            _ => None,
        },
        inputs: None,
        metadata: vec![named("result.json", ""), named("result.txt", "")],
        refs: None,
    });
    pretty(&list.collect::<Vec<_>>())
}
