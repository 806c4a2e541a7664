//! Builds give what BuildKit gives: cases with its recorded answers.
//!
//! `tests/cases/README.md` says how a case is written and recorded. `JETTISON_CASE=<name>` runs the
//! cases whose names begin so.

mod answer;
mod builder;
mod case;
mod files;
mod image;
mod layout;
mod peer;
mod scene;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jettison_testkit::skip;

use crate::shared::{installed, is_root, namespaces_work};
use crate::users::TemporaryUser;
use answer::Answer;
use builder::{Builder, Left, recorder};
use case::{Case, names};
pub(crate) use image::find_busybox;
use layout::{Found, Tree, read_archive, read_layer, read_layout};
use peer::{Peer, compare};
use scene::Scene;

/// Where the cases lie: `JETTISON_CASES` names another directory, for cases that are tried first.
fn directory() -> PathBuf {
    std::env::var_os("JETTISON_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"),
        PathBuf::from,
    )
}

/// The cases that this run is about.
fn chosen() -> Vec<String> {
    let wanted = std::env::var("JETTISON_CASE").unwrap_or_default();
    let mut names = names(&directory());
    names.retain(|name| name.starts_with(&wanted));
    names
}

/// What `builder` makes of `case`.
fn answer(builder: &Builder<'_>, case: &Case, scene: &Scene, base: &Tree) -> Answer {
    match builder.build(case, scene) {
        Left::Layout(layout) => Answer::of_image(&read_layout(&layout), base),
        Left::Archive(archive) => Answer::of_image(&read_archive(&archive), base),
        Left::Empty(config) => {
            let tree = Tree::new();
            Answer::of_image(&Found { config, tree }, base)
        }
        Left::Error { line, text } => Answer::Error { line, text },
    }
}

/// Why our answer to `case` is not BuildKit's, or `None` if it is.
fn difference(case: &Case, scene: &Scene, answer: &Answer) -> Option<String> {
    let Some(expected) = &case.answer else {
        return Some("no answer was recorded".to_owned());
    };
    let ours = scene.without_places(&answer.render(Some(expected)));
    let is_equal = match answer {
        Answer::Error { line, text } => is_same_error(case, expected, *line, text),
        Answer::Image { .. } => ours == *expected,
    };
    if is_equal {
        return None;
    }
    let lines = similar::TextDiff::from_lines(expected.as_str(), ours.as_str());
    Some(
        lines
            .unified_diff()
            .context_radius(0)
            .header("BuildKit", "ours")
            .to_string(),
    )
}

/// Whether our error is in the line that BuildKit names and says what BuildKit says, or what ours is
/// to say instead.
fn is_same_error(case: &Case, expected: &str, line: Option<usize>, text: &str) -> bool {
    let Some((place, said)) = expected
        .strip_prefix("error")
        .and_then(|rest| rest.split_once(": "))
    else {
        return false;
    };
    let expected_line = place
        .strip_prefix(" in line ")
        .and_then(|line| line.parse().ok());
    let said = said
        .strip_prefix("dockerfile parse error on line ")
        .and_then(|rest| rest.split_once(": "))
        .map_or(said, |(_, said)| said);
    // How far BuildKit's daemon had come, and its word for a command.
    let said = [
        "failed to load cache key: ",
        "failed to load LLB: ",
        "process ",
    ]
    .iter()
    .fold(said, |said, prefix| {
        said.strip_prefix(prefix).unwrap_or(said)
    });
    let said = case.ours.as_deref().unwrap_or(said);
    // What is meant perhaps is a hint of its own in ours.
    let (said, hint) = said.split_once(" (did you mean ").unwrap_or((said, ""));
    let hint = hint.trim_end().trim_end_matches(')');
    (expected_line.is_none() || line == expected_line)
        && plain(text).contains(&plain(said))
        && plain(text).contains(&plain(hint))
}

/// `text` without quotes and in one line.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(['"', '`', '\'', '\\'], "")
}

