//! What instructions do to the image's configuration and history.

use expect_test::{Expect, expect};
use jettison_build::Built;
use jettison_sandbox::Entered;

use crate::runner::{Test, needs_other_ids};
use crate::scene::{Scene, Wishes, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    configuration_and_history_are_those_of_buildkit,
    scratch_starts_with_a_path_and_a_working_directory,
    an_entry_point_takes_the_command_of_the_base_away,
    a_missing_working_directory_is_made,
    what_may_not_be_is_refused_with_its_line,
];

const EVERYTHING: &str = r#"ARG BASE=base
FROM ${BASE} AS first
ARG WHO=world OTHER
ENV GREETING="hello $WHO" N=1
RUN echo "$GREETING" > /greeting
RUN ["/bin/sh", "-c", "echo exec > /exec"]
RUN --network=none <<EOF
echo "heredoc $N" > /heredoc
EOF
WORKDIR /srv/app
WORKDIR sub
COPY --chown=app --chmod=0640 a.txt copied/
COPY a.txt b.txt ./
FROM plain
COPY --from=first /srv/app /data
COPY --from=0 /greeting /exec /heredoc /
LABEL a=1 "b c"="d e"
EXPOSE 80 53/UDP 9000-9001
USER 1000:1000
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo "hi	there"
"#;

/// The configuration without what depends on this host's shell.
fn shown(built: &Built) -> String {
    let mut json: serde_json::Value = serde_json::from_slice(built.image.config_json()).unwrap();
    let history = json.as_object_mut().unwrap().remove("history");
    json.as_object_mut().unwrap().remove("rootfs");
    let mut text = serde_json::to_string_pretty(&json).unwrap();
    for entry in history.unwrap().as_array().unwrap() {
        text.push('\n');
        text.push_str(&entry.to_string());
    }
    text
}

