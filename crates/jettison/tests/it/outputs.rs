//! What a build writes out: `-o`, in all its forms.

use std::collections::BTreeMap;
use std::fs;

use expect_test::expect;
use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;
use crate::builds::check_build;
use crate::shared::namespaces_work;

/// A directory `app` whose image has a file, a directory and a link.
fn app() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write(
            "app/Dockerfile",
            "FROM scratch\nCOPY data/ /srv/\nCOPY data/one /srv/sub/two\nCMD [\"/srv/one\"]\n",
        )
        .write("app/data/one", "first\n")
        .write("app/data/sub/two", "second\n");
    Some(scratch)
}

#[test]
fn files_are_written_into_a_directory() {
    let Some(scratch) = app() else { return };
    for output in ["out", "type=local,dest=out"] {
        scratch.write("out/old", "");
        scratch
            .jettison(&["build", "-q", "app", "-o", output])
            .succeeded();
        assert_eq!(scratch.read("out/srv/one"), "first\n");
        assert_eq!(scratch.read("out/srv/sub/two"), "first\n");
        assert!(scratch.exists("out/old"), "what was there stays");
    }
    let deletes = "type=local,dest=out,mode=delete";
    check_build(
        &scratch,
        &["build", "app", "-o", deletes],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: mode=delete removes files, which has to be allowed
        hint: add `--allow buildx.local.delete`
    "#]],
    );
    scratch
        .jettison(&[
            "build",
            "-q",
            "app",
            "-o",
            deletes,
            "--allow",
            "buildx.local.delete",
        ])
        .succeeded();
    assert!(!scratch.exists("out/old"));
    let splits = "type=local,dest=split,platform-split=true";
    scratch
        .jettison(&["build", "-q", "app", "-o", splits])
        .succeeded();
    let name = fs::read_dir(scratch.dir().join("split"))
        .unwrap()
        .flatten()
        .next();
    let name = name.expect("there is one platform").file_name();
    assert!(name.to_string_lossy().starts_with("linux_"), "{name:?}");
}

#[test]
fn files_are_written_as_a_tar() {
    let Some(scratch) = app() else { return };
    let arguments = ["build", "-q", "app", "-o", "-"];
    let output = scratch.command(&arguments).output().unwrap();
    assert!(output.status.success());
    fs::write(scratch.dir().join("piped.tar"), &output.stdout).unwrap();
    scratch
        .jettison(&["build", "-q", "app", "-o", "type=tar,dest=file.tar"])
        .succeeded();
    let list = |file: &str| {
        let mut tar = scratch.tool("tar", &["-tf", file]);
        scratch.outcome(&mut tar).succeeded().stdout
    };
    expect![[r#"
        srv/
        srv/sub/
        srv/one
        srv/sub/two
    "#]]
    .assert_eq(&list("file.tar"));
    assert_eq!(list("piped.tar"), list("file.tar"));
}

#[test]
fn what_docker_loads_is_written_to_standard_output() {
    let Some(scratch) = app() else { return };
    let arguments = ["build", "app", "-t", "app", "-o", "type=docker,dest=-"];
    let output = scratch.command(&arguments).output().unwrap();
    assert!(output.status.success());
    fs::write(scratch.dir().join("image.tar"), &output.stdout).unwrap();
    let mut tar = scratch.tool("tar", &["-xOf", "image.tar", "manifest.json"]);
    let manifest = scratch.outcome(&mut tar).succeeded().stdout;
    let manifest: Value = serde_json::from_str(&manifest).expect("it is JSON");
    assert_eq!(manifest[0]["RepoTags"][0], "app:latest");
}

#[test]
fn attributes_shape_what_is_written() {
    let Some(scratch) = app() else { return };
    scratch
        .jettison(&[
            "build",
            "-q",
            "app",
            "-t",
            "app",
            "--annotation",
            "a=b",
            "--label",
            "c=d",
            "--metadata-file",
            "meta.json",
            "-o",
            "type=oci,tar=false,dest=layout,compression=zstd,name=other:1,annotation.e=f",
        ])
        .succeeded();
    let json =
        |path: &str| -> Value { serde_json::from_str(&scratch.read(path)).expect("it is JSON") };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"]
            .as_str()
            .expect("a descriptor has a digest");
        json(&format!("layout/blobs/{}", digest.replace(':', "/")))
    };
    let index = json("layout/index.json");
    let entry = &index["manifests"][0];
    assert_eq!(
        entry["annotations"]["io.containerd.image.name"],
        "docker.io/library/other:1"
    );
    let manifest = blob(entry);
    assert_eq!(manifest["annotations"]["a"], "b");
    assert_eq!(manifest["annotations"]["e"], "f");
    let types: Vec<&Value> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["mediaType"])
        .collect();
    assert!(
        types
            .iter()
            .all(|kind| *kind == "application/vnd.oci.image.layer.v1.tar+zstd"),
        "{types:?}"
    );
    assert_eq!(blob(&manifest["config"])["config"]["Labels"]["c"], "d");
    assert_eq!(json("meta.json")["containerimage.digest"], entry["digest"]);
}

