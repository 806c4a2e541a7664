use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;
use crate::evidence::collect::Step;
use crate::evidence::collect::tests::program;
use crate::evidence::keep::UseKind;
use crate::evidence::owner::Owners;
use crate::rootfs::RootDir;

/// An image that `COPY` and then `RUN` made, and a package with `/etc/httpd`.
struct World {
    root: TempDir,
    copied: TempDir,
    made: TempDir,
}

impl World {
    fn new() -> World {
        let world = World {
            root: tempfile::tempdir().unwrap(),
            copied: tempfile::tempdir().unwrap(),
            made: tempfile::tempdir().unwrap(),
        };
        let list = b"/etc\n/etc/httpd\n/etc/httpd/httpd.conf\n/usr\n/usr/share\n/usr/share/httpd\n\
            /usr/share/httpd/html\n/usr/share/httpd/html/50x.html\n/usr/share/httpd/html/index.html\n";
        write(world.root.path(), "var/lib/dpkg/info/httpd.list", list);
        let settings = b"root /usr/share/httpd/html;\n# root /usr/share/doc;\nindex /etc/httpd;\n";
        write(world.root.path(), "etc/httpd/httpd.conf", settings);
        write(world.root.path(), "usr/share/httpd/html/50x.html", b"x");
        world
    }

    fn copied(self, path: &str, bytes: &[u8]) -> World {
        write(self.root.path(), path, bytes);
        write(self.copied.path(), path, bytes);
        self
    }

    fn made(self, path: &str, bytes: &[u8]) -> World {
        write(self.root.path(), path, bytes);
        write(self.made.path(), path, bytes);
        self
    }

