//! Trees with a Java runtime or a whole JDK, and how much around a class belongs to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::java::class::own_name;
use crate::java::zip::entries;
use crate::rootfs::RootDir;

/// The largest file of a JDK that is read, in bytes.
const LIMIT: u64 = 1 << 30;
/// The largest class that is read, in bytes.
const CLASS_LIMIT: u64 = 16 << 20;

/// The tree of the Java runtime that `path` lies in: of release 9 and later ones, which have their classes in `lib/modules`.
pub(crate) fn java_home(root: &RootDir, path: &Path) -> Option<PathBuf> {
    let is_file = |path: PathBuf| root.target(&path).is_some_and(|found| found.is_file());
    path.ancestors()
        .skip(1)
        .find(|home| is_file(home.join("lib/modules")) && is_file(home.join("bin/java")))
        .map(Path::to_path_buf)
}

/// What of a JDK in the tree `home` nothing reads but those who write programs: what jlink links, sources, headers, manuals,
/// examples, and the interfaces of older releases that the compiler checks against.
pub(crate) fn for_developers(home: &Path) -> impl Iterator<Item = PathBuf> {
    const NAMES: [&str; 8] = [
        "demo",
        "include",
        "jmods",
        "lib/ct.sym",
        "lib/src.zip",
        "man",
        "sample",
        "src.zip",
    ];
    let home = home.to_path_buf();
    NAMES.into_iter().map(move |name| home.join(name))
}

/// Whether `directory` is where a tool for building keeps what it has downloaded: a program's state is elsewhere.
pub(crate) fn is_build_cache(directory: &Path) -> bool {
    const NAMES: [&str; 5] = [".gradle", ".ivy2", ".m2", ".npm", ".sbt"];
    directory
        .iter()
        .any(|part| NAMES.iter().any(|name| part == *name))
}

/// The directory that has to be on the class path for the class at `path`, unless it holds sources, too: what lies in it was
/// made together.
pub(crate) fn class_directory(root: &RootDir, path: &Path) -> Option<PathBuf> {
    if path.extension()? != "class" {
        return None;
    }
    let bytes = root.content(path, CLASS_LIMIT)?;
    let depth = own_name(&bytes)?.split('/').count();
    let directory = path.ancestors().nth(depth)?;
    let is_deep = directory.iter().count() > 2;
    (is_deep && !holds_sources(root, directory, 0)).then(|| directory.to_path_buf())
}

/// Whether there is anything below `directory` that is no output of a compiler.
fn holds_sources(root: &RootDir, directory: &Path, depth: usize) -> bool {
    const NAMES: [&str; 8] = [
        "java", "kt", "kts", "scala", "groovy", "gradle", "git", "clj",
    ];
    const DEPTH: usize = 24;
    let Some(names) = root.listing(directory) else {
        return true;
    };
    depth > DEPTH
        || names.iter().any(|name| {
            let path = directory.join(name);
            let is_directory = root.entry(&path).is_some_and(|found| found.is_dir());
            let is_source = name == "pom.xml"
                || path
                    .extension()
                    .is_some_and(|end| NAMES.iter().any(|known| end == *known));
            is_source || (is_directory && holds_sources(root, &path, depth + 1))
        })
}

/// The files in the tree `home` that jlink makes for `modules`, as their jmods say; none if one cannot be read.
pub(crate) fn linked_files<'m>(
    root: &RootDir,
    home: &Path,
    modules: impl Iterator<Item = &'m str>,
) -> Option<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for module in modules {
        let path = home.join("jmods").join(format!("{module}.jmod"));
        let bytes = root.content(&path, LIMIT)?;
        // The archive stands behind four bytes (jdk.internal.jmod.JmodFile).
        for entry in entries(&bytes)? {
            if ["bin/", "conf/", "lib/"]
                .iter()
                .any(|section| entry.name.starts_with(section))
            {
                files.insert(home.join(&entry.name));
            }
        }
    }
    Some(files)
}

/// The release of Java in the tree `home`, as its file `release` says.
pub(crate) fn java_release(root: &RootDir, home: &Path) -> Option<u8> {
    let text = root.content(&home.join("release"), 1 << 20)?;
    let text = String::from_utf8_lossy(&text);
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    let version = version.trim_matches('"');
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::java::class::tests::class_with;
    use crate::java::zip::tests::archive;

    fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, RootDir) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn the_tree_of_a_runtime_is_known_by_its_classes_and_its_launcher() {
        let (_dir, root) = tree(&[
            ("opt/java/openjdk/lib/modules", b"m"),
            ("opt/java/openjdk/bin/java", b"j"),
            (
                "opt/java/openjdk/release",
                b"A=1\nJAVA_VERSION=\"21.0.4\"\n",
            ),
            ("opt/other/bin/java", b"j"),
        ]);
        let home = PathBuf::from("/opt/java/openjdk");
        for path in ["lib/server/libjvm.so", "bin/java", "jmods/x.jmod"] {
            assert_eq!(java_home(&root, &home.join(path)), Some(home.clone()));
        }
        for path in ["/opt/java/openjdk", "/opt/other/bin/java", "/bin/java"] {
            assert_eq!(java_home(&root, Path::new(path)), None, "{path}");
        }
        assert_eq!(java_release(&root, &home), Some(21));
        assert_eq!(java_release(&root, Path::new("/opt")), None);
    }

    #[test]
    fn a_class_belongs_with_all_that_was_compiled_with_it() {
        let class = class_with("a/b/C", &[]);
        let (_dir, root) = tree(&[
            ("app/classes/a/b/C.class", &class),
            ("app/classes/a/x.properties", b""),
            ("src/a/b/C.class", &class),
            ("src/a/b/C.java", b""),
            ("app/other/D.class", b"no class"),
        ]);
        let of = |path| class_directory(&root, Path::new(path));
        assert_eq!(of("/app/classes/a/b/C.class"), Some("/app/classes".into()));
        for path in [
            "/src/a/b/C.class",
            "/app/other/D.class",
            "/app/classes/a/x.properties",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn what_jlink_makes_is_in_the_jmods() {
        let jmod = [
            &b"JM\x01\x00"[..],
            &archive(&[
                ("classes/module-info.class", b""),
                ("lib/libx.so", b""),
                ("bin/x", b""),
            ]),
        ]
        .concat();
        let (_dir, root) = tree(&[("jdk/jmods/java.x.jmod", &jmod)]);
        let files = |module| linked_files(&root, Path::new("/jdk"), [module].into_iter());
        let expected = ["/jdk/bin/x", "/jdk/lib/libx.so"].map(PathBuf::from);
        assert_eq!(files("java.x"), Some(expected.into()));
        assert_eq!(files("java.y"), None);
    }

    #[test]
    fn what_build_tools_have_downloaded_is_no_state() {
        assert!(is_build_cache(Path::new("/root/.m2")));
        assert!(is_build_cache(Path::new("/home/ida/.gradle/caches")));
        assert!(!is_build_cache(Path::new("/root/.cache")));
    }
}
