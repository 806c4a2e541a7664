use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use expect_test::{Expect, expect};
use jettison_sandbox::{End, Lookup, Trace, Use};

use super::*;
use crate::rootfs::RootDir;

/// Two images that are the same, to be made different.
struct Images {
    dir: tempfile::TempDir,
}

impl Images {
    fn new() -> Images {
        let images = Images {
            dir: tempfile::tempdir().unwrap(),
        };
        images.in_both(|root| {
            fs::create_dir_all(root.join("app/plugins")).unwrap();
            fs::create_dir_all(root.join("etc")).unwrap();
            fs::write(root.join("app/main"), "main").unwrap();
            fs::write(root.join("app/plugins/one"), "1").unwrap();
            fs::write(root.join("etc/hosts"), "").unwrap();
            symlink("main", root.join("app/link")).unwrap();
            let file = fs::File::open(root.join("app/main")).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        });
        images
    }

    fn original(&self) -> PathBuf {
        self.dir.path().join("original")
    }

    fn candidate(&self) -> PathBuf {
        self.dir.path().join("candidate")
    }

    fn in_both(&self, make: impl Fn(&Path)) {
        make(&self.original());
        make(&self.candidate());
    }

    #[track_caller]
    fn report(&self, lookups: Vec<Lookup>) -> MissReport {
        let trace = Trace::of(lookups, vec!["/proc".into(), "/etc/hosts".into()]);
        let roots = [self.original(), self.candidate()].map(|path| RootDir::open(&path).unwrap());
        find_misses(&trace, &roots[0], &roots[1]).unwrap()
    }

    #[track_caller]
    fn check(&self, lookups: Vec<Lookup>, expected: Expect) {
        let report = self.report(lookups);
        let mut text = format!("{:?}\n", report.verdict());
        for miss in &report.misses {
            let (path, asked) = (miss.path.display(), miss.asked.display());
            let original = miss.in_original.as_ref();
            let leads = original.map(|resolved| resolved.real_path.display().to_string());
            let leads = leads.unwrap_or_else(|| "nothing".to_owned());
            writeln!(text, "{path}: {:?}; {asked} is {leads}", miss.difference).unwrap();
        }
        for directory in &report.directories {
            let ListingDifference {
                path,
                program: _,
                missing,
                added,
                changed,
            } = directory;
            let path = path.display();
            writeln!(text, "{path}: -{missing:?} +{added:?} !{changed:?}").unwrap();
        }
        expected.assert_eq(&text);
    }
}

fn lookup(asked: &str, end: End, what: Use) -> Lookup {
    Lookup {
        asked: asked.into(),
        links: Vec::new(),
        end,
        uses: Uses::of(what),
        program: None,
    }
}

fn found(path: &str, what: Use) -> Vec<Lookup> {
    vec![lookup(path, End::Found(path.into()), what)]
}

fn missing(asked: &str, at: &str, what: Use) -> Vec<Lookup> {
    vec![lookup(asked, End::Missing(at.into()), what)]
}

#[test]
fn a_run_on_the_same_files_is_proven() {
    let images = Images::new();
    let mut lookups = found("/app/main", Use::Execute);
    lookups.extend(found("/app/plugins", Use::List));
    lookups.extend(missing("/app/nothing/x", "/app/nothing", Use::Stat));
    lookups.extend(missing("/app/log", "/app/log", Use::Create));
    lookups.push(Lookup {
        links: vec!["/app/link".into()],
        ..lookup("/app/link", End::Found("/app/main".into()), Use::Read)
    });
    images.check(lookups, expect!["Proven\n"]);
}

