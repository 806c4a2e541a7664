//! `jettison optimize` and `jettison why` on images of busybox: what is written where, what is said, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use expect_test::{Expect, expect};
use jettison_testkit::{Outcome, Scratch};

use crate::shared::{runs_as_root, with_busybox};

const DOCKERFILE: &str = "FROM toolbox
WORKDIR /app
COPY busybox data.txt notes.txt /app/
CMD [\"/app/busybox\", \"cat\", \"data.txt\"]
";

const PROBE: &str = "[[probe]]
name = \"shows\"
expect-stdout = \"data\\n\"
";

/// A program that shows a file, in a directory `app`; its base has a shell and tools besides.
struct World {
    scratch: Scratch,
}

impl World {
    fn new() -> Option<World> {
        let scratch = with_busybox("base/bin/busybox")?;
        let busybox = fs::read(scratch.dir().join("base/bin/busybox")).unwrap();
        scratch.write("base/motd", "welcome\n");
        scratch.write(
            "base/Dockerfile",
            "FROM scratch\nCOPY bin /bin\nCOPY motd /motd\n",
        );
        scratch
            .jettison(&["build", "-q", "base", "-t", "toolbox"])
            .succeeded();
        scratch.write("app/busybox", busybox);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scratch.dir().join("app/busybox"), mode).unwrap();
        scratch.write("app/data.txt", "data\n");
        scratch.write("app/notes.txt", "notes\n");
        scratch.write("app/jettison.toml", PROBE);
        scratch.write("app/Dockerfile", DOCKERFILE);
        Some(World { scratch })
    }

    fn optimize(&self, options: &[&str]) -> Outcome {
        let words: Vec<&str> = ["optimize", "app"].iter().chain(options).copied().collect();
        self.scratch.jettison(&words)
    }

    #[track_caller]
    fn check_why(&self, subjects: &[&str], expected: Expect) {
        let words: Vec<&str> = ["why", "app:optimized"]
            .iter()
            .chain(subjects)
            .copied()
            .collect();
        expected.assert_eq(&self.scratch.jettison(&words).to_string());
    }
}

#[test]
fn an_original_that_is_not_what_the_probe_expects_is_not_rewritten() {
    let Some(world) = World::new() else { return };
    let probe = PROBE.replace("data\\n", "date\\n");
    world.scratch.write("app/jettison.toml", probe);
    let outcome = world.optimize(&[]);
    assert_eq!(outcome.code, 2, "{outcome}");
    let error = "error: app/jettison.toml: the original does not do what probe `shows` expects: \
                 stdout is not \"date\\n\", but \"data\\n\"\n";
    assert!(outcome.stderr.contains(error), "{outcome}");
    assert!(
        !outcome.to_string().contains("Run both and compare"),
        "{outcome}"
    );
    assert!(
        !world
            .scratch
            .dir()
            .join("app/Dockerfile.optimized")
            .exists()
    );
}

