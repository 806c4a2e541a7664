//! `jettison build --call`. What BuildKit and buildx print was recorded from them.

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;

const DOCKERFILE: &str = "\
# VERSION of the base image
ARG VERSION=13
# build compiles the program
FROM debian:${VERSION} AS build
ARG FLAGS
RUN --mount=type=secret,id=token,required --mount=type=ssh \\
  make \"$FLAGS\"

# app is the program
FROM scratch AS app
MAINTAINER Ada
COPY --from=build /app /app
";

/// Calls on a Dockerfile.
#[track_caller]
fn check_call(text: &str, options: &[&str], expected: Expect) {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", text);
    scratch.check(&[&["build", "app"], options].concat(), expected);
    assert!(!scratch.root().exists(), "a call makes no store");
}

#[test]
fn targets_are_listed() {
    check_call(
        DOCKERFILE,
        &["--call", "targets"],
        expect![[r#"
        exit: 0
        --- stdout ---
        TARGET        DESCRIPTION
        build         compiles the program
        app (default) is the program
    "#]],
    );
    check_call(
        "FROM scratch\n",
        &["--call", "targets"],
        expect![[r#"
        exit: 0
        --- stdout ---
        TARGET    DESCRIPTION
        (default) 
    "#]],
    );
}

#[test]
fn targets_as_json_have_buildkits_keys() {
    check_call(
        "# a is one\nFROM --platform=linux/amd64 x AS a\nFROM \\\n  a\n",
        &["--call", "targets,format=json"],
        expect![[r#"
            exit: 0
            --- stdout ---
            {
              "targets": [
                {
                  "name": "a",
                  "description": "is one",
                  "base": "x",
                  "platform": "linux/amd64",
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": 2
                        },
                        "end": {
                          "line": 2
                        }
                      }
                    ]
                  }
                },
                {
                  "default": true,
                  "base": "a",
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": 3
                        },
                        "end": {
                          "line": 3
                        }
                      },
                      {
                        "start": {
                          "line": 4
                        },
                        "end": {
                          "line": 4
                        }
                      }
                    ]
                  }
                }
              ],
              "sources": [
                "IyBhIGlzIG9uZQpGUk9NIC0tcGxhdGZvcm09bGludXgvYW1kNjQgeCBBUyBhCkZST00gXAogIGEK"
              ]
            }
        "#]],
    );
}

