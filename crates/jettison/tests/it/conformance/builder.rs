//! The builders: our own, and the one whose answers are recorded.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jettison_testkit::Scratch;
use serde_json::Value;

use super::case::Case;
use super::peer::Peer;
use super::scene::Scene;
use crate::users::TemporaryUser;

/// Who builds.
pub(crate) enum Builder<'a> {
    /// The program under test, as the user that runs the tests.
    Jettison,
    /// The program under test, as another user.
    JettisonOf(&'a TemporaryUser),
    /// `buildctl`, with the address of a daemon.
    BuildKit { program: PathBuf, address: String },
    /// Another builder that is installed here, as root.
    Peer(&'a Peer),
}

/// What a builder left.
pub(crate) enum Left {
    /// The layout of an image.
    Layout(PathBuf),
    /// An image in an archive as `docker save` writes it.
    Archive(PathBuf),
    /// The configuration of an image without layers.
    Empty(Value),
    /// The line that it named, and what it said.
    Error { line: Option<usize>, text: String },
}

impl Builder<'_> {
    /// Builds `case` in `scene`.
    pub(crate) fn build(&self, case: &Case, scene: &Scene) -> Left {
        let layout = scene.dir().join("out/layout");
        let scratch = &scene.scratch;
        let mut command = match self {
            Builder::Jettison => scratch.command(&[]),
            Builder::JettisonOf(user) => as_user(scratch, user),
            Builder::BuildKit { program, .. } => scratch.tool(program, &[]),
            Builder::Peer(peer) => return peer.build(case, scene),
        };
        let arguments = match self {
            Builder::BuildKit { address, .. } => buildctl_arguments(case, scene, address),
            Builder::Jettison | Builder::JettisonOf(_) | Builder::Peer(_) => {
                jettison_arguments(case, scene)
            }
        };
        command.args(arguments);
        set_environment(&mut command, case);
        let outcome = scratch.outcome(&mut command);
        if outcome.code == 0 {
            return Left::Layout(layout);
        }
        let (line, text) = match self {
            Builder::BuildKit { .. } => buildctl_error(&outcome.stderr),
            Builder::Jettison | Builder::JettisonOf(_) | Builder::Peer(_) => {
                let start = outcome.stderr.find("error:").unwrap_or(0);
                let text = outcome.stderr[start..]
                    .trim_start_matches("error: ")
                    .to_owned();
                (jettison_line(&text), text)
            }
        };
        let text = scene.without_places(&text).trim().to_owned();
        Left::Error { line, text }
    }
}

fn as_user(scratch: &Scratch, user: &TemporaryUser) -> Command {
    let id = user.id.to_string();
    let program = scratch.dir().join("jettison");
    let mut command = scratch.tool("setpriv", &["--reuid", &id, "--regid", &id]);
    command.args(["--clear-groups", "--"]).arg(program);
    command
}

/// Sets the variables that `case` is built with.
pub(crate) fn set_environment(command: &mut Command, case: &Case) {
    let variables = case.arguments.iter().filter(|(option, _)| option == "env");
    for (_, variable) in variables {
        let variable = variable.as_deref().unwrap_or_default();
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
    }
}

fn jettison_arguments(case: &Case, scene: &Scene) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["build", "--progress", "plain", "context"]
        .map(Into::into)
        .into();
    let mut push = |words: [&str; 2]| arguments.extend(words.map(OsString::from));
    push(["-o", "type=oci,tar=false,dest=out/layout"]);
    for image in scene.images_of(case) {
        let value = format!(
            "{}=oci-layout://{}@{}",
            image.name,
            image.directory.display(),
            image.digest
        );
        push(["--build-context", &value]);
    }
    arguments.extend(options(case, scene));
    arguments
}

/// The options of `case`, as `docker build` knows them.
pub(crate) fn options(case: &Case, scene: &Scene) -> Vec<OsString> {
    let mut words = Vec::new();
    for (option, value) in case.arguments.iter().filter(|(option, _)| option != "env") {
        words.push(OsString::from(option));
        if let Some(value) = value {
            let value = scene.expanded(value);
            let directory = if option == "--file" { "context/" } else { "" };
            words.push(OsString::from(format!("{directory}{value}")));
        }
    }
    words
}

