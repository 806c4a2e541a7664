//! As whom things run, as far as the text tells it.

use crate::checks::input::{InstructionView, StageView};
use crate::evaluate::BaseImage;
use crate::instruction::InstructionKind;

/// Programs with which a process that starts as root becomes another user, or makes others.
const DROPPERS: [&str; 11] = [
    "gosu",
    "su-exec",
    "setpriv",
    "runuser",
    "s6-",
    "supervisor",
    "/init",
    "entrypoint",
    "sshd",
    "openssh-server",
    "systemd",
];

/// Says whether something in a stage hints at a start as root on purpose: the user changes later.
///
/// A script that starts the program may do that, too; it is not known.
pub(super) fn drops_privileges(stage: &StageView<'_>) -> bool {
    stage.instructions().any(|view| {
        let text = view.instruction.original();
        let starts = matches!(
            view.instruction.kind,
            InstructionKind::Cmd(_) | InstructionKind::Entrypoint(_)
        );
        let is_script = starts && text.contains(".sh");
        is_script || DROPPERS.iter().any(|name| text.contains(name))
    })
}

/// As whom a step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunsAs {
    Root,
    /// As somebody else.
    User(String),
    /// The base image says it.
    Unknown,
}

/// Images that are known to run as root: systems and languages.
const ROOT_IMAGES: [&str; 24] = [
    "almalinux",
    "alpine",
    "amazonlinux",
    "archlinux",
    "buildpack-deps",
    "busybox",
    "centos",
    "debian",
    "eclipse-temurin",
    "fedora",
    "gcc",
    "golang",
    "maven",
    "nginx",
    "node",
    "openjdk",
    "oraclelinux",
    "perl",
    "php",
    "python",
    "rockylinux",
    "ruby",
    "rust",
    "ubuntu",
];

/// As whom an instruction of a stage runs.
pub(super) fn runs_as(stage: &StageView<'_>, view: &InstructionView<'_>) -> RunsAs {
    if let Some(user) = &view.evaluated.before.user {
        let name = user.split(':').next().unwrap_or_default();
        return match name {
            "root" | "0" => RunsAs::Root,
            "" => RunsAs::Unknown,
            name => RunsAs::User(name.to_owned()),
        };
    }
    let is_scratch = stage
        .chain()
        .last()
        .is_some_and(|root| root.evaluation.base == BaseImage::Scratch);
    let is_known = stage.root_reference().is_some_and(|image| {
        let name = image.split([':', '@']).next().unwrap_or(image);
        let name = name
            .trim_start_matches("docker.io/")
            .trim_start_matches("library/");
        ROOT_IMAGES.contains(&name)
    });
    if is_scratch || is_known {
        RunsAs::Root
    } else {
        RunsAs::Unknown
    }
}
