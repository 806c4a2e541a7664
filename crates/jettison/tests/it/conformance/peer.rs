//! Whether buildah gives what BuildKit gives: written to `tests/cases/buildah.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use super::answer::Answer;
use super::builder::Builder;
use super::case::Case;
use super::layout::read_layer;
use super::scene::Scene;
use super::{answer, directory, for_all, image};

/// Builds every case with buildah and writes down which answers are BuildKit's.
pub(crate) fn compare() {
    let Some(base) = image::busybox_layer().map(read_layer) else {
        return;
    };
    let results = for_all(|case| {
        let scene = Scene::new(case, None);
        let answer = answer(&Builder::Buildah, case, &scene, &base);
        let expected = case.answer.as_deref().unwrap_or_default();
        let ours = scene.without_places(&answer.render(Some(expected)));
        reason(case, expected, &answer, &ours)
    });
    let agree = results
        .iter()
        .filter(|(_, reason)| reason.is_none())
        .count();
    let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, reason) in results
        .iter()
        .filter_map(|(name, reason)| Some((name, reason.as_ref()?)))
    {
        let (kind, detail) = reason.split_once(": ").unwrap_or((reason, ""));
        let line = format!("- `{name}` {detail}");
        by_kind
            .entry(kind.to_owned())
            .or_default()
            .push(line.trim_end().to_owned());
    }
    let mut text = format!(
        "# buildah 1.28.2 and BuildKit v0.34.2\n\n\
         Written by `JETTISON_PEER=buildah cargo test -p jettison --test it every_case_is_as`. Files and\n\
         configurations are compared, but neither histories nor the texts of errors.\n\n\
         {agree} of {} cases agree.\n",
        results.len()
    );
    for (kind, lines) in by_kind {
        write!(
            text,
            "\n## {kind} ({})\n\n{}\n",
            lines.len(),
            lines.join("\n")
        )
        .unwrap();
    }
    fs::write(directory().join("buildah.md"), text).unwrap();
}

/// Why the answers differ, as `kind: detail`.
fn reason(case: &Case, expected: &str, answer: &Answer, ours: &str) -> Option<String> {
    let refused = expected.starts_with("error");
    if let Answer::Error { text, .. } = answer {
        return (!refused).then(|| format!("It does not build these: {}", short(text)));
    }
    if refused {
        return Some(format!(
            "It builds what BuildKit refuses: {}",
            short(expected)
        ));
    }
    let theirs: Vec<&str> = compared(expected);
    let ours: Vec<&str> = compared(ours);
    let changed: Vec<&str> = theirs
        .iter()
        .filter(|line| !ours.contains(line))
        .copied()
        .collect();
    let added: Vec<&str> = ours
        .iter()
        .filter(|line| !theirs.contains(line))
        .copied()
        .collect();
    let all: Vec<&str> = changed.iter().chain(&added).copied().collect();
    let first = *all.first()?;
    let untimed = |lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| line.split(" @").next().unwrap_or_default().to_owned())
            .collect()
    };
    let kind = if untimed(&changed) == untimed(&added) {
        "Only times differ"
    } else if all.iter().all(|line| line.starts_with("config ")) {
        "The configuration differs"
    } else if case.dockerfile.contains("--link") {
        "It does not know layers of their own (`--link`)"
    } else {
        "Files differ"
    };
    let other = added
        .iter()
        .find(|line| line.split(' ').next() == first.split(' ').next());
    let detail = match (changed.is_empty(), other) {
        (true, _) => format!("has `{}` too", short(first)),
        (false, Some(other)) => format!("`{}`, not `{}`", short(other), short(first)),
        (false, None) => format!("lacks `{}`", short(first)),
    };
    Some(format!("{kind}: {detail}"))
}

/// The lines that both builders should have.
fn compared(text: &str) -> Vec<&str> {
    const OTHERWISE: &[&str] = &[
        // Histories are each builder's own, and buildah's images never say `ArgsEscaped`.
        "history ",
        "config ArgsEscaped",
        // An image from `scratch` says so in BuildKit's only.
        "config WorkingDir \"/\"",
        // What buildah mounts leaves an empty file behind.
        "/etc/hostname ",
        "/etc/hosts ",
        "/etc/resolv.conf ",
        "/run/",
    ];
    text.lines()
        .filter(|line| !OTHERWISE.iter().any(|start| line.starts_with(start)))
        .collect()
}

fn short(text: &str) -> String {
    let line = text.trim().replace('\n', " ");
    match line.char_indices().nth(150) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
