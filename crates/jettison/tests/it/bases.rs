//! Distroless bases of the family: what is in them, what is not, and that programs run there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use jettison_testkit::{Outcome, Scratch, skip};

use crate::PROGRAM;
use crate::shared::{archive_answers, namespaces_work};

/// The bases with their unpacked sizes as Google's lists of packages have them, in bytes: a Java's are tested
/// elsewhere.
const SIZES: [(&str, u64); 10] = [
    ("static-debian12", 2_110_000),
    ("base-nossl-debian12", 14_900_000),
    ("base-debian12", 13_000_000),
    ("cc-debian12", 23_700_000),
    ("python3-debian12", 53_100_000),
    ("nodejs18-debian12", 116_200_000),
    ("static-debian13", 2_370_000),
    ("base-debian13", 24_400_000),
    ("cc-debian13", 27_700_000),
    ("python3-debian13", 59_700_000),
];

/// Tests take turns: they share downloads.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `test` with a directory of images that all of these tests share; says loudly why not.
pub(crate) fn with_root(test: impl FnOnce(&Scratch)) {
    if !namespaces_work() || !archive_answers() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bases");
    fs::create_dir_all(&root).unwrap();
    test(&Scratch::with_root(PROGRAM, &root));
}

/// Assembles `name` by the lock of this run, and calls it `base/name`.
#[track_caller]
pub(crate) fn assembled(scratch: &Scratch, name: &str) -> String {
    let plain = name.replace([':', '+'], "-");
    let tag = format!("base/{plain}");
    // All of these tests see the same packages.
    let (recipe, _) = name.split_once(':').unwrap_or((name, ""));
    let lock = format!(
        "{}.lock",
        if name.contains("debug") {
            &plain
        } else {
            recipe
        }
    );
    let arguments = ["base", "build", name, "-t", &tag, "--lock", &lock];
    scratch.jettison(&arguments).succeeded();
    tag
}

/// The files of an image, unpacked.
#[track_caller]
pub(crate) fn unpacked(scratch: &Scratch, image: &str) -> PathBuf {
    unpacked_with(scratch, image, &[])
}

/// The files of an image for `platform`, unpacked.
#[track_caller]
pub(crate) fn unpacked_for(scratch: &Scratch, image: &str, platform: &str) -> PathBuf {
    unpacked_with(scratch, image, &["--platform", platform])
}

#[track_caller]
fn unpacked_with(scratch: &Scratch, image: &str, options: &[&str]) -> PathBuf {
    let name = format!("files/{}", image.replace('/', "-"));
    scratch.write("unpack/Dockerfile", format!("FROM {image}\n"));
    let dest = format!("type=local,dest={name}");
    let mut arguments = vec!["build", "-q", "-o", &dest, "unpack"];
    arguments.extend(options);
    scratch.jettison(&arguments).succeeded();
    scratch.dir().join(name)
}

