//! What is written about a peer: `tests/cases/peers/<peer>-<version>.md`.
//!
//! Which cases it lists, and what of each, a run decides; under which cause a case stands is written by hand and kept.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Peer, PeerKind};
use crate::conformance::answer::Answer;
use crate::conformance::builder::Builder;
use crate::conformance::layout::read_layer;
use crate::conformance::scene::Scene;
use crate::conformance::{answer, for_all, image, names};

/// The cause of cases that a run has added.
const UNKNOWN: &str = "Not looked at yet";

/// A cause of differences.
#[derive(Debug, Default)]
struct Cause {
    title: String,
    /// What is said of it besides.
    text: String,
    /// Names of cases, and what of them differs.
    cases: BTreeMap<String, String>,
}

/// How a peer's answer differs.
enum Difference {
    /// It did not build what BuildKit builds.
    NotBuilt(String),
    /// It built something else, or what BuildKit refuses.
    Another(String),
}

/// Builds every chosen case with `peer` and writes down which answers are not BuildKit's.
pub(crate) fn compare(peer: &Peer) {
    let Some(base) = image::busybox_layer().map(read_layer) else {
        return;
    };
    let differences = for_all(|case| {
        let scene = Scene::new(case, None);
        let answer = answer(&Builder::Peer(peer), case, &scene, &base);
        let expected = case.answer.as_deref().unwrap_or_default();
        let theirs = scene.without_places(&answer.render(Some(expected)));
        difference(peer, expected, &answer, &theirs).map(|difference| match difference {
            Difference::NotBuilt(text) => format!("not built: {text}"),
            Difference::Another(text) => text,
        })
    });
    let count = differences.len();
    let different: BTreeMap<String, String> = differences
        .into_iter()
        .filter_map(|(name, difference)| Some((name, difference?)))
        .collect();
    let chosen = ["JETTISON_CASE", "JETTISON_CASES"];
    if chosen.iter().any(|name| std::env::var_os(name).is_some()) {
        // Of some cases only: nothing is known of the others.
        let lines: Vec<String> = different
            .iter()
            .map(|(name, text)| format!("{name}: {text}"))
            .collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
        return;
    }
    let path = our_cases().join(format!("peers/{}-{}.md", peer.name(), peer.version));
    let known = read(&path);
    fs::write(path, write(peer, count, different, known)).unwrap();
}

/// Where our own cases lie, and what is known of the peers beside them.
fn our_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn write(
    peer: &Peer,
    count: usize,
    different: BTreeMap<String, String>,
    known: Vec<Cause>,
) -> String {
    let is_unbuilt = |text: &&String| text.starts_with("not built: ");
    let unbuilt = different.values().filter(is_unbuilt).count();
    let mut text = format!(
        "# {} and BuildKit v0.34.2\n\n\
         Written by a run with `JETTISON_PEER={}`, as `../README.md` says; causes are sorted by hand.\n\n\
         {} of {count} cases agree, {unbuilt} are not built by it, {} differ.\n",
        peer.title(),
        peer.name(),
        count - different.len(),
        different.len() - unbuilt,
    );
    let mut causes = known;
    causes.retain(|cause| cause.title != UNKNOWN);
    causes.push(Cause {
        title: UNKNOWN.to_owned(),
        ..Cause::default()
    });
    let last = causes.len() - 1;
    for cause in &mut causes {
        cause.cases.retain(|name, _| different.contains_key(name));
    }
    for (name, difference) in different {
        let place = causes
            .iter()
            .position(|cause| cause.cases.contains_key(&name));
        causes[place.unwrap_or(last)].cases.insert(name, difference);
    }
    for cause in causes.iter().filter(|cause| !cause.cases.is_empty()) {
        write!(text, "\n## {} ({})\n\n", cause.title, cause.cases.len()).unwrap();
        if !cause.text.is_empty() {
            write!(text, "{}\n\n", cause.text).unwrap();
        }
        for (name, difference) in &cause.cases {
            writeln!(text, "- `{name}` {difference}").unwrap();
        }
    }
    text
}

