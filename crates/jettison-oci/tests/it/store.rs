//! The content store.

use std::fs;
use std::io::{Read, Write};

use expect_test::{Expect, expect};
use jettison_oci::{Digest, ManifestDigest, Reference, Store, StoreError};

use crate::scratch::{Scratch, chain, image_of};

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn names(store: &Store) -> Vec<String> {
    store
        .images()
        .unwrap()
        .iter()
        .map(|image| image.reference.familiar())
        .collect()
}

fn n_temporary(store: &Store) -> usize {
    fs::read_dir(store.root().join("tmp")).unwrap().count()
}

#[test]
fn what_is_put_is_read_back() {
    let store = Scratch::new().store.clone();
    // The directory is gone with its scratch, so a new one is needed for the rest.
    assert!(store.put(b"x").is_err());
    let scratch = Scratch::new();
    let (digest, size) = scratch.store.put(b"some bytes").unwrap();
    assert_eq!((digest, size), (Digest::of(b"some bytes"), 10));
    assert!(scratch.store.has(&digest));
    assert_eq!(scratch.store.size(&digest).unwrap(), 10);
    assert_eq!(scratch.store.read(&digest).unwrap(), b"some bytes");
}

#[test]
fn a_blob_that_is_not_finished_leaves_nothing() {
    let scratch = Scratch::new();
    let mut writer = scratch.store.blob_writer().unwrap();
    writer.write_all(b"half").unwrap();
    assert_eq!(n_temporary(&scratch.store), 1);
    drop(writer);
    assert_eq!(n_temporary(&scratch.store), 0);
    assert!(!scratch.store.has(&Digest::of(b"half")));
}

#[test]
fn a_blob_with_another_digest_than_expected_leaves_nothing() {
    let scratch = Scratch::new();
    let mut writer = scratch.store.blob_writer().unwrap();
    writer.write_all(b"other").unwrap();
    assert!(matches!(
        writer.finish_as(&Digest::of(b"expected")),
        Err(StoreError::Corrupt { .. })
    ));
    assert!(!scratch.store.has(&Digest::of(b"other")));
    assert_eq!(n_temporary(&scratch.store), 0);
}

#[test]
fn a_damaged_blob_is_found_out_and_can_be_put_again() {
    let scratch = Scratch::new();
    let (digest, _) = scratch.store.put(b"bytes").unwrap();
    fs::write(scratch.store.blob_path(&digest), b"bytez").unwrap();
    assert!(matches!(
        scratch.store.read(&digest),
        Err(StoreError::Corrupt { .. })
    ));
    let mut reader = scratch.store.open_blob(&digest).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    scratch.store.put(b"bytes").unwrap();
    assert_eq!(scratch.store.read(&digest).unwrap(), b"bytes");
}

#[test]
fn what_a_killed_process_left_is_removed_when_nobody_else_is_there() {
    let scratch = Scratch::new();
    let left = scratch.store.root().join("tmp/left");
    fs::write(&left, b"half a blob").unwrap();
    let root = scratch.store.root();
    drop(Store::open(root).unwrap());
    assert!(
        left.exists(),
        "another user of the store may still be writing it"
    );
    let alone = tempfile::tempdir().unwrap();
    drop(Store::open(alone.path()).unwrap());
    fs::write(alone.path().join("tmp/left"), b"half a blob").unwrap();
    let store = Store::open(alone.path()).unwrap();
    assert_eq!(n_temporary(&store), 0);
}

#[test]
fn a_half_made_store_is_completed() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
    fs::write(directory.path().join("oci-layout"), b"").unwrap();
    let store = Store::open(directory.path()).unwrap();
    let layout = fs::read_to_string(directory.path().join("oci-layout")).unwrap();
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    assert_eq!(store.images().unwrap(), []);
}

