//! ENTRYPOINT and CMD without a shell around them, and the user as numbers.

use std::path::Path;

use jettison_oci::RunConfig;

use super::{Fact, NotApplicable, Origin, reason};
use crate::evidence::entrypoint::passes_on;
use crate::refactor::exec_argv;
use crate::rootfs::RootDir;

const PASSWD_LIMIT: u64 = 10 << 20;

/// ENTRYPOINT and CMD without a shell around them.
pub(super) fn commands(
    config: &RunConfig,
    facts: &mut Vec<Fact>,
) -> Result<(Vec<String>, Vec<String>), NotApplicable> {
    let unhealthy = [
        (config.healthcheck.is_some(), "HEALTHCHECK"),
        (!config.volumes.is_empty(), "VOLUME"),
        (config.stop_signal.is_some(), "STOPSIGNAL"),
        (!config.on_build.is_empty(), "ONBUILD"),
    ];
    if let Some((_, name)) = unhealthy.iter().find(|(present, _)| *present) {
        return Err(reason(format!(
            "the image has a {name}, which is not carried over yet"
        )));
    }
    let entrypoint = config.entrypoint.clone().unwrap_or_default();
    let cmd = config.cmd.clone().unwrap_or_default();
    if shell_text(&entrypoint).is_some() {
        return Err(reason(
            "ENTRYPOINT is in shell form, which passes no arguments on; write it in exec form",
        ));
    }
    match shell_text(&cmd) {
        Some(text) if entrypoint.is_empty() => match exec_argv(text) {
            Some(argv) => {
                let text = format!("`{text}` needs no shell: exec form means the same");
                facts.push(Fact {
                    text,
                    origin: Origin::ImageConfig,
                });
                Ok((entrypoint, argv))
            }
            None => Err(reason(format!("the command needs a shell: {text}"))),
        },
        Some(text) => Err(reason(format!(
            "CMD is in shell form beside an ENTRYPOINT, which gets `/bin/sh -c` and `{text}` as its arguments; write it in exec form"
        ))),
        None => Ok((entrypoint, cmd)),
    }
}

/// What runs scripts of `package.json` and says so when it is told to end. A shell that starts it does not pass that on.
const SCRIPT_RUNNERS: [&str; 4] = ["npm", "npx", "pnpm", "yarn"];

/// ENTRYPOINT and CMD, without a shell around CMD where it does nothing.
pub(crate) fn exec_commands(
    config: &RunConfig,
    root: &RootDir,
    facts: &mut Vec<Fact>,
) -> (Vec<String>, Vec<String>) {
    let entrypoint = config.entrypoint.clone().unwrap_or_default();
    let cmd = config.cmd.clone().unwrap_or_default();
    let plain = shell_text(&cmd)
        .and_then(|text| Some((text.to_owned(), exec_argv(text)?)))
        .filter(|(_, argv)| {
            argv.first().is_some_and(|name| {
                !SCRIPT_RUNNERS.contains(&name.as_str()) && passes_on(root, config, name)
            })
        });
    let Some((text, argv)) = plain else {
        return (entrypoint, cmd);
    };
    facts.push(Fact {
        text: format!("`{text}` needs no shell: exec form means the same"),
        origin: Origin::ImageConfig,
    });
    (entrypoint, argv)
}

/// The text of a shell-form command.
fn shell_text(argv: &[String]) -> Option<&str> {
    match argv {
        [shell, option, text] if shell == "/bin/sh" && option == "-c" => Some(text),
        _ => None,
    }
}

/// The user's number and the group's, because a final stage without `/etc/passwd` knows neither
/// the names nor the group of a user; nothing for root.
pub(super) fn numeric_user(root: &RootDir, user: &str) -> Result<String, NotApplicable> {
    let read = |path: &str| {
        let bytes = root
            .content(Path::new(path), PASSWD_LIMIT)
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (passwd, group) = (read("/etc/passwd"), read("/etc/group"));
    let found = jettison_sandbox::resolve_user(user, &passwd, &group)
        .map_err(|error| reason(format!("the image's user cannot be found: {error}")))?;
    let others = found
        .user
        .groups
        .iter()
        .any(|group| *group != found.user.gid);
    if found.user.uid != 0 && others {
        return Err(reason(format!(
            "the image's user `{user}` is in further groups, which a USER in numbers cannot say"
        )));
    }
    Ok(match (found.user.uid, found.user.gid) {
        (0, 0) => String::new(),
        (uid, gid) => format!("{uid}:{gid}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cmd: &[&str]) -> RunConfig {
        RunConfig {
            cmd: Some(cmd.iter().map(ToString::to_string).collect()),
            ..RunConfig::default()
        }
    }

    #[test]
    fn a_shell_around_a_plain_command_is_taken_away() {
        let mut facts = Vec::new();
        let (entrypoint, cmd) =
            commands(&config(&["/bin/sh", "-c", "./app --x"]), &mut facts).unwrap();
        assert!(entrypoint.is_empty());
        assert_eq!(cmd, ["./app", "--x"]);
    }

    #[test]
    fn a_shell_around_more_is_not() {
        let error =
            commands(&config(&["/bin/sh", "-c", "./app $PORT"]), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the command needs a shell: ./app $PORT");
    }

    #[test]
    fn a_shell_around_npm_stays_with_npm() {
        let dir = tempfile::tempdir().unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        for (text, is_plain) in [("npm start", false), ("npm-start x", true)] {
            let words = ["/bin/sh", "-c", text];
            let (_, cmd) = exec_commands(&config(&words), &root, &mut Vec::new());
            let expected: Vec<&str> = if is_plain {
                text.split(' ').collect()
            } else {
                words.to_vec()
            };
            assert_eq!(cmd, expected, "{text}");
        }
    }

    #[test]
    fn a_shell_beside_an_entrypoint_is_refused() {
        let config = RunConfig {
            entrypoint: Some(vec!["/app".to_string()]),
            ..config(&["/bin/sh", "-c", "x"])
        };
        assert!(commands(&config, &mut Vec::new()).is_err());
    }

    #[track_caller]
    fn check_user(user: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n";
        std::fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        std::fs::write(dir.path().join("etc/group"), "app:x:1001:\nops:x:7:app\n").unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let found = numeric_user(&root, user).unwrap_or_else(|error| error.to_string());
        assert_eq!(found, expected, "{user}");
    }

    #[test]
    fn users_become_numbers_with_their_group() {
        check_user("", "");
        check_user("root", "");
        check_user("0", "");
        check_user("5", "5:0");
        check_user("1000:1001", "1000:1001");
        check_user("app:app", "1000:1001");
        check_user(
            "app",
            "the image's user `app` is in further groups, which a USER in numbers cannot say",
        );
    }
}