#[expect(clippy::too_many_lines, reason = "one image says it all")]
fn configuration_and_history_are_those_of_buildkit(entered: &Entered) {
    needs_other_ids(entered);
    let scene = Scene::new();
    let wishes = Wishes {
        target: Some("FIRST"),
        ..Wishes::default()
    };
    let first = scene.build_as(entered, EVERYTHING, &wishes).result.unwrap();
    expect![[r#"
        {
          "architecture": "amd64",
          "config": {
            "Env": [
              "PATH=/bin",
              "GREETING=hello world",
              "N=1"
            ],
            "WorkingDir": "/srv/app/sub"
          },
          "created": "2024-05-06T07:08:09Z",
          "os": "linux"
        }
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"ARG WHO=world OTHER","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"ENV GREETING=hello world N=1","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"RUN |2 WHO=world OTHER= /bin/sh -c echo \"$GREETING\" > /greeting # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"RUN |2 WHO=world OTHER= /bin/sh -c echo exec > /exec # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"RUN |2 WHO=world OTHER= /bin/sh -c echo \"heredoc $N\" > /heredoc\n # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"WORKDIR /srv/app"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"WORKDIR /srv/app/sub"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"COPY --chown=app --chmod=0640 a.txt copied/ # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"COPY a.txt b.txt ./ # buildkit"}
        {"comment":"buildkit.exporter.image.v0","created":"2024-05-06T07:08:09Z","created_by":"[first 8/8] COPY a.txt b.txt ./"}"#]].assert_eq(&shown(&first));
    let last = scene.build(entered, EVERYTHING);
    expect![[r#"
        {
          "architecture": "amd64",
          "config": {
            "ArgsEscaped": true,
            "Cmd": [
              "/bin/sh",
              "-c",
              "echo \"hi\tthere\""
            ],
            "Entrypoint": [
              "/bin/sh",
              "-c"
            ],
            "Env": [
              "LANG=C",
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            ],
            "ExposedPorts": {
              "53/udp": {},
              "80/tcp": {},
              "9000/tcp": {},
              "9001/tcp": {}
            },
            "Labels": {
              "a": "1",
              "b c": "d e"
            },
            "User": "1000:1000",
            "WorkingDir": "/gone"
          },
          "created": "2024-05-06T07:08:09Z",
          "os": "linux"
        }
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"COPY /srv/app /data # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"COPY /greeting /exec /heredoc / # buildkit"}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"LABEL a=1 b c=d e","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"EXPOSE [53/udp 80/tcp 9000/tcp 9001/tcp]","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"USER 1000:1000","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"ENTRYPOINT [\"/bin/sh\" \"-c\"]","empty_layer":true}
        {"comment":"buildkit.dockerfile.v0","created":"2024-05-06T07:08:09Z","created_by":"CMD [\"/bin/sh\" \"-c\" \"echo \\\"hi\\tthere\\\"\"]","empty_layer":true}
        {"comment":"buildkit.exporter.image.v0","created":"2024-05-06T07:08:09Z","created_by":"[stage-1 3/3] COPY --from=0 /greeting /exec /heredoc /"}"#]].assert_eq(&shown(&last));
    for (file, text) in [
        ("/greeting", "hello world\n"),
        ("/exec", "exec\n"),
        ("/heredoc", "heredoc 1\n"),
        ("/data/sub/a.txt", "a.txt"),
    ] {
        assert_eq!(text_of(&last, file), text, "{file}");
    }
}

fn scratch_starts_with_a_path_and_a_working_directory(entered: &Entered) {
    let built = Scene::new().build(entered, "FROM scratch\nCOPY a.txt .\n");
    expect![[r#"
        {
          "architecture": "amd64",
          "config": {
            "Env": [
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            ],
            "WorkingDir": "/"
          },
          "created": "1970-01-01T00:00:00Z",
          "os": "linux"
        }
        {"comment":"buildkit.dockerfile.v0","created":"1970-01-01T00:00:00Z","created_by":"COPY a.txt . # buildkit"}"#]].assert_eq(&shown(&built));
}

fn an_entry_point_takes_the_command_of_the_base_away(entered: &Entered) {
    let check = |text: &str, expected: Option<&str>| {
        let built = Scene::new().build(entered, text);
        let cmd = built.image.config().config.cmd.clone();
        let cmd = cmd.map(|words| words.join(" "));
        assert_eq!(cmd.as_deref(), expected, "{text}");
    };
    check("FROM plain\n", Some("from-base"));
    check("FROM plain\nENTRYPOINT [\"x\"]\n", None);
    check("FROM plain\nCMD [\"y\"]\nENTRYPOINT [\"x\"]\n", Some("y"));
    check(
        "FROM plain AS a\nCMD [\"y\"]\nFROM a\nENTRYPOINT [\"x\"]\n",
        None,
    );
}

fn a_missing_working_directory_is_made(entered: &Entered) {
    let scene = Scene::new();
    let built = scene.build(entered, "FROM plain\nRUN echo \"$PWD\" > /out\n");
    assert_eq!(text_of(&built, "/out"), "/gone\n");
}

fn refused(entered: &Entered, line: &str) -> String {
    let text = format!("FROM base\n{line}\n");
    let done = Scene::new().build_as(entered, &text, &Wishes::default());
    assert_eq!(done.steps, Vec::<String>::new());
    done.result.unwrap_err().to_string()
}

fn what_may_not_be_is_refused_with_its_line(entered: &Entered) {
    let check = |line: &str, expected: Expect| expected.assert_eq(&refused(entered, line));
    check(
        "RUN --device=a/b=c,required true",
        expect![[r#"line 2: required device "a/b=c" is not registered"#]],
    );
    check(
        "RUN --network=host true",
        expect!["line 2: network.host is not allowed"],
    );
    check(
        "RUN --security=insecure true",
        expect!["line 2: security.insecure is not allowed"],
    );
    check(
        "COPY --link --chown=app a.txt /",
        expect![
            "line 2: --chown=app: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead"
        ],
    );
    check(
        "COPY --chmod=9 a.txt /",
        expect![
            "line 2: invalid chmod parameter: '9'. it should be octal string and between 0 and 07777"
        ],
    );
    check(
        "COPY --from=$X a.txt /",
        expect!["the Dockerfile has 1 error"],
    );
    check(
        "COPY --from=nowhere a.txt /",
        expect!["line 2: cannot get base image `nowhere`"],
    );
}