#[test]
fn a_store_of_another_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("version"), "jettison store 99\n").unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "is a store of version `jettison store 99`, which this program does not know"
        )
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_name_means_the_image_that_it_was_given_last() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.image("one"), scratch.image("two"));
    let name = reference("app");
    for image in [&one, &two] {
        let manifest = scratch.store.put_image(image).unwrap();
        scratch.store.tag(&name, &manifest, image).unwrap();
    }
    scratch
        .store
        .tag(&reference("also:1"), &two.manifest_digest(), &two)
        .unwrap();
    assert_eq!(names(&scratch.store), ["also:1", "app:latest"]);
    assert_eq!(scratch.store.find(&name).unwrap().unwrap(), two);
    assert!(scratch.store.untag(&name).unwrap());
    assert!(!scratch.store.untag(&name).unwrap());
    assert_eq!(scratch.store.find(&name).unwrap(), None);
    assert_eq!(names(&scratch.store), ["also:1"]);
}

#[test]
fn a_list_says_what_the_images_say() {
    let scratch = Scratch::new();
    let image = scratch.image("content");
    let manifest = scratch.store.put_image(&image).unwrap();
    scratch
        .store
        .tag(&reference("app"), &manifest, &image)
        .unwrap();
    let [listed] = &scratch.store.images().unwrap()[..] else {
        panic!("one image")
    };
    assert_eq!(listed.id, image.id());
    assert_eq!(listed.manifest, manifest);
    assert_eq!(listed.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(listed.unpacked_size, "content".len() as u64);
    let blobs = [image.layers()[0].blob.digest, image.id().0, manifest.0];
    let sizes = blobs.iter().map(|blob| scratch.store.size(blob).unwrap());
    assert_eq!(listed.stored_size, sizes.sum::<u64>());
}

#[test]
fn an_image_is_found_by_the_start_of_its_id() {
    let scratch = Scratch::new();
    let images: Vec<_> = (0..17).map(|n| scratch.image(&n.to_string())).collect();
    for image in &images {
        let id = image.id().to_string();
        assert_eq!(scratch.store.find_by_id(&id).unwrap().as_ref(), Some(image));
        assert_eq!(
            scratch
                .store
                .find_by_id(&id["sha256:".len()..40])
                .unwrap()
                .as_ref(),
            Some(image)
        );
    }
    // Of 17 IDs two share their first digit.
    let digits = "0123456789abcdef".chars().map(|digit| digit.to_string());
    let ambiguous = digits.filter(|digit| {
        matches!(
            scratch.store.find_by_id(digit),
            Err(StoreError::Ambiguous { .. })
        )
    });
    assert!(ambiguous.count() > 0);
    assert_eq!(scratch.store.find_by_id("").unwrap(), None);
    assert_eq!(scratch.store.find_by_id("../index").unwrap(), None);
}

#[test]
fn an_image_without_its_layers_is_not_stored() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let image = image_of(other.image("elsewhere").layers().to_vec());
    assert!(matches!(
        scratch.store.put_image(&image),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn names_given_at_the_same_time_are_all_kept() {
    let scratch = Scratch::new();
    let image = scratch.image("shared");
    let manifest = image.manifest_digest();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (root, image) = (scratch.store.root(), &image);
            scope.spawn(move || {
                let store = Store::open(root).unwrap();
                for n in 0..8 {
                    let name = reference(&format!("app:{writer}-{n}"));
                    store.tag(&name, &manifest, image).unwrap();
                }
            });
        }
    });
    assert_eq!(names(&scratch.store).len(), 32);
}

#[track_caller]
fn check_load(manifest: &[u8], expected: Expect) {
    let scratch = Scratch::new();
    let (digest, _) = scratch.store.put(manifest).unwrap();
    let error = scratch.store.load(&ManifestDigest(digest)).unwrap_err();
    expected.assert_eq(&chain(&error).replace(&digest.to_string(), "[DIGEST]"));
}

#[test]
fn what_is_not_a_manifest_is_said() {
    check_load(
        b"{",
        expect!["cannot read blob [DIGEST]: EOF while parsing an object at line 1 column 1"],
    );
    let config = Digest::of(b"nothing");
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{config}","size":1}},"layers":null}}"#
    );
    check_load(
        manifest.as_bytes(),
        expect![
            "there is no blob sha256:1785cfc3bc6ac7738e8b38cdccd1af12563c2b9070e07af336a1bf8c0f772b6a"
        ],
    );
}