    fn link(self, path: &str, target: &str) -> World {
        for root in [&self.root, &self.made] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
        }
        self
    }

    /// What is kept if `used` is used by a program that starts in `/app`.
    #[track_caller]
    fn check(&self, used: &[&str], expected: Expect) {
        let root = RootDir::open(self.root.path()).unwrap();
        let step = |files: &TempDir, copies| Step {
            files: files.path().to_path_buf(),
            line: 1,
            copies,
            ..Step::default()
        };
        let steps = [step(&self.copied, true), step(&self.made, false)];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.start_programs_from("", Path::new("/app"));
        for path in used {
            keeper
                .add(Path::new(path), UseKind::Looked, "used")
                .unwrap();
        }
        keeper.close().unwrap();
        keeper.add_mentioned().unwrap();
        keeper.close().unwrap();
        let mut shown = String::new();
        for (path, reason) in &keeper.kept().paths {
            let _infallible = writeln!(shown, "{} ({reason})", path.display());
        }
        expected.assert_eq(&shown);
    }
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_was_installed_for_a_compiled_program_stays_where_it_names_it() {
    let tool = program(
        b"\0/usr/local/share/crawl/schema.sql\0/app/src/crawl.c\0/app/made.sql\0/usr/local/bin/helper\0",
        false,
    );
    World::new()
        .copied("app/src/crawl.c", b"x")
        .made("app/made.sql", b"x")
        .made("usr/local/bin/crawl", &tool)
        .made("usr/local/bin/helper", b"#!/bin/sh\n")
        .made("usr/local/bin/other", b"#!/bin/sh\n")
        .made("usr/local/share/crawl/schema.sql", b"x")
        .made("usr/local/share/crawl/style.xsl", b"x")
        .made("usr/local/share/other/x", b"x")
        .check(&["/usr/local/bin/crawl"], expect![[r"
            /app/made.sql (/usr/local/bin/crawl contains `/app/made.sql`)
            /usr/local/bin/crawl (used)
            /usr/local/bin/helper (/usr/local/bin/crawl contains `/usr/local/bin/helper`)
            /usr/local/share/crawl (/usr/local/bin/crawl contains `/usr/local/share/crawl/schema.sql`)
        "]]);
}

#[test]
fn a_compiled_program_keeps_what_was_copied_and_what_it_names() {
    let server = program(b"templates/*.tmpl ./static", true);
    World::new()
        .copied("app/main.go", b"x")
        .copied("app/templates/index.tmpl", b"x")
        .copied("app/static/css/style.css", b"x")
        .copied("app/static/app.js", b"x")
        .copied("app/docs/picture.png", b"x")
        .copied("app/README.md", b"x")
        .made("usr/local/bin/server", &server)
        .made("app/cache/static", b"x")
        .check(
            &["/usr/local/bin/server"],
            expect![[r"
            /app/static (/usr/local/bin/server contains `static` (line 1))
            /app/templates (/usr/local/bin/server contains `templates` (line 1))
            /usr/local/bin/server (used)
        "]],
        );
}

#[test]
fn a_link_to_a_program_of_a_package_does_not_make_it_a_program_of_ones_own() {
    let plotter = program(b"templates/*.tmpl", true);
    let list = b"/usr/bin/plot-qt\n";
    let world = World::new();
    write(world.root.path(), "var/lib/dpkg/info/plot.list", list);
    write(world.root.path(), "usr/bin/plot-qt", &plotter);
    world
        .link("etc/alternatives/plot", "/usr/bin/plot-qt")
        .link("usr/bin/plot", "/etc/alternatives/plot")
        .copied("opt/weather/templates/index.tmpl", b"x")
        .check(
            &["/usr/bin/plot"],
            expect![[r"
            /etc/alternatives/plot (used)
            /usr/bin/plot (used)
        "]],
        );
}

#[test]
fn a_compiled_program_keeps_directories_that_it_names_from_the_root_on() {
    let tool = program(
        b"/usr/local/share/geo\0/usr/share/geo\0/usr/local/share\0/app/x/main.c\0/etc/httpd/none\0/go\0",
        true,
    );
    World::new()
        .made("usr/local/bin/tool", &tool)
        .made("usr/local/share/geo/berlin.txt", b"x")
        .made("usr/local/share/man/tool.1", b"x")
        .made("usr/share/geo/oslo.txt", b"x")
        .made("app/x/other.c", b"x")
        .made("go/pkg/mod/example.org/x@v1/a/x.go", b"x")
        .check(
            &["/usr/local/bin/tool"],
            expect![[r"
            /usr/local/bin/tool (used)
            /usr/local/share/geo (/usr/local/bin/tool contains `/usr/local/share/geo`)
            /usr/share/geo (/usr/local/bin/tool contains `/usr/share/geo`)
        "]],
        );
}

#[test]
fn one_table_of_a_program_brings_the_others_unless_a_package_has_some() {
    let world = World::new()
        .made("usr/local/share/geo/berlin.txt", b"x")
        .made("usr/local/share/geo/more/oslo.txt", b"x")
        .made("etc/shop/shop.conf", b"x")
        .made("etc/shop/taxes.conf", b"x")
        .made("etc/httpd/passwords", b"x")
        .made("etc/httpd/other", b"x");
    world.check(
        &[
            "/usr/local/share/geo/berlin.txt",
            "/etc/shop/shop.conf",
            "/etc/httpd/passwords",
        ],
        expect![[r"
            /etc/httpd/passwords (used)
            /etc/shop/shop.conf (used)
            /etc/shop/taxes.conf (used)
            /usr/local/share/geo (used)
        "]],
    );
}

#[test]
fn settings_and_scripts_keep_what_they_name_and_instructions_made() {
    let settings = b"root /var/www/site;\nauth_file /etc/httpd/passwords;\ninclude /etc/httpd/httpd.conf;\nhome /app;\nlib /usr/share;\nurl http://localhost/etc/shop;\n";
    World::new()
        .copied("etc/httpd/conf.d/site.conf", settings)
        .copied("var/www/site/index.html", b"x")
        .copied("var/www/site/a/b.css", b"x")
        .copied("app/main.py", b"x")
        .made("etc/httpd/passwords", b"also /etc/httpd/groups")
        .made("etc/httpd/groups", b"x")
        .made("etc/httpd/unnamed", b"x")
        .check(
            &["/etc/httpd/conf.d/site.conf"],
            expect![[r"
            /etc/httpd/conf.d (used)
            /etc/httpd/groups (/etc/httpd/passwords names it)
            /etc/httpd/passwords (/etc/httpd/conf.d/site.conf names it)
            /var/www/site (/etc/httpd/conf.d/site.conf names it)
        "]],
        );
}

#[test]
fn what_was_copied_beside_files_of_a_package_stays_with_whoever_names_the_directory() {
    World::new()
        .copied("usr/share/httpd/html/index.html", b"x")
        .copied("usr/share/httpd/html/about.html", b"x")
        .copied("usr/share/httpd/html/css/site.css", b"x")
        .made("usr/share/httpd/html/css/site.css.gz", b"x")
        .copied("usr/share/doc/shop", b"x")
        .copied("etc/httpd/conf.d/site.conf", b"x")
        .check(
            &["/etc/httpd/httpd.conf"],
            expect![[r"
            /etc/httpd/httpd.conf (used)
            /usr/share/httpd/html/about.html (/etc/httpd/httpd.conf names it)
            /usr/share/httpd/html/css (/etc/httpd/httpd.conf names it)
            /usr/share/httpd/html/index.html (/etc/httpd/httpd.conf names it)
        "]],
        );
}

#[test]
fn an_environment_that_names_itself_is_not_kept_whole() {
    World::new()
        .made(
            "opt/venv/pyvenv.cfg",
            b"command = python3 -m venv /opt/venv\n",
        )
        .made("opt/venv/bin/pip", b"#!/opt/venv/bin/python\n")
        .made("opt/venv/lib/python3.13/site-packages/pip/a.json", b"x")
        .check(
            &["/opt/venv/pyvenv.cfg"],
            expect![[r"
            /opt/venv/pyvenv.cfg (used)
        "]],
        );
}
