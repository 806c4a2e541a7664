//! The everyday commands about images, as docker's users know them.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use expect_test::{Expect, expect};
use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::running;
use crate::shared::namespaces_work;

/// A world with an image of two layers that is called `me/app:1`.
pub(crate) fn world() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write(
            "app/Dockerfile",
            "FROM scratch\nCOPY one /\nCOPY two /\nENV A=b\nLABEL kind=test\nEXPOSE 80\nCMD [\"/one\", \"x\"]\n",
        )
        .write("app/one", "first\n")
        .write("app/two", "second\n");
    // How well a layer compresses depends on the digits of its times.
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for name in ["app/one", "app/two"] {
        let file = fs::File::options()
            .write(true)
            .open(scratch.dir().join(name));
        file.unwrap().set_modified(time).unwrap();
    }
    scratch
        .jettison(&["build", "-q", "app", "-t", "me/app:1"])
        .succeeded();
    Some(scratch)
}

/// The standard output of a command that succeeds.
#[track_caller]
pub(crate) fn stdout(scratch: &Scratch, arguments: &[&str]) -> String {
    scratch.jettison(arguments).succeeded().stdout
}

#[track_caller]
fn check(scratch: &Scratch, arguments: &[&str], expected: Expect) {
    scratch.check(arguments, expected);
}

