use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::evidence::collect::Step;
use crate::evidence::owner::Owners;

#[track_caller]
fn check(kept: &str, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "app/main.py",
        "app/.cache/a.py",
        "app/tests/a.py",
        "usr/lib/python3.13/os.py",
        "usr/lib/python3.13/site-packages/m/a.py",
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    let mut texts = Vec::new();
    keeper.list_texts(Path::new(kept), true, &mut texts);
    let found: Vec<String> = texts
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_eq!(found, expected, "{kept}");
}

#[test]
fn only_sources_that_are_kept_name_programs() {
    check("/app", &["/app/main.py"]);
    // Modules in it are kept by themselves.
    check("/usr/lib/python3.13", &[]);
    let module = "/usr/lib/python3.13/site-packages/m";
    check(module, &["/usr/lib/python3.13/site-packages/m/a.py"]);
}

#[test]
fn a_module_that_was_made_of_a_copied_source_is_a_source_of_ones_own() {
    const TEXT: &str = "import subprocess, typer\nsubprocess.run(['bc'])\ntyper.edit('')\ndef run(x):\n    subprocess.run(x)\n";
    let dir = tempfile::tempdir().unwrap();
    let made = tempfile::tempdir().unwrap();
    let module = "usr/lib/python3.13/site-packages/notes/cli.py";
    let version = "usr/lib/python3.13/site-packages/notes/version.py";
    for (root, path) in [
        (dir.path(), version),
        (made.path(), "app/src/notes/cli.py"),
        (dir.path(), module),
        (dir.path(), "bin/sh"),
        (dir.path(), "usr/bin/bc"),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, TEXT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let kept_with = |copies, module: &str| {
        let steps = [Step {
            files: made.path().to_path_buf(),
            line: 4,
            copies,
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.copied_sources = keeper.copied_sources().unwrap();
        let path = Path::new("/").join(module);
        keeper.add_named_programs(&path, Text::Module).unwrap();
        let programs = ["/bin/sh", "/usr/bin/bc"];
        programs.map(|path| keeper.kept.paths.contains_key(Path::new(path)))
    };
    assert_eq!(kept_with(true, module), [true, true]);
    assert_eq!(kept_with(true, version), [true, true]);
    assert_eq!(kept_with(false, version), [false, false]);
    let steps = [Step {
        files: made.path().to_path_buf(),
        line: 4,
        copies: true,
        ..Step::default()
    }];
    let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
    keeper.copied_sources = keeper.copied_sources().unwrap();
    let path = Path::new("/").join(module);
    keeper.add_wrappers(&path, Text::Module).unwrap();
    assert_eq!(keeper.wrappers, BTreeSet::from(["run".to_owned()]));
    assert_eq!(kept_with(false, module), [false, false]);
}

#[test]
fn scripts_beside_one_that_was_used_name_programs_where_nobody_builds() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "opt/tool/commands/help.sh",
        "opt/tool/commands/fetch.sh",
        "opt/tool/commands/words.txt",
        "opt/tool/other/fetch.sh",
        "app/start.sh",
        "app/deploy.sh",
        "app/Makefile",
        "srv/run/Makefile",
        "srv/run/rules.mk",
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for used in [
        "/opt/tool/commands/help.sh",
        "/app/start.sh",
        "/srv/run/Makefile",
        "/srv/run/rules.mk",
    ] {
        keeper.kept.used.insert(PathBuf::from(used));
    }
    let check = |path: &str, expected| {
        assert_eq!(keeper.kind(Path::new(path)), expected, "{path}");
    };
    check("/opt/tool/commands/help.sh", Some(Text::Script));
    check("/opt/tool/commands/fetch.sh", Some(Text::Script));
    check("/opt/tool/commands/words.txt", None);
    check("/opt/tool/other/fetch.sh", None);
    check("/app/start.sh", Some(Text::Script));
    check("/app/deploy.sh", None);
    check("/app/Makefile", None);
    check("/srv/run/Makefile", Some(Text::Recipes));
    check("/srv/run/rules.mk", Some(Text::Recipes));
}

#[test]
fn what_is_started_beside_a_script_that_was_used_is_read_and_keeps_its_interpreter() {
    let dir = tempfile::tempdir().unwrap();
    let text = "#!/usr/bin/perl\nmy $x = qx(bc);\n";
    for (path, text, mode) in [
        ("srv/cgi-bin/index", "#!/bin/sh\n", 0o755),
        ("srv/cgi-bin/report", text, 0o755),
        ("srv/cgi-bin/report.pl", text, 0o755),
        ("srv/cgi-bin/plain", text, 0o644),
        ("srv/cgi-bin/data", "x", 0o755),
        ("opt/report", text, 0o755),
        ("usr/local/libexec/tool/tool-report", text, 0o755),
        ("usr/local/libexec/tool/report.txt", text, 0o644),
        ("opt/index", "#!/bin/sh\n", 0o755),
        ("usr/bin/perl", "", 0o755),
        ("usr/bin/bc", "", 0o755),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    for (path, kind, programs) in [
        ("/srv/cgi-bin/report", Some(Text::Source), [true, true]),
        ("/srv/cgi-bin/report.pl", Some(Text::Source), [true, true]),
        ("/srv/cgi-bin/plain", None, [false, false]),
        ("/srv/cgi-bin/data", None, [false, false]),
        ("/opt/report", None, [false, false]),
        (
            "/usr/local/libexec/tool/tool-report",
            Some(Text::Source),
            [true, true],
        ),
        ("/usr/local/libexec/tool/report.txt", None, [false, false]),
    ] {
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        for used in ["/srv/cgi-bin/index", "/opt/index"] {
            keeper.kept.used.insert(PathBuf::from(used));
        }
        let path = Path::new(path);
        assert_eq!(keeper.kind(path), kind, "{}", path.display());
        if let Some(kind) = kind {
            keeper.add_named_programs(path, kind).unwrap();
        }
        let found = ["/usr/bin/perl", "/usr/bin/bc"]
            .map(|program| keeper.kept.paths.contains_key(Path::new(program)));
        assert_eq!(found, programs, "{}", path.display());
    }
}

#[test]
fn where_a_name_has_no_ending_the_interpreter_says_the_language() {
    for (path, text, expected) in [
        ("/a/run", "#!/usr/bin/perl -w\n", "pl"),
        ("/a/run", "#!/usr/bin/env python3.11\n", "py"),
        ("/a/run", "#!/usr/bin/env -S awk -f\n", "awk"),
        ("/a/run.cgi", "#!/usr/bin/python3\n", "py"),
        ("/a/run.rb", "#!/usr/bin/perl\n", "rb"),
        ("/a/run", "#!/opt/own\n", ""),
        ("/a/run.x", "", "x"),
    ] {
        assert_eq!(
            language(Path::new(path), text.as_bytes()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn packages_of_a_program_may_be_called_as_what_developers_have() {
    for (path, expected) in [
        ("/app/scripts", true),
        ("/usr/src/app/scripts", true),
        ("/src/tools", true),
        ("/src/app/tools", true),
        ("/build/internal/tools", false),
        ("/usr/src/app/src/scripts", false),
        ("/app/src/tests", true),
        ("/build/src/main/java/org/example", false),
        ("/build/src/main/java/org/test", false),
        ("/build/src/test", true),
        ("/app/src/lib/math_test.go", true),
        ("/app/src/build.rs", true),
    ] {
        assert_eq!(is_for_developers(Path::new(path)), expected, "{path}");
    }
}

#[test]
fn who_looks_for_libraries_by_their_names_in_python_starts_ldconfig() {
    let dir = tempfile::tempdir().unwrap();
    let source = "from ctypes.util import find_library\nLIBRARY = find_library('enchant-2')\n";
    for (path, text) in [
        ("app/spell.py", source),
        ("app/notes.txt", source),
        ("app/other.py", "import ctypes\n"),
        (
            "app/tags.py",
            "def load(parser):\n    find_library(parser, 'i18n')\n",
        ),
        ("sbin/ldconfig", ""),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    for (path, expected) in [
        ("/app/spell.py", true),
        ("/app/notes.txt", false),
        ("/app/other.py", false),
        ("/app/tags.py", false),
    ] {
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        keeper
            .add_named_programs(Path::new(path), Text::Module)
            .unwrap();
        let is_kept = keeper.kept.paths.contains_key(Path::new("/sbin/ldconfig"));
        assert_eq!(is_kept, expected, "{path}");
    }
}

#[test]
fn a_table_of_words_in_a_module_names_no_programs_but_those_that_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let module = "usr/lib/python3.13/site-packages/lexers";
    let words = |n: usize| {
        let words: Vec<String> = (0..n).map(|n| format!("'word{n}',\n")).collect();
        words.concat()
    };
    let near = "import subprocess\nsubprocess.run(['near'])\n";
    for (path, text) in [
        (
            format!("{module}/table.py"),
            format!("{near}{}'far'\n", words(600)),
        ),
        (
            format!("{module}/list.py"),
            format!("{near}{}'far'\n", words(60)),
        ),
        ("usr/bin/near".to_owned(), String::new()),
        ("usr/bin/far".to_owned(), String::new()),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let steps = [Step {
        files: dir.path().to_path_buf(),
        line: 2,
        ..Step::default()
    }];
    for (name, expected) in [("table.py", [true, false]), ("list.py", [true, true])] {
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        let path = Path::new("/").join(module).join(name);
        keeper.add_named_programs(&path, Text::Module).unwrap();
        let found = ["/usr/bin/near", "/usr/bin/far"]
            .map(|path| keeper.kept.paths.contains_key(Path::new(path)));
        assert_eq!(found, expected, "{name}");
    }
}
