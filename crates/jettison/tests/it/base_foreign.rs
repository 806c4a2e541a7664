//! Bases for another processor than this host's: what is in them fits that processor.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jettison_testkit::Scratch;

use crate::family::with_root;

/// Another processor than this host's: as images have it, as Debian has it, and as ELF files have it (`e_machine`).
fn foreign() -> (&'static str, &'static str, u16) {
    match std::env::consts::ARCH {
        "aarch64" => ("linux/amd64", "amd64", 62),
        _ => ("linux/arm64", "arm64", 183),
    }
}

/// Every regular file below `root`, with its path from there.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let facts = entry.path().symlink_metadata().unwrap();
            if facts.is_dir() {
                left.push(entry.path());
            } else if facts.is_file() {
                let path = entry.path();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push((name.to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Assembles `name` for the foreign processor by a lock, and gives the files.
#[track_caller]
fn assembled(scratch: &Scratch, name: &str) -> Vec<(String, Vec<u8>)> {
    let (platform, architecture, machine) = foreign();
    let tag = format!("foreign/{name}");
    let lock = format!("{name}-foreign.lock");
    let arguments = [
        "base",
        "build",
        name,
        "-q",
        "-t",
        &tag,
        "--platform",
        platform,
        "--lock",
        &lock,
    ];
    let first = scratch.jettison(&arguments).succeeded().stdout;
    // What it was made with is in the lock now, which stays as it is.
    let written = scratch.read(&lock);
    assert_eq!(scratch.jettison(&arguments).succeeded().stdout, first);
    assert_eq!(scratch.read(&lock), written);
    scratch.write("unpack/Dockerfile", format!("FROM {tag}\n"));
    let dest = format!("files/{name}");
    let output = format!("type=local,dest={dest}");
    let arguments = [
        "build",
        "-q",
        "--platform",
        platform,
        "-o",
        &output,
        "unpack",
    ];
    scratch.jettison(&arguments).succeeded();
    let files = files(&scratch.dir().join(dest));
    for (path, bytes) in &files {
        if bytes.starts_with(b"\x7fELF") {
            let found = u16::from_le_bytes([bytes[18], bytes[19]]);
            assert_eq!(found, machine, "{name}: {path}");
        }
        if let Some(package) = path.strip_prefix("var/lib/dpkg/status.d/")
            && !package.contains(".md5sums")
        {
            let text = String::from_utf8_lossy(bytes);
            let is_for = |line: &str| {
                line == format!("Architecture: {architecture}") || line == "Architecture: all"
            };
            assert!(text.lines().any(is_for), "{name}: {text}");
        }
    }
    files
}

/// The names of libraries in `/etc/ld.so.cache`.
fn cached(files: &[(String, Vec<u8>)]) -> BTreeSet<String> {
    let (_, cache) = files
        .iter()
        .find(|(path, _)| path == "etc/ld.so.cache")
        .unwrap();
    let text = String::from_utf8_lossy(cache).into_owned();
    text.split('\0')
        .filter(|path| path.starts_with("/usr/lib/") || path.starts_with("/lib/"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn bases_for_another_processor_have_its_programs_and_libraries() {
    with_root(|scratch| {
        for name in [
            "static-debian13",
            "cc-debian12",
            "python3-debian12",
            "java17-debian12",
        ] {
            let files = assembled(scratch, name);
            let has = |path: &str| files.iter().any(|(found, _)| found == path);
            if name.starts_with("static") {
                continue;
            }
            let (_, architecture, _) = foreign();
            let triplet = if architecture == "arm64" {
                "aarch64"
            } else {
                "x86_64"
            };
            let cached = cached(&files);
            let libc = |path: &String| path.ends_with(&format!("{triplet}-linux-gnu/libc.so.6"));
            assert!(cached.iter().any(libc), "{name}: {cached:?}");
            for path in &cached {
                assert!(
                    path.contains(triplet) || path.contains("ld-linux"),
                    "{name}: {path}"
                );
            }
            let lock = scratch.read(&format!("{name}-foreign.lock"));
            assert_eq!(lock.contains("[[tool."), !name.starts_with("cc"), "{name}");
            if name.starts_with("python") {
                // Code has the names that sources have in the image.
                let path = "usr/lib/python3.11/json/__pycache__/decoder.cpython-311.pyc";
                let (_, code) = files.iter().find(|(found, _)| found == path).unwrap();
                let code = String::from_utf8_lossy(code);
                assert!(code.contains("/usr/lib/python3.11/json/decoder.py"));
                assert!(!code.contains("/target"));
            }
            if name.starts_with("java") {
                let home = format!("usr/lib/jvm/java-17-openjdk-{architecture}");
                assert!(has(&format!("{home}/lib/modules")));
                let path = format!("{home}/release");
                let (_, release) = files.iter().find(|(found, _)| *found == path).unwrap();
                let release = String::from_utf8_lossy(release);
                assert!(release.contains("java.se"), "{release}");
                assert!(!release.contains("jdk.compiler"), "{release}");
            }
        }
    });
}

#[test]
fn an_archive_of_classes_is_not_made_for_another_processor() {
    with_root(|scratch| {
        let (platform, ..) = foreign();
        let arguments = [
            "base",
            "build",
            "java17-debian12",
            "--platform",
            platform,
            "--keep",
            "java-cds",
            "--lock",
            "cds.lock",
        ];
        let outcome = scratch.jettison(&arguments);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(
            outcome
                .stderr
                .contains("go without `--keep java-cds`, or assemble it there"),
            "{outcome}"
        );
    });
}
