//! Programs that need more than themselves: what is proven, and what is refused.

use expect_test::expect;
use jettison_testkit::{Outcome, Scratch};

use crate::shared::{GO, SETTINGS, Turn, turn};

/// Optimizes a directory `app` with these files.
#[track_caller]
fn optimize(turn: &mut Turn, files: &[(&str, &str)], settings: &str) -> (Scratch, Outcome) {
    let scratch = turn.scratch();
    scratch.write("app/jettison.toml", format!("{SETTINGS}{settings}"));
    for (path, text) in files {
        scratch.write(path, text);
    }
    let outcome = scratch.jettison(&[
        "optimize",
        "app",
        "-t",
        "candidate",
        "--report",
        "report.json",
    ]);
    (scratch, outcome)
}

const CGO: &str = r#"package main

// #cgo LDFLAGS: -lpthread
// #include <pthread.h>
// #include <stdio.h>
// static void *work(void *text) { printf("hello from %s\n", (char *)text); fflush(stdout); return NULL; }
// static int start(void) {
//     pthread_t thread;
//     return pthread_create(&thread, NULL, work, "C") || pthread_join(thread, NULL);
// }
import "C"

import "os"

func main() {
	os.Exit(int(C.start()))
}
"#;

/// Optimizes that program, which `build` builds; the verdict, and the Dockerfile.
#[track_caller]
fn with_c(turn: &mut Turn, build: &str) -> (String, String) {
    let dockerfile =
        format!("{GO}WORKDIR /app\nCOPY hello.go /app\nRUN {build}\nCMD [\"./hello\"]\n");
    let probe =
        "[[probes]]\nname = \"hello\"\nexpect-exit = 0\nexpect-stdout = \"hello from C\\n\"\n";
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/hello.go", CGO),
    ];
    let (scratch, outcome) = optimize(turn, &files, probe);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(report["after"]["shells"], 0);
    let outcome = scratch.jettison(&["run", "candidate:optimized"]);
    expect![[r#"
        exit: 0
        --- stdout ---
        hello from C
    "#]]
    .assert_eq(&outcome.to_string());
    let verdict = report["verdict"].as_str().unwrap().to_owned();
    (verdict, scratch.read("app/Dockerfile.optimized"))
}

#[test]
fn a_program_of_go_has_the_libraries_of_c_that_it_asks_for_linked_in() {
    let Some(mut turn) = turn() else { return };
    let (verdict, optimized) = with_c(&mut turn, "go build -o hello");
    assert_eq!(verdict, "proven-but");
    assert!(
        optimized.contains("go build -ldflags=\"-extldflags=-static\" -o hello"),
        "{optimized}"
    );
    assert!(!optimized.contains("libc.so.6"), "{optimized}");
}

#[test]
fn a_program_with_c_in_it_keeps_the_libraries_that_it_asks_for() {
    let Some(mut turn) = turn() else { return };
    let build = "rm /usr/lib/*/libc.a && go build -o hello";
    let (verdict, optimized) = with_c(&mut turn, build);
    // Its libraries are behind links, as in the original.
    assert_eq!(verdict, "proven");
    assert!(optimized.contains("libc.so.6"), "{optimized}");
    assert!(
        optimized.contains("ld-linux"),
        "the program's interpreter: {optimized}"
    );
}

/// Adds its arguments, and fails with 3 if one is no number.
const SUM: &str = r#"package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	sum := 0
	for _, word := range os.Args[1:] {
		number, err := strconv.Atoi(word)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		sum += number
	}
	fmt.Println(sum)
}
"#;

