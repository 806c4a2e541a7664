//! The calculator of the examples, from a machine with a compiler to one program.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::expect;
use jettison_testkit::{Outcome, Scratch};

use crate::shared::{example, installed, turn};

/// What `command` gives if `input` is what it reads.
#[track_caller]
fn answers(scratch: &Scratch, command: &mut Command, input: &str) -> Outcome {
    // A file, so that nobody has to write while it runs.
    scratch.write("input", input);
    let file = fs::File::open(scratch.dir().join("input")).unwrap();
    scratch.outcome(command.stdin(file))
}

#[test]
fn it_shrinks_to_its_program_and_that_is_proven() {
    let Some(mut turn) = turn() else { return };
    let calculator = turn.calculator();
    assert_eq!(calculator.outcome.code, 0, "{}", calculator.outcome);
    let report = &calculator.report;
    assert_eq!(report["verdict"], "proven");
    let after = &report["after"];
    assert!(
        after["unpacked_size"].as_u64().unwrap() <= 2_000_000,
        "{after}"
    );
    for what in ["packages", "shells", "package_managers", "setuid_files"] {
        assert_eq!(after[what], 0, "{what}");
        assert_ne!(report["before"][what], 0, "the original has {what}");
    }
    let probes = report["probes"].as_array().unwrap();
    let given = probes.iter().filter(|probe| probe["origin"] == "given");
    assert_eq!(given.count(), 5);
    assert!(
        probes.iter().any(|probe| probe["origin"] == "own"),
        "others are asked besides: {probes:?}"
    );
    assert!(
        probes.iter().all(|probe| probe["passed"] == true),
        "{probes:?}"
    );
}

#[test]
fn its_dockerfile_stays_and_the_new_one_lies_beside_it() {
    let Some(mut turn) = turn() else { return };
    let calculator = turn.calculator();
    let original = fs::read_to_string(calculator.dir.join("Dockerfile")).unwrap();
    let example = fs::read_to_string(example().join("Dockerfile")).unwrap();
    assert_eq!(original, example);
    let optimized = fs::read_to_string(calculator.dir.join("Dockerfile.optimized")).unwrap();
    expect![[r#"
        FROM ubuntu:latest AS build
        RUN apt-get update && apt-get install -y golang
        WORKDIR /app
        COPY calculator.go /app
        RUN --mount=type=cache,target=/root/.cache/go-build go build -o calculator

        # Symbols and debugging sections are for debuggers only.
        RUN strip -p --strip-all /app/calculator

        FROM scratch AS runtime
        ENV GO111MODULE=auto
        WORKDIR /app
        COPY --from=build /app/calculator /app/calculator
        CMD ["./calculator"]
    "#]]
    .assert_eq(&optimized);
    assert_eq!(calculator.report["dockerfile"], optimized);
}

#[test]
fn the_new_dockerfile_builds_the_image_that_was_proven() {
    let Some(mut turn) = turn() else { return };
    let calculator = turn.calculator();
    let path = calculator.dir.to_str().unwrap();
    let file = format!("{path}/Dockerfile.optimized");
    let built = turn
        .scratch()
        .jettison(&["build", "-q", path, "-f", &file])
        .succeeded();
    assert_eq!(
        calculator.report["after"]["image_id"],
        built.stdout.trim_end()
    );
}

#[test]
fn a_second_run_executes_no_step() {
    let Some(mut turn) = turn() else { return };
    let calculator = turn.calculator();
    let path = calculator.dir.to_str().unwrap();
    let outcome = turn.scratch().jettison(&["optimize", path]).succeeded();
    let steps: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    let cached = steps.iter().filter(|line| line.ends_with(" CACHED"));
    assert!(cached.count() >= 6, "{outcome}");
    assert!(
        !steps.iter().any(|line| line.contains(" DONE ")),
        "{outcome}"
    );
}

#[test]
fn images_lists_the_original_and_the_result() {
    let Some(mut turn) = turn() else { return };
    let calculator = turn.calculator();
    let list = turn
        .scratch()
        .jettison(&["images", "calculator", "--format", "json"])
        .succeeded();
    let mut images: Vec<(String, u64)> = list
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|image: serde_json::Value| {
            let tag = image["Tag"].as_str().unwrap().to_string();
            (tag, image["UnpackedBytes"].as_u64().unwrap())
        })
        .collect();
    images.sort();
    let size = |which: &str| calculator.report[which]["unpacked_size"].as_u64().unwrap();
    let expected = [("latest", size("before")), ("optimized", size("after"))];
    assert_eq!(images, expected.map(|(tag, size)| (tag.to_string(), size)));
}

#[test]
fn it_answers_through_a_pipe() {
    let Some(mut turn) = turn() else { return };
    turn.calculator();
    let scratch = turn.scratch();
    for image in ["calculator:latest", "calculator:optimized"] {
        let mut run = scratch
            .command(&["run", "-i", image])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = run.stdin.take().unwrap();
        stdin.write_all(b"2 + 2\n10 / 4\n").unwrap();
        drop(stdin);
        let output = run.wait_with_output().unwrap();
        let outcome = Outcome::new(&output, Vec::new());
        assert_eq!(
            outcome.to_string(),
            "exit: 0\n--- stdout ---\n4\n2.5\n",
            "{image}"
        );
    }
}

#[test]
fn its_exit_status_and_errors_pass_through() {
    let Some(mut turn) = turn() else { return };
    turn.calculator();
    let scratch = turn.scratch();
    let run = |image: &str| {
        scratch
            .jettison(&["run", image, "./calculator", "1 / 0"])
            .to_string()
    };
    let original = run("calculator");
    assert!(
        original.starts_with("exit: 1\n--- stderr ---\ncalculator: "),
        "{original}"
    );
    assert_eq!(run("calculator:optimized"), original);
}

#[test]
fn it_answers_on_a_terminal() {
    if !installed(&["script"]) {
        return;
    }
    let Some(mut turn) = turn() else { return };
    turn.calculator();
    let scratch = turn.scratch();
    let program = format!("{} run -it calculator:optimized", crate::PROGRAM);
    let mut script = scratch.tool(
        "script",
        &["--quiet", "--return", "--command", &program, "typescript"],
    );
    let outcome = answers(&scratch, &mut script, "6 * 7\n").succeeded();
    let lines: Vec<&str> = outcome
        .stdout
        .lines()
        .map(|line| line.trim_matches(['\r', '^', 'D', '\u{8}']))
        .collect();
    // A terminal echoes what is typed.
    assert!(
        lines.contains(&"6 * 7") && lines.contains(&"42"),
        "{outcome}"
    );
}

#[test]
fn what_is_typed_reaches_a_shell_that_knows_its_terminal() {
    if !installed(&["script"]) {
        return;
    }
    let Some(mut turn) = turn() else { return };
    turn.calculator();
    let scratch = turn.scratch();
    let program = format!(
        "{} run -it calculator:latest sh -c 'test -t 0 && test -t 1 && stty size && read line && echo got $line'",
        crate::PROGRAM
    );
    let mut script = scratch.tool(
        "script",
        &["--quiet", "--return", "--command", &program, "typescript"],
    );
    let outcome = answers(&scratch, &mut script, "a word\n").succeeded();
    assert!(outcome.stdout.contains("got a word"), "{outcome}");
}
