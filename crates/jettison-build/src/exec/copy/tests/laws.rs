//! Laws of writing changes.

use jettison_oci::{Compression, Layer, LayerOptions, LayerWriter, Store, write_layer};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{World, run};
use crate::exec::copy::changes::Changes;
use crate::exec::copy::{Outputs, Owners};
use crate::exec::files::{FileKind, Files, Root};
use crate::exec::merged::{Merged, MergedLayer};

const OPTIONS: LayerOptions = LayerOptions {
    compression: Compression::STORE,
    clamp_mtime: None,
};

/// Writes changes in all ways, and says what the layer is.
fn layer_of(world: &World, changes: &Changes, lowers: &[PathBuf]) -> Layer {
    let store = Store::open(&world.path("store")).unwrap();
    let upper = |name: &str| {
        let upper = world.path(name);
        if upper.exists() {
            fs::remove_dir_all(&upper).unwrap();
        }
        fs::create_dir(&upper).unwrap();
        upper
    };
    let write = |upper: Option<&Path>, layer: Option<&mut LayerWriter>| {
        let outputs = Outputs {
            upper: upper.map(|path| (path, Owners::Exact)),
            layer,
            index: None,
        };
        changes.write(outputs).unwrap();
    };
    let alone = upper("alone");
    write(Some(&alone), None);
    let from_upper = write_layer(&store, &alone, lowers, &OPTIONS).unwrap();

    assert_eq!(streamed(world, changes), from_upper);

    let beside = upper("beside");
    let mut layer = LayerWriter::new(&store, &OPTIONS).unwrap();
    write(Some(&beside), Some(&mut layer));
    assert_eq!(layer.finish().unwrap(), from_upper);
    assert_eq!(
        write_layer(&store, &beside, lowers, &OPTIONS).unwrap(),
        from_upper
    );
    from_upper
}

/// The layer without an upper directory.
fn streamed(world: &World, changes: &Changes) -> Layer {
    let store = Store::open(&world.path("store")).unwrap();
    let mut layer = LayerWriter::new(&store, &OPTIONS).unwrap();
    let outputs = Outputs {
        upper: None,
        layer: Some(&mut layer),
        index: None,
    };
    changes.write(outputs).unwrap();
    layer.finish().unwrap()
}

#[test]
fn a_layer_is_the_same_however_it_is_written() {
    if !rustix::process::getuid().is_root() {
        // Files of the stage can only be given to root by root.
        return;
    }
    let world = World::new();
    world.write("context/big/zeros", &"0".repeat(3 << 20));
    fs::hard_link(
        world.path("context/big/zeros"),
        world.path("context/big/more"),
    )
    .unwrap();
    // More than one chunk of them.
    for number in 0..600 {
        world.write(&format!("context/many/{}/{number}", number % 7), "text");
    }
    symlink("far", world.path("context/many/link")).unwrap();
    assert!(run("mkfifo", &[&world.path("context/many/fifo")]));
    world.write("2/srv/x/sub/deep", "");
    super::archives::tar(
        &world,
        "a.tar",
        &[
            ("x", b'0', 0o644, "x"),
            ("x", b'5', 0o755, ""),
            ("x/large", b'0', 0o644, &"0".repeat(2 << 20)),
            ("x/new", b'1', 0o644, "x/large"),
            ("keep", b'2', 0o777, "x"),
        ],
    );
    for instruction in [
        "COPY . /srv",
        "COPY d a.txt /srv/old/",
        "COPY --chmod=4710 --chown=app:staff d big /link/made/",
        "COPY --from=stage / /copy/",
        "COPY --link d /srv",
        "COPY --link a.txt /srv",
        "COPY nothing* /srv",
        "ADD a.tar /srv",
    ] {
        let changes = world.copy(instruction).unwrap();
        let is_linked = instruction.contains("--link");
        let lowers = if is_linked {
            Vec::new()
        } else {
            world.lowers().to_vec()
        };
        let first = layer_of(&world, &changes, &lowers);
        let again = world.copy(instruction).unwrap();
        assert_eq!(first, streamed(&world, &again), "{instruction}");
    }
}

#[test]
fn a_linked_layer_does_not_depend_on_what_is_below() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let world = World::new();
    let on_stage = world.copy("COPY --link d /link/x/").unwrap();
    let on_nothing = world.copy("COPY --link --on=scratch d /link/x/").unwrap();
    assert_eq!(
        layer_of(&world, &on_stage, &[]),
        layer_of(&world, &on_nothing, &[])
    );
}

