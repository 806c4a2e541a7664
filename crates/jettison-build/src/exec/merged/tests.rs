//! Merged layers against the kernel's own overlays.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, OFlags, XattrFlags};

use super::Merged;
use crate::exec::files::{FileKind, Files, Lookup};

/// What a layer has at a path.
#[derive(Clone, Copy, Debug)]
enum Thing {
    File,
    Directory,
    Opaque,
    Whiteout,
    Link,
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        3 => Just(Thing::File),
        4 => Just(Thing::Directory),
        2 => Just(Thing::Opaque),
        2 => Just(Thing::Whiteout),
        1 => Just(Thing::Link),
    ]
}

/// Puts something into a layer, if there is room.
fn place(layer: &Path, path: &str, thing: Thing, size: usize) {
    let at = layer.join(path);
    let parent = at.parent().unwrap();
    let is_free = |path: &Path| path.symlink_metadata().is_err();
    let is_blocked = parent
        .ancestors()
        .take_while(|above| *above != layer)
        .any(|above| !is_free(above) && !above.symlink_metadata().unwrap().is_dir());
    if is_blocked || !is_free(&at) {
        return;
    }
    fs::create_dir_all(parent).unwrap();
    match thing {
        Thing::File => fs::write(&at, "x".repeat(size)).unwrap(),
        Thing::Directory => fs::create_dir(&at).unwrap(),
        Thing::Opaque => {
            fs::create_dir(&at).unwrap();
            let directory = rustix::fs::open(&at, OFlags::RDONLY, Mode::empty()).unwrap();
            let name = "user.overlay.opaque";
            rustix::fs::fsetxattr(directory, name, b"y", XattrFlags::empty()).unwrap();
        }
        Thing::Whiteout => {
            let mode = Mode::empty();
            rustix::fs::mknodat(CWD, &at, FileType::CharacterDevice, mode, 0).unwrap();
        }
        Thing::Link => symlink(format!("to{size}"), &at).unwrap(),
    }
}

/// Every path with its type, and its size or where it points to.
fn listing(merged: &Merged, at: &Path, lines: &mut Vec<String>) {
    for (name, node) in merged.list(at).unwrap() {
        let path = at.join(&name);
        let found = merged.node(&path).unwrap().unwrap();
        assert_eq!(format!("{:?}", found.meta), format!("{:?}", node.meta));
        let shown = path.display();
        match node.meta.kind {
            FileKind::Directory => {
                lines.push(format!("d {shown}"));
                listing(merged, &path, lines);
            }
            FileKind::Symlink => {
                let target = String::from_utf8(node.target().unwrap()).unwrap();
                lines.push(format!("l {shown} {target}"));
            }
            _ => lines.push(format!("f {shown} {}", node.meta.size)),
        }
    }
}

/// The same of a mounted overlay; nothing if this host does not let us mount one.
fn mounted(lowers: &[PathBuf], at: &Path) -> Option<Vec<String>> {
    let mut option = String::from("userxattr,lowerdir=");
    for (index, lower) in lowers.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(option, "{colon}{}", lower.display()).unwrap();
    }
    let script = r#"mount -t overlay overlay -o "$1" "$2" && cd "$2" &&
        find . -mindepth 1 \( -type d -printf 'd %P\n' -o -type l -printf 'l %P %l\n' -o -printf 'f %P %s\n' \)"#;
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", script, "sh", &option])
        .arg(at)
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    Some(lines)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn layers_are_merged_as_the_kernel_does_it(
        things in proptest::collection::vec(("[ab](/[ab](/[ab])?)?", thing(), 0..4_usize), 1..28),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let lowers: Vec<PathBuf> = (0..4).map(|index| dir.path().join(index.to_string())).collect();
        for lower in &lowers {
            fs::create_dir(lower).unwrap();
        }
        for (size, (path, thing, layer)) in things.iter().enumerate() {
            place(&lowers[*layer], path, *thing, size + 1);
        }
        let at = dir.path().join("at");
        fs::create_dir(&at).unwrap();
        let mut lines = Vec::new();
        listing(&Merged::open(&lowers).unwrap(), Path::new(""), &mut lines);
        lines.sort();
        if let Some(expected) = mounted(&lowers, &at) {
            prop_assert_eq!(lines, expected);
        }
    }
}