#[test]
fn several_platforms_are_one_index() {
    let Some(scratch) = app() else { return };
    let arguments = [
        "build",
        "-q",
        "app",
        "--platform",
        "linux/amd64,linux/arm64",
        "-o",
        "type=oci,tar=false,dest=layout",
    ];
    let outcome = scratch.jettison(&arguments).succeeded();
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome}");
    let index: Value = serde_json::from_str(&scratch.read("layout/index.json")).unwrap();
    let digest = index["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .replace(':', "/");
    let index: Value =
        serde_json::from_str(&scratch.read(&format!("layout/blobs/{digest}"))).unwrap();
    let platforms: BTreeMap<String, String> = index["manifests"]
        .as_array()
        .expect("it is an index")
        .iter()
        .map(|entry| {
            let platform = &entry["platform"];
            (
                platform["architecture"].to_string(),
                platform["os"].to_string(),
            )
        })
        .collect();
    assert_eq!(platforms.len(), 2, "{platforms:?}");
    check_build(
        &scratch,
        &["build", "app", "--platform", "linux/pdp11/x/y"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot build for platform linux/pdp11/x/y
              cause: "linux/pdp11/x/y": cannot parse platform specifier: invalid argument
        "#]],
    );
}

#[test]
fn cacheonly_names_nothing() {
    let Some(scratch) = app() else { return };
    scratch
        .jettison(&["build", "-q", "app", "-t", "app", "-o", "type=cacheonly"])
        .succeeded();
    assert_eq!(
        scratch
            .jettison(&["images"])
            .succeeded()
            .stdout
            .lines()
            .count(),
        1
    );
}

#[test]
fn outputs_that_cannot_be_are_refused_before_anything_is_built() {
    let Some(scratch) = app() else { return };
    for output in [
        ["-o", "-", "-o", "type=oci"].as_slice(),
        &["-o", "type=oci,dest=nowhere/x"],
        &["-o", "type=registry"],
    ] {
        let outcome = scratch.jettison(&[&["build", "app"], output].concat());
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(!outcome.stderr.contains("COPY"), "{outcome}");
    }
}

#[test]
fn contexts_have_names() {
    let Some(scratch) = app() else { return };
    scratch
        .jettison(&[
            "build",
            "-q",
            "app",
            "-t",
            "app",
            "-o",
            "type=oci,tar=false,dest=layout",
        ])
        .succeeded();
    scratch
        .write(
            "named/Dockerfile",
            "FROM base\nCOPY --from=files one /two\n",
        )
        .write("files/one", "named\n");
    for base in ["base=oci-layout://layout:latest", "base=docker-image://app"] {
        scratch
            .jettison(&[
                "build",
                "-q",
                "named",
                "--build-context",
                base,
                "--build-context",
                "files=files",
                "-o",
                "out",
            ])
            .succeeded();
        assert_eq!(scratch.read("out/two"), "named\n");
        assert_eq!(scratch.read("out/srv/one"), "first\n");
    }
    check_build(
        &scratch,
        &["build", "named", "--build-context", "files=nowhere"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: failed to get build context files
              cause: No such file or directory (os error 2)
            hint: nowhere is taken for a directory
        "#]],
    );
}
