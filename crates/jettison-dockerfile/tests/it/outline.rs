//! Outlines and targets, against what BuildKit says.

mod cases;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jettison_dockerfile::{Given, Outline, Target, outline, parse, platform_args, stages, targets};

fn outline_of(text: &str, args: &[(&str, &str)]) -> (Vec<Target>, Outline) {
    let parse = parse(text);
    let graph = stages(&parse);
    assert!(!parse.has_errors(), "{text}");
    let args: BTreeMap<String, String> = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let given = Given {
        args: &args,
        images: &|_| None,
    };
    let target = graph.target(None).unwrap();
    let mut platform = platform_args("linux", "amd64");
    if let Some(name) = &target.name {
        platform.insert("TARGETSTAGE".to_owned(), name.clone());
    }
    let outline = outline(&parse, &graph, target.index, &given, &platform);
    (targets(&parse, &graph), outline)
}

fn shown(text: &str, args: &[(&str, &str)]) -> String {
    let (targets, outline) = outline_of(text, args);
    let mut lines = Vec::new();
    for target in &targets {
        let name = target.name.as_deref().unwrap_or("-");
        let platform = target
            .platform
            .as_ref()
            .map_or_else(String::new, |platform| format!("{platform} "));
        let default = if target.is_default { " (default)" } else { "" };
        lines.push(format!(
            "target {} {name} = {platform}{}{default}{}",
            place(&target.lines),
            target.base,
            after_colon(target.description.as_deref())
        ));
    }
    if let Some(name) = &outline.name {
        let description = after_colon(outline.description.as_deref());
        lines.push(format!("outline of {name}{description}"));
    }
    for arg in &outline.args {
        let description = after_colon(arg.description.as_deref());
        let place = place(&arg.lines);
        lines.push(format!(
            "arg {place} {}={}{description}",
            arg.name, arg.value
        ));
    }
    for (label, mounts) in [("secret", &outline.secrets), ("ssh", &outline.ssh)] {
        for mount in mounts {
            let required = if mount.is_required { " required" } else { "" };
            lines.push(format!(
                "{label} {} {}{required}",
                place(&mount.lines),
                mount.name
            ));
        }
    }
    lines.join("\n")
}

fn place(lines: &RangeInclusive<usize>) -> String {
    if lines.start() == lines.end() {
        format!("[{}]", lines.start())
    } else {
        format!("[{}-{}]", lines.start(), lines.end())
    }
}

fn after_colon(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!(": {text}"))
}

#[test]
fn outlines_are_those_of_buildkit() {
    for (name, text, expected) in cases::CASES {
        assert_eq!(&shown(text, &[]), expected, "{name}: {text}");
    }
    assert!(cases::CASES.len() > 60);
}

#[test]
fn what_is_given_wins_over_defaults_and_uses_nothing() {
    let text = "ARG A=1\nARG B=$A\nFROM a:$B\nARG C=2\nARG A\n";
    assert_eq!(
        shown(text, &[("B", "b"), ("C", "c"), ("A", "a")]),
        "target [3] - = a:$B (default)\narg [2] B=b\narg [4] C=c\narg [5] A=a"
    );
}

#[test]
fn stages_that_need_each_other_many_times_are_visited_once() {
    let more: Vec<String> = (1..2000)
        .map(|stage| (stage - 1, stage))
        .map(|(below, stage)| format!("FROM s{below} AS s{stage}\nCOPY --from=s{below} / /"))
        .collect();
    let text = format!("FROM scratch AS s0\nARG A=1\n{}\n", more.join("\n"));
    let (_, outline) = outline_of(&text, &[]);
    assert_eq!(outline.args.len(), 1);
}
