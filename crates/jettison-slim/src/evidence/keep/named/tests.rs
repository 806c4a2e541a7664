use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;
use crate::evidence::collect::Step;
use crate::evidence::owner::Owners;
use crate::rootfs::RootDir;

/// An image in which a `RUN` has installed packages, and a `COPY` has brought files to `/app`.
struct World {
    root: TempDir,
    installed: TempDir,
    copied: TempDir,
}

impl World {
    fn new() -> World {
        World {
            root: tempfile::tempdir().unwrap(),
            installed: tempfile::tempdir().unwrap(),
            copied: tempfile::tempdir().unwrap(),
        }
    }

    /// A package of the base image.
    fn base(self, name: &str, files: &[&str]) -> World {
        for file in files {
            write(self.root.path(), file, file);
        }
        let list = files.join("\n") + "\n";
        write(
            self.root.path(),
            &format!("/var/lib/dpkg/info/{name}.list"),
            &list,
        );
        self
    }

    /// A package that the Dockerfile has installed.
    fn package(self, name: &str, files: &[&str]) -> World {
        for file in files {
            write(self.installed.path(), file, file);
        }
        let list = files.join("\n") + "\n";
        write(
            self.installed.path(),
            &format!("/var/lib/dpkg/info/{name}.list"),
            &list,
        );
        self.base(name, files)
    }

    fn depends(self, package: &str, others: &str) -> World {
        let status = self.root.path().join("var/lib/dpkg/status");
        let mut text = fs::read_to_string(&status).unwrap_or_default();
        write!(
            text,
            "Package: {package}\nStatus: install ok installed\nDepends: {others}\n\n"
        )
        .unwrap();
        for other in others.split(", ") {
            write!(text, "Package: {other}\nStatus: install ok installed\n\n").unwrap();
        }
        write(self.root.path(), "/var/lib/dpkg/status", &text);
        self
    }

    /// A file that was copied, and that a later instruction has taken away.
    fn gone(self, path: &str, text: &str) -> World {
        write(self.copied.path(), path, text);
        self
    }

    fn copied(self, path: &str, text: &str) -> World {
        write(self.root.path(), path, text);
        write(self.copied.path(), path, text);
        self
    }

    /// A file that a `RUN` has made.
    fn made(self, path: &str, text: &str) -> World {
        write(self.root.path(), path, text);
        write(self.installed.path(), path, text);
        self
    }

    /// The packages that are kept if `used` is used.
    #[track_caller]
    fn check(&self, used: &[&str], expected: &[&str]) {
        let (packages, _) = self.kept(used);
        assert_eq!(packages, expected);
    }

