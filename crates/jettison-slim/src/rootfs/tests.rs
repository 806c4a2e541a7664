use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn root() -> (tempfile::TempDir, RootDir) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("secret"), "outside").unwrap();
    let inner = outer.path().join("root");
    fs::create_dir_all(inner.join("etc")).unwrap();
    fs::create_dir_all(inner.join("usr/lib")).unwrap();
    fs::write(inner.join("etc/name"), "inside").unwrap();
    fs::write(inner.join("usr/lib/a.so.1"), "library").unwrap();
    symlink("usr/lib", inner.join("lib")).unwrap();
    symlink("a.so.1", inner.join("usr/lib/a.so")).unwrap();
    symlink("/etc/name", inner.join("absolute")).unwrap();
    symlink("../../../../etc/name", inner.join("usr/climbing")).unwrap();
    symlink("../secret", inner.join("escaping")).unwrap();
    symlink("circle", inner.join("circle")).unwrap();
    let root = RootDir::open(&inner).unwrap();
    (outer, root)
}

#[test]
fn links_that_are_absolute_or_climb_stay_inside() {
    let (_outer, root) = root();
    for path in ["/absolute", "/usr/climbing", "/../../etc/name", "etc/name"] {
        assert_eq!(
            root.read(Path::new(path), 100).unwrap(),
            b"inside",
            "{path}"
        );
    }
    for path in ["/escaping", "/../secret", "/usr/../../secret"] {
        assert!(
            root.read(Path::new(path), 100).unwrap_err().is_absent(),
            "{path}"
        );
        assert!(
            root.resolve(Path::new(path)).unwrap_err().is_absent(),
            "{path}"
        );
    }
}

#[test]
fn resolving_tells_every_link_on_the_way() {
    let (_outer, root) = root();
    let resolved = root.resolve(Path::new("/lib/a.so")).unwrap();
    assert_eq!(resolved.real_path, Path::new("/usr/lib/a.so.1"));
    assert_eq!(
        resolved.chain,
        [Path::new("/lib"), Path::new("/usr/lib/a.so")]
    );
}

#[test]
fn a_circle_of_links_is_an_error() {
    let (_outer, root) = root();
    let error = root.resolve(Path::new("/circle")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot resolve /circle: it leads through more than 40 symbolic links"
    );
    assert!(root.metadata(Path::new("/circle")).unwrap_err().is_absent());
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let (_outer, root) = root();
    let error = |path: &str, limit| root.read(Path::new(path), limit).unwrap_err().to_string();
    assert_eq!(
        error("/etc", 9),
        "cannot read /etc: it is not a regular file"
    );
    assert_eq!(
        error("/etc/name", 5),
        "cannot read /etc/name: it is larger than 5 bytes"
    );
    assert_eq!(root.read(Path::new("/etc/name"), 6).unwrap(), b"inside");
}

#[test]
fn a_walk_is_sorted_and_follows_no_link() {
    let (_outer, root) = root();
    let mut seen = Vec::new();
    root.walk(&mut |path, metadata| seen.push((path.display().to_string(), metadata.is_symlink())))
        .unwrap();
    let paths: Vec<&str> = seen.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/absolute",
            "/circle",
            "/escaping",
            "/etc",
            "/etc/name",
            "/lib",
            "/usr",
            "/usr/climbing",
            "/usr/lib",
            "/usr/lib/a.so",
            "/usr/lib/a.so.1",
        ]
    );
    assert!(seen.contains(&("/lib".to_owned(), true)));
}

#[test]
fn a_link_is_read_as_it_is_written() {
    let (_outer, root) = root();
    assert_eq!(
        root.read_link(Path::new("/absolute")).unwrap(),
        Path::new("/etc/name")
    );
    assert!(root.read_link(Path::new("/etc")).is_err());
}

#[test]
fn what_is_there_and_cannot_be_read_is_told_and_what_is_absent_is_not() {
    let (_outer, root) = root();
    assert_eq!(root.names(Path::new("/usr/lib")), ["a.so", "a.so.1"]);
    for nothing in ["/gone", "/etc/name/x", "/circle"] {
        let nothing = Path::new(nothing);
        assert_eq!(root.names(nothing), [""; 0]);
        assert!(root.target(nothing).is_none() && root.content(nothing, 9).is_none());
    }
    // More than was asked for, and no regular file.
    assert_eq!(root.content(Path::new("/etc/name"), 1), None);
    assert_eq!(root.start(Path::new("/etc"), 1), None);
    root.all_was_read().unwrap();

    // The system refuses such a name whoever asks.
    assert!(root.entry(Path::new("/etc/a\0b")).is_none());
    assert!(root.entry(Path::new("/etc/name")).is_some());
    let error = root.all_was_read().unwrap_err().to_string();
    assert_eq!(error, "cannot look at /etc/a\0b");
    root.all_was_read().unwrap();
}
