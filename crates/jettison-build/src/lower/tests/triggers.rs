//! Plans with `ONBUILD`.

use expect_test::expect;
use serde_json::json;

use crate::lower::dump::request;
use crate::lower::tests::{check, check_on};

#[test]
fn triggers_of_a_stage_run_once() {
    check(
        r"FROM scratch AS one
ONBUILD COPY <<E /f
$A
E
ONBUILD ENV A=1
ONBUILD RUN --mount=target=/m $A
FROM one AS two
RUN own
FROM two
",
        &request(),
        expect![[r#"
            0: scratch + COPY from context: <<E "\n" to /f archives Kept
               line 7: [two 1/4] ONBUILD COPY <<E /f
            1: scratch + COPY from context: / to / archives Kept
               line 7: [internal] load build context /
            2: step 0 + RUN ["/bin/sh", "-c", "$A"] env ["A=1"] in / network Default Sandbox
               at /m: Bind { from: Step(StepId(1)), source: "/", is_writable: false }
               line 7: [two 2/4] ONBUILD RUN --mount=target=/m $A
            3: step 2 + RUN ["/bin/sh", "-c", "own"] env ["A=1"] in / network Default Sandbox
               line 8: [two 3/4] RUN own
            image linux/amd64 of step 3
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=1"],"WorkingDir":"/"}
            + COPY <<E /f # buildkit
            - ENV A=1
            + RUN /bin/sh -c $A # buildkit
            + RUN /bin/sh -c own # buildkit
        "#]],
    );
}

#[test]
fn triggers_of_an_image_run_and_are_not_kept() {
    check_on(
        json!({ "OnBuild": ["ARG A=1", "WORKDIR /w", "COPY --from=one /a b", "RUN --mount=from=mine,target=/m x"] }),
        "FROM scratch AS one\nRUN one\nFROM scratch AS unused\nRUN never\nFROM base AS mine\nRUN $A\nONBUILD USER u\n",
        expect![[r#"
            base 0: base linux/amd64
            0: scratch + RUN ["/bin/sh", "-c", "one"] env [] in / network Default Sandbox
               line 2: [one 1/1] RUN one
            1: base 0 + WORKDIR /w
               line 5: [mine 2/6] ONBUILD WORKDIR /w
            2: step 1 + COPY from step 0: /a to /w/b archives Kept
               line 5: [mine 3/6] ONBUILD COPY --from=one /a b
            3: step 2 + RUN ["/bin/sh", "-c", "x"] env ["A=1"] in /w network Default Sandbox
               at /m: Bind { from: Step(StepId(2)), source: "/", is_writable: false }
               line 5: [mine 4/6] ONBUILD RUN --mount=from=mine,target=/m x
            4: step 3 + RUN ["/bin/sh", "-c", "$A"] env ["A=1"] in /w network Default Sandbox
               line 6: [mine 5/6] RUN $A
            image linux/amd64 of step 4
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/w","OnBuild":["USER u"]}
            - ARG A=1
            + WORKDIR /w
            + COPY /a b # buildkit
            + RUN |1 A=1 /bin/sh -c x # buildkit
            + RUN |1 A=1 /bin/sh -c $A # buildkit
        "#]],
    );
}

#[test]
fn triggers_may_be_wrong() {
    for (trigger, expected) in [
        (
            "FROM x",
            expect![[r"
            error: line 1: FROM isn't allowed as an ONBUILD trigger
        "]],
        ),
        (
            "RAN x",
            expect![[r"
            error: line 1: unknown instruction: RAN
        "]],
        ),
        (
            "",
            expect![[r"
            error: line 1: file with no instructions
        "]],
        ),
        (
            "USER a\nUSER b",
            expect![[r"
            error: line 1: onbuild trigger should be a single expression
        "]],
        ),
        (
            "COPY --from=late a b",
            expect![[r#"
            error: line 1: cannot copy from stage "late", it needs to be defined before current stage "first"
        "#]],
        ),
        (
            "COPY --from=7 a b",
            expect![[r"
            error: line 1: invalid stage index 7
        "]],
        ),
        (
            "ADD --chown=${ a b",
            expect![[r#"
            error: line 1: failed to process "${": syntax error: missing '}'
        "#]],
        ),
    ] {
        let text = "FROM base AS first\nFROM scratch AS late\nFROM first\n";
        check_on(json!({ "OnBuild": [trigger] }), text, expected);
    }
    check(
        "FROM scratch AS one\nONBUILD RAN x\nFROM one\n",
        &request(),
        expect![[r"
            error: line 3: unknown instruction: RAN
              hint: did you mean `RUN`?
        "]],
    );
}
