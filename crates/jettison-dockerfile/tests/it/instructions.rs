//! What instructions say.

use std::fmt::Display;
use std::time::Duration;

use expect_test::{Expect, expect};
use jettison_dockerfile::{
    CommandForm, CopySource, Healthcheck, InstructionKind, exec_form, parse,
};

use crate::syntax::diagnostics;

/// Parses one instruction.
#[track_caller]
fn one(text: &str) -> InstructionKind {
    let parse = parse(text);
    assert_eq!(parse.instructions().len(), 1, "{text}");
    parse.instructions()[0].kind.clone()
}

/// Shows one instruction, or what is wrong with it.
#[track_caller]
fn check(text: &str, expected: Expect) {
    let shown = match one(text) {
        InstructionKind::Invalid | InstructionKind::Unknown => diagnostics(text),
        kind => show(&kind),
    };
    expected.assert_eq(&shown);
}

fn list<W: Display>(words: &[W]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("<{word}>")).collect();
    words.join(" ")
}

fn show(kind: &InstructionKind) -> String {
    let form = |form: &CommandForm| match form {
        CommandForm::Shell(text) => format!("shell <{text}>"),
        CommandForm::Exec(argv) => format!("exec {}", exec_form(argv)),
    };
    match kind {
        InstructionKind::From(from) => {
            format!(
                "platform {:?} base {} name {:?}",
                from.platform, from.base, from.name
            )
        }
        InstructionKind::Run(run) => format!(
            "{} mounts [{}] network {:?} security {:?} devices [{}]",
            form(&run.form),
            list(&run.mounts),
            run.network,
            run.security,
            list(&run.devices)
        ),
        InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => form(command),
        InstructionKind::Label(pairs) | InstructionKind::Env(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|pair| format!("<{}>=<{}>", pair.key, pair.value))
                .collect();
            pairs.join(" ")
        }
        InstructionKind::Arg(args) => {
            let args: Vec<_> = args
                .iter()
                .map(|arg| format!("{}={:?}", arg.name, arg.default))
                .collect();
            args.join(" ")
        }
        InstructionKind::Copy(copy) | InstructionKind::Add(copy) => format!("{copy:?}"),
        InstructionKind::Expose(words) | InstructionKind::Volume(words) => list(words),
        InstructionKind::Shell(words) => list(words),
        InstructionKind::User(text)
        | InstructionKind::Workdir(text)
        | InstructionKind::Stopsignal(text)
        | InstructionKind::Maintainer(text) => format!("<{text}>"),
        InstructionKind::Healthcheck(health) => format!("{health:?}"),
        InstructionKind::Onbuild(onbuild) => {
            format!("{:?}: {}", onbuild.expression, show(&onbuild.trigger))
        }
        InstructionKind::Unknown => "unknown".to_owned(),
        InstructionKind::Invalid => "invalid".to_owned(),
    }
}

