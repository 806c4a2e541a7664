//! Which program is `/bin/sh` in a base image, for images where that is known.

use crate::checks::correctness::scripts::is_mentioned;
use crate::checks::image_name::ImageName;
use crate::checks::input::{InstructionView, StageView};
use crate::checks::packages::base_name;

/// The program that runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptShell {
    /// `dash`, of Debian and Ubuntu.
    Dash,
    /// `ash` of `BusyBox`, of Alpine.
    Ash,
    /// Bash, or another one that knows what Bash knows.
    Bash,
    /// Nobody knows.
    Unknown,
}

/// Names of the releases of Debian and Ubuntu that tags carry.
const RELEASES: [&str; 9] = [
    "buster", "bullseye", "bookworm", "trixie", "bionic", "focal", "jammy", "noble", "resolute",
];

/// Those of them whose `dash` does not know `set -o pipefail`.
const RELEASES_WITHOUT_PIPEFAIL: [&str; 7] = [
    "buster", "bullseye", "bookworm", "bionic", "focal", "jammy", "noble",
];

/// Official images whose tags are based on Debian or Ubuntu unless they name something else.
const ON_DEBIAN: [&str; 27] = [
    "buildpack-deps",
    "debian",
    "eclipse-temurin",
    "elixir",
    "erlang",
    "gcc",
    "golang",
    "haskell",
    "httpd",
    "julia",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "nginx",
    "node",
    "perl",
    "php",
    "postgres",
    "python",
    "r-base",
    "redis",
    "ruby",
    "rust",
    "swift",
    "tomcat",
    "ubuntu",
];

/// What a tag has in it that is based on something else.
const OTHER_SYSTEMS: [&str; 13] = [
    "alpine",
    "windows",
    "nanoserver",
    "ubi",
    "oracle",
    "fedora",
    "amazonlinux",
    "rocky",
    "centos",
    "rhel",
    "azurelinux",
    "mariner",
    "al2",
];

/// The shell that reads the script of an instruction.
pub(super) fn script_shell(stage: &StageView<'_>, view: &InstructionView<'_>) -> ScriptShell {
    if let Some(program) = view.named_shell() {
        match base_name(&program) {
            "bash" | "zsh" | "ksh" => return ScriptShell::Bash,
            "ash" => return ScriptShell::Ash,
            "dash" => return ScriptShell::Dash,
            "sh" => {}
            _ => return ScriptShell::Unknown,
        }
    }
    match stage.root_image() {
        Some(image) if !is_mentioned(stage, view.index, &may_replace_shell) => shell_of(&image),
        Some(_) | None => ScriptShell::Unknown,
    }
}

/// Says whether a text may put another program at `/bin/sh`: `ln -sf bash /bin/sh`, `dpkg-reconfigure dash`.
fn may_replace_shell(text: &str) -> bool {
    let moves = ["ln ", "mv ", "cp ", "divert", "alternatives"];
    let is_moved = text.contains("/sh") && moves.iter().any(|word| text.contains(word));
    is_moved || text.contains("dash/sh") || text.contains("dpkg-reconfigure")
}

/// `/bin/sh` of an image.
fn shell_of(image: &ImageName<'_>) -> ScriptShell {
    let tag = image.tag.unwrap_or_default();
    if tag.contains("alpine") || image.official() == Some("alpine") {
        return if image.official().is_some() {
            ScriptShell::Ash
        } else {
            ScriptShell::Unknown
        };
    }
    let is_other = OTHER_SYSTEMS.iter().any(|system| tag.contains(system));
    let is_on_debian = match image.official() {
        Some(name) => ON_DEBIAN.contains(&name),
        None => is_known_elsewhere(image),
    };
    if is_on_debian && !is_other {
        ScriptShell::Dash
    } else {
        ScriptShell::Unknown
    }
}

/// Images of others that say which system they are based on.
fn is_known_elsewhere(image: &ImageName<'_>) -> bool {
    match image.path {
        "nvidia/cuda" => image.tag_parts().any(|part| part.starts_with("ubuntu")),
        "mcr.microsoft.com/dotnet/sdk"
        | "mcr.microsoft.com/dotnet/aspnet"
        | "mcr.microsoft.com/dotnet/runtime" => image
            .tag_parts()
            .any(|part| RELEASES.contains(&part) || part == "slim"),
        _ => false,
    }
}

/// Says whether the image's `dash` is known to be older than `set -o pipefail`.
pub(super) fn lacks_pipefail(image: &ImageName<'_>) -> bool {
    let version = image.tag_parts().next().unwrap_or_default();
    let is_old = |versions: &[&str]| versions.contains(&version);
    match image.official() {
        Some("debian") if is_old(&["10", "11", "12"]) => true,
        Some("ubuntu") if is_old(&["18.04", "20.04", "22.04", "24.04"]) => true,
        Some(_) | None => image
            .tag_parts()
            .any(|part| RELEASES_WITHOUT_PIPEFAIL.contains(&part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_known_only_for_images_that_say_what_they_are() {
        let cases = [
            ("debian:13", ScriptShell::Dash),
            ("ubuntu", ScriptShell::Dash),
            ("python:3.13-slim", ScriptShell::Dash),
            ("python:3.13-alpine", ScriptShell::Ash),
            ("eclipse-temurin:21-ubi9-minimal", ScriptShell::Unknown),
            ("openjdk:21", ScriptShell::Unknown),
            ("fedora:43", ScriptShell::Unknown),
            ("example.org/base:bookworm", ScriptShell::Unknown),
            ("nvidia/cuda:12.9.1-devel-ubuntu24.04", ScriptShell::Dash),
            ("nvidia/cuda:12.9.1-devel-rockylinux9", ScriptShell::Unknown),
        ];
        for (reference, expected) in cases {
            assert_eq!(
                shell_of(&ImageName::of(reference).unwrap()),
                expected,
                "{reference}"
            );
        }
    }
}
