//! A context as a source of copies: with and without a walk, the same.

use std::sync::Arc;

use crate::context::source::{OpenContext, OpenContexts};
use crate::exec::{Digests, FileKind, Files, Lookup, Node, Xattrs};

use super::*;

/// Everything below a path, with what there is to say of it.
fn list(source: &OpenContext<'_>, path: &Path, lines: &mut Vec<String>) {
    for (name, node) in source.list(path).unwrap() {
        let path = path.join(name);
        let alone = Lookup::node(source, &path).unwrap().unwrap();
        assert_eq!(line(&path, &node), line(&path, &alone));
        lines.push(line(&path, &node));
        if node.meta.is_dir() {
            list(source, &path, lines);
        }
    }
}

fn line(path: &Path, node: &Node) -> String {
    let kind = node.meta.kind;
    let mut line = format!("{kind:?} {} {:o}", path.display(), node.meta.mode);
    if kind == FileKind::File {
        line = format!("{line} {}", node.meta.size);
    }
    line
}

#[test]
fn a_walk_changes_nothing_of_what_is_found() {
    let files = ["a/b/keep", "a/b/other", "a/c/x", "d/e/f", "d.x", "a.txt"];
    for ignore in ["", "*\n!a/b/keep", "**/x\na/b\nd*", "a/**\n!**/keep"] {
        let world = World::new(&files);
        fs::write(world.path("Dockerfile.dockerignore"), ignore).unwrap();
        symlink("nowhere", world.path("a/link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap());
        let context = world.context();
        let listing = |prepare: Option<&str>| {
            let contexts = OpenContexts::new(world.dir.path());
            let source = contexts.get(&context).unwrap();
            assert!(Arc::ptr_eq(&source, &contexts.get(&context).unwrap()));
            if let Some(path) = prepare {
                source.prepare(Path::new(path)).unwrap();
            }
            let mut lines = Vec::new();
            list(&source, Path::new(""), &mut lines);
            lines.join("\n")
        };
        let alone = listing(None);
        for path in ["", "a", "a/b", "nothing", "a.txt"] {
            assert_eq!(alone, listing(Some(path)), "{ignore:?} {path}");
        }
    }
}

#[test]
fn a_file_that_changed_after_the_walk_is_not_opened() {
    let world = World::new(&["file"]);
    let context = world.context();
    let contexts = OpenContexts::new(world.dir.path());
    let source = contexts.get(&context).unwrap();
    source.prepare(Path::new("")).unwrap();
    let node = Lookup::node(&*source, Path::new("file")).unwrap().unwrap();
    let opened = node.open().unwrap();
    opened.check(&node).unwrap();
    // Later than any tick of the clock.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(world.path("file"), "filf").unwrap();
    expect![[
        "it was changed while the build was reading it; build again when nothing writes to it, or leave it out with `.dockerignore`"
    ]]
    .assert_eq(&opened.check(&node).unwrap_err().to_string());
    assert!(node.open().is_err());
}

#[test]
fn a_file_that_was_just_changed_must_have_one_content() {
    let world = World::new(&[]);
    let context = world.context();
    let contexts = OpenContexts::new(world.dir.path());
    let source = contexts.get(&context).unwrap();
    world.write("file", "text");
    let node = Lookup::node(&*source, Path::new("file")).unwrap().unwrap();
    let learned = |text: &str| {
        source.learned(
            &node,
            jettison_oci::Digest::of(text.as_bytes()),
            &Xattrs::new(),
        )
    };
    learned("text").unwrap();
    assert_eq!(source.known(&node), None);
    learned("text").unwrap();
    assert!(learned("other").is_err());
}

#[test]
fn what_was_read_is_known_to_the_next_build() {
    let world = World::new(&["file"]);
    std::thread::sleep(std::time::Duration::from_millis(70));
    let context = world.context();
    let digest = jettison_oci::Digest::of(b"file");
    for is_known in [false, true] {
        let contexts = OpenContexts::new(world.dir.path());
        let source = contexts.get(&context).unwrap();
        let node = Lookup::node(&*source, Path::new("file")).unwrap().unwrap();
        assert_eq!(source.known(&node), is_known.then_some(digest));
        assert_eq!(node.xattrs.is_some(), is_known);
        source.learned(&node, digest, &Xattrs::new()).unwrap();
        contexts.save().unwrap();
    }
}
