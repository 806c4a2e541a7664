//! What the names of bases stand for: how settings change that, and that it is said and written down.

use jettison_testkit::{RegistryDemands, Scratch};
use serde_json::Value;

use crate::PROGRAM;
use crate::registries::registry;
use crate::running;

/// The lines that say what bases are.
fn bases(stderr: &str) -> Vec<&str> {
    let lines = stderr.lines();
    lines.filter(|line| line.contains("FROM ")).collect()
}

#[track_caller]
fn metadata(scratch: &Scratch) -> Value {
    serde_json::from_str(&scratch.read("metadata.json")).unwrap()
}

const WITH_METADATA: [&str; 4] = ["build", "app", "--metadata-file", "metadata.json"];

#[test]
fn the_digest_of_a_base_is_said_and_written_down() {
    let Some(scratch) = running::world() else {
        return;
    };
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let name = format!("{}/team/base:1", registry.authority());
    scratch.jettison(&["tag", "box", &name]).succeeded();
    let pushed = scratch.jettison(&["push", &name]).succeeded();
    let line = pushed.stderr.lines().find(|line| line.contains("digest: "));
    let digest = line.unwrap().split(' ').nth(2).unwrap().to_owned();

    let other = Scratch::new(PROGRAM);
    let dockerfile =
        format!("FROM {name} AS first\nENV A=b\nFROM first\nCOPY --from={name} /data /d\n");
    other.write("app/Dockerfile", dockerfile);
    let title = format!("[first 1/1] FROM {name}@{digest}");
    // As it is pulled, and as it is found.
    for _ in 0..2 {
        let built = other.jettison(&WITH_METADATA).succeeded();
        assert_eq!(bases(&built.stderr), [&title]);
        let provenance = &metadata(&other)["buildx.build.provenance"];
        let uri = format!(
            "pkg:docker/{}?platform=linux%2Famd64",
            name.replace(":1", "@1")
        );
        let expected = serde_json::json!({
            "materials": [{ "uri": uri, "digest": { "sha256": &digest[7..] } }],
            "invocation": { "environment": { "platform": "linux/amd64" } },
        });
        assert_eq!(*provenance, expected);
    }
    let json = other
        .jettison(&["--progress=rawjson", "build", "app"])
        .succeeded();
    let mut lines = json.stderr.lines();
    let first: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(first["vertexes"][0]["name"], title);
    assert!(first["vertexes"][0]["completed"].is_string());
    // Who asks for a digest is told no more than that; with a tag before it, both are there.
    let pinned = format!("{}@{digest}", name.trim_end_matches(":1"));
    other.write("app/Dockerfile", format!("FROM {pinned}\nENV A=b\n"));
    let built = other.jettison(&WITH_METADATA).succeeded();
    assert_eq!(bases(&built.stderr), [&format!("[1/1] FROM {pinned}")]);
    // Each platform has its own.
    let both = ["--platform", "linux/amd64,linux/arm64"];
    other.write("app/Dockerfile", "FROM scratch\nENV A=b\n");
    other
        .jettison(&[&WITH_METADATA[..], &both].concat())
        .succeeded();
    let metadata = metadata(&other);
    assert_eq!(
        metadata["buildx.build.provenance/linux/arm64"]["materials"],
        Value::Array(Vec::new())
    );
}

#[test]
fn settings_say_what_a_name_stands_for() {
    let Some(scratch) = running::world() else {
        return;
    };
    let id = scratch.jettison(&["inspect", "--format", "{{.Id}}", "box"]);
    let id = id.succeeded().stdout.trim().to_owned();
    scratch.write("app/layouts/README", "");
    scratch
        .jettison(&["copy", "-q", "box", "oci:app/layouts/box"])
        .succeeded();
    scratch.jettison(&["tag", "box", "team/box:7"]).succeeded();
    for (address, shown) in [
        ("docker-image://team/box:7", "docker.io/team/box:7"),
        ("team/box:7", "docker.io/team/box:7"),
        // Beside the file that says so.
        ("oci-layout://layouts/box", "oci-layout://app/layouts/box"),
    ] {
        scratch
            .write(
                "app/Dockerfile",
                "FROM tools\nRUN [\"/bin/busybox\", \"true\"]\n",
            )
            .write(
                "app/jettison.toml",
                format!("[bases]\ntools = \"{address}\"\n"),
            );
        let built = scratch.jettison(&WITH_METADATA).succeeded();
        assert_eq!(bases(&built.stderr), [&format!("[1/2] FROM {shown}")]);
        let provenance = &metadata(&scratch)["buildx.build.provenance"];
        let material = &provenance["materials"][0];
        assert_eq!(
            material["digest"]["sha256"],
            id.trim_start_matches("sha256:")
        );
        let uri = material["uri"].as_str().unwrap();
        assert!(
            uri.starts_with("pkg:docker/team/box@7?") || uri == shown,
            "{uri}"
        );
    }
    // What is not there is said.
    for (address, cause) in [
        ("oci-layout://none", "none"),
        ("docker-image://x y", "x y"),
        ("debian://", "debian://"),
        (
            "rpm://leap",
            "take debian://SUITE, distroless://NAME, docker-image://NAME or oci-layout://DIR",
        ),
    ] {
        scratch.write(
            "app/jettison.toml",
            format!("[bases]\ntools = \"{address}\"\n"),
        );
        let failed = scratch.jettison(&["build", "app"]).to_string();
        assert!(failed.starts_with("exit: 2"), "{failed}");
        assert!(failed.contains(cause), "{address}: {failed}");
    }
}
