//! Plans with named contexts.

use expect_test::expect;

use crate::lower::dump::request;
use crate::lower::tests::check;
use crate::lower::{LowerRequest, NamedContext};

fn with_contexts(contexts: &[(&str, Option<&str>)]) -> LowerRequest {
    let pair = |(name, image): &(&str, Option<&str>)| {
        let image = image.map(|image| NamedContext::Image(image.to_owned()));
        ((*name).to_owned(), image.unwrap_or(NamedContext::Directory))
    };
    LowerRequest {
        contexts: contexts.iter().map(pair).collect(),
        ..request()
    }
}

#[test]
fn images_are_replaced() {
    check(
        "FROM alpine\nCOPY --from=docker.io/library/alpine:latest /a /b\nCOPY --from=alpine:3 /c /\n",
        &with_contexts(&[("alpine", Some("mine:1")), ("alpine:3", Some("scratch"))]),
        expect![[r#"
            base 0: mine:1 linux/amd64
            0: base 0 + COPY from base 0: /a to /b archives Kept
               line 2: [stage-0 2/3] COPY --from=docker.io/library/alpine:latest /a /b
            1: step 0 + COPY from scratch: /c to / archives Kept
               line 3: [stage-0 3/3] COPY --from=alpine:3 /c /
            image linux/amd64 of step 1
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
            + COPY /a /b # buildkit
            + COPY /c / # buildkit
        "#]],
    );
}

#[test]
fn directories_are_copied_to_be_built_upon_and_mounted() {
    check(
        "FROM src\nCOPY --from=src a /b\nRUN --mount=from=src,target=/m --mount=from=src,source=x,target=/n y\n",
        &with_contexts(&[("src", None)]),
        expect![[r#"
            0: scratch + COPY from context src: / to / archives Kept
               line 1: [context src] load /
            1: step 0 + COPY from context src: /a to /b archives Kept
               line 2: [stage-0 1/3] COPY --from=src a /b
            2: scratch + COPY from context src: /x to /x archives Kept
               line 3: [context src] load /x
            3: step 1 + RUN ["/bin/sh", "-c", "y"] env [] in / network Default Sandbox
               at /m: Bind { from: Step(StepId(0)), source: "/", is_writable: false }
               at /n: Bind { from: Step(StepId(2)), source: "/x", is_writable: false }
               line 3: [stage-0 2/3] RUN --mount=from=src,target=/m --mount=from=src,source=x,target=/n y
            image linux/amd64 of step 3
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            + COPY a /b # buildkit
            + RUN /bin/sh -c y # buildkit
            + [stage-0 2/3] RUN --mount=from=src,target=/m --mount=from=src,source=x,target=/n y
        "#]],
    );
}

#[test]
fn stages_are_replaced_wherever_they_stand() {
    let text = "FROM scratch AS one\nCOPY --from=two /a /b\nFROM nowhere AS two\nRUN never\nONBUILD USER u\nFROM two\nCOPY --from=one /b /c\n";
    check(
        text,
        &with_contexts(&[("two", None)]),
        expect![[r#"
        0: scratch + COPY from context two: /a to /b archives Kept
           line 2: [one 1/1] COPY --from=two /a /b
        1: scratch + COPY from context two: / to / archives Kept
           line 6: [context two] load /
        2: step 1 + COPY from step 0: /b to /c archives Kept
           line 7: [stage-2 1/2] COPY --from=one /b /c
        image linux/amd64 of step 2
        {"User":"u","Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        - USER u
        + COPY /b /c # buildkit
        + [stage-2 1/2] COPY --from=one /b /c
    "#]],
    );
    check(
        text,
        &with_contexts(&[("two::linux/amd64", Some("x")), ("two", Some("y"))]),
        expect![[r#"
        base 0: x linux/amd64
        0: scratch + COPY from base 0: /a to /b archives Kept
           line 2: [one 1/1] COPY --from=two /a /b
        1: base 0 + COPY from step 0: /b to /c archives Kept
           line 7: [stage-2 1/2] COPY --from=one /b /c
        image linux/amd64 of step 1
        {"User":"u","Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        - USER u
        + COPY /b /c # buildkit
    "#]],
    );
}

#[test]
fn a_target_may_be_a_directory() {
    check(
        "FROM nowhere AS one\nRUN never\n",
        &with_contexts(&[("one", None)]),
        expect![[r"
            0: scratch + COPY from context one: / to / archives Kept
               line 1: [context one] load /
            image linux/amd64 of step 0
            {}
            + [context one] load /
        "]],
    );
}

fn with_stages(contexts: &[(&str, &str)]) -> LowerRequest {
    let pair = |(name, stage): &(&str, &str)| {
        let context = NamedContext::Stage((*stage).to_owned());
        ((*name).to_owned(), context)
    };
    LowerRequest {
        contexts: contexts.iter().map(pair).collect(),
        ..request()
    }
}

#[test]
fn a_stage_takes_the_place_of_an_image_wherever_it_stands() {
    check(
        "FROM alpine\nCOPY --from=alpine /a /b\nRUN --mount=from=alpine:latest,target=/m x\n\
         FROM debian AS early\nFROM early AS mine\nENV A=b\nONBUILD USER u\nFROM 0\n",
        &LowerRequest {
            target: Some("mine".to_owned()),
            ..with_stages(&[("alpine", "mine")])
        },
        expect![[r#"
            base 0: debian linux/amd64
            image linux/amd64 of base 0
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=b"],"OnBuild":["USER u"]}
            - ENV A=b
        "#]],
    );
    check(
        "FROM alpine\nCOPY --from=alpine /a /b\nRUN --mount=from=alpine:latest,target=/m x\n\
         FROM debian AS early\nFROM early AS mine\nENV A=b\nRUN y\nONBUILD USER u\n\
         FROM alpine AS last\nCOPY --from=0 /b /c\n",
        &with_stages(&[("alpine", "Mine")]),
        expect![[r#"
            base 0: debian linux/amd64
            0: base 0 + RUN ["/bin/sh", "-c", "y"] env ["A=b"] in / network Default Sandbox
               line 7: [mine 1/1] RUN y
            1: step 0 + COPY from step 0: /a to /b archives Kept
               line 2: [stage-0 1/3] COPY --from=alpine /a /b
            2: step 1 + RUN ["/bin/sh", "-c", "x"] env ["A=b"] in / user u network Default Sandbox
               at /m: Bind { from: Step(StepId(0)), source: "/", is_writable: false }
               line 3: [stage-0 2/3] RUN --mount=from=alpine:latest,target=/m x
            3: step 0 + COPY from step 2: /b to /c archives Kept
               line 10: [last 1/2] COPY --from=0 /b /c
            image linux/amd64 of step 3
            {"User":"u","Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=b"]}
            - ENV A=b
            + RUN /bin/sh -c y # buildkit
            - USER u
            + COPY /b /c # buildkit
        "#]],
    );
}

#[test]
fn a_stage_takes_the_place_of_another() {
    check(
        "FROM nowhere AS one\nRUN never\nFROM debian AS two\nCOPY --from=one /a /b\nFROM scratch AS three\nUSER u\n",
        &LowerRequest {
            target: Some("two".to_owned()),
            ..with_stages(&[("one", "three")])
        },
        expect![[r#"
            base 0: debian linux/amd64
            0: base 0 + COPY from scratch: /a to /b archives Kept
               line 4: [two 2/2] COPY --from=one /a /b
            image linux/amd64 of step 0
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
            + COPY /a /b # buildkit
        "#]],
    );
}

#[test]
fn stages_that_need_each_other_through_contexts_are_refused() {
    let text = "FROM x AS one\nFROM y AS two\nCOPY --from=one /a /\n";
    check(
        text,
        &with_stages(&[("x", "two")]),
        expect![[r"
            error: line 1: circular dependency: stage `one` needs itself through the named context `x`, which is stage `two`
        "]],
    );
    check(
        text,
        &with_stages(&[("y", "two")]),
        expect![[r"
            error: line 2: circular dependency: stage `two` needs itself through the named context `y`, which is stage `two`
        "]],
    );
    check(
        text,
        &with_stages(&[("two", "two")]),
        expect![[r"
            error: line 2: circular dependency: stage `two` needs itself through the named context `two`, which is stage `two`
        "]],
    );
    check(
        text,
        &with_stages(&[("one", "two"), ("two", "one")]),
        expect![[r"
            error: line 2: circular dependency: stage `two` needs itself through the named context `two`, which is stage `one`, and the named context `one`, which is stage `two`
        "]],
    );
    check(
        "FROM x AS one\nFROM y AS two\nFROM scratch\nCOPY --from=one /a /\n",
        &with_stages(&[("x", "two"), ("y", "one")]),
        expect![[r"
            error: line 1: circular dependency: stage `one` needs itself through the named context `x`, which is stage `two`, and the named context `y`, which is stage `one`
        "]],
    );
}

#[test]
fn a_context_for_a_stage_that_does_not_exist_is_refused() {
    let text = "FROM scratch AS one\nFROM scratch AS two\n";
    check(
        text,
        &with_stages(&[("x", "tow")]),
        expect![[r"
            error: the named context `x` is `target:tow`, which is no stage: there are one, two
        "]],
    );
    check(
        "FROM scratch\n",
        &with_stages(&[("x", "0")]),
        expect![[r"
            error: the named context `x` is `target:0`, which is no stage: no stage has a name
        "]],
    );
}