/// The causes in the file `path`, none if there is no such file.
fn read(path: &Path) -> Vec<Cause> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut causes: Vec<Cause> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let title = title.rsplit_once(" (").map_or(title, |(title, _)| title);
            causes.push(Cause {
                title: title.to_owned(),
                ..Cause::default()
            });
        }
        let Some(cause) = causes.last_mut() else {
            continue;
        };
        let item = line
            .strip_prefix("- `")
            .and_then(|rest| rest.split_once('`'));
        if let Some((name, rest)) = item {
            cause
                .cases
                .insert(name.to_owned(), rest.trim_start().to_owned());
        } else if !line.is_empty() && !line.starts_with("## ") {
            let space = if cause.text.is_empty() { "" } else { "\n" };
            write!(cause.text, "{space}{line}").unwrap();
        }
    }
    causes
}

/// Why the answer of `peer` is not `expected`.
fn difference(peer: &Peer, expected: &str, answer: &Answer, theirs: &str) -> Option<Difference> {
    let refused = expected.starts_with("error");
    if let Answer::Error { text, .. } = answer {
        return (!refused).then(|| Difference::NotBuilt(short(text)));
    }
    if refused {
        return Some(Difference::Another(format!(
            "is built, where BuildKit says: {}",
            short(expected)
        )));
    }
    let expected = compared(peer, expected);
    let theirs = compared(peer, theirs);
    let missing: Vec<&str> = without(&expected, &theirs);
    let added: Vec<&str> = without(&theirs, &expected);
    let first = *missing.first().or(added.first())?;
    let other = added
        .iter()
        .find(|line| line.split(' ').next() == first.split(' ').next());
    Some(Difference::Another(match (missing.is_empty(), other) {
        (true, _) => format!("has `{}` too", short(first)),
        (false, Some(other)) => format!("`{}`, not `{}`", short(other), short(first)),
        (false, None) => format!("lacks `{}`", short(first)),
    }))
}

/// A line of history without what builders of another age say otherwise: flags, the values of arguments, ports and
/// health checks.
fn without_detail(line: &str) -> String {
    let Some(rest) = line.strip_prefix("history ") else {
        return line.to_owned();
    };
    let instruction = rest.split(' ').next().unwrap_or_default();
    if ["ARG", "EXPOSE", "HEALTHCHECK"].contains(&instruction) {
        return instruction.to_owned();
    }
    let words = rest.split(' ').filter(|word| !word.starts_with("--"));
    words.collect::<Vec<_>>().join(" ")
}

/// The lines of `some` that are not in `others`, a second of rounding apart.
fn without<'a>(some: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    let is_in_others = |line: &str| {
        others.iter().any(|other| {
            let ((text, time), (other, other_time)) = (timed(line), timed(other));
            without_detail(text) == without_detail(other)
                && match (time, other_time) {
                    (Some(time), Some(other)) => time.abs_diff(other) <= 1,
                    (time, other) => time == other,
                }
        })
    };
    some.iter()
        .copied()
        .filter(|line| !is_in_others(line))
        .collect()
}

/// A line without its time, and the time.
fn timed(line: &str) -> (&str, Option<i64>) {
    let parts = line.rsplit_once(" @");
    match parts.and_then(|(text, time)| Some((text, time.parse().ok()?))) {
        Some((text, time)) => (text, Some(time)),
        None => (line, None),
    }
}

