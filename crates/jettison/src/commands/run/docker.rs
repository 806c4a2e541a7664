//! Options of `docker run` that mean nothing here, or cannot be met. None is ignored in silence.

use crate::cli::{DockerRunArgs, NetworkKind};
use crate::failure::Failure;

/// What is to be said about the options that were given.
pub(super) fn explained(
    args: &DockerRunArgs,
    network: NetworkKind,
) -> Result<Vec<String>, Failure> {
    if let Some((message, hint)) = refused(args) {
        return Err(Failure::user(message).hint(hint));
    }
    let mut notes = Vec::new();
    let mut note = |is_given: bool, text: &str| {
        if is_given {
            notes.push(text.to_string());
        }
    };
    note(
        args.init,
        "--init: the program is the first process itself; the third SIGINT or SIGTERM ends it even if it does not listen",
    );
    note(
        args.name.is_some() || !args.labels.is_empty(),
        "--name, --label: nothing is kept when the program has ended, so there is nothing to have a name or a label",
    );
    note(
        args.publish_all || !args.expose.is_empty(),
        "--publish-all, --expose: the program uses the host's network, where its ports are open already",
    );
    note(
        !args.security_opts.is_empty(),
        "--security-opt: no security module labels programs here",
    );
    for ports in &args.publish {
        notes.push(published(ports, network)?);
    }
    Ok(notes)
}

fn refused(args: &DockerRunArgs) -> Option<(String, &'static str)> {
    if args.detach {
        return Some((
            "--detach is not supported: there is no daemon that would keep the program running"
                .to_string(),
            "run it in the background with `&`, or as a service with `systemd-run jettison run …`",
        ));
    }
    if let Some(policy) = args.restart.as_deref().filter(|policy| *policy != "no") {
        return Some((
            format!(
                "--restart {policy} is not supported: there is no daemon that would start the program again"
            ),
            "let a service manager do it: `systemd-run -p Restart=always jettison run …`",
        ));
    }
    let refused = |option: &&String| !is_of_no_effect(option);
    if let Some(option) = args.security_opts.iter().find(refused) {
        return Some((
            format!("--security-opt {option} is not supported"),
            "--cap-add and --cap-drop change what the program may do, --privileged lets it do everything",
        ));
    }
    if let Some(device) = args.devices.first() {
        return Some((
            format!("--device {device} is not supported"),
            "--privileged gives the devices for virtual machines, FUSE, TUN and loops",
        ));
    }
    None
}

/// Whether an option is about what does not exist here: labels and profiles of security modules.
fn is_of_no_effect(option: &str) -> bool {
    let name = option.split(['=', ':']).next().unwrap_or(option);
    ["label", "apparmor"].contains(&name)
}

/// What `-p` means where the program uses the host's network: that its port is open there, under its own number.
fn published(ports: &str, network: NetworkKind) -> Result<String, Failure> {
    let numbers = ports.split('/').next().unwrap_or(ports);
    let mut sides = numbers.rsplit(':');
    let inside = sides.next().unwrap_or_default();
    let outside = sides.next().filter(|outside| !outside.is_empty());
    if network == NetworkKind::None {
        return Err(Failure::user(format!(
            "--publish {ports}: with --network none nothing can be reached"
        ))
        .hint("leave --network none out"));
    }
    match outside {
        Some(outside) if outside != inside => Err(Failure::user(format!(
            "--publish {ports} is not supported: the program uses the host's network, so that its port {inside} is port {inside} there"
        ))
        .hint(format!(
            "leave -p out and use port {inside}, or let the program itself listen on {outside}"
        ))),
        _ => Ok(format!(
            "--publish {ports}: the program uses the host's network, where port {inside} is its own"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_security_modules_are_explained() {
        for option in ["label=disable", "label:type:x", "apparmor=unconfined"] {
            assert!(is_of_no_effect(option), "{option}");
        }
        for option in ["no-new-privileges", "seccomp=unconfined", "labels"] {
            assert!(!is_of_no_effect(option), "{option}");
        }
    }

    #[test]
    fn ports_are_the_hosts_own() {
        for ports in ["80", "80:80", "127.0.0.1:80:80/tcp", "::80"] {
            assert!(published(ports, NetworkKind::Host).is_ok(), "{ports}");
        }
        assert!(published("8080:80", NetworkKind::Host).is_err());
        assert!(published("80", NetworkKind::None).is_err());
    }
}
