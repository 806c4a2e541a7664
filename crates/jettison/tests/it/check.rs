//! `jettison check` and `jettison explain`, whole. Which rules there are does not matter here: tests select one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use expect_test::{Expect, expect};
use jettison_testkit::{Outcome, Scratch};
use serde_json::Value;

use crate::PROGRAM;

/// Something for one rule, which can be fixed.
const FINDING: &str = "FROM scratch\nMAINTAINER Ada\n";
/// The same, fixed.
const FIXED: &str = "FROM scratch\nLABEL org.opencontainers.image.authors=\"Ada\"\n";
/// The rule.
const RULE: &str = "MaintainerDeprecated";

/// Checks `app` with these files, given as path and text.
#[track_caller]
fn check_app(files: &[(&str, &str)], options: &[&str], expected: Expect) {
    let scratch = Scratch::new(PROGRAM);
    for (path, text) in files {
        scratch.write(path, text);
    }
    expected.assert_eq(&run(&scratch, options).to_string());
}

/// Checks `app` with one rule selected.
fn run(scratch: &Scratch, options: &[&str]) -> Outcome {
    let arguments = [&["check", "--select", RULE], options].concat();
    scratch.jettison(&arguments)
}

/// What the program gives for a text on its standard input.
fn piped(scratch: &Scratch, arguments: &[&str], text: &[u8]) -> Outcome {
    let mut child = scratch
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    Outcome::new(&child.wait_with_output().unwrap(), Vec::new())
}