fn buildctl_arguments(case: &Case, scene: &Scene, address: &str) -> Vec<OsString> {
    let mut arguments: Vec<String> = [
        "--addr",
        address,
        "build",
        "--progress=plain",
        "--no-cache",
        "--frontend",
        "dockerfile.v0",
        "--output",
        "type=oci,tar=false,compression=uncompressed,dest=out/layout",
    ]
    .map(str::to_owned)
    .into();
    let mut push = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    push("--local", "context=context".to_owned());
    push("--local", "dockerfile=context".to_owned());
    for image in &scene.images {
        let layout = layout_name(&image.name);
        push(
            "--oci-layout",
            format!("{layout}={}", image.directory.display()),
        );
        push(
            "--opt",
            format!(
                "context:{}=oci-layout://{layout}@{}",
                image.name, image.digest
            ),
        );
    }
    for (option, value) in &case.arguments {
        let value = scene.expanded(value.as_deref().unwrap_or_default());
        match option.as_str() {
            "--file" => push("--opt", format!("filename={value}")),
            "--target" => push("--opt", format!("target={value}")),
            "--platform" => push("--opt", format!("platform={value}")),
            "--network" => push("--opt", format!("force-network-mode={value}")),
            // `docker build` turns the unit into bytes.
            "--shm-size" => push(
                "--opt",
                format!("shm-size={}", value.replace('m', "048576")),
            ),
            "--ulimit" => push("--opt", format!("ulimit={value}")),
            "--add-host" => push(
                "--opt",
                format!("add-hosts={}", value.replacen(':', "=", 1)),
            ),
            "--build-arg" | "--label" => {
                push(
                    "--opt",
                    format!("{}:{value}", option.trim_start_matches('-')),
                );
            }
            "--secret" | "--ssh" | "--allow" => push(option, value),
            "--build-context" => {
                let (name, of) = value.split_once('=').unwrap();
                if of.contains("://") || of.starts_with("target:") {
                    push("--opt", format!("context:{name}={of}"));
                } else {
                    let local = layout_name(name);
                    push("--local", format!("{local}={of}"));
                    push("--opt", format!("context:{name}=local:{local}"));
                }
            }
            "env" | "--no-cache" => {}
            other => panic!("{}: how does buildctl call `{other}`?", case.name),
        }
    }
    arguments.into_iter().map(OsString::from).collect()
}

/// A name that has nothing but letters.
fn layout_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// The line in ` --> context/Dockerfile:2:1`.
fn jettison_line(stderr: &str) -> Option<usize> {
    let place = stderr
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("--> "))?;
    let mut parts = place.rsplit(':');
    parts.next()?;
    parts.next()?.parse().ok()
}

/// What comes before the name of a snapshot of the daemon's.
const CHECKSUM: &str = "failed to calculate checksum of ref ";

/// The line that `buildctl` shows above the excerpt of the Dockerfile, and its error.
fn buildctl_error(stderr: &str) -> (Option<usize>, String) {
    let lines: Vec<&str> = stderr.lines().collect();
    let line = lines.windows(2).find_map(|pair| {
        let (_, number) = pair[0].rsplit_once(':')?;
        let is_excerpt = pair[1].len() > 10 && pair[1].bytes().all(|byte| byte == b'-');
        is_excerpt.then(|| number.parse().ok()).flatten()
    });
    let start = stderr
        .rfind("\nerror: ")
        .map_or(0, |at| at + "\nerror: ".len());
    let mut text = stderr[start..].replacen("failed to solve: ", "", 1);
    // Said or not, as the race between two messages ends.
    text = text.replacen("failed to run Build function: ", "", 1);
    if let Some(at) = text.find(CHECKSUM) {
        let end = text[at + CHECKSUM.len()..]
            .find(": ")
            .map_or(at, |end| at + CHECKSUM.len() + end + 2);
        text.replace_range(at..end, "");
    }
    (line, without_daemon_places(&text))
}

/// `text` without the daemon's own directories, in which it has the files of steps.
fn without_daemon_places(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let (mark, parts) = if word.contains("/cachemounts/buildkit") {
            ("/cachemounts/", 1)
        } else {
            ("/snapshots/snapshots/", 2)
        };
        let Some(at) = word.find(mark) else {
            return word.to_owned();
        };
        let inner: Vec<&str> = word[at + mark.len()..].split('/').skip(parts).collect();
        format!("/{}", inner.join("/"))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Where `buildctl` is, if this run records.
pub(crate) fn recorder() -> Option<Builder<'static>> {
    let address = std::env::var("JETTISON_RECORD").ok()?;
    let (program, address) = address.split_once('=').unwrap();
    Some(Builder::BuildKit {
        program: fs::canonicalize(Path::new(program)).unwrap(),
        address: address.to_owned(),
    })
}
