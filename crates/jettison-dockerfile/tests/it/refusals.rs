//! What a build refuses in a Dockerfile that can be parsed.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    BuildTarget, Diagnostic, Given, Severity, evaluate, evaluate_target, line_column, parse,
    platform_args, stages,
};

/// What is wrong with a text whose images are not known.
fn problems(text: &str, args: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let parse = parse(text);
    assert_eq!(parse.diagnostics(), [], "{text}");
    let graph = stages(&parse);
    assert_eq!(graph.diagnostics, [], "{text}");
    let given = Given {
        args,
        images: &|_| None,
    };
    evaluate(&parse, &graph, &given).diagnostics
}

fn messages(text: &str) -> Vec<String> {
    let problems = problems(text, &platform_args("linux", "amd64"));
    problems
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

#[track_caller]
fn check(instruction: &str, expected: &[&str]) {
    check_file(&format!("FROM a\n{instruction}\n"), expected);
}

#[track_caller]
fn check_file(text: &str, expected: &[&str]) {
    assert_eq!(messages(text), expected, "{text}");
}

/// Recorded from BuildKit, which stops at the first.
#[test]
fn instructions_are_refused_in_buildkits_words() {
    let recorded = include_str!("../buildkit/refusals.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(recorded).unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let found = messages(text);
        let first = found.first().map(String::as_str);
        assert_eq!(first, case["error"].as_str(), "{text}");
    }
}

#[test]
fn what_an_unknown_image_may_set_is_left_to_the_build() {
    check("STOPSIGNAL $S", &[]);
    check("EXPOSE $P 80${X:-x}", &[]);
    check("COPY --chmod=$M --chown=$O --link a b", &[]);
    check("RUN --mount=type=$T,mode=0400,sharing=$S,target=$P x", &[]);
    check("RUN --mount=type=secret,source=$A,id=$B x", &[]);
    check("RUN --mount=type=cache,id=a x", &[]);
    check("USER ${U:?there must be one}", &[]);
    check("ARG S\nENV T=x$S\nARG U=$T\nSTOPSIGNAL $U", &[]);
    check("WORKDIR /$A\nRUN --mount=target=. x", &[]);
    check("VOLUME $PATH/..", &[]);
    check_file("FROM --platform=$BUILDPLATFORM a\n", &[]);
    let nothing = BTreeMap::new();
    let text = "ARG P=$TARGETPLATFORM\nFROM --platform=$P a\nARG TARGETARCH\nEXPOSE $TARGETARCH\n";
    assert_eq!(problems(text, &nothing), []);
}

#[test]
fn variables_that_the_text_sets_are_known() {
    check("ARG S=foo\nSTOPSIGNAL $S", &["invalid signal: foo"]);
    check("ENV P=80 P=x\nEXPOSE $P", &["invalid containerPort: x"]);
    check(
        "ARG T=bnid\nRUN --mount=type=$T,target=/x y",
        &[r#"unsupported mount type "bnid""#],
    );
    check(
        "WORKDIR /a\nRUN --mount=target=.. x",
        &[r#"invalid mount target "/""#],
    );
    check_file(
        "FROM scratch\nSTOPSIGNAL $S\nUSER ${U:?there must be one}\n",
        &[
            "invalid signal: ",
            r#"failed to process "${U:?there must be one}": U: there must be one"#,
        ],
    );
    check_file(
        "FROM scratch AS a\nENV S=foo\nFROM a\nSTOPSIGNAL $S\n",
        &["invalid signal: foo"],
    );
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
fn bases_and_platforms_are_looked_at() {
    check_file(
        "FROM Debian\n",
        &[
            r#"failed to parse stage name "Debian": invalid reference format: repository name (library/Debian) must be lowercase"#,
        ],
    );
    check(
        "COPY --from=a:b:c d e\nRUN --mount=from=A,target=/x y",
        &[
            r#"failed to parse stage name "a:b:c": invalid reference format"#,
            r#"failed to parse stage name "A": invalid reference format: repository name (library/A) must be lowercase"#,
        ],
    );
    check_file(
        "ARG P=pdp11\nFROM --platform=$P a\n",
        &[
            r#"failed to parse platform $P: "pdp11": unknown operating system or architecture: invalid argument"#,
        ],
    );
    check_file(
        "FROM --platform=$NOTHING ${NOTHING}\n",
        &[
            "base name (${NOTHING}) should not be blank",
            "empty platform value from expression $NOTHING",
        ],
    );
}

#[test]
fn stages_that_come_too_late_and_cycles_are_said_once() {
    check_file(
        "FROM a\nRUN --mount=from=b,target=/x y\nCOPY --from=b x /\nFROM a AS b\nFROM b\nCOPY --from=0 x /\n",
        &[
            r#"cannot mount from stage "b" to "/x", stage needs to be defined before current command"#,
            r#"cannot copy from stage "b", it needs to be defined before current stage "stage-0""#,
        ],
    );
    check_file(
        "FROM a AS b\nCOPY --from=c x /\nFROM a AS c\nCOPY --from=b x /\n",
        &["circular dependency detected on stage: b"],
    );
    // A mount without a source names `scratch`, which may be a stage.
    check_file(
        "FROM a AS scratch\nRUN --mount=target=/x y\n",
        &["circular dependency detected on stage: scratch"],
    );
    check_file(
        "FROM a AS b\nONBUILD COPY --from=c x /\nFROM b\nFROM a AS c\nCOPY --from=1 x /\n",
        &[r#"cannot copy from stage "c", it needs to be defined before current stage "stage-1""#],
    );
}

#[test]
fn a_source_date_is_a_number_or_a_stage_that_downloads() {
    let check = |text: &str, expected: &[&str]| check_file(text, expected);
    let wrong = "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD";
    check("ARG SOURCE_DATE_EPOCH=17\nFROM a\n", &[]);
    check("ARG SOURCE_DATE_EPOCH=context\nFROM a\n", &[]);
    check(
        "ARG SOURCE_DATE_EPOCH=x\nFROM a\n",
        &["invalid SOURCE_DATE_EPOCH: x"],
    );
    check(
        "ARG SOURCE_DATE_EPOCH=x\nFROM a AS x\n",
        &["SOURCE_DATE_EPOCH stage must use FROM scratch"],
    );
    check("ARG SOURCE_DATE_EPOCH=x\nFROM scratch AS x\n", &[wrong]);
    check(
        "ARG SOURCE_DATE_EPOCH=x\nFROM scratch AS x\nARG A=http://a\nADD $A /\nFROM a\n",
        &[],
    );
    check(
        "ARG SOURCE_DATE_EPOCH=x\nFROM scratch AS x\nADD a /\nFROM a\n",
        &["SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD"],
    );
    check(
        "ARG SOURCE_DATE_EPOCH=x\nFROM scratch AS x\nUSER a\nFROM a\n",
        &[
            "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported USER instruction",
        ],
    );
}

#[test]
fn triggers_are_looked_at_where_they_run() {
    let text = "FROM scratch AS a\nONBUILD STOPSIGNAL foo\nONBUILD RUN --what=1 x\nFROM a\n";
    let mut parsed = parse(text);
    let graph = stages(&parsed);
    let given = Given {
        args: &BTreeMap::new(),
        images: &|_| None,
    };
    let found = evaluate(&parsed, &graph, &given).diagnostics;
    let found = found.iter().map(|problem| {
        let (line, _) = line_column(text, problem.range.start);
        format!("{line}: {}", problem.message)
    });
    assert!(found.eq(["4: unknown flag: --what", "4: invalid signal: foo"]));
    parsed = parse("FROM scratch AS a\nONBUILD STOPSIGNAL foo\nFROM a\nFROM scratch\n");
    let graph = stages(&parsed);
    assert_eq!(evaluate(&parsed, &graph, &given).diagnostics, []);
}

#[test]
fn what_the_target_does_not_need_is_a_warning() {
    let text = "FROM scratch AS a\nSTOPSIGNAL foo\nFROM scratch AS b\nFROM b\n";
    let parse = parse(text);
    let graph = stages(&parse);
    let given = Given {
        args: &BTreeMap::new(),
        images: &|_| None,
    };
    let severity = |target| {
        let found = evaluate_target(&parse, &graph, &given, target).diagnostics;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "invalid signal: foo");
        (found[0].severity, found[0].hints.len())
    };
    assert_eq!(severity(BuildTarget::Stage(2)), (Severity::Warning, 1));
    assert_eq!(severity(BuildTarget::Stage(0)), (Severity::Error, 0));
    assert_eq!(severity(BuildTarget::AllStages), (Severity::Error, 0));
}

#[test]
fn a_refusal_is_where_the_word_is() {
    let check = |instruction: &str, expected: &[&str]| {
        let text = format!("FROM a\n{instruction}\n");
        let found = problems(&text, &BTreeMap::new());
        let places: Vec<&str> = found
            .iter()
            .map(|problem| &text[problem.range.clone()])
            .collect();
        assert_eq!(places, expected, "{text}");
    };
    check("COPY --link --chmod=9 --chown=me a b", &["me", "9"]);
    check("COPY a git@b:c d", &["git@b:c"]);
    check("EXPOSE 1 99999 x", &["99999", "x"]);
    check("ENV A=1 B=${", &["${"]);
    check("ENV X=\nVOLUME [\"a\", \"$X\"]", &["$X"]);
    check("RUN --network=none --mount=tpye=bind x", &["tpye=bind"]);
    check("WORKDIR ${A", &["${A"]);
}
