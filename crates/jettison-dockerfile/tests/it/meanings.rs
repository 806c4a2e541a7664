//! What counts as the same Dockerfile, and what an instruction finds.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    BaseImage, Evaluation, Given, KnownImage, Meaning, WorkingDirectory, evaluate, meaning, parse,
    platform_args, stages,
};

fn known_image(reference: &str) -> Option<KnownImage> {
    (reference == "known").then(|| KnownImage {
        env: vec![("VERSION".into(), "7".into())],
        working_dir: "/srv".into(),
        user: Some("app".into()),
        shell: None,
        entrypoint: None,
        platform: None,
    })
}

fn follow(text: &str) -> (Evaluation, Meaning) {
    let parse = parse(text);
    assert!(!parse.has_errors(), "{text}: {:?}", parse.diagnostics());
    let graph = stages(&parse);
    let args: BTreeMap<String, String> = platform_args("linux", "amd64");
    let given = Given {
        args: &args,
        images: &known_image,
    };
    let evaluation = evaluate(&parse, &graph, &given);
    let meaning = meaning(&parse, &graph, &evaluation);
    (evaluation, meaning)
}

#[track_caller]
fn same(left: &str, right: &str) {
    let (left_meaning, right_meaning) = (follow(left).1, follow(right).1);
    assert_eq!(
        left_meaning.difference(&right_meaning),
        None,
        "{left}\n{right}"
    );
}

#[track_caller]
fn different(left: &str, right: &str, what: &str) {
    let (left_meaning, right_meaning) = (follow(left).1, follow(right).1);
    assert_eq!(
        left_meaning.difference(&right_meaning).as_deref(),
        Some(what),
        "{left}\n{right}"
    );
}

#[test]
fn how_a_thing_is_written_is_no_part_of_its_meaning() {
    same("from a as B\nrun x\n", "FROM a AS b\n# why\nRUN x\n");
    same("FROM a\nENV K a b\n", "FROM a\nENV K=\"a b\"\n");
    same("FROM a\nRUN x \\\n\n  y\n", "FROM a\nRUN x \\\n  y\n");
    same(
        "FROM a\nLABEL x=1 y=2\n",
        "FROM a\nLABEL y='2'\nLABEL x=\"1\"\n",
    );
    same(
        "FROM a AS b\nFROM c\nCOPY --from=0 x /\n",
        "FROM a AS b\nFROM c\nCOPY --from=B x /\n",
    );
    same("FROM --platform=$TARGETPLATFORM a\n", "FROM a\n");
    same("FROM a\nEXPOSE 80/TCP\n", "FROM a\nEXPOSE 80/tcp\n");
    same(
        "FROM a\nMAINTAINER M\n",
        "FROM a\nLABEL org.opencontainers.image.authors=M\n",
    );
}

#[test]
fn a_command_that_a_later_one_replaces_means_nothing() {
    same("FROM a\nCMD x\nCMD y\n", "FROM a\nCMD y\n");
    same(
        "FROM a\nENTRYPOINT x\nCMD z\nENTRYPOINT y\n",
        "FROM a\nCMD z\nENTRYPOINT y\n",
    );
    // The entry point clears the command of the base, but not one of the same stage.
    different(
        "FROM a AS b\nCMD x\nFROM b\nENTRYPOINT y\n",
        "FROM a AS b\nCMD x\nFROM b\nCMD x\nENTRYPOINT y\n",
        "the image's configuration of stage 1",
    );
}

#[test]
fn what_a_program_could_notice_is_part_of_the_meaning() {
    let environment = "the environment, directory, user or shell at step 0 of stage 0";
    different(
        "FROM a\nENV A=1\nRUN x\n",
        "FROM a\nENV A=2\nRUN x\n",
        environment,
    );
    different(
        "FROM a\nUSER u\nRUN x\n",
        "FROM a\nRUN x\nUSER u\n",
        environment,
    );
    different(
        "FROM a\nSHELL [\"bash\", \"-c\"]\nRUN x\n",
        "FROM a\nRUN x\n",
        environment,
    );
    different(
        "FROM a\nRUN x\n",
        "FROM a\nRUN x  # y\n",
        "step 0 of stage 0",
    );
    different(
        "FROM a\nRUN x && y\n",
        "FROM a\nRUN x\nRUN y\n",
        "the number of steps of stage 0",
    );
    different(
        "FROM a\nCOPY a b /c\n",
        "FROM a\nCOPY a b /c/\n",
        "step 0 of stage 0",
    );
    different(
        "FROM a\nADD a /\n",
        "FROM a\nCOPY a /\n",
        "step 0 of stage 0",
    );
    different(
        "FROM a\nCOPY <<E /x\n$A\nE\n",
        "FROM a\nCOPY <<'E' /x\n$A\nE\n",
        "step 0 of stage 0",
    );
    different(
        "FROM a\nCMD x\n",
        "FROM a\nCMD [\"x\"]\n",
        "the image's configuration of stage 0",
    );
    different(
        "FROM a\n",
        "FROM b\n",
        "the name, base or platform of stage 0",
    );
    different("FROM a\n", "FROM a\nFROM a\n", "the number of stages");
    different(
        "ARG A=1\nFROM a\n",
        "ARG A=2\nFROM a\n",
        "the global build arguments",
    );
    different(
        "FROM a\nONBUILD RUN x\n",
        "FROM a\nONBUILD RUN y\n",
        "the image's configuration of stage 0",
    );
}

