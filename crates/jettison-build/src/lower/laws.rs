//! What is true of the plan of every Dockerfile.

use std::collections::BTreeMap;

use jettison_dockerfile::parse;
use jettison_oci::{Image, ImageConfig};
use proptest::prelude::*;

use crate::lower::{Bases, LowerRequest, lower};
use crate::plan::{CopyFrom, Definition, Input, Plan};

/// Every name is that of an empty image.
struct Anything;

impl Bases for Anything {
    fn base(&self, _name: &str) -> Result<Image, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Image::new(ImageConfig::default(), Vec::new())?)
    }
}

fn request(target: Option<String>) -> LowerRequest {
    LowerRequest {
        target,
        build_args: BTreeMap::from([("A".to_string(), "$B'\"\\".to_string())]),
        architecture: "amd64".to_string(),
        limits: crate::plan::RunLimits::default(),
    }
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
        if let Ok(plan) = lower(&parse(&text), &request(target), &Anything) {
            check(&plan);
        }
    }

    #[test]
    fn a_step_comes_after_its_inputs_and_has_its_history(text in sound_text()) {
        if let Ok(plan) = lower(&parse(&text), &request(None), &Anything) {
            check(&plan);
        }
    }

    #[test]
    fn the_same_text_gives_the_same_plan(text in sound_text()) {
        let plan = || format!("{:?}", lower(&parse(&text), &request(None), &Anything));
        prop_assert_eq!(plan(), plan());
    }
}
