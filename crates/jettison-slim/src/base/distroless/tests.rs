//! Images of small packages that are made here: what hostile ones cannot do, and what is the same every day.

use std::path::Path;

use expect_test::{Expect, expect};
use jettison_debian::Sha256;
use jettison_oci::{KeptBlocks, Store};

use super::*;
use crate::base::family::Recipes;

/// A member of a package's archive of files.
struct Member<'a> {
    name: &'a str,
    /// As in the header: a file, a hard link, a symbolic link, a device, a directory.
    kind: u8,
    mode: u32,
    link: &'a str,
    content: &'a [u8],
}

fn file<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    Member {
        name,
        kind: b'0',
        mode: 0o644,
        link: "",
        content,
    }
}

fn other<'a>(name: &'a str, kind: u8, link: &'a str) -> Member<'a> {
    Member {
        kind,
        link,
        mode: 0o755,
        ..file(name, b"")
    }
}

/// A tar of the members, of one day in 2001.
fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, member.name.as_bytes());
        put(100, format!("{:07o}\0", member.mode).as_bytes());
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", member.content.len()).as_bytes());
        put(136, format!("{:011o}\0", 1_000_000_000).as_bytes());
        put(148, b"        ");
        put(156, &[member.kind]);
        put(157, member.link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(member.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A package, which says that it is called `name`.
fn deb(name: &str, members: &[Member<'_>]) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: 1-2\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: a test\n"
    );
    let control = tar(&[file("./control", control.as_bytes())]);
    let data = tar(members);
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, member) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar", &control),
        ("data.tar", &data),
    ] {
        let size = member.len();
        bytes.extend_from_slice(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
                0, 0, 0, 100_644
            )
            .as_bytes(),
        );
        bytes.extend_from_slice(member);
    }
    bytes
}

/// The image of `recipe` and of packages, each with the name that a lock has for it.
fn assemble(
    dir: &Path,
    recipe: &str,
    packages: &[(&str, Vec<u8>)],
) -> Result<(Store, DistrolessImage), String> {
    let recipes = Recipes::family().with("test", "test.toml", recipe).unwrap();
    let levels = recipes.levels(&"test".parse().unwrap()).unwrap();
    let mut local = Vec::new();
    for (name, bytes) in packages {
        let path = dir.join(format!("{name}.deb"));
        std::fs::write(&path, bytes).unwrap();
        local.push(LocalPackage {
            name: (*name).to_string(),
            version: "1-2".parse().unwrap(),
            architecture: "all".parse().unwrap(),
            sha256: Sha256::of(bytes),
            path,
        });
    }
    let store = Store::open(&dir.join("store")).unwrap();
    let request = DistrolessRequest {
        title: "test",
        levels: &levels,
        packages: &local,
        architecture: &"amd64".parse().unwrap(),
        keep: &[],
        unpacked: &dir.join("unpacked"),
        blocks: &KeptBlocks::new(&dir.join("blocks")),
        linked: None,
        compiled: None,
    };
    let image = assemble_distroless(&store, &request).map_err(|error| {
        let shown = dir.display().to_string();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text.replace(&shown, "[DIR]")
    });
    image.map(|image| (store, image))
}

#[track_caller]
fn check(recipe: &str, packages: &[(&str, Vec<u8>)], expected: Expect) {
    let dir = tempfile::tempdir().unwrap();
    expected.assert_eq(&match assemble(dir.path(), recipe, packages) {
        Ok((_, image)) => {
            let files = image.packages.iter().flat_map(|package| &package.files);
            let paths: Vec<&str> = files.map(|file| file.path.as_str()).collect();
            paths.join(" ")
        }
        Err(error) => format!("error: {error}"),
    });
}

const ONE: &str = "packages = [\"one\"]\n";