#[test]
fn nothing_found_is_success() {
    check_app(
        &[("app/Dockerfile", "FROM scratch\n")],
        &["app"],
        expect![[r#"
            exit: 0
            --- stdout ---
            nothing found in 1 file
        "#]],
    );
}

#[test]
fn a_finding_is_drawn_with_its_fix() {
    check_app(
        &[("app/Dockerfile", FINDING)],
        &["app"],
        expect![[r#"
        exit: 1
        --- stdout ---
        warning[MaintainerDeprecated]: Maintainer instruction is deprecated in favor of using label
         --> app/Dockerfile:2:1
          |
        2 | MAINTAINER Ada
          | ^^^^^^^^^^^^^^
          |
        help: a label says who made the image and is what tools look for (`--fix` does this)
          |
        2 - MAINTAINER Ada
        2 + LABEL org.opencontainers.image.authors="Ada"
          |

        1 warning in 1 file; `--fix` mends 1
    "#]],
    );
}

#[test]
fn several_errors_are_drawn_in_one_run() {
    check_app(
        &[(
            "app/Dockerfile",
            "FORM scratch\nCOPPY a /\nFROM scratch\nRUN --mout=x true\nUSER\n",
        )],
        &["app"],
        expect![[r#"
            exit: 1
            --- stdout ---
            error: unknown instruction: FORM
             --> app/Dockerfile:1:1
              |
            1 | FORM scratch
              | ^^^^
              |
              = help: did you mean `FROM`?

            error: unknown instruction: COPPY
             --> app/Dockerfile:2:1
              |
            2 | COPPY a /
              | ^^^^^
              |
              = help: did you mean `COPY`?

            error: unknown flag: --mout
             --> app/Dockerfile:4:5
              |
            4 | RUN --mout=x true
              |     ^^^^^^^^
              |
              = help: did you mean `mount`?

            error: USER requires exactly one argument
             --> app/Dockerfile:5:1
              |
            5 | USER
              | ^^^^

            4 errors in 1 file
        "#]],
    );
}

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
fn fixes_are_written_and_the_rest_is_shown() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", format!("{FINDING}COPPY a /\n"));
    // What has errors is not touched: nothing can be proved about it.
    run(&scratch, &["app", "--fix"]);
    assert_eq!(
        scratch.read("app/Dockerfile"),
        format!("{FINDING}COPPY a /\n")
    );
    scratch.write("app/Dockerfile", FINDING);
    expect![[r#"
        exit: 0
        --- stdout ---
        app/Dockerfile: fixed 1 finding
          1 MaintainerDeprecated

        nothing found in 1 file
    "#]]
    .assert_eq(&run(&scratch, &["app", "--fix"]).to_string());
    assert_eq!(scratch.read("app/Dockerfile"), FIXED);
    let names: Vec<_> = fs::read_dir(scratch.dir().join("app")).unwrap().collect();
    assert_eq!(names.len(), 1);
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
fn a_diff_writes_nothing() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", FINDING);
    expect![[r#"
        exit: 1
        --- stdout ---
        --- app/Dockerfile
        +++ app/Dockerfile
        @@ -1,2 +1,2 @@
         FROM scratch
        -MAINTAINER Ada
        +LABEL org.opencontainers.image.authors="Ada"
        --- stderr ---
        warning[MaintainerDeprecated]: Maintainer instruction is deprecated in favor of using label
         --> app/Dockerfile:2:1
          |
        2 | MAINTAINER Ada
          | ^^^^^^^^^^^^^^
          |
        help: a label says who made the image and is what tools look for (`--fix` does this)
          |
        2 - MAINTAINER Ada
        2 + LABEL org.opencontainers.image.authors="Ada"
          |

        1 warning in 1 file; `--fix` mends 1
    "#]]
    .assert_eq(&run(&scratch, &["app", "--fix", "--diff"]).to_string());
    assert_eq!(scratch.read("app/Dockerfile"), FINDING);
}

#[test]
fn a_fixed_file_keeps_its_mode_its_link_and_its_line_endings() {
    let scratch = Scratch::new(PROGRAM);
    let crlf = |text: &str| text.replace('\n', "\r\n");
    scratch.write("real/file", crlf(FINDING));
    let real = scratch.dir().join("real/file");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
    fs::create_dir(scratch.dir().join("app")).unwrap();
    symlink("../real/file", scratch.dir().join("app/Dockerfile")).unwrap();
    run(&scratch, &["app", "--fix"]).succeeded();
    assert_eq!(scratch.read("real/file"), crlf(FIXED));
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o604
    );
    assert!(
        scratch
            .dir()
            .join("app/Dockerfile")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn comments_skip_rules() {
    let skips = [
        format!("# check=skip={RULE}\n{FINDING}"),
        format!("FROM scratch\n# check=skip={RULE}\nMAINTAINER Ada\n"),
        "FROM scratch\n# hadolint ignore=DL4000\nMAINTAINER Ada\n".to_string(),
    ];
    for text in skips {
        let scratch = Scratch::new(PROGRAM);
        scratch.write("Dockerfile", &text);
        assert_eq!(run(&scratch, &[]).code, 0, "{text}");
    }
}

#[test]
fn rules_are_selected_and_ignored() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("Dockerfile", FINDING);
    let code = |options: &[&str]| scratch.jettison(&[&["check"], options].concat()).code;
    assert_eq!(code(&["--select", "DL4000"]), 1);
    assert_eq!(code(&["--select", "style,security"]), 1);
    assert_eq!(code(&["--select", "buildkit", "--ignore", "dl4000"]), 0);
    assert_eq!(code(&["--ignore", "all"]), 0);
    scratch.write("jettison.toml", "[check]\nignore = [\"all\"]\n");
    assert_eq!(code(&[]), 0);
    // What the command line asks for is done.
    assert_eq!(code(&["--select", RULE]), 1);
    scratch.write("jettison.toml", format!("[check]\nselect = [\"{RULE}\"]\n"));
    assert_eq!(code(&[]), 1);
}

#[test]
fn a_rule_that_does_not_exist_is_answered_with_the_nearest_one() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("Dockerfile", FINDING);
    scratch.check(
        &["check", "--select", "MaintainerDepricated"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: there is no rule called `MaintainerDepricated`
            hint: did you mean `MaintainerDeprecated`?
            hint: `jettison check --list-rules` lists rules and categories; `buildkit` and `all` are groups
        "#]],
    );
    scratch.check(
        &["explain", "dl400"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no rule called `dl400`
        hint: did you mean `DL4000`?
        hint: `jettison explain` without a name lists the rules
    "#]],
    );
    scratch.write("jettison.toml", "[check]\nselect = [\"stile\"]\n");
    scratch.check(&["check"], expect![[r#"
        exit: 2
        --- stderr ---
        error: ./jettison.toml: there is no rule called `stile`
        hint: did you mean `style`?
        hint: `jettison check --list-rules` lists rules and categories; `buildkit` and `all` are groups
    "#]]);
}

#[test]
fn standard_input_is_checked_and_fixed() {
    let scratch = Scratch::new(PROGRAM);
    let arguments = ["check", "--select", RULE, "-"];
    expect![[r#"
        exit: 1
        --- stdout ---
        warning[MaintainerDeprecated]: Maintainer instruction is deprecated in favor of using label
         --> -:2:1
          |
        2 | MAINTAINER Ada
          | ^^^^^^^^^^^^^^
          |
        help: a label says who made the image and is what tools look for (`--fix` does this)
          |
        2 - MAINTAINER Ada
        2 + LABEL org.opencontainers.image.authors="Ada"
          |

        1 warning in 1 file; `--fix` mends 1
    "#]]
    .assert_eq(&piped(&scratch, &arguments, FINDING.as_bytes()).to_string());
    let arguments = ["check", "--select", RULE, "--fix", "-"];
    expect![[r#"
        exit: 0
        --- stdout ---
        FROM scratch
        LABEL org.opencontainers.image.authors="Ada"
        --- stderr ---
        -: fixed 1 finding
          1 MaintainerDeprecated

        nothing found in 1 file
    "#]]
    .assert_eq(&piped(&scratch, &arguments, FINDING.as_bytes()).to_string());
    let arguments = ["check", "--fix", "--format", "json", "-"];
    expect![[r#"
        exit: 2
        --- stderr ---
        error: a fixed Dockerfile and a report cannot both go to standard output
        hint: leave --format out
    "#]]
    .assert_eq(&piped(&scratch, &arguments, FINDING.as_bytes()).to_string());
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

#[test]
fn what_cannot_be_read_is_the_users_mistake_and_does_not_hide_the_rest() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("good/Dockerfile", FINDING);
    scratch.write("binary/Dockerfile", [0x7f, b'E', b'L', b'F', 0, 0xff]);
    fs::create_dir_all(scratch.dir().join("dir/Dockerfile")).unwrap();
    let paths = ["missing", "binary", "dir", "/dev/null", "good"];
    expect![[r#"
        exit: 2
        --- stdout ---
        warning[MaintainerDeprecated]: Maintainer instruction is deprecated in favor of using label
         --> good/Dockerfile:2:1
          |
        2 | MAINTAINER Ada
          | ^^^^^^^^^^^^^^
          |
        help: a label says who made the image and is what tools look for (`--fix` does this)
          |
        2 - MAINTAINER Ada
        2 + LABEL org.opencontainers.image.authors="Ada"
          |

        1 warning in 1 file; `--fix` mends 1
        --- stderr ---
        error: cannot read missing
          cause: No such file or directory (os error 2)
        error: binary/Dockerfile:1: this is not UTF-8 text
        hint: save the file as UTF-8
        error: cannot read dir/Dockerfile
        hint: it is not a regular file
        error: cannot read /dev/null
        hint: it is not a regular file
    "#]]
    .assert_eq(&run(&scratch, &paths).to_string());
}

#[test]
fn a_dockerfile_is_found_by_either_name_and_given_by_file() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/dockerfile", FINDING);
    scratch.write("app/other", "FROM scratch\n");
    assert_eq!(run(&scratch, &["app"]).code, 1);
    assert_eq!(run(&scratch, &["app/other"]).code, 0);
    assert_eq!(run(&scratch, &["-f", "app/other", "app"]).code, 0);
    assert_eq!(run(&scratch, &["-f", "app/other", "app", "app"]).code, 2);
}

#[test]
fn a_broken_ignore_file_is_shown_with_its_line() {
    let files = [
        ("app/Dockerfile", "FROM scratch\n"),
        ("app/.dockerignore", "a\n!\n"),
    ];
    check_app(
        &files,
        &["app"],
        expect![[r#"
        exit: 1
        --- stdout ---
        error: illegal exclusion pattern: "!" on line 2
         --> app/.dockerignore:2:1
          |
        2 | !
          | ^

        1 error in 2 files
    "#]],
    );
    let own = [
        ("app/Dockerfile", "FROM scratch\n"),
        ("app/Dockerfile.dockerignore", "# fine\n"),
        ("app/.dockerignore", "a\n!\n"),
    ];
    check_app(
        &own,
        &["app"],
        expect![[r#"
        exit: 0
        --- stdout ---
        nothing found in 1 file
    "#]],
    );
}

#[test]
fn an_unknown_target_is_refused() {
    check_app(
        &[("Dockerfile", "FROM scratch AS build\n")],
        &["--target", "biuld"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: ./Dockerfile: target stage "biuld" could not be found
            hint: did you mean `build`?
        "#]],
    );
}

#[test]
fn no_store_is_made() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("Dockerfile", "FROM debian:13\nENV A=$B\n");
    scratch.jettison(&["check"]);
    assert!(!scratch.root().exists());
}

#[test]
fn rules_are_listed_and_explained() {
    let scratch = Scratch::new(PROGRAM);
    let table = scratch
        .jettison(&["check", "--list-rules", "--select", RULE])
        .succeeded();
    expect![[r#"
        exit: 0
        --- stdout ---
        RULE                   SEVERITY   CATEGORIES   FIX    SUMMARY
        MaintainerDeprecated   warning    style        safe   The MAINTAINER instruction is deprecated, use a label instead to define an image author
    "#]].assert_eq(&table.to_string());
    let list = scratch
        .jettison(&["check", "--list-rules", "--format", "json"])
        .succeeded();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let rules = list["rules"].as_array().unwrap();
    for rule in rules {
        for key in ["name", "severity", "fix", "summary"] {
            assert!(!rule[key].as_str().unwrap().is_empty(), "{key}");
        }
        let name = rule["name"].as_str().unwrap();
        let page = scratch
            .jettison(&["explain", &name.to_uppercase()])
            .succeeded()
            .stdout;
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
    }
    let all = scratch.jettison(&["explain"]).succeeded().stdout;
    assert_eq!(all.lines().count(), rules.len() + 1);
}
