//! Where the daemon is that images are loaded into.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::surroundings::Surroundings;

/// Programs that load an archive, in the order in which they are tried.
const PROGRAMS: [&str; 2] = ["docker", "podman"];

/// Finds a daemon: that of `DOCKER_HOST` or `CONTAINER_HOST`; else a socket of Docker or Podman in its usual place, the user's
/// before the system's; else a program whose `load` reads an archive.
///
/// What is named in the environment is not replaced by something else that happens to be there.
pub(crate) fn find(surroundings: &Surroundings) -> Result<Daemon, Failure> {
    let variable = |name: &str| {
        let value = surroundings.variables.get(name);
        value.map(String::as_str).filter(|value| !value.is_empty())
    };
    for name in ["DOCKER_HOST", "CONTAINER_HOST"] {
        if let Some(address) = variable(name) {
            return named(
                name,
                address,
                variable("DOCKER_TLS_VERIFY").is_some(),
                surroundings,
            );
        }
    }
    // A context of docker's own that is not the default one is reached by docker alone.
    if variable("DOCKER_CONTEXT").is_some_and(|name| name != "default")
        && let Some(program) = program("docker", surroundings)
    {
        return Ok(Daemon::Program(program));
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = runtime.iter().flat_map(|runtime| {
        [
            runtime.join("docker.sock"),
            runtime.join("podman/podman.sock"),
        ]
    });
    let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"];
    let mut sockets = own.chain(usual.iter().map(PathBuf::from));
    if let Some(socket) = sockets.find(|path| is_reachable(path)) {
        return Ok(Daemon::Socket(socket.display().to_string()));
    }
    let mut programs = PROGRAMS.iter();
    let program = programs.find_map(|name| program(name, surroundings));
    program.map(Daemon::Program).ok_or_else(|| {
        Failure::host("there is no Docker or Podman here to load the image into")
            .hint("start one, or say where it is with DOCKER_HOST=unix:///PATH; `-o type=docker,dest=FILE` writes what `docker load -i FILE` takes")
    })
}

/// The daemon at an address of the environment.
fn named(
    name: &str,
    address: &str,
    is_tls: bool,
    surroundings: &Surroundings,
) -> Result<Daemon, Failure> {
    let by_program = || {
        let program = if name == "CONTAINER_HOST" {
            program("podman", surroundings)
        } else {
            program("docker", surroundings)
        };
        program.map(Daemon::Program).ok_or_else(|| {
            Failure::host(format!("{name}={address} cannot be reached from here"))
                .hint("unix:///PATH and tcp://HOST:PORT without TLS can; for others the program `docker` or `podman` is needed")
        })
    };
    match address.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(Daemon::Socket(path.to_string())),
        Some(("tcp" | "http", host)) if !is_tls && !host.is_empty() => {
            Ok(Daemon::Tcp(host.trim_end_matches('/').to_string()))
        }
        Some(("tcp" | "https" | "ssh" | "npipe" | "fd", _)) => by_program(),
        Some(_) | None => Err(Failure::user(format!(
            "{name}={address} is not the address of a daemon"
        ))
        .hint("write unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST")),
    }
}

/// Whether somebody listens at a socket, and may be spoken to.
fn is_reachable(path: &Path) -> bool {
    let is_socket = path
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// The path of a program that `PATH` leads to.
fn program(name: &str, surroundings: &Surroundings) -> Option<String> {
    let path = surroundings.variables.get("PATH")?;
    let mut places = std::env::split_paths(path).map(|directory| directory.join(name));
    let found = places.find(|place| place.is_file())?;
    Some(found.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
        let variables = variables.iter();
        Surroundings {
            variables: variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            now: 0,
        }
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<Daemon>) {
        assert_eq!(find(&surroundings(variables)).ok(), expected);
    }

    #[test]
    fn the_environment_names_a_daemon() {
        let socket = |path: &str| Some(Daemon::Socket(path.to_owned()));
        check(&[("DOCKER_HOST", "unix:///a/b.sock")], socket("/a/b.sock"));
        check(&[("CONTAINER_HOST", "unix:///c.sock")], socket("/c.sock"));
        let tcp = Daemon::Tcp("127.0.0.1:2375".to_owned());
        check(&[("DOCKER_HOST", "tcp://127.0.0.1:2375")], Some(tcp));
        check(&[("DOCKER_HOST", "ssh://host")], None);
        check(&[("DOCKER_HOST", "nonsense")], None);
        check(
            &[("DOCKER_HOST", "tcp://h:1"), ("DOCKER_TLS_VERIFY", "1")],
            None,
        );
    }

    #[test]
    fn a_socket_is_used_if_somebody_listens() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = dir.path().display().to_string();
        let path = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let expected = Daemon::Socket(path.display().to_string());
        check(&[("XDG_RUNTIME_DIR", &runtime)], Some(expected.clone()));
        drop(listener);
        assert_ne!(
            find(&surroundings(&[("XDG_RUNTIME_DIR", &runtime)])).ok(),
            Some(expected)
        );
    }

    #[test]
    fn a_program_loads_what_no_socket_takes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("docker"), "").unwrap();
        let path = dir.path().display().to_string();
        let expected = Daemon::Program(format!("{path}/docker"));
        check(
            &[("PATH", &path), ("DOCKER_HOST", "ssh://host")],
            Some(expected.clone()),
        );
        check(
            &[("PATH", &path), ("DOCKER_CONTEXT", "far")],
            Some(expected),
        );
    }
}