#[track_caller]
fn check_one(members: &[Member<'_>], expected: Expect) {
    check(ONE, &[("one", deb("one", members))], expected);
}

#[test]
fn what_is_made_has_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = "packages = [\"one\"]\ngenerate = [\"accounts\", \"directories\", \"name-service\", \"library-cache\"]\nusers = [{ name = \"root\", uid = 0, home = \"/root\", shell = \"/none\" }]\nenv = { V = \"${version:one}\" }\n";
    let members = [
        file("./usr/bin/one", b"one"),
        other("./usr/bin/two", b'2', "one"),
        file("./usr/share/man/man1/one.1.gz", b"left out"),
    ];
    let (_, image) = assemble(dir.path(), recipe, &[("one", deb("one", &members))]).unwrap();
    // Whoever changes what is made changes both lines: then the images that everybody has are made anew.
    assert_eq!(crate::base::name::GENERATION, 1);
    expect!["sha256:3d8958e9624f8d225d6a346503f5940de9b7a12f9847da16cc0c7ad8a5b6ea66"]
        .assert_eq(&image.image.id().0.to_string());
}

#[test]
fn the_image_is_the_same_whatever_blocks_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let members = [
        file("./usr/bin/one", b"one"),
        file("./usr/lib/large", &large),
    ];
    let packages = [("one", deb("one", &members))];
    let manifest = || {
        let (_, image) = assemble(dir.path(), ONE, &packages).unwrap();
        image.image.manifest_digest()
    };
    let first = manifest();
    let blocks = dir.path().join("blocks");
    assert!(std::fs::read_dir(&blocks).unwrap().count() > 1);
    assert_eq!(manifest(), first);
    for entry in std::fs::read_dir(&blocks).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    assert_eq!(manifest(), first);
    std::fs::remove_dir_all(&blocks).unwrap();
    assert_eq!(manifest(), first);
}

#[test]
fn a_package_is_the_one_that_the_lock_says() {
    check(
        ONE,
        &[("one", deb("two", &[]))],
        expect!["error: cannot use [DIR]/one.deb: it is the package `two` and should be `one`"],
    );
}