#[test]
fn an_image_has_several_names_and_goes_with_the_last() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &["tag", "me/app:1", "other", "host:5000/app:2"],
        expect![[r#"
        exit: 0
    "#]],
    );
    let names = "{{.Repository}}:{{.Tag}}";
    check(
        &scratch,
        &["images", "--format", names],
        expect![[r#"
        exit: 0
        --- stdout ---
        other:latest
        me/app:1
        host:5000/app:2
    "#]],
    );
    check(
        &scratch,
        &["rmi", "other"],
        expect![[r#"
        exit: 0
        --- stdout ---
        Untagged: other:latest
    "#]],
    );
    let id = stdout(&scratch, &["images", "-q", "me/app"]);
    let id = id.trim();
    let outcome = scratch.jettison(&["rmi", id]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .contains("names in several repositories: me/app:1, host:5000/app:2"),
        "{}",
        outcome.stderr
    );
    check(
        &scratch,
        &["rmi", "-f", id],
        expect![[r#"
            exit: 0
            --- stdout ---
            Untagged: me/app:1
            Untagged: host:5000/app:2
            Deleted: [ID]
            --- stderr ---
            209 B of layers stay in the build cache: `jettison prune` removes them
        "#]],
    );
    check(
        &scratch,
        &["images", "-aq"],
        expect![[r#"
        exit: 0
    "#]],
    );
}

#[test]
fn what_is_not_there_is_said_after_what_is() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &["rmi", "nope", "me/app:1"],
        expect![[r#"
            exit: 1
            --- stdout ---
            Untagged: me/app:1
            Deleted: [ID]
            --- stderr ---
            209 B of layers stay in the build cache: `jettison prune` removes them
            error: no such image: nope
            hint: `jettison images` lists those that there are
        "#]],
    );
    check(
        &scratch,
        &["inspect", "nope"],
        expect![[r#"
        exit: 1
        --- stdout ---
        []
        --- stderr ---
        error: no such image: nope
        hint: `jettison images` lists those that there are
    "#]],
    );
    check(
        &scratch,
        &["rmi", "-f", "nope"],
        expect![[r#"
        exit: 0
        --- stderr ---
        no such image: nope
    "#]],
    );
    check(
        &scratch,
        &["tag", "nope", "other"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: no such image: nope
        hint: `jettison images` lists those that there are
    "#]],
    );
}

#[test]
fn removing_an_image_frees_the_blobs_that_no_step_needs() {
    let Some(scratch) = world() else { return };
    let archive = scratch.dir().join("app.tar");
    let path = archive.to_str().unwrap();
    scratch
        .jettison(&["save", "-o", path, "me/app:1"])
        .succeeded();
    let fresh = Scratch::new(PROGRAM);
    fresh.jettison(&["load", "-i", path]).succeeded();
    let blobs = || {
        fs::read_dir(fresh.root().join("blobs/sha256"))
            .unwrap()
            .count()
    };
    assert!(blobs() > 0);
    fresh.jettison(&["rmi", "me/app:1"]).succeeded();
    assert_eq!(blobs(), 0);
}

#[test]
fn removing_an_image_frees_its_unpacked_layers_but_not_those_of_others() {
    let Some(scratch) = running::world() else {
        return;
    };
    scratch
        .write("more/Dockerfile", "FROM box\nCOPY file /\n")
        .write("more/file", "more\n")
        .jettison(&["build", "-q", "more", "-t", "more"])
        .succeeded();
    scratch
        .jettison(&["save", "-o", "both.tar", "box", "more"])
        .succeeded();
    let layers = |name: &str| -> usize {
        let count = stdout(&scratch, &["inspect", "-f", "{{len .RootFS.Layers}}", name]);
        count.trim().parse().unwrap()
    };
    let fresh = Scratch::new(PROGRAM);
    let archive = scratch.dir().join("both.tar").display().to_string();
    fresh.jettison(&["load", "-q", "-i", &archive]).succeeded();
    for name in ["box", "more"] {
        fresh.jettison(&["run", name, "true"]).succeeded();
    }
    let deleted = |name: &str| {
        let removed = fresh.jettison(&["rmi", name]).succeeded();
        assert_eq!(removed.stderr, "");
        removed.stdout.matches("Deleted: sha256:").count()
    };
    // The other image has all of its layers.
    assert_eq!(deleted("box"), 1);
    assert_eq!(stdout(&fresh, &["run", "more", "cat", "/file"]), "more\n");
    assert_eq!(deleted("more"), 1 + layers("more"));
    assert!(layers("more") > layers("box"));
    let left = stdout(&fresh, &["du"]);
    assert!(left.contains("Total:") && left.contains(" 0 B"), "{left}");
    // What a build has left stays for the next one, and that is said.
    let removed = scratch.jettison(&["rmi", "more"]).succeeded();
    assert!(
        removed
            .stderr
            .contains("of layers stay in the build cache: `jettison prune` removes them"),
        "{removed}"
    );
}

#[test]
fn lists_are_filtered() {
    let Some(scratch) = world() else { return };
    scratch.write("app/two", "changed\n");
    scratch
        .jettison(&["build", "-q", "app", "-t", "me/app:2"])
        .succeeded();
    scratch
        .jettison(&["build", "-q", "app", "-t", "plain", "--label", "kind=other"])
        .succeeded();
    scratch
        .jettison(&["rmi", "--no-prune", "nothing", "-f"])
        .succeeded();
    let list = |filters: &[&str]| {
        let mut arguments = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        for filter in filters {
            arguments.extend(["-f", filter]);
        }
        stdout(&scratch, &arguments)
            .lines()
            .map(str::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(list(&["reference=me/*"]), "me/app:1 me/app:2");
    assert_eq!(
        list(&["reference=*:latest", "reference=me/app:2"]),
        "plain:latest me/app:2"
    );
    assert_eq!(list(&["label=kind"]), "plain:latest me/app:1 me/app:2");
    assert_eq!(list(&["label=kind=other"]), "plain:latest");
    assert_eq!(list(&["dangling=true"]), "");
    assert_eq!(list(&["until=1h"]), "plain:latest me/app:1 me/app:2");
    assert_eq!(list(&["since=plain"]), "");
    check(
        &scratch,
        &["images", "-f", "color=red"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: there is no filter `color`
        hint: there are dangling, reference, label, before, since and until
    "#]],
    );
    // What has lost its name is there, but not in the usual list.
    scratch.jettison(&["tag", "plain", "me/app:1"]).succeeded();
    assert_eq!(list(&["dangling=true"]), "<none>:<none>");
    assert_eq!(stdout(&scratch, &["images", "-a", "-q"]).lines().count(), 4);
}

#[test]
fn formats_are_json_tables_and_templates() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &[
            "images",
            "--format",
            r"table {{.Repository}}\t{{.Tag}}\t{{.UnpackedSize}}",
        ],
        expect![[r#"
        exit: 0
        --- stdout ---
        REPOSITORY   TAG   UNPACKED
        me/app       1     13 B
    "#]],
    );
    check(
        &scratch,
        &["images", "--format", "{{.Name}}"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot use the format `{{.Name}}`
          cause: there is no field `Name`; there are Containers, CreatedAt, CreatedSince, Digest, ID, Repository, SharedSize, Size, StoredBytes, StoredSize, Tag, UniqueSize, UnpackedBytes, UnpackedSize, VirtualSize
        hint: `--format json` prints all that there is
    "#]],
    );
    check(
        &scratch,
        &[
            "inspect",
            "-f",
            "{{.Config.Cmd}} {{index .Config.Labels \"kind\"}} {{range $p, $_ := .Config.ExposedPorts}}{{$p}}{{end}} {{json .Config.Env}}",
            "me/app:1",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            [/one x] test 80/tcp ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=b"]
        "#]],
    );
    let json = stdout(&scratch, &["inspect", "me/app:1", "me/app:1"]);
    let images: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(images.as_array().unwrap().len(), 2);
    assert_eq!(images[0]["Size"], 13);
    assert_eq!(images[0]["RepoTags"][0], "me/app:1");
    assert_eq!(images[0]["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    assert!(images[0]["StoredSize"].as_u64().unwrap() > 13);
}

#[test]
fn the_history_has_a_line_for_each_step() {
    let Some(scratch) = world() else { return };
    check(
        &scratch,
        &[
            "history",
            "--format",
            "table {{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}",
            "me/app:1",
        ],
        expect![[r#"
            exit: 0
            --- stdout ---
            CREATED BY              SIZE   COMMENT
            CMD ["/one" "x"]        0B     buildkit.dockerfile.v0
            EXPOSE [80/tcp]         0B     buildkit.dockerfile.v0
            LABEL kind=test         0B     buildkit.dockerfile.v0
            ENV A=b                 0B     buildkit.dockerfile.v0
            COPY two / # buildkit   7B     buildkit.dockerfile.v0
            COPY one / # buildkit   6B     buildkit.dockerfile.v0
        "#]],
    );
    let ids = stdout(&scratch, &["history", "-q", "me/app:1"]);
    assert_eq!(ids.lines().filter(|line| *line == "<missing>").count(), 5);
    let human = stdout(&scratch, &["history", "--human=false", "me/app:1"]);
    assert!(human.contains("1970-01-01T00:00:00Z"), "{human}");
}

#[test]
fn ids_are_found_by_their_beginning() {
    let Some(scratch) = world() else { return };
    let id = stdout(&scratch, &["images", "-q", "--no-trunc"]);
    let id = id.trim();
    for name in [id, &id["sha256:".len()..], &id["sha256:".len()..][..5]] {
        assert_eq!(
            stdout(&scratch, &["inspect", "-f", "{{.Id}}", name]).trim(),
            id
        );
    }
    let digest = stdout(&scratch, &["images", "--format", "{{.Digest}}"]);
    let pinned = format!("me/app@{}", digest.trim());
    assert_eq!(
        stdout(&scratch, &["inspect", "-f", "{{.Id}}", &pinned]).trim(),
        id
    );
}

#[test]
fn images_are_saved_and_loaded_with_all_their_names() {
    let Some(scratch) = world() else { return };
    scratch
        .jettison(&["tag", "me/app:1", "me/app:2", "other"])
        .succeeded();
    scratch
        .jettison(&["save", "-o", "all.tar", "me/app", "other"])
        .succeeded();
    let id = stdout(&scratch, &["inspect", "-f", "{{.Id}}", "other"]);
    let fresh = Scratch::new(PROGRAM);
    let load = |compress: Option<&str>| {
        let archive = scratch.dir().join("all.tar");
        let mut command = fresh.command(&["load"]);
        match compress {
            None => command.stdin(fs::File::open(archive).unwrap()),
            Some(tool) => {
                let packed = scratch
                    .tool(tool, &["-c"])
                    .stdin(fs::File::open(archive).unwrap())
                    .output()
                    .unwrap();
                fresh.write("packed", packed.stdout);
                command.stdin(fs::File::open(fresh.dir().join("packed")).unwrap())
            }
        };
        fresh.outcome(&mut command).to_string()
    };
    let expected = expect![[r#"
        exit: 0
        --- stdout ---
        Loaded image: me/app:1
        Loaded image: me/app:2
        Loaded image: other:latest
    "#]];
    expected.assert_eq(&load(None));
    for tool in ["gzip", "bzip2", "xz", "zstd"] {
        if Path::new("/usr/bin").join(tool).exists() {
            expected.assert_eq(&load(Some(tool)));
        }
    }
    assert_eq!(stdout(&fresh, &["inspect", "-f", "{{.Id}}", "other"]), id);
    assert_eq!(
        stdout(
            &fresh,
            &[
                "load",
                "-q",
                "-i",
                scratch.dir().join("all.tar").to_str().unwrap()
            ]
        ),
        ""
    );
}

#[test]
fn what_is_no_archive_is_not_loaded() {
    let Some(scratch) = world() else { return };
    scratch
        .write("text", "this is no archive\n")
        .write("dir/file", "x");
    check(
        &scratch,
        &["load", "-i", "text"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot load text
          cause: text is neither an archive of `docker save` nor one of an OCI layout
    "#]],
    );
    check(
        &scratch,
        &["load", "-i", "dir"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot load dir
          cause: dir is not an image layout
    "#]],
    );
    check(
        &scratch,
        &["load", "-i", "nothing"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot load nothing
          cause: cannot open nothing
          cause: No such file or directory (os error 2)
    "#]],
    );
    scratch
        .jettison(&["save", "-o", "app.tar", "me/app:1"])
        .succeeded();
    let bytes = fs::read(scratch.dir().join("app.tar")).unwrap();
    for cut in [600, bytes.len() / 2] {
        scratch.write("cut.tar", &bytes[..cut]);
        assert_eq!(
            scratch.jettison(&["load", "-i", "cut.tar"]).code,
            2,
            "{cut}"
        );
    }
}
