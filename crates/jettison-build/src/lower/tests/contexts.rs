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