/// Every regular file below `root` with its path from there, and its permissions.
fn files(root: &Path) -> BTreeMap<String, u32> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, u32>) {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.path().symlink_metadata().unwrap();
            if metadata.is_dir() {
                walk(root, &entry.path(), found);
            } else if metadata.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert(path.to_owned(), metadata.permissions().mode());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

const STATUS: &str = "var/lib/dpkg/status.d";

#[test]
fn they_are_no_larger_than_googles_and_hold_nothing_that_serves_an_attacker() {
    with_root(|scratch| {
        for (name, limit) in SIZES {
            let image = assembled(scratch, name);
            let root = unpacked(scratch, &image);
            let files = files(&root);
            let size: u64 = files
                .keys()
                .map(|path| root.join(path).metadata().unwrap().size())
                .sum();
            assert!(
                size <= limit,
                "{name} has {size} bytes, and {limit} is the limit"
            );
            for (path, mode) in &files {
                assert_eq!(
                    mode & 0o6000,
                    0,
                    "{name}: {path} makes somebody else of its user"
                );
                assert_eq!(mode & 0o002, 0, "{name}: {path} can be written by anybody");
                let program = path.rsplit('/').next().unwrap();
                let is_run = mode & 0o111 != 0 || path.contains("bin/");
                let bad = [
                    "sh", "bash", "dash", "busybox", "apt", "apt-get", "dpkg", "perl", "npm",
                ];
                assert!(!is_run || !bad.contains(&program), "{name} has {path}");
            }
        }
    });
}

#[test]
fn every_file_belongs_to_a_package_and_every_listed_file_is_there() {
    with_root(|scratch| {
        for (name, _) in SIZES {
            let image = assembled(scratch, name);
            let root = unpacked(scratch, &image);
            let mut listed = BTreeSet::new();
            let mut sums = String::new();
            for entry in fs::read_dir(root.join(STATUS)).unwrap() {
                let path = entry.unwrap().path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "md5sums")
                {
                    sums += &fs::read_to_string(path).unwrap();
                }
            }
            for line in sums.lines() {
                listed.insert(line.split_once("  ").unwrap().1.to_owned());
            }
            let found: BTreeSet<String> = files(&root)
                .into_keys()
                .filter(|path| !path.starts_with(STATUS))
                .collect();
            let orphans: Vec<_> = found.difference(&listed).collect();
            let phantoms: Vec<_> = listed.difference(&found).collect();
            assert!(
                orphans.is_empty(),
                "{name} has files of no package: {orphans:?}"
            );
            assert!(
                phantoms.is_empty(),
                "{name} lists files that it lacks: {phantoms:?}"
            );
            scratch.write("sums", &sums);
            let mut check = scratch.tool("md5sum", &["--check", "--quiet", "--strict"]);
            check.arg(scratch.dir().join("sums")).current_dir(&root);
            scratch.outcome(&mut check).succeeded();
        }
    });
}

#[test]
fn dpkg_lists_exactly_the_packages_of_the_lock() {
    with_root(|scratch| {
        let image = assembled(scratch, "python3-debian12");
        let root = unpacked(scratch, &image);
        let mut status = String::new();
        for entry in fs::read_dir(root.join(STATUS)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "md5sums")
            {
                let stanza = fs::read_to_string(path).unwrap();
                status.push_str("Status: install ok installed\n");
                status.push_str(stanza.trim_end());
                status.push_str("\n\n");
            }
        }
        scratch.write("dpkg/status", status);
        let format = "${Package} ${Version} ${Architecture}\n";
        let mut query = scratch.tool("dpkg-query", &["--admindir=dpkg", "--show", "-f", format]);
        let listed = scratch.outcome(&mut query).succeeded().stdout;
        let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
        let lock: toml::Table = scratch.read("python3-debian12.lock").parse().unwrap();
        let (host, packages) = lock["package"].as_table().unwrap().iter().next().unwrap();
        let locked: BTreeSet<String> = packages
            .as_array()
            .unwrap()
            .iter()
            .map(|package| {
                let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
                let architecture = text("architecture").unwrap_or(host);
                let (name, version) = (text("name").unwrap(), text("version").unwrap());
                format!("{name} {version} {architecture}")
            })
            .collect();
        assert_eq!(listed, locked);
    });
}

#[test]
fn the_same_lock_gives_the_same_image_anywhere_and_any_day() {
    with_root(|scratch| {
        let name = "cc-debian13";
        assembled(scratch, name);
        let id = |scratch: &Scratch, command: &mut Command| {
            let built = scratch.outcome(command).succeeded();
            built.stdout.trim().to_owned()
        };
        let lock = scratch.dir().join(format!("{name}.lock"));
        let lock = lock.to_str().unwrap();
        let arguments = ["base", "build", name, "-q", "--lock", lock];
        let here = id(scratch, &mut scratch.command(&arguments));
        // Another root, another umask, another day; and no archive is asked that the packages could not come from.
        let other = Scratch::new(PROGRAM);
        let downloads = other.root().join("downloads");
        fs::create_dir_all(&downloads).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-r")
            .arg(scratch.root().join("downloads/sha256"))
            .arg(&downloads);
        assert!(copy.status().unwrap().success());
        let line = format!("umask 077; exec \"{PROGRAM}\" {}", arguments.join(" "));
        let mut command = other.tool("faketime", &["2031-05-06 07:08:09", "sh", "-c", &line]);
        command.env("http_proxy", "http://127.0.0.1:9");
        assert_eq!(id(&other, &mut command), here);
    });
}

