//! Builds from `scratch`: they need user namespaces and nothing else.

use std::fs;
use std::path::Path;
use std::thread;

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::shared::namespaces_work;

const DOCKERFILE: &str = "\
FROM scratch AS files
COPY data/ /srv/
FROM scratch
ENV GREETING=hello
WORKDIR /srv
COPY --from=files /srv/ ./
CMD [\"/srv/program\"]
";

/// A directory `app` that copies files into an empty image.
fn app() -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("app/Dockerfile", DOCKERFILE)
        .write("app/data/one", "first\n")
        .write("app/data/sub/two", "second\n");
    scratch
}

/// Runs the program; of the table at the end only the heading is compared, since all below it differs from run to run.
#[track_caller]
pub(crate) fn check_build(scratch: &Scratch, arguments: &[&str], expected: Expect) {
    let text = scratch.jettison(arguments).to_string();
    let mut is_table = false;
    let lines = text.split_inclusive('\n').filter_map(|line| {
        let is_heading = line.starts_with("STEP ");
        let is_row = is_table;
        is_table = is_heading || (is_table && !line.contains(" step"));
        match (is_heading, is_row) {
            (true, _) => Some("[TABLE]\n"),
            (false, true) => None,
            (false, false) => Some(line),
        }
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn a_build_shows_its_steps_and_the_second_takes_them_from_the_cache() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    check_build(
        &scratch,
        &["build", "app", "-t", "files", "--jobs=1"],
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [files 1/1] COPY data/ /srv/
            #1 DONE [TIME]

            #2 [stage-1 1/2] WORKDIR /srv
            #2 DONE [TIME]

            #3 [stage-1 2/2] COPY --from=files /srv/ ./
            #3 DONE [TIME]

            [TABLE]
            named files:latest
        "#]],
    );
    check_build(
        &scratch,
        &["build", "app", "-t", "files", "--jobs=1"],
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            #1 [files 1/1] COPY data/ /srv/
            #1 CACHED

            #2 [stage-1 1/2] WORKDIR /srv
            #2 CACHED

            #3 [stage-1 2/2] COPY --from=files /srv/ ./
            #3 CACHED

            [TABLE]
            named files:latest
        "#]],
    );
    check_build(
        &scratch,
        &["build", "-q", "app"],
        expect![[r#"
        exit: 0
        --- stdout ---
        [ID]
    "#]],
    );
}

#[test]
fn a_changed_file_is_copied_again() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let before = scratch.jettison(&["build", "-q", "app"]).succeeded();
    scratch.write("app/data/one", "other\n");
    let after = scratch.jettison(&["build", "-q", "app"]).succeeded();
    assert_ne!(before.stdout, after.stdout);
    scratch.write("app/data/one", "first\n");
    let again = scratch.jettison(&["build", "-q", "app"]).succeeded();
    assert_eq!(before.stdout, again.stdout);
}

#[test]
fn two_roots_give_the_same_image() {
    if !namespaces_work() {
        return;
    }
    let (one, two) = (app(), app());
    let first = one.jettison(&["build", "-q", "app"]).succeeded();
    let second = two.jettison(&["build", "-q", "app"]).succeeded();
    assert_eq!(first.stdout, second.stdout);
    let anew = one
        .jettison(&["build", "-q", "app", "--no-cache"])
        .succeeded();
    assert_eq!(first.stdout, anew.stdout);
}

#[test]
fn two_builds_at_a_time_share_one_root() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let ids: Vec<String> = thread::scope(|scope| {
        let builds: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scratch.jettison(&["build", "-q", "app", "-t", "files"])))
            .collect();
        builds
            .into_iter()
            .map(|build| build.join().expect("no build panics").succeeded().stdout)
            .collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn outputs_are_an_archive_and_a_directory_of_one_image() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    let arguments = [
        "build",
        "-q",
        "app",
        "-t",
        "files",
        "--iidfile",
        "id",
        "-o",
        "type=oci,dest=files.tar",
        "-o",
        "type=oci,tar=false,dest=layout",
    ];
    let outcome = scratch.jettison(&arguments).succeeded();
    assert_eq!(outcome.stdout.trim_end(), scratch.read("id"));
    fs::create_dir(scratch.dir().join("unpacked")).unwrap();
    let mut tar = scratch.tool("tar", &["-xf", "files.tar", "-C", "unpacked"]);
    scratch.outcome(&mut tar).succeeded();
    let of_layout = tree(&scratch.dir().join("layout"));
    let mut of_archive = tree(&scratch.dir().join("unpacked"));
    // Docker's older format is in the archive too, so that `docker load` takes it.
    of_archive.retain(|path| path != "manifest.json");
    assert_eq!(of_layout, of_archive);
    assert!(
        of_layout.contains(&format!("blobs/sha256/{}", &outcome.stdout.trim_end()[7..])),
        "the configuration's digest is the image ID: {of_layout:?}"
    );
}

#[test]
fn images_lists_what_was_named() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    scratch
        .jettison(&["build", "-q", "app", "-t", "files", "-t", "here/files:1"])
        .succeeded();
    let table = scratch.jettison(&["images"]).succeeded().stdout;
    let columns: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().take(2).collect())
        .collect();
    assert_eq!(
        columns,
        [
            ["REPOSITORY", "TAG"],
            ["here/files", "1"],
            ["files", "latest"]
        ]
    );
    let json = scratch
        .jettison(&["images", "files", "--format", "json"])
        .succeeded()
        .stdout;
    let image: serde_json::Value = serde_json::from_str(&json).expect("one image is one line");
    let keys: Vec<&String> = image
        .as_object()
        .expect("an image is an object")
        .keys()
        .collect();
    expect![[r#"["Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository", "SharedSize", "Size", "StoredBytes", "StoredSize", "Tag", "UniqueSize", "UnpackedBytes", "UnpackedSize", "VirtualSize"]"#]].assert_eq(&format!("{keys:?}"));
    assert_eq!(image["Repository"], "files");
    assert_eq!(image["UnpackedBytes"], 13);
}

#[test]
fn a_missing_source_is_shown_with_its_line_and_nothing_is_named() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\nCOPY nothing /\n");
    scratch.check(
        &["build", "app", "-t", "files"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: failed to compute cache key: "/nothing": not found
             --> app/Dockerfile:2:1
              |
            2 | COPY nothing /
              | ^^^^^^^^^^^^^^
        "#]],
    );
    scratch.check(
        &["images", "--format", "json"],
        expect![[r#"
        exit: 0
    "#]],
    );
}

#[test]
fn what_is_ignored_is_not_in_the_context() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    scratch.write("app/.dockerignore", "data/one\n");
    scratch.write("app/Dockerfile", "FROM scratch\nCOPY data/one /\n");
    scratch.check(
        &["build", "app"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: failed to compute cache key: "/data/one": not found: excluded by the ignore file
             --> app/Dockerfile:2:1
              |
            2 | COPY data/one /
              | ^^^^^^^^^^^^^^^
              |
              = help: take it back in with a line that begins with `!` at the end of the ignore file
        "#]],
    );
}

#[test]
fn an_image_that_does_not_exist_cannot_run() {
    if !namespaces_work() {
        return;
    }
    Scratch::new(PROGRAM).check(
        &["run", "--pull", "never", "nothing"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: no such image: nothing
        hint: `jettison images` lists those that there are
    "#]],
    );
}

#[test]
fn a_program_that_does_not_exist_cannot_run() {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    scratch
        .jettison(&["build", "-q", "app", "-t", "files"])
        .succeeded();
    scratch.check(
        &["run", "files"],
        expect![[r#"
        exit: 127
        --- stderr ---
        cannot start `/srv/program`: No such file or directory (os error 2)
    "#]],
    );
    scratch.check(
        &["run", "files", "/srv/one"],
        expect![[r#"
        exit: 126
        --- stderr ---
        cannot start `/srv/one`: Permission denied (os error 13)
    "#]],
    );
}

/// Runs `arguments` where no further user namespace can be made.
#[track_caller]
fn check_without_namespaces(arguments: &str, expected: Expect) {
    if !namespaces_work() {
        return;
    }
    let scratch = app();
    // The limit holds in the namespace that sets it, and below.
    let script =
        format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {PROGRAM} {arguments}");
    let words = ["--user", "--map-root-user", "sh", "-c", &script];
    let outcome = scratch.outcome(&mut scratch.tool("unshare", &words));
    let text = outcome.to_string();
    // The kernel's version is the machine's.
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("kernel "))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_machine_without_namespaces_is_the_machines_fault() {
    check_without_namespaces(
        "build app",
        expect![[r#"
            exit: 3
            --- stderr ---
            error: this host does not let us build
              cause: cannot create a user namespace
              cause: No space left on device (os error 28)
            hint: in a container, allow user namespaces with `--security-opt seccomp=unconfined`; on a host, see kernel.unprivileged_userns_clone, user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns
            hint: `jettison doctor` says what is missing and what to do"#]],
    );
}

#[test]
fn the_doctor_says_what_the_machine_lacks() {
    check_without_namespaces(
        "doctor",
        expect![[r#"
        exit: 3
        --- stdout ---
        user namespace  missing  cannot create a user namespace: No space left on device (os error 28)
                                 in a container, allow user namespaces with `--security-opt seccomp=unconfined`; on a host, see kernel.unprivileged_userns_clone, user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns
        --- stderr ---
        error: 1 of 2 features are missing"#]],
    );
}

/// Runs `arguments` with the store on an overlay, as it is in a container without volumes.
#[track_caller]
fn check_store_on_overlay(arguments: &str, expected: Expect) {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch\nCOPY . /\nRUN [\"/x\"]\n");
    let script = format!(
        "mkdir m && mount -t tmpfs none m && cd m && mkdir l u w o && \
         mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none o && cd .. && \
         exec {PROGRAM} --root m/o/store {arguments}"
    );
    let words = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    let outcome = scratch.outcome(&mut scratch.tool("unshare", &words));
    let text = outcome.to_string();
    // What else the machine has is its own.
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| {
            ["exit", "store", "error", "hint"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_store_that_lies_on_an_overlay_is_told() {
    check_store_on_overlay(
        "doctor",
        expect![[r#"
        exit: 3
        store              missing  commands cannot run: [DIR]/m/o/store is on an overlay itself
        error: 1 of 12 features are missing"#]],
    );
    check_store_on_overlay(
        "build app",
        expect![[r#"
        exit: 3
        error: line 3: cannot run "/x"
        hint: keep the store on a disk of the machine, in a container in a volume: `--root DIR` or JETTISON_ROOT; `jettison doctor` tries it"#]],
    );
}

/// The paths of the files below `dir`, in order.
fn tree(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, base: &Path, paths: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, base, paths);
            } else {
                paths.push(path.strip_prefix(base).unwrap().display().to_string());
            }
        }
    }
    let mut paths = Vec::new();
    walk(dir, dir, &mut paths);
    paths.sort();
    paths
}

#[test]
fn checks_that_warn_are_counted_after_a_build_and_fail_one_that_asks_for_it() {
    if !namespaces_work() {
        return;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/Dockerfile", "FROM scratch as app\nENV A=1\n");
    scratch.check(
        &["build", "app"],
        expect![[r#"
            exit: 0
            --- stdout ---
            [ID]
            --- stderr ---
            1 check warns about app/Dockerfile: `jettison check app/Dockerfile` shows them
        "#]],
    );
    scratch.check(
        &["build", "-q", "app"],
        expect![[r#"
        exit: 0
        --- stdout ---
        [ID]
    "#]],
    );
    let strict = "# check=error=true\nFROM scratch as app\nENV A=1\n";
    scratch.write("app/Dockerfile", strict);
    scratch.check(
        &["build", "app"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: app/Dockerfile: lint violation found for rules: FromAsCasing
        hint: `jettison check` shows what is found; `# check=error=true` makes it fail the build
    "#]],
    );
    scratch.write("app/Dockerfile", strict.replace("as", "AS"));
    assert_eq!(scratch.jettison(&["build", "app"]).code, 0);
}
