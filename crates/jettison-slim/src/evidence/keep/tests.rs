use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use expect_test::{Expect, expect};

use super::*;
use crate::evidence::collect::Step;

/// An image that has a package with a program and one with what it needs, and an application.
fn image() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let lists = [
        (
            "tool",
            "/usr\n/usr/bin\n/usr/bin/tool\n/usr/share/man/man1/tool.1\n",
        ),
        (
            "data:amd64",
            "/usr/share/data\n/usr/share/data/x\n/usr/lib/py/m.py\n",
        ),
    ];
    for (name, list) in lists {
        let info = dir.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join(format!("{name}.list")), list).unwrap();
    }
    for path in [
        "usr/bin/tool",
        "usr/share/man/man1/tool.1",
        "usr/share/data/x",
        "usr/lib/py/m.py",
        "usr/lib/py/__pycache__/m.cpython-311.pyc",
        "app/main.py",
        "app/lib/a.py",
        "srv/db/table",
        "etc/passwd",
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    std::os::unix::fs::symlink("/usr/bin/tool", dir.path().join("usr/bin/alias")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("etc/dangling")).unwrap();
    fs::create_dir_all(dir.path().join("srv/db/empty")).unwrap();
    dir
}

#[track_caller]
fn check(uses: &[(&str, UseKind)], expected: Expect) {
    let dir = image();
    let root = RootDir::open(dir.path()).unwrap();
    let made = tempfile::tempdir().unwrap();
    for path in ["app/main.py", "app/lib/a.py"] {
        let path = made.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let steps = [Step {
        files: made.path().to_path_buf(),
        line: 4,
        copies: true,
        ..Step::default()
    }];
    let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
    for (path, kind) in uses {
        keeper.add(Path::new(path), *kind, "used").unwrap();
    }
    keeper.close().unwrap();
    let kept = keeper.kept();
    let mut shown = String::new();
    for (what, reason) in &kept.packages {
        let _infallible = writeln!(shown, "package {what} ({reason})");
    }
    for (what, reason) in &kept.paths {
        let _infallible = writeln!(shown, "path {} ({reason})", what.display());
    }
    for what in kept.directories.keys() {
        let _infallible = writeln!(shown, "directory {}", what.display());
    }
    if let Some(tag) = &kept.byte_code {
        let _infallible = writeln!(shown, "byte code {tag}");
    }
    expected.assert_eq(&shown);
}

#[test]
fn one_file_keeps_its_whole_package() {
    check(
        &[
            ("/usr/share/data/x", UseKind::Looked),
            ("/gone", UseKind::Looked),
        ],
        expect![[r"
            package data (used: /usr/share/data/x)
        "]],
    );
}

#[test]
fn links_on_the_way_are_kept_too() {
    check(
        &[
            ("/usr/bin/alias", UseKind::Looked),
            ("/etc/dangling", UseKind::Looked),
        ],
        expect![[r"
            package tool (used: /usr/bin/tool)
            path /etc/dangling (used)
            path /usr/bin/alias (used)
        "]],
    );
}

#[test]
fn byte_code_belongs_to_the_package_of_its_source() {
    check(
        &[("/usr/lib/py/__pycache__/m.cpython-311.pyc", UseKind::Looked)],
        expect![[r"
            package data (used: /usr/lib/py/m.py)
            byte code cpython-311
        "]],
    );
}

#[test]
fn a_module_whose_name_was_read_first_keeps_what_was_copied_with_it() {
    check(
        &[("/app", UseKind::Listed), ("/app/main.py", UseKind::Looked)],
        expect![[r"
            path /app (used)
            directory /app
            directory /app/lib
        "]],
    );
    check(
        &[("/app", UseKind::Listed)],
        expect![[r"
            path /app/main.py (the names in /app are read)
            directory /app
            directory /app/lib
        "]],
    );
}

#[test]
fn what_describes_a_module_is_read_with_the_names_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = Path::new("/usr/local/lib/python3.13/site-packages");
    for (file, text) in [
        ("pip/__init__.py", ""),
        ("pip-25.1.dist-info/METADATA", "Name: pip\n"),
        (
            "pip-25.1.dist-info/RECORD",
            "pip/__init__.py,,\npip-25.1.dist-info/METADATA,,\n",
        ),
    ] {
        let path = dir.path().join(place.strip_prefix("/").unwrap()).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    keeper.add(place, UseKind::Listed, "used").unwrap();
    keeper.close().unwrap();
    let paths: Vec<&PathBuf> = keeper.kept().paths.keys().collect();
    assert_eq!(paths, [&place.join("pip-25.1.dist-info")]);
    assert!(keeper.kept().directories.contains_key(&place.join("pip")));
}

#[test]
fn an_interpreted_program_keeps_what_was_copied_with_it() {
    check(
        &[
            ("/app/lib/a.py", UseKind::Looked),
            ("/app/main.py", UseKind::Looked),
        ],
        expect![[r"
            path /app (used)
        "]],
    );
}

#[test]
fn what_is_written_is_kept_whole_and_what_the_kernel_gives_is_not() {
    check(
        &[
            ("/srv/db", UseKind::Written),
            ("/tmp", UseKind::Written),
            ("/proc/self/maps", UseKind::Looked),
            ("/etc/resolv.conf", UseKind::Looked),
        ],
        expect![[r"
            path /srv/db (it is written when the program runs)
            directory /srv/db
        "]],
    );
}

#[test]
fn logs_of_npm_keep_the_directory_and_nothing_in_it() {
    let dir = image();
    for file in [
        "_logs/1-debug-0.log",
        "_update-notifier-last-checked",
        "_cacache/x",
    ] {
        let path = dir.path().join("root/.npm").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for (file, kind) in [
        ("_logs", UseKind::Listed),
        ("_logs/1-debug-0.log", UseKind::Written),
        ("_update-notifier-last-checked", UseKind::Written),
    ] {
        let path = Path::new("/root/.npm").join(file);
        keeper.add(&path, kind, "used").unwrap();
    }
    let kept = keeper.kept();
    let directories: Vec<_> = kept.directories.keys().collect();
    assert_eq!(directories, [Path::new("/root/.npm")]);
    assert!(kept.paths.is_empty(), "{:?}", kept.paths);
}

#[test]
fn a_directory_whose_names_are_read_keeps_those_of_nobody_else() {
    check(
        &[("/usr/bin", UseKind::Listed), ("/srv", UseKind::Listed)],
        expect![[r"
            path /usr/bin/alias (the names in /usr/bin are read)
            directory /srv
            directory /srv/db
            directory /usr/bin
        "]],
    );
}

/// What of the package `tool`, whose files are in `files`, is left out when it starts and reads `used` as well.
#[track_caller]
fn check_left_out(files: &[&str], used: &[&str], expected: Expect) {
    let dir = image();
    let mut list = String::from("/usr/bin/tool\n");
    for file in files {
        let _infallible = writeln!(list, "/{file}");
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    fs::write(dir.path().join("var/lib/dpkg/info/tool.list"), list).unwrap();
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for path in ["/usr/bin/tool"].iter().chain(used) {
        keeper
            .add(Path::new(path), UseKind::Looked, "used")
            .unwrap();
    }
    keeper.close().unwrap();
    let stage = keeper.parts().unwrap().rootfs.unwrap_or_default();
    expected.assert_eq(&stage.left_out.join("\n"));
}

#[test]
fn what_nobody_needs_of_a_package_is_left_out_unless_some_of_it_is_used() {
    let files = ["usr/share/man/man1/tool.1", "usr/share/doc/tool/README"];
    check_left_out(
        &files,
        &[],
        expect![[r"
            usr/share/(apport|base-files|binfmts|bug|doc-base|info|lintian|man|menu|reportbug)(/|$)
            usr/share/doc/[^/]+/([^c]|ch)"]],
    );
    check_left_out(
        &files,
        &["/usr/share/man/man1/tool.1"],
        expect!["usr/share/doc/[^/]+/([^c]|ch)"],
    );
}

#[test]
fn a_directory_stays_although_what_packages_have_in_it_is_left_out() {
    let dir = image();
    let catalog = "usr/share/locale/de/LC_MESSAGES/tool.mo";
    let path = dir.path().join(catalog);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
    let list = format!("/usr/bin/tool\n/{catalog}\n");
    fs::write(dir.path().join("var/lib/dpkg/info/tool.list"), list).unwrap();
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for path in ["/usr/bin/tool", "/usr/share/locale"] {
        keeper
            .add(Path::new(path), UseKind::Looked, "used")
            .unwrap();
    }
    keeper.close().unwrap();
    let stage = keeper.parts().unwrap().rootfs.unwrap_or_default();
    assert_eq!(stage.left_out, ["usr/share/locale(/|$)"]);
    assert!(stage.singles.contains(&"/usr/share/locale".into()));
}

#[test]
fn what_libtool_reads_of_plugins_is_no_static_library() {
    check_left_out(
        &[
            "usr/lib/x86_64-linux-gnu/tool/png.la",
            "usr/lib/x86_64-linux-gnu/tool/png.so",
        ],
        &[],
        expect![""],
    );
    check_left_out(
        &[
            "usr/lib/x86_64-linux-gnu/libtool.la",
            "usr/lib/x86_64-linux-gnu/x/libtool.a",
        ],
        &[],
        expect![[r"
            usr/lib/([^/]+/)?[^/]+\.la$
            .*\.a$"]],
    );
}

/// The trees, and what is left out of them, where of the modules of Python these are used and those not.
#[track_caller]
fn check_modules(used: &[&str], others: &[&str], expected: Expect) {
    let dir = image();
    let library = Path::new("/l/python3.13/site-packages");
    for module in used.iter().chain(others) {
        let path = dir
            .path()
            .join(library.strip_prefix("/").unwrap())
            .join(module);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for module in used {
        let path = library.join(module);
        keeper.add(&path, UseKind::Looked, "used").unwrap();
    }
    keeper.close().unwrap();
    let mut stage = keeper.parts().unwrap().rootfs.unwrap_or_default();
    let mut shown = String::new();
    stage.singles.sort();
    for (what, paths) in [
        ("tree", &stage.trees),
        ("single", &stage.singles),
        ("nothing in", &stage.pruned),
        ("without", &stage.pruned_files),
    ] {
        for path in paths {
            let _infallible = writeln!(shown, "{what} {}", path.display());
        }
    }
    expected.assert_eq(&shown);
}

#[test]
fn of_modules_the_fewer_are_named() {
    let used = ["a.py", "b.py", "c.py"];
    check_modules(
        &used,
        &["pip/__init__.py", "hook.pth"],
        expect![[r"
        tree /l/python3.13/site-packages
        nothing in /l/python3.13/site-packages/pip
        without /l/python3.13/site-packages/hook.pth
    "]],
    );
    check_modules(
        &used[..1],
        &["pip/__init__.py"],
        expect![[r"
        tree /l/python3.13/site-packages/a.py
    "]],
    );
    let byte_code = ["a.py", "b.py", "c.py", "__pycache__/a.cpython-313.pyc"];
    check_modules(
        &byte_code,
        &["__pycache__/z.cpython-313.pyc"],
        expect![[r"
            tree /l/python3.13/site-packages
            nothing in /l/python3.13/site-packages/__pycache__
        "]],
    );
}

#[test]
fn many_packages_of_npm_are_collected_and_the_fewer_are_named() {
    let modules = Path::new("/app/node_modules");
    let check = |n_used: usize, n_copied: usize, trees: &[&str]| {
        let dir = image();
        let names = (0..40).map(|n| modules.join(format!("m{n}")));
        let names: Vec<PathBuf> = names.collect();
        for name in &names {
            let path = dir.path().join(name.strip_prefix("/").unwrap());
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("index.js"), "x").unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        for name in names.iter().take(n_used) {
            let path = name.join("index.js");
            keeper.add(&path, UseKind::Looked, "used").unwrap();
        }
        let parts = keeper.parts().unwrap();
        assert_eq!(parts.copied.len(), n_copied);
        let stage = parts.rootfs.unwrap_or_default();
        let found: Vec<_> = stage.trees.iter().map(PathBuf::as_path).collect();
        assert_eq!(found, trees.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(
            stage.pruned.len(),
            if trees.is_empty() { 0 } else { 40 - n_used }
        );
    };
    check(10, 10, &[]);
    check(38, 0, &["/app/node_modules"]);
}

#[test]
fn directories_of_others_stay_above_what_is_kept() {
    let dir = image();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
    fs::set_permissions(dir.path().join("srv"), mode).unwrap();
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    let table = Path::new("/srv/db/table");
    keeper.add(table, UseKind::Looked, "used").unwrap();
    let above = keeper.parts().unwrap().rootfs.unwrap_or_default().singles;
    assert!(above.contains(&PathBuf::from("/srv")), "{above:?}");
}

#[test]
fn directories_above_what_is_somebodys_stay_roots() {
    if !rustix::process::geteuid().is_root() {
        #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
        {
            eprintln!("skipped: only root gives files away");
        }
        return;
    }
    for (user, is_named) in [(0, false), (1000, true)] {
        let dir = image();
        std::os::unix::fs::chown(dir.path().join("srv/db"), Some(user), None).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        let place = PathBuf::from("/srv/db");
        keeper.add(&place, UseKind::Written, "used").unwrap();
        let above = keeper.parts().unwrap().rootfs.unwrap_or_default().singles;
        assert_eq!(
            above.contains(&PathBuf::from("/srv")),
            is_named,
            "{above:?}"
        );
    }
}

#[test]
fn directories_with_rights_that_copy_does_not_give_are_collected() {
    for (mode, is_collected) in [
        (0o755, false),
        (0o775, false),
        (0o2775, true),
        (0o777, true),
    ] {
        let dir = image();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(dir.path().join("srv/db"), mode).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        let place = PathBuf::from("/srv/db");
        keeper.add(&place, UseKind::Written, "used").unwrap();
        let parts = keeper.parts().unwrap();
        let trees = parts.rootfs.unwrap_or_default().trees;
        assert_eq!(trees.contains(&place), is_collected, "{trees:?}");
        assert_eq!(parts.copied.is_empty(), is_collected);
    }
}

#[test]
fn certificates_whose_names_are_read_are_kept_as_one_directory() {
    let dir = image();
    let certificates = dir.path().join("etc/ssl/certs");
    fs::create_dir_all(&certificates).unwrap();
    for name in ["a.pem", "0a1b2c3d.0"] {
        fs::write(certificates.join(name), "x").unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    let place = Path::new("/etc/ssl/certs");
    keeper.add(place, UseKind::Listed, "used").unwrap();
    let kept: Vec<&Path> = keeper.kept().paths.keys().map(PathBuf::as_path).collect();
    assert_eq!(kept, [place]);
}

#[test]
fn programs_that_were_installed_together_are_kept_together() {
    let made = tempfile::tempdir().unwrap();
    let dir = image();
    for (path, text) in [
        ("usr/local/bin/shop", "\x7fELF"),
        ("usr/local/bin/till", "\x7fELF"),
        ("usr/local/bin/report", "#!/usr/bin/tool\n"),
        ("usr/local/bin/shell", "#!/usr/bin/gone\n"),
        ("usr/local/bin/shop-config", "#!/usr/bin/tool\n"),
        ("usr/local/bin/notes", "text"),
    ] {
        for top in [dir.path(), made.path()] {
            let path = top.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let root = RootDir::open(dir.path()).unwrap();
    let steps = [Step {
        files: made.path().to_path_buf(),
        line: 4,
        copies: false,
        ..Step::default()
    }];
    let kept = |used: &[&str]| {
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        for path in used {
            keeper
                .add(Path::new(path), UseKind::Looked, "used")
                .unwrap();
        }
        keeper.add_by_rule().unwrap();
        let paths = keeper.kept().paths.keys();
        let paths = paths.filter_map(|path| path.strip_prefix("/usr/local/bin").ok());
        paths
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(&["/usr/local/bin/till"]), ["shop", "till"]);
    assert_eq!(
        kept(&["/usr/local/bin/till", "/usr/bin/tool"]),
        ["report", "shop", "till"]
    );
    assert_eq!(kept(&["/app/main.py"]), [""; 0]);
}
