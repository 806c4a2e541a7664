//! Images go to other tools and come from them: the same configuration, the same files.

use jettison_testkit::Scratch;
use serde_json::Value;

use crate::PROGRAM;
use crate::everyday::{stdout, world};
use crate::shared::{installed, runs_as_root};

/// A world with `me/app:1`, and another of its layers and one more that is called `me/app:2`.
pub(crate) fn images() -> Option<Scratch> {
    let scratch = world()?;
    scratch
        .write(
            "more/Dockerfile",
            "FROM me/app:1\nCOPY three /\nCOPY --chown=7:8 --chmod=4711 three /dir/\nADD links.tar /links\n\
             USER 7:8\nWORKDIR /work\nVOLUME /v /w\nSTOPSIGNAL SIGUSR1\nENTRYPOINT [\"/one\"]\n",
        )
        .write("more/three", "third\n")
        .write("more/links/file", "linked\n");
    let make = "cd links; ln -s file symbolic; ln file hard; ln -s /nowhere dangling; tar -cf ../links.tar .";
    let mut shell = scratch.tool("sh", &["-c", &format!("cd more; {make}")]);
    scratch.outcome(&mut shell).succeeded();
    scratch
        .jettison(&["build", "-q", "more", "-t", "me/app:2"])
        .succeeded();
    scratch
        .jettison(&["save", "-o", "ours.tar", "me/app"])
        .succeeded();
    Some(scratch)
}

