//! What a build shows while it runs, and what it says of itself afterwards.

use expect_test::expect;
use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;
use crate::builds::check_build;
use crate::registries::build;
use crate::shared::namespaces_work;

/// A directory `app` whose two files are copied by two steps.
fn app() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write(
            "app/Dockerfile",
            "FROM scratch\nCOPY one /\nCOPY --chown=0 two /\nLABEL a=b\n",
        )
        .write("app/one", "first\n")
        .write("app/two", "second\n");
    Some(scratch)
}

#[test]
fn a_build_explains_why_its_steps_run() {
    let Some(scratch) = app() else { return };
    let build = ["build", "app", "--explain", "--jobs=1"];
    check_build(
        &scratch,
        &build,
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [1/2] COPY one /
            #1 because no earlier build had such a step
            #1 DONE [TIME]

            #2 [2/2] COPY --chown=0 two /
            #2 because no earlier build had such a step
            #2 DONE [TIME]

            [TABLE]
        "#]],
    );
    scratch.write("app/two", "other\n");
    check_build(
        &scratch,
        &build,
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [1/2] COPY one /
            #1 CACHED

            #2 [2/2] COPY --chown=0 two /
            #2 because `two` changed
            #2 DONE [TIME]

            [TABLE]
        "#]],
    );
    scratch.write(
        "app/Dockerfile",
        "FROM scratch\nCOPY one /\nCOPY --chown=5 two /\nLABEL a=b\n",
    );
    check_build(
        &scratch,
        &build,
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [1/2] COPY one /
            #1 CACHED

            #2 [2/2] COPY --chown=5 two /
            #2 because `--chown` was "0" and is "5"
            #2 DONE [TIME]

            [TABLE]
        "#]],
    );
    let anew = [build.as_slice(), &["--no-cache"]].concat();
    check_build(
        &scratch,
        &anew,
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [1/2] COPY one /
            #1 because the cache was not asked
            #1 DONE [TIME]

            #2 [2/2] COPY --chown=5 two /
            #2 because the cache was not asked
            #2 DONE [TIME]

            [TABLE]
        "#]],
    );
}

#[test]
fn raw_json_has_a_vertex_for_each_step() {
    let Some(scratch) = app() else { return };
    let arguments = ["build", "app", "--progress=rawjson", "--jobs=1"];
    let events = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let vertexes = lines.flat_map(|line| {
            let event: Value = serde_json::from_str(line).expect("an event is one line");
            event["vertexes"].as_array().cloned().unwrap_or_default()
        });
        let shown = vertexes.map(|vertex| {
            assert!(vertex["started"].is_string(), "{vertex}");
            let is_over = vertex["completed"].is_string();
            format!("{} {is_over} {}", vertex["name"], vertex["cached"])
        });
        shown.collect()
    };
    let first = scratch.jettison(&arguments).succeeded();
    assert_eq!(
        events(&first.stderr),
        [
            "\"[1/2] COPY one /\" false null",
            "\"[1/2] COPY one /\" true null",
            "\"[2/2] COPY --chown=0 two /\" false null",
            "\"[2/2] COPY --chown=0 two /\" true null",
        ]
    );
    let second = scratch.jettison(&arguments).succeeded();
    assert_eq!(
        events(&second.stderr),
        [
            "\"[1/2] COPY one /\" true true",
            "\"[2/2] COPY --chown=0 two /\" true true",
        ]
    );
}

#[test]
fn quiet_and_none_show_no_steps() {
    let Some(scratch) = app() else { return };
    for arguments in [["build", "app", "-q"], ["build", "app", "--progress=quiet"]] {
        let outcome = scratch.jettison(&arguments).succeeded();
        assert_eq!(outcome.stderr, "");
        assert!(outcome.stdout.starts_with("sha256:"));
    }
    let arguments = ["build", "app", "--progress=none", "-t", "app"];
    let outcome = scratch.jettison(&arguments).succeeded();
    assert_eq!(outcome.stderr, "named app:latest\n");
}

#[test]
fn the_metadata_has_buildxs_keys_and_each_steps_figures() {
    let Some(scratch) = app() else { return };
    let arguments = [
        "build",
        "-q",
        "app",
        "-t",
        "app",
        "-t",
        "here/app:1",
        "--metadata-file",
        "meta.json",
    ];
    let outcome = scratch.jettison(&arguments).succeeded();
    let metadata: Value = serde_json::from_str(&scratch.read("meta.json")).expect("it is JSON");
    let id = outcome.stdout.trim_end();
    assert_eq!(metadata["containerimage.config.digest"], id);
    let descriptor = &metadata["containerimage.descriptor"];
    assert_eq!(descriptor["digest"], metadata["containerimage.digest"]);
    assert_eq!(descriptor["annotations"]["config.digest"], id);
    assert_eq!(
        descriptor["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(
        metadata["image.name"],
        "docker.io/library/app:latest,docker.io/here/app:1"
    );
    let steps = metadata["jettison.build.steps"]
        .as_array()
        .expect("steps are a list");
    let titles: Vec<&Value> = steps.iter().map(|step| &step["title"]).collect();
    assert_eq!(titles, ["[1/2] COPY one /", "[2/2] COPY --chown=0 two /"]);
    assert_eq!(steps[0]["cached"], false);
    assert_eq!(steps[0]["layer"]["addedBytes"], 6);
    assert!(steps[0]["seconds"].is_f64());
}

/// What `save` and `load` show of an image with a large layer.
#[test]
fn archives_show_how_far_they_are() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    build(&scratch, "large:1");
    let shown = |arguments: &[&str]| scratch.jettison(arguments).succeeded().stderr;
    let count = |text: &str, word: &str| text.matches(&format!(": {word}, 3")).count();
    let saved = shown(&["save", "-o", "first.tar", "large:1"]);
    assert_eq!(
        (count(&saved, "Compressed"), count(&saved, "Saved")),
        (1, 1),
        "{saved}"
    );
    // What became of it is remembered, but made again.
    let again = shown(&["save", "-o", "again.tar", "large:1"]);
    assert_eq!(
        (count(&again, "Compressed"), count(&again, "Saved")),
        (1, 1),
        "{again}"
    );
    assert_eq!(shown(&["save", "-q", "-o", "quiet.tar", "large:1"]), "");
    let fresh = || Scratch::new(PROGRAM);
    let archive = scratch.dir().join("first.tar").display().to_string();
    let loaded = fresh().jettison(&["load", "-i", &archive]).succeeded();
    assert_eq!(count(&loaded.stderr, "Loaded"), 1, "{loaded}");
    assert_eq!(loaded.stdout, "Loaded image: large:1\n");
    let loaded = fresh().jettison(&["load", "-q", "-i", &archive]);
    assert_eq!(loaded.succeeded().stderr, "");
    let copied = fresh().jettison(&["copy", &format!("oci-archive:{archive}"), "mine"]);
    assert_eq!(count(&copied.succeeded().stderr, "Loaded"), 1);
    // For programs: bytes of how many, and an end.
    let raw = fresh().jettison(&["--progress=rawjson", "load", "-i", &archive]);
    let mut most = (0, 0);
    for line in raw.succeeded().stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for status in line["statuses"].as_array().into_iter().flatten() {
            let number = |name: &str| status[name].as_u64().unwrap_or_default();
            most = most.max((number("current"), number("total")));
        }
    }
    assert!(most.0 > 3_000_000 && most.0 == most.1, "{most:?}");
}
