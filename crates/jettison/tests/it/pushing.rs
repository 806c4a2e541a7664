//! Builds whose results go to a registry, and that begin with what is there.

use expect_test::expect;
use jettison_testkit::{DockerRegistry, RegistryDemands, Scratch};

use crate::PROGRAM;
use crate::registries::{build, registry};
use crate::shared::namespaces_work;

/// A machine with an application, and a registry.
fn scene() -> Option<(DockerRegistry, Scratch)> {
    if !namespaces_work() {
        return None;
    }
    let registry = registry(&RegistryDemands::default())?;
    Some((registry, machine()))
}

fn machine() -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    scratch
        .write("app/data", "some bytes\n")
        .write("app/other", "more bytes\n")
        .write(
            "app/Dockerfile",
            "FROM scratch AS build\nCOPY data /data\nCOPY other /other\n\
             FROM scratch\nCOPY --from=build /data /data\nCOPY --from=build /other /other\nCMD [\"/data\"]\n",
        );
    scratch
}

/// How many steps were executed and how many were found, by the table at the end.
#[track_caller]
fn counts(stderr: &str) -> (usize, usize) {
    let is_step = |line: &&str| line.starts_with('[');
    let steps: Vec<&str> = stderr.lines().filter(is_step).collect();
    let cached = steps
        .iter()
        .filter(|line| line.contains(" cached "))
        .count();
    (steps.len() - cached, cached)
}

/// Pushes an image of two platforms, and gives its name.
#[track_caller]
fn pushed_for_two(registry: &DockerRegistry, scratch: &Scratch) -> String {
    let name = format!("{}/team/app:many", registry.authority());
    let output = format!("type=registry,name={name}");
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    scratch
        .jettison(&[&["build", "app", "-o", &output][..], &platforms].concat())
        .succeeded();
    name
}

#[test]
fn a_build_is_pushed_by_its_names() {
    let Some((registry, scratch)) = scene() else {
        return;
    };
    let name = format!("{}/team/app:1", registry.authority());
    let id = scratch.jettison(&["build", "-q", "-t", &name, "--push", "app"]);
    let id = id.succeeded().stdout;
    let other = Scratch::new(PROGRAM);
    other.jettison(&["pull", "-q", &name]).succeeded();
    let inspected = other.jettison(&["inspect", "--format", "{{.Id}}", &name]);
    assert_eq!(inspected.succeeded().stdout, id);
    // A base that is not here comes from there.
    other.write("next/Dockerfile", format!("FROM {name}\nLABEL a=b\n"));
    other.jettison(&["rmi", "-f", &name]).succeeded();
    other
        .jettison(&["build", "-q", "-t", "next", "next"])
        .succeeded();
}

#[test]
fn several_platforms_are_pushed_as_an_index() {
    let Some((registry, scratch)) = scene() else {
        return;
    };
    let name = pushed_for_two(&registry, &scratch);
    for platform in ["linux/amd64", "linux/arm64"] {
        let other = Scratch::new(PROGRAM);
        other
            .jettison(&["pull", "-q", "--platform", platform, &name])
            .succeeded();
        let format = "{{.Os}}/{{.Architecture}}";
        let inspected = other.jettison(&["inspect", "--format", format, &name]);
        assert_eq!(inspected.succeeded().stdout.trim(), platform);
    }
}

/// As in docker without its containerd store: a name stands for one image.
#[test]
fn the_platform_that_is_pulled_last_has_the_name() {
    let Some((registry, scratch)) = scene() else {
        return;
    };
    let name = pushed_for_two(&registry, &scratch);
    let other = Scratch::new(PROGRAM);
    let shown = |arguments: &[&str]| {
        let shown = other.jettison(arguments).succeeded().stdout;
        shown.trim().to_owned()
    };
    let id = |name: &str| shown(&["inspect", "--format", "{{.Id}} {{.Architecture}}", name]);
    let mut ids = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        shown(&["pull", "-q", "--platform", platform, &name]);
        ids.push(id(&name));
    }
    assert!(
        ids[0].ends_with("amd64") && ids[1].ends_with("arm64"),
        "{ids:?}"
    );
    assert_eq!(shown(&["images", "-q", &name]).lines().count(), 1);
    let dangling = shown(&["images", "-q", "--no-trunc", "-f", "dangling=true"]);
    assert_eq!(format!("{dangling} amd64"), ids[0]);
    // Both stay for those who know their IDs, and have no need to be fetched to get the name back.
    assert_eq!(id(&dangling), ids[0]);
    registry.stop();
    let arm: Vec<&str> = ids[1].split(' ').collect();
    shown(&["tag", arm[0], "app:arm64"]);
    shown(&["tag", &dangling, &name]);
    assert_eq!(id(&name), ids[0]);
    assert_eq!(id("app:arm64"), ids[1]);
}

