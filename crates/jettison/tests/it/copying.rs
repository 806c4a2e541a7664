//! `copy`: images between registries, layouts, archives, daemons and the store, held against skopeo.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use expect_test::{Expect, expect};
use jettison_testkit::{DockerRegistry, RegistryDemands, Scratch};
use serde_json::Value;

use crate::PROGRAM;
use crate::everyday::{stdout, world};
use crate::registries::registry;
use crate::shared::{installed, namespaces_work};

/// A world with `me/app:1`, and a registry.
fn scene() -> Option<(DockerRegistry, Scratch)> {
    let registry = registry(&RegistryDemands::default())?;
    Some((registry, world()?))
}

/// Copies in a world that knows nothing, and gives the digest of what is there then.
#[track_caller]
fn copy(scratch: &Scratch, arguments: &[&str]) -> String {
    let arguments = [&["copy", "-q", "--digestfile", "digest"], arguments].concat();
    let outcome = scratch.jettison(&arguments).succeeded();
    let target = arguments.last().unwrap();
    assert_eq!(outcome.stdout, format!("{target}\n"));
    assert_eq!(outcome.stderr, "");
    scratch.read("digest")
}

/// What skopeo says about a place.
#[track_caller]
fn skopeo(scratch: &Scratch, arguments: &[&str]) -> String {
    let mut skopeo = scratch.tool("skopeo", arguments);
    scratch.outcome(&mut skopeo).succeeded().stdout
}

/// The digest and the configuration of an image, by skopeo.
#[track_caller]
fn inspected(scratch: &Scratch, place: &str) -> (String, Value) {
    let format = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"];
    let digest = skopeo(scratch, &[&format[..], &[place]].concat());
    let config = ["inspect", "--tls-verify=false", "--config", "--raw", place];
    let config = serde_json::from_str(&skopeo(scratch, &config)).unwrap();
    (digest.trim().to_owned(), config)
}

#[test]
fn a_digest_stays_from_registry_to_registry_to_layout_to_archive_and_back() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some((one, maker)) = scene() else { return };
    let Some(other) = registry(&RegistryDemands::default()) else {
        return;
    };
    let name = format!("docker://{}/team/app:1", one.authority());
    let digest = copy(&maker, &["me/app:1", &name]);
    let expected = inspected(&maker, &name);
    assert_eq!(expected.0, digest);

    let scratch = Scratch::new(PROGRAM);
    let far = format!("docker://{}/copy/app:2", other.authority());
    let back = format!("docker://{}/copy/app:3", other.authority());
    for (from, to) in [
        (name.as_str(), far.as_str()),
        (&far, "oci:layout:v1"),
        ("oci:layout:v1", "oci-archive:archive.tar:v2"),
        ("oci-archive:archive.tar:v2", &back),
    ] {
        assert_eq!(copy(&scratch, &[from, to]), digest, "{from} {to}");
        assert_eq!(inspected(&scratch, to), expected, "{from} {to}");
    }
    // Nothing of it stays in the store.
    assert_eq!(stdout(&scratch, &["images", "-aq"]), "");
    // What skopeo has copied has the same digest.
    let theirs = format!("docker://{}/copy/theirs:1", other.authority());
    let options = [
        "copy",
        "-q",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    skopeo(
        &scratch,
        &[&options[..], &["oci:layout:v1", &theirs]].concat(),
    );
    assert_eq!(inspected(&scratch, &theirs), expected);
    // An image of the store that came from a registry is what it was there.
    copy(&scratch, &[&theirs, "jettison:pulled:1"]);
    assert_eq!(copy(&scratch, &["pulled:1", "oci:third"]), digest);
}