#[test]
fn a_diff_is_all_that_is_printed_and_nothing_is_written() {
    let Some(world) = World::new() else { return };
    let outcome = world.optimize(&["--diff"]).succeeded();
    expect![[r#"
        --- app/Dockerfile
        +++ app/Dockerfile
        @@ -1,4 +1,4 @@
        -FROM toolbox
        +FROM scratch AS runtime
         WORKDIR /app
         COPY busybox data.txt notes.txt /app/
         CMD ["/app/busybox", "cat", "data.txt"]
    "#]]
    .assert_eq(&outcome.stdout);
    assert!(outcome.stderr.contains("\nproven"), "{outcome}");
    assert!(!world.scratch.exists("app/Dockerfile.optimized"));
    assert_eq!(world.scratch.read("app/Dockerfile"), DOCKERFILE);
}

#[test]
fn what_is_proven_takes_the_place_of_the_dockerfile() {
    let Some(world) = World::new() else { return };
    let windows = DOCKERFILE.replace('\n', "\r\n");
    world.scratch.write("app/Dockerfile", windows);
    let path = world.scratch.dir().join("app/Dockerfile");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = world.optimize(&["--in-place"]).succeeded();
    assert!(
        outcome.stdout.contains("wrote app/Dockerfile anew"),
        "{outcome}"
    );
    let written = world.scratch.read("app/Dockerfile");
    assert!(written.contains("FROM scratch AS runtime\r\n"), "{written}");
    assert!(!written.replace("\r\n", "").contains('\n'), "{written}");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(!world.scratch.exists("app/Dockerfile.optimized"));
}

#[test]
fn what_is_weak_does_not_take_the_place_of_the_dockerfile() {
    let Some(world) = World::new() else { return };
    world.scratch.write("app/jettison.toml", "");
    let outcome = world.optimize(&["--in-place"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("the probes say too little for a proof"),
        "{outcome}"
    );
    assert_eq!(world.scratch.read("app/Dockerfile"), DOCKERFILE);
}

#[test]
fn places_for_the_result_exclude_each_other() {
    let Some(world) = World::new() else { return };
    for options in [
        ["--diff", "--in-place"],
        ["--diff", "--write=x"],
        ["--in-place", "--write=x"],
    ] {
        let outcome = world.optimize(&options);
        assert_eq!(outcome.code, 2, "{outcome}");
    }
    let outcome = world.optimize(&["--max-rung", "ground"]);
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(outcome.stderr.contains("`ground` is no rung"), "{outcome}");
}

#[test]
fn why_tells_of_what_is_there_and_of_what_is_not() {
    let Some(world) = World::new() else { return };
    let outcome = world.optimize(&["--report", "report.json"]).succeeded();
    assert!(
        outcome.stdout.contains("the probes read or start "),
        "{outcome}"
    );
    world.check_why(
        &["/app/data.txt"],
        expect![[r#"
        exit: 0
        --- stdout ---
        /app/data.txt is in the image: it belongs to line 3: COPY busybox data.txt notes.txt /app/
          the command names it: /app
          read by /app/busybox in probe `shows`
    "#]],
    );
    let whole = world.scratch.jettison(&["why", "app:optimized", "/app"]);
    assert!(
        whole
            .stdout
            .contains("line 3: COPY busybox data.txt notes.txt /app/ (3 files)"),
        "{whole}"
    );
    world.check_why(
        &["/bin/busybox"],
        expect![[r#"
        exit: 1
        --- stdout ---
        /bin/busybox is not in the image; the original has it, in the base image
          no run used it, and no package lists it
    "#]],
    );
    world.check_why(
        &["/nowhere", "libc6"],
        expect![[r#"
        exit: 1
        --- stdout ---
        /nowhere is neither in the image nor in the original, or a directory without files

        libc6 is neither in the image nor in the original
    "#]],
    );
    let report: serde_json::Value =
        serde_json::from_str(&world.scratch.read("report.json")).unwrap();
    assert_eq!(report["rung"], "scratch");
    assert!(report["touched_size"].as_u64().unwrap() > 5);
    assert_eq!(report["left_out"][0]["kind"], "base");
}

#[test]
fn why_knows_nothing_of_other_images() {
    let Some(world) = World::new() else { return };
    let outcome = world.scratch.jettison(&["why", "toolbox", "/bin/busybox"]);
    expect![[r#"
        exit: 2
        --- stderr ---
        error: nothing is known of why the files of toolbox are there
        hint: it is known of what `jettison optimize` has made, as NAME:optimized, and of distroless bases of `jettison base build`, in this store
    "#]].assert_eq(&outcome.to_string());
    let outcome = world.scratch.jettison(&["why", "missing", "/x"]);
    assert_eq!(outcome.code, 2, "{outcome}");
}

#[test]
fn an_explanation_has_every_owner_and_says_why_that_is_safe() {
    let Some(world) = World::new() else { return };
    let outcome = world.optimize(&["--explain"]).succeeded();
    for text in ["\nkept (", "\nleft out (", "\nwhy that is safe: "] {
        assert!(outcome.stdout.contains(text), "{text}: {outcome}");
    }
}

#[test]
fn a_base_of_ones_own_gives_what_it_has() {
    let Some(world) = World::new() else { return };
    world
        .scratch
        .write("more/Dockerfile", "FROM toolbox\nCOPY big /opt/big\n");
    world.scratch.write("more/big", vec![b'x'; 3 << 20]);
    let build = ["build", "-q", "more", "-t", "more"];
    world.scratch.jettison(&build).succeeded();
    let dockerfile = DOCKERFILE
        .replace("toolbox", "more")
        .replace("/app/busybox", "/bin/busybox");
    world.scratch.write("app/Dockerfile", dockerfile);
    let outcome = world.optimize(&["--base", "toolbox"]).succeeded();
    let written = world.scratch.read("app/Dockerfile.optimized");
    assert!(written.contains("FROM toolbox AS runtime"), "{outcome}");
    assert!(
        !written.contains("COPY --from="),
        "it has /bin/busybox: {written}"
    );
    assert!(
        written.contains("\nCOPY busybox data.txt notes.txt /app/\n"),
        "{written}"
    );
    let outcome = world.optimize(&["--base", "missing"]);
    assert_eq!(outcome.code, 2, "{outcome}");
}

#[test]
fn rights_of_root_are_taken_away_where_that_is_proven() {
    let Some(world) = World::new() else { return };
    // With a single user ID nothing can be tried as another.
    if !runs_as_root() {
        let outcome = world.optimize(&[]).succeeded();
        assert!(outcome.stdout.contains("\nproven: "), "{outcome}");
        return;
    }
    let outcome = world.optimize(&[]).succeeded();
    assert!(
        outcome.stdout.contains("`--nonroot` adds the line"),
        "{outcome}"
    );
    world.optimize(&["--nonroot"]).succeeded();
    let written = world.scratch.read("app/Dockerfile.optimized");
    assert!(written.contains("USER 65532:65532\n"), "{written}");
    let volume = format!("{DOCKERFILE}VOLUME /data\n");
    world.scratch.write("app/Dockerfile", volume);
    let outcome = world.optimize(&["--nonroot"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stderr.contains("/data is a VOLUME"), "{outcome}");
}

#[test]
fn an_original_that_wants_a_database_says_which() {
    let Some(world) = World::new() else { return };
    let dockerfile = DOCKERFILE.replace("\"cat\", \"data.txt\"", "\"nc\", \"127.0.0.1\", \"5432\"");
    world.scratch.write("app/Dockerfile", dockerfile);
    let outcome = world.optimize(&[]);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("it tries to reach 127.0.0.1:5432 (PostgreSQL) from /app/busybox"),
        "{outcome}"
    );
    assert!(!world.scratch.exists("app/Dockerfile.optimized"));
}

#[test]
fn of_all_that_was_built_two_images_are_left() {
    let Some(world) = World::new() else { return };
    let outcome = world.optimize(&["--nonroot"]).succeeded();
    assert!(outcome.stderr.contains("candidate 2"), "{outcome}");
    let unnamed = ["prune", "--dry-run", "--all", "--type", "image"];
    let unnamed = world.scratch.jettison(&unnamed).succeeded();
    assert!(!unnamed.stdout.contains("without a name"), "{unnamed}");
}