/// Runs `check` on all chosen cases, some at a time, and gives what it says of each.
fn for_all(check: impl Fn(&Case) -> Option<String> + Sync) -> Vec<(String, Option<String>)> {
    let names = chosen();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case::read(&directory(), name);
                    // A panic is one case's, and the others go on.
                    let result = catch_unwind(AssertUnwindSafe(|| check(&case)));
                    let result = result.unwrap_or_else(|_| Some("panicked".to_owned()));
                    results.lock().unwrap().push((name.clone(), result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort();
    results
}

/// The cases in the file `list`, and the reason of each.
fn listed(list: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(directory().join(list)).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

/// Holds `results` against the `list` of cases that are known to differ.
fn hold(results: &[(String, Option<String>)], list: &str) {
    let known = listed(list);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return update(results, list, known);
    }
    let mut wrong = Vec::new();
    for (name, difference) in results {
        match (difference, known.contains_key(name)) {
            (Some(difference), false) => wrong.push(format!("{name}\n{difference}")),
            (None, true) => wrong.push(format!("{name} is right now: take it off {list}")),
            (Some(_), true) | (None, false) => {}
        }
    }
    let right = results
        .iter()
        .filter(|(_, difference)| difference.is_none())
        .count();
    assert!(
        wrong.is_empty(),
        "{right} of {} cases are as BuildKit has them.\n{}",
        results.len(),
        wrong.join("\n")
    );
}

/// Writes the cases of `results` that differ to `list`; what it says of other cases stays.
fn update(results: &[(String, Option<String>)], list: &str, mut known: BTreeMap<String, String>) {
    for (name, difference) in results {
        if difference.is_none() {
            known.remove(name);
        } else {
            let reason = known.entry(name.clone()).or_default();
            if reason.is_empty() {
                "not looked at yet".clone_into(reason);
            }
        }
    }
    let lines: Vec<String> = known
        .iter()
        .map(|(name, reason)| format!("{name}: {reason}\n"))
        .collect();
    let head = "# Cases whose answers are not BuildKit's, and why. They must differ.\n";
    fs::write(directory().join(list), format!("{head}{}", lines.concat())).unwrap();
}

fn run_as(user: Option<&TemporaryUser>, lists: &str) {
    let Some(base) = image::busybox_layer().map(read_layer) else {
        return;
    };
    let results = for_all(|case| {
        let scene = Scene::new(case, user);
        let builder = user.map_or(Builder::Jettison, Builder::JettisonOf);
        difference(case, &scene, &answer(&builder, case, &scene, &base))
    });
    hold(&results, lists);
}

#[test]
fn every_case_is_as_buildkit_has_it() {
    if !namespaces_work() || !cfg!(target_arch = "x86_64") {
        return;
    }
    if let Some(builder) = recorder() {
        return record(&builder);
    }
    if let Some(peer) = Peer::asked_for() {
        return compare(&peer);
    }
    run_as(None, "differences.txt");
}

#[test]
fn every_case_of_an_ordinary_user_is_as_buildkit_has_it() {
    let tools = ["useradd", "userdel", "setpriv", "newuidmap"];
    if recorder().is_some() || !namespaces_work() || !is_root() || !installed(&tools) {
        return;
    }
    let user = TemporaryUser::new("cases");
    run_as(Some(&user), "differences-of-users.txt");
}

/// Writes BuildKit's answers into the cases: into those that have none, or with `JETTISON_RECORD_ALL`
/// into all.
fn record(builder: &Builder<'_>) {
    let Some(base) = image::busybox_layer().map(read_layer) else {
        return skip("without a base image nothing can be recorded");
    };
    let all = std::env::var_os("JETTISON_RECORD_ALL").is_some();
    let results = for_all(|case| {
        if case.answer.is_none() || all {
            let scene = Scene::new(case, None);
            let answer = answer(builder, case, &scene, &base).render(None);
            case.record(&scene.without_places(&answer));
        }
        None
    });
    let failed: Vec<_> = results
        .iter()
        .filter(|(_, result)| result.is_some())
        .collect();
    assert!(failed.is_empty(), "not recorded: {failed:?}");
}
