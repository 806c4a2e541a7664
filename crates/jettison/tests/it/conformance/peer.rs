//! Builders that are installed beside ours, docker and buildah, and how often they give what BuildKit gives.

mod buildah;
mod docker;
mod report;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use jettison_testkit::Scratch;

pub(crate) use report::compare;

use super::builder::Left;
use super::case::Case;
use super::scene::Scene;
use crate::PROGRAM;
use docker::Docker;

/// A builder that is installed.
pub(crate) struct Peer {
    kind: PeerKind,
    place: PeerPlace,
    /// Such as `20.10`.
    version: String,
}

enum PeerKind {
    /// The daemon's BuildKit.
    Docker(Docker),
    Buildah,
}

/// Where its programs are: on this machine, or in a tree that `benches/sid-tree` made.
#[derive(Clone, Debug)]
struct PeerPlace {
    tree: Option<PathBuf>,
}

impl Peer {
    /// The peer that the environment asks for.
    pub(crate) fn asked_for() -> Option<Peer> {
        let name = std::env::var("JETTISON_PEER").ok()?;
        let place = PeerPlace {
            tree: std::env::var_os("JETTISON_PEER_TREE").map(PathBuf::from),
        };
        let (kind, version) = match name.as_str() {
            "docker" => {
                let docker = Docker::start(&place);
                let version = docker.version();
                (PeerKind::Docker(docker), version)
            }
            "buildah" => (PeerKind::Buildah, buildah::version(&place)),
            other => panic!("there is no peer `{other}`: docker, buildah"),
        };
        let parts: Vec<&str> = version.split('.').take(2).collect();
        Some(Peer {
            kind,
            place,
            version: parts.join("."),
        })
    }

    /// Name and version.
    fn title(&self) -> String {
        format!("{} {}", self.name(), self.version)
    }

    fn name(&self) -> &str {
        match self.kind {
            PeerKind::Docker(_) => "docker",
            PeerKind::Buildah => "buildah",
        }
    }

    /// Builds `case` in `scene`.
    pub(crate) fn build(&self, case: &Case, scene: &Scene) -> Left {
        match &self.kind {
            PeerKind::Docker(docker) => docker.build(case, scene),
            PeerKind::Buildah => buildah::build(&self.place, case, scene),
        }
    }
}

impl PeerPlace {
    /// The program of the peer's in the world of `scratch`. What it mounts is gone with it.
    fn tool(&self, scratch: &Scratch, program: &str) -> Command {
        let Some(tree) = &self.tree else {
            return scratch.tool("unshare", &["--mount", "--", program]);
        };
        let mut command = scratch.tool(sid_tree(), &[]);
        command.arg(tree).arg(program);
        command
    }

    /// What a program says when it is called with `arguments`.
    fn said(&self, program: &str, arguments: &[&str]) -> String {
        let scratch = Scratch::new(PROGRAM);
        let mut command = self.tool(&scratch, program);
        scratch
            .outcome(command.args(arguments))
            .succeeded()
            .stdout
            .trim()
            .to_owned()
    }
}

/// The script that runs programs in a tree.
fn sid_tree() -> impl AsRef<OsStr> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/sid-tree")
}

/// The last line of what a builder said.
fn last_line(stderr: &str) -> String {
    let last = stderr.trim_end().rsplit('\n').next();
    last.unwrap_or_default().to_owned()
}
