//! Build stages of optimized Dockerfiles: what is made better about them, and proven.

use jettison_testkit::{Outcome, Scratch};

use crate::shared::{GO, SETTINGS, Turn, turn};

/// Optimizes a directory `app` with these files.
#[track_caller]
fn optimize(turn: &mut Turn, files: &[(&str, &str)], options: &[&str]) -> (Scratch, Outcome) {
    let scratch = turn.scratch();
    let probe = "[[probe]]\nname = \"it\"\nexpect-stdout = \"hello\\n\"\n";
    scratch.write("app/jettison.toml", format!("{SETTINGS}{probe}"));
    for (path, text) in files {
        scratch.write(path, text);
    }
    let command = ["optimize", "app", "-t", "stages", "--report", "report.json"];
    let outcome = scratch.jettison(&[&command[..], options].concat());
    (scratch, outcome)
}

/// Says that the rewritten Dockerfile has these texts, in this order.
#[track_caller]
fn check(scratch: &Scratch, texts: &[&str]) {
    let written = scratch.read("app/Dockerfile.optimized");
    let mut rest = written.as_str();
    for text in texts {
        let Some((_, after)) = rest.split_once(text) else {
            panic!("{text:?} is missing, or too early:\n{written}");
        };
        rest = after;
    }
}

const HELLO: &str = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n";

#[test]
fn packages_are_collected_before_the_sources_come() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!(
        "{GO}WORKDIR /app\nCOPY . .\nRUN go build -o hello hello.go\nRUN useradd --system app\nUSER app\nCMD [\"sh\", \"start.sh\"]\n"
    );
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/hello.go", HELLO),
        ("app/start.sh", "id -un >/dev/null\n./hello | cat\n"),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, &[]);
    assert_eq!(outcome.code, 0, "{outcome}");
    check(
        &scratch,
        &[
            " AS deps\n",
            "\nFROM deps AS build\nCOPY . .\n",
            "\nFROM deps AS rootfs\n",
            "\nFROM scratch AS runtime\n",
            "COPY --from=rootfs /rootfs /\n",
            "COPY --from=build /etc/group /etc/passwd /etc/\n",
        ],
    );
    // Another line of the program leaves the packages in the cache.
    scratch.write("app/hello.go", format!("{HELLO}// more\n"));
    let outcome = scratch.jettison(&[
        "build",
        "app",
        "-f",
        "app/Dockerfile.optimized",
        "--progress",
        "plain",
    ]);
    let collected = outcome.stderr.split("[rootfs").nth(1).unwrap_or_default();
    assert!(collected.contains("CACHED"), "{outcome}");
}

#[test]
fn sources_of_which_nothing_is_made_go_to_the_final_stage() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!("{GO}WORKDIR /app\nCOPY . .\nCMD [\"sh\", \"start.sh\"]\n");
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/start.sh", "cat hello.txt\n"),
        ("app/hello.txt", "hello\n"),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, &[]);
    assert_eq!(outcome.code, 0, "{outcome}");
    check(
        &scratch,
        &[
            " AS build\n",
            "FROM build AS rootfs\n",
            "FROM scratch AS runtime\n",
            "\nCOPY . .\n",
        ],
    );
}

#[test]
fn manifests_come_first_where_that_makes_the_same_files() {
    let Some(mut turn) = turn() else { return };
    let dockerfile =
        format!("{GO}WORKDIR /zyx\nCOPY . .\nRUN go build -o /hello .\nCMD [\"/hello\"]\n");
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/hello.go", HELLO),
        ("app/go.mod", "module hello\n\ngo 1.19\n"),
        ("app/.mypy_cache/zqjx9", "{}\n"),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, &[]);
    assert_eq!(outcome.code, 0, "{outcome}");
    check(
        &scratch,
        &[
            "COPY go.mod go.sum* ./\nRUN --mount=type=cache,target=",
            "\nCOPY . .\nRUN --mount=type=cache,target=",
        ],
    );
    let report = scratch.read("report.json");
    assert!(
        report.contains("no command reads `**/.mypy_cache`"),
        "{report}"
    );
}

#[test]
fn of_several_stages_the_last_one_gets_a_smaller_base() {
    let Some(mut turn) = turn() else { return };
    let builder = GO.replacen("FROM ubuntu:latest", "FROM ubuntu:latest AS build", 1);
    let dockerfile = format!(
        "{builder}COPY hello.go /src/hello.go\nRUN go build -o /src/hello /src/hello.go\n\n# What runs\nFROM ubuntu:latest AS web\nCOPY --from=build /src/hello /hello\nCMD /hello\n\nFROM web AS test\nRUN /hello\n"
    );
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/hello.go", HELLO),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, &["--target", "web"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    check(
        &scratch,
        &[
            "RUN go build -o /src/hello /src/hello.go\n\nFROM scratch AS web\n",
            "COPY --from=build /src/hello /hello\n",
            "[\"/hello\"]",
        ],
    );
}

#[test]
fn several_stages_that_cannot_be_smaller_are_the_answer_no() {
    let Some(mut turn) = turn() else { return };
    let builder = GO.replacen("FROM ubuntu:latest", "FROM ubuntu:latest AS build", 1);
    let dockerfile = format!(
        "{builder}COPY hello.go /src/hello.go\nRUN go build -o /src/hello /src/hello.go\n\nFROM scratch\nCOPY --from=build /src/hello /hello\nCMD [\"/hello\"]\n"
    );
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/hello.go", HELLO),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, &[]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stderr.contains("is not smaller"), "{outcome}");
    assert!(!scratch.exists("app/Dockerfile.optimized"));
}
