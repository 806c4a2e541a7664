//! Plans of small Dockerfiles.

mod contexts;
mod copies;
mod platforms;
mod runs;
mod triggers;

use expect_test::{Expect, expect};
use serde_json::json;

use crate::lower::LowerRequest;
use crate::lower::dump::{Images, dumped, request, with_args};

#[track_caller]
fn check(text: &str, request: &LowerRequest, expected: Expect) {
    expected.assert_eq(&dumped(text, request, &Images(&[])));
}

/// The plan on image `base` with a configuration.
#[track_caller]
fn check_on(config: serde_json::Value, text: &str, expected: Expect) {
    let known = [("base", config)];
    expected.assert_eq(&dumped(text, &request(), &Images(&known)));
}

#[test]
fn instructions_that_change_no_file_are_in_configuration_and_history() {
    check(
        r#"FROM scratch
MAINTAINER me <me@example.com>
ENV A="x  y" B=$A
ENV A z z
LABEL "k e"=$A l=1 l=2
EXPOSE 81 80-81/TCP 9$B/udp
VOLUME /a /b$B
VOLUME ["/c d"]
USER $A:g
SHELL ["/bin/bash", "-e", "-c"]
STOPSIGNAL SIG${X:-TERM}
HEALTHCHECK --interval=90s --retries=3 CMD curl $A
ONBUILD RUN x $A
CMD echo "$A"
ENTRYPOINT ["a", "\"b\""]
"#,
        &with_args(&[]),
        expect![[r#"
            image linux/amd64 of scratch by me <me@example.com>
            {"User":"z z:g","ExposedPorts":{"80/tcp":{},"81/tcp":{},"9/udp":{}},"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=z z","B="],"Entrypoint":["a","\"b\""],"Cmd":["/bin/bash","-e","-c","echo \"$A\""],"Volumes":{"/a":{},"/b":{},"/c d":{}},"WorkingDir":"/","Labels":{"k e":"z z","l":"2"},"StopSignal":"SIGTERM","ArgsEscaped":true,"Healthcheck":{"Interval":90000000000,"Retries":3,"Test":["CMD-SHELL","curl $A"]},"OnBuild":["RUN x $A"],"Shell":["/bin/bash","-e","-c"]}
            - MAINTAINER me <me@example.com>
            - ENV A=x  y B=
            - ENV A=z z
            - LABEL k e=z z l=1 l=2
            - EXPOSE [80/tcp 81/tcp 81/tcp 9/udp]
            - VOLUME [/a /b]
            - VOLUME [/c d]
            - USER z z:g
            - SHELL [/bin/bash -e -c]
            - STOPSIGNAL SIGTERM
            - HEALTHCHECK {Test:[CMD-SHELL curl $A] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}
            - CMD ["/bin/bash" "-e" "-c" "echo \"$A\""]
            - ENTRYPOINT ["a" "\"b\""]
        "#]],
    );
}

#[test]
fn what_is_empty_is_not_in_the_configuration() {
    check(
        "FROM a\nHEALTHCHECK NONE\nCMD []\nENTRYPOINT []\nUSER $X\nENV ${X}=1\n",
        &request(),
        expect![[r#"
            base 0: a linux/amd64
            image linux/amd64 of base 0
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","=1"],"ArgsEscaped":true,"Healthcheck":{"Test":["NONE"]}}
            - HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}
            - CMD []
            - ENTRYPOINT []
            - USER 
            - ENV =1
        "#]],
    );
}

#[test]
fn a_base_keeps_what_docker_knows_of_it() {
    check_on(
        json!({
            "Hostname": "h", "User": "app", "WorkingDir": "srv", "Env": ["A=1", "B"], "Cmd": ["c"], "Entrypoint": [],
            "StopSignal": "", "Healthcheck": { "Test": ["NONE"] }, "Labels": { "l": "1" },
        }),
        "FROM base\nWORKDIR x\nWORKDIR /y//z/..\nENTRYPOINT [\"e\"]\n",
        expect![[r#"
            base 0: base linux/amd64
            0: base 0 + WORKDIR /srv/srv/x user app
               line 2: [2/3] WORKDIR x
            1: step 0 + WORKDIR /y user app
               line 3: [3/3] WORKDIR /y//z/..
            image linux/amd64 of step 1
            {"User":"app","Env":["A=1","B","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["e"],"WorkingDir":"/y//z/..","Labels":{"l":"1"},"Healthcheck":{"Test":["NONE"]}}
            + WORKDIR /srv/srv/x
            + WORKDIR /y//z/..
            - ENTRYPOINT ["e"]
        "#]],
    );
}

#[test]
fn arguments_are_seen_by_words_and_commands() {
    check(
        r"ARG G=$TARGETARCH H=$G-$OTHER
ARG UNUSED=1
FROM a:$H AS one
ARG G H=local N
ENV H=env
ARG G
RUN x
FROM one
ARG TARGETSTAGE BUILDKIT_SBOM_SCAN_STAGE=true SECRET
RUN y
",
        &with_args(&[("OTHER", "o"), ("SECRET", "s"), ("HTTP_PROXY", "p")]),
        expect![[r#"
            base 0: a:amd64- linux/amd64
            0: base 0 + RUN ["/bin/sh", "-c", "x"] env ["H=env", "G=amd64"] in / network Default Sandbox
               line 7: [one 2/2] RUN x
            1: step 0 + RUN ["/bin/sh", "-c", "y"] env ["H=env", "G=amd64", "TARGETSTAGE=default", "SECRET=s"] in / network Default Sandbox
               line 10: [stage-1 1/1] RUN y
            image linux/amd64 of step 1
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","H=env"]}
            - ARG G=amd64 H=local N
            - ENV H=env
            - ARG G=amd64
            + RUN |3 G=amd64 H=env N= /bin/sh -c x # buildkit
            - ARG TARGETSTAGE=default BUILDKIT_SBOM_SCAN_STAGE=true SECRET=s
            + RUN |6 G=amd64 H=env N= TARGETSTAGE=default BUILDKIT_SBOM_SCAN_STAGE=true SECRET=s /bin/sh -c y # buildkit
        "#]],
    );
}

#[test]
fn stages_start_from_each_other() {
    check(
        r"FROM a AS one
CMD one
WORKDIR /w
FROM one AS two
ENTRYPOINT two
FROM two
RUN x
FROM unused
RUN never
FROM one
COPY --from=2 /a /b
COPY --from=TWO /c d
",
        &LowerRequest {
            labels: [("l".to_owned(), "given".to_owned())].into(),
            uncached_stages: ["One".to_owned(), "none".to_owned()].into(),
            ..request()
        },
        expect![[r#"
            base 0: a linux/amd64
            0: base 0 + WORKDIR /w
               line 3: [one 2/2] WORKDIR /w
            1: step 0 + RUN ["/bin/sh", "-c", "x"] env [] in /w network Default Sandbox
               line 7: [stage-2 1/1] RUN x
            2: step 0 + COPY from step 1: /a to /b archives Kept
               line 11: [stage-4 1/2] COPY --from=2 /a /b
            3: step 2 + COPY from step 0: /c to /w/d archives Kept
               line 12: [stage-4 2/2] COPY --from=TWO /c d
            image linux/amd64 of step 3
            not from the cache: {0}
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sh","-c","one"],"WorkingDir":"/w","Labels":{"l":"given"},"ArgsEscaped":true}
            - CMD ["/bin/sh" "-c" "one"]
            + WORKDIR /w
            + COPY /a /b # buildkit
            + COPY /c d # buildkit
        "#]],
    );
}

#[test]
fn the_time_of_an_image_may_be_given() {
    let text = "ARG SOURCE_DATE_EPOCH=5\nFROM scratch\nARG SOURCE_DATE_EPOCH\n";
    check(
        text,
        &request(),
        expect![[r#"
        image linux/amd64 of scratch
        at 5
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH=5
    "#]],
    );
    let given = |value| with_args(&[("SOURCE_DATE_EPOCH", value)]);
    check(
        text,
        &given("+07"),
        expect![[r#"
        image linux/amd64 of scratch
        at 7
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH=7
    "#]],
    );
    check(
        text,
        &given("context"),
        expect![[r#"
        image linux/amd64 of scratch
        at 1
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH=1
    "#]],
    );
    check(
        text,
        &given(""),
        expect![[r#"
        image linux/amd64 of scratch
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH
    "#]],
    );
    check(
        text,
        &given("nothing"),
        expect![[r"
        error: line 1: invalid SOURCE_DATE_EPOCH: nothing
    "]],
    );
    let stages = "FROM scratch AS source\nARG V=1\nADD http://a/$V.tgz /\nFROM scratch\nARG SOURCE_DATE_EPOCH\n";
    check(
        stages,
        &given("Source"),
        expect![[r#"
        image linux/amd64 of scratch
        at 2
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH=2
    "#]],
    );
    let git =
        "FROM scratch AS source\nADD https://a/b.git /\nFROM scratch\nARG SOURCE_DATE_EPOCH\n";
    check(
        git,
        &given("source"),
        expect![[r#"
        image linux/amd64 of scratch
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
        - ARG SOURCE_DATE_EPOCH
    "#]],
    );
}

#[test]
fn steps_are_counted() {
    let many = format!("FROM a\n{}", "RUN x\n".repeat(9));
    let plan = dumped(&many, &request(), &Images(&[]));
    let titles: Vec<&str> = plan.lines().map(str::trim).collect();
    let titles = titles.iter().filter(|line| line.starts_with("line"));
    let titles: Vec<&str> = titles.copied().collect();
    assert_eq!(titles[0], "line 2: [ 2/10] RUN x");
    assert_eq!(titles[8], "line 10: [10/10] RUN x");
}
