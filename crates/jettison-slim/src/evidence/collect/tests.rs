use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::*;

/// An ELF program without a loader, whose only content is `text`.
pub(crate) fn program(text: &[u8], is_go: bool) -> Vec<u8> {
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    info.extend(b"\x06go1.19\x00");
    let names = b"\0.names\0.rodata\0.go.buildinfo\0";
    let mut sections: Vec<(u32, &[u8])> = vec![(0, b""), (1, names), (8, text)];
    if is_go {
        sections.push((16, &info));
    }
    let mut bytes = vec![0_u8; 64];
    let mut table = Vec::new();
    for (index, (name, data)) in sections.iter().enumerate() {
        let mut header = [0_u8; 64];
        header[0..4].copy_from_slice(&name.to_le_bytes());
        let kind: u32 = [0, 3, 1, 1][index];
        header[4..8].copy_from_slice(&kind.to_le_bytes());
        header[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(data.len() as u64).to_le_bytes());
        table.extend(header);
        bytes.extend(*data);
    }
    let start = bytes.len() as u64;
    bytes.extend(table);
    bytes[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
    for (at, value) in [(16, 2_u16), (18, 62), (52, 64), (58, 64), (62, 1)] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    bytes[60..62].copy_from_slice(&u16::try_from(sections.len()).unwrap().to_le_bytes());
    bytes[20..24].copy_from_slice(&1_u32.to_le_bytes());
    bytes[40..48].copy_from_slice(&start.to_le_bytes());
    bytes
}

/// An image in which `RUN` made a Go program at `/app/app` and some files, and a `COPY` brought others.
struct World {
    dir: TempDir,
    copied: TempDir,
    config: RunConfig,
}

impl World {
    fn new(text: &str) -> World {
        World::with(&program(text.as_bytes(), true))
    }

    fn with(bytes: &[u8]) -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        let path = dir.path().join("app/app");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let config = RunConfig {
            cmd: Some(vec!["./app".to_string()]),
            working_dir: "/app".to_string(),
            ..RunConfig::default()
        };
        let copied = tempfile::tempdir().unwrap();
        World {
            dir,
            copied,
            config,
        }
    }

    fn file(self, path: &str, text: &str) -> World {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn copied(self, path: &str, text: &str, mode: u32) -> World {
        let place = self.copied.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, text).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        let world = self.file(path, text);
        let place = world.dir.path().join(path);
        fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        world
    }

    fn cmd(mut self, words: &[&str]) -> World {
        self.config.cmd = Some(words.iter().map(ToString::to_string).collect());
        self
    }

    #[track_caller]
    fn check(&self, expected: Expect) {
        let root = RootDir::open(self.dir.path()).unwrap();
        let step = |files: &TempDir, copies| Step {
            files: files.path().to_path_buf(),
            line: 4,
            copies,
            ..Step::default()
        };
        let steps = [step(&self.dir, false), step(&self.copied, true)];
        let shown = match collect_from(&self.config, &steps, &root) {
            Ok(evidence) => evidence
                .runtime
                .kept
                .iter()
                .map(|kept| kept.path.display().to_string())
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }
}

#[test]
fn a_program_alone_is_all_that_is_kept() {
    World::new("hello")
        .file("app/main.go", "package main")
        .file("app/README.md", "Read me")
        .file("app/assets/logo.svg", "<svg/>")
        .check(expect!["/app/app"]);
}

#[test]
fn files_that_the_program_names_are_kept() {
    World::new("read config/app.json and seed")
        .file("app/config/app.json", "{}")
        .file("app/seed.db", "data")
        .file("app/other.bin", "x")
        .check(expect!["/app/app /app/config /app/seed.db"]);
}

#[test]
fn names_that_every_file_system_has_keep_nothing() {
    World::new("/usr/lib/go/src, share, local and opt")
        .file("usr/local/share/fonts/.uuid", "x")
        .file("opt/tool/settings", "x")
        .check(expect!["/app/app"]);
}

#[test]
fn names_that_are_put_together_are_recognized_by_their_parts() {
    World::new("open lang_")
        .file("app/lang_de", "hallo")
        .check(expect!["/app/app /app/lang_de"]);
}

#[test]
fn a_program_that_lists_directories_gets_them_whole() {
    World::new("os.(*File).readdir")
        .file("app/main.go", "package main")
        .file("app/posts/a.md", "a")
        .file("app/posts/README.md", "b")
        .file("app/posts/example.go", "package x")
        .check(expect!["/app/app /app/posts"]);
}

#[test]
fn what_a_directory_holds_that_calls_itself_a_cache_is_not_listed() {
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# made by cargo";
    World::new("os.(*File).readdir")
        .file("app/target/CACHEDIR.TAG", tag)
        .file("app/target/release/deps/x.json", "{}")
        .file("app/words/CACHEDIR.TAG", "only called so")
        .file("app/words/de", "ja")
        .check(expect!["/app/app /app/words"]);
}

#[test]
fn what_commands_installed_below_usr_local_is_kept_by_its_name() {
    World::new("os.(*File).readdir of /usr/local/share/quotes")
        .file("usr/local/share/quotes/a", "x")
        .file("usr/local/share/ca-certificates/own.crt", "x")
        .check(expect!["/app/app /usr/local/share/quotes"]);
}

#[test]
fn a_program_that_was_installed_with_others_is_not_taken_alone() {
    let mut world = World::new("x")
        .file("usr/local/bin/shop", "")
        .file("usr/local/bin/till", "");
    for name in ["shop", "till"] {
        let path = world.dir.path().join("usr/local/bin").join(name);
        fs::copy(world.dir.path().join("app/app"), path).unwrap();
    }
    world = world.cmd(&["shop"]);
    world.check(expect![
        "/usr/local/bin/shop was installed together with other programs (/usr/local/bin/till), which a run may be told to start"
    ]);
}

#[test]
fn what_a_program_that_lists_directories_does_not_get_is_said() {
    let world = World::new("os.(*File).readdir")
        .file("app/main.go", "package main")
        .file("app/data.csv", "1");
    let root = RootDir::open(world.dir.path()).unwrap();
    let step = Step {
        files: world.dir.path().to_path_buf(),
        line: 4,
        copies: false,
        ..Step::default()
    };
    let evidence = collect_from(&world.config, &[step], &root).unwrap();
    let notes: Vec<String> = evidence.facts.iter().map(ToString::to_string).collect();
    expect!["/app/app can list directories, but gets nothing that looks like sources and papers (/app/main.go): add a probe if it reads these (/app/app)"]
        .assert_eq(notes.last().unwrap());
}

#[test]
fn what_the_compiler_embedded_is_not_kept() {
    World::new("embed.FS page.html <p>the page</p>")
        .file("app/page.html", "<p>the page</p>")
        .file("app/page2.html", "<p>another page</p>")
        .check(expect!["/app/app /app/page2.html"]);
}

#[test]
fn absolute_paths_are_kept_and_secrets_are_not() {
    World::new("/etc/app.conf/etc/shadow/usr/bin/tool/srv/data/x")
        .file("etc/app.conf", "")
        .file("etc/shadow", "root:*")
        .file("usr/bin/tool", "")
        .file("srv/data/y", "")
        .check(expect!["/app/app /etc/app.conf /srv/data"]);
}

#[test]
fn a_file_to_be_written_where_the_final_stage_has_no_directory_is_refused() {
    World::new("/var/log/app.log")
        .file("var/log/apt", "")
        .check(expect!["/app/app names a file or directory below /var/log that is not there, so it may make it; the final stage would have no /var/log"]);
}

#[test]
fn arguments_and_variables_that_name_paths_keep_them() {
    let mut world = World::new("x")
        .file("etc/q.z", "")
        .file("opt/v/w", "")
        .cmd(&["./app", "-config=/etc/q.z"]);
    world.config.env = vec!["DATA=/opt/v".to_string(), "GOROOT=/etc".to_string()];
    world.check(expect!["/app/app /etc/q.z /opt/v"]);
    World::new("x")
        .file("usr/y", "")
        .cmd(&["./app", "/usr"])
        .check(expect![
            "the command's argument names /usr, which is too much to copy and too much to leave out"
        ]);
}

#[test]
fn programs_that_start_others_are_refused() {
    World::new("os.StartProcess").check(expect![
        "/app/app can start other programs (os.StartProcess), which are not traced yet"
    ]);
    World::with(&program(b"sh -c /bin/sh", false)).check(expect![
        "/app/app can start other programs (/bin/sh), which are not traced yet"
    ]);
}

#[test]
fn programs_that_hide_what_they_do_are_refused() {
    World::with(&program(b"UPX!", false)).check(expect![
        "/app/app is packed (UPX), so nothing can be seen of what it needs"
    ]);
    World::with(&program(b"GLIBC_TUNABLES", false)).check(expect!["/app/app is linked statically with glibc and stripped, so it cannot be told whether it loads modules of glibc (name service, character sets); leave its symbols in or link it with musl"]);
    World::with(&program(b"musl", false)).check(expect!["/app/app"]);
}

#[test]
fn a_link_to_the_program_is_followed_unless_the_program_asks_where_it_is() {
    for (text, expected) in [
        ("x", expect!["/srv/tool"]),
        (
            "os.Executable",
            expect![
                "/srv/tool is a link to /app/app, and the program asks for its own place; start it by its real path"
            ],
        ),
    ] {
        let world = World::new(text).cmd(&["/srv/tool"]);
        fs::create_dir(world.dir.path().join("srv")).unwrap();
        symlink("/app/app", world.dir.path().join("srv/tool")).unwrap();
        world.check(expected);
    }
}

#[test]
fn setuid_programs_and_scripts_are_refused() {
    let world = World::new("x");
    let path = world.dir.path().join("app/app");
    fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).unwrap();
    world.check(expect![
        "/app/app is setuid or setgid, and not every builder's COPY keeps that"
    ]);
    World::with(b"#!/bin/sh\n").check(expect![
        "/app/app is a script for /bin/sh; scripts are not moved yet"
    ]);
    World::with(b"text").check(expect!["/app/app is neither an ELF program nor a script"]);
}