/// What has to be the same wherever an image is: its ID, how it runs, its layers.
pub(crate) fn identity(scratch: &Scratch, name: &str) -> Value {
    let inspected = stdout(scratch, &["inspect", name]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    chosen(&inspected[0])
}

/// The parts of what a tool's `image inspect` shows that all tools show alike.
pub(crate) fn chosen(inspected: &Value) -> Value {
    let config = &inspected["Config"];
    let id = inspected["Id"].as_str().unwrap_or_default();
    serde_json::json!({
        "Id": id.trim_start_matches("sha256:"),
        "Layers": inspected["RootFS"]["Layers"],
        "Config": run_settings(config),
        "Created": inspected["Created"],
        "Os": inspected["Os"],
        "Architecture": inspected["Architecture"],
    })
}

/// Everything in a configuration that says how a container runs. What is empty is as good as what is not there.
fn run_settings(config: &Value) -> Value {
    let names = [
        "Cmd",
        "Entrypoint",
        "Env",
        "ExposedPorts",
        "Healthcheck",
        "Labels",
        "OnBuild",
        "StopSignal",
        "User",
        "Volumes",
        "WorkingDir",
    ];
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    let known = names.iter().filter(|name| is_set(&config[**name]));
    known
        .map(|name| ((*name).to_owned(), config[*name].clone()))
        .collect()
}

/// Loads `archive` of `scratch` in a world of its own, and compares both images with those of `scratch`, file by file.
#[track_caller]
pub(crate) fn check_loaded(scratch: &Scratch, archive: &str, names: &[(&str, &str)]) {
    let fresh = Scratch::new(PROGRAM);
    let path = scratch.dir().join(archive);
    fresh
        .jettison(&["load", "-i", path.to_str().unwrap()])
        .succeeded();
    for (name, original) in names {
        assert_eq!(
            identity(&fresh, name),
            identity(scratch, original),
            "{archive} {name}"
        );
        assert_eq!(
            files(&fresh, name),
            files(scratch, original),
            "{archive} {name}"
        );
    }
}

/// A listing of all files of an image, made by a build that writes them as a tar.
pub(crate) fn files(scratch: &Scratch, name: &str) -> String {
    scratch.write("files/Dockerfile", format!("FROM {name}\n"));
    scratch
        .jettison(&["build", "-q", "files", "-o", "type=tar,dest=files.tar"])
        .succeeded();
    sorted_listing(scratch, "files.tar")
}

/// What is in an archive, sorted: modes, owners, sizes, times, names, targets of links.
pub(crate) fn sorted_listing(scratch: &Scratch, archive: &str) -> String {
    let words = ["--full-time", "--numeric-owner", "-tvf", archive];
    let mut tar = scratch.tool("tar", &words);
    let listing = scratch.outcome(&mut tar).succeeded().stdout;
    let mut lines: Vec<String> = listing
        .lines()
        .map(|line| line.replace(" ./", " "))
        .collect();
    lines.retain(|line| !line.ends_with(' '));
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn skopeo_copies_ours_and_theirs_load() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some(scratch) = images() else { return };
    let copy = |arguments: &[&str]| {
        let mut skopeo = scratch.tool("skopeo", &["copy", "--quiet"]);
        skopeo.args(arguments);
        scratch.outcome(&mut skopeo).succeeded();
    };
    let config = |source: &str| -> Value {
        let mut skopeo = scratch.tool("skopeo", &["inspect", "--config", "--raw", source]);
        serde_json::from_str(&scratch.outcome(&mut skopeo).succeeded().stdout).unwrap()
    };
    assert_eq!(
        config("docker-archive:ours.tar:me/app:2"),
        config("oci-archive:ours.tar:docker.io/me/app:2")
    );
    for (options, target) in [
        (&[][..], "docker-archive:docker.tar:me/app:2"),
        (&[], "oci-archive:oci.tar:me/app:2"),
        (&[], "oci:layout:me/app:2"),
        (
            &["--dest-compress", "--dest-compress-format", "zstd"],
            "oci:zstd:me/app:2",
        ),
    ] {
        let arguments = [options, &["docker-archive:ours.tar:me/app:2", target]].concat();
        copy(&arguments);
        let archive = target.split(':').nth(1).unwrap();
        check_loaded(&scratch, archive, &[("me/app:2", "me/app:2")]);
    }
    assert!(layer_types(&scratch, "zstd").contains("+zstd"));
}

/// The media types of the layers of a layout's image, by skopeo.
fn layer_types(scratch: &Scratch, layout: &str) -> String {
    let place = format!("oci:{layout}:me/app:2");
    let mut skopeo = scratch.tool("skopeo", &["inspect", "--raw", &place]);
    scratch.outcome(&mut skopeo).succeeded().stdout
}

/// Gives a layout's manifest and layers the media types that Docker has for them.
#[test]
fn a_layout_with_dockers_media_types_loads() {
    let Some(scratch) = images() else { return };
    scratch
        .jettison(&[
            "build",
            "-q",
            "more",
            "-o",
            "type=oci,dest=schema2.tar,oci-mediatypes=false,name=me/app:2",
        ])
        .succeeded();
    let mut tar = scratch.tool("tar", &["-xOf", "schema2.tar", "index.json"]);
    let index = scratch.outcome(&mut tar).succeeded().stdout;
    assert!(
        index.contains("application/vnd.docker.distribution.manifest.v2+json"),
        "{index}"
    );
    check_loaded(&scratch, "schema2.tar", &[("me/app:2", "me/app:2")]);
}

/// Podman or buildah with its images below the scratch directory.
fn with_storage(scratch: &Scratch, tool: &str, arguments: &[&str]) -> String {
    let mut command = scratch.tool(
        tool,
        &[
            "--root",
            "storage",
            "--runroot",
            "state",
            "--storage-driver",
            "vfs",
        ],
    );
    command.args(arguments);
    scratch.outcome(&mut command).succeeded().stdout
}

#[test]
fn podman_and_buildah_load_ours_and_theirs_load() {
    if !installed(&["podman", "buildah", "skopeo"]) || !runs_as_root() {
        return;
    }
    let Some(scratch) = images() else { return };
    with_storage(
        &scratch,
        "podman",
        &["load", "--quiet", "--input", "ours.tar"],
    );
    for name in ["me/app:1", "me/app:2"] {
        let inspected = with_storage(&scratch, "podman", &["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(chosen(&inspected[0]), identity(&scratch, name));
    }
    let save = [
        "save",
        "--quiet",
        "--multi-image-archive",
        "-o",
        "many.tar",
        "me/app:1",
        "me/app:2",
    ];
    with_storage(&scratch, "podman", &save);
    let both = [
        ("localhost/me/app:1", "me/app:1"),
        ("localhost/me/app:2", "me/app:2"),
    ];
    check_loaded(&scratch, "many.tar", &both);
    let save = [
        "save",
        "--quiet",
        "--format",
        "oci-archive",
        "-o",
        "oci.tar",
        "me/app:2",
    ];
    with_storage(&scratch, "podman", &save);
    check_loaded(&scratch, "oci.tar", &both[1..]);
    let zstd = ["--compression-format", "zstd"];
    for (options, target) in [
        (&[][..], "docker-archive:buildah.tar:me/app:2"),
        (&[], "oci:buildah:me/app:2"),
        (&[], "oci-archive:buildah.oci.tar:me/app:2"),
        (&zstd, "oci:buildah.zstd:me/app:2"),
        (&zstd, "oci-archive:buildah.zstd.tar:me/app:2"),
    ] {
        let push = [&["push", "--quiet"], options, &["me/app:2", target]].concat();
        with_storage(&scratch, "buildah", &push);
        let archive = target.split(':').nth(1).unwrap();
        check_loaded(&scratch, archive, &[("me/app:2", "me/app:2")]);
    }
    assert!(layer_types(&scratch, "buildah.zstd").contains("+zstd"));
}
