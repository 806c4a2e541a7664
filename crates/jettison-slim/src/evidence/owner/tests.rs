use super::*;

/// A file system with `files`, each with its text; a text `-> x` makes a link.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    dir
}

fn step(files: &Path, line: usize) -> Step {
    Step {
        files: files.to_path_buf(),
        line,
        copies: true,
        ..Step::default()
    }
}

#[track_caller]
fn check(root: &Path, steps: &[Step], path: &str, expected: &str) {
    let root = RootDir::open(root).unwrap();
    let mut owners = Owners::read(&root, steps).unwrap();
    assert_eq!(owners.of(Path::new(path)).to_string(), expected, "{path}");
}

#[test]
fn packages_own_what_they_list_under_its_real_path() {
    let dir = tree(&[
        ("usr/lib/x86_64-linux-gnu/libz.so.1", "z"),
        ("lib", "-> usr/lib"),
        (
            "var/lib/dpkg/info/zlib1g:amd64.list",
            "/.\n/lib\n/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu/libz.so.1\n",
        ),
        ("etc/ld.so.cache", "c"),
    ]);
    let info = dir.path().join("var/lib/dpkg/info");
    fs::write(info.join("x'; false.list"), "/etc\n/etc/ld.so.cache\n").unwrap();
    let package = "package zlib1g";
    check(
        dir.path(),
        &[],
        "/usr/lib/x86_64-linux-gnu/libz.so.1",
        package,
    );
    check(dir.path(), &[], "/lib", package);
    check(dir.path(), &[], "/etc/ld.so.cache", "the base image");
    let root = RootDir::open(dir.path()).unwrap();
    let owners = Owners::read(&root, &[]).unwrap();
    let files: Vec<_> = owners.files_of("zlib1g").collect();
    assert_eq!(
        files.last(),
        Some(&Path::new("/usr/lib/x86_64-linux-gnu/libz.so.1"))
    );
}

#[test]
fn instructions_own_what_no_package_lists() {
    let (first, second) = (
        tree(&[("app/a", "1")]),
        tree(&[("app/a", "2"), ("app/b", "2")]),
    );
    let all = tree(&[("app/a", "2"), ("app/b", "2")]);
    let steps = [step(first.path(), 3), step(second.path(), 7)];
    check(all.path(), &steps, "/app/b", "the instruction in line 7");
    check(
        all.path(),
        &steps[..1],
        "/app/a",
        "the instruction in line 3",
    );
    check(all.path(), &steps[..1], "/app/b", "the base image");
}

#[test]
fn npm_packages_are_units_the_innermost_first() {
    let dir = tree(&[]);
    for (path, module) in [
        (
            "/app/node_modules/express/lib/x.js",
            "/app/node_modules/express",
        ),
        ("/app/node_modules/@a/b/c.js", "/app/node_modules/@a/b"),
        (
            "/app/node_modules/a/node_modules/b/i.js",
            "/app/node_modules/a/node_modules/b",
        ),
    ] {
        check(dir.path(), &[], path, &format!("module {module}"));
    }
    for path in [
        "/app/node_modules",
        "/app/node_modules/.bin/x",
        "/app/node_modules/@a",
    ] {
        check(dir.path(), &[], path, "the base image");
    }
}

#[test]
fn distributions_of_python_own_what_they_record() {
    let site = "usr/lib/python3.11/site-packages";
    let dir = tree(&[
        (&format!("{site}/flask/app.py"), ""),
        (&format!("{site}/six.py"), ""),
        (&format!("{site}/stray.py"), ""),
        (&format!("{site}/__pycache__/six.cpython-311.pyc"), ""),
        (&format!("{site}/__pycache__/stray.cpython-311.pyc"), ""),
        (
            &format!("{site}/flask-3.dist-info/RECORD"),
            "flask/app.py,sha256=x,1\nflask-3.dist-info/RECORD,,\n../../../bin/flask,,\n",
        ),
        (
            &format!("{site}/six-1.dist-info/RECORD"),
            "six.py,,\n__pycache__/six.cpython-311.pyc,,\n",
        ),
    ]);
    let flask = format!("module /{site}/flask-3.dist-info");
    check(dir.path(), &[], &format!("/{site}/flask/app.py"), &flask);
    check(
        dir.path(),
        &[],
        &format!("/{site}/flask-3.dist-info/RECORD"),
        &flask,
    );
    check(
        dir.path(),
        &[],
        &format!("/{site}/six.py"),
        &format!("module /{site}/six-1.dist-info"),
    );
    check(
        dir.path(),
        &[],
        &format!("/{site}/__pycache__/six.cpython-311.pyc"),
        &format!("module /{site}/six-1.dist-info"),
    );
    for stray in [
        "stray.py",
        "__pycache__/stray.cpython-311.pyc",
        "__pycache__",
    ] {
        check(
            dir.path(),
            &[],
            &format!("/{site}/{stray}"),
            "the base image",
        );
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut owners = Owners::read(&root, &[]).unwrap();
    let mut check_parts = |module: &str, expected: &[&str]| {
        let parts = owners.parts_of(&Path::new("/").join(site).join(module));
        let names: Vec<_> = parts.iter().filter_map(|part| part.file_name()).collect();
        assert_eq!(names, expected, "{module}");
    };
    check_parts("flask-3.dist-info", &["flask", "flask-3.dist-info"]);
    let six = ["six.cpython-311.pyc", "six-1.dist-info", "six.py"];
    check_parts("six-1.dist-info", &six);
}

#[test]
fn programs_of_distributions_are_told_by_their_records() {
    let site = "opt/venv/lib/python3.13/site-packages";
    let dir = tree(&[
        (
            &format!("{site}/uv-1.dist-info/RECORD"),
            "uv/x.py,,\n../../../bin/uv,,\n",
        ),
        ("opt/venv/bin/uv", ""),
        ("opt/venv/bin/own", ""),
    ]);
    let root = RootDir::open(dir.path()).unwrap();
    let mut owners = Owners::read(&root, &[]).unwrap();
    let mut is_listed = |path: &str| owners.is_script_of_a_module(Path::new(path));
    assert!(is_listed("/opt/venv/bin/uv"));
    assert!(!is_listed("/opt/venv/bin/own"));
    assert!(!is_listed("/uv"));
}

#[test]
fn who_changes_only_modes_and_owners_makes_nothing() {
    let copied = tree(&[
        ("app/main.lua", "x"),
        ("app/page", "x"),
        ("app/link", "-> x"),
    ]);
    let changed = tree(&[
        ("app/main.lua", "x"),
        ("app/page", "y"),
        ("app/link", "-> x"),
    ]);
    let made = tree(&[("app/new", "x")]);
    let run = |files: &Path, line| Step {
        copies: false,
        ..step(files, line)
    };
    let steps = [
        step(copied.path(), 2),
        run(changed.path(), 3),
        run(made.path(), 4),
    ];
    for (path, expected) in [
        ("/app", "the instruction in line 2"),
        ("/app/main.lua", "the instruction in line 2"),
        ("/app/link", "the instruction in line 2"),
        ("/app/page", "the instruction in line 3"),
        ("/app/new", "the instruction in line 4"),
        ("/app/none", "the base image"),
    ] {
        check(changed.path(), &steps, path, expected);
    }
}
