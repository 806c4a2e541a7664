//! Layouts that we write, judged by others: the schemas of the image specification, and tools that read nothing else.

use std::fs;

use jettison_testkit::Scratch;

use crate::everyday::stdout;
use crate::peers::{files, images, sorted_listing};
use crate::shared::{installed, runs_as_root};

/// Reads a layout, and everything that it names, by the specification's JSON schemas; each blob has to be what its
/// descriptor says.
const JUDGE: &str = r#"
import gzip, hashlib, json, os, sys
from jsonschema import Draft4Validator, RefResolver

SCHEMAS = "/usr/share/gocode/src/github.com/opencontainers/image-spec/schema/"
def referred(url):
    return json.load(open(SCHEMAS + url.rsplit("/", 1)[1]))

def judge(kind, path):
    value = json.load(open(path))
    schema = json.load(open(SCHEMAS + kind + "-schema.json"))
    resolver = RefResolver(schema["id"], schema, handlers={"https": referred})
    for error in Draft4Validator(schema, resolver=resolver).iter_errors(value):
        sys.exit(f"{path}: {error}")
    return value

KINDS = {"config": "config", "manifest": "image-manifest", "index": "image-index"}
seen = []

def descriptor(one):
    algorithm, hexadecimal = one["digest"].split(":")
    path = f"blobs/{algorithm}/{hexadecimal}"
    data = open(path, "rb").read()
    assert hashlib.sha256(data).hexdigest() == hexadecimal, path
    assert len(data) == one["size"], path
    words = one["mediaType"].removeprefix("application/vnd.oci.image.").split(".")
    seen.append(words[0])
    if words[0] == "layer":
        assert words[2] == "tar" or words[2].startswith("tar+"), one
        return
    value = judge(KINDS[words[0]], path)
    if words[0] == "config":
        return value
    assert value["mediaType"] == one["mediaType"], value
    for part in value.get("manifests", []) + value.get("layers", []):
        descriptor(part)
    if "config" in value:
        config = descriptor(value["config"])
        assert len(config["rootfs"]["diff_ids"]) == len(value["layers"])
        for layer, diff in zip(value["layers"], config["rootfs"]["diff_ids"]):
            data = open("blobs/" + layer["digest"].replace(":", "/"), "rb").read()
            if layer["mediaType"].endswith("+gzip"):
                data = gzip.decompress(data)
            elif not layer["mediaType"].endswith(".tar"):
                continue
            assert "sha256:" + hashlib.sha256(data).hexdigest() == diff, layer

os.chdir(sys.argv[1])
judge("image-layout", "oci-layout")
index = judge("image-index", "index.json")
for one in index["manifests"]:
    descriptor(one)
strange = [name for name in os.listdir(".") if name not in ("oci-layout", "index.json", "blobs", "manifest.json", "repositories")]
assert not strange, strange
print(*sorted(set(seen)))
"#;

/// Layouts of all our commands, each a directory, and the name of an image in it.
fn layouts(scratch: &Scratch) -> Vec<(&'static str, &'static str)> {
    let run = |arguments: &[&str]| {
        scratch.jettison(arguments).succeeded();
    };
    let build = |output: &str| run(&["build", "-q", "more", "-o", output]);
    build("type=oci,dest=built,tar=false,name=me/app:2,annotation.a=b");
    build("type=oci,dest=zstd,tar=false,name=me/app:2,compression=zstd,force-compression=true");
    build(
        "type=oci,dest=plain,tar=false,name=me/app:2,compression=uncompressed,force-compression=true",
    );
    build("type=oci,dest=packed.tar,name=me/app:2");
    run(&["save", "-o", "saved.tar", "me/app"]);
    run(&["copy", "-q", "me/app:2", "oci:copied:2"]);
    run(&["copy", "-q", "me/app:1", "oci:copied:1"]);
    run(&["copy", "-q", "oci:copied:2", "oci-archive:again.tar:2"]);
    for (archive, directory) in [
        ("packed.tar", "packed"),
        ("saved.tar", "saved"),
        ("again.tar", "again"),
    ] {
        fs::create_dir(scratch.dir().join(directory)).unwrap();
        let mut tar = scratch.tool("tar", &["-C", directory, "-xf", archive]);
        scratch.outcome(&mut tar).succeeded();
    }
    vec![
        ("built", "2"),
        ("zstd", "2"),
        ("plain", "2"),
        ("packed", "2"),
        ("saved", "docker.io/me/app:2"),
        ("copied", "2"),
        ("again", "2"),
    ]
}

#[test]
fn layouts_keep_to_the_specifications_schemas() {
    if !installed(&["python3"]) {
        return;
    }
    let Some(scratch) = images() else { return };
    let judge = |layout: &str| {
        let mut python = scratch.tool("python3", &["-c", JUDGE, layout]);
        scratch.outcome(&mut python).succeeded().stdout
    };
    for (layout, _) in layouts(&scratch) {
        assert_eq!(judge(layout), "config layer manifest\n", "{layout}");
    }
    let words = [
        "build",
        "-q",
        "app",
        "--platform",
        "linux/amd64,linux/arm64",
    ];
    let output = ["-o", "type=oci,dest=many,tar=false,name=me/app:many"];
    scratch
        .jettison(&[&words[..], &output].concat())
        .succeeded();
    assert_eq!(judge("many"), "config index layer manifest\n");
}

#[test]
fn the_specifications_own_tool_finds_layouts_valid() {
    if !installed(&["oci-image-tool"]) {
        return;
    }
    let Some(scratch) = images() else { return };
    for (layout, name) in layouts(&scratch) {
        // It is older than layers of zstd. It finds no archive valid, whoever has written it.
        if layout == "zstd" {
            continue;
        }
        let name = format!("name={name}");
        let words = ["validate", "--type", "image", "--ref", &name, layout];
        let valid = scratch.outcome(&mut scratch.tool("oci-image-tool", &words));
        let valid = valid.succeeded();
        assert!(
            valid.to_string().contains(&format!("{layout}: OK")),
            "{valid}"
        );
    }
}

#[test]
fn umoci_unpacks_layouts_to_the_same_files() {
    if !installed(&["umoci"]) || !runs_as_root() {
        return;
    }
    let Some(scratch) = images() else { return };
    let expected = files(&scratch, "me/app:2");
    for (layout, name) in layouts(&scratch) {
        // It is older than layers of zstd.
        if layout == "zstd" {
            continue;
        }
        let (image, bundle) = (format!("{layout}:{name}"), format!("{layout}.bundle"));
        let mut umoci = scratch.tool("umoci", &["unpack", "--image", &image, &bundle]);
        scratch.outcome(&mut umoci).succeeded();
        let rootfs = format!("{bundle}/rootfs");
        let mut tar = scratch.tool("tar", &["-C", &rootfs, "-cf", "theirs.tar", "."]);
        scratch.outcome(&mut tar).succeeded();
        assert_eq!(sorted_listing(&scratch, "theirs.tar"), expected, "{layout}");
        // What it has made of the configuration.
        let mut stat = scratch.tool("umoci", &["stat", "--json", "--image", &image]);
        let stat = scratch.outcome(&mut stat).succeeded().stdout;
        let stat: serde_json::Value = serde_json::from_str(&stat).unwrap();
        let history = stat["history"].as_array().unwrap().len();
        let ours = stdout(&scratch, &["history", "-q", "me/app:2"]);
        assert_eq!(history, ours.lines().count(), "{layout}");
    }
}
