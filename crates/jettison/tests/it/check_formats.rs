//! The formats of `jettison check`, and that none of them lets a terminal be abused.

use expect_test::expect;
use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;
use crate::check::{FINDING, RULE, check_app, run};

#[test]
fn json_has_places_and_edits() {
    check_app(
        &[("app/Dockerfile", FINDING)],
        &["app", "--format", "json"],
        expect![[r#"
            exit: 1
            --- stdout ---
            {
              "schema": 1,
              "files": [
                {
                  "path": "app/Dockerfile",
                  "diagnostics": [],
                  "findings": [
                    {
                      "rule": "MaintainerDeprecated",
                      "severity": "warning",
                      "message": "Maintainer instruction is deprecated in favor of using label",
                      "hints": [],
                      "range": {
                        "start": {
                          "line": 2,
                          "column": 1,
                          "offset": 13
                        },
                        "end": {
                          "line": 2,
                          "column": 15,
                          "offset": 27
                        }
                      },
                      "url": "https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/",
                      "fix": {
                        "applicability": "safe",
                        "reason": "a label says who made the image and is what tools look for",
                        "edits": [
                          {
                            "range": {
                              "start": {
                                "line": 2,
                                "column": 1,
                                "offset": 13
                              },
                              "end": {
                                "line": 2,
                                "column": 15,
                                "offset": 27
                              }
                            },
                            "replacement": "LABEL org.opencontainers.image.authors=\"Ada\""
                          }
                        ]
                      }
                    }
                  ]
                }
              ],
              "summary": {
                "files": 1,
                "errors": 0,
                "warnings": 1,
                "fixable": 1,
                "fixed": 0
              }
            }
        "#]],
    );
}

#[test]
fn github_gets_one_command_for_each_finding() {
    check_app(
        &[(
            "a,b/Dockerfile",
            "FROM scratch\nMAINTAINER Ada\nCOPPY x /\n",
        )],
        &["a,b", "--format", "github"],
        expect![[r#"
            exit: 1
            --- stdout ---
            ::error file=a%2Cb/Dockerfile,line=3,endLine=3,col=1,title=Dockerfile::unknown instruction: COPPY%0Adid you mean `COPY`?
            ::warning file=a%2Cb/Dockerfile,line=2,endLine=2,col=1,title=MaintainerDeprecated::Maintainer instruction is deprecated in favor of using label
        "#]],
    );
}

#[test]
fn sarif_has_what_its_schema_requires() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("my app/Dockerfile", FINDING);
    scratch.write("other/Dockerfile", "FROM scratch\nRUNN x\n");
    let outcome = run(&scratch, &["my app", "other", "--format", "sarif"]);
    assert_eq!(outcome.code, 1);
    let log: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].is_string());
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "Jettison");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string());
        let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
        assert!(["none", "note", "warning", "error"].contains(&level));
        // A text in Markdown needs a plain one beside it.
        assert!(rule["help"].is_null() || rule["help"]["text"].is_string());
    }
    assert!(rules.iter().any(|rule| {
        rule["id"] == RULE && rule["help"]["markdown"].as_str().unwrap().starts_with("# ")
    }));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        let region = &place["region"];
        for key in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(region[key].as_u64().unwrap() >= 1, "{key}");
        }
    }
    let uris: Vec<&str> = results
        .iter()
        .map(|result| &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
        .map(|uri| uri.as_str().unwrap())
        .collect();
    assert_eq!(uris, ["my%20app/Dockerfile", "other/Dockerfile"]);
    let change = &results[0]["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "my%20app/Dockerfile");
    let replacement = &change["replacements"][0];
    assert_eq!(replacement["deletedRegion"]["startLine"], 2);
    assert!(replacement["insertedContent"]["text"].is_string());
}

#[test]
fn json_says_what_was_fixed() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("Dockerfile", FINDING);
    let outcome = run(&scratch, &["--fix", "--format", "json"]);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["files"][0]["fixed"][RULE], 1);
    assert_eq!(report["summary"]["fixed"], 1);
    assert_eq!(outcome.code, 0);
}

#[test]
fn a_hostile_text_does_not_reach_the_terminal() {
    let hostile = "FROM scratch\nMAINTAINER \u{1b}]0;title\u{7}\u{9b}31m\u{202e}x\u{7f}\r\n\u{1b}[2JCOPPY\u{8} a /\n";
    let scratch = Scratch::new(PROGRAM);
    scratch.write("\u{1b}[31mapp/Dockerfile", hostile);
    for format in ["text", "json", "sarif", "github"] {
        for color in ["always", "never"] {
            let path = "\u{1b}[31mapp";
            let mut command = scratch.command(&["check", path, "--format", format]);
            command.env(
                if color == "always" {
                    "CLICOLOR_FORCE"
                } else {
                    "NO_COLOR"
                },
                "1",
            );
            let outcome = scratch.outcome(&mut command);
            assert_eq!(outcome.code, 1, "{}", outcome.stderr);
            let text = outcome.stdout + &outcome.stderr;
            for forbidden in [
                "\u{7}",
                "\u{8}",
                "\u{9b}",
                "\u{202e}",
                "\u{7f}",
                "\r",
                "\u{1b}]",
                "\u{1b}[2J",
            ] {
                assert!(
                    !text.contains(forbidden),
                    "{format} has {forbidden:?}: {text}"
                );
            }
            let has_colors = format == "text" && color == "always";
            assert_eq!(
                text.contains('\u{1b}'),
                has_colors,
                "{format} {color}: {text:?}"
            );
            // The only colours are ours.
            assert!(has_colors || !text.contains("\u{1b}[31m"));
        }
    }
    scratch.write("app/Dockerfile", hostile);
    let outcome = scratch.jettison(&["build", "app"]);
    assert!(
        !outcome.stderr.contains(['\u{1b}', '\u{7}', '\r']),
        "{:?}",
        outcome.stderr
    );
}