#[test]
fn a_second_machine_executes_nothing_that_the_first_has_done() {
    let Some((registry, scratch)) = scene() else {
        return;
    };
    let cache = format!("{}/team/cache:main", registry.authority());
    let to = format!("type=registry,ref={cache},mode=max");
    let first = scratch.jettison(&["build", "app", "--cache-from", &cache, "--cache-to", &to]);
    let first = first.succeeded();
    // The first one ever finds no cache, and says so.
    assert!(
        first
            .stderr
            .contains(&format!("warning: --cache-from {cache} is not used")),
        "{first}"
    );
    assert_eq!(counts(&first.stderr), (4, 0), "{first}");
    let other = machine();
    let second = other.jettison(&["build", "app", "--cache-from", &cache]);
    let second = second.succeeded();
    assert_eq!(counts(&second.stderr), (0, 4), "{second}");
    assert_eq!(first.stdout, second.stdout);
    // What is new is executed, and goes there too.
    other.write("app/other", "new bytes\n");
    let third = other.jettison(&["build", "app", "--cache-from", &cache, "--cache-to", &to]);
    let third = third.succeeded();
    assert_eq!(counts(&third.stderr), (2, 2), "{third}");
    let fourth = machine();
    fourth.write("app/other", "new bytes\n");
    let fourth = fourth.jettison(&["build", "app", "--cache-from", &cache]);
    assert_eq!(counts(&fourth.succeeded().stderr), (0, 4));
}

#[test]
fn a_push_without_a_name_is_refused_before_anything_is_built() {
    let scratch = machine();
    let outcome = scratch.jettison(&["build", "app", "--push"]);
    expect![[r#"
        exit: 2
        --- stderr ---
        error: an image without a name cannot be pushed
        hint: add `-t HOST/NAME:TAG`, or name=HOST/NAME:TAG to the output
    "#]]
    .assert_eq(&outcome.to_string());
}

#[test]
fn bills_of_materials_refer_to_the_image_that_they_are_pushed_with() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let name = format!("{}/team/billed:1", registry.authority());
    let scratch = Scratch::new(PROGRAM);
    build(&scratch, &name);
    scratch
        .write("app.spdx.json", r#"{"spdxVersion":"SPDX-2.3"}"#)
        .write("app.cdx.json", r#"{"bomFormat":"CycloneDX"}"#)
        .write("other.json", "{}");
    let refused = scratch.jettison(&["push", &name, "--sbom", "other.json"]);
    assert_eq!(refused.code, 2, "{refused}");
    let arguments = [
        "push",
        &name,
        "--sbom",
        "app.spdx.json",
        "--sbom",
        "app.cdx.json",
    ];
    let pushed = scratch.jettison(&arguments).succeeded();
    let (_, digest) = pushed.stderr.split_once("digest: sha256:").unwrap();
    // The registry of Debian does not list referrers itself, so there is a tag with the list.
    let list = format!(
        "http://{}/v2/team/billed/manifests/sha256-{}",
        registry.authority(),
        &digest[..64]
    );
    let mut curl = scratch.tool(
        "curl",
        &[
            "-fsS",
            "-H",
            "Accept: application/vnd.oci.image.index.v1+json",
            &list,
        ],
    );
    let list = scratch.outcome(&mut curl).succeeded().stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let kinds: Vec<&str> = list["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|manifest| manifest["artifactType"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["application/spdx+json", "application/vnd.cyclonedx+json"]
    );
}