/// Says loudly that there is no such compiler.
fn compiler(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// What every base is asked, in C: who it is, what time it is, who is called so, which characters there are.
const PROGRAM_IN_C: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifndef STATIC
#include <iconv.h>
#include <pthread.h>
static void *wait_for_it(void *unused) { pause(); return unused; }
#endif

int main(void) {
    printf("hello from %d\n", getuid());
    setenv("TZ", "Europe/Kiev", 1);
    time_t then = 1700000000;
    char text[64];
    strftime(text, sizeof text, "%H:%M %z", localtime(&then));
    printf("in Kiev it was %s\n", text);
#ifndef STATIC
    struct passwd *user = getpwnam("nonroot");
    printf("nonroot is %d\n", user ? (int)user->pw_uid : -1);
    struct addrinfo *found, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    int failed = getaddrinfo("lab.test", "https", &hints, &found);
    struct sockaddr_in *at = failed ? NULL : (struct sockaddr_in *)found->ai_addr;
    printf("lab.test is %s, https is %d\n", at ? inet_ntoa(at->sin_addr) : gai_strerror(failed), at ? ntohs(at->sin_port) : 0);
    printf("UTF-16 %s, Latin-1 %s\n", iconv_open("UTF-16", "UTF-8") == (iconv_t)-1 ? "missing" : "known",
           iconv_open("ISO-8859-1", "UTF-8") == (iconv_t)-1 ? "missing" : "known");
    pthread_t thread;
    pthread_create(&thread, NULL, wait_for_it, NULL);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    printf("a thread was cancelled\n");
#endif
    printf("the bundle is %s\n", access(getenv("SSL_CERT_FILE"), R_OK) ? "missing" : "there");
    int file = open("/tmp/x", O_CREAT | O_WRONLY, 0600);
    printf("/tmp is %s\n", file < 0 ? "read-only" : "writable");
    return 0;
}
"#;

const ANSWER_OF_STATIC: &str = "\
hello from 65532
in Kiev it was 00:13 +0200
the bundle is there
/tmp is read-only
";

const ANSWER: &str = "\
hello from 65532
in Kiev it was 00:13 +0200
nonroot is 65532
lab.test is 10.9.8.7, https is 443
UTF-16 known, Latin-1 known
a thread was cancelled
the bundle is there
/tmp is read-only
";

/// Runs `/app` on the base as nobody in particular, with a root that cannot be written.
#[track_caller]
fn run(scratch: &Scratch, base: &str, arguments: &[&str]) -> Outcome {
    let image = assembled(scratch, base);
    let tag = format!("app/{}", image.replace('/', "-"));
    scratch.write("app/Dockerfile", format!("FROM {image}\nCOPY app /app\n"));
    scratch
        .jettison(&["build", "-q", "-t", &tag, "app"])
        .succeeded();
    let mut all = vec![
        "run",
        "--read-only",
        "--add-host",
        "lab.test:10.9.8.7",
        &tag,
    ];
    all.extend(arguments);
    scratch.jettison(&all)
}

#[test]
fn programs_in_c_run_on_static_base_and_cc_of_both_releases() {
    if !compiler("gcc") {
        return;
    }
    with_root(|scratch| {
        scratch
            .write("app.c", PROGRAM_IN_C)
            .write("app/.dockerignore", "Dockerfile\n");
        let compile = |arguments: &[&str]| {
            let mut command = scratch.tool("gcc", &["-O1", "-o", "app/app", "app.c"]);
            scratch.outcome(command.args(arguments)).succeeded();
        };
        compile(&["-static", "-DSTATIC"]);
        for release in ["debian12", "debian13"] {
            let outcome = run(scratch, &format!("static-{release}:nonroot"), &["/app"]);
            assert_eq!(outcome.succeeded().stdout, ANSWER_OF_STATIC, "{release}");
        }
        compile(&["-pthread"]);
        for release in ["debian12", "debian13"] {
            for base in ["base-nossl", "base", "cc"] {
                let outcome = run(scratch, &format!("{base}-{release}:nonroot"), &["/app"]);
                assert_eq!(outcome.succeeded().stdout, ANSWER, "{base}-{release}");
            }
        }
    });
}

/// What Python is asked.
const PROGRAM_IN_PYTHON: &str = r#"
import bz2, ctypes, datetime, decimal, hashlib, json, lzma, os, pwd, socket, sqlite3, ssl, sys, zlib, zoneinfo
print("hello from", os.getuid(), sys.executable == os.readlink("/usr/bin/python3") or sys.executable)
print(datetime.datetime.fromtimestamp(1700000000, zoneinfo.ZoneInfo("Europe/Kiev")).isoformat())
print(pwd.getpwnam("nonroot").pw_uid, socket.gethostbyname("lab.test"))
print(ssl.create_default_context().cert_store_stats()["x509_ca"] > 100)
print(sqlite3.connect(":memory:").execute("select 6*7").fetchone()[0])
print(lzma.decompress(lzma.compress(b"x")), bz2.decompress(bz2.compress(b"y")), zlib.decompress(zlib.compress(b"z")))
print(ctypes.CDLL("libc.so.6").abs(-5), "ünï".encode("euc-jp", "replace"))
"#;

#[test]
fn python_has_its_standard_library() {
    with_root(|scratch| {
        scratch.write("app/app", PROGRAM_IN_PYTHON);
        for (base, program) in [
            ("python3-debian12:nonroot", "python3.11"),
            ("python3-debian13:nonroot", "python3.13"),
        ] {
            let outcome = run(scratch, base, &["/app"]);
            assert_eq!(
                outcome.succeeded().stdout,
                format!(
                    "hello from 65532 /usr/bin/{program}\n2023-11-15T00:13:20+02:00\n65532 10.9.8.7\nTrue\n42\nb'x' b'y' b'z'\n5 b'\\x8f\\xab\\xe4n\\x8f\\xab\\xc1'\n"
                ),
                "{base}"
            );
        }
    });
}

/// What Node.js is asked.
const PROGRAM_IN_JAVASCRIPT: &str = r#"
const tls = require("tls"), dns = require("dns"), zlib = require("zlib"), os = require("os");
console.log("hello from", process.getuid(), process.execPath);
console.log(new Date(1700000000000).toLocaleString("de-DE", { timeZone: "Europe/Kiev" }));
console.log(Intl.DateTimeFormat().resolvedOptions().timeZone, tls.rootCertificates.length > 0 || process.env.SSL_CERT_FILE);
console.log(zlib.gunzipSync(zlib.gzipSync("x")).toString(), os.userInfo().username);
dns.lookup("lab.test", (error, address) => console.log(error || address));
fetch("http://127.0.0.1:8999").catch(error => console.log(error.cause.code));
import("node:fs").then(fs => console.log(typeof fs.readFileSync));
"#;

#[test]
fn node_has_its_modules_and_its_characters() {
    with_root(|scratch| {
        scratch.write("app/app", PROGRAM_IN_JAVASCRIPT);
        for base in ["nodejs18-debian12:nonroot", "nodejs20-debian13:nonroot"] {
            let outcome = run(scratch, base, &["/app"]);
            let mut lines: Vec<&str> = outcome.stdout.lines().collect();
            lines[4..].sort_unstable();
            assert_eq!(
                lines,
                [
                    "hello from 65532 /usr/bin/node",
                    "15.11.2023, 00:13:20",
                    "UTC true",
                    "x nonroot",
                    "10.9.8.7",
                    "ECONNREFUSED",
                    "function"
                ],
                "{base}: {outcome}"
            );
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