#[test]
fn archives_of_docker_are_read_and_written() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some((registry, maker)) = scene() else {
        return;
    };
    copy(&maker, &["me/app:1", "docker-archive:docker.tar:me/app:2"]);
    let (_, config) = inspected(&maker, "docker-archive:docker.tar:me/app:2");
    skopeo(
        &maker,
        &[
            "copy",
            "-q",
            "docker-archive:docker.tar",
            "docker-archive:theirs.tar:me/app:3",
        ],
    );
    let scratch = Scratch::new(PROGRAM);
    for (archive, tag) in [("docker", "2"), ("theirs", "3")] {
        let path = maker.dir().join(format!("{archive}.tar"));
        let source = format!("docker-archive:{}", path.display());
        let named = format!("{source}:me/app:{tag}");
        let target = format!("docker://{}/{archive}:1", registry.authority());
        copy(&scratch, &[&named, &target]);
        assert_eq!(inspected(&scratch, &target).1, config);
        // Layers are compressed on their way.
        let manifest = skopeo(
            &scratch,
            &["inspect", "--tls-verify=false", "--raw", &target],
        );
        assert_eq!(manifest.matches("tar+gzip").count(), 2, "{manifest}");
        copy(&scratch, &[&source, &format!("jettison:{archive}")]);
        let id = stdout(&scratch, &["inspect", "-f", "{{.Id}}", archive]);
        assert_eq!(
            id,
            stdout(&maker, &["inspect", "-f", "{{.Id}}", "me/app:1"])
        );
    }
    let failed = scratch.jettison(&[
        "copy",
        &format!(
            "docker-archive:{}:no/such:1",
            maker.dir().join("docker.tar").display()
        ),
        "oci:none",
    ]);
    let text = failed.to_string();
    assert!(
        text.contains("has no image called docker.io/no/such:1, but"),
        "{text}"
    );
    assert!(
        text.contains("exit: 2") && !scratch.exists("none"),
        "{text}"
    );
}

/// A registry with an image for two platforms, and where that is.
fn many_platforms() -> Option<(DockerRegistry, String)> {
    if !namespaces_work() || !installed(&["skopeo"]) {
        return None;
    }
    let registry = registry(&RegistryDemands::default())?;
    let maker = Scratch::new(PROGRAM);
    maker
        .write("app/data", "some bytes\n")
        .write("app/Dockerfile", "FROM scratch\nCOPY data /\n");
    let name = format!("{}/team/app:many", registry.authority());
    let output = format!("type=registry,name={name}");
    maker
        .jettison(&[
            "build",
            "-q",
            "app",
            "-o",
            &output,
            "--platform",
            "linux/amd64,linux/arm64",
        ])
        .succeeded();
    let source = format!("docker://{name}");
    Some((registry, source))
}

/// A manifest or an index, to the byte.
#[track_caller]
fn raw(scratch: &Scratch, place: &str) -> String {
    skopeo(scratch, &["inspect", "--raw", "--tls-verify=false", place])
}

#[test]
fn all_platforms_are_copied_with_their_index() {
    let Some((registry, source)) = many_platforms() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let raw = |place: &str| raw(&scratch, place);
    let target = format!("docker://{}/other/app:many", registry.authority());
    copy(&scratch, &["--all", &source, &target]);
    assert_eq!(raw(&target), raw(&source));
    copy(&scratch, &["-a", &source, "oci:layout:many"]);
    let layout = format!("oci:{}/layout:many", scratch.dir().display());
    assert_eq!(raw(&layout), raw(&source));
    // One of them, and the one that is not this machine's.
    for platform in ["linux/amd64", "linux/arm64"] {
        for from in [&source, &layout] {
            let image = format!("jettison:{}", platform.rsplit('/').next().unwrap());
            copy(&scratch, &["--platform", platform, from, &image]);
            let format = "{{.Os}}/{{.Architecture}}";
            let shown = stdout(&scratch, &["inspect", "-f", format, &image[9..]]);
            assert_eq!(shown.trim(), platform);
        }
    }
    let failed = scratch.jettison(&["copy", &source, "oci:one"]).succeeded();
    assert!(
        failed
            .stderr
            .contains("--all copies those for all platforms"),
        "{failed}"
    );
}

