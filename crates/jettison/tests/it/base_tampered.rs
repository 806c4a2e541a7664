//! Packages and indexes that somebody has tampered with: bases are not assembled of them.
//!
//! Signatures, indexes that are no longer signed, and suites that went back in time have tests beside the code.

use std::fmt::Write as _;
use std::fs;

use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::family::{assembled, lock_of, with_root};

const BASE: &str = "static-debian12";

/// A tar of one file.
fn tar_of(name: &str, text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    // Nobody who means well can write such names.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, text.as_bytes()).unwrap();
    tar.into_inner().unwrap()
}

/// A package with this control file and one file.
fn package(control: &str, file: &str) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, member) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar_of("./control", control)),
        ("data.tar", tar_of(file, "x\n")),
    ] {
        let size = member.len();
        let head = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
            0, 0, 0, 100_644
        );
        bytes.extend(head.into_bytes());
        bytes.extend(member);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A world that has the packages of the base and no network, and what the lock says of the package netbase.
struct World {
    scratch: Scratch,
    lock: toml::Table,
}

impl World {
    fn new(shared: &Scratch) -> World {
        assembled(shared, BASE);
        let text = fs::read_to_string(lock_of(BASE)).unwrap();
        let lock: toml::Table = text.parse().unwrap();
        let scratch = Scratch::new(PROGRAM);
        let kept = scratch.root().join("downloads/sha256");
        fs::create_dir_all(&kept).unwrap();
        let mut world = World { scratch, lock };
        let digests = |packages: &[toml::Value]| -> Vec<String> {
            let digest = |package: &toml::Value| package["sha256"].as_str().unwrap().to_owned();
            packages.iter().map(digest).collect()
        };
        for digest in digests(world.packages()) {
            let package = shared.root().join("downloads/sha256").join(&digest);
            fs::copy(package, kept.join(digest)).unwrap();
        }
        world
    }

    fn packages(&mut self) -> &mut Vec<toml::Value> {
        let all = self.lock["package"].as_table_mut().unwrap();
        all.iter_mut().next().unwrap().1.as_array_mut().unwrap()
    }

    fn netbase(&mut self) -> &mut toml::Table {
        let is_it = |package: &&mut toml::Value| package["name"].as_str() == Some("netbase");
        let package = self.packages().iter_mut().find(is_it).unwrap();
        package.as_table_mut().unwrap()
    }

    /// Assembles the base by the lock file, which must not work.
    #[track_caller]
    fn refused(&self, what: &str) {
        self.scratch.write("lock", self.lock.to_string());
        let arguments = ["base", "build", BASE, "-q", "--lock", "lock", "-t", "base"];
        let mut command = self.scratch.command(&arguments);
        command.env("http_proxy", "http://127.0.0.1:9");
        let outcome = self.scratch.outcome(&mut command);
        assert_ne!(outcome.code, 0, "{outcome}");
        assert!(outcome.stderr.contains(what), "{what}: {outcome}");
        let images = self.scratch.jettison(&["images", "-q"]).succeeded();
        assert_eq!(images.stdout, "");
    }

    /// Puts `bytes` where netbase is, under the name `digest`.
    fn put(&self, digest: &str, bytes: &[u8]) {
        let kept = self.scratch.root().join("downloads/sha256");
        fs::write(kept.join(digest), bytes).unwrap();
    }
}

/// The digest of `bytes`, as lock files have it.
fn sha256(bytes: &[u8]) -> String {
    let digest = jettison_debian::Sha256::of(bytes).to_string();
    digest.trim_start_matches("sha256:").to_owned()
}

#[test]
fn a_package_that_is_not_the_one_that_was_promised_is_refused() {
    with_root(|shared| {
        let mut world = World::new(shared);
        let (name, version) = (
            "netbase",
            world.netbase()["version"].as_str().unwrap().to_owned(),
        );
        let digest = world.netbase()["sha256"].as_str().unwrap().to_owned();
        // Whoever changes what is kept is found out, and it is fetched again, which cannot be done here.
        let kept = world.scratch.root().join("downloads/sha256").join(&digest);
        let mut bytes = fs::read(kept).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        world.put(&digest, &bytes);
        world.refused("cannot fetch");
        let control = |name: &str, version: &str, architecture: &str| {
            let mut text =
                format!("Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n");
            let _infallible = writeln!(text, "Maintainer: x <x@y>\nDescription: x");
            text
        };
        let good = control(name, &version, "all");
        for (control, file, what) in [
            (
                control("other", &version, "all"),
                "./x",
                "its name is `other`",
            ),
            (control(name, "9", "all"), "./x", "its version is `9`"),
            (
                control(name, &version, "arm64"),
                "./x",
                "its architecture is `arm64`",
            ),
            (
                good.clone(),
                "./../etc/passwd",
                "the unsafe name `./../etc/passwd`",
            ),
            (
                good.clone(),
                "/etc/passwd",
                "the absolute name `/etc/passwd`",
            ),
        ] {
            let bytes = package(&control, file);
            world.put(&sha256(&bytes), &bytes);
            let size = i64::try_from(bytes.len()).unwrap();
            let netbase = world.netbase();
            netbase.insert("sha256".into(), sha256(&bytes).into());
            netbase.insert("size".into(), size.into());
            world.refused(what);
        }
    });
}

#[test]
fn indexes_that_nobody_vouches_for_any_more_are_refused() {
    with_root(|shared| {
        // Updates are signed for a week.
        let arguments = [PROGRAM, "base", "build", BASE, "-q", "--lock", "new-lock"];
        let later = ["-f", "+60d"];
        let mut command = shared.tool("faketime", &[later.as_slice(), &arguments].concat());
        let outcome = shared.outcome(&mut command);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains("valid"), "{outcome}");
        assert!(!shared.exists("new-lock"));
    });
}
