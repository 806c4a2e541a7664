//! What ADD unpacks. The answers are those of BuildKit 0.34 for the same archives.

use expect_test::expect;
use std::fs;
use std::os::unix::fs::symlink;

use super::World;

/// Writes a tar file: name, type flag, mode, and content or target of each entry. All belong to 5:6.
pub(super) fn tar(world: &World, name: &str, entries: &[(&str, u8, u32, &str)]) {
    let mut bytes = Vec::new();
    for (path, flag, mode, text) in entries {
        let mut header = [0; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        let is_file = *flag == b'0';
        let size = if is_file { text.len() } else { 0 };
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000005");
        put(116, "0000006");
        put(124, &format!("{size:011o}"));
        put(136, "07346545000");
        put(148, "        ");
        put(156, std::str::from_utf8(&[*flag]).unwrap());
        if !is_file {
            put(157, text);
        }
        put(257, "ustar\u{0}00");
        if *flag == b'3' {
            put(329, "0000001");
            put(337, "0000003");
        }
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        if is_file {
            bytes.extend(text.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.extend([0; 1024]);
    fs::write(world.path("context").join(name), bytes).unwrap();
}

#[test]
fn archives_are_unpacked_with_their_owners_and_modes() {
    let world = World::new();
    tar(
        &world,
        "a.tar",
        &[
            ("imp/f", b'0', 0o4755, "x"),
            ("d", b'5', 0o700, ""),
            ("d/l", b'2', 0o777, "../x"),
            ("d/h", b'1', 0o600, "imp/f"),
            ("p", b'6', 0o622, ""),
            ("c", b'3', 0o666, ""),
        ],
    );
    world.check(
        "ADD --on=scratch a.tar /new/place",
        expect![[r"
        0755 /new/
        0755 /new/place/
        0666 5:6 /new/place/c
        0700 5:6 /new/place/d/
        0600 5:6 /new/place/d/h
        0777 5:6 /new/place/d/l -> ../x
        0755 /new/place/imp/
        0600 5:6 /new/place/imp/f = /new/place/d/h
        0622 5:6 /new/place/p
    "]],
    );
    world.check(
        "ADD --on=scratch --chown=7:8 --chmod=600 a.tar /new/place",
        expect![[r"
            0755 7:8 /new/
            0755 7:8 /new/place/
            0666 7:8 /new/place/c
            0700 7:8 /new/place/d/
            0600 7:8 /new/place/d/h
            0777 7:8 /new/place/d/l -> ../x
            0755 /new/place/imp/
            0600 7:8 /new/place/imp/f = /new/place/d/h
            0622 7:8 /new/place/p
        "]],
    );
    world.check(
        "COPY --on=scratch a.tar /new/",
        expect![[r"
        0755 /new/
        0644 /new/a.tar
    "]],
    );
    world.check(
        "ADD --on=scratch a.txt /new/",
        expect![[r"
        0755 /new/
        4755 /new/a.txt
    "]],
    );
    world.check(
        "ADD a.tar /etc/passwd",
        expect![[r"
        error: mkdir /etc/passwd: not a directory
    "]],
    );
    world.check(
        "ADD a.tar /dangling",
        expect![[r"
        0755 /far/
        0755 /far/away/
        0666 5:6 /far/away/c
        0700 5:6 /far/away/d/
        0600 5:6 /far/away/d/h
        0777 5:6 /far/away/d/l -> ../x
        0755 /far/away/imp/
        0600 5:6 /far/away/imp/f = /far/away/d/h
        0622 5:6 /far/away/p
    "]],
    );
}

#[test]
fn what_is_there_is_merged_or_replaced() {
    let world = World::new();
    world.write("2/t/x/sub/deep", "");
    world.write("2/t/y/keep", "");
    world.write("2/t/r/old", "");
    world.write("2/t/theirs", "1");
    symlink("/r", world.path("2/t/s")).unwrap();
    tar(
        &world,
        "b.tar",
        &[
            ("x", b'0', 0o644, "x"),
            ("y", b'5', 0o711, ""),
            ("s/q", b'0', 0o644, "q"),
            ("new/z", b'0', 0o644, "z"),
            ("./", b'5', 0o700, ""),
        ],
    );
    world.check(
        "ADD b.tar /t",
        expect![[r"
        0755 /t/
        0755 /t/new/
        0644 5:6 /t/new/z
        0755 /t/r/
        0644 5:6 /t/r/q
        0644 5:6 /t/x
        0711 5:6 /t/y/
    "]],
    );
    tar(
        &world,
        "c.tar",
        &[
            ("x", b'0', 0o644, "x"),
            ("x", b'5', 0o755, ""),
            ("x/new", b'0', 0o644, ""),
            ("x/sub", b'5', 0o755, ""),
        ],
    );
    world.check(
        "ADD c.tar /t",
        expect![[r#"
        0755 /t/
        0755 5:6 /t/x/ hides ["sub"]
        0644 5:6 /t/x/new
        0755 5:6 /t/x/sub/ hides ["deep"]
    "#]],
    );
    tar(&world, "d.tar", &[("mine", b'1', 0o640, "theirs")]);
    world.check(
        "ADD d.tar /t",
        expect![[r"
        0755 /t/
        0640 5:6 /t/mine
        0640 5:6 /t/theirs = /t/mine
    "]],
    );
    world.check(
        "ADD d.tar /srv",
        expect![[r"
        error: link /theirs /mine: no such file or directory
    "]],
    );
}

#[test]
fn nothing_leads_out_of_the_destination() {
    let world = World::new();
    symlink("/etc", world.path("2/srv/out")).unwrap();
    symlink("../../..", world.path("2/srv/up")).unwrap();
    tar(
        &world,
        "a.tar",
        &[
            ("/abs/f", b'0', 0o644, ""),
            ("etc", b'5', 0o755, ""),
            ("out/f", b'0', 0o644, ""),
            ("up/g", b'0', 0o644, ""),
            ("own", b'2', 0o777, "/etc"),
            ("own/h", b'0', 0o644, ""),
        ],
    );
    world.check(
        "ADD a.tar /srv",
        expect![[r"
            0755 /srv/
            0755 /srv/abs/
            0644 5:6 /srv/abs/f
            0755 5:6 /srv/etc/
            0644 5:6 /srv/etc/f
            0644 5:6 /srv/etc/h
            0644 5:6 /srv/g
            0777 5:6 /srv/own -> /etc
        "]],
    );
    tar(&world, "b.tar", &[("../evil", b'0', 0o644, "")]);
    world.check(
        "ADD b.tar /srv",
        expect![[r"
            0755 /srv/
            0644 5:6 /srv/evil
        "]],
    );
    tar(&world, "c.tar", &[("passwd", b'1', 0o644, "../etc/passwd")]);
    world.check(
        "ADD c.tar /srv",
        expect![[r"
        error: link /etc/passwd /passwd: no such file or directory
    "]],
    );
    tar(
        &world,
        "d.tar",
        &[("l", b'2', 0o777, "l"), ("l/f", b'0', 0o644, "")],
    );
    world.check(
        "ADD d.tar /srv",
        expect![[r"
        error: cannot copy to /l: too many links
    "]],
    );
}

#[test]
fn a_link_to_nothing_is_not_made_something() {
    let world = World::new();
    let entries = [("l", b'2', 0o777, "../tmp"), ("l/f", b'0', 0o644, "")];
    tar(&world, "a.tar", &entries);
    world.check(
        "ADD --on=scratch a.tar /x",
        expect![[r"
        error: open /l/f: no such file or directory
    "]],
    );
    let entries = [
        ("f", b'0', 0o644, ""),
        ("g", b'0', 0o644, ""),
        (".wh.g", b'0', 0o644, ""),
    ];
    tar(&world, "b.tar", &entries);
    world.check(
        "ADD --on=scratch b.tar /x",
        expect![[r"
        0755 /x/
        0644 5:6 /x/f
    "]],
    );
}
