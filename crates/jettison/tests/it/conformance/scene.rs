//! The directories and servers of one case.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use jettison_oci::Digest;
use jettison_testkit::{FileServer, Scratch};

use super::case::{Case, Kind, Section};
use super::files::{Content, FileLine, Owners, place, tar_of};
use super::image::write_image;
use crate::PROGRAM;
use crate::users::{TemporaryUser, copy_program};

/// The time of files that the server says a time of, and how it says it.
const MODIFIED: (i64, &str) = (
    1_000_000_000,
    "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT",
);

/// One case's world.
///
/// ```text
/// <dir>/context       the build context
/// <dir>/<name>        further directories
/// <dir>/images/<name> base images
/// <dir>/out           what the builder writes
/// ```
pub(crate) struct Scene {
    pub(crate) scratch: Scratch,
    pub(crate) images: Vec<BaseImage>,
    http: Option<FileServer>,
    git: Option<GitServer>,
    /// Macros, and what they stand for.
    macros: Vec<(String, String)>,
}

/// An image that the case can build on.
pub(crate) struct BaseImage {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) digest: String,
}

impl Scene {
    /// Makes all that `case` asks for; with `user` it belongs to that user.
    pub(crate) fn new(case: &Case, user: Option<&TemporaryUser>) -> Scene {
        let scratch = Scratch::new(PROGRAM);
        let owners = match user {
            Some(user) => Owners::Of(user.id),
            None if crate::shared::runs_as_root() => Owners::Theirs,
            None => Owners::Callers,
        };
        fs::create_dir(scratch.dir().join("out")).unwrap();
        let mut scene = Scene {
            scratch,
            images: Vec::new(),
            http: None,
            git: None,
            macros: Vec::new(),
        };
        scene.add_image("busybox", "", &[]);
        for section in case.of(Kind::Image) {
            scene.add_image(&section.name, &section.settings, &section.files);
        }
        scene.add_directories(case, owners);
        for section in case.of(Kind::Git) {
            scene.add_repository(section);
        }
        let dockerfile = scene.expanded(&case.dockerfile);
        let path = scene.dir().join("context/Dockerfile");
        if !dockerfile.is_empty() {
            fs::write(path, dockerfile).unwrap();
        }
        if let Some(user) = user {
            let program = scene.dir().join("jettison");
            copy_program(&program);
            for path in ["", "out", "home"] {
                chown(scene.dir().join(path), Some(user.id), Some(user.id)).unwrap();
            }
        }
        fs::set_permissions(scene.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        scene
    }

    pub(crate) fn dir(&self) -> &Path {
        self.scratch.dir()
    }

    /// The base images that `case` may need.
    pub(crate) fn images_of(&self, case: &Case) -> impl Iterator<Item = &BaseImage> {
        self.images
            .iter()
            .filter(|image| case.mentions(&image.name))
    }

    fn add_image(&mut self, name: &str, settings: &str, files: &[FileLine]) {
        let directory = self
            .dir()
            .join("images")
            .join(name.replace([':', '/'], "-"));
        let digest = write_image(&directory, settings, files);
        self.macros
            .push((format!("{{digest:{name}}}"), digest.clone()));
        self.images.push(BaseImage {
            name: name.to_owned(),
            directory,
            digest,
        });
    }

    fn add_directories(&mut self, case: &Case, owners: Owners) {
        let mut directories: BTreeMap<String, Vec<FileLine>> = BTreeMap::new();
        directories.entry("context".to_owned()).or_default();
        for section in case.of(Kind::Files) {
            let name = if section.name.is_empty() {
                "context"
            } else {
                &section.name
            };
            directories
                .entry(name.to_owned())
                .or_default()
                .extend(section.files.iter().cloned());
        }
        for section in case.of(Kind::Archive) {
            let (name, path) = section
                .name
                .split_once(':')
                .unwrap_or(("context", &section.name));
            let mut file = super::files::parse_files(&format!("0644 {path}"))
                .unwrap()
                .remove(0);
            file.content = Content::File(compressed(path, tar_of(&section.files)));
            directories.entry(name.to_owned()).or_default().push(file);
        }
        if let Some(files) = directories.remove("http") {
            self.serve(files);
        }
        for (name, files) in directories {
            place(&self.dir().join(name), &files, owners);
        }
    }

    fn serve(&mut self, files: Vec<FileLine>) {
        let mut served = BTreeMap::new();
        let mut headers = BTreeMap::new();
        for file in files {
            if let Content::File(bytes) = file.content {
                let digest = Digest::of(&bytes).to_string();
                self.macros
                    .push((format!("{{digest:{}}}", file.path), digest));
                let path = format!("/{}", file.path);
                if file.time == MODIFIED.0 {
                    headers.insert(path.clone(), MODIFIED.1.to_owned());
                }
                served.insert(path, bytes);
            }
        }
        let http = FileServer::with_headers(served, headers);
        self.macros.push(("{HTTP}".to_owned(), http.url("")));
        self.http = Some(http);
    }

    fn add_repository(&mut self, section: &Section) {
        let directory = self.dir().join("git/repository.git");
        place(&directory, &section.files, Owners::Callers);
        let script = "git init -q -b main && git add -A && git commit -q -m first && git tag v1 && \
                      git rev-parse HEAD";
        let mut command = self.scratch.tool("sh", &["-c", script]);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "someone");
            command.env(format!("GIT_{who}_EMAIL"), "someone@example.com");
            command.env(format!("GIT_{who}_DATE"), "1262304000 +0000");
        }
        let outcome = self
            .scratch
            .outcome(command.current_dir(&directory))
            .succeeded();
        self.macros
            .push(("{COMMIT}".to_owned(), outcome.stdout.trim().to_owned()));
        let server = GitServer::start(&self.dir().join("git"));
        self.macros.push((
            "{GIT}".to_owned(),
            format!("git://127.0.0.1:{}", server.port),
        ));
        self.git = Some(server);
    }

    /// `text` with what macros stand for.
    pub(crate) fn expanded(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.macros {
            text = text.replace(name, value);
        }
        text
    }

    /// `text` with macros for what they stand for.
    pub(crate) fn without_places(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.macros {
            text = text.replace(value, name);
        }
        text.replace(&self.dir().display().to_string(), "[DIR]")
    }
}

/// `tar`, compressed as the suffix of `path` says.
fn compressed(path: &str, tar: Vec<u8>) -> Vec<u8> {
    let (_, suffix) = path.rsplit_once('.').unwrap_or_default();
    let program: &[&str] = match suffix {
        "gz" | "tgz" => &["gzip", "-nc"],
        "bz2" => &["bzip2", "-c"],
        "xz" => &["xz", "-c"],
        "zst" => &["zstd", "-qc"],
        _ => return tar,
    };
    let mut child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program[0]));
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&tar).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

/// A server of git repositories; it ends with this value.
struct GitServer {
    port: u16,
    process: Child,
}

impl GitServer {
    fn start(base: &Path) -> GitServer {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("git")
            .args([
                "daemon",
                "--reuseaddr",
                "--export-all",
                "--listen=127.0.0.1",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            // The repositories may be another user's by now.
            .args(["--informative-errors"])
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        GitServer { port, process }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        // `git daemon` is a child of `git`, which passes the signal on.
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap_or_default();
        drop(self.process.wait());
    }
}
