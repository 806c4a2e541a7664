//! The family of distroless bases, whole: what is in its images, and to which package it belongs.
//!
//! Each image is assembled and looked at once for all tests that ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jettison_testkit::{Outcome, Scratch};

use crate::PROGRAM;
use crate::shared::{archive_answers, installed, namespaces_work};

/// Every image of the family, and the bytes that it may have unpacked: those of Google's image of the same packages, and
/// less where less was promised.
pub(crate) const FAMILY: [(&str, u64); 21] = [
    ("static-debian12", 2_110_000),
    ("base-nossl-debian12", 14_900_000),
    ("base-debian12", 13_000_000),
    ("cc-debian12", 23_700_000),
    ("java-base-debian12", 33_600_000),
    ("java-minimal-debian12", 53_000_000),
    ("java17-debian12", 226_700_000),
    ("python3-debian12", 53_100_000),
    ("nodejs18-debian12", 116_200_000),
    ("static-debian13", 2_370_000),
    ("base-nossl-debian13", 15_400_000),
    ("base-debian13", 24_400_000),
    ("cc-debian13", 27_700_000),
    ("java-base-debian13", 26_600_000),
    ("java-minimal-debian13", 63_500_000),
    ("java21-debian13", 150_000_000),
    ("java25-minimal-debian13", 66_500_000),
    ("java25-debian13", 150_000_000),
    ("python3-debian13", 59_700_000),
    ("nodejs20-debian13", 132_700_000),
    ("java11-debian11", 150_000_000),
];

const STATUS: &str = "var/lib/dpkg/status.d";

/// Tests take turns: they share downloads.
static TURN: Mutex<()> = Mutex::new(());

/// What this run has assembled.
static ASSEMBLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What this run has looked at.
static SEEN: Mutex<BTreeMap<String, Arc<Contents>>> = Mutex::new(BTreeMap::new());

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

/// The lock file by which this run assembles `name`: all of its tests see the same packages.
pub(crate) fn lock_of(name: &str) -> PathBuf {
    static LOCKS: OnceLock<PathBuf> = OnceLock::new();
    let locks = LOCKS.get_or_init(|| {
        let locks = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bases-locks");
        fs::remove_dir_all(&locks).unwrap_or_default();
        fs::create_dir_all(&locks).unwrap();
        locks
    });
    // Another user is not another set of packages; a shell is.
    let recipe = name.strip_suffix(":nonroot").unwrap_or(name);
    let recipe = recipe.replace(":debug-nonroot", ":debug");
    locks.join(format!("{}.lock", recipe.replace([':', '+'], "-")))
}

/// Assembles `name`, unless this run has done so, and calls it `base/name`.
#[track_caller]
pub(crate) fn assembled(scratch: &Scratch, name: &str) -> String {
    let tag = format!("base/{}", name.replace([':', '+'], "-"));
    let mut done = ASSEMBLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !done.contains(name) {
        let lock = lock_of(name);
        let lock = lock.to_str().unwrap();
        let arguments = ["base", "build", name, "-t", &tag, "--lock", lock];
        scratch.jettison(&arguments).succeeded();
        done.insert(name.to_owned());
    }
    tag
}

/// What is in an image.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Whatever is no directory, by its path: its permissions, and its size if it is a regular file.
    files: BTreeMap<String, (u32, Option<u64>)>,
    /// The directories with their permissions.
    directories: BTreeMap<String, u32>,
    /// The control files of packages.
    stanzas: Vec<String>,
    /// Their lists of files.
    sums: String,
    /// What md5sum says of these lists.
    verified: Outcome,
    /// The libraries that a program or another library names as needed; none, if readelf is not installed.
    needed: BTreeSet<String>,
}

impl Contents {
    /// The bytes of all regular files.
    pub(crate) fn size(&self) -> u64 {
        self.files.values().filter_map(|(_, size)| *size).sum()
    }

    fn read(scratch: &Scratch, root: &Path) -> Contents {
        let (mut files, mut directories) = (BTreeMap::new(), BTreeMap::new());
        let mut left = vec![root.to_path_buf()];
        while let Some(at) = left.pop() {
            for entry in fs::read_dir(&at).unwrap() {
                let path = entry.unwrap().path();
                let facts = path.symlink_metadata().unwrap();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                let (name, mode) = (name.to_owned(), facts.permissions().mode() & 0o7777);
                if facts.is_dir() {
                    directories.insert(name, mode);
                    left.push(path);
                } else {
                    files.insert(name, (mode, facts.is_file().then(|| facts.size())));
                }
            }
        }
        let (mut stanzas, mut sums) = (Vec::new(), String::new());
        for path in files.keys().filter(|path| path.starts_with(STATUS)) {
            let text = fs::read_to_string(root.join(path)).unwrap();
            if path.ends_with(".md5sums") {
                sums += &text;
            } else {
                stanzas.push(text);
            }
        }
        scratch.write("sums", &sums);
        let mut check = scratch.tool("md5sum", &["--check", "--quiet", "--strict"]);
        check.arg(scratch.dir().join("sums")).current_dir(root);
        let verified = scratch.outcome(&mut check);
        let needed = needed(scratch, root, files.keys());
        Contents {
            files,
            directories,
            stanzas,
            sums,
            verified,
            needed,
        }
    }
}

