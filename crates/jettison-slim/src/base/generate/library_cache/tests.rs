use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::super::Node;
use super::*;
use crate::base::generate::skip;
use expect_test::expect;

/// Libraries that are larger are not copied.
const MAX_SIZE: u64 = 400_000;
/// How many files are copied.
const MAX_FILES: usize = 160;

fn amd64() -> Architecture {
    "amd64".parse().unwrap()
}

/// The smallest library: it has a name, and perhaps needs a level of the instruction set.
fn library(soname: &str, isa_levels: u32) -> Vec<u8> {
    let strings = format!("\0{soname}\0");
    let (dynamic, property, text) = (
        64 + 3 * 56_usize,
        64 + 3 * 56 + 48_usize,
        64 + 3 * 56 + 48 + 32,
    );
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    for number in [0_u64, 64, 0] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [0_u16, 0, 64, 56, 3, 64, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    let size = (text + strings.len()) as u64;
    for (kind, offset, size) in [
        (1_u32, 0, size),
        (2, dynamic as u64, 48),
        (0x6474_e553, property as u64, 32),
    ] {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(4_u32.to_le_bytes());
        for number in [offset, offset, offset, size, size, 8] {
            bytes.extend(number.to_le_bytes());
        }
    }
    for number in [5, text as u64, 14, 1, 0, 0_u64] {
        bytes.extend(number.to_le_bytes());
    }
    for number in [4, 16, 5_u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(b"GNU\0");
    for number in [0xc000_8002, 4, isa_levels, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(strings.as_bytes());
    bytes
}

/// A directory with the files of the host's C library, other libraries of it, and some that are made up; no links.
fn host_libraries(root: &Path) -> usize {
    let place = root.join("usr/lib/x86_64-linux-gnu");
    fs::create_dir_all(&place).unwrap();
    let host = Path::new("/usr/lib/x86_64-linux-gnu");
    let mut names: Vec<_> = fs::read_dir(host)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let mut copied = 0;
    for name in names {
        let (from, to) = (host.join(&name), place.join(&name));
        let metadata = fs::symlink_metadata(&from).unwrap();
        if !may_be_library(&name.to_string_lossy()) || copied == MAX_FILES {
            continue;
        }
        if metadata.is_symlink() {
            // Every third link is left for `ldconfig` to make.
            copied += 1;
            let target = fs::read_link(&from).unwrap();
            if copied % 3 != 0
                && host
                    .join(&target)
                    .metadata()
                    .is_ok_and(|found| found.len() < MAX_SIZE)
            {
                symlink(target, to).unwrap();
            }
        } else if metadata.is_file() && metadata.len() < MAX_SIZE {
            copied += 1;
            fs::copy(from, to).unwrap();
        }
    }
    copied
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The libraries among `files`.
fn known(files: &[(String, Vec<u8>, bool)]) -> Libraries {
    let libraries = files.iter().filter_map(|(path, bytes, is_link)| {
        let name = path.rsplit('/').next().unwrap();
        let library = read_library(&**bytes, &amd64())?;
        (!is_link && may_be_library(name)).then(|| (path.clone(), library))
    });
    libraries.collect()
}

/// Everything below `root`, as the function under test takes it.
fn read_tree(root: &Path, at: &str, found: &mut Vec<(String, Vec<u8>, bool)>) {
    for entry in fs::read_dir(root.join(at)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{at}/{}", entry.file_name().to_str().unwrap());
        let path = path.trim_start_matches('/').to_owned();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            read_tree(root, &path, found);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            found.push((path, target.to_str().unwrap().as_bytes().to_vec(), true));
        } else {
            found.push((path, fs::read(entry.path()).unwrap(), false));
        }
    }
}

fn tree_of(files: &[(String, Vec<u8>, bool)]) -> Tree<'_> {
    let mut tree = Tree::default();
    for (path, bytes, is_link) in files {
        let node = if *is_link {
            Node::Link(str::from_utf8(bytes).unwrap())
        } else {
            Node::File(bytes)
        };
        tree.insert(path, node);
    }
    tree
}

#[test]
fn bytes_and_links_are_those_of_ldconfig() {
    let ldconfig = Path::new("/sbin/ldconfig");
    if !ldconfig.exists() || !cfg!(target_arch = "x86_64") {
        return skip("there is no ldconfig for amd64");
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    assert!(
        host_libraries(root) > 20,
        "the host has no libraries to compare with"
    );
    write(
        root,
        "etc/ld.so.conf",
        b"include /etc/ld.so.conf.d/*.conf\n",
    );
    write(
        root,
        "etc/ld.so.conf.d/libc.conf",
        b"# default\n/usr/local/lib\n",
    );
    write(
        root,
        "etc/ld.so.conf.d/z.conf",
        b"/opt/lib/ # blank\n/opt/again\n",
    );
    symlink("usr/lib", root.join("lib")).unwrap();
    fs::create_dir_all(root.join("opt/lib")).unwrap();
    symlink("lib", root.join("opt/again")).unwrap();
    for (path, soname, levels) in [
        ("usr/local/lib/libw.so.1.9", "libw.so.1", 1),
        ("usr/local/lib/libw.so.1.10", "libw.so.1", 1),
        (
            "usr/local/lib/glibc-hwcaps/x86-64-v3/libw.so.1.8",
            "libw.so.1",
            7,
        ),
        (
            "usr/local/lib/glibc-hwcaps/x86-64-v2/libw.so.1.8",
            "libw.so.1",
            3,
        ),
        (
            "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2/libw.so.1",
            "libw.so.1",
            0,
        ),
        ("opt/lib/libw.so.1.10", "libw.so.1", 0),
        ("opt/lib/libunrelated-1.2.so", "libw.so.02", 0),
        ("opt/lib/libv.so.4", "libother.so.4", 0),
        ("opt/lib/notalib.so.4", "libother.so.4", 0),
    ] {
        write(root, path, &library(soname, levels));
    }
    write(root, "opt/lib/libscript.so", b"INPUT(-lz)");
    symlink("libv.so.4", root.join("opt/lib/libv.so")).unwrap();
    symlink("libw.so.1", root.join("opt/lib/libw.so")).unwrap();
    symlink("libgone.so.3", root.join("opt/lib/libgone.so")).unwrap();

    let mut before = Vec::new();
    read_tree(root, "", &mut before);
    let status = Command::new(ldconfig).arg("-r").arg(root).status().unwrap();
    assert!(status.success());
    let mut after = Vec::new();
    read_tree(root, "", &mut after);

    let theirs = fs::read(root.join("etc/ld.so.cache")).unwrap();
    let generator = theirs
        .windows(9)
        .rposition(|window| window == b"ldconfig ")
        .unwrap();
    let generator = str::from_utf8(&theirs[generator..]).unwrap();
    let ours = library_cache(&tree_of(&before), &known(&before), &amd64(), generator).unwrap();
    let mut made: Vec<Link> = after
        .iter()
        .filter(|entry| entry.2 && !before.contains(entry))
        .map(|(path, target, _)| Link {
            path: path.clone(),
            target: String::from_utf8(target.clone()).unwrap(),
        })
        .collect();
    made.sort();
    assert!(made.len() > 5, "{made:?}");
    assert_eq!(ours.links, made);
    let print = |bytes: &[u8]| {
        let cache = root.join("cache");
        fs::write(&cache, bytes).unwrap();
        let output = Command::new(ldconfig)
            .arg("-p")
            .arg("-C")
            .arg(&cache)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(print(&ours.bytes), print(&theirs));
    assert!(ours.bytes == theirs, "the bytes differ");
}

#[test]
fn only_some_names_are_looked_at() {
    let names = [
        ("libz.so.1", true),
        ("libz-1.2.so", true),
        ("ld-linux-x86-64.so.2", true),
        ("ld64.so.1", true),
        ("libz.a", false),
        ("zlib.so", false),
        ("ldap.so", false),
        // Newer versions of glibc leave these out; Debian 12's does not.
        ("libz.so.1.dpkg-new", false),
    ];
    for (name, expected) in names {
        assert_eq!(may_be_library(name), expected, "{name}");
    }
}

#[test]
fn every_prefix_of_a_library_is_refused_or_read() {
    let whole = library("liba.so.1", 7);
    assert_eq!(
        elf::read(&*whole, 62),
        Some(elf::Library {
            soname: Some("liba.so.1".to_owned()),
            isa_level: 2
        })
    );
    assert_eq!(elf::read(&*whole, 183), None);
    for end in 0..whole.len() {
        elf::read(&whole[..end], 62);
        let mut changed = whole.clone();
        changed[end] ^= 0xff;
        elf::read(&*changed, 62);
    }
}

#[test]
fn an_image_without_libraries_gets_a_cache_without_entries() {
    let cache = library_cache(
        &Tree::default(),
        &Libraries::new(),
        &"arm64".parse().unwrap(),
        "jettison",
    )
    .unwrap();
    assert!(cache.links.is_empty());
    expect![[r#"
        "glibc-ld.so.cache1.1\0\0\0\0\0\0\0\0\x02\0\0\00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0t!\xa4\xea\x01\0\0\0\0\0\0\0\0\0\0\0H\0\0\0\x08\0\0\0jettison"
    "#]]
    .assert_eq(&format!("\"{}\"\n", cache.bytes.escape_ascii()).replace("\\x00", "\\0"));
    assert_eq!(
        library_cache(
            &Tree::default(),
            &Libraries::new(),
            &"s390x".parse().unwrap(),
            ""
        ),
        None
    );
}
