use super::*;
use crate::refactor::KeptPath;
use crate::refactor::Rung;
use expect_test::{Expect, expect};
use jettison_dockerfile::parse;

fn runtime() -> RuntimeStage {
    RuntimeStage {
        rung: Rung::Scratch,
        kept: vec![KeptPath {
            path: "/app/app".into(),
            reason: String::new(),
            is_directory: false,
        }],
        owners: std::collections::BTreeMap::new(),
        entrypoint: None,
        cmd: Some(vec!["./app".to_string()]),
        user: String::new(),
        env: vec![format!("PATH={DEFAULT_PATH}")],
        working_dir: "/app".to_string(),
        labels: Vec::new(),
        exposed_ports: Vec::new(),
    }
}

#[track_caller]
fn check(text: &str, runtime: &RuntimeStage, expected: Expect) {
    expected.assert_eq(&match multi_stage(&parse(text), runtime, Vec::new()) {
        Ok(candidate) => candidate.dockerfile.replace('\r', "<CR>"),
        Err(error) => format!("error: {error}"),
    });
}

#[test]
fn what_stays_is_kept_byte_for_byte() {
    check(
        "# Builds the app\nfrom   debian:12\n\nRUN apt-get update \\\n    # the compiler\n && apt-get install -y golang\nWORKDIR /app\n# start it\nCMD [ \"./app\" ]\n",
        &runtime(),
        expect![[r#"
            # Builds the app
            from   debian:12 as build

            RUN apt-get update \
                # the compiler
             && apt-get install -y golang
            WORKDIR /app

            from scratch as runtime
            workdir /app
            copy --from=build /app/app /app/app
            # start it
            CMD [ "./app" ]
        "#]],
    );
}

#[test]
fn a_shell_form_command_is_written_in_exec_form() {
    check(
        "FROM debian:12 AS Base\nRUN make\nCMD ./app",
        &runtime(),
        expect![[r#"
            FROM debian:12 AS Base
            RUN make

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=base /app/app /app/app
            CMD ["./app"]
        "#]],
    );
}

#[test]
fn the_inherited_configuration_is_written_out() {
    let runtime = RuntimeStage {
        env: vec![
            format!("PATH={DEFAULT_PATH}"),
            "GREETING=hello, \"world\" $5".to_string(),
        ],
        labels: vec![("a b".to_string(), "c".to_string())],
        exposed_ports: vec!["53/udp".to_string(), "80/tcp".to_string()],
        user: "7:8".to_string(),
        ..runtime()
    };
    check(
        "FROM debian:12\nEXPOSE 80 53/udp\n",
        &runtime,
        expect![[r#"
            FROM debian:12 AS build

            FROM scratch AS runtime
            ENV GREETING="hello, \"world\" \$5"
            WORKDIR /app
            COPY --from=build /app/app /app/app
            LABEL "a b"=c
            EXPOSE 80 53/udp
            USER 7:8
            CMD ["./app"]
        "#]],
    );
}

#[test]
fn several_stages_are_left_alone() {
    check(
        "FROM a AS x\nFROM b\n",
        &runtime(),
        expect!["error: the Dockerfile has 2 stages; only single-stage ones are rewritten"],
    );
}

#[test]
fn a_path_that_copy_would_misread_is_refused() {
    let runtime = RuntimeStage {
        kept: vec![KeptPath {
            path: "/app/a*b".into(),
            reason: String::new(),
            is_directory: false,
        }],
        ..runtime()
    };
    check(
        "FROM a\n",
        &runtime,
        expect![[r#"error: cannot write path "/app/a*b" into a Dockerfile"#]],
    );
}

#[test]
fn the_authors_style_is_kept() {
    let mut runtime = RuntimeStage {
        env: vec![format!("PATH={DEFAULT_PATH}"), "MODE=release".to_string()],
        exposed_ports: vec!["80/tcp".to_string()],
        labels: vec![
            ("a".to_string(), "1".to_string()),
            ("b".to_string(), "x y".to_string()),
        ],
        user: "65534:65534".to_string(),
        ..runtime()
    };
    check(
        "# syntax=docker/dockerfile:1\n# The app\narg V=1\nfrom debian:${V}\n# meta\nlabel a=1 b=\"x y\"\n\nrun make\n\n# port\nexpose $PORT\n\n# who\nuser 65534:65534\nenv MODE=release\ncmd [\"./app\"]\n",
        &runtime,
        expect![[r#"
            # syntax=docker/dockerfile:1
            # The app
            arg V=1
            from debian:${V} as build

            run make

            from scratch as runtime
            env MODE=release
            workdir /app
            copy --from=build /app/app /app/app
            # meta
            label a=1 b="x y"
            # port
            expose 80
            # who
            user 65534:65534
            cmd ["./app"]
        "#]],
    );
    runtime.env.truncate(1);
    check(
        "FROM debian:12 AS runtime\r\nUSER nobody\r\nRUN make\r\nCMD ./app\r\n",
        &runtime,
        expect![[r#"
            FROM debian:12 AS runtime<CR>
            USER nobody<CR>
            RUN make<CR>
            <CR>
            FROM scratch AS final<CR>
            WORKDIR /app<CR>
            COPY --from=runtime /app/app /app/app<CR>
            LABEL a=1<CR>
            LABEL b="x y"<CR>
            EXPOSE 80<CR>
            USER 65534:65534<CR>
            CMD ["./app"]<CR>
        "#]],
    );
}

#[test]
fn files_of_one_directory_share_a_copy_unless_their_owners_differ() {
    let keep = |path: &str, is_directory| KeptPath {
        path: path.into(),
        reason: String::new(),
        is_directory,
    };
    let runtime = RuntimeStage {
        kept: vec![
            keep("/my app/app", false),
            keep("/my app/a.json", false),
            keep("/my app/b.json", false),
            keep("/my app/data", true),
            keep("/etc/x", false),
            keep("/etc/y", false),
            keep("/a", false),
            keep("/b", false),
        ],
        owners: [("/etc/y".into(), (7, 8))].into(),
        working_dir: "/my app".to_string(),
        ..runtime()
    };
    check(
        "FROM debian:12\n",
        &runtime,
        expect![[r#"
            FROM debian:12 AS build

            FROM scratch AS runtime
            WORKDIR "/my app"
            COPY --from=build ["/my app/app", "/my app/app"]
            COPY --from=build ["/my app/a.json", "/my app/b.json", "/my app/"]
            COPY --from=build ["/my app/data", "/my app/data"]
            COPY --from=build /etc/x /etc/x
            COPY --from=build --chown=7:8 /etc/y /etc/y
            COPY --from=build /a /b /
            CMD ["./app"]
        "#]],
    );
}

#[test]
fn what_cannot_be_written_down_is_an_error() {
    let runtime = RuntimeStage {
        env: vec!["A=1\n2".to_string()],
        ..runtime()
    };
    check(
        "FROM a\n",
        &runtime,
        expect![[r#"error: cannot write value "1\n2" into a Dockerfile"#]],
    );
    check(
        "# escape=`\nFROM a\n",
        &runtime,
        expect![
            "error: the Dockerfile has an `escape` directive; only those with the usual backslash are rewritten"
        ],
    );
}
