//! Our findings are BuildKit's: the same rules, words and instructions, for Dockerfiles whose answers were recorded.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    CheckInput, Finding, Given, IgnoreFile, Instruction, KnownImage, Parse, Rule, check,
    line_column, parse, platform_args, rules, stages,
};

/// What BuildKit finds; the first lines say how it was asked.
const RECORDED: &str = include_str!("../buildkit-checks.txt");

/// A Dockerfile, what is around it, and what BuildKit finds.
#[derive(Default)]
struct Record {
    name: String,
    args: BTreeMap<String, String>,
    ignore: String,
    dockerfile: String,
    findings: Vec<String>,
}

fn records() -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut section = "";
    for line in RECORDED.lines() {
        if let Some(name) = line.strip_prefix("==== ") {
            let args = platform_args("linux", "amd64");
            let name = name.to_owned();
            records.push(Record {
                name,
                args,
                ..Record::default()
            });
            section = "";
            continue;
        }
        let Some(record) = records.last_mut() else {
            continue;
        };
        if let Some(arg) = line.strip_prefix("---- arg ") {
            let (name, value) = arg.split_once('=').unwrap();
            record.args.insert(name.to_owned(), value.to_owned());
        } else if let Some(name) = line.strip_prefix("---- ") {
            section = name;
        } else {
            let text = format!("{}\n", line.replace('␍', "\r"));
            match section {
                "ignore" => record.ignore.push_str(&text),
                "dockerfile" => record.dockerfile.push_str(&text),
                "findings" => record.findings.push(line.to_owned()),
                other => panic!("{}: {other:?} is no section", record.name),
            }
        }
    }
    records
}

fn buildkit_rules() -> Vec<&'static Rule> {
    let mut rules = rules();
    rules.retain(|rule| rule.is_buildkit());
    rules
}

/// What we find, as it is recorded.
fn findings(record: &Record) -> Vec<String> {
    let parse = parse(&record.dockerfile);
    let graph = stages(&parse);
    // The base images are known to set nothing but the search path.
    let image = KnownImage {
        env: Vec::new(),
        working_dir: String::new(),
        user: None,
        shell: None,
        entrypoint: None,
        platform: None,
    };
    let given = Given {
        args: &record.args,
        images: &|_| Some(image.clone()),
    };
    let ignore = IgnoreFile::parse(&record.ignore).unwrap();
    let input = CheckInput::new(&parse, &graph, &given).with_ignore_file(Some(&ignore));
    let found = check(&input, &buildkit_rules()).findings;
    let mut lines: Vec<String> = found
        .iter()
        .map(|finding| {
            let line = reported_line(&parse, finding);
            format!("{}|{line}|{}", finding.rule.id, finding.message)
        })
        .collect();
    lines.sort();
    lines
}

/// The line at which BuildKit reports a finding: the first one of the instruction, or the last for an empty line.
fn reported_line(parse: &Parse, finding: &Finding) -> usize {
    let is_around = |instruction: &&Instruction| {
        instruction.range.start <= finding.range.start
            && finding.range.end <= instruction.range.end + 1
    };
    let instruction = parse.instructions().iter().find(is_around).unwrap();
    if finding.rule.id.0 != "NoEmptyContinuation" {
        return instruction.line;
    }
    match instruction.heredocs.first() {
        Some(heredoc) => line_column(parse.text(), heredoc.body.start).0 - 1,
        None => instruction.last_line,
    }
}

#[test]
fn findings_are_those_of_buildkit() {
    let records = records();
    assert!(records.len() > 200);
    let mut wrong = Vec::new();
    for record in &records {
        let found = findings(record);
        if found != record.findings {
            wrong.push(format!(
                "{}\n{}\nBuildKit finds {:#?}\nwe find {found:#?}",
                record.name, record.dockerfile, record.findings
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_have_the_names_and_words_of_buildkit() {
    let recorded: Vec<Vec<&str>> = RECORDED
        .lines()
        .filter_map(|line| line.strip_prefix("rule|"))
        .map(|line| line.splitn(3, '|').collect())
        .collect();
    let mut ours: Vec<Vec<&str>> = buildkit_rules()
        .iter()
        .map(|rule| vec![rule.id.0, rule.url, rule.summary])
        .collect();
    ours.sort();
    assert_eq!(ours, recorded);
    assert_eq!(recorded.len(), 22);
}

#[test]
fn every_rule_is_recorded_in_a_finding() {
    let records = records();
    for rule in buildkit_rules() {
        let start = format!("{}|", rule.id);
        let is_found = records
            .iter()
            .any(|record| record.findings.iter().any(|line| line.starts_with(&start)));
        // No base image of the records has a platform; the page of this rule has its examples.
        assert!(
            is_found || rule.id.0 == "InvalidBaseImagePlatform",
            "{}",
            rule.id
        );
    }
}
