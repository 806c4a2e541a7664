//! Test data of BuildKit and of moby/patternmatcher, kept beside the workspace.

#![allow(
    clippy::disallowed_methods,
    reason = "the data are files; the crate itself reads none"
)]
#![allow(clippy::print_stderr, reason = "a test that is skipped has to say so")]

use std::fs;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{ExpandError, IgnoreFile, expand, expand_words, parse};

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
