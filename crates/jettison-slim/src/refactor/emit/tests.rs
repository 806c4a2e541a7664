use super::*;
use crate::refactor::KeptPath;
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
        Ok(candidate) => candidate.dockerfile,
        Err(error) => format!("error: {error}"),
    });
}

#[test]
fn what_stays_is_kept_byte_for_byte() {
    check(
        "# Builds the app\nfrom   debian:12\n\nRUN apt-get update \\\n    # the compiler\n && apt-get install -y golang\nWORKDIR /app\n# start it\nCMD [ \"./app\" ]\n",
        &runtime(),
        expect![[r##"
            # Builds the app
            from   debian:12 AS build

            RUN apt-get update \
                # the compiler
             && apt-get install -y golang
            WORKDIR /app

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=build /app/app /app/app
            # start it
            CMD [ "./app" ]
        "##]],
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
