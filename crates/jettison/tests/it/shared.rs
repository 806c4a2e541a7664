//! What the tests need of the machine, and the images that they share.
//!
//! Assembling a Debian base and installing a compiler take a minute, so that the tests that need
//! them have one directory for images, and take turns.

use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jettison_testkit::{Outcome, Scratch, skip};

use crate::PROGRAM;

/// The settings of every test with a Debian base: the same base as the calculator's, so that it is
/// assembled once.
pub(crate) const SETTINGS: &str =
    "[bases]\n\"ubuntu:latest\" = \"debian://bookworm?env=GO111MODULE=auto\"\n";

/// How the calculator's Dockerfile begins; the step is in the cache once it has been built.
pub(crate) const GO: &str = "FROM ubuntu:latest\nRUN apt-get update && apt-get install -y golang\n";

/// The directory that the tests with a Debian base share.
pub(crate) struct Shared {
    dir: PathBuf,
    calculator: Option<Calculator>,
}

/// The calculator of the examples, optimized.
#[derive(Clone, Debug)]
pub(crate) struct Calculator {
    /// What `jettison optimize` gave.
    pub(crate) outcome: Outcome,
    /// Its report.
    pub(crate) report: serde_json::Value,
    /// The directory with the Dockerfile and what was written beside it.
    pub(crate) dir: PathBuf,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

/// One test's turn with the shared images.
pub(crate) struct Turn(MutexGuard<'static, Option<Shared>>);

/// Waits for the turn. Says why and returns `None` if this machine cannot build Debian images.
pub(crate) fn turn() -> Option<Turn> {
    if !namespaces_work() || !archive_answers() {
        return None;
    }
    let mut guard = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared");
        clear(&dir);
        fs::create_dir_all(dir.join("root")).expect("the target directory is writable");
        *guard = Some(Shared {
            dir,
            calculator: None,
        });
    }
    Some(Turn(guard))
}

impl Turn {
    fn shared(&mut self) -> &mut Shared {
        self.0.as_mut().expect("`turn` put it there")
    }

    /// An empty directory with the shared images.
    pub(crate) fn scratch(&mut self) -> Scratch {
        Scratch::with_root(PROGRAM, &self.root())
    }

    /// Where the shared images are.
    pub(crate) fn root(&mut self) -> PathBuf {
        self.shared().dir.join("root")
    }

    /// The calculator, optimized by the first test that asks.
    pub(crate) fn calculator(&mut self) -> Calculator {
        if let Some(calculator) = &self.shared().calculator {
            return calculator.clone();
        }
        let scratch = self.scratch();
        let dir = self.shared().dir.join("calculator");
        copy_example(&dir);
        let path = dir.to_str().expect("the target directory is text");
        let report = format!("{path}/report.json");
        let outcome = scratch.jettison(&["optimize", path, "--report", &report]);
        let text = fs::read_to_string(&report)
            .unwrap_or_else(|error| panic!("{report}: {error}\n{outcome}"));
        let calculator = Calculator {
            outcome,
            report: serde_json::from_str(&text).expect("a report is JSON"),
            dir,
        };
        self.shared().calculator = Some(calculator.clone());
        calculator
    }
}

/// A world with the host's static busybox at `path`, if there is one and this machine can run images.
pub(crate) fn with_busybox(path: &str) -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let Ok(busybox) = fs::read("/bin/busybox") else {
        skip("not installed: busybox-static");
        return None;
    };
    let scratch = Scratch::new(PROGRAM);
    scratch.write(path, busybox);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(scratch.dir().join(path), mode).expect("it was just written");
    Some(scratch)
}

/// The calculator's directory in the repository.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/calculator")
}

/// Copies the example's inputs, but not what `optimize` writes.
fn copy_example(dir: &Path) {
    fs::create_dir_all(dir).expect("the target directory is writable");
    for name in ["Dockerfile", "calculator.go", "jettison.toml"] {
        fs::copy(example().join(name), dir.join(name)).expect("the example is complete");
    }
}

/// Removes what an earlier run left; packages stay, since they are checked whenever they are read.
fn clear(dir: &Path) {
    let downloads = dir.join("root/downloads");
    let kept = dir.with_file_name("shared-downloads");
    if downloads.exists() && !kept.exists() {
        fs::rename(&downloads, &kept).expect("the target directory is writable");
    }
    if dir.exists() {
        remove(dir);
    }
    if kept.exists() {
        fs::create_dir_all(dir.join("root")).expect("the target directory is writable");
        fs::rename(&kept, &downloads).expect("the target directory is writable");
    }
}

/// Removes a directory in which there may be files of an ordinary user's further IDs.
fn remove(dir: &Path) {
    if fs::remove_dir_all(dir).is_ok() {
        return;
    }
    let removed = Command::new("unshare")
        .args(["--map-root-user", "--map-auto", "rm", "-rf"])
        .arg(dir)
        .status();
    assert!(
        removed.is_ok_and(|status| status.success()),
        "cannot remove {}",
        dir.display()
    );
}

/// Whether processes can become root of a user namespace; says so if not.
pub(crate) fn namespaces_work() -> bool {
    let works = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !works {
        skip("this machine has no user namespaces");
    }
    works
}

/// Whether all of `programs` are installed; says so if not.
pub(crate) fn installed(programs: &[&str]) -> bool {
    let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| {
            !directories
                .iter()
                .any(|directory| Path::new(directory).join(program).exists())
        })
        .collect();
    if !missing.is_empty() {
        skip(&format!("not installed: {}", missing.join(", ")));
    }
    missing.is_empty()
}

/// Whether the tests run as root; says so if not.
pub(crate) fn is_root() -> bool {
    let is_root = runs_as_root();
    if !is_root {
        skip("only root can make users");
    }
    is_root
}

/// Whether the tests run as root.
pub(crate) fn runs_as_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the archive of this machine's apt sources answers; says so if not.
pub(crate) fn archive_answers() -> bool {
    // The host and the port, whatever they are called: apt knows.
    let Ok(output) = Command::new("apt-get")
        .args(["--print-uris", "update"])
        .output()
    else {
        skip("this machine has no apt, so no Debian archive is known");
        return false;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers = text
        .lines()
        .filter_map(|line| line.split('\'').nth(1))
        .any(url_answers);
    if !answers {
        skip("no Debian archive answers");
    }
    answers
}

fn url_answers(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "https" { 443 } else { 80 };
    let address = if host.contains(':') {
        host.to_string()
    } else {
        format!("{host}:{port}")
    };
    address.to_socket_addrs().is_ok_and(|mut found| {
        found.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok())
    })
}