#[track_caller]
fn check_end(text: &str, name: &str, expected: Option<&str>) {
    let (evaluation, _) = follow(text);
    let end = &evaluation.stages.last().unwrap().end;
    assert_eq!(end.lookup(name), expected, "{text}");
}

#[test]
fn variables_are_seen_as_buildkit_shows_them() {
    // Recorded from BuildKit 0.34 through the labels and the environment of the result.
    check_end("FROM a\nENV X=1\nARG X=2\n", "X", Some("2"));
    check_end("FROM a\nARG X=2\nENV X=1\n", "X", Some("1"));
    check_end("FROM a\nARG X=2\nARG X\n", "X", Some("2"));
    check_end("ARG X=g\nFROM a\nARG X=3\nARG X\n", "X", Some("g"));
    check_end("ARG X=g\nFROM a\n", "X", None);
    check_end("FROM a\nENV A=1\nENV A=2 B=$A\n", "B", Some("1"));
    check_end("FROM a AS s\nARG X=2\nFROM s\n", "X", Some("2"));
    check_end("FROM a\nARG TARGETARCH=arm\n", "TARGETARCH", Some("arm"));
    check_end(
        "ARG TARGETARCH=arm\nFROM a\nARG TARGETARCH\n",
        "TARGETARCH",
        Some("arm"),
    );
    check_end(
        "FROM a\nARG TARGETPLATFORM\n",
        "TARGETPLATFORM",
        Some("linux/amd64"),
    );
    check_end("FROM a\n", "TARGETPLATFORM", None);
    check_end("FROM a\nARG TARGETARCH=arm\n", "TARGETARCH", Some("arm"));
    check_end(
        "ARG TARGETARCH=arm\nFROM a\nARG TARGETARCH\n",
        "TARGETARCH",
        Some("arm"),
    );
    check_end("FROM a AS s\nENV X=1\nARG X=2\nFROM s\n", "X", Some("1"));
    check_end("FROM known\nENV V=v$VERSION\n", "V", Some("v7"));
    check_end("FROM a AS s\nONBUILD ENV T=1\nFROM s\n", "T", Some("1"));
}

#[test]
fn a_variable_that_is_insisted_upon_may_come_from_a_base_that_is_not_known() {
    let errors = |text: &str| follow(text).0.diagnostics.len();
    assert_eq!(errors("FROM a\nENV A=${B:?unset}\n"), 0);
    assert_eq!(errors("FROM a AS s\nFROM s\nENV A=${B:?unset}\n"), 0);
    for base in ["known", "scratch"] {
        assert_eq!(errors(&format!("FROM {base}\nENV A=${{B:?unset}}\n")), 1);
    }
    assert_eq!(errors("FROM a:${TAG:?unset}\n"), 1);
}

#[test]
fn directories_and_users_are_followed() {
    let end = |text: &str| follow(text).0.stages.pop().unwrap().end;
    assert_eq!(
        end("FROM a\nWORKDIR b\nWORKDIR c\n").working_dir,
        WorkingDirectory::BelowBase("b/c".into())
    );
    assert_eq!(
        end("FROM known\nWORKDIR x\nUSER $VERSION\n").working_dir,
        WorkingDirectory::Absolute("/srv/x".into())
    );
    assert_eq!(end("FROM known\n").user.as_deref(), Some("app"));
    assert_eq!(
        end("FROM scratch\nWORKDIR a/../b\n").working_dir,
        WorkingDirectory::Absolute("/b".into())
    );
}

#[test]
fn bases_are_stages_before_they_are_images() {
    let bases = |text: &str| -> Vec<BaseImage> {
        let stages = follow(text).0.stages.into_iter();
        stages.map(|stage| stage.base).collect()
    };
    assert_eq!(
        bases("ARG B=s\nFROM scratch AS s\nFROM ${B}\nFROM S\n"),
        [
            BaseImage::Scratch,
            BaseImage::Stage(0),
            BaseImage::Image("S".into())
        ]
    );
    let (evaluation, _) = follow("FROM $NOPE\n");
    assert_eq!(evaluation.stages[0].base, BaseImage::Unknown);
    assert_eq!(
        evaluation.diagnostics[0].message,
        "base name ($NOPE) should not be blank"
    );
}