/// The libraries that those of `files` below `root` need that are programs or libraries.
fn needed<'f>(
    scratch: &Scratch,
    root: &Path,
    files: impl Iterator<Item = &'f String>,
) -> BTreeSet<String> {
    let is_elf = |path: &&String| {
        let mut magic = [0; 4];
        let path = root.join(path);
        !path.is_symlink()
            && File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok())
            && magic == *b"\x7fELF"
    };
    let elves: Vec<&String> = files.filter(is_elf).collect();
    if elves.is_empty() || !installed(&["readelf"]) {
        return BTreeSet::new();
    }
    let mut command = scratch.tool("readelf", &["--dynamic", "--wide"]);
    let told = scratch.outcome(command.args(elves).current_dir(root));
    let lines = told.succeeded().stdout;
    let lines = lines.lines().filter(|line| line.contains("(NEEDED)"));
    let names = lines.filter_map(|line| line.split(['[', ']']).nth(1));
    names.map(str::to_owned).collect()
}

/// What is in the image `name`, which this run unpacks once.
#[track_caller]
pub(crate) fn contents(scratch: &Scratch, name: &str) -> Arc<Contents> {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(contents) = seen.get(name) {
        return Arc::clone(contents);
    }
    let image = assembled(scratch, name);
    scratch.write("unpack/Dockerfile", format!("FROM {image}\n"));
    let arguments = ["build", "-q", "-o", "type=local,dest=unpacked", "unpack"];
    scratch.jettison(&arguments).succeeded();
    let root = scratch.dir().join("unpacked");
    let contents = Arc::new(Contents::read(scratch, &root));
    fs::remove_dir_all(root).unwrap();
    seen.insert(name.to_owned(), Arc::clone(&contents));
    contents
}

#[test]
fn they_are_no_larger_than_googles() {
    with_root(|scratch| {
        for (name, limit) in FAMILY {
            let size = contents(scratch, name).size();
            assert!(size <= limit, "{name}: {size} bytes of {limit}");
        }
    });
}

/// What serves those who have broken in, and nobody else.
const TOOLS: [&str; 15] = [
    "sh", "ash", "bash", "dash", "zsh", "busybox", "apt", "apt-get", "dpkg", "dpkg-deb", "perl",
    "npm", "npx", "curl", "wget",
];

/// Nobody becomes somebody else by a file, and nobody writes into one that is not theirs.
#[track_caller]
fn check_modes(name: &str, contents: &Contents) {
    for (path, (mode, size)) in &contents.files {
        assert_eq!(mode & 0o6000, 0, "{name}: /{path} has the mode {mode:o}");
        // A link has no mode.
        assert!(
            size.is_none() || mode & 0o002 == 0,
            "{name}: anybody writes to /{path}"
        );
    }
    for (path, mode) in &contents.directories {
        let is_for_all = ["tmp", "var/tmp", "run/lock"].contains(&path.as_str());
        // What others have put there is not taken away.
        let is_fine = mode & 0o002 == 0 || (is_for_all && *mode == 0o1777);
        assert!(is_fine, "{name}: /{path} has the mode {mode:o}");
    }
}

fn tools(contents: &Contents) -> Vec<&str> {
    let paths = contents.files.iter().filter(|(path, (mode, _))| {
        let program = path.rsplit('/').next().unwrap_or_default();
        TOOLS.contains(&program) && (mode & 0o111 != 0 || path.contains("bin/"))
    });
    paths.map(|(path, _)| path.as_str()).collect()
}

#[test]
fn nothing_in_them_serves_an_attacker() {
    with_root(|scratch| {
        for (name, _) in FAMILY {
            let contents = contents(scratch, name);
            check_modes(name, &contents);
            assert_eq!(tools(&contents), [""; 0], "{name}");
        }
    });
}

/// The layers of an image, by what is in them.
#[track_caller]
fn layers(scratch: &Scratch, image: &str) -> Vec<String> {
    let told = scratch.jettison(&["inspect", image]).succeeded().stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let layers = told[0]["RootFS"]["Layers"].as_array().unwrap();
    let text = |layer: &serde_json::Value| layer.as_str().unwrap().to_owned();
    layers.iter().map(text).collect()
}