#[test]
fn all_platforms_are_copied_from_layouts_and_their_archives() {
    let Some((registry, source)) = many_platforms() else {
        return;
    };
    let scratch = Scratch::new(PROGRAM);
    let raw = |place: &str| raw(&scratch, place);
    copy(&scratch, &["-a", &source, "oci:layout:many"]);
    let back = format!("docker://{}/back/app:many", registry.authority());
    copy(
        &scratch,
        &["--all", "oci:layout:many", "oci-archive:all.tar:many"],
    );
    let fresh = Scratch::new(PROGRAM);
    let archive = format!("oci-archive:{}/all.tar", scratch.dir().display());
    copy(&fresh, &["--all", &archive, &back]);
    assert_eq!(raw(&back), raw(&source));
    let theirs = format!("oci:{}/theirs:many", scratch.dir().display());
    let words = [
        "copy",
        "-q",
        "--all",
        "--src-tls-verify=false",
        &source,
        &theirs,
    ];
    skopeo(&scratch, &words);
    copy(&fresh, &["--all", &theirs, "oci:ours:many"]);
    let ours = format!("oci:{}/ours:many", fresh.dir().display());
    assert_eq!(raw(&ours), raw(&source));
    assert_eq!(stdout(&fresh, &["images", "-a", "-q"]), "");
    copy(
        &fresh,
        &["--platform", "linux/arm64", &theirs, "oci:ours:arm"],
    );
    let several = fresh.jettison(&["copy", "--all", "oci:ours", &back]);
    expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot read ours
          cause: ours has several images: many, arm
        hint: name one of them behind the path
    "#]]
    .assert_eq(
        &several
            .to_string()
            .replace(&registry.authority(), "[REGISTRY]"),
    );
}

#[test]
fn layers_and_media_types_are_as_they_are_asked_for() {
    if !installed(&["skopeo"]) {
        return;
    }
    let Some((registry, scratch)) = scene() else {
        return;
    };
    let place = |name: &str| format!("docker://{}/{name}:1", registry.authority());
    let raw = |place: &str| skopeo(&scratch, &["inspect", "--raw", "--tls-verify=false", place]);
    copy(&scratch, &["me/app:1", &place("gzip")]);
    for (options, name, word) in [
        (&["--compression", "zstd"][..], "zstd", "tar+zstd"),
        (&["--format", "v2s2"], "docker", "diff.tar.gzip"),
        (
            &["--dest-compress-format", "uncompressed"],
            "plain",
            "v1.tar\"",
        ),
    ] {
        copy(
            &scratch,
            &[options, &[&place("gzip"), &place(name)]].concat(),
        );
        let manifest = raw(&place(name));
        assert_eq!(manifest.matches(word).count(), 2, "{manifest}");
        // To a layout it goes with its layers as they are, and the OCI's media types.
        let layout = format!("oci:layout:{name}");
        copy(&scratch, &[&place(name), &layout]);
        let layers = |manifest: &str| -> Vec<String> {
            let manifest: Value = serde_json::from_str(manifest).unwrap();
            let layers = manifest["layers"].as_array().unwrap().iter();
            layers.map(|layer| layer["digest"].to_string()).collect()
        };
        assert_eq!(layers(&raw(&layout)), layers(&manifest), "{name}");
        assert!(!raw(&layout).contains("docker"), "{name}");
    }
}

