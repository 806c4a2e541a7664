//! Base images, written as OCI layouts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use jettison_oci::Digest;
use jettison_testkit::skip;
use serde_json::{Value, json};

use super::files::{Content, FileLine, parse_files, tar_of};

/// When a base image and its files were made.
const TIME: i64 = 1_000_000_000;
const CREATED: &str = "2001-09-09T01:46:40Z";

/// What the base image `busybox` has besides its program.
const FILES: &str = r#"
0755 bin/
0755 dev/
0755 etc/
0755 home/
0755,uid=1000,gid=1000 home/app/
0755 proc/
0700 root/
0755 sys/
1777 tmp/
0755 usr/
0755 usr/bin/
0755 var/
0644 etc/passwd "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:App:/home/app:/bin/sh\nworker:x:1001:2000::/home/worker:/bin/sh\n"
0644 etc/group "root:x:0:\nnogroup:x:65534:\napp:x:1000:\nstaff:x:50:app\ndocker:x:999:app,worker\nwheel:x:10:root\nteam:x:2000:\n"
"#;

/// The names under which the program is called; every version of it has them.
const APPLETS: &str = "sh ash cat chmod chown cp cut date dd echo env expr false find grep head hostname id ip ls ln mkdir mkfifo mknod mktemp mount mv printf pwd readlink rm rmdir sed seq sha256sum sleep sort stat sync tail tar tee test touch tr true umask uname wc wget xargs";

/// The layer of the base image `busybox`, or `None` if there is no such program here.
pub(crate) fn busybox_layer() -> Option<&'static [u8]> {
    static LAYER: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    LAYER.get_or_init(make_busybox_layer).as_deref()
}

fn make_busybox_layer() -> Option<Vec<u8>> {
    let Some(program) = find_busybox() else {
        skip("no static busybox: install the package busybox-static");
        return None;
    };
    let mut files = parse_files(FILES).unwrap();
    let file = |path: &str, content: Content| FileLine {
        path: path.to_owned(),
        mode: 0o755,
        uid: 0,
        gid: 0,
        time: TIME,
        xattrs: Vec::new(),
        content,
    };
    files.push(file(
        "bin/busybox",
        Content::File(fs::read(program).unwrap()),
    ));
    for applet in APPLETS.split(' ') {
        let link = Content::Symlink("busybox".to_owned());
        files.push(file(&format!("bin/{applet}"), link));
    }
    for file in &mut files {
        file.time = TIME;
    }
    Some(tar_of(&files))
}

/// A busybox that needs no libraries: this machine's, or the one of its package.
pub(crate) fn find_busybox() -> Option<PathBuf> {
    let installed = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    if let Some(path) = installed.into_iter().find(|path| is_static(path)) {
        return Some(path);
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("busybox");
    let program = dir.join("bin/busybox");
    if !program.exists() {
        fs::create_dir_all(&dir).ok()?;
        let script = "apt-get download busybox-static && dpkg-deb -x busybox-static_*.deb .";
        let shell = Command::new("sh")
            .args(["-c", script])
            .current_dir(&dir)
            .output();
        shell.ok().filter(|output| output.status.success())?;
    }
    // Debian keeps programs below /usr since bookworm's successor.
    [program, dir.join("usr/bin/busybox")]
        .into_iter()
        .find(|path| path.exists())
}

/// Whether the program `path` needs no loader: no program header of type `PT_INTERP`.
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else {
        return false;
    };
    let number = |at: usize, n: usize| {
        let bytes = bytes.get(at..at + n).unwrap_or_default();
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    count > 0 && (0..count).all(|index| number(start + index * size, 4) != 3)
}

/// Writes the image `busybox`, changed by `settings` and with `files` on top, to the layout
/// `directory`. Gives the manifest's digest.
///
/// In `settings`, `"from": "scratch"` leaves out busybox and `"os"` and the like are the image's own;
/// all else changes the configuration of its programs.
pub(crate) fn write_image(directory: &Path, settings: &str, files: &[FileLine]) -> String {
    let mut settings: Value = if settings.is_empty() {
        json!({})
    } else {
        serde_json::from_str(settings).unwrap()
    };
    let of_images = ["architecture", "os", "variant", "author", "os.version"];
    let mut config = json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["sh"],
    });
    let mut image = json!({ "architecture": "amd64", "os": "linux", "created": CREATED });
    let mut layers = Vec::new();
    let settings = settings.as_object_mut().unwrap();
    if settings.remove("from").is_some() {
        config = json!({});
    } else {
        layers.push(busybox_layer().unwrap().to_vec());
    }
    for (name, value) in settings {
        let place = if of_images.contains(&name.as_str()) {
            &mut image
        } else {
            &mut config
        };
        place[name.as_str()] = value.take();
    }
    if !files.is_empty() {
        layers.push(tar_of(files));
    }
    fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    let mut diff_ids = Vec::new();
    let mut descriptors = Vec::new();
    for layer in &layers {
        let descriptor = write_blob(directory, "layer.v1.tar", layer);
        diff_ids.push(descriptor["digest"].clone());
        descriptors.push(descriptor);
    }
    let history = json!({ "created": CREATED, "created_by": "base" });
    image["config"] = config;
    image["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    image["history"] = Value::Array(vec![history; layers.len()]);
    let platform = json!({ "architecture": image["architecture"], "os": image["os"] });
    let config = write_blob(directory, "config.v1+json", image.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type("manifest.v1+json"),
        "config": config,
        "layers": descriptors,
    });
    let mut manifest = write_blob(
        directory,
        "manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    let digest = manifest["digest"].as_str().unwrap().to_owned();
    manifest["platform"] = platform;
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type("index.v1+json"),
        "manifests": [manifest],
    });
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    fs::write(directory.join("oci-layout"), version.to_string()).unwrap();
    digest
}

/// Writes the image of the layout `directory` to the archive `path`, as `docker load` reads them, with the
/// name `name`.
pub(crate) fn write_archive(path: &Path, directory: &Path, name: &str) {
    let read = |digest: &Value| {
        let digest = digest.as_str().unwrap().replace(':', "/");
        fs::read(directory.join("blobs").join(digest)).unwrap()
    };
    let index: Value =
        serde_json::from_slice(&fs::read(directory.join("index.json")).unwrap()).unwrap();
    let manifest: Value = serde_json::from_slice(&read(&index["manifests"][0]["digest"])).unwrap();
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    let mut layers = Vec::new();
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        let name = format!("layer-{}.tar", layers.len());
        add(&name, &read(&layer["digest"]));
        layers.push(name);
    }
    add("config.json", &read(&manifest["config"]["digest"]));
    let entry = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": layers }]);
    add("manifest.json", entry.to_string().as_bytes());
    archive.finish().unwrap();
}

fn media_type(name: &str) -> String {
    format!("application/vnd.oci.image.{name}")
}

fn write_blob(directory: &Path, kind: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes).to_string();
    let path = directory.join("blobs").join(digest.replace(':', "/"));
    fs::write(path, bytes).unwrap();
    json!({ "mediaType": media_type(kind), "digest": digest, "size": bytes.len() })
}
