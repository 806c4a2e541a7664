//! Which stages a target needs.

use std::collections::BTreeMap;

use jettison_dockerfile::{Given, evaluate, parse, stages};

/// Shows the stages that the last stage needs, or why that cannot be said.
#[track_caller]
fn check(text: &str, expected: &str) {
    let parse = parse(text);
    assert!(!parse.has_errors(), "{:?}", parse.diagnostics());
    let graph = stages(&parse);
    let shown = match graph.reachable(&parse, graph.stages.len() - 1) {
        Ok(stages) => format!("{stages:?}"),
        Err(error) => format!("error: {} [{}]", error.message, &text[error.range]),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn a_stage_needs_what_it_is_from_and_copies_from() {
    check(
        "FROM x AS a\nFROM a AS b\nFROM x AS c\nFROM b\n",
        "[0, 1, 3]",
    );
    check(
        "FROM x AS a\nFROM x AS b\nFROM x\nCOPY --from=A /x /\n",
        "[0, 2]",
    );
    check(
        "FROM x AS a\nFROM x AS b\nFROM x\nCOPY --from=1 /x /\n",
        "[1, 2]",
    );
    check(
        "FROM x AS a\nFROM x\nRUN --mount=type=bind,from=a,target=/a x\n",
        "[0, 1]",
    );
    check("FROM x AS a\nFROM x\nCOPY --from=image /x /\n", "[1]");
}

#[test]
fn from_takes_names_as_written_and_from_above_only() {
    check("FROM x AS a\nFROM A\n", "[1]");
    check("FROM x AS a\nFROM x AS a\nFROM a\n", "[1, 2]");
    check("FROM a AS a\n", "[0]");
}

#[test]
fn from_sees_the_defaults_of_global_arguments() {
    check("ARG V=b\nARG S=a$V\nFROM x AS ab\nFROM ${S}\n", "[0, 1]");
}

#[test]
fn build_arguments_win_over_defaults() {
    let parse = parse("ARG S=a\nFROM x AS a\nFROM x AS b\nFROM $S-\nFROM $S\n");
    let graph = stages(&parse);
    let given = |name: &str| (name == "S").then(|| "b".to_owned());
    assert_eq!(graph.reachable_with(&parse, 3, &given), Ok(vec![1, 3]));
    assert_eq!(graph.global_values(&parse, &given)["S"], "b");
}

#[test]
fn copy_from_a_number_is_never_an_image() {
    check(
        "FROM x\nCOPY --from=7 /a /\n",
        "error: invalid stage index 7 [--from=7]",
    );
}

#[test]
fn copying_from_oneself_or_from_below_is_an_error() {
    check(
        "FROM x\nCOPY --from=0 /a /\n",
        "error: circular dependency detected on stage: stage-0 [--from=0]",
    );
    check(
        "FROM x AS a\nCOPY --from=A /a /\n",
        "error: circular dependency detected on stage: a [--from=A]",
    );
    check(
        "FROM x AS a\nCOPY --from=b /a /\nFROM x AS b\nFROM a\n",
        "error: cannot copy from stage \"b\", it needs to be defined before current stage \"a\" [--from=b]",
    );
}

#[test]
fn a_stage_that_is_not_needed_may_be_wrong() {
    check("FROM x AS a\nCOPY --from=b /a /\nFROM x AS b\n", "[1]");
}

#[test]
fn a_mount_takes_names_only_and_copy_numbers_too() {
    check(
        "FROM x AS a\nFROM x\nRUN --mount=from=0,target=/t x\n",
        "[1]",
    );
    check(
        "FROM x\nRUN --mount=from=b,dst=/t x\nFROM x AS b\nFROM x\nCOPY --from=0 a /\n",
        "error: cannot mount from stage \"b\" to \"/t\", stage needs to be defined before current command [--mount=from=b,dst=/t]",
    );
}

#[test]
fn the_last_of_several_stages_with_one_name_is_copied_from() {
    check(
        "FROM x AS a\nFROM a AS a\nCOPY --from=a /a /\n",
        "error: circular dependency detected on stage: a [--from=a]",
    );
    check(
        "FROM x AS a\nFROM y\nCOPY --from=a /a /\nFROM z AS a\nFROM 1\n",
        "[3]",
    );
}

#[test]
fn a_cycle_is_reported_for_the_stage_from_which_it_is_found() {
    check(
        "FROM x AS a\nCOPY --from=b a /\nFROM x AS b\nCOPY --from=c a /\nFROM x AS c\nCOPY --from=b a /\nFROM x\n",
        "error: circular dependency detected on stage: a [--from=b]",
    );
}

#[test]
fn all_wrong_references_are_found_at_once() {
    let parse = parse(
        "FROM x AS a\nCOPY --from=3 a /\nCOPY --from=-1 a /\nRUN --mount=from=9,target=/x y\n",
    );
    let graph = stages(&parse);
    let given = Given {
        args: &BTreeMap::new(),
        images: &|_| None,
    };
    let messages: Vec<String> = evaluate(&parse, &graph, &given)
        .diagnostics
        .into_iter()
        .map(|error| error.message)
        .collect();
    assert_eq!(
        messages,
        ["invalid stage index 3", "invalid stage index -1"]
    );
}

#[test]
fn a_target_is_a_name_and_no_number() {
    let parse = parse("FROM x AS build\nFROM y\n");
    let graph = stages(&parse);
    let target = |name| graph.target(name).map(|stage| stage.index);
    assert_eq!(target(None), Ok(1));
    assert_eq!(target(Some("BUILD")), Ok(0));
    assert!(target(Some("1")).is_err());
    let error = target(Some("biuld")).unwrap_err();
    assert_eq!(error.message, "target stage \"biuld\" could not be found");
    assert_eq!(error.hints, ["did you mean `build`?"]);
}

#[test]
fn a_named_context_takes_the_place_of_a_stage() {
    let text = "FROM x AS a\nFROM a AS b\nCOPY --from=9 x /\nFROM b\nCOPY --from=a y /\n";
    let parse = parse(text);
    let graph = stages(&parse).with_named_contexts(&["B", "other"]);
    assert_eq!(graph.reachable(&parse, 2), Ok(vec![0, 1, 2]));
    let graph = stages(&parse).with_named_contexts(&["other"]);
    assert!(graph.reachable(&parse, 2).is_err());
}