#[test]
fn names_lead_nowhere_else() {
    check_one(
        &[file("../x", b"")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a file with the unsafe name `../x`"
        ],
    );
    check_one(
        &[file("/etc/x", b"")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a file with the absolute name `/etc/x`"
        ],
    );
    check_one(
        &[file("./usr/../../x", b"")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a file with the unsafe name `./usr/../../x`"
        ],
    );
    check_one(
        &[file("./usr/a\n0  usr/b", b"")],
        expect![[r"
        error: cannot take `usr/a
        0  usr/b` from [DIR]/one.deb: its name has more than one line"]],
    );
    check_one(
        &[other("./dev/null", b'3', "")],
        expect!["error: cannot take `dev/null` from [DIR]/one.deb: it is a device or a pipe"],
    );
    check_one(
        &[other("./pipe", b'6', "")],
        expect!["error: cannot take `pipe` from [DIR]/one.deb: it is a device or a pipe"],
    );
    // As it is on a file system, a file goes where links lead in the image.
    let through = [
        other("./usr/lib/out", b'2', "/../../../etc"),
        file("./usr/lib/out/x", b""),
    ];
    check_one(&through, expect!["etc/x"]);
    let circle = [
        other("./a", b'2', "b"),
        other("./b", b'2', "a"),
        file("./a/x", b""),
    ];
    check_one(
        &circle,
        expect!["error: cannot place `a/x`: symbolic links lead in a circle"],
    );
}

#[test]
fn links_are_to_files_of_the_package() {
    let set = Member {
        mode: 0o4755,
        ..file("./usr/bin/one", b"one")
    };
    let dir = tempfile::tempdir().unwrap();
    let members = [other("./usr/bin/two", b'1', "./usr/bin/one"), set];
    let (store, image) = assemble(dir.path(), ONE, &[("one", deb("one", &members))]).unwrap();
    let files = jettison_oci::RootfsFiles::read(&store, image.image.layers()).unwrap();
    for name in ["usr/bin/one", "usr/bin/two"] {
        assert_eq!(files.entry(name.as_bytes()).unwrap().mode, 0o755, "{name}");
    }
    check_one(
        &[other("./a", b'1', "./etc/shadow")],
        expect![
            "error: cannot take `a` from [DIR]/one.deb: it is a link to a file that the package has not"
        ],
    );
    check_one(
        &[other("./a", b'1', "../../etc/shadow")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a file with the unsafe name `../../etc/shadow`"
        ],
    );
}

#[test]
fn files_with_holes_are_refused() {
    check_one(
        &[other("./a", b'S', "")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a member of the unknown kind `S`"
        ],
    );
    let records = b"22 GNU.sparse.major=1\n30 GNU.sparse.realsize=1000000\n";
    let extended = Member {
        kind: b'x',
        ..file("./PaxHeaders/a", records)
    };
    check_one(
        &[extended, file("./a", b"")],
        expect![
            "error: cannot take [DIR]/one.deb apart: cannot read archive: the package has a file with holes"
        ],
    );
}

#[test]
fn a_file_and_a_directory_are_not_in_one_place() {
    check_one(
        &[file("./a", b""), file("./a/b", b"")],
        expect![
            "error: cannot put `/a/b` into the image: there is a file where its directory should be"
        ],
    );
    check_one(
        &[file("./a/b", b""), file("./a", b"")],
        expect![
            "error: cannot put `/a` into the image: there are files in a directory of that name"
        ],
    );
    check_one(
        &[file("./a", b""), other("./a/", b'5', "")],
        expect![
            "error: cannot put `/a` into the image: there is a file where a directory should be"
        ],
    );
    let two = [
        ("one", deb("one", &[file("./a", b"1")])),
        ("two", deb("two", &[file("./a", b"2")])),
    ];
    check(
        "packages = [\"one\", \"two\"]\n",
        &two,
        expect!["error: `a` is in one and in two, which cannot be in one image"],
    );
}

#[test]
fn a_recipe_cannot_break_the_tree() {
    let one = || [("one", deb("one", &[file("./usr/bin/one", b"1")]))];
    let check = |more: &str, expected: Expect| check(&format!("{ONE}{more}\n"), &one(), expected);
    check(
        "move = { \"usr/bin/one\" = \"../../tools/one\" }",
        expect!["tools/one"],
    );
    check(
        "move = { \"usr/bin/one\" = \"/\" }",
        expect!["error: cannot put `/` into the image: it is the root directory"],
    );
    check(
        "files = [{ path = \"/usr/bin/one/x\", text = \"\" }]",
        expect![
            "error: cannot put `/usr/bin/one/x` into the image: there is a file where its directory should be"
        ],
    );
    check(
        "files = [{ path = \"/usr\", text = \"\" }]",
        expect![
            "error: cannot put `/usr` into the image: there are files in a directory of that name"
        ],
    );
    check(
        "files = [{ path = \"/x\", text = \"\", owned-by = \"none\" }]",
        expect!["error: `/x` cannot be owned by `none`: the image has no such package"],
    );
    check(
        "generate = [\"os-release\"]",
        expect!["error: cannot make the os-release: there is none: add the package `base-files`"],
    );
    check(
        "generate = [\"busybox-links\"]",
        expect![
            "error: cannot make the links to busybox: there is no /busybox/busybox: add the package `busybox-static`, and `move`"
        ],
    );
    check(
        "generate = [\"ca-bundle\"]",
        expect![
            "error: cannot make the store of certificates: there are none: add the package `ca-certificates` to the recipe"
        ],
    );
    check(
        "keep = [\"dcos\"]",
        expect![
            "error: there is no slice `dcos`: there are certificate-sources, debug, development, docs, gconv, java-cds, java-cds-large-heaps, java-compiler-data, java-line-numbers, java-modules, java-plain-locales, man, packaging, perl, python-plain, python-tests, services, translations"
        ],
    );
    check(
        "exclude = [\"[\"]",
        expect![
            "error: cannot read a pattern of the recipe: syntax error in pattern `[` on line 1"
        ],
    );
}
