//! What a build refuses in instructions that can be read.

use jettison_dockerfile::{Parse, parse, refusals};

/// The messages about all instructions, in order.
fn messages(parse: &Parse) -> Vec<String> {
    let instructions = parse.instructions().iter();
    instructions
        .flat_map(|instruction| refusals(instruction, parse.escape()))
        .map(|refusal| refusal.message)
        .collect()
}

#[track_caller]
fn check(instruction: &str, expected: &[&str]) {
    let parse = parse(&format!("FROM a\n{instruction}\n"));
    assert_eq!(parse.diagnostics(), [], "{instruction}");
    assert_eq!(messages(&parse), expected, "{instruction}");
}

/// Recorded from BuildKit, which stops at the first.
#[test]
fn instructions_are_refused_in_buildkits_words() {
    let recorded = include_str!("../buildkit/refusals.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(recorded).unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let found = messages(&parse(text));
        let first = found.first().map(String::as_str);
        assert_eq!(first, case["error"].as_str(), "{text}");
    }
}

#[test]
fn what_depends_on_a_variable_is_left_to_the_build() {
    check("STOPSIGNAL $S", &[]);
    check("EXPOSE $P 80${X}", &[]);
    check("COPY --chmod=$M --chown=$O --link a b", &[]);
    check("FROM $BASE", &[]);
    check("RUN --mount=type=$T,mode=0400,sharing=$S,target=$P x", &[]);
    check("RUN --mount=type=secret,source=$A,id=$B x", &[]);
    check("USER ${U:?there must be one}", &[]);
    check("ARG A='b", &[]);
}

#[test]
fn each_instruction_says_all_that_is_wrong() {
    check(
        "RUN --mount=type=bnid --mount=target=/ --mount=type=ssh,source=a x",
        &[
            r#"unsupported mount type "bnid""#,
            r#"invalid mount target "/""#,
            "ssh does not support source",
        ],
    );
    check(
        "EXPOSE 99999 80/x",
        &[
            r#"invalid port: "80/x": invalid proto: x"#,
            "invalid containerPort: 99999",
        ],
    );
    check(
        "RUN --mount=bind-propagation=shared,target=/a x",
        &["unexpected key 'bind-propagation' in 'bind-propagation=shared'"],
    );
}

#[test]
fn a_refusal_is_where_the_word_is() {
    let text = "FROM a\nCOPY --link --chmod=9 --chown=me a b\n";
    let parse = parse(text);
    let places: Vec<&str> = refusals(&parse.instructions()[1], '\\')
        .iter()
        .map(|refusal| &text[refusal.range.clone()])
        .collect();
    assert_eq!(places, ["me", "9"]);
}