#[test]
fn an_image_of_a_daemon_is_copied() {
    let Some(maker) = world() else { return };
    maker
        .jettison(&["save", "-o", "saved.tar", "me/app:1"])
        .succeeded();
    let archive = std::fs::read(maker.dir().join("saved.tar")).unwrap();
    let socket = maker.dir().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let served = thread::spawn(move || {
        let mut asked = Vec::new();
        while asked.len() < 2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            if line.is_empty() {
                continue;
            }
            let answer = if line.contains("app:1") {
                let length = archive.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                [head.as_bytes(), &archive].concat()
            } else {
                let text = "{\"message\":\"No such image: none:1\"}";
                let length = text.len();
                let head = "HTTP/1.1 404 Not Found\r\nContent-Length:";
                format!("{head} {length}\r\n\r\n{text}").into_bytes()
            };
            stream.write_all(&answer).unwrap();
            asked.push(line.trim().to_owned());
        }
        asked
    });
    let scratch = Scratch::new(PROGRAM);
    let with_daemon = |arguments: &[&str]| {
        let mut command = scratch.command(arguments);
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        scratch.outcome(&mut command)
    };
    with_daemon(&["copy", "docker-daemon:me/app:1", "mine:1"]).succeeded();
    let id = |scratch: &Scratch, name: &str| stdout(scratch, &["inspect", "-f", "{{.Id}}", name]);
    assert_eq!(id(&scratch, "mine:1"), id(&maker, "me/app:1"));
    let missing = with_daemon(&["copy", "docker-daemon:none:1", "mine:2"]).to_string();
    assert!(
        missing.contains("cannot get none:1 from unix://"),
        "{missing}"
    );
    assert!(
        missing.contains("cause: No such image: none:1"),
        "{missing}"
    );
    assert_eq!(
        served.join().unwrap(),
        [
            "GET /images/me/app:1/get HTTP/1.1",
            "GET /images/none:1/get HTTP/1.1"
        ]
    );
}

#[track_caller]
fn check(scratch: &Scratch, arguments: &[&str], expected: Expect) {
    scratch.check(&[&["copy"], arguments].concat(), expected);
}

#[test]
fn a_target_that_cannot_be_is_refused_before_anything_is_done() {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("full.tar", "something")
        .write("directory/file", "something");
    check(
        &scratch,
        &["a", "containers-storage:b"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: `containers-storage:b`: there is no transport containers-storage:
        hint: that is Podman's own store, which Podman alone reads and writes: go through docker-archive:FILE with `podman save` and `podman load`, or through docker-daemon: with CONTAINER_HOST and `podman system service`
    "#]],
    );
    check(
        &scratch,
        &["docker://a", "docker-archive:full.tar:b:1"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: full.tar is there, and nothing is added to archives of Docker
            hint: name another file; `jettison save -o FILE IMAGE…` writes several images
        "#]],
    );
    check(
        &scratch,
        &["docker://a", "oci:directory"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: directory is there, and is no OCI layout
        hint: name another directory
    "#]],
    );
    check(
        &scratch,
        &["docker://a", "oci:no/such/directory"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: there is no directory no/such
        "#]],
    );
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_anything_is_done() {
    let scratch = Scratch::new(PROGRAM);
    check(
        &scratch,
        &["docker://a", "oci:new", "--format", "docker"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: an OCI layout has the OCI's media types, not Docker's
            hint: leave --format away, or take docker-archive:FILE
        "#]],
    );
    check(
        &scratch,
        &["docker://a", "b", "--compression", "zstd"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: the store keeps images in a form of its own
            hint: leave --format and the options of compression away
        "#]],
    );
    check(
        &scratch,
        &["--all", "docker://a", "docker-archive:new.tar"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --all copies to registries and OCI layouts alone
            hint: leave --all away, and choose with --platform
        "#]],
    );
    check(
        &scratch,
        &["--all", "docker-archive:old.tar", "oci:new"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --all copies from registries and OCI layouts alone
            hint: leave --all away, and choose with --platform
        "#]],
    );
    check(
        &scratch,
        &["--src-tls-verify=false", "docker://lab:5000/a", "b"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --src-tls-verify=false is for the settings to say
            hint: write `insecure = true` under [registries."lab:5000"] in jettison/config.toml below XDG_CONFIG_HOME (~/.config); registries on this machine need nothing
        "#]],
    );
    check(
        &scratch,
        &["none:1", "oci:new"],
        expect![[r#"
        exit: 1
        --- stderr ---
        error: no such image: none:1
        hint: `jettison images` lists those that there are
    "#]],
    );
    check(
        &scratch,
        &["oci:none:1", "b"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: cannot read none
          cause: cannot open none
          cause: No such file or directory (os error 2)
    "#]],
    );
    assert!(!scratch.exists("new") && !scratch.exists("new.tar"));
}
