//! `buildah`, with its images in the case's directory.

use std::process::Command;

use jettison_testkit::Scratch;

use super::{PeerPlace, last_line};
use crate::conformance::builder::{Left, options, set_environment};
use crate::conformance::case::Case;
use crate::conformance::image::write_archive;
use crate::conformance::scene::Scene;

/// `buildah version 1.28.2 (image-spec …)`.
pub(super) fn version(place: &PeerPlace) -> String {
    let said = place.said("buildah", &["--version"]);
    said.split(' ').nth(2).unwrap_or_default().to_owned()
}

pub(super) fn build(place: &PeerPlace, case: &Case, scene: &Scene) -> Left {
    let scratch = &scene.scratch;
    for image in scene.images_of(case) {
        let name = format!("docker.io/library/{}", tagged(&image.name));
        write_archive(&scene.dir().join("image.tar"), &image.directory, &name);
        let mut pull = buildah(place, scratch);
        pull.args(["pull", "-q", "docker-archive:image.tar"]);
        scratch.outcome(&mut pull).succeeded();
    }
    let mut command = buildah(place, scratch);
    command
        // Docker's format, because the other cannot say all that an image is configured with.
        .args(["bud", "--format", "docker", "--isolation", "chroot"])
        .args(["--layers", "--identity-label=false", "--pull-never", "-q"])
        .args(["--tag", "image"])
        .args(options(case, scene))
        .arg("context");
    set_environment(&mut command, case);
    let outcome = scratch.outcome(&mut command);
    if outcome.code != 0 {
        let text = scene.without_places(&last_line(&outcome.stderr));
        return Left::Error { line: None, text };
    }
    let mut push = buildah(place, scratch);
    push.args(["push", "-q", "image", "docker-archive:out/image.tar"]);
    scratch.outcome(&mut push).succeeded();
    Left::Archive(scene.dir().join("out/image.tar"))
}

/// `name` with a tag.
pub(super) fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let tag = if last.contains(':') { "" } else { ":latest" };
    format!("{name}{tag}")
}

fn buildah(place: &PeerPlace, scratch: &Scratch) -> Command {
    let mut command = place.tool(scratch, "buildah");
    command
        .args(["--root", "storage", "--runroot", "state"])
        .args(["--storage-driver", "overlay"]);
    command
}
