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
pub(crate) const FINDING: &str = "FROM scratch\nMAINTAINER Ada\n";
/// The same, fixed.
const FIXED: &str = "FROM scratch\nLABEL org.opencontainers.image.authors=\"Ada\"\n";
/// The rule.
pub(crate) const RULE: &str = "MaintainerDeprecated";

/// Checks `app` with these files, given as path and text.
#[track_caller]
pub(crate) fn check_app(files: &[(&str, &str)], options: &[&str], expected: Expect) {
    let scratch = Scratch::new(PROGRAM);
    for (path, text) in files {
        scratch.write(path, text);
    }
    expected.assert_eq(&run(&scratch, options).to_string());
}

/// Checks `app` with one rule selected.
pub(crate) fn run(scratch: &Scratch, options: &[&str]) -> Outcome {
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
    // A program that refuses its arguments does not read.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text)
        .unwrap_or_default();
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
            error: Dockerfile: target stage "biuld" could not be found
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