#[test]
fn a_program_that_go_runs_is_compiled_once() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!(
        "{GO}WORKDIR /app\nCOPY go.mod sum.go ./\nRUN go build -o /dev/null .\nENTRYPOINT [\"go\", \"run\", \".\"]\n"
    );
    let probes = "[[probe]]\nname = \"adds\"\nrun = [\"2\", \"3\"]\nexpect-stdout = \"5\\n\"\n\
        [[probe]]\nname = \"no number\"\nrun = [\"x\"]\n";
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/go.mod", "module example.org/sum\n\ngo 1.19\n"),
        ("app/sum.go", SUM),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, probes);
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    // Another program, which exits otherwise: that is told.
    assert_eq!(report["verdict"], "proven-but");
    assert!(
        outcome
            .stdout
            .contains("exit code 3 in place of exit code 1"),
        "{outcome}"
    );
    let written = scratch.read("app/Dockerfile.optimized");
    for line in [
        "\nRUN go build -o /usr/local/bin/sum .\n",
        "\nENTRYPOINT [\"/usr/local/bin/sum\"]",
        "FROM scratch",
    ] {
        assert!(written.contains(line), "{written}");
    }
    let outcome = scratch.jettison(&["run", "candidate:optimized", "20", "22"]);
    expect![[r#"
        exit: 0
        --- stdout ---
        42
    "#]]
    .assert_eq(&outcome.to_string());
}

/// Serves `/` on port 8000, with a health check that needs curl and a shell.
const HEALTH: &str = "FROM ubuntu:latest
RUN apt-get update && apt-get install -y --no-install-recommends curl python3
WORKDIR /srv
COPY index.html .
EXPOSE 8000
HEALTHCHECK --interval=5s CMD curl -f http://localhost:8000/ || exit 1
CMD [\"python3\", \"-m\", \"http.server\", \"8000\"]
";

#[test]
fn a_health_check_of_curl_asks_with_what_is_there_anyway() {
    let Some(mut turn) = turn() else { return };
    let files = [("app/Dockerfile", HEALTH), ("app/index.html", "hello\n")];
    let probe = "[[probe]]\nname = \"it\"\nport = 8000\nhttp = [{ get = \"/\", expect-body = \"hello\" }]\nignore = [\"header:date\", \"header:last-modified\", \"stderr:.*\"]\n";
    let (scratch, outcome) = optimize(&mut turn, &files, probe);
    assert_eq!(outcome.code, 0, "{outcome}");
    let written = scratch.read("app/Dockerfile.optimized");
    let check =
        "HEALTHCHECK --interval=5s CMD [\"python3\", \"-I\", \"-c\", \"import http.client, sys; ";
    assert!(written.contains(check), "{written}\n{outcome}");
    let (_, rest) = written.split_once("AS rootfs").unwrap();
    assert!(!rest.contains("curl"), "{written}");
    assert!(
        outcome.stdout.contains("HEALTHCHECK asks with python3"),
        "{outcome}"
    );
}

/// Answers in chunks.
const CHUNKS: &str = r#"package main

import "net/http"

func main() {
	http.HandleFunc("/health", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Write([]byte("well"))
		answer.(http.Flusher).Flush()
		answer.Write([]byte(" enough"))
	})
	http.ListenAndServe(":8000", nil)
}
"#;

#[test]
fn a_health_check_of_curl_asks_with_bash_where_no_interpreter_is() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!(
        "{GO}RUN apt-get install -y --no-install-recommends curl\nWORKDIR /app\nCOPY well.go .\nRUN go build -o well well.go\n\
         ENV PORT=8000\nHEALTHCHECK CMD curl -fsS -m 3 http://localhost:$PORT/health || exit 1\nCMD [\"./well\"]\n"
    );
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/well.go", CHUNKS),
    ];
    let probe = "[[probe]]\nname = \"it\"\nport = 8000\nhttp = [{ get = \"/health\", expect-body = \"well enough\" }]\n";
    let (scratch, outcome) = optimize(&mut turn, &files, probe);
    assert_eq!(outcome.code, 0, "{outcome}");
    let written = scratch.read("app/Dockerfile.optimized");
    let check = "HEALTHCHECK CMD [\"bash\", \"-c\", \"TMOUT=3; exec 3<>";
    assert!(written.contains(check), "{written}\n{outcome}");
    let (_, rest) = written.split_once("AS rootfs").unwrap();
    assert!(!rest.contains("curl"), "{written}");
    // The compiler's home and sources, which every program of Go names.
    assert!(!rest.contains("golang"), "{written}");
    assert!(
        outcome
            .stdout
            .contains("HEALTHCHECK asks with bash, which is smaller"),
        "{outcome}"
    );
}

#[test]
fn a_script_takes_its_shell_and_its_programs_along() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!("{GO}COPY app.sh /app.sh\nCMD [\"sh\", \"/app.sh\"]\n");
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/app.sh", "uname -s | tr a-z A-Z\n"),
    ];
    let probe = "[[probe]]\nname = \"it\"\nexpect-stdout = \"LINUX\\n\"\n";
    let (scratch, outcome) = optimize(&mut turn, &files, probe);
    assert_eq!(outcome.code, 0, "{outcome}");
    let written = scratch.read("app/Dockerfile.optimized");
    for kept in ["coreutils", " dash ", " libc6 ", "COPY app.sh /app.sh\n"] {
        assert!(written.contains(kept), "{kept}: {written}");
    }
    let (_, rootfs) = written.split_once("AS rootfs").unwrap();
    for left_out in ["golang", "apt", "bash", "perl"] {
        assert!(!rootfs.contains(left_out), "{left_out}: {written}");
    }
    assert_eq!(scratch.read("app/Dockerfile"), dockerfile);
}

#[test]
fn a_command_that_fails_is_the_answer_no_with_its_line() {
    let Some(mut turn) = turn() else { return };
    let dockerfile = format!("{GO}RUN echo before && false\n");
    let (scratch, outcome) = optimize(&mut turn, &[("app/Dockerfile", &dockerfile)], "");
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(
        outcome.stderr.contains(
            "error: process \"/bin/sh -c echo before && false\" did not complete successfully"
        ),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains(" --> app/Dockerfile:3:1\n"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("before\n"),
        "what it said is shown: {outcome}"
    );
    assert!(!scratch.exists("app/Dockerfile.optimized"));
    assert!(!scratch.exists("report.json"));
}

#[test]
fn an_answer_that_changes_from_run_to_run_is_not_proven() {
    let Some(mut turn) = turn() else { return };
    let program = "package main\n\nimport (\n\t\"fmt\"\n\t\"time\"\n)\n\nfunc main() { fmt.Println(time.Now().UnixNano()) }\n";
    let dockerfile =
        format!("{GO}WORKDIR /app\nCOPY now.go /app\nRUN go build -o now\nCMD [\"./now\"]\n");
    let files = [
        ("app/Dockerfile", dockerfile.as_str()),
        ("app/now.go", program),
    ];
    let (scratch, outcome) = optimize(&mut turn, &files, "");
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(!scratch.exists("app/Dockerfile.optimized"));
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(report["verdict"], "failed");
}