    /// The packages and paths that are kept if `used` is used.
    fn kept(&self, used: &[&str]) -> (Vec<String>, Vec<String>) {
        let root = RootDir::open(self.root.path()).unwrap();
        let step = |files: &TempDir, copies| Step {
            files: files.path().to_path_buf(),
            line: 1,
            copies,
            ..Step::default()
        };
        let steps = [step(&self.installed, false), step(&self.copied, true)];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.start_programs_from("/usr/local/bin:/usr/bin", Path::new("/app"));
        for path in used {
            // Whoever imports a module lists the directory.
            let kind = if path.ends_with("-packages") {
                UseKind::Listed
            } else {
                UseKind::Looked
            };
            keeper.add(Path::new(path), kind, "used").unwrap();
        }
        keeper.add_by_rule().unwrap();
        let kept = keeper.kept();
        let paths = kept.paths.keys().map(|path| path.display().to_string());
        (kept.packages.keys().cloned().collect(), paths.collect())
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path.strip_prefix('/').unwrap());
    let is_program = path
        .parent()
        .is_some_and(|place| place.to_string_lossy().ends_with("bin"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let mode = if is_program { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn data_of_packages_that_a_source_names_is_kept() {
    World::new()
        .package("fonts-a", &["/usr/share/fonts/a/A.ttf"])
        .package("hunspell-de", &["/usr/share/hunspell/de.dic"])
        .package("libx-dev", &["/usr/include/x.h"])
        .base("fonts-b", &["/usr/share/fonts/b/B.ttf", "/usr/bin/fontb"])
        .base("other", &["/usr/share/other/x", "/usr/bin/other"])
        .copied(
            "/app/main.py",
            "A = '/usr/share/fonts/a/A.ttf'\nB = '/usr/share/fonts/b/B.ttf'\nH = f'/usr/share/hunspell/{x}.dic'\n\
             # /usr/include/x.h /usr/bin/other\n",
        )
        .check(&["/app/main.py"], &["fonts-a", "fonts-b", "hunspell-de"]);
}

#[test]
fn directories_that_scripts_without_an_extension_name_are_kept() {
    let (_, paths) = World::new()
        .copied(
            "/usr/local/bin/kit",
            "#!/bin/sh\nfor f in /etc/kit.d/*.conf; do cat \"$f\"; done\n",
        )
        .copied("/etc/kit.d/10-colour.conf", "colour=blue\n")
        .made("/etc/other.d/10-size.conf", "size=1\n")
        .kept(&["/usr/local/bin/kit"]);
    assert!(paths.contains(&"/etc/kit.d".to_owned()), "{paths:?}");
    assert!(
        !paths.iter().any(|path| path.contains("other.d")),
        "{paths:?}"
    );
}

#[test]
fn editors_that_a_module_tries_stay_where_a_source_has_texts_edited() {
    const MODULE: &str = "import subprocess\nfrom shutil import which\nfor editor in \"vim\", \"nano\":\n\
                          \x20   if which(editor):\n        subprocess.Popen([editor])\nsubprocess.run([\"less\"])\n";
    let module = "/usr/local/lib/python3.13/site-packages/click/_termui_impl.py";
    for (source, expected) in [
        ("import click\nclick.echo('x')\n", &["less"][..]),
        ("import click\ntext = click.edit('')\n", &["less", "vim"]),
        (
            "from os import environ\ne = environ['EDITOR']\n",
            &["less", "vim"],
        ),
    ] {
        World::new()
            .package("less", &["/usr/bin/less"])
            .package("vim", &["/usr/bin/vim"])
            .copied(module, MODULE)
            .copied("/app/notes.py", source)
            .check(&["/app/notes.py", module], expected);
    }
}

#[test]
fn what_tells_the_version_of_a_module_keeps_no_git() {
    let module =
        |name: &str| format!("/usr/local/lib/python3.13/site-packages/django/utils/{name}");
    for (name, expected) in [("version.py", &[][..]), ("archive.py", &["git"])] {
        World::new()
            .package("git", &["/usr/bin/git"])
            .made(
                &module(name),
                "import subprocess\nsubprocess.run(['git', 'log'])\n",
            )
            .copied("/app/main.py", "import django\n")
            .check(&["/app/main.py", &module(name)], expected);
    }
}

#[test]
fn plugins_beside_those_of_a_package_stay_with_it_if_they_were_installed() {
    World::new()
        .package(
            "magick",
            &[
                "/usr/bin/magick",
                "/usr/lib/x86_64-linux-gnu/magick/coders/png.so",
            ],
        )
        .package(
            "magick-extra",
            &["/usr/lib/x86_64-linux-gnu/magick/coders/svg.so"],
        )
        .package(
            "magick-doc",
            &["/usr/lib/x86_64-linux-gnu/magick/coders/list.xml"],
        )
        .package("other", &["/usr/lib/x86_64-linux-gnu/libother.so"])
        .base(
            "magick-base",
            &["/usr/lib/x86_64-linux-gnu/magick/coders/wmf.so"],
        )
        .check(&["/usr/bin/magick"], &["magick", "magick-extra"]);
}

#[test]
fn programs_of_modules_that_were_asked_for_stay_with_them() {
    let place = "/usr/local/lib/python3.13/site-packages";
    let module = |name: &str| format!("{place}/{name}-1.dist-info");
    let world = |world: World, name: &str, requested: &str| {
        let record =
            format!("{name}/__init__.py,,\n{name}-1.dist-info/RECORD,,\n../../../bin/{name},,\n");
        world
            .made(&format!("{place}/{name}/__init__.py"), "")
            .made(&format!("{}/RECORD", module(name)), &record)
            .made(&format!("{}/{requested}", module(name)), "")
            .made(
                &format!("/usr/local/bin/{name}"),
                "#!/usr/local/bin/python3.13\n",
            )
    };
    // Nothing requires `tabulate` in any case: an extra has brought it, or an installer that leaves no such file.
    let mut all = World::new();
    for (name, requires) in [
        ("flask", "tabulate; extra == 'tables'"),
        ("pytest", "werkzeug"),
        ("shop", "celery"),
        ("other", "celery"),
    ] {
        all = world(all, name, "REQUESTED").made(
            &format!("{}/METADATA", module(name)),
            &format!("Requires-Dist: {requires}\n"),
        );
    }
    all = all.made(
        &format!("{}/direct_url.json", module("shop")),
        r#"{"dir_info": {}, "url": "file:///app"}"#,
    );
    let world = ["werkzeug", "tabulate", "celery"]
        .into_iter()
        .fold(all, |all, name| world(all, name, "INSTALLER"));
    let used = ["flask", "werkzeug"].map(|name| format!("{place}/{name}/__init__.py"));
    let (_, paths) = world.kept(&used.each_ref().map(String::as_str));
    let is_kept = |name: &str| paths.contains(&format!("/usr/local/bin/{name}"));
    assert!(is_kept("flask") && !is_kept("werkzeug"), "{paths:?}");
    assert!(is_kept("tabulate"), "{paths:?}");
    // The program itself requires it.
    assert!(is_kept("celery"), "{paths:?}");
    // What was asked for is kept whole, though the names beside it are read first; of the other stays what describes it.
    let (_, paths) = world.kept(&[place]);
    assert!(paths.contains(&format!("{place}/flask")), "{paths:?}");
    assert!(paths.contains(&module("werkzeug")), "{paths:?}");
    assert!(paths.contains(&format!("{place}/tabulate")), "{paths:?}");
    assert!(!paths.contains(&format!("{place}/werkzeug")), "{paths:?}");
}

#[test]
fn what_modules_have_beside_their_directory_stays_with_them() {
    let place = "/usr/local/lib/python3.13/site-packages";
    let info = format!("{place}/nbconvert-7.dist-info");
    let record = "nbconvert/__init__.py,,\n../../../bin/jupyter-nbconvert,,\n\
        ../../../share/jupyter/nbconvert/templates/a.j2,,\n../../../share/man/man1/a.1,,\n\
        ../../../include/a.h,,\n../../../../../etc/passwd,,\n";
    let world = World::new()
        .made(&format!("{place}/nbconvert/__init__.py"), "")
        .made(&format!("{info}/RECORD"), record)
        .made(
            &format!("{place}/notebook-7.dist-info/METADATA"),
            "Requires-Dist: nbconvert\n",
        )
        .made(
            "/usr/local/bin/jupyter",
            "#!/usr/local/bin/python3.13\nimport nbconvert\n",
        )
        .made(
            "/usr/local/bin/jupyter-nbconvert",
            "#!/usr/local/bin/python3.13\n",
        )
        .made("/usr/local/share/jupyter/nbconvert/templates/a.j2", "")
        .made("/usr/local/share/man/man1/a.1", "")
        .made("/usr/local/include/a.h", "")
        .made("/etc/passwd", "");
    let module = format!("{place}/nbconvert/__init__.py");
    let kept = |used: &[&str]| {
        let (_, paths) = world.kept(used);
        let data = paths.into_iter().filter(|path| !path.contains("/lib/"));
        data.collect::<Vec<_>>()
    };
    let data = "/usr/local/share/jupyter";
    assert_eq!(kept(&[&module]), [data]);
    // A command finds what does a part of its work by its name.
    assert_eq!(
        kept(&[&module, "/usr/local/bin/jupyter"]),
        [
            "/usr/local/bin/jupyter",
            "/usr/local/bin/jupyter-nbconvert",
            data
        ]
    );
}

#[test]
fn sources_that_were_taken_away_once_the_program_was_built_still_name_what_it_starts() {
    World::new()
        .package("bc", &["/usr/bin/bc"])
        .package("units", &["/usr/bin/units"])
        .package("fonts-a", &["/usr/share/fonts/a/A.ttf"])
        .copied("/app/start.sh", "exec /app/calc\n")
        .gone(
            "/src/calc.c",
            "int main() { popen(\"bc -l\", \"r\"); font(\"/usr/share/fonts/a/A.ttf\"); }\n",
        )
        .check(&["/app/start.sh"], &["bc", "fonts-a"]);
}

#[test]
fn a_script_ends_where_the_archive_behind_it_begins() {
    World::new()
        .package("bc", &["/usr/bin/bc"])
        .package("units", &["/usr/bin/units"])
        .copied(
            "/app/run.sh",
            "#!/bin/sh\nbc -l\nexit\n\0PK\u{3}/x\0\nunits\n",
        )
        .check(&["/app/run.sh"], &["bc"]);
}

#[test]
fn libraries_that_are_loaded_by_name_are_kept() {
    World::new()
        .package(
            "libsodium23",
            &["/usr/lib/x86_64-linux-gnu/libsodium.so.23"],
        )
        .package("libzbar0", &["/usr/lib/x86_64-linux-gnu/libzbar.so.0"])
        .package("libunused1", &["/usr/lib/x86_64-linux-gnu/libunused.so.1"])
        .base("libc-bin", &["/sbin/ldconfig"])
        .copied(
            "/app/main.py",
            "ctypes.CDLL('libsodium.so.23')\nfind_library(\"zbar\")\n",
        )
        .check(&["/app/main.py"], &["libc-bin", "libsodium23", "libzbar0"]);
}

#[test]
fn libraries_of_java_that_no_run_has_used_name_nothing() {
    let world = World::new()
        .package(
            "libfontconfig1",
            &["/usr/lib/x86_64-linux-gnu/libfontconfig.so.1"],
        )
        .copied("/opt/java/bin/java", "")
        .copied("/opt/java/lib/modules", "");
    for directory in [&world.root, &world.copied] {
        let path = directory.path().join("opt/java/lib/libawt.so");
        fs::write(path, "#!/bin/sh\nload libfontconfig.so.1\n").unwrap();
    }
    world.check(&["/opt/java/lib/modules", "/opt/java/bin/java"], &[]);
    world.check(&["/opt/java/lib/libawt.so"], &["libfontconfig1"]);
}

#[test]
fn programs_that_settings_name_are_kept() {
    World::new()
        .package("jq", &["/usr/bin/jq"])
        .package("bc", &["/usr/bin/bc"])
        .package("dc", &["/usr/bin/dc"])
        .package("zip", &["/usr/bin/zip"])
        .base("coreutils", &["/usr/bin/sort"])
        .copied("/app/main.py", "x = 1\n")
        .copied(
            "/app/settings.json",
            "{\"formatter\": \"jq -c\", \"order\": \"sort\"}",
        )
        .copied(
            "/app/tools.ini",
            "# editor = zip\n; /usr/bin/dc\ncalculator = bc\n",
        )
        .copied("/app/package.json", "{\"x\": \"zip\"}")
        .check(&["/app/main.py"], &["bc", "jq"]);
}

#[test]
fn scripts_that_scripts_name_are_read_for_what_they_start() {
    World::new()
        .package("jq", &["/usr/bin/jq"])
        .package("bc", &["/usr/bin/bc"])
        .package("zip", &["/usr/bin/zip"])
        .copied("/app/start.sh", "#!/bin/sh\ncase $1 in b) bash scripts/b.sh;; c) . \"$(dirname \"$0\")/lib/c.sh\";; esac\n")
        .copied("/app/scripts/b.sh", "jq .\n")
        .copied("/app/other/d.sh", "bc\n")
        .copied("/app/lib/c.sh", "zip x\n")
        .check(&["/app/start.sh"], &["jq", "zip"]);
}

#[test]
fn programs_start_others_that_every_system_has() {
    World::new()
        .base("tar", &["/usr/bin/tar"])
        .base("gzip", &["/usr/bin/gzip"])
        .base("bzip2", &["/usr/bin/bzip2"])
        .base("sort", &["/usr/bin/sort"])
        .check(&["/usr/bin/tar"], &["bzip2", "gzip", "tar"]);
}

#[test]
fn libraries_come_with_the_data_that_they_depend_on() {
    World::new()
        .base("libmagic1", &["/usr/lib/x86_64-linux-gnu/libmagic.so.1"])
        .base("libmagic-mgc", &["/usr/lib/file/magic.mgc"])
        .base("libother1", &["/usr/lib/x86_64-linux-gnu/libother.so.1"])
        .base("papers", &["/usr/share/doc/papers/x"])
        .depends("libmagic1", "libmagic-mgc, libother1, papers")
        .check(
            &["/usr/lib/x86_64-linux-gnu/libmagic.so.1"],
            &["libmagic-mgc", "libmagic1"],
        );
}

#[test]
fn modules_that_were_asked_for_stay_with_their_language() {
    World::new()
        .base("perl-base", &["/usr/bin/perl"])
        .package(
            "libdbd-sqlite3-perl",
            &["/usr/lib/x86_64-linux-gnu/perl5/5.36/DBD/SQLite.pm"],
        )
        .package("libonly-perl", &["/usr/share/perl5/Only.pm"])
        .package("python3-yaml", &["/usr/lib/python3/dist-packages/yaml.py"])
        .copied(
            "/var/lib/apt/extended_states",
            "Package: libonly-perl\nAuto-Installed: 1\n\n",
        )
        .check(&["/usr/bin/perl"], &["libdbd-sqlite3-perl", "perl-base"]);
}

#[test]
fn fonts_that_were_asked_for_stay() {
    World::new()
        .base("tool", &["/usr/bin/tool"])
        .base("fonts-base", &["/usr/share/fonts/base/a.ttf"])
        .package("fonts-asked", &["/usr/share/fonts/asked/a.ttf"])
        .package("fonts-along", &["/usr/share/fonts/along/a.ttf"])
        .copied(
            "/var/lib/apt/extended_states",
            "Package: fonts-along\nAuto-Installed: 1\n\n",
        )
        .check(&["/usr/bin/tool"], &["fonts-along", "fonts-asked", "tool"]);
}

#[test]
fn dictionaries_stay_with_who_reads_them() {
    World::new()
        .base(
            "libaspell15",
            &["/usr/lib/x86_64-linux-gnu/libaspell.so.15"],
        )
        .package("aspell-en", &["/usr/lib/aspell/en.multi"])
        .package("hunspell-de", &["/usr/share/hunspell/de.dic"])
        .base("aspell-fr", &["/usr/lib/aspell/fr.multi"])
        .check(
            &["/usr/lib/x86_64-linux-gnu/libaspell.so.15"],
            &["aspell-en", "libaspell15"],
        );
}

#[test]
fn programs_that_were_installed_are_named_far_from_what_starts_them() {
    let source = "import sh\n# pigz\nTABLE = {'sound': 'sox', 'page': 'file', 'old': 'along'}\n\
        def sync(d):\n    sh.rsync('-a', d)\n    check = 3\n    print('https://git.example')\n";
    let world = World::new()
        .package("sox", &["/usr/bin/sox"])
        .package("rsync", &["/usr/bin/rsync"])
        .package("git", &["/usr/bin/git"])
        .package("pigz", &["/usr/bin/pigz"])
        .package("file", &["/usr/bin/file"])
        .package("check", &["/usr/bin/check"])
        .base("coreutils", &["/usr/bin/sort"])
        .copied("/app/main.py", source)
        .copied("/var/lib/apt/extended_states", "");
    world.check(&["/app/main.py"], &["file", "rsync", "sox"]);
}

#[test]
fn tables_name_programs_of_the_base_image_where_something_starts_what_it_is_given() {
    let table = "HELPERS = {'verify': 'gpg', 'order': 'sort', 'as': 'wget2'}\n";
    let starts = "import subprocess\n\ndef run(command):\n    subprocess.run(command)\n";
    for (source, expected) in [(starts, &["gnupg"][..]), ("", &[])] {
        World::new()
            .base("gnupg", &["/usr/bin/gpg"])
            .base("wget", &["/usr/bin/wget"])
            .base("coreutils", &["/usr/bin/sort"])
            .copied("/app/tools.py", table)
            .copied("/app/main.py", source)
            .check(&["/app/main.py"], expected);
    }
}

#[test]
fn names_of_libraries_end_with_their_versions() {
    let found: Vec<String> =
        library_names(b"x\0libz.so.1\0dlopen(\"mod_spatialite.so\") .so libA-b+.so.1.2.x")
            .into_iter()
            .collect();
    assert_eq!(found, ["libA-b+.so.1.2", "libz.so.1", "mod_spatialite.so"]);
}

#[test]
fn programs_that_were_asked_for_stay_with_the_modules_that_depend_on_them() {
    World::new()
        .base("ruby3.1", &["/usr/bin/ruby3.1"])
        .package("ruby-mini-magick", &["/usr/share/rubygems/mini_magick.rb"])
        .package("imagemagick", &["/usr/bin/convert"])
        .package("along", &["/usr/bin/along"])
        .depends("ruby-mini-magick", "imagemagick, along")
        .copied(
            "/var/lib/apt/extended_states",
            "Package: along\nAuto-Installed: 1\n\n",
        )
        .check(
            &["/usr/share/rubygems/mini_magick.rb"],
            &["imagemagick", "ruby-mini-magick"],
        );
}

#[test]
fn a_script_of_a_module_that_a_shell_names_keeps_the_module_and_python() {
    let place = "/usr/local/lib/python3.13";
    let script = "#!/usr/local/bin/python3.13\n";
    let (_, paths) = World::new()
        .made("/usr/local/bin/python3.13", "x")
        .made(&format!("{place}/os.py"), "")
        .made(&format!("{place}/site-packages/yq/__init__.py"), "")
        .made(
            &format!("{place}/site-packages/yq-3.dist-info/RECORD"),
            "yq/__init__.py,,\n../../../bin/yq,,\n",
        )
        .made("/usr/local/bin/yq", script)
        .copied("/usr/local/bin/tool", "#!/bin/sh\nyq .name \"$1\"\n")
        .kept(&["/usr/local/bin/tool"]);
    for path in [place, &format!("{place}/site-packages/yq")] {
        assert!(paths.iter().any(|kept| kept == path), "{path} in {paths:?}");
    }
}

#[test]
fn a_gem_of_a_package_is_named_by_what_it_is_loaded_as() {
    let gem = "/usr/share/rubygems-integration/all/gems/mini_magick-4.11.0/lib/mini_magick.rb";
    World::new()
        .base("ruby3.1", &["/usr/bin/ruby3.1"])
        .package("ruby-mini-magick", &[gem])
        .copied("/app/app.rb", "require 'mini_magick'\n")
        .check(&["/app/app.rb"], &["ruby-mini-magick"]);
}