#[test]
fn a_file_that_is_swapped_for_a_link_is_not_followed() {
    let world = World::new();
    let changes = world.copy("COPY --on=scratch d /x").unwrap();
    fs::remove_file(world.path("context/d/c.txt")).unwrap();
    symlink("/etc/passwd", world.path("context/d/c.txt")).unwrap();
    let upper = world.path("upper");
    fs::create_dir(&upper).unwrap();
    let outputs = Outputs {
        upper: Some((&upper, Owners::Squashed)),
        layer: None,
        index: None,
    };
    let failure = changes.write(outputs).unwrap_err();
    assert_eq!(failure.to_string(), "cannot read /d/c.txt");
}

#[test]
fn a_file_of_a_context_that_changes_after_its_key_was_made_is_not_copied() {
    let world = World::new();
    // One that is read as a whole, and one that is not.
    for (number, size) in [3, 2 << 20].into_iter().enumerate() {
        world.write("context/d/c.txt", &"c".repeat(size));
        let file = world.path("context/d/c.txt");
        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        let changes = world.copy("COPY --on=scratch d /x").unwrap();
        // Longer than a tick of the clock.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "d".repeat(size)).unwrap();
        let opened = fs::File::options().append(true).open(&file).unwrap();
        opened.set_modified(modified).unwrap();
        let upper = world.path(&format!("upper-{number}"));
        fs::create_dir(&upper).unwrap();
        let outputs = Outputs {
            upper: Some((&upper, Owners::Squashed)),
            layer: None,
            index: None,
        };
        let failure = changes.write(outputs).unwrap_err();
        let cause = std::error::Error::source(&failure).unwrap();
        assert_eq!(failure.to_string(), "cannot read /d/c.txt");
        assert!(
            cause
                .to_string()
                .starts_with("it was changed while the build was reading it")
        );
    }
}

/// Every path below `at`, with what a copy of it would be.
fn everything(files: &dyn Files, at: &Path, lines: &mut Vec<String>) {
    for (name, node) in files.list(at).unwrap() {
        let path = at.join(name);
        let meta = &node.meta;
        let text = match meta.kind {
            FileKind::Symlink => node.target().unwrap(),
            FileKind::File => {
                let mut text = Vec::new();
                node.open().unwrap().content.read_to_end(&mut text).unwrap();
                text
            }
            _ => Vec::new(),
        };
        lines.push(format!(
            "{} {:?} {:o} {} {}:{} {:?}",
            path.display(),
            meta.kind,
            meta.mode,
            meta.mtime.0,
            meta.uid,
            meta.gid,
            text.escape_ascii().to_string(),
        ));
        if meta.is_dir() {
            everything(files, &path, lines);
        }
    }
}

#[test]
fn a_planned_layer_is_seen_as_the_written_one() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let world = World::new();
    world.write("2/srv/x/sub/deep", "");
    let entries = [
        ("x", b'0', 0o644, "x"),
        ("x", b'5', 0o755, ""),
        ("x/new", b'0', 0o644, "new"),
        ("x/same", b'1', 0o644, "x/new"),
    ];
    super::archives::tar(&world, "a.tar", &entries);
    for instruction in [
        "ADD a.tar /srv",
        "COPY . /link/",
        "COPY --link d /srv/x",
        "COPY --chown=app d /srv/old/file/../sub",
    ] {
        let changes = world.copy(instruction).unwrap();
        let upper = world.path("upper");
        if upper.exists() {
            fs::remove_dir_all(&upper).unwrap();
        }
        fs::create_dir(&upper).unwrap();
        let outputs = Outputs {
            upper: Some((&upper, Owners::Exact)),
            layer: None,
            index: None,
        };
        changes.write(outputs).unwrap();
        let seen = |top: MergedLayer| {
            let mut layers = vec![top];
            for lower in world.lowers() {
                layers.push(MergedLayer::Disk(Arc::new(Root::open(&lower).unwrap())));
            }
            let mut lines = Vec::new();
            everything(&Merged::new(layers), Path::new(""), &mut lines);
            lines
        };
        let written = seen(MergedLayer::Disk(Arc::new(Root::open(&upper).unwrap())));
        assert_eq!(
            seen(MergedLayer::Planned(Arc::new(changes))),
            written,
            "{instruction}"
        );
    }
}
