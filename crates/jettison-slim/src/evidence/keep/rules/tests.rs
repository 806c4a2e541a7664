use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use expect_test::{Expect, expect};

use super::super::Keeper;
use super::*;
use crate::evidence::owner::Owners;
use crate::rootfs::RootDir;

mod noted;

/// An image with the C library's package and more.
pub(crate) struct World {
    dir: tempfile::TempDir,
    used: Vec<&'static str>,
}

impl World {
    pub(crate) fn new() -> World {
        let world = World {
            dir: tempfile::tempdir().unwrap(),
            used: vec!["/usr/lib/libc.so.6"],
        };
        world
            .package("libc6:amd64", &["/usr/lib/libc.so.6"])
            .file("/etc/passwd", "root")
    }

    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> World {
        let path = self.dir.path().join(&path[1..]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A package with these files, which are there.
    pub(crate) fn package(mut self, name: &str, files: &[&str]) -> World {
        for file in files {
            self = self.file(file, *file);
        }
        self.file(
            &format!("/var/lib/dpkg/info/{name}.list"),
            files.join("\n") + "\n",
        )
    }

    /// A library of no package that calls this function of others.
    fn library(mut self, path: &'static str, function: &str) -> World {
        let made = tempfile::tempdir().unwrap();
        let source = format!("int {function}(); int run() {{ return {function}(); }}");
        fs::write(made.path().join("a.c"), source).unwrap();
        let status = Command::new("cc")
            .args(["-w", "-shared", "-fPIC", "-nostdlib", "-Wl,-soname,a.so"])
            .args(["-o", "a.so", "a.c"])
            .current_dir(made.path())
            .status();
        assert!(status.unwrap().success());
        self.used.push(path);
        let bytes = fs::read(made.path().join("a.so")).unwrap();
        self.file(path, bytes)
    }

    /// A library that needs the one that is called `soname`; nobody has used it.
    fn needing(self, path: &str, soname: &str) -> World {
        let made = tempfile::tempdir().unwrap();
        fs::write(made.path().join("a.c"), "int called() { return 1; }").unwrap();
        let source = "int called(); int run() { return called(); }";
        fs::write(made.path().join("b.c"), source).unwrap();
        let option = format!("-Wl,-soname,{soname}");
        for arguments in [
            vec!["-o", "liba.so", option.as_str(), "a.c"],
            vec!["-o", "b.so", "b.c", "liba.so"],
        ] {
            let status = Command::new("cc")
                .args(["-shared", "-fPIC", "-nostdlib"])
                .args(arguments)
                .current_dir(made.path())
                .status();
            assert!(status.unwrap().success());
        }
        let library = fs::read(made.path().join("liba.so")).unwrap();
        self.file(path, fs::read(made.path().join("b.so")).unwrap())
            .file(&format!("/usr/lib/{soname}"), library)
    }

    pub(crate) fn used(mut self, path: &'static str) -> World {
        self.used.push(path);
        self
    }

    fn keeper<'r>(&self, root: &'r RootDir) -> Keeper<'r> {
        let mut keeper = Keeper::new(root, Owners::read(root, &[]).unwrap(), "");
        for path in &self.used {
            keeper
                .add(Path::new(path), UseKind::Looked, "used")
                .unwrap();
        }
        keeper.add_by_rule().unwrap();
        keeper
    }

    #[track_caller]
    pub(crate) fn check_paths(&self, expected: &[&str]) {
        let root = RootDir::open(self.dir.path()).unwrap();
        let keeper = self.keeper(&root);
        let paths: Vec<&Path> = keeper.kept().paths.keys().map(PathBuf::as_path).collect();
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(paths, expected);
    }

    /// Compares what is kept by rule, and what is left out of packages, with `expected`.
    #[track_caller]
    fn check(&self, expected: Expect) {
        expected.assert_eq(&self.kept_by_rule());
    }

    pub(crate) fn kept_by_rule(&self) -> String {
        let root = RootDir::open(self.dir.path()).unwrap();
        let keeper = self.keeper(&root);
        let mut text = String::new();
        let kept = keeper.kept();
        let packages = kept.packages.iter().map(|(name, why)| (name.clone(), why));
        let paths = kept.paths.iter();
        let paths = paths.map(|(path, why)| (path.display().to_string(), why));
        for (what, why) in packages.chain(paths) {
            if !why.starts_with("used") {
                let _infallible = writeln!(text, "{what}: {why}");
            }
        }
        let stage = keeper.parts().unwrap().rootfs.unwrap_or_default();
        for part in &stage.left_out {
            let _infallible = writeln!(text, "without {part}");
        }
        text
    }
}