#[test]
fn programs_of_packages_are_refused() {
    World::new("x")
        .file("var/lib/dpkg/info/x.list", "/app\n/app/app\n")
        .check(expect![
            "/app/app belongs to a Debian package; programs of packages are not moved yet"
        ]);
}

#[test]
fn a_directory_of_the_user_above_the_program_is_refused() {
    let mut world = World::new("x");
    world.config.user = "65534:65534".to_string();
    world.check(expect!["/app/app"]);
    let path = world.dir.path().join("app");
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    world.check(expect!["the image's user 65534:65534 may write into /app, which would belong to root in the final stage"]);
}

#[test]
fn instructions_that_are_not_carried_over_are_refused() {
    let mut world = World::new("x");
    world.config.volumes.insert("/data".to_string());
    world.check(expect![
        "the image has a VOLUME, which is not carried over yet"
    ]);
    World::new("x").cmd(&[]).check(expect![
        "the image has neither ENTRYPOINT nor CMD, so there is no program to keep"
    ]);
}

#[test]
fn a_go_program_that_knows_time_zones_gets_those_of_its_go_as_well() {
    let text = "/usr/share/zoneinfo/ /lib/time/zoneinfo.zip /usr/local/go";
    World::new(text)
        .file("usr/share/zoneinfo/UTC", "TZif")
        .file("usr/local/go/lib/time/zoneinfo.zip", "PK")
        .file("usr/local/go/bin/go", "")
        .check(expect![
            "/app/app /usr/local/go/lib/time/zoneinfo.zip /usr/share/zoneinfo"
        ]);
    World::new("/lib/time/zoneinfo.zip")
        .file("usr/local/go/lib/time/zoneinfo.zip", "PK")
        .check(expect!["/app/app"]);
}

#[test]
fn the_homes_of_tools_are_not_data() {
    let mut world = World::new("github.com/google/go-cmp").file("go/pkg/mod/x", "");
    world.config.env = vec!["GOPATH=/go".to_owned()];
    world.check(expect!["/app/app"]);
}

#[test]
fn what_was_brought_for_who_runs_the_image_is_kept_and_its_programs_are_refused() {
    World::new("hello")
        .copied("opt/rules/strict.yaml", "a: 1\n", 0o644)
        .copied("app/notes.txt", "x", 0o644)
        .check(expect!["/app/app"]);
    World::new("hello")
        .copied("opt/rules/strict.yaml", "a: 1\n", 0o644)
        .check(expect!["/app/app /opt/rules/strict.yaml"]);
    World::new("hello")
        .copied("usr/local/bin/backup", "#!/bin/sh\n", 0o755)
        .check(expect![
            "/usr/local/bin/backup was copied for whoever runs the image to start it"
        ]);
}
