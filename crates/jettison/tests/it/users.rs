//! Ordinary users: with and without further user IDs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use jettison_testkit::{Outcome, Scratch};

use crate::PROGRAM;
use crate::shared::{SETTINGS, Turn, installed, is_root, turn};

const DOCKERFILE: &str = "\
FROM ubuntu:latest
RUN echo I am $(id --user) of $(wc --lines < /proc/self/uid_map) maps
RUN apt-get update && apt-get install -y hello
CMD [\"hello\"]
";

/// A user that is gone at the end of the test.
pub(crate) struct TemporaryUser {
    name: String,
    pub(crate) id: u32,
}

impl TemporaryUser {
    /// Makes the user `jettison-<name>`.
    pub(crate) fn new(name: &str) -> TemporaryUser {
        let name = format!("jettison-{name}");
        // What a killed run left.
        drop(Command::new("userdel").args(["--force", &name]).output());
        let added = Command::new("useradd")
            .args(["--no-create-home", "--shell", "/bin/sh", &name])
            .output()
            .unwrap();
        assert!(added.status.success(), "{added:?}");
        let id = Command::new("id").args(["--user", &name]).output().unwrap();
        let id = String::from_utf8(id.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        TemporaryUser { name, id }
    }
}

impl TemporaryUser {
    fn lose_further_ids(&self) {
        for option in ["--del-subuids", "--del-subgids"] {
            let removed = Command::new("usermod")
                .args([option, "1-4294967294", &self.name])
                .output()
                .unwrap();
            assert!(removed.status.success(), "{removed:?}");
        }
    }
}

impl Drop for TemporaryUser {
    fn drop(&mut self) {
        // It is deleted by the next run if that fails.
        drop(
            Command::new("userdel")
                .args(["--force", &self.name])
                .output(),
        );
    }
}

/// Copies the program to where other users may start it.
///
/// Another process does it: were the copy open for writing here while another thread forks, nobody could execute it.
pub(crate) fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(PROGRAM).arg(to).status().unwrap();
    assert!(copied.success());
}

/// A user's world: the program, a build context and packages that were fetched before.
fn world_of(user: &TemporaryUser, turn: &mut Turn) -> Scratch {
    let scratch = Scratch::new(PROGRAM);
    fs::set_permissions(scratch.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    // The target directory may be closed to other users.
    copy_program(&scratch.dir().join("jettison"));
    scratch
        .write("app/jettison.toml", SETTINGS)
        .write("app/Dockerfile", DOCKERFILE);
    let downloads: PathBuf = scratch.root().join("downloads/sha256");
    fs::create_dir_all(&downloads).unwrap();
    for entry in fs::read_dir(turn.root().join("downloads/sha256"))
        .into_iter()
        .flatten()
    {
        let entry = entry.unwrap();
        fs::copy(entry.path(), downloads.join(entry.file_name())).unwrap();
    }
    let owned = Command::new("chown")
        .arg("--recursive")
        .arg(&user.name)
        .arg(scratch.dir())
        .status();
    assert!(owned.unwrap().success());
    chown(scratch.dir(), Some(user.id), None).unwrap();
    scratch
}

/// What a user may do beyond the own ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FurtherIds {
    /// /etc/subuid grants some, and newuidmap maps them.
    Granted,
    /// There are none.
    None,
    /// /etc/subuid grants some, but newuidmap is not installed.
    NoHelper,
}

/// Hides newuidmap and newgidmap from the processes of a mount namespace.
const HIDE_HELPERS: &str = "\
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/upper,workdir=/mnt/work /usr/bin
rm /usr/bin/newuidmap /usr/bin/newgidmap
";

/// Runs the program as `user`.
fn jettison(
    user: &TemporaryUser,
    scratch: &Scratch,
    ids: FurtherIds,
    arguments: &[&str],
) -> Outcome {
    let hide = if ids == FurtherIds::NoHelper {
        HIDE_HELPERS
    } else {
        ""
    };
    let id = user.id;
    let script = format!(
        "set -e\n{hide}exec setpriv --reuid {id} --regid {id} --clear-groups -- ./jettison \"$@\""
    );
    let mut words = vec!["--mount", "sh", "-c", &script, "sh"];
    words.extend(arguments);
    scratch.outcome(&mut scratch.tool("unshare", &words))
}

/// Builds and runs as a new user `name`, to whom `maps` ranges of IDs are mapped.
#[track_caller]
fn check(name: &str, ids: FurtherIds, maps: usize) {
    if !is_root() || !installed(&["useradd", "userdel", "setpriv", "newuidmap"]) {
        return;
    }
    let Some(mut turn) = turn() else { return };
    // Somebody has to have fetched the packages first.
    turn.calculator();
    let user = TemporaryUser::new(name);
    if ids == FurtherIds::None {
        user.lose_further_ids();
    }
    let scratch = world_of(&user, &mut turn);
    let run = |arguments: &[&str]| jettison(&user, &scratch, ids, arguments);
    let built = run(&["build", "app", "-t", "greeting"]);
    assert_eq!(built.code, 0, "{built}");
    let seen = format!("I am 0 of {maps} maps\n");
    assert!(built.stderr.contains(&seen), "{built}");
    let greeting = run(&["run", "greeting"]);
    assert_eq!(
        greeting.to_string(),
        "exit: 0\n--- stdout ---\nHello, world!\n"
    );
    let again = run(&["build", "app"]).succeeded();
    assert_eq!(again.stderr.matches("CACHED").count(), 2, "{again}");
}

#[test]
fn a_user_with_further_ids_builds_with_all_of_them() {
    check("granted", FurtherIds::Granted, 2);
}

#[test]
fn a_user_without_further_ids_builds_with_one() {
    check("none", FurtherIds::None, 1);
}

#[test]
fn a_user_without_newuidmap_builds_with_one_id() {
    check("no-helper", FurtherIds::NoHelper, 1);
}
