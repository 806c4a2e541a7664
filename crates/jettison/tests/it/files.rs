//! What holds for every file of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest source file, in lines.
const LONGEST: usize = 600;

/// The files of the repository, as path and text; files that are not text are left out.
fn tracked() -> Vec<(PathBuf, String)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(&repository)
        .output();
    let paths: Vec<PathBuf> = match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .expect("our paths are text")
            .split_terminator('\0')
            .map(PathBuf::from)
            .collect(),
        // A release has no history; all that is in it belongs to it.
        _ => walk(&repository, Path::new("")),
    };
    let files: Vec<(PathBuf, String)> = paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(repository.join(&path)).ok()?;
            Some((path, text))
        })
        .collect();
    assert!(files.len() > 50, "there are only {} files", files.len());
    files
}

fn walk(repository: &Path, dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(repository.join(dir)).unwrap() {
        let entry = entry.unwrap();
        let path = dir.join(entry.file_name());
        if !entry.file_type().unwrap().is_dir() {
            paths.push(path);
        } else if path != Path::new("target") && path != Path::new(".git") {
            paths.extend(walk(repository, &path));
        }
    }
    paths
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = tracked();
    files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// The lines of `files` that `is_wrong` finds, as `path:line: text`.
#[track_caller]
fn check(files: &[(PathBuf, String)], is_wrong: impl Fn(&Path, &str) -> bool) {
    let mut found = Vec::new();
    for (path, text) in files {
        for (index, line) in text.lines().enumerate() {
            if is_wrong(path, line) {
                found.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn source_files_are_short() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn modules_are_private() {
    check(&sources(), |path, line| {
        path.ends_with("lib.rs") && line.trim_start().starts_with("pub mod ")
    });
}

#[test]
fn modules_lie_beside_their_directories() {
    check(&sources(), |path, _| path.ends_with("mod.rs"));
}

#[test]
fn names_of_tests_are_sentences() {
    let prefix = ["fn te", "st_"].concat();
    check(&sources(), |_, line| line.trim_start().starts_with(&prefix));
}

#[test]
fn every_test_runs() {
    let attributes = ["ignore", "should_panic"].map(|name| format!("#[{name}"));
    check(&sources(), |_, line| {
        attributes
            .iter()
            .any(|attribute| line.trim_start().starts_with(attribute.as_str()))
    });
}

/// Packages come from where a machine's own settings say; a host in a file would overrule them. The
/// one exception is Debian's, where a machine has no settings for a suite.
#[test]
fn no_file_names_a_host_that_serves_packages() {
    // In parts, so that this file does not name them either.
    let hosts = [
        ["crates", "io"].join("."),
        ["static", "rust-lang", "org"].join("."),
        ["pypi", "org"].join("."),
        ["files", "pythonhosted", "org"].join("."),
        ["registry", "npmjs", "org"].join("."),
        ["rubygems", "org"].join("."),
        ["proxy", "golang", "org"].join("."),
        ["repo", "maven", "apache", "org"].join("."),
        ["registry-1", "docker", "io"].join("."),
        ["archive", "ubuntu", "com"].join("."),
        ["dl-cdn", "alpinelinux", "org"].join("."),
    ];
    let mut files = tracked();
    // Cargo writes where the packages are into its lock file.
    files.retain(|(path, _)| !path.ends_with("Cargo.lock"));
    check(&files, |_, line| {
        hosts.iter().any(|host| line.contains(host.as_str())) || names_debian_host(line)
    });
}

/// Whether `line` names a host of Debian's that serves packages, other than the one.
fn names_debian_host(line: &str) -> bool {
    const DOMAIN: &str = ".debian.org";
    const FINE: [&str; 5] = ["ftp", "bugs", "manpages", "wiki", "www"];
    line.match_indices(DOMAIN).any(|(end, _)| {
        let start = line[..end]
            .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.')
            .map_or(0, |before| before + 1);
        let host = &line[start..end];
        !host.is_empty() && !FINE.contains(&host)
    })
}

#[test]
fn hosts_of_debian_are_recognised() {
    assert!(!names_debian_host(
        "http://ftp.debian.org/debian and www.debian.org"
    ));
    for host in ["de", "snap", "sec"].map(|name| format!("http://{name}.debian.org/")) {
        assert!(names_debian_host(&host), "{host}");
    }
}
