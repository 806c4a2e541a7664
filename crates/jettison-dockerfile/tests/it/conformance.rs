//! Test data of BuildKit and of moby/patternmatcher, kept beside the workspace.

#![allow(
    clippy::disallowed_methods,
    reason = "the data are files; the crate itself reads none"
)]
#![allow(clippy::print_stderr, reason = "a test that is skipped has to say so")]

use std::fs;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    Diagnostic, ExpandError, Heredoc, IgnoreFile, Instruction, Parse, Severity, StageGraph, expand,
    expand_words, line_column, parse, stages,
};
use serde_json::{Value, json};

/// The folder with the data, or `None`, loudly.
pub(crate) fn data() -> Option<PathBuf> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = crate_dir.join("../../../shared/conformance/dockerfile");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!("skipped: {} is not there", data.display());
    None
}

/// The Dockerfiles in the folders below `dir`, with their folders.
pub(crate) fn dockerfiles(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found: Vec<(PathBuf, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|folder| {
            (
                folder.clone(),
                fs::read_to_string(folder.join("Dockerfile")).unwrap(),
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn parse_trees_are_those_of_buildkit() {
    let Some(data) = data() else { return };
    let cases = dockerfiles(&data.join("parser"));
    assert_eq!(cases.len(), 33);
    for (folder, text) in cases {
        let expected = fs::read_to_string(folder.join("result")).unwrap();
        assert_eq!(
            parse(&text).dump().trim(),
            expected.trim(),
            "{}",
            folder.display()
        );
    }
}

#[test]
fn what_buildkit_refuses_has_an_error() {
    let Some(data) = data() else { return };
    let cases = dockerfiles(&data.join("parser-negative"));
    assert_eq!(cases.len(), 4);
    for (folder, text) in cases {
        assert!(parse(&text).has_errors(), "{}", folder.display());
    }
}

#[test]
fn instructions_know_their_lines() {
    let Some(data) = data() else { return };
    let text = fs::read_to_string(data.join("parser-line/Dockerfile")).unwrap();
    let parse = parse(&text);
    let lines: Vec<_> = parse
        .instructions()
        .iter()
        .map(|i| (i.line, i.last_line))
        .collect();
    assert_eq!(lines, [(5, 5), (11, 12), (17, 31)]);
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "PWD" => "/home",
        "SHELL" => "bash",
        "KOREAN" => "한국어",
        "NULL" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn words_expand_as_in_buildkit() {
    let Some(data) = data() else { return };
    let text = fs::read_to_string(data.join("envVarTest")).unwrap();
    let mut count = 0;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let [platform, word, expected] = line.splitn(3, '|').collect::<Vec<_>>()[..] else {
            panic!("odd line {line}")
        };
        if platform == "W" {
            continue;
        }
        let (word, expected) = (word.trim(), expected.trim());
        let result: Result<String, ExpandError> = expand(word, '\\', &environment);
        match (expected, result) {
            ("error", result) => assert!(result.is_err(), "{word} gave {result:?}"),
            (expected, result) => assert_eq!(result.as_deref(), Ok(expected), "{word}"),
        }
        count += 1;
    }
    assert!(count > 150, "only {count} cases");
}

#[test]
fn words_are_split_as_in_buildkit() {
    let Some(data) = data() else { return };
    let text = fs::read_to_string(data.join("wordsTest")).unwrap();
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut count = 0;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(assignment) = line.strip_prefix("ENV ") {
            let (name, value) = assignment.split_once('=').unwrap();
            variables.push((name.trim_start().to_owned(), value.to_owned()));
            continue;
        }
        let (word, expected) = line.split_once('|').unwrap();
        let lookup = |name: &str| {
            variables
                .iter()
                .rfind(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        };
        let result = expand_words(word.trim(), '\\', &lookup);
        match expected.strip_prefix(' ').unwrap_or(expected) {
            "error" => assert!(result.is_err(), "{word} gave {result:?}"),
            expected => {
                let expected = expected.trim_start();
                assert_eq!(
                    result.map(|words| words.join(",")).as_deref(),
                    Ok(expected),
                    "{word}"
                );
            }
        }
        count += 1;
    }
    assert!(count > 15, "only {count} cases");
}

#[test]
fn ignore_patterns_match_as_in_patternmatcher() {
    let Some(data) = data() else { return };
    let text = fs::read_to_string(data.join("patternmatcher.json")).unwrap();
    let tables: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text_of = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut count = 0;
    for case in tables["parents_count"].as_array().unwrap() {
        let patterns: Vec<String> = case["patterns"]
            .as_array()
            .unwrap()
            .iter()
            .map(text_of)
            .collect();
        let ignored = IgnoreFile::parse(&patterns.join("\n"))
            .unwrap()
            .is_ignored(&text_of(&case["path"]));
        assert_eq!(ignored, case["match"].as_bool().unwrap(), "{case}");
        count += 1;
    }
    for case in tables["single"].as_array().unwrap() {
        let result = IgnoreFile::parse(&text_of(&case["pattern"]));
        assert_eq!(
            result.is_err(),
            case["bad_pattern"].as_bool().unwrap(),
            "{case}"
        );
        let ignored = result.is_ok_and(|file| file.is_ignored(&text_of(&case["path"])));
        assert_eq!(ignored, case["match"].as_bool().unwrap(), "{case}");
        count += 1;
    }
    assert_eq!(count, 126);
}

/// The first error, be it in the instructions or in their order.
fn first_error(parse: &Parse, graph: &StageGraph) -> Option<String> {
    // Only a build asks for a stage.
    let is_asked =
        |diagnostic: &Diagnostic| diagnostic.message != "dockerfile contains no stages to build";
    let order = graph
        .diagnostics
        .iter()
        .filter(|diagnostic| is_asked(diagnostic));
    let all = parse.diagnostics().iter().chain(order);
    all.filter(|diagnostic| diagnostic.severity == Severity::Error)
        .min_by_key(|diagnostic| line_column(parse.text(), diagnostic.range.start).0)
        .map(|diagnostic| diagnostic.message.clone())
}

/// What the parser says about a text, in the form in which BuildKit's answers are recorded.
fn answer(text: &str) -> Value {
    let parse = parse(text);
    let graph = stages(&parse);
    let mut answer = json!({ "text": text });
    if let Some(error) = first_error(&parse, &graph) {
        answer["error"] = error.into();
    }
    let list = |of: &dyn Fn(&Instruction) -> Value| -> Value {
        parse.instructions().iter().map(of).collect()
    };
    answer["dump"] = parse.dump().trim_end().into();
    answer["lines"] = list(&|instruction| json!([instruction.line, instruction.last_line]));
    answer["original"] = list(&|instruction| instruction.logical_line.as_str().into());
    answer["comments"] = list(&|instruction| {
        let comments = instruction.comments.iter();
        comments.map(ToString::to_string).collect()
    });
    answer["heredocs"] = list(&|instruction| instruction.heredocs.iter().map(heredoc).collect());
    let names = graph.stages.iter();
    answer["names"] = names
        .map(|stage| stage.name.clone().unwrap_or_default())
        .collect();
    answer
}

fn heredoc(heredoc: &Heredoc) -> Value {
    let Heredoc {
        name,
        content,
        expand,
        strip_tabs,
        file_descriptor,
        body: _,
        end: _,
    } = heredoc;
    json!([name, file_descriptor, expand, strip_tabs, &**content])
}

/// Recorded from BuildKit's parser: texts on which we once disagreed, and their neighbours.
#[test]
fn odd_texts_are_read_as_in_buildkit() {
    let recorded = include_str!("../buildkit/parser.json");
    let cases: Vec<Value> = serde_json::from_str(recorded).unwrap();
    assert!(cases.len() > 200);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let answer = answer(text);
        assert_eq!(answer["error"], case["error"], "{text:?}");
        // If the parser refuses a text, nothing else is recorded.
        for (name, expected) in case.as_object().unwrap() {
            assert_eq!(answer[name], *expected, "the {name} of {text:?}");
        }
    }
}
