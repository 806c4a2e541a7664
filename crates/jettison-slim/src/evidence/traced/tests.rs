use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use expect_test::{Expect, expect};
use jettison_sandbox::{Lookup, Uses};

use super::*;
use crate::evidence::{KeptFact, KeptWhat};

fn lookup(asked: &str, links: &[&str], end: End, uses: &[Use]) -> Lookup {
    let none = Uses::of(Use::Pass);
    Lookup {
        asked: asked.into(),
        links: links.iter().map(PathBuf::from).collect(),
        end,
        uses: uses.iter().fold(none, |all, what| all.and(Uses::of(*what))),
        program: None,
    }
}

#[track_caller]
fn check_used(lookup: Lookup, expected: &[(&str, UseKind)]) {
    let trace = Trace::of(vec![lookup], vec!["/proc".into(), "/data".into()]);
    let used = used_in(&trace, "a test");
    let shown: Vec<(&str, UseKind)> = used
        .iter()
        .map(|used| (used.path.to_str().unwrap(), used.kind))
        .collect();
    assert_eq!(shown, expected);
}

fn found(path: &str, what: Use) -> Lookup {
    lookup(path, &[], End::Found(path.into()), &[what])
}

fn missing(path: &str, at: &str, what: Use) -> Lookup {
    lookup(path, &[], End::Missing(at.into()), &[what])
}

#[test]
fn what_was_found_was_looked_at_listed_or_written() {
    check_used(found("/a/b", Use::Stat), &[("/a/b", UseKind::Looked)]);
    check_used(found("/a/b", Use::Execute), &[("/a/b", UseKind::Looked)]);
    check_used(found("/a", Use::List), &[("/a", UseKind::Listed)]);
    let written = [("/a", UseKind::Looked), ("/a/b", UseKind::Written)];
    for what in [Use::Write, Use::Remove, Use::ChangeMetadata] {
        check_used(found("/a/b", what), &written);
    }
}

#[test]
fn links_on_the_way_are_looked_at() {
    check_used(
        lookup("/a/l", &["/a/l"], End::Found("/b".into()), &[Use::Read]),
        &[("/a/l", UseKind::Looked), ("/b", UseKind::Looked)],
    );
}

#[test]
fn what_is_missing_needs_the_directory_in_which_it_is() {
    let parent = [("/a", UseKind::Looked)];
    check_used(missing("/a/b", "/a/b", Use::Create), &parent);
    check_used(missing("/a/b/c", "/a/b", Use::Stat), &parent);
    check_used(
        lookup(
            "/a/b/c",
            &[],
            End::NotDirectory("/a/b".into()),
            &[Use::Stat],
        ),
        &parent,
    );
}

#[test]
fn what_is_mounted_is_not_the_images() {
    check_used(found("/proc/self/maps", Use::Read), &[]);
    check_used(found("/data/table", Use::Write), &[]);
    check_used(lookup("/x", &[], End::Gone, &[Use::Read]), &[]);
    check_used(lookup("/x", &[], End::Loop, &[Use::Read]), &[]);
}

/// An image with a program, a settings file, a volume and a package of another program.
fn image() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("usr/bin/run", "#!/bin/sh\n"),
        ("usr/bin/tool", "x"),
        ("usr/share/locale/de/tool.mo", "x"),
        ("srv/app/settings.ini", "x"),
        ("srv/app/other.ini", "x"),
        ("var/lib/app/table", "x"),
        (
            "var/lib/dpkg/info/tool.list",
            "/usr/bin\n/usr/bin/tool\n/usr/share/locale/de/tool.mo\n",
        ),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let program = dir.path().join("usr/bin/run");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn config(env: &[&str]) -> RunConfig {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    RunConfig {
        entrypoint: Some(owned(&["run", "-c", "settings.ini", "no-file", "/gone/x"])),
        working_dir: "/srv/app".to_owned(),
        volumes: [("/var/lib/app".to_owned())].into_iter().collect(),
        user: "1000".to_owned(),
        env: owned(env),
        ..RunConfig::default()
    }
}

#[track_caller]
fn check(env: &[&str], used: &[&str], expected: Expect) {
    let dir = image();
    let root = RootDir::open(dir.path()).unwrap();
    let config = config(env);
    let mut traced = Traced::new(&config, &[], &root, &BTreeSet::new()).unwrap();
    let used: Vec<Used> = used
        .iter()
        .map(|path| Used {
            path: path.into(),
            kind: UseKind::Looked,
            by: "a test".to_owned(),
        })
        .collect();
    traced.add(&used).unwrap();
    let evidence = traced.evidence().unwrap();
    let mut text = String::new();
    for KeptFact { what, reason } in &evidence.kept {
        let what = match what {
            KeptWhat::Package(name) => format!("package {name}"),
            KeptWhat::Path(path) | KeptWhat::Directory(path) => path.display().to_string(),
        };
        let _infallible = writeln!(text, "{what} is kept: {reason}");
    }
    for fact in &evidence.facts {
        let _infallible = writeln!(text, "{fact}");
    }
    if let Some(stage) = &evidence.runtime.rootfs {
        let _infallible = writeln!(
            text,
            "packages {:?} without {:?}; as root: {}",
            stage.packages, stage.left_out, stage.needs_root
        );
    }
    expected.assert_eq(&text);
}

#[test]
fn the_configuration_keeps_the_program_its_files_and_volumes() {
    check(
        &[],
        &[],
        expect![[r"
            /srv/app/settings.ini is kept: the command names it
            /usr/bin/run is kept: it is what the image starts
            /var/lib/app is kept: it is written when the program runs
            /srv/app is kept: the program starts there
            /var/lib/app is kept: it is a VOLUME
            packages [] without []; as root: true
        "]],
    );
}

#[test]
fn a_language_of_ones_own_keeps_translations() {
    check(
        &["LANG=C.UTF-8"],
        &["/usr/bin/tool"],
        expect![[r#"
            package tool is kept: a test: /usr/bin/tool
            /srv/app/settings.ini is kept: the command names it
            /usr/bin/run is kept: it is what the image starts
            /var/lib/app is kept: it is written when the program runs
            /srv/app is kept: the program starts there
            /var/lib/app is kept: it is a VOLUME
            packages ["tool"] without ["usr/share/locale(/|$)"]; as root: true
        "#]],
    );
    check(
        &["LANG=de_DE.UTF-8"],
        &["/usr/bin/tool"],
        expect![[r#"
            package tool is kept: a test: /usr/bin/tool
            /srv/app/settings.ini is kept: the command names it
            /usr/bin/run is kept: it is what the image starts
            /var/lib/app is kept: it is written when the program runs
            /srv/app is kept: the program starts there
            /var/lib/app is kept: it is a VOLUME
            packages ["tool"] without []; as root: true
        "#]],
    );
}

#[test]
fn a_list_of_packages_that_cannot_be_read_is_an_error() {
    let dir = image();
    fs::create_dir(dir.path().join("var/lib/dpkg/info/x.list")).unwrap();
    let root = RootDir::open(dir.path()).unwrap();
    let config = config(&[]);
    let error = Traced::new(&config, &[], &root, &BTreeSet::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the image's files: cannot read /var/lib/dpkg/info/x.list: it is not a regular file"
    );
}
