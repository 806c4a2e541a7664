//! The miss oracle on runs that were really traced.
//!
//! The runner is our own, because [`jettison_sandbox::init_if_asked`] has to be the first thing in `main`, and because
//! entering a user namespace has to happen before there are threads. Where that is not permitted it says so.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test runner prints")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use jettison_sandbox::{
    EnterOptions, Entered, IdChoice, Input, KernelDirectories, MissingCwd, Mount, MountKind,
    Network, OutputMode, Resources, Rootfs, Sandbox, Security, Terminal, Tracing, User, enter,
};
use jettison_slim::{RootDir, find_misses};

fn main() {
    jettison_sandbox::init_if_asked();
    let ids = IdChoice::Best;
    let entered = match enter(&EnterOptions { ids }) {
        Ok(entered) => entered,
        Err(error) => {
            println!("test misses ... skipped: {error}");
            return;
        }
    };
    let filter = std::env::args().nth(1).unwrap_or_default();
    let mut n_failed = 0;
    for (name, test) in TESTS {
        if !name.contains(filter.trim_start_matches('-')) {
            continue;
        }
        let verdict = catch_unwind(AssertUnwindSafe(|| test(&entered)));
        n_failed += i32::from(verdict.is_err());
        let verdict = if verdict.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict}");
    }
    std::process::exit(i32::from(n_failed > 0))
}

/// A test: its name, and what it does.
type Test = (&'static str, fn(&Entered));

const TESTS: [Test; 7] = [
    ("the_same_image_is_proven", the_same_image_is_proven),
    ("an_optional_file_is_missed", an_optional_file_is_missed),
    ("a_listed_directory_is_named", a_listed_directory_is_named),
    ("a_mode_is_missed", a_mode_is_missed),
    ("a_link_is_missed", a_link_is_missed),
    ("an_interpreter_is_missed", an_interpreter_is_missed),
    (
        "what_is_never_asked_for_may_go",
        what_is_never_asked_for_may_go,
    ),
];

/// What the program does: it reads a file if it is there, lists, writes, and does without much.
const PROGRAM: &str = "#!/app/current/shell
cd /app
. ./current/settings
test -e optional && cat optional
ls plugins
mkdir -p /run/state && echo started > /run/state/log && cat /run/state/log
cat /etc/hosts > /dev/null
test -e none/at/all
:
";

struct Images(tempfile::TempDir);

impl Images {
    fn new() -> Images {
        let images = Images(tempfile::tempdir().unwrap());
        for root in [images.root("original"), images.root("candidate")] {
            for directory in ["app/plugins", "app/v1", "etc", "run", "tmp", "usr", "doc"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            for name in ["bin", "sbin", "lib", "lib64"] {
                if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
                    symlink(target, root.join(name)).unwrap();
                }
            }
            symlink("v1", root.join("app/current")).unwrap();
            symlink("/bin/sh", root.join("app/v1/shell")).unwrap();
            for (name, text) in [
                ("app/v1/settings", "x=1\n"),
                ("app/optional", "more\n"),
                ("app/plugins/one", ""),
                ("doc/text", "never read"),
                ("app/run", PROGRAM),
            ] {
                let path = root.join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                let file = fs::File::open(path).unwrap();
                file.set_modified(std::time::UNIX_EPOCH).unwrap();
            }
        }
        images
    }

    fn root(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn candidate(&self, path: &str) -> PathBuf {
        self.root("candidate").join(path)
    }

    fn sandbox(&self) -> Sandbox {
        let directories =
            ["bin", "sbin", "lib", "lib64", "usr"].map(|name| Path::new("/").join(name));
        let mounts = directories
            .into_iter()
            .filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()))
            .map(|path| Mount {
                target: path.clone(),
                kind: MountKind::Bind {
                    source: path,
                    read_only: true,
                },
            })
            .chain([Mount {
                target: PathBuf::from("/etc/hosts"),
                kind: MountKind::Bind {
                    source: PathBuf::from("/etc/hosts"),
                    read_only: true,
                },
            }]);
        Sandbox {
            rootfs: Rootfs {
                lowers: vec![self.root("candidate")],
                upper: None,
            },
            mounts: mounts.collect(),
            argv: vec!["/app/run".to_owned()],
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            missing_cwd: MissingCwd::Refused,
            user: User::default(),
            hostname: "probe".to_owned(),
            network: Network::None,
            stdin: Input::Null,
            output: OutputMode::Piped,
            terminal: Terminal::None,
            time_limit: None,
            read_only: false,
            security: Security::Confined,
            ulimits: Vec::new(),
            shm_size: None,
            resources: Resources::UNLIMITED,
            kernel_directories: KernelDirectories::Removed,
            tracing: Tracing::Lookups,
        }
    }

    /// Runs the candidate, and asks whether that was a run of the original.
    #[track_caller]
    fn check(&self, entered: &Entered, expected: Expect) {
        let output = self.sandbox().spawn(entered).unwrap();
        let exit = output.wait_with_output().unwrap().exit;
        let roots = ["original", "candidate"].map(|name| RootDir::open(&self.root(name)).unwrap());
        let report = find_misses(&exit.trace.unwrap(), &roots[0], &roots[1]).unwrap();
        let misses = report
            .misses
            .iter()
            .map(|miss| format!("{}: {:?}\n", miss.path.display(), miss.difference));
        let directories = report.directories.iter().map(|directory| {
            let path = directory.path.display();
            format!("{path}: without {:?}\n", directory.missing)
        });
        let lines: Vec<String> = misses.chain(directories).collect();
        expected.assert_eq(&format!("{:?}\n{}", report.verdict(), lines.concat()));
    }
}

