//! Where images are, in the words of skopeo.

use std::path::PathBuf;

use jettison_oci::Reference;

use crate::commands::world;
use crate::failure::Failure;

/// Where an image is, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `docker://`
    Registry(Reference),
    /// `oci:`
    Layout { path: PathBuf, name: Option<String> },
    /// `oci-archive:`
    OciArchive { path: PathBuf, name: Option<String> },
    /// `docker-archive:`
    DockerArchive {
        path: PathBuf,
        name: Option<Reference>,
    },
    /// `docker-daemon:`, and how the daemon calls it.
    Daemon(Reference),
    /// `jettison:`, or nothing before the name.
    Store(String),
}

/// Transports of skopeo that are not there, and what to do.
const OTHERS: [(&str, &str); 6] = [
    (
        "containers-storage",
        "that is Podman's own store, which Podman alone reads and writes: go through docker-archive:FILE with `podman save` and `podman load`, or through docker-daemon: with CONTAINER_HOST and `podman system service`",
    ),
    ("dir", "take oci:DIR, which all tools read"),
    ("ostree", "take oci:DIR, which all tools read"),
    ("sif", "take oci-archive:FILE, and let apptainer read that"),
    (
        "tarball",
        "`ADD` the tar file to an image in a Dockerfile, and build that",
    ),
    ("atomic", "take docker://HOST/NAME"),
];

impl Place {
    /// Reads a place as it stands on the command line.
    pub(super) fn parse(text: &str) -> Result<Place, Failure> {
        let Some((transport, rest)) = text.split_once(':') else {
            return store(text, text);
        };
        if let Some((_, hint)) = OTHERS.iter().find(|(other, _)| *other == transport) {
            let hint = if transport == "containers-storage" || rest.contains('/') {
                (*hint).to_owned()
            } else {
                format!("{hint}; an image of that name is jettison:{text}")
            };
            return Err(
                Failure::user(format!("`{text}`: there is no transport {transport}:")).hint(hint),
            );
        }
        match transport {
            "docker" if rest.starts_with("//") => {
                Ok(Place::Registry(world::reference(&rest[2..])?))
            }
            "oci" => {
                let (path, name) = file(text, rest)?;
                Ok(Place::Layout { path, name })
            }
            "oci-archive" => {
                let (path, name) = file(text, rest)?;
                Ok(Place::OciArchive { path, name })
            }
            "docker-archive" => {
                let (path, name) = file(text, rest)?;
                if let Some(name) = name.as_deref().filter(|name| name.starts_with('@')) {
                    return Err(Failure::user(format!(
                        "`{text}`: images are chosen by name, not as {name}"
                    )));
                }
                let name = name.map(|name| world::reference(&name)).transpose()?;
                Ok(Place::DockerArchive { path, name })
            }
            "docker-daemon" => Ok(Place::Daemon(world::reference(rest)?)),
            "jettison" => store(text, rest),
            _ => store(text, text),
        }
    }
}

fn store(text: &str, name: &str) -> Result<Place, Failure> {
    if name.is_empty() {
        return Err(Failure::user(format!("`{text}` names no image"))
            .hint("write jettison:NAME, or the name alone"));
    }
    Ok(Place::Store(name.to_owned()))
}

/// A path, and what stands behind the first colon (containers/image: `splitPathAndImage`, internal/ociutil).
fn file(text: &str, rest: &str) -> Result<(PathBuf, Option<String>), Failure> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name)),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(Failure::user(format!("`{text}` names no file"))
            .hint("write the path behind the colon"));
    }
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    Ok((PathBuf::from(path), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match Place::parse(text) {
            Ok(Place::Registry(reference)) => format!("registry {reference}"),
            Ok(Place::Daemon(reference)) => format!("daemon {reference}"),
            Ok(Place::DockerArchive { path, name }) => {
                format!("{} {:?}", path.display(), name.map(|name| name.familiar()))
            }
            Ok(other) => format!("{other:?}"),
            Err(failure) => failure
                .lines()
                .iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect::<Vec<_>>()
                .join("\n"),
        });
    }

    #[test]
    fn places_are_read_as_skopeo_reads_them() {
        check("docker://lab:5000/a", expect!["registry lab:5000/a:latest"]);
        check("docker://a:1", expect!["registry docker.io/library/a:1"]);
        check(
            "oci:d/e",
            expect![[r#"Layout { path: "d/e", name: None }"#]],
        );
        check(
            "oci:d:lab:5000/a:1",
            expect![[r#"Layout { path: "d", name: Some("lab:5000/a:1") }"#]],
        );
        check(
            "oci-archive:f.tar:1",
            expect![[r#"OciArchive { path: "f.tar", name: Some("1") }"#]],
        );
        check("docker-archive:/f:a:1", expect![[r#"/f Some("a:1")"#]]);
        check("docker-daemon:a:1", expect!["daemon docker.io/library/a:1"]);
        check("jettison:oci:1", expect![[r#"Store("oci:1")"#]]);
        check("lab:5000/a:1", expect![[r#"Store("lab:5000/a:1")"#]]);
        check("docker:27", expect![[r#"Store("docker:27")"#]]);
    }

    #[test]
    fn what_is_no_place_is_said_with_what_to_do() {
        check(
            "oci::1",
            expect![[r"
            error: `oci::1` names no file
            hint: write the path behind the colon"]],
        );
        check(
            "jettison:",
            expect![[r"
            error: `jettison:` names no image
            hint: write jettison:NAME, or the name alone"]],
        );
        check(
            "docker://A B",
            expect![[r"
            error: `A B` is not the name of an image
              cause: `library/A B` in `A B` is not a repository name (lower-case words)"]],
        );
        check(
            "docker-archive:f:@0",
            expect!["error: `docker-archive:f:@0`: images are chosen by name, not as @0"],
        );
        check(
            "dir:x",
            expect![[r"
            error: `dir:x`: there is no transport dir:
            hint: take oci:DIR, which all tools read; an image of that name is jettison:dir:x"]],
        );
        check(
            "containers-storage:localhost/a:1",
            expect![[r"
            error: `containers-storage:localhost/a:1`: there is no transport containers-storage:
            hint: that is Podman's own store, which Podman alone reads and writes: go through docker-archive:FILE with `podman save` and `podman load`, or through docker-daemon: with CONTAINER_HOST and `podman system service`"]],
        );
    }
}
