//! Images go to other tools and come from them: the same configuration, the same files.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use jettison_testkit::{Scratch, skip};
use serde_json::Value;

use crate::PROGRAM;
use crate::everyday::{stdout, world};
use crate::shared::{installed, runs_as_root};

/// A world with `me/app:1`, and another of its layers and one more that is called `me/app:2`.
fn images() -> Option<Scratch> {
    let scratch = world()?;
    scratch
        .write(
            "more/Dockerfile",
            "FROM me/app:1\nCOPY three /\nCOPY --chown=7:8 --chmod=4711 three /dir/\n",
        )
        .write("more/three", "third\n");
    scratch
        .jettison(&["build", "-q", "more", "-t", "me/app:2"])
        .succeeded();
    scratch
        .jettison(&["save", "-o", "ours.tar", "me/app"])
        .succeeded();
    Some(scratch)
}

/// What has to be the same wherever an image is: its ID, how it runs, its layers.
fn identity(scratch: &Scratch, name: &str) -> Value {
    let inspected = stdout(scratch, &["inspect", name]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    chosen(&inspected[0])
}

/// The parts of what a tool's `image inspect` shows that all tools show alike.
fn chosen(inspected: &Value) -> Value {
    let config = &inspected["Config"];
    let id = inspected["Id"].as_str().unwrap_or_default();
    serde_json::json!({
        "Id": id.trim_start_matches("sha256:"),
        "Layers": inspected["RootFS"]["Layers"],
        "Cmd": config["Cmd"],
        "Env": config["Env"],
        "Labels": config["Labels"],
        "ExposedPorts": config["ExposedPorts"],
        "Os": inspected["Os"],
        "Architecture": inspected["Architecture"],
    })
}

/// Loads `archive` of `scratch` in a world of its own, and compares both images with those of `scratch`, file by file.
#[track_caller]
fn check_loaded(scratch: &Scratch, archive: &str, names: &[(&str, &str)]) {
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
fn files(scratch: &Scratch, name: &str) -> String {
    scratch.write("files/Dockerfile", format!("FROM {name}\n"));
    scratch
        .jettison(&["build", "-q", "files", "-o", "type=tar,dest=files.tar"])
        .succeeded();
    let mut tar = scratch.tool(
        "tar",
        &["--full-time", "--numeric-owner", "-tvf", "files.tar"],
    );
    let listing = scratch.outcome(&mut tar).succeeded().stdout;
    let mut lines: Vec<&str> = listing.lines().collect();
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
    if !installed(&["podman", "buildah"]) || !runs_as_root() {
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
    for target in [
        "docker-archive:buildah.tar:me/app:2",
        "oci:buildah:me/app:2",
    ] {
        with_storage(
            &scratch,
            "buildah",
            &["push", "--quiet", "me/app:2", target],
        );
        let archive = target.split(':').nth(1).unwrap();
        check_loaded(&scratch, archive, &[("me/app:2", "me/app:2")]);
    }
}

/// A docker daemon with a directory of its own, which is ended with this.
struct Daemon {
    process: Child,
    socket: String,
}

impl Daemon {
    /// Says why there is none, if there is none.
    fn start(scratch: &Scratch) -> Option<Daemon> {
        if !installed(&["dockerd", "docker"]) || !runs_as_root() {
            return None;
        }
        let path = |name: &str| scratch.dir().join(name).display().to_string();
        let socket = format!("unix://{}", path("sock"));
        let process = scratch
            .tool(
                "dockerd",
                &[
                    "--bridge",
                    "none",
                    "--iptables=false",
                    "--ip6tables=false",
                    "--storage-driver",
                    "vfs",
                ],
            )
            .args([
                "--data-root",
                &path("docker"),
                "--exec-root",
                &path("exec"),
                "--pidfile",
                &path("pid"),
                "-H",
                &socket,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Daemon { process, socket };
        for _ in 0..100 {
            if UnixStream::connect(path("sock")).is_ok() {
                return Some(daemon);
            }
            thread::sleep(Duration::from_millis(100));
        }
        skip("dockerd does not start here");
        None
    }

    fn docker(&self, scratch: &Scratch, arguments: &[&str]) -> String {
        let mut docker = scratch.tool("docker", &["-H", &self.socket]);
        docker.args(arguments);
        scratch.outcome(&mut docker).succeeded().stdout
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").arg(pid).status();
        assert!(asked.is_ok_and(|status| status.success()));
        self.process.wait().unwrap();
    }
}

#[test]
fn docker_loads_ours_and_theirs_load() {
    let Some(scratch) = images() else { return };
    let Some(daemon) = Daemon::start(&scratch) else {
        return;
    };
    let loaded = daemon.docker(&scratch, &["load", "-i", "ours.tar"]);
    assert_eq!(loaded, "Loaded image: me/app:1\nLoaded image: me/app:2\n");
    for name in ["me/app:1", "me/app:2"] {
        let inspected = daemon.docker(&scratch, &["image", "inspect", name]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(chosen(&inspected[0]), identity(&scratch, name));
    }
    daemon.docker(
        &scratch,
        &["save", "-o", "theirs.tar", "me/app:1", "me/app:2"],
    );
    check_loaded(
        &scratch,
        "theirs.tar",
        &[("me/app:1", "me/app:1"), ("me/app:2", "me/app:2")],
    );
    // From the store to the daemon, and back, without a file in between.
    let copy = |source: &str, target: &str| {
        let mut command = scratch.command(&["copy", "-q", source, target]);
        command.env("DOCKER_HOST", &daemon.socket);
        scratch.outcome(&mut command).succeeded();
    };
    copy("me/app:2", "docker-daemon:me/copied:1");
    copy("docker-daemon:me/copied:1", "jettison:me/back:1");
    assert_eq!(
        identity(&scratch, "me/back:1"),
        identity(&scratch, "me/app:2")
    );
    assert_eq!(files(&scratch, "me/back:1"), files(&scratch, "me/app:2"));
    daemon.docker(&scratch, &["rmi", "me/copied:1"]);
    scratch.jettison(&["rmi", "me/back:1"]).succeeded();
    // The columns that both have are the same.
    let format = "{{.Repository}} {{.Tag}} {{.ID}} {{.CreatedSince}} {{.CreatedAt}}";
    let sorted = |list: &str| {
        let mut lines: Vec<String> = list.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    let theirs = daemon.docker(&scratch, &["images", "--format", format]);
    assert_eq!(
        sorted(&stdout(&scratch, &["images", "--format", format])),
        sorted(&theirs)
    );
    let format = "{{.CreatedBy}}|{{.Size}}|{{.Comment}}|{{.CreatedSince}}";
    let history = ["history", "--format", format, "me/app:2"];
    assert_eq!(
        stdout(&scratch, &history),
        daemon.docker(&scratch, &history)
    );
    let format = "{{range .Config.Env}}{{.}};{{end}}{{json .Config.Cmd}}{{len .RootFS.Layers}}{{.Config.Labels.kind}}";
    let inspect = ["inspect", "-f", format, "me/app:2"];
    assert_eq!(
        stdout(&scratch, &inspect),
        daemon.docker(&scratch, &inspect)
    );
}