fn the_same_image_is_proven(entered: &Entered) {
    Images::new().check(entered, expect!["Proven\n"]);
}

fn an_optional_file_is_missed(entered: &Entered) {
    let images = Images::new();
    fs::remove_file(images.candidate("app/optional")).unwrap();
    images.check(
        entered,
        expect![[r"
            Missed
            /app/optional: Absent { original: File }
        "]],
    );
}

fn a_listed_directory_is_named(entered: &Entered) {
    let images = Images::new();
    fs::remove_file(images.candidate("app/plugins/one")).unwrap();
    images.check(
        entered,
        expect![[r#"
            ProvenButForDirectories
            /app/plugins: without ["one"]
        "#]],
    );
}

fn a_mode_is_missed(entered: &Entered) {
    let images = Images::new();
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(images.candidate("app/v1"), closed).unwrap();
    images.check(
        entered,
        expect![[r"
            Missed
            /app/v1: Aspects([Mode])
        "]],
    );
}

fn a_link_is_missed(entered: &Entered) {
    let images = Images::new();
    fs::remove_file(images.candidate("app/current")).unwrap();
    symlink("/app/v1", images.candidate("app/current")).unwrap();
    let output = images.sandbox().spawn(entered).unwrap();
    let exit = output.wait_with_output().unwrap().exit;
    let roots = ["original", "candidate"].map(|name| RootDir::open(&images.root(name)).unwrap());
    let report = find_misses(&exit.trace.unwrap(), &roots[0], &roots[1]).unwrap();
    assert!(!report.misses.is_empty());
    let link = Path::new("/app/current");
    assert!(report.misses.iter().all(|miss| miss.path == link));
}

fn an_interpreter_is_missed(entered: &Entered) {
    let images = Images::new();
    fs::remove_file(images.candidate("app/v1/shell")).unwrap();
    images.check(
        entered,
        expect![[r"
            Missed
            /app/v1/shell: Absent { original: Link }
        "]],
    );
}

fn what_is_never_asked_for_may_go(entered: &Entered) {
    let images = Images::new();
    fs::remove_dir_all(images.candidate("doc")).unwrap();
    images.check(entered, expect!["Proven\n"]);
}
