//! Plans for several platforms.

use expect_test::expect;
use jettison_dockerfile::Platform;

use crate::lower::LowerRequest;
use crate::lower::dump::request;
use crate::lower::tests::check;

fn arm() -> LowerRequest {
    LowerRequest {
        target_platform: Platform::parse("linux/arm/v7", "").ok(),
        ..request()
    }
}

const CROSS: &str = r"FROM --platform=$BUILDPLATFORM tools AS build
ARG TARGETPLATFORM TARGETVARIANT BUILDARCH
RUN make
FROM base
COPY --from=build /a /
COPY --from=other /b /
";

#[test]
fn stages_may_be_for_other_platforms() {
    check(
        CROSS,
        &request(),
        expect![[r#"
        base 0: tools linux/amd64
        base 1: base linux/amd64
        base 2: other linux/amd64
        0: base 0 + RUN ["/bin/sh", "-c", "make"] env ["TARGETPLATFORM=linux/amd64", "TARGETVARIANT=", "BUILDARCH=amd64"] in / network Default Sandbox
           line 3: [build 2/2] RUN make
        1: base 1 + COPY from step 0: /a to / archives Kept
           line 5: [stage-1 2/3] COPY --from=build /a /
        2: step 1 + COPY from base 2: /b to / archives Kept
           line 6: [stage-1 3/3] COPY --from=other /b /
        image linux/amd64 of step 2
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        + COPY /a / # buildkit
        + COPY /b / # buildkit
    "#]],
    );
    check(
        CROSS,
        &arm(),
        expect![[r#"
        base 0: tools linux/amd64
        base 1: base linux/arm/v7
        base 2: other linux/arm/v7
        0: base 0 + RUN ["/bin/sh", "-c", "make"] env ["TARGETPLATFORM=linux/arm/v7", "TARGETVARIANT=v7", "BUILDARCH=amd64"] in / network Default Sandbox
           line 3: [build 2/2] RUN make
        1: base 1 + COPY from step 0: /a to / archives Kept
           line 5: [stage-1 2/3] COPY --from=build /a /
        2: step 1 + COPY from base 2: /b to / archives Kept
           line 6: [stage-1 3/3] COPY --from=other /b /
        image linux/arm/v7 of step 2
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        + COPY /a / # buildkit
        + COPY /b / # buildkit
    "#]],
    );
}

#[test]
fn commands_need_a_host_that_runs_them() {
    check(
        "FROM base\nRUN x\n",
        &arm(),
        expect![[r"
        error: line 2: this host cannot run commands for linux/arm/v7
          hint: register an emulator for arm with binfmt_misc, such as qemu-user-static
          hint: or run the command in a stage `FROM --platform=$BUILDPLATFORM` and copy its results
    "]],
    );
    let mut emulated = arm();
    emulated.runnable.push(Platform::new("linux", "arm"));
    check(
        "FROM base\nRUN x\n",
        &emulated,
        expect![[r#"
        base 0: base linux/arm/v7
        0: base 0 + RUN ["/bin/sh", "-c", "x"] env [] in / network Default Sandbox
           line 2: [2/2] RUN x
        image linux/arm/v7 of step 0
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        + RUN /bin/sh -c x # buildkit
    "#]],
    );
    check(
        "FROM --platform=linux/arm64/v8 base\nCOPY a b\n",
        &request(),
        expect![[r#"
        base 0: base linux/arm64
        0: base 0 + COPY from context: /a to /b archives Kept
           line 2: [2/2] COPY a b
        image linux/arm64 of step 0
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        + COPY a b # buildkit
    "#]],
    );
}

#[test]
fn scratch_is_for_the_platform_of_the_build() {
    check(
        "FROM --platform=linux/s390x scratch\n",
        &arm(),
        expect![[r#"
        image linux/arm/v7 of scratch
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
    "#]],
    );
}
