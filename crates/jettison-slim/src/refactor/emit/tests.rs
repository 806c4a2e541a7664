use super::*;
use crate::refactor::KeptPath;
use crate::refactor::{Gain, RootfsStage, Rung, ShellStep};
use expect_test::{Expect, expect};
use jettison_dockerfile::parse;
use std::path::PathBuf;

fn runtime() -> RuntimeStage {
    RuntimeStage {
        rung: Rung::Scratch,
        build_steps: Vec::new(),
        remade: Vec::new(),
        base: None,
        rootfs: None,
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
        volumes: Vec::new(),
        stop_signal: None,
        healthcheck: None,
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
fn without_a_stage_there_is_nothing_to_rewrite() {
    check(
        "ARG A\n",
        &runtime(),
        expect!["error: the Dockerfile has no stage"],
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

#[test]
fn packages_are_collected_in_a_stage_of_their_own() {
    let runtime = RuntimeStage {
        rung: Rung::Packages,
        rootfs: Some(crate::refactor::RootfsStage {
            packages: ["libc6", "python3.11-minimal"].map(str::to_owned).to_vec(),
            left_out: vec!["usr/share/man(/|$)".to_owned()],
            singles: ["/etc/passwd", "/lib", "/tmp"].map(Into::into).to_vec(),
            trees: [
                "/etc/ssl/certs",
                "/l/python3.1",
                "/l/python3.1/site-packages/x",
            ]
            .map(Into::into)
            .to_vec(),
            pruned: ["/l/python3.1/site-packages", "/l/python3.1/test"]
                .map(Into::into)
                .to_vec(),
            pruned_files: vec!["/l/python3.1/site-packages/x.pth".into()],
            link_targets: vec!["/usr/lib".into()],
            byte_code: Some("cpython-311".to_owned()),
            needs_root: true,
            before: Vec::new(),
            further: Vec::new(),
            status_of: None,
        }),
        kept: vec![KeptPath {
            path: "/app".into(),
            reason: String::new(),
            is_directory: true,
        }],
        volumes: vec!["/data".to_owned()],
        stop_signal: Some("SIGQUIT".to_owned()),
        healthcheck: Some(serde_json::json!({"Test": ["CMD-SHELL", "wget localhost"]})),
        cmd: Some(["python3", "main.py"].map(str::to_owned).to_vec()),
        user: "7:8".to_owned(),
        ..runtime()
    };
    check(
        "FROM debian:12\nRUN apt-get install -y python3\nCOPY . /app\nVOLUME /data\n# is it there?\nHEALTHCHECK CMD wget localhost\nUSER app\nCMD [\"python3\", \"main.py\"]\n",
        &runtime,
        expect![[r#"
            FROM debian:12 AS build
            RUN apt-get install -y python3
            COPY . /app

            FROM build AS rootfs
            USER root
            # The packages that the program uses, without papers, and their records, which scanners read.
            RUN packages='libc6 python3.11-minimal' \
             && mkdir -p /rootfs/var/lib/dpkg /rootfs/usr/lib \
             && dpkg --status $packages >/rootfs/var/lib/dpkg/status \
             && { dpkg --listfiles $packages | grep -Ev '^/(usr/share/man(/|$))'; \
                  dpkg --listfiles $packages | sed -n 's#/\([^/]*\)\.py$#/__pycache__/\1.cpython-311.pyc#p'; \
                  printf '%s\n' /etc/passwd /lib /tmp; \
                  find /etc/ssl/certs /l/python3.1 \( -path '/l/python3.1/site-packages/*' \
                    -o -path '/l/python3.1/test/*' -o -path /l/python3.1/site-packages/x.pth \) -prune -o -print; \
                  find /l/python3.1/site-packages/x; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=build /app /app
            VOLUME /data
            STOPSIGNAL SIGQUIT
            # is it there?
            HEALTHCHECK CMD wget localhost
            USER 7:8
            CMD ["python3", "main.py"]
        "#]],
    );
}

#[test]
fn a_command_that_needs_its_shell_stays_as_it_is() {
    let argv = ["/bin/sh", "-c", "exec ./app --port $PORT"];
    let runtime = RuntimeStage {
        cmd: Some(argv.map(str::to_owned).to_vec()),
        ..runtime()
    };
    check(
        "FROM debian:12\nRUN make\nCMD exec ./app --port $PORT\n",
        &runtime,
        expect![[r"
            FROM debian:12 AS build
            RUN make

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=build /app/app /app/app
            CMD exec ./app --port $PORT
        "]],
    );
}

/// A gain that does all that one can do.
fn gain() -> Gain {
    let step = |comment: &str, commands: &[&str]| ShellStep {
        comment: comment.to_owned(),
        commands: commands.iter().map(ToString::to_string).collect(),
        ..ShellStep::default()
    };
    Gain {
        name: "smaller",
        build: vec![step("Nobody debugs there.", &["cd /app", "strip app"])],
        collected: vec![step("Linked anew.", &["jlink --output /rootfs/jdk"])],
        dropped: vec!["/jdk".into(), "/tree/inside".into()],
        dropped_packages: ["b".to_owned()].into(),
        ..Gain::default()
    }
}

#[test]
fn gains_are_steps_of_the_build_stage_and_of_the_one_that_collects() {
    let mut runtime = RuntimeStage {
        user: "7:8".to_owned(),
        ..runtime()
    };
    let text = "FROM debian:12\nRUN make\nUSER 7:8\nCMD ./app\n";
    check(
        text,
        &gain().apply(&runtime),
        expect![[r#"
        FROM debian:12 AS build
        RUN make

        USER root
        # Nobody debugs there.
        RUN cd /app \
         && strip app

        FROM build AS rootfs
        USER root
        # What the program needs of the system, with its links, owners and modes.
        RUN mkdir -p /rootfs
        # Linked anew.
        RUN jlink --output /rootfs/jdk

        FROM scratch AS runtime
        WORKDIR /app
        COPY --from=rootfs /rootfs /
        COPY --from=build /app/app /app/app
        USER 7:8
        CMD ["./app"]
    "#]],
    );
    runtime.kept.push(KeptPath {
        path: "/jdk/lib".into(),
        reason: String::new(),
        is_directory: true,
    });
    runtime.rootfs = Some(crate::refactor::RootfsStage {
        packages: ["a", "b"].map(str::to_owned).to_vec(),
        singles: vec!["/jdk".into()],
        trees: vec!["/tree".into()],
        ..Default::default()
    });
    check(
        text,
        &gain().apply(&runtime),
        expect![[r#"
            FROM debian:12 AS build
            RUN make

            USER root
            # Nobody debugs there.
            RUN cd /app \
             && strip app

            FROM build AS rootfs
            USER root
            # The packages that the program uses, without papers, and their records, which scanners read.
            RUN packages='a' \
             && mkdir -p /rootfs/var/lib/dpkg \
             && dpkg --status $packages >/rootfs/var/lib/dpkg/status \
             && { dpkg --listfiles $packages; \
                  find /tree \( -path '/tree/inside/*' \) -prune -o -print; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar
            # Linked anew.
            RUN jlink --output /rootfs/jdk

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=build /app/app /app/app
            USER 7:8
            CMD ["./app"]
        "#]],
    );
}

#[test]
fn a_working_directory_that_is_somebodys_is_copied_before_it_is_entered() {
    let check = |owned: &str, is_late: bool| {
        let mut runtime = runtime();
        runtime.working_dir = "/srv/data".to_owned();
        runtime.kept.push(KeptPath {
            path: owned.into(),
            reason: String::new(),
            is_directory: true,
        });
        runtime.owners = [(PathBuf::from(owned), (1000, 0))].into();
        let parsed = parse("FROM debian:12\nCMD ./app\n");
        let text = multi_stage(&parsed, &runtime, Vec::new())
            .unwrap()
            .dockerfile;
        let (_, end) = text.split_once(" AS runtime\n").unwrap();
        let at = |part: &str| end.find(part).unwrap_or_else(|| panic!("{part}: {end}"));
        let place = at(&format!("COPY --from=build --chown=1000:0 {owned}"));
        assert_eq!(at("WORKDIR /srv/data") > place, is_late, "{end}");
    };
    check("/srv/data", true);
    check("/srv", true);
    check("/srv/data/db", false);
    check("/srv/other", false);
}

#[test]
fn a_stage_is_not_divided_before_what_is_made_anew() {
    let check = |packages: &[&str], trees: &[&str], remade: &[&str], suits: bool| {
        let early = RootfsStage {
            packages: packages.iter().map(ToString::to_string).collect(),
            trees: trees.iter().map(PathBuf::from).collect(),
            ..RootfsStage::default()
        };
        let division = crate::refactor::Division {
            at: 1,
            early: Some(early),
            ..crate::refactor::Division::default()
        };
        let mut runtime = runtime();
        if !remade.is_empty() {
            runtime.remade = remade.iter().map(PathBuf::from).collect();
            runtime.build_steps = vec![ShellStep {
                comment: "Made anew.".to_owned(),
                commands: vec!["true".to_owned()],
                ..ShellStep::default()
            }];
        }
        assert_eq!(
            division.suits(&runtime),
            suits,
            "{packages:?} {trees:?} {remade:?}"
        );
    };
    check(&["jdk"], &["/app/node_modules"], &[], true);
    check(&["jdk"], &[], &["/usr/local/bin/x", "/app/x"], true);
    check(&["jdk"], &[], &["/usr/lib/jvm/jdk/lib/modules"], false);
    check(&[], &["/app/node_modules"], &["/app/node_modules/a"], false);
    check(&[], &["/opt/jdk"], &["/opt"], false);
}

#[test]
fn what_is_made_anew_of_one_tree_is_made_before_the_sources_come() {
    let step = ShellStep {
        comment: "Linked anew.".to_owned(),
        commands: vec!["cd /opt/jdk".to_owned(), "jlink".to_owned()],
        trees: vec!["/opt/jdk".into()],
        ..ShellStep::default()
    };
    let early = RootfsStage {
        trees: vec!["/opt/jdk".into()],
        before: vec![step.clone()],
        ..RootfsStage::default()
    };
    let mut runtime = runtime();
    runtime.rootfs = Some(RootfsStage {
        before: Vec::new(),
        ..early.clone()
    });
    runtime.build_steps = vec![step];
    runtime.remade = vec!["/opt/jdk".into()];
    let division = crate::refactor::Division {
        at: 1,
        early: Some(early),
        ..crate::refactor::Division::default()
    };
    assert!(division.suits(&runtime));
    let writing = crate::refactor::Writing {
        division: Some(&division),
        ..crate::refactor::Writing::default()
    };
    let parsed = parse("FROM debian:12\nCOPY . .\nRUN make\nCMD ./app\n");
    let written = write_stages(&parsed, &runtime, writing, Vec::new()).unwrap();
    let text = written.dockerfile;
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part} in {text}"))
    };
    assert_eq!(text.matches("jlink").count(), 1, "{text}");
    assert!(at("RUN make") < at("AS rootfs"), "{text}");
    assert!(
        at("AS rootfs") < at("jlink") && at("jlink") < at("find /opt/jdk"),
        "{text}"
    );
    assert!(text.contains("FROM debian:12 AS rootfs"), "{text}");
}