#[test]
fn variants_are_the_same_files_but_for_a_shell_in_debug() {
    with_root(|scratch| {
        for (name, _) in FAMILY {
            let of = |variant: &str| {
                let image = assembled(scratch, &format!("{name}{variant}"));
                layers(scratch, &image)
            };
            let (plain, debug) = (of(""), of(":debug"));
            assert_eq!(of(":nonroot"), plain, "{name}");
            assert_eq!(of(":debug-nonroot"), debug, "{name}");
            assert_eq!(debug.split_last().unwrap().1, plain, "{name}");
        }
        // What the last layer adds is the same everywhere.
        for name in [
            "static-debian12:debug",
            "cc-debian13:debug",
            "java-minimal-debian12:debug",
        ] {
            let debug = contents(scratch, name);
            check_modes(name, &debug);
            let tools = tools(&debug);
            assert!(tools.contains(&"busybox/sh"), "{name}: {tools:?}");
            for path in tools {
                assert!(path.starts_with("busybox/"), "{name} has /{path}");
            }
            let plain = contents(scratch, name.trim_end_matches(":debug"));
            for path in debug.files.keys() {
                let is_new = !plain.files.contains_key(path);
                let is_of_busybox =
                    path.starts_with("busybox/") || path.contains("/busybox-static");
                assert!(!is_new || is_of_busybox, "{name} has /{path}");
            }
        }
    });
}

#[test]
fn every_file_belongs_to_a_package_and_every_listed_file_is_there() {
    with_root(|scratch| {
        for (name, _) in FAMILY {
            let contents = contents(scratch, name);
            let lines = contents.sums.lines();
            let listed: BTreeSet<&str> =
                lines.map(|line| line.split_once("  ").unwrap().1).collect();
            let files = contents.files.iter();
            let found: BTreeSet<&str> = files
                .filter(|(path, (_, size))| size.is_some() && !path.starts_with(STATUS))
                .map(|(path, _)| path.as_str())
                .collect();
            let orphans: Vec<_> = found.difference(&listed).collect();
            assert!(orphans.is_empty(), "{name}, files of nobody: {orphans:?}");
            let phantoms: Vec<_> = listed.difference(&found).collect();
            assert!(phantoms.is_empty(), "{name}, listed only: {phantoms:?}");
            assert_eq!(contents.verified.code, 0, "{name}: {}", contents.verified);
        }
    });
}

/// The packages of a lock file, as dpkg shows them.
fn locked(name: &str) -> BTreeSet<String> {
    let lock: toml::Table = fs::read_to_string(lock_of(name)).unwrap().parse().unwrap();
    let (host, packages) = lock["package"].as_table().unwrap().iter().next().unwrap();
    let packages = packages.as_array().unwrap().iter().map(|package| {
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
        let architecture = text("architecture").unwrap_or(host);
        let (name, version) = (text("name").unwrap(), text("version").unwrap());
        format!("{name} {version} {architecture}")
    });
    // What a runtime is linked with is not installed.
    let is_tool = |package: &String| package.contains("-jdk-headless ");
    packages.filter(|package| !is_tool(package)).collect()
}

#[test]
fn dpkg_lists_exactly_the_packages_of_the_lock() {
    with_root(|scratch| {
        for (name, _) in FAMILY {
            let contents = contents(scratch, name);
            let status = |stanza: &String| {
                format!("Status: install ok installed\n{}\n\n", stanza.trim_end())
            };
            let status: String = contents.stanzas.iter().map(status).collect();
            scratch.write("dpkg/status", status);
            let format = "${Package} ${Version} ${Architecture}\n";
            let mut query =
                scratch.tool("dpkg-query", &["--admindir=dpkg", "--show", "-f", format]);
            let listed = scratch.outcome(&mut query).succeeded().stdout;
            let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
            assert_eq!(listed, locked(name), "{name}");
        }
    });
}

#[test]
fn every_library_that_is_needed_is_there() {
    with_root(|scratch| {
        for (name, _) in FAMILY {
            let contents = contents(scratch, name);
            let there = contents.files.keys();
            let there: BTreeSet<&str> = there.filter_map(|path| path.rsplit('/').next()).collect();
            let needed = contents.needed.iter().map(String::as_str);
            let missing: Vec<_> = needed.filter(|name| !there.contains(name)).collect();
            // Java's libraries for sound and for smart cards, which no container has.
            let is_java = name.starts_with("java") && there.contains("libjsound.so");
            let known: &[&str] = if is_java {
                &["libasound.so.2", "libpcsclite.so.1"]
            } else {
                &[]
            };
            assert_eq!(missing, known, "{name}");
        }
    });
}
