//! Our own Dockerfiles and ignore files, one for each rule of the language, and what BuildKit says about them.
//!
//! `tests/corpus/README.md` says what the files are and how the sections of the expectations are made.

#![allow(
    clippy::disallowed_methods,
    reason = "the data are files; the crate itself reads none"
)]

mod buildkit;
mod jettison;
mod line;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files whose `buildkit` section does not come out of our parser yet. Empty this list, never fill it.
const KNOWN_DIFFERENCES: &[&str] = &[];

/// Files that a build refuses for reasons that are not in the text. What is in the text is ours to find.
const LEFT_TO_THE_BUILD: &[&str] = &[];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The names of the files with an extension, without it, such as `from/scratch`.
fn names(extension: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for topic in fs::read_dir(corpus()).unwrap() {
        let topic = topic.unwrap().path();
        if !topic.is_dir() {
            continue;
        }
        for file in fs::read_dir(&topic).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_some_and(|found| found == extension) {
                let topic = topic.file_name().unwrap().to_string_lossy();
                names.insert(format!(
                    "{topic}/{}",
                    file.file_stem().unwrap().to_string_lossy()
                ));
            }
        }
    }
    names
}

fn text(name: &str, extension: &str) -> String {
    fs::read_to_string(corpus().join(format!("{name}.{extension}"))).unwrap()
}

/// A file of expectations.
struct Expected {
    name: String,
    /// The first line, which says how the next section was made.
    made_by: String,
    /// What BuildKit says.
    buildkit: String,
    /// What we say.
    jettison: String,
}

impl Expected {
    fn read(name: &str) -> Expected {
        let text = text(name, "expected");
        let (made_by, rest) = text.split_once("\n# buildkit\n").unwrap();
        let (buildkit, jettison) = rest.split_once("# jettison\n").unwrap();
        Expected {
            name: name.to_owned(),
            made_by: made_by.to_owned(),
            buildkit: buildkit.to_owned(),
            jettison: jettison.to_owned(),
        }
    }

    /// Compares our own section, or writes it anew.
    fn check_jettison(&self, found: &str) {
        if self.jettison == found {
            return;
        }
        let Expected {
            name,
            made_by,
            buildkit,
            jettison,
        } = self;
        assert!(
            std::env::var_os("UPDATE_EXPECT").is_some(),
            "the section `jettison` of {name} is\n{jettison}\nand should be\n{found}\n\
             UPDATE_EXPECT=1 rewrites it"
        );
        let text = format!("{made_by}\n# buildkit\n{buildkit}# jettison\n{found}");
        fs::write(corpus().join(format!("{name}.expected")), text).unwrap();
    }
}

#[test]
fn what_buildkit_says_of_dockerfiles_comes_out_of_our_parser() {
    let mut different = Vec::new();
    let mut left = Vec::new();
    for name in names("dockerfile") {
        let expected = Expected::read(&name);
        match buildkit::compare(&text(&name, "dockerfile"), &expected.buildkit) {
            Ok(buildkit::Agreement::Whole) => {}
            Ok(buildkit::Agreement::UpToTheBuild) => left.push(name),
            Err(difference) => different.push((name, difference)),
        }
    }
    let unknown = different
        .iter()
        .filter(|(name, _)| !KNOWN_DIFFERENCES.contains(&name.as_str()));
    let report = unknown.fold(String::new(), |report, (name, difference)| {
        format!("{report}{name}:\n{difference}\n")
    });
    assert_eq!(report, "");
    let different: Vec<&str> = different.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(different, KNOWN_DIFFERENCES);
    assert_eq!(left, LEFT_TO_THE_BUILD);
}

#[test]
fn what_buildkit_says_of_ignore_files_comes_out_of_ours() {
    for name in names("dockerignore") {
        let expected = Expected::read(&name);
        let found = buildkit::ignored(&text(&name, "dockerignore"), &expected.buildkit);
        assert_eq!(found, expected.buildkit, "{name}");
    }
}

#[test]
fn our_own_view_is_as_expected() {
    for name in names("dockerfile") {
        Expected::read(&name).check_jettison(&jettison::view(&text(&name, "dockerfile")));
    }
    for name in names("dockerignore") {
        Expected::read(&name).check_jettison(&jettison::ignore_view(&text(&name, "dockerignore")));
    }
}

#[test]
fn every_file_is_listed_and_says_how_it_was_made() {
    let readme = fs::read_to_string(corpus().join("README.md")).unwrap();
    let mut listed = BTreeSet::new();
    for row in readme.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let files = row.rsplit('|').nth(1).unwrap();
        let before = listed.len();
        listed.extend(files.split('`').skip(1).step_by(2).map(str::to_owned));
        assert!(listed.len() > before, "no file covers: {row}");
    }
    let dockerfiles = names("dockerfile");
    assert!(dockerfiles.len() >= 150, "only {}", dockerfiles.len());
    let all: BTreeSet<String> = dockerfiles.union(&names("dockerignore")).cloned().collect();
    assert_eq!(listed, all);
    assert_eq!(names("expected"), all);
    for name in &all {
        let made_by = "# made by `go run . ../corpus` in tests/oracle, BuildKit v0.34.2";
        assert_eq!(Expected::read(name).made_by, made_by, "{name}");
    }
    assert!(readme.contains("go run . ../corpus"));
}
