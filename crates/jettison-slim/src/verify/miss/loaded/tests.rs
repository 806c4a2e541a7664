use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// A directory in which programs are made with the compilers of this machine.
struct Workbench(tempfile::TempDir);

impl Workbench {
    fn new() -> Workbench {
        Workbench(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs words, of which `@name` stands for a file here; whether there is such a program, and it succeeded.
    #[track_caller]
    #[expect(clippy::print_stderr, reason = "a test that skips says so")]
    fn run(&self, words: &[&str]) -> bool {
        let words: Vec<PathBuf> = words
            .iter()
            .map(|word| {
                word.strip_prefix('@')
                    .map_or(word.into(), |name| self.path(name))
            })
            .collect();
        let Ok(output) = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(self.0.path())
            .env("GOCACHE", self.path("cache"))
            .env("HOME", self.0.path())
            .env("GO111MODULE", "off")
            .output()
        else {
            eprintln!("SKIPPED: there is no {}", words[0].display());
            return false;
        };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            eprintln!("SKIPPED: {} fails: {text}", words[0].display());
        }
        output.status.success()
    }

    /// Strips a copy of the file `name`, which has to become another file.
    #[track_caller]
    fn stripped(&self, name: &str, option: &str) -> Option<PathBuf> {
        let copy = self.path("stripped");
        fs::copy(self.path(name), &copy).unwrap();
        if !self.run(&["strip", "-p", option, "@stripped"]) {
            return None;
        }
        assert_ne!(fs::read(&copy).unwrap(), fs::read(self.path(name)).unwrap());
        Some(copy)
    }
}

#[track_caller]
fn alike(first: &Path, second: &Path) -> bool {
    let files = [first, second].map(|path| File::open(path).unwrap());
    are_loaded_alike([&files[0], &files[1]]).unwrap()
}

/// Stripping changes nothing that is loaded, and each byte of a segment counts.
#[track_caller]
fn check(bench: &Workbench, name: &str) {
    for option in ["--strip-all", "--strip-unneeded", "--strip-debug"] {
        let Some(stripped) = bench.stripped(name, option) else {
            return;
        };
        let original = bench.path(name);
        assert!(alike(&original, &stripped), "{name} {option}");
        let bytes = fs::read(&stripped).unwrap();
        let files = [&original, &stripped].map(|path| File::open(path).unwrap());
        let [headers, others] = files
            .each_ref()
            .map(|file| Headers::read(file).unwrap().unwrap());
        let Alike {
            places,
            mut ignored,
            ..
        } = headers.compare(&others).unwrap();
        ignored.extend(headers.sections(&files[0]).unwrap());
        let changed = bench.path("changed");
        for place in &places {
            let middle = place.start + (place.end - place.start) / 2;
            for at in [place.start, middle, place.end - 1] {
                if ignored.iter().any(|ignored| ignored.contains(&at)) {
                    continue;
                }
                let mut other = bytes.clone();
                other[usize::try_from(at).unwrap()] ^= 1;
                fs::write(&changed, other).unwrap();
                assert!(!alike(&original, &changed), "{name} {option} {at:#x}");
            }
            // Cut off within.
            fs::write(&changed, &bytes[..usize::try_from(middle).unwrap()]).unwrap();
            assert!(!alike(&original, &changed), "{name} {option} {middle:#x}");
        }
    }
}

const C: &str = "#include <stdio.h>\nint shared = 7; static int zero[4096];\nint main(int n, char **a) { zero[n] = 1; printf(\"%d %s\\n\", shared + zero[1], a[0]); return 0; }\n";

#[test]
fn programs_and_libraries_of_c_are_loaded_alike_once_they_are_stripped() {
    let bench = Workbench::new();
    fs::write(bench.path("a.c"), C).unwrap();
    for (name, options) in [
        ("dynamic", &["-g"][..]),
        ("static", &["-static"]),
        ("fixed", &["-no-pie", "-g3"]),
        ("library", &["-shared", "-fPIC", "-g"]),
        ("static-pie", &["-static-pie", "-g"]),
    ] {
        let output = format!("@{name}");
        let words = ["gcc", "@a.c", "-o", &output];
        if bench.run(&[&words[..], options].concat()) {
            check(&bench, name);
        }
    }
}

#[test]
fn programs_of_go_are_loaded_alike_once_they_are_stripped() {
    let bench = Workbench::new();
    let text =
        "package main\nimport (\"fmt\"; \"os\")\nfunc main() { fmt.Println(len(os.Args)) }\n";
    fs::write(bench.path("a.go"), text).unwrap();
    for (name, mode) in [("go", "exe"), ("go-pie", "pie")] {
        let output = format!("@{name}");
        if bench.run(&["go", "build", "-buildmode", mode, "-o", &output, "@a.go"]) {
            check(&bench, name);
        }
    }
}

#[test]
fn programs_of_rust_are_loaded_alike_once_they_are_stripped() {
    let bench = Workbench::new();
    let text = "fn main() { println!(\"{}\", std::env::args().count()); }\n";
    fs::write(bench.path("a.rs"), text).unwrap();
    for (name, options) in [
        ("rust", &["-g"][..]),
        ("rust-static", &["-C", "target-feature=+crt-static"]),
    ] {
        let output = format!("@{name}");
        let words = ["rustc", "@a.rs", "-o", &output];
        if bench.run(&[&words[..], options].concat()) {
            check(&bench, name);
        }
    }
}

#[test]
fn other_programs_are_not_loaded_alike() {
    let bench = Workbench::new();
    fs::write(bench.path("a.c"), C).unwrap();
    fs::write(bench.path("b.c"), C.replace('7', "8")).unwrap();
    if bench.run(&["gcc", "@a.c", "-o", "@a"]) && bench.run(&["gcc", "@b.c", "-o", "@b"]) {
        assert!(!alike(&bench.path("a"), &bench.path("b")));
    }
    if bench.run(&["gcc", "-O2", "@a.c", "-o", "@b"]) {
        assert!(!alike(&bench.path("a"), &bench.path("b")));
    }
}

#[test]
fn what_cannot_be_loaded_is_not_loaded_alike() {
    let bench = Workbench::new();
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    header.resize(64, 0);
    header[0x10] = 2;
    header[0x36] = 56;
    // No segment; one that is behind the end; as many as a section says.
    for (n_headers, rest) in [(0, 0), (1, 56), (0xffff, 56)] {
        let mut bytes = header.clone();
        bytes[0x38..0x3a].copy_from_slice(&u16::to_le_bytes(n_headers));
        bytes[0x20] = 64;
        bytes.resize(64 + rest, 0xff);
        fs::write(bench.path("a"), bytes).unwrap();
        assert!(!alike(&bench.path("a"), &bench.path("a")), "{n_headers}");
    }
    fs::write(bench.path("a"), "#!/bin/sh\n").unwrap();
    assert!(!alike(&bench.path("a"), &bench.path("a")));
}

#[test]
fn bytes_that_one_file_has_and_the_other_gets_are_zero() {
    let bench = Workbench::new();
    // A segment of 0x40 bytes in the file, of 0x80 in memory, that may be written.
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    bytes.resize(0x200, 0);
    for (at, value) in [
        (0x10, 2),
        (0x20, 64),
        (0x36, 56),
        (0x38, 1),
        (0x40, 1),
        (0x44, 6),
    ] {
        bytes[at] = value;
    }
    for (at, value) in [(0x48, 0x100_u64), (0x60, 0x40), (0x68, 0x80)] {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    let shorter = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[0x60] = 0x30;
        bytes
    };
    let check = |[first, second]: [&[u8]; 2], expected: bool| {
        fs::write(bench.path("a"), first).unwrap();
        fs::write(bench.path("b"), second).unwrap();
        assert_eq!(alike(&bench.path("a"), &bench.path("b")), expected);
        assert_eq!(alike(&bench.path("b"), &bench.path("a")), expected);
    };
    check([&bytes, &bytes], true);
    check([&bytes, &shorter(&bytes)], true);
    let mut other = bytes.clone();
    other[0x135] = 1;
    check([&other, &shorter(&other)], false);
    let mut read_only = bytes.clone();
    read_only[0x44] = 4;
    check([&read_only, &shorter(&read_only)], false);
    let mut no_memory = bytes.clone();
    no_memory[0x68] = 0x38;
    check([&no_memory, &shorter(&no_memory)], false);
}