#[test]
fn an_outline_lists_what_a_target_takes() {
    check_call(
        DOCKERFILE,
        &["--call", "outline"],
        expect![[r#"
        exit: 0
        --- stdout ---
        TARGET:      app
        DESCRIPTION: is the program

        BUILD ARG   VALUE   DESCRIPTION
        VERSION     13      of the base image
        FLAGS               

        SECRET   REQUIRED
        token    true

        SSH       REQUIRED
        default   

    "#]],
    );
    check_call(
        DOCKERFILE,
        &[
            "--call",
            "outline",
            "--target",
            "build",
            "--build-arg",
            "VERSION=12",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            TARGET:      build
            DESCRIPTION: compiles the program

            BUILD ARG   VALUE   DESCRIPTION
            VERSION     12      of the base image
            FLAGS               

            SECRET   REQUIRED
            token    true

            SSH       REQUIRED
            default   

        "#]],
    );
    check_call(
        "FROM scratch\n",
        &["--call", "outline"],
        expect![[r#"
        exit: 0
    "#]],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "places take many lines of JSON")]
fn an_outline_as_json_has_buildkits_keys() {
    check_call(
        "# A of it\nARG A=1\nFROM a:$A\nRUN --mount=type=secret,id=s,required --mount=type=ssh \\\n  x\n",
        &["--call", "outline,format=json"],
        expect![[r#"
            exit: 0
            --- stdout ---
            {
              "args": [
                {
                  "name": "A",
                  "description": "of it",
                  "value": "1",
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": 2
                        },
                        "end": {
                          "line": 2
                        }
                      }
                    ]
                  }
                }
              ],
              "secrets": [
                {
                  "name": "s",
                  "required": true,
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": 4
                        },
                        "end": {
                          "line": 4
                        }
                      },
                      {
                        "start": {
                          "line": 5
                        },
                        "end": {
                          "line": 5
                        }
                      }
                    ]
                  }
                }
              ],
              "ssh": [
                {
                  "name": "default",
                  "location": {
                    "ranges": [
                      {
                        "start": {
                          "line": 4
                        },
                        "end": {
                          "line": 4
                        }
                      },
                      {
                        "start": {
                          "line": 5
                        },
                        "end": {
                          "line": 5
                        }
                      }
                    ]
                  }
                }
              ],
              "sources": [
                "IyBBIG9mIGl0CkFSRyBBPTEKRlJPTSBhOiRBClJVTiAtLW1vdW50PXR5cGU9c2VjcmV0LGlkPXMscmVxdWlyZWQgLS1tb3VudD10eXBlPXNzaCBcCiAgeAo="
              ]
            }
        "#]],
    );
}

#[test]
fn checks_are_printed_as_buildkit_prints_them() {
    check_call(
        "FROM scratch\nCOPY a /\n",
        &["--check"],
        expect![[r#"
        exit: 0
        --- stdout ---
        Check complete, no warnings found.
    "#]],
    );
    check_call(
        DOCKERFILE,
        &["--call", "check"],
        expect![[r#"
        exit: 1
        --- stdout ---
        Check complete, 1 warning has been found!

        WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
        Maintainer instruction is deprecated in favor of using label
        app/Dockerfile:11
        --------------------
           9 |     # app is the program
          10 |     FROM scratch AS app
          11 | >>> MAINTAINER Ada
          12 |     COPY --from=build /app /app
          13 |     
        --------------------
    "#]],
    );
}

#[test]
fn checks_as_json_have_buildkits_keys() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", DOCKERFILE);
    let outcome = scratch.jettison(&["build", "app", "--call", "check,format=json"]);
    assert_eq!(outcome.code, 1);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let warnings = report["warnings"].as_array().unwrap();
    let warning = warnings
        .iter()
        .find(|warning| warning["ruleName"] == "MaintainerDeprecated")
        .unwrap();
    for key in ["description", "url", "detail"] {
        assert!(warning[key].is_string(), "{key}");
    }
    assert_eq!(warning["location"]["ranges"][0]["start"]["line"], 11);
    assert_eq!(report["sources"][0]["filename"], "Dockerfile");
    assert_eq!(report["sources"][0]["language"], "Dockerfile");
}

#[test]
fn a_check_without_a_target_looks_at_all_stages() {
    let text = "FROM scratch AS one\nSTOPSIGNAL foo\nFROM scratch AS two\nCOPY a /\n";
    check_call(
        text,
        &["--check"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: invalid signal: foo
         --> app/Dockerfile:2:12
          |
        2 | STOPSIGNAL foo
          |            ^^^
    "#]],
    );
    check_call(
        text,
        &["--check", "--target", "two"],
        expect![[r#"
        exit: 0
        --- stdout ---
        Check complete, no warnings found.
    "#]],
    );
    check_call(
        text,
        &["--call", "outline"],
        expect![[r#"
        exit: 0
        --- stdout ---
        TARGET: two

    "#]],
    );
    check_call(
        text,
        &["--call", "outline", "--target", "one"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid signal: foo
             --> app/Dockerfile:2:12
              |
            2 | STOPSIGNAL foo
              |            ^^^
        "#]],
    );
}

#[test]
fn the_build_error_of_a_check_is_what_buildkit_finds_first() {
    let scratch = Scratch::new(PROGRAM);
    let text = "FROM scratch\nSTOPSIGNAL foo\nFROM Base\n";
    scratch.write("app/Dockerfile", text);
    let outcome = scratch.jettison(&["build", "app", "--call", "check,format=json"]);
    assert_eq!(outcome.code, 1);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let error = &report["buildError"];
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("failed to parse stage name \"Base\""));
    assert_eq!(error["location"]["ranges"][0]["start"]["line"], 3);
}

#[test]
fn a_dockerfile_that_cannot_be_built_is_answered_with_the_error() {
    let text = "FROM scratch\nCOPPY a /\n";
    check_call(
        text,
        &["--check"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: unknown instruction: COPPY
         --> app/Dockerfile:2:1
          |
        2 | COPPY a /
          | ^^^^^
          |
          = help: did you mean `COPY`?
    "#]],
    );
    check_call(
        text,
        &["--call", "outline"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: unknown instruction: COPPY
         --> app/Dockerfile:2:1
          |
        2 | COPPY a /
          | ^^^^^
          |
          = help: did you mean `COPY`?
    "#]],
    );
}

#[test]
fn a_call_that_does_not_exist_is_refused() {
    check_call(
        "FROM scratch\n",
        &["--call", "chek"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid value 'chek' for '--call <METHOD>': take build, check, outline, targets or subrequests.describe

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn errors_come_before_findings() {
    let scratch = Scratch::new(PROGRAM);
    let text = "# check=error=true\nFROM scratch\nMAINTAINER Ada\nCOPPY a /\n";
    scratch.write("app/Dockerfile", text);
    let outcome = scratch.jettison(&["build", "app"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .starts_with("error: unknown instruction: COPPY\n"),
        "{outcome}"
    );
}

#[test]
fn findings_fail_a_build_that_asks_for_it() {
    let scratch = Scratch::new(PROGRAM);
    scratch.write(
        "app/Dockerfile",
        "# check=error=true\nFROM scratch\nMAINTAINER Ada\n",
    );
    scratch.check(
        &["build", "app"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: app/Dockerfile: lint violation found for rules: MaintainerDeprecated
        hint: `jettison check` shows what is found; `# check=error=true` makes it fail the build
    "#]],
    );
}

#[test]
fn the_methods_are_listed() {
    check_call(
        "FROM scratch\n",
        &["--call", "subrequests.describe"],
        expect![[r#"
            exit: 0
            --- stdout ---
            NAME                 VERSION DESCRIPTION
            outline              1.0.0   List all parameters current build target supports
            targets              1.0.0   List all targets current build supports
            subrequests.describe 1.0.0   List available subrequest types
        "#]],
    );
}

#[test]
fn the_methods_as_json_have_buildkits_keys() {
    check_call(
        "FROM scratch\n",
        &["--call", "subrequests.describe,format=json"],
        expect![[r#"
            exit: 0
            --- stdout ---
            [
              {
                "name": "frontend.outline",
                "version": "1.0.0",
                "type": "rpc",
                "description": "List all parameters current build target supports",
                "opts": [
                  {
                    "name": "target",
                    "description": "Target build stage"
                  }
                ],
                "inputs": null,
                "metadata": [
                  {
                    "name": "result.json",
                    "description": ""
                  },
                  {
                    "name": "result.txt",
                    "description": ""
                  }
                ],
                "refs": null
              },
              {
                "name": "frontend.targets",
                "version": "1.0.0",
                "type": "rpc",
                "description": "List all targets current build supports",
                "opts": [],
                "inputs": null,
                "metadata": [
                  {
                    "name": "result.json",
                    "description": ""
                  },
                  {
                    "name": "result.txt",
                    "description": ""
                  }
                ],
                "refs": null
              },
              {
                "name": "frontend.subrequests.describe",
                "version": "1.0.0",
                "type": "rpc",
                "description": "List available subrequest types",
                "opts": null,
                "inputs": null,
                "metadata": [
                  {
                    "name": "result.json",
                    "description": ""
                  },
                  {
                    "name": "result.txt",
                    "description": ""
                  }
                ],
                "refs": null
              }
            ]
        "#]],
    );
}