#[test]
fn what_the_c_library_reads_comes_with_it() {
    World::new()
        .package("base-files", &["/etc/host.conf", "/etc/debian_version"])
        .package("netbase", &["/etc/services", "/etc/protocols", "/etc/rpc"])
        .file("/etc/hosts", "")
        .file("/etc/shadow", "")
        .file("/etc/nsswitch.conf", "")
        .check(expect![[r"
            /etc/debian_version: the C library reads it
            /etc/host.conf: the C library reads it
            /etc/nsswitch.conf: the C library reads it
            /etc/passwd: the C library reads it
            /etc/protocols: the C library reads it
            /etc/rpc: the C library reads it
            /etc/services: the C library reads it
        "]]);
}

#[test]
fn what_a_c_library_reads_that_is_linked_in_comes_with_the_program() {
    let source = "const char *words[] = {\"GLIBC_TUNABLES\", \"/etc/services\", \"/etc/ld.so.cache\"}; void _start(void) {}";
    let made = tempfile::tempdir().unwrap();
    fs::write(made.path().join("a.c"), source).unwrap();
    let status = Command::new("cc")
        .args(["-static", "-nostdlib", "-o", "a", "a.c"])
        .current_dir(made.path())
        .status();
    assert!(status.unwrap().success());
    let mut world = World {
        dir: tempfile::tempdir().unwrap(),
        used: Vec::new(),
    };
    for path in [
        "/etc/services",
        "/etc/protocols",
        "/etc/ld.so.cache",
        "/etc/passwd",
    ] {
        world = world.file(path, "");
    }
    world
        .file("/app/tool", fs::read(made.path().join("a")).unwrap())
        .used("/app/tool")
        .check_paths(&["/app/tool", "/etc/services"]);
}

#[test]
fn time_zones_come_with_those_who_tell_times_of_places() {
    let world = || World::new().package("tzdata", &["/usr/share/zoneinfo/UTC"]);
    let keeps = |world: World| {
        world
            .kept_by_rule()
            .contains("tzdata: programs may be asked")
    };
    assert!(!keeps(world()));
    for (path, function, expected) in [
        ("/app/a.so", "localtime_r", true),
        ("/app/a.so", "__strftime_l", true),
        ("/app/a.so", "gmtime", false),
        ("/app/a.so", "_ZNSt6chrono11locate_zoneEv", true),
        ("/usr/lib/libstdc++.so.6", "__strftime_l", false),
    ] {
        assert_eq!(
            keeps(world().library(path, function)),
            expected,
            "{path}: {function}"
        );
    }
}

#[test]
fn certificates_come_with_libraries_of_tls() {
    let world = || {
        World::new()
            .package("libssl3:amd64", &["/usr/lib/libssl.so.3"])
            .package("ca-certificates", &["/usr/share/ca-certificates/a.crt"])
            .file("/etc/ssl/certs/ca-certificates.crt", "")
    };
    world().check(expect![[r"
        /etc/passwd: the C library reads it
    "]]);
    let world = world().used("/usr/lib/libssl.so.3");
    let link = world.dir.path().join("usr/lib/ssl/cert.pem");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink("/etc/ssl/certs/ca-certificates.crt", link).unwrap();
    world.check(expect![[r"
        ca-certificates: TLS trusts these certificates
        /etc/passwd: the C library reads it
        /etc/ssl/certs: TLS trusts these certificates
        /usr/lib/ssl/cert.pem: TLS trusts these certificates
    "]]);
}

#[test]
fn locales_are_kept_all_if_one_was_looked_for() {
    let world = || {
        World::new()
            .package(
                "libc-bin",
                &["/usr/lib/locale/C.utf8/LC_CTYPE", "/usr/bin/ldd"],
            )
            .file("/usr/lib/locale/locale-archive", "\0de_DE.utf8\0")
    };
    world().check(expect![[r"
        /etc/passwd: the C library reads it
    "]]);
    for asked in ["/usr/lib/locale", "/usr/lib/locale/C.utf8/LC_CTYPE"] {
        world().used(asked).check(expect![[r"
            /etc/passwd: the C library reads it
            /usr/lib/locale: a run may be told any of these locales
        "]]);
    }
}

#[test]
fn character_sets_are_kept_for_who_converts_them() {
    let world = || {
        World::new()
            .package(
                "libc6:amd64",
                &["/usr/lib/libc.so.6", "/usr/lib/x86_64-linux-gnu/gconv/A.so"],
            )
            .file("/etc/passwd", "")
    };
    let without = || {
        expect![[r"
            /etc/passwd: the C library reads it
            without usr/lib/[^/]+/gconv/.*\.so$
        "]]
    };
    let with = || {
        expect![[r"
            /etc/passwd: the C library reads it
        "]]
    };
    world().check(without());
    world().library("/app/libx.so", "iconv_open").check(with());
    world()
        .library("/app/libx.so", "u8_strconv_to_encoding")
        .check(with());
    world().library("/app/libx.so", "puts").check(without());
    // This one comes along with `ldconfig`, and converts if somebody starts it.
    let tool = world().library("/usr/bin/iconv", "iconv_open");
    let is_with = |world: &World| !world.kept_by_rule().contains("without");
    assert!(is_with(&tool));
    let idle = World {
        used: vec!["/usr/lib/libc.so.6", "/usr/sbin/ldconfig"],
        ..tool
    };
    let files = ["/usr/bin/iconv", "/usr/sbin/ldconfig"].join("\n");
    let list = "/var/lib/dpkg/info/libc-bin.list";
    assert!(!is_with(
        &idle.file("/usr/sbin/ldconfig", "").file(list, files)
    ));
    // These convert by the locale alone, and all locales are of UTF-8.
    world()
        .library("/app/libidn2.so.0", "iconv_open")
        .check(without());
    world()
        .file("/usr/lib/locale/locale-archive", "\0de_DE.utf8\0")
        .check(without());
    world()
        .file("/usr/lib/locale/locale-archive", "\0de_DE.iso88591\0")
        .check(with());
}

#[test]
fn slices_of_a_package_are_left_out_unless_something_in_them_is_used() {
    let world = || {
        World::new()
            .package(
                "locales",
                &[
                    "/usr/share/i18n/locales/de_DE",
                    "/usr/share/man/man5/locale.5",
                    "/usr/share/locale/de/a.mo",
                    "/usr/sbin/locale-gen",
                ],
            )
            .used("/usr/sbin/locale-gen")
    };
    world().check(expect![[r"
        /etc/passwd: the C library reads it
        without usr/share/(apport|base-files|binfmts|bug|doc-base|info|lintian|man|menu|reportbug)(/|$)
        without usr/share/locale(/|$)
        without usr/share/i18n(/|$)
    "]]);
    world()
        .used("/usr/share/i18n/locales/de_DE")
        .used("/usr/share/man/man5/locale.5")
        .check(expect![[r"
            /etc/passwd: the C library reads it
            without usr/share/locale(/|$)
        "]]);
}

#[test]
fn what_a_program_reads_that_a_script_starts_is_not_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = RootDir::open(dir.path()).unwrap();
    for (program, read) in [
        ("gcc", &[HEADERS, LIBRARIES][..]),
        ("locale-gen", &[LOCALES]),
        ("valgrind", &[DEBUGGERS]),
        ("ls", &[]),
    ] {
        let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
        keeper.kept.started.insert(program.to_owned());
        for (_, why) in LEFT_OUT {
            assert_eq!(
                keeper.starts_reader(why),
                read.contains(&why),
                "{program}: {why}"
            );
        }
    }
}

#[test]
fn modules_are_kept_that_others_require_or_name() {
    let site = "/usr/lib/python3.12/site-packages";
    let mut world = World::new();
    for (name, further) in [
        (
            "flask",
            "Requires-Dist: Click>=8\nRequires-Dist: orjson; extra == 'fast'\n",
        ),
        ("click", ""),
        ("orjson", ""),
        ("gevent", ""),
        ("setuptools", ""),
    ] {
        world = world
            .file(
                &format!("{site}/{name}/__init__.py"),
                "try:\n    import orjson_\nexcept ImportError:\n    import setuptools\n",
            )
            .file(
                &format!("{site}/{name}-1.dist-info/METADATA"),
                format!("Name: {name}\n{further}\n"),
            )
            .file(
                &format!("{site}/{name}-1.dist-info/RECORD"),
                format!("{name}/__init__.py,,\n{name}-1.dist-info/RECORD,,\n"),
            );
    }
    let world = world
        .file("/app/main.py", "import flask\nWORKER = 'gevent'\n")
        .used("/app/main.py")
        .used("/usr/lib/python3.12/site-packages/flask/__init__.py");
    world.check(expect![[r"
        /etc/passwd: the C library reads it
        /usr/lib/python3.12/site-packages/click: /usr/lib/python3.12/site-packages/flask-1.dist-info requires it
        /usr/lib/python3.12/site-packages/click-1.dist-info: /usr/lib/python3.12/site-packages/flask-1.dist-info requires it
        /usr/lib/python3.12/site-packages/gevent: /app/main.py names it
        /usr/lib/python3.12/site-packages/gevent-1.dist-info: /app/main.py names it
        /usr/lib/python3.12/site-packages/orjson: /usr/lib/python3.12/site-packages/flask-1.dist-info requires it
        /usr/lib/python3.12/site-packages/orjson-1.dist-info: /usr/lib/python3.12/site-packages/flask-1.dist-info requires it
    "]]);
}

#[test]
fn catalogs_that_somebody_installed_are_kept_all() {
    let world = || {
        World::new()
            .package("tool", &["/usr/share/locale/de/LC_MESSAGES/tool.mo"])
            .file("/usr/share/locale/de/LC_MESSAGES/mine.mo", "")
            .file("/usr/local/share/locale/sv/LC_MESSAGES/mine.mo", "")
    };
    world().library("/app/libx.so", "puts").check(expect![[r"
            /etc/passwd: the C library reads it
        "]]);
    world()
        .library("/app/libx.so", "bindtextdomain")
        .check(expect![[r"
            /etc/passwd: the C library reads it
            /usr/local/share/locale/sv/LC_MESSAGES/mine.mo: a run may be told any language
            /usr/share/locale/de/LC_MESSAGES/mine.mo: a run may be told any language
        "]]);
}

#[test]
fn what_the_slices_of_base_images_leave_out_is_left_out_here() {
    // Programs learn from these what kind a file is of.
    const KEPT: [&str; 1] = ["usr/share/mime"];
    const SLICES: [&str; 8] = [
        "docs",
        "man",
        "translations",
        "gconv",
        "development",
        "debug",
        "packaging",
        "python-tests",
    ];
    let text = include_str!("../../../../recipes/slices.toml");
    let slices: toml::Table = text.parse().unwrap();
    let parts = LEFT_OUT.map(|(part, _)| part).join("|");
    let pattern = regex::Regex::new(&format!("^/({parts})")).unwrap();
    for name in SLICES {
        for left_out in slices[name]["leaves-out"].as_array().unwrap() {
            let left_out = left_out.as_str().unwrap();
            if left_out.starts_with('!') || KEPT.contains(&left_out) {
                continue;
            }
            let path = left_out
                .replace("python3*", "python3.12")
                .replace("**/", "usr/lib/")
                .replace("gconv/*", "gconv/A.so")
                .replace('*', "x");
            let inside = format!("/{path}/file");
            let is_left_out = pattern.is_match(&inside) || pattern.is_match(&format!("/{path}"));
            assert!(is_left_out, "{name}: {left_out}");
        }
    }
    for kept in [
        "/usr/share/doc/x/copyright",
        "/usr/lib/python3.12/unittest/mock.py",
        "/usr/share/manual/x",
        "/usr/lib/x/libssl.so.3",
        "/usr/lib/x/gconv/gconv-modules.d/gconv-modules-extra.conf",
    ] {
        assert!(!pattern.is_match(kept), "{kept}");
    }
}

#[test]
fn libraries_of_kept_trees_bring_what_they_need() {
    let world = || {
        let site = "/usr/lib/python3.12/site-packages";
        World::new()
            .package("libpq5", &["/usr/lib/libpq.so.5"])
            .file("/usr/lib/python3.12/os.py", "")
            .file(&format!("{site}/pg/__init__.py"), "")
            .file(
                &format!("{site}/pg-1.dist-info/RECORD"),
                "pg/__init__.py,,\n",
            )
    };
    let expected = |needing: &str| {
        format!(
            "libpq5: {needing} needs libpq.so.5: /usr/lib/libpq.so.5\n/etc/passwd: the C library reads it\n"
        )
    };
    for (path, used) in [
        (
            "/usr/lib/python3.12/site-packages/pg/_pg.so",
            "/usr/lib/python3.12/site-packages/pg/__init__.py",
        ),
        (
            "/usr/lib/python3.12/lib-dynload/_ssl.so",
            "/usr/lib/python3.12/os.py",
        ),
    ] {
        let world = world().needing(path, "libpq.so.5").used(used);
        assert_eq!(world.kept_by_rule(), expected(path));
    }
    // Nobody uses Python at a terminal here.
    let path = "/usr/lib/python3.12/lib-dynload/readline.cpython-312.so";
    let idle = world()
        .needing(path, "libpq.so.5")
        .used("/usr/lib/python3.12/os.py");
    assert_eq!(idle.kept_by_rule(), "/etc/passwd: the C library reads it\n");
    let own = ("/app/main.py", "import readline\n");
    let installed = "/usr/lib/python3.12/site-packages/pg/__init__.py";
    let prompt = (installed, "hook = sys.__interactivehook__\n");
    for (source, text) in [own, prompt] {
        let world = world()
            .needing(path, "libpq.so.5")
            .used("/usr/lib/python3.12/os.py")
            .file(source, text)
            .used(source);
        assert_eq!(world.kept_by_rule(), expected(path), "{source}");
    }
}

#[test]
fn who_asks_what_is_installed_does_not_start_pip() {
    let site = "/usr/lib/python3.12/site-packages";
    World::new()
        .file(&format!("{site}/pip/__init__.py"), "")
        .file(&format!("{site}/pip-26.dist-info/METADATA"), "")
        .file(
            &format!("{site}/pip-26.dist-info/RECORD"),
            "pip/__init__.py,,\n",
        )
        .used("/usr/lib/python3.12/site-packages/pip-26.dist-info/METADATA")
        .check_paths(&[
            "/etc/passwd",
            "/usr/lib/python3.12/site-packages/pip-26.dist-info",
        ]);
}

#[test]
fn manuals_are_left_out_wherever_a_program_has_them() {
    for (path, is_left_out) in [
        ("/usr/share/man/man1/psql.1.gz", true),
        ("/usr/share/postgresql/17/man/man1/psql.1.gz", true),
        (
            "/usr/lib/jvm/java-17-openjdk-amd64/man/man1/java.1.gz",
            true,
        ),
        ("/usr/share/postgresql/17/postgres.bki", false),
        ("/usr/share/web/man/index.html", false),
    ] {
        assert_eq!(
            left_out_rule(Path::new(path)).is_some(),
            is_left_out,
            "{path}"
        );
    }
}

#[test]
fn who_has_openssl_load_modules_has_those_of_old() {
    let world = || {
        World::new()
            .package("libssl3t64", &["/usr/lib/libcrypto.so.3"])
            .package("openssl-provider-legacy", &["/usr/lib/ossl/legacy.so"])
            .used("/usr/lib/libcrypto.so.3")
    };
    let kept = |world: World| world.kept_by_rule().contains("openssl-provider-legacy");
    assert!(!kept(
        world().library("/usr/local/bin/sign", "EVP_get_cipherbyname")
    ));
    assert!(kept(
        world().library("/usr/local/bin/sign", "OSSL_PROVIDER_try_load")
    ));
    let library = World::new()
        .package("libssl3t64", &["/usr/lib/libssl.so.3"])
        .package("openssl-provider-legacy", &["/usr/lib/ossl/legacy.so"])
        .used("/usr/lib/libssl.so.3")
        .library("/usr/lib/libcrypto.so.3", "OSSL_PROVIDER_load");
    assert!(!kept(library));
}

#[test]
fn lines_from_a_terminal_are_read_with_their_settings() {
    let world = World::new()
        .package("libreadline8t64", &["/usr/lib/libreadline.so.8"])
        .file("/etc/inputrc", "set bell-style none");
    assert!(!world.kept_by_rule().contains("/etc/inputrc"));
    world
        .used("/usr/lib/libreadline.so.8")
        .check_paths(&["/etc/inputrc", "/etc/passwd"]);
}
