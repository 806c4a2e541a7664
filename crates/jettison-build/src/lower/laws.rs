//! What is true of the plan of every Dockerfile.

use std::sync::LazyLock;

use jettison_dockerfile::parse;
use proptest::prelude::*;
use serde_json::json;

use crate::lower::dump::{Images, with_args};
use crate::lower::{LowerRequest, lower};
use crate::plan::{CopyFrom, Definition, Input, Plan, RunMountKind};

fn request(target: Option<String>) -> LowerRequest {
    LowerRequest {
        target,
        ..with_args(&[("A", "$B'\"\\")])
    }
}

/// Images of which one has triggers.
fn images() -> Images<'static> {
    static KNOWN: LazyLock<[(&str, serde_json::Value); 1]> = LazyLock::new(|| {
        let triggers = [
            "COPY --from=one a b",
            "RUN --mount=from=two,target=/m x",
            "ENV A=3",
        ];
        [("busy", json!({ "OnBuild": triggers, "Cmd": ["c"] }))]
    });
    Images(&*KNOWN)
}

/// Words that mean something somewhere, and some that mean nothing.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "scratch",
            "base",
            "one",
            "0",
            "1",
            "-1",
            "AS",
            "A=1",
            "B=$A",
            "A",
            "PATH=",
            "$A",
            "${A:-x}",
            "${A",
            "one-${TARGETARCH}",
            ".",
            "..",
            "/",
            "/a/../../b",
            "*",
            "a[",
            "\\",
            "'",
            "\"",
            "--from=one",
            "--from=0",
            "--chown=a:b",
            "--chmod=755",
            "--chmod=99999",
            "--platform=$A",
            "--mount=type=bind",
            "--mount=type=cache,target=$A",
            "--mount=type=secret,id=a,env=B",
            "--mount=type=ssh",
            "--mount=type=tmpfs,size=1g,target=t",
            "--link",
            "--parents",
            "--security=insecure",
            "--checksum=sha256:0",
            "--interval=1s",
            "NONE",
            "CMD",
            "https://a/b.git#c:d",
            "http://a/b",
            "SIGTERM",
            "--network=none",
            "80",
            "1-65535/udp",
            "[\"a\"]",
            "[\"\\u0000\"]",
            "<<E",
            "\u{0}",
            "é",
            "",
        ])
        .prop_map(str::to_string),
        ".{0,6}",
    ]
}

fn line() -> impl Strategy<Value = String> {
    let keyword = prop::sample::select(vec![
        "FROM",
        "FROM",
        "FROM",
        "RUN",
        "COPY",
        "WORKDIR",
        "ENV",
        "ARG",
        "LABEL",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "USER",
        "E",
        "# escape=`",
        "ADD",
        "ONBUILD",
        "VOLUME",
        "SHELL",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "MAINTAINER",
        "ONBUILD COPY",
        "",
    ]);
    let words = prop::collection::vec(word(), 0..5);
    (keyword, words).prop_map(|(keyword, words)| format!("{keyword} {}", words.join(" ")))
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..12).prop_map(|lines| lines.join("\n"))
}

/// Dockerfiles of which most can be lowered.
fn sound_text() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "FROM base AS one",
        "FROM one AS two",
        "FROM scratch",
        "FROM $A",
        "FROM busy AS two",
        "FROM busy",
        "ONBUILD RUN --mount=target=m y",
        "ONBUILD ARG B=4",
        "ADD a https://a/b https://a/c.git /",
        "COPY <<E /\n$A\nE",
        "RUN <<E\n#!/bin/x\nE",
        "RUN --mount=from=one,target=m --mount=type=cache,target=c x",
        "RUN --mount=target=/m,source=s x",
        "HEALTHCHECK --interval=1h CMD x",
        "SHELL [\"a\", \"b\"]",
        "USER $A",
        "VOLUME /$A",
        "ENTRYPOINT [\"x\"]",
        "RUN x",
        "WORKDIR a",
        "WORKDIR ../..",
        "COPY a b/",
        "COPY --from=0 a b",
        "COPY --from=one a b",
        "COPY --from=other a b",
        "ENV A=2 B=$A",
        "ARG A B=$A",
        "CMD x",
        "EXPOSE 80-90",
    ]);
    prop::collection::vec(line, 0..12)
        .prop_map(|lines| format!("ARG A=base\nFROM base\n{}\n", lines.join("\n")))
}

fn check(plan: &Plan) {
    for (index, step) in plan.steps.iter().enumerate() {
        let mut inputs = vec![step.parent];
        if let Definition::Copy(copy) = &step.definition {
            assert!(copy.destination.starts_with('/'));
            if let CopyFrom::Input(input) = copy.from {
                inputs.push(input);
            }
        }
        if let Definition::Run(run) = &step.definition {
            assert!(run.working_dir.starts_with('/'));
            for mount in &run.mounts {
                assert!(
                    mount
                        .target
                        .as_ref()
                        .is_none_or(|path| path.starts_with('/'))
                );
                match mount.kind {
                    RunMountKind::Bind { from, .. } | RunMountKind::Cache { from, .. } => {
                        inputs.push(from);
                    }
                    RunMountKind::Tmpfs { .. }
                    | RunMountKind::Secret { .. }
                    | RunMountKind::Ssh { .. } => {}
                }
            }
        }
        for input in inputs {
            match input {
                Input::Step(id) => assert!(id.0 < index),
                Input::Base(base) => assert!(base < plan.bases.len()),
                Input::Scratch => {}
            }
        }
    }
    let (_, chain) = plan.chain(plan.target.result);
    let layers = plan
        .target
        .history
        .iter()
        .filter(|entry| !entry.empty_layer);
    assert_eq!(layers.count(), chain.len());
}

proptest! {
    #[test]
    fn lowering_takes_any_text(text in text(), target in prop::option::of(word())) {
        if let Ok(plan) = lower(&parse(&text), &request(target), &images()) {
            check(&plan);
        }
    }

    #[test]
    fn a_step_comes_after_its_inputs_and_has_its_history(text in sound_text()) {
        if let Ok(plan) = lower(&parse(&text), &request(None), &images()) {
            check(&plan);
        }
    }

    #[test]
    fn the_same_text_gives_the_same_plan(text in sound_text()) {
        let plan = || format!("{:?}", lower(&parse(&text), &request(None), &images()));
        prop_assert_eq!(plan(), plan());
    }
}
