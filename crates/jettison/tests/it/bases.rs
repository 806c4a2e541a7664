//! Distroless bases: the same image anywhere, variants, and where they may stand.

use std::fs;
use std::process::Command;

use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::family::{assembled, lock_of, with_root};

/// The ID of the image that `command` assembles.
#[track_caller]
fn id(scratch: &Scratch, command: &mut Command) -> String {
    let built = scratch.outcome(command).succeeded();
    built.stdout.trim().to_owned()
}

#[test]
fn the_same_lock_gives_the_same_image_anywhere_and_any_day() {
    with_root(|scratch| {
        // One whose modules are compiled ahead and one that is linked; nothing of that is in the other root.
        for name in ["cc-debian13", "python3-debian12", "java-minimal-debian13"] {
            assembled(scratch, name);
            let lock = lock_of(name);
            let lock = lock.to_str().unwrap();
            let arguments = ["base", "build", name, "-q", "--lock", lock];
            let here = id(scratch, &mut scratch.command(&arguments));
            // Another root, another umask, another day; and no archive is asked that the packages could not come from.
            let other = Scratch::new(PROGRAM);
            let downloads = other.root().join("downloads/sha256");
            fs::create_dir_all(&downloads).unwrap();
            for line in fs::read_to_string(lock).unwrap().lines() {
                if let Some(digest) = line.strip_prefix("sha256 = ") {
                    let digest = digest.trim_matches('"');
                    let package = scratch.root().join("downloads/sha256").join(digest);
                    fs::copy(package, downloads.join(digest)).unwrap();
                }
            }
            let line = format!("umask 077; exec \"{PROGRAM}\" {}", arguments.join(" "));
            let day = "2031-05-06 07:08:09";
            let mut command = other.tool("faketime", &[day, "sh", "-c", &line]);
            command.env("http_proxy", "http://127.0.0.1:9");
            assert_eq!(id(&other, &mut command), here, "{name}");
        }
    });
}

#[test]
fn variants_have_a_shell_or_another_user() {
    with_root(|scratch| {
        let image = assembled(scratch, "base-debian12:debug");
        let outcome = scratch.jettison(&["run", &image, "-c", "echo $0; id -u; which sh ls"]);
        let expected = "/busybox/sh\n0\n/busybox/sh\n/busybox/ls\n";
        assert_eq!(outcome.succeeded().stdout, expected);
        let image = assembled(scratch, "static-debian13:debug-nonroot");
        let outcome = scratch.jettison(&["run", &image, "-c", "id -u; pwd"]);
        assert_eq!(outcome.succeeded().stdout, "65532\n/home/nonroot\n");
    });
}

#[test]
fn they_stand_wherever_a_base_may_stand() {
    with_root(|scratch| {
        scratch
            .write("app/app", "print('mapped')\n")
            .write(
                "app/jettison.toml",
                "[bases]\n\"gcr.io/distroless/*\" = \"distroless://*\"\n",
            )
            .write(
                "app/Dockerfile",
                "FROM distroless://static-debian12 AS other\nFROM gcr.io/distroless/python3-debian12:nonroot\nCOPY --from=other /etc/passwd /other\nCOPY app /app\nCMD [\"/app\"]\n",
            );
        scratch
            .jettison(&["build", "-q", "-t", "mapped", "app"])
            .succeeded();
        let outcome = scratch.jettison(&["run", "mapped"]);
        assert_eq!(outcome.succeeded().stdout, "mapped\n");
    });
}