/// The lines that both builders should have.
fn compared<'a>(peer: &Peer, text: &'a str) -> Vec<&'a str> {
    /// Nothing but an absent setting.
    const EMPTY: &[&str] = &["null", "\"\"", "[]", "{}", "false"];
    /// Windows's, and what builders remember of themselves.
    const OTHERS: &[&str] = &["ArgsEscaped", "Hostname", "Image"];
    /// What an image says of itself; all else is a builder's own.
    const OF_IMAGES: &[&str] = &["architecture", "author", "os", "os.version", "variant"];
    let is_buildah = matches!(peer.kind, PeerKind::Buildah);
    let is_compared = |line: &&str| {
        let mut words = line.splitn(3, ' ');
        let (kind, name) = (words.next(), words.next().unwrap_or_default());
        let value = words.next().unwrap_or_default();
        match kind {
            Some("image") => OF_IMAGES.contains(&name) && !EMPTY.contains(&value),
            Some("config") => {
                // Only new builders say where one is in an image from `scratch`.
                let is_root = name == "WorkingDir" && value == "\"/\"";
                !EMPTY.contains(&value) && !is_root && !OTHERS.contains(&name)
            }
            // Histories are in buildah's own words, and what it mounts leaves an empty file behind.
            Some("history" | "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") => !is_buildah,
            Some(path) => !(is_buildah && path.starts_with("/run/")),
            None => true,
        }
    };
    text.lines().filter(is_compared).collect()
}

/// How builders begin all their errors.
const BEGINNINGS: &[&str] = &[
    "ERROR: ",
    "Error: ",
    "failed to build: ",
    "failed to solve: ",
    "failed to solve with frontend dockerfile.v0: ",
    "failed to create LLB definition: ",
    "dockerfile parse error ",
];

/// The beginning of `text` in one line, without names that are others each time.
fn short(text: &str) -> String {
    // Where it asked for what it did not have.
    let text = text.split(": failed to do request").next().unwrap_or(text);
    let text = BEGINNINGS.iter().fold(text.trim(), |text, beginning| {
        text.strip_prefix(beginning).unwrap_or(text)
    });
    let words: Vec<String> = text.split_whitespace().map(without_names).collect();
    let line = words.join(" ");
    match line.char_indices().nth(150) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `word` with dots for a path of a builder's own, an address of a host or in memory, and a container's ID.
fn without_names(word: &str) -> String {
    let is_place = word.contains("/.tmp") || word.contains("buildkit-mount");
    if is_place || word.starts_with("\"https:") || word.contains(":0x") {
        return "…".to_owned();
    }
    without_hex(word)
}

/// `word` with dots for long hexadecimal numbers.
fn without_hex(word: &str) -> String {
    let mut shown = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let length = rest[start..].find(|c: char| !c.is_ascii_hexdigit());
        let end = length.map_or(rest.len(), |length| start + length);
        shown.push_str(&rest[..start]);
        shown.push_str(if end - start >= 12 {
            "…"
        } else {
            &rest[start..end]
        });
        rest = &rest[end..];
    }
    shown + rest
}

#[test]
fn what_is_written_of_peers_is_of_these_cases() {
    let cases = names(&our_cases());
    for entry in fs::read_dir(our_cases().join("peers")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut listed = Vec::new();
        for cause in read(&path) {
            let title = &cause.title;
            assert_ne!(title, UNKNOWN, "{}: sort these cases", path.display());
            let heading = format!("## {title} ({})\n", cause.cases.len());
            assert!(
                text.contains(&heading),
                "{}: not `{heading}`",
                path.display()
            );
            listed.extend(cause.cases.into_keys());
        }
        for name in &listed {
            let place = path.display();
            assert!(cases.contains(name), "{place}: there is no case `{name}`");
        }
        let (agreeing, all) = counts(&text).unwrap();
        assert_eq!(agreeing + listed.len(), all, "{}", path.display());
        // It need not be written anew for every new case.
        let unknown = cases.len().saturating_sub(all);
        assert!(
            unknown * 10 <= cases.len(),
            "{}: {unknown} cases are newer than it: write it anew",
            path.display()
        );
    }
}

/// `<n> of <m> cases agree`.
fn counts(text: &str) -> Option<(usize, usize)> {
    let line = text.lines().find(|line| line.contains(" cases agree, "))?;
    let mut words = line.split(' ');
    let agreeing = words.next()?.parse().ok()?;
    words.next()?;
    Some((agreeing, words.next()?.parse().ok()?))
}
