//! What a builder made of a case, in lines that can be compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::layout::{Found, Node, NodeKind, Tree};

/// The start of 2020: what is younger was made by the build, at a time of the clock.
const CLOCK: i64 = 1_577_836_800;

/// The longest text of a file that is shown.
const LONGEST: usize = 400;

/// What a builder made of a case.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It refused.
    Error {
        /// The line of the Dockerfile that it names.
        line: Option<usize>,
        /// All that it says.
        text: String,
    },
    /// It made an image.
    Image {
        /// Configuration and history.
        head: Vec<String>,
        /// What differs from the base image.
        files: BTreeMap<String, Line>,
    },
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    text: String,
    time: Option<i64>,
    /// Only the time differs from the base image's file, and the file is a directory or the time is one
    /// of the clock.
    is_slight: bool,
}

impl Answer {
    /// Describes an image that was built on `base`.
    pub(crate) fn of_image(found: &Found, base: &Tree) -> Answer {
        let has_base = found.tree.contains_key("/bin/busybox");
        let nothing = Tree::new();
        let base = if has_base { base } else { &nothing };
        let mut files = BTreeMap::new();
        let mut first_of = BTreeMap::new();
        for (path, node) in &found.tree {
            let first: &String = first_of.entry(node.inode).or_insert(path);
            let same = base.get(path).map(|old| is_same(old, node));
            if same == Some((true, true)) {
                continue;
            }
            let link =
                (first != path && node.kind != NodeKind::Directory).then_some(first.as_str());
            let file = Line {
                text: describe(node, link),
                time: (link.is_none() && node.time < CLOCK).then_some(node.time),
                is_slight: same == Some((true, false)),
            };
            files.insert(shown(path, node), file);
        }
        for path in base.keys().filter(|path| !found.tree.contains_key(*path)) {
            let file = Line {
                text: "removed".to_owned(),
                time: None,
                is_slight: false,
            };
            files.insert(path.clone(), file);
        }
        let head = head(&found.config);
        Answer::Image { head, files }
    }

    /// The lines; times only where the lines of `like` have some.
    pub(crate) fn render(&self, like: Option<&str>) -> String {
        match self {
            Answer::Error { line: place, text } => match place {
                Some(number) => format!("error in line {number}: {text}\n"),
                None => format!("error: {text}\n"),
            },
            Answer::Image { head, files } => {
                let mut text = String::new();
                for line in head {
                    text.push_str(line);
                    text.push('\n');
                }
                for (path, line) in files {
                    if let Some(line) = line.render(path, like) {
                        text.push_str(&line);
                        text.push('\n');
                    }
                }
                text
            }
        }
    }
}

impl Line {
    fn render(&self, path: &str, like: Option<&str>) -> Option<String> {
        let plain = format!("{path} {}", self.text);
        let timed = self.time.map(|time| format!("{plain} @{time}"));
        let Some(like) = like else {
            let skipped = self.is_slight && self.time.is_none();
            return (!skipped).then(|| timed.unwrap_or(plain));
        };
        let prefix = format!("{path} ");
        match like.lines().find(|line| line.starts_with(&prefix)) {
            Some(other) if is_timed(other) => Some(timed.unwrap_or(plain)),
            Some(_) => Some(plain),
            None => (!self.is_slight).then_some(plain),
        }
    }
}

fn is_timed(line: &str) -> bool {
    line.rsplit_once(" @")
        .is_some_and(|(_, time)| time.parse::<i64>().is_ok())
}

/// Whether all but the time is the same, and whether the time is.
fn is_same(old: &Node, new: &Node) -> (bool, bool) {
    let aligned = Node {
        time: old.time,
        inode: old.inode,
        ..new.clone()
    };
    (aligned == *old, old.time == new.time)
}

/// The path as a line begins with it: directories have a slash at the end, and nothing has a space.
fn shown(path: &str, node: &Node) -> String {
    let slash = if node.kind == NodeKind::Directory {
        "/"
    } else {
        ""
    };
    format!("{}{slash}", escape(path).replace(' ', "\\x20"))
}

fn describe(node: &Node, link: Option<&str>) -> String {
    if let Some(link) = link {
        return format!("== {link}");
    }
    let owner = format!("{}:{}", node.uid, node.gid);
    let mode = format!("{:04o} {owner}", node.mode);
    let mut text = match &node.kind {
        NodeKind::Directory => mode,
        NodeKind::File(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= LONGEST => format!("{mode} \"{}\"", escape(text)),
            Ok(_) | Err(_) => {
                format!(
                    "{mode} {} bytes {}",
                    bytes.len(),
                    jettison_oci::Digest::of(bytes)
                )
            }
        },
        NodeKind::Symlink(target) => format!("{owner} -> {}", escape(target)),
        NodeKind::Fifo => format!("{mode} fifo"),
        NodeKind::Device(kind, major, minor) => format!("{mode} {kind} {major},{minor}"),
    };
    for (name, value) in &node.xattrs {
        let value: Vec<u8> = value
            .iter()
            .copied()
            .flat_map(std::ascii::escape_default)
            .collect();
        write!(text, " {name}=\"{}\"", String::from_utf8_lossy(&value)).unwrap();
    }
    text
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            c if c.is_control() => write!(escaped, "\\x{:02x}", u32::from(c)).unwrap(),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Configuration and history, a line each.
fn head(config: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in config.as_object().unwrap() {
        match name.as_str() {
            // When, and layers by digest: other things are compared instead.
            "created" | "rootfs" | "history" => {}
            "config" => {
                for (name, value) in value.as_object().unwrap() {
                    lines.push(format!("config {name} {value}"));
                }
            }
            _ => lines.push(format!("image {name} {value}")),
        }
    }
    lines.sort();
    for entry in config["history"].as_array().into_iter().flatten() {
        let by = entry["created_by"].as_str().unwrap_or_default();
        let mut line = format!("history {}", escape(by));
        let comment = entry["comment"].as_str();
        if comment != Some("buildkit.dockerfile.v0") && by != "base" {
            write!(line, " | comment {comment:?}").unwrap();
        }
        if entry["empty_layer"].as_bool() == Some(true) {
            line.push_str(" | no layer");
        }
        lines.push(line);
    }
    lines
}
