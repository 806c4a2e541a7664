//! Runs the tests and counts.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::world::{NeedsOtherIds, World};
use crate::{files, isolation, limits, mounting, networks, overlays, processes, traces};

/// A test: its name, and what it does.
pub(crate) type Test = (&'static str, fn(&World));

/// Names a function as a test.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn(&$crate::world::World))),*] };
}

const SUBJECTS: [(&str, &[Test]); 8] = [
    ("files", files::TESTS),
    ("isolation", isolation::TESTS),
    ("limits", limits::TESTS),
    ("mounting", mounting::TESTS),
    ("networks", networks::TESTS),
    ("overlays", overlays::TESTS),
    ("processes", processes::TESTS),
    ("traces", traces::TESTS),
];

/// Runs the tests of every world; gives the exit code.
pub(crate) fn run_all(filter: &str) -> i32 {
    let is_root = rustix::process::geteuid().is_root();
    let mut counts = Counts::default();
    let copy = copy_for_others();
    let program = copy.path().join("it");
    counts.run(Command::new(&program).args(["--world", "best", filter]));
    if is_root {
        if let Some(user) = user_with_ids() {
            counts.run(
                as_user(&user)
                    .arg(&program)
                    .args(["--world", "subordinate", filter]),
            );
        } else {
            counts.skip_world("subordinate: no user has ranges in /etc/subuid and /etc/subgid");
        }
        counts.run(
            as_user("nobody")
                .arg(&program)
                .args(["--world", "single", filter]),
        );
    } else {
        counts.run(Command::new(&program).args(["--world", "single", filter]));
    }
    println!(
        "{} passed, {} failed, {} skipped",
        counts.passed, counts.failed, counts.skipped
    );
    i32::from(counts.failed > 0)
}

/// A copy of this program where every user can run it.
fn copy_for_others() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy("/proc/self/exe", directory.path().join("it")).unwrap();
    directory
}

/// A user to whom the host grants IDs, and who may use them.
fn user_with_ids() -> Option<String> {
    let owners = |file: &str| -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect()
    };
    let passwd = owners("/etc/passwd");
    let groups = owners("/etc/subgid");
    let has_helper = Path::new("/usr/bin/newuidmap").exists();
    owners("/etc/subuid")
        .into_iter()
        .find(|user| has_helper && groups.contains(user) && passwd.contains(user))
}

fn as_user(user: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).args([
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
    ]);
    if user != "nobody" {
        command = Command::new("runuser");
        command.args(["-u", user, "--"]);
    }
    command.current_dir("/");
    command
}

#[derive(Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Counts {
    fn run(&mut self, command: &mut Command) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            println!("{line}");
            self.passed += u32::from(line.ends_with(" ... ok"));
            self.failed += u32::from(line.ends_with(" ... FAILED"));
            self.skipped += u32::from(line.contains(" ... skipped"));
        }
        if !child.wait().unwrap().success() && self.failed == 0 {
            println!("test {command:?} ... FAILED");
            self.failed += 1;
        }
    }

    fn skip_world(&mut self, reason: &str) {
        println!("test world ... skipped: {reason}");
        self.skipped += 1;
    }
}

/// Enters as `name` says, and runs the tests.
pub(crate) fn run_world(name: &str, filter: &str) -> i32 {
    let world = match World::enter(name) {
        Ok(world) => world,
        Err(reason) => {
            println!("test {name} ... skipped: {reason}");
            return 0;
        }
    };
    let mut code = 0;
    for (subject, tests) in SUBJECTS {
        for (test, function) in tests {
            let title = format!("{name}::{subject}::{test}");
            if !title.contains(filter) {
                continue;
            }
            let verdict = match catch_unwind(AssertUnwindSafe(|| function(&world))) {
                Ok(()) => "ok",
                Err(payload) if payload.is::<NeedsOtherIds>() => {
                    "skipped: it needs more than one ID"
                }
                Err(_) => "FAILED",
            };
            println!("test {title} ... {verdict}");
            if verdict == "FAILED" {
                code = 1;
            }
        }
    }
    code
}