#[test]
fn from_names_are_stored_in_lower_case() {
    check(
        "from --platform=$P a:1 as Build",
        expect![[r#"platform Some("$P") base a:1 name Some("build")"#]],
    );
    check(
        "FROM scratch",
        expect!["platform None base scratch name None"],
    );
}

#[test]
fn broken_json_is_the_shell_form() {
    check(r#"CMD ["a", "b c"]"#, expect![[r#"exec ["a", "b c"]"#]]);
    check(r"CMD ['a']", expect!["shell <['a']>"]);
    check(r#"CMD ["a",]"#, expect![[r#"shell <["a",]>"#]]);
    check(
        r#"ENTRYPOINT  echo "$A" "#,
        expect![[r#"shell <echo "$A">"#]],
    );
    check("CMD", expect!["shell <>"]);
    check("CMD []", expect!["exec []"]);
    check(
        r#"CMD ["a", 1]"#,
        expect![[r#"
            1:5 error: when using JSON array syntax, arrays must be comprised of strings only [["a", 1]]
        "#]],
    );
}

#[test]
fn run_has_flags_of_its_own() {
    check(
        "RUN --mount=type=tmpfs,target=/t --mount=target=/x --network=none --security=insecure --device=d make",
        expect![[
            r#"shell <make> mounts [<type=tmpfs,target=/t> <target=/x>] network Some("none") security Some("insecure") devices [<d>]"#
        ]],
    );
    check(
        r#"RUN ["a"]"#,
        expect![[r#"exec ["a"] mounts [] network None security None devices []"#]],
    );
}

#[test]
fn pairs_keep_their_quotes() {
    check(
        r#"ENV A=1 B="x y" C=a\ b"#,
        expect![[r#"<A>=<1> <B>=<"x y"> <C>=<a\ b>"#]],
    );
    check("ENV A  b  c=d", expect!["<A>=<b  c=d>"]);
    check(r#"LABEL "a b"=c"#, expect![[r#"<"a b">=<c>"#]]);
    check(
        "ARG A B= C=x",
        expect![[r#"A=None B=Some("") C=Some("x")"#]],
    );
    check(
        "LABEL",
        expect![[r"
        1:1 error: LABEL requires at least one argument [LABEL]
    "]],
    );
    check(
        "ENV A=b =c",
        expect![[r"
        1:9 error: ENV names can not be blank [=c]
    "]],
    );
    check(
        "ENV A=b c",
        expect![[r#"
        1:9 error: Syntax error - can't find = in "c". Must be of the form: name=value [c]
    "#]],
    );
    check(
        "ARG =c",
        expect![[r"
        1:5 error: ARG names can not be blank [=c]
    "]],
    );
}

#[test]
fn copy_has_sources_and_a_destination() {
    check(
        "COPY --from=b --chown=1:2 --chmod=u+x --link --parents --exclude=*.md --exclude=x a b /c/",
        expect![[
            r#"CopyInstruction { sources: [Path("a"), Path("b")], destination: "/c/", from: Some("b"), chown: Some("1:2"), chmod: Some("u+x"), exclude: ["*.md", "x"], checksum: None, unpack: None, link: true, parents: true, keep_git_dir: None }"#
        ]],
    );
    check(
        r#"ADD --checksum=sha256:0 --keep-git-dir --unpack=false --link=false ["a b", "/c"]"#,
        expect![[
            r#"CopyInstruction { sources: [Path("a b")], destination: "/c", from: None, chown: None, chmod: None, exclude: [], checksum: Some("sha256:0"), unpack: Some(false), link: false, parents: false, keep_git_dir: Some(true) }"#
        ]],
    );
    let InstructionKind::Copy(copy) = one("COPY --from=b$ a b") else {
        panic!("COPY")
    };
    assert_eq!(copy.from.as_deref(), Some("b$"));
    check(
        r"COPY --from=${X a b",
        expect![[r#"
            1:6 error: failed to process "${X": unsupported modifier (�) in substitution [--from=${X]
        "#]],
    );
    check(
        "COPY --from=$X a b",
        expect![[r"
            1:6 error: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround [--from=$X]
        "]],
    );
}

#[test]
fn lists_of_words() {
    check(
        "EXPOSE 80 443/tcp\t$PORT",
        expect!["<$PORT> <443/tcp> <80>"],
    );
    check("VOLUME /a /b", expect!["</a> </b>"]);
    check(r#"VOLUME ["/a b"]"#, expect!["</a b>"]);
    check(
        r#"VOLUME [" "]"#,
        expect![[r"
        1:1 error: VOLUME specified can not be an empty string [VOLUME]
    "]],
    );
    check(r#"SHELL ["/bin/bash", "-c"]"#, expect!["</bin/bash> <-c>"]);
    check(
        "SHELL []",
        expect![[r"
        1:1 error: SHELL requires at least one argument [SHELL]
    "]],
    );
}

#[test]
fn single_texts() {
    check("USER a:b", expect!["<a:b>"]);
    check("WORKDIR /a b", expect!["</a b>"]);
    check("STOPSIGNAL $S", expect!["<$S>"]);
    check("MAINTAINER A <a@b>", expect!["<A <a@b>>"]);
}

#[test]
fn health_checks_have_times() {
    check("HEALTHCHECK NONE", expect!["None"]);
    check(
        "HEALTHCHECK --retries=3 NONE x",
        expect![[r"
        1:1 error: HEALTHCHECK NONE takes no arguments [HEALTHCHECK]
    "]],
    );
    let kind = one(
        "HEALTHCHECK --interval=1m30s --timeout=0s --start-period=1.5s --retries=3 CMD [\"a\"]",
    );
    let InstructionKind::Healthcheck(Healthcheck::Command(health)) = kind else {
        panic!("{kind:?}")
    };
    assert_eq!(health.form, CommandForm::Exec(vec!["a".to_owned()]));
    assert_eq!(health.interval, Some(Duration::from_secs(90)));
    assert_eq!(health.timeout, None);
    assert_eq!(health.start_period, Some(Duration::from_millis(1500)));
    assert_eq!(health.start_interval, None);
    assert_eq!(health.retries, Some(3));
    check(
        "HEALTHCHECK --interval=1us CMD a",
        expect![[r#"
        1:13 error: Interval "interval" cannot be less than 1ms [--interval=1us]
    "#]],
    );
    check(
        "HEALTHCHECK --timeout=-1s CMD a",
        expect![[r#"
        1:13 error: Interval "timeout" cannot be less than 1ms [--timeout=-1s]
    "#]],
    );
    check(
        "HEALTHCHECK --retries=-1 CMD a",
        expect![[r"
        1:13 error: --retries cannot be negative (-1) [--retries=-1]
    "]],
    );
    check(
        "HEALTHCHECK --retries=2147483648 CMD a",
        expect![[r#"
            1:13 error: strconv.ParseInt: parsing "2147483648": value out of range [--retries=2147483648]
              hint: `--retries` takes a number
        "#]],
    );
    check(
        "HEALTHCHECK --retries=-2147483649x CMD a",
        expect![[r#"
            1:13 error: strconv.ParseInt: parsing "-2147483649x": invalid syntax [--retries=-2147483649x]
              hint: `--retries` takes a number
        "#]],
    );
    check(
        "HEALTHCHECK CMD",
        expect![[r"
        1:1 error: Missing command after HEALTHCHECK CMD [HEALTHCHECK]
    "]],
    );
    check(
        "HEALTHCHECK RUN a",
        expect![[r#"
        1:13 error: Unknown type "RUN" in HEALTHCHECK (try CMD) [RUN]
    "#]],
    );
}

#[test]
fn onbuild_keeps_its_trigger_as_a_text() {
    check(
        "onbuild  run a \\\n  b",
        expect![[r#""run a   b": shell <a   b> mounts [] network None security None devices []"#]],
    );
    check(
        "ONBUILD ONBUILD RUN a",
        expect![[r"
        1:9 error: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed [ONBUILD]
    "]],
    );
    check(
        "ONBUILD FROM a",
        expect![[r"
        1:9 error: FROM isn't allowed as an ONBUILD trigger [FROM]
    "]],
    );
    let text = "FROM a\nONBUILD COPY a\n";
    expect![[r"
        2:9 warning: COPY requires at least two arguments, but only one was provided. Destination could not be determined [COPY]
    "]]
    .assert_eq(&diagnostics(text));
}

#[test]
fn a_heredoc_cannot_be_a_destination() {
    check(
        "COPY a <<E\nE\n",
        expect![[r"
        1:1 error: COPY cannot accept a heredoc as a destination [COPY]
    "]],
    );
    let InstructionKind::Copy(copy) = one("COPY [\"<<E\", \"/x\"]") else {
        panic!("COPY")
    };
    // Nothing is read for it, so it is an empty file.
    let [CopySource::Heredoc(empty)] = copy.sources.as_slice() else {
        panic!("{:?}", copy.sources)
    };
    assert_eq!((empty.name.as_str(), &*empty.content), ("E", ""));
}