#[test]
fn what_only_the_original_has_is_missed() {
    let images = Images::new();
    fs::remove_file(images.candidate().join("app/plugins/one")).unwrap();
    images.check(
        missing("/app/plugins/one", "/app/plugins/one", Use::Read),
        expect![[r"
            Missed
            /app/plugins/one: Absent { original: File }; /app/plugins/one is /app/plugins/one
        "]],
    );
    images.check(
        found("/app/plugins", Use::List),
        expect![[r#"
            ProvenButForDirectories
            /app/plugins: -["one"] +[] ![]
        "#]],
    );
    fs::remove_dir(images.candidate().join("app/plugins")).unwrap();
    images.check(
        missing("/app/plugins/one", "/app/plugins", Use::Read),
        expect![[r"
            Missed
            /app/plugins: Absent { original: Directory }; /app/plugins/one is /app/plugins/one
        "]],
    );
}

#[test]
fn a_missing_directory_matters_only_if_the_answer_changes() {
    let images = Images::new();
    fs::remove_dir_all(images.candidate().join("app/plugins")).unwrap();
    let directory = "/app/plugins";
    images.check(
        missing("/app/plugins/two", directory, Use::Stat),
        expect!["Proven\n"],
    );
    // It would be made there.
    images.check(
        missing("/app/plugins/two", directory, Use::Create),
        expect![[r"
            Missed
            /app/plugins: Absent { original: Directory }; /app/plugins/two is nothing
        "]],
    );
    // Another error.
    images.check(
        missing("/app/plugins/one/x", directory, Use::Stat),
        expect![[r"
            Missed
            /app/plugins: Absent { original: Directory }; /app/plugins/one/x is nothing
        "]],
    );
    // Who got so far had the right to, in both.
    images.in_both(|root| {
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(root.join("app"), closed).unwrap();
    });
    images.check(
        missing("/app/plugins/two", directory, Use::Stat),
        expect!["Proven\n"],
    );
    // Not everybody gets further.
    let closed = fs::Permissions::from_mode(0o750);
    fs::set_permissions(images.original().join("app/plugins"), closed).unwrap();
    images.check(
        missing("/app/plugins/two", directory, Use::Stat),
        expect![[r"
            Missed
            /app/plugins: Absent { original: Directory }; /app/plugins/two is nothing
        "]],
    );
}

#[test]
fn a_dangling_link_of_the_original_is_something() {
    let images = Images::new();
    fs::remove_dir_all(images.candidate().join("app/plugins")).unwrap();
    symlink("nowhere", images.original().join("app/plugins/two")).unwrap();
    images.check(
        missing("/app/plugins/two", "/app/plugins", Use::Stat),
        expect![[r"
            Missed
            /app/plugins: Absent { original: Directory }; /app/plugins/two is nothing
        "]],
    );
}

#[test]
fn only_what_a_use_can_see_has_to_be_the_same() {
    let images = Images::new();
    let main = images.candidate().join("app/main");
    fs::write(&main, "MAIN").unwrap();
    let file = fs::File::open(&main).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    images.check(found("/app/main", Use::Stat), expect!["Proven\n"]);
    images.check(
        found("/app/main", Use::Interpret),
        expect![[r"
            Missed
            /app/main: Aspects([Content]); /app/main is /app/main
        "]],
    );
    fs::write(&main, "longer").unwrap();
    fs::set_permissions(&main, fs::Permissions::from_mode(0o4755)).unwrap();
    images.check(found("/app/main", Use::ReadLink), expect!["Proven\n"]);
    images.check(
        found("/app/main", Use::Access),
        expect![[r"
            Missed
            /app/main: Aspects([Mode]); /app/main is /app/main
        "]],
    );
    images.check(
        found("/app/main", Use::Read),
        expect![[r"
            Missed
            /app/main: Aspects([Mode, Size, Content, Time]); /app/main is /app/main
        "]],
    );
}

#[test]
fn directories_on_the_way_count_once() {
    let images = Images::new();
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(images.candidate().join("app"), closed).unwrap();
    let mut lookups = found("/app/main", Use::Read);
    lookups.extend(found("/app/plugins/one", Use::Read));
    images.check(
        lookups,
        expect![[r"
            Missed
            /app: Aspects([Mode]); /app/main is /app/main
        "]],
    );
}

#[test]
fn links_have_to_lead_the_same_way() {
    let images = Images::new();
    let link = images.candidate().join("app/link");
    fs::remove_file(&link).unwrap();
    symlink("./main", &link).unwrap();
    let through = Lookup {
        links: vec!["/app/link".into()],
        ..lookup("/app/link", End::Found("/app/main".into()), Use::Read)
    };
    images.check(
        vec![through.clone()],
        expect![[r"
            Missed
            /app/link: Aspects([Target]); /app/link is /app/main
        "]],
    );
    fs::remove_file(&link).unwrap();
    fs::copy(images.candidate().join("app/main"), &link).unwrap();
    images.check(
        found("/app/link", Use::Read),
        expect![[r"
            Missed
            /app/link: Kind { original: Link, candidate: File }; /app/link is /app/main
        "]],
    );
}

#[test]
fn what_the_candidate_has_more_is_missed_too() {
    let images = Images::new();
    fs::write(images.candidate().join("app/more"), "").unwrap();
    images.check(
        found("/app/more", Use::Stat),
        expect![[r"
            Missed
            /app/more: Added { candidate: File }; /app/more is nothing
        "]],
    );
}

#[test]
fn what_a_run_made_is_judged_by_what_was_before() {
    let images = Images::new();
    let mut lookups = missing("/app/new", "/app/new", Use::MakeDirectory);
    lookups.extend(found("/app/new/file", Use::Read));
    lookups.extend(found("/app/new", Use::List));
    images.check(lookups.clone(), expect!["Proven\n"]);
    fs::create_dir(images.original().join("app/new")).unwrap();
    images.check(
        missing("/app/new", "/app/new", Use::MakeDirectory),
        expect![[r"
            Missed
            /app/new: Absent { original: Directory }; /app/new is /app/new
        "]],
    );
}

#[test]
fn a_moved_directory_is_the_same_as_a_whole() {
    let images = Images::new();
    fs::write(images.candidate().join("app/plugins/one"), "2").unwrap();
    images.check(found("/app/plugins", Use::List), expect!["Proven\n"]);
    let report = images.report(found("/app/plugins", Use::MoveFrom));
    let below = Path::new("/app/plugins/one");
    assert!(matches!(
        &report.misses[0].difference,
        EntryDifference::Below { path, .. } if path == below
    ));
    fs::remove_file(images.candidate().join("app/plugins/one")).unwrap();
    images.check(
        found("/app/plugins", Use::RemoveDirectory),
        expect![[r"
            Missed
            /app/plugins: Aspects([Names]); /app/plugins is /app/plugins
        "]],
    );
}

#[test]
fn what_the_sandbox_mounts_is_the_same() {
    let images = Images::new();
    fs::remove_dir_all(images.candidate().join("etc")).unwrap();
    let mut lookups = found("/etc/hosts", Use::Read);
    lookups.extend(found("/proc/1/status", Use::Read));
    lookups.extend(missing("/etc/none", "/etc/none", Use::Read));
    lookups.extend(found("/etc", Use::List));
    images.check(lookups, expect!["Proven\n"]);
    fs::write(images.original().join("etc/passwd"), "").unwrap();
    images.check(
        found("/etc", Use::List),
        expect![[r#"
            ProvenButForDirectories
            /etc: -["passwd"] +[] ![]
        "#]],
    );
}

/// Whether a lookup of `/var/run/daemon/socket` is a miss where only the original has the link `/var/run` to `/run`.
#[track_caller]
fn check_behind_link(change: impl Fn(&Images), further: Vec<Lookup>, is_proven: bool) {
    let images = Images::new();
    images.in_both(|root| fs::create_dir_all(root.join("var")).unwrap());
    fs::create_dir(images.original().join("run")).unwrap();
    symlink("/run", images.original().join("var/run")).unwrap();
    change(&images);
    let mut lookups = missing("/var/run/daemon/socket", "/var/run", Use::Connect);
    lookups.extend(further);
    let verdict = images.report(lookups).verdict();
    assert_eq!(verdict == MissVerdict::Proven, is_proven, "{verdict:?}");
}

#[test]
fn a_link_that_only_the_original_has_matters_if_something_is_behind_it() {
    check_behind_link(|_| {}, Vec::new(), true);
    let with_socket = |images: &Images| {
        fs::create_dir(images.original().join("run/daemon")).unwrap();
        fs::write(images.original().join("run/daemon/socket"), "").unwrap();
    };
    check_behind_link(with_socket, Vec::new(), false);
    let without_search = |images: &Images| {
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(images.original().join("run"), closed).unwrap();
    };
    check_behind_link(without_search, Vec::new(), false);
    let dangling = |images: &Images| {
        symlink("/elsewhere", images.original().join("run/daemon")).unwrap();
    };
    check_behind_link(dangling, Vec::new(), false);
    let made = missing("/run/daemon", "/run/daemon", Use::MakeDirectory);
    check_behind_link(|_| {}, made, false);
    let made = missing("/var/run", "/var/run", Use::MakeDirectory);
    check_behind_link(|_| {}, made, false);
}
