//! `jettison du` and `jettison prune`.

use expect_test::expect;
use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;
use crate::shared::namespaces_work;

/// A root with an image that has a name, and the results of two builds.
fn built() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\nCOPY data /data\n");
    for text in ["first", "second"] {
        scratch.write("app/data", text);
        scratch
            .jettison(&["build", "-q", "app", "-t", "app"])
            .succeeded();
    }
    Some(scratch)
}

/// What the store holds, as kind and title.
fn items(scratch: &Scratch) -> Vec<(String, String)> {
    let text = scratch
        .jettison(&["du", "--format", "json"])
        .succeeded()
        .stdout;
    let lines = text.lines().map(|line| {
        let item: Value = serde_json::from_str(line).expect("an item is one line");
        let text = |key: &str| item[key].as_str().expect("it is a text").to_string();
        assert!(item["SizeBytes"].is_u64() && item["Reclaimable"] == true);
        (text("Type"), text("Description"))
    });
    lines.collect()
}

fn count(scratch: &Scratch, kind: &str) -> usize {
    let items = items(scratch);
    items.iter().filter(|(other, _)| other == kind).count()
}

#[test]
fn an_empty_store_holds_nothing() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.check(
        &["du"],
        expect![[r#"
        exit: 0
        --- stdout ---
        ID   TYPE   SIZE   LAST ACCESSED   DESCRIPTION
        Total: 0 B
    "#]],
    );
    scratch.check(
        &["prune", "--force"],
        expect![[r#"
        exit: 0
        --- stdout ---
        Total: 0 B
    "#]],
    );
}

#[test]
fn steps_are_listed_by_their_instructions() {
    let Some(scratch) = built() else { return };
    assert_eq!(count(&scratch, "step"), 2);
    let table = scratch
        .jettison(&["du", "--type", "step"])
        .succeeded()
        .stdout;
    assert!(table.starts_with("ID "), "{table}");
    assert_eq!(table.matches("COPY data /data").count(), 2, "{table}");
    assert!(
        table.lines().last().unwrap().starts_with("Total: "),
        "{table}"
    );
    let old = scratch
        .jettison(&["du", "--filter", "until=1h"])
        .succeeded();
    assert_eq!(old.stdout.lines().count(), 2, "{old}");
    let pretty = scratch.jettison(&["du", "--verbose"]).succeeded().stdout;
    assert!(
        pretty.contains("Description:  [1/1] COPY data /data"),
        "{pretty}"
    );
}

#[test]
fn a_dry_run_removes_nothing() {
    let Some(scratch) = built() else { return };
    let before = items(&scratch);
    let outcome = scratch
        .jettison(&["prune", "--all", "--dry-run"])
        .succeeded();
    assert!(outcome.stdout.contains("Would be freed: "), "{outcome}");
    assert_eq!(items(&scratch), before);
}

#[test]
fn what_is_removed_is_made_again_and_what_has_a_name_stays() {
    let Some(scratch) = built() else { return };
    let id = scratch.jettison(&["build", "-q", "app"]).succeeded().stdout;
    scratch.jettison(&["prune", "--force"]).succeeded();
    assert_eq!(count(&scratch, "step"), 0);
    let images = scratch.jettison(&["images", "app"]).succeeded().stdout;
    assert_eq!(images.lines().count(), 2, "{images}");
    let again = scratch.jettison(&["build", "app"]).succeeded();
    assert_eq!(again.stdout, id);
    assert!(again.stderr.contains("DONE"), "{again}");
}

#[test]
fn age_and_space_limit_what_is_removed() {
    let Some(scratch) = built() else { return };
    for keep in [
        ["--filter", "until=1h"],
        ["--max-used-space", "1g"],
        ["--reserved-space", "1g"],
        ["--keep-storage", "1g"],
        ["--min-free-space", "1"],
        ["--type", "download"],
    ] {
        let arguments = [&["prune", "--force"], keep.as_slice()].concat();
        scratch.jettison(&arguments).succeeded();
        assert_eq!(count(&scratch, "step"), 2, "{keep:?}");
    }
    let arguments = ["prune", "--force", "--type=step", "--max-used-space=0"];
    scratch.jettison(&arguments).succeeded();
    assert_eq!(count(&scratch, "step"), 0);
}

#[test]
fn nobody_is_asked_where_nobody_can_answer() {
    Scratch::new(PROGRAM).check(
        &["prune"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: nobody can be asked whether to go on: standard input is no terminal
        hint: --force removes without asking, --dry-run says what would be removed
    "#]],
    );
    Scratch::new(PROGRAM).check(&["prune", "--filter", "label=x"], expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'label=x' for '--filter <NAME=VALUE>': there is no filter called `label`: take until or type

        For more information, try '--help'.
    "#]]);
}
