//! The tests that modules of Python bring along.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::rootfs::RootDir;

/// The largest source that is read, in bytes.
const LIMIT: u64 = 4 << 20;
/// An import, up to the module or the names that it brings.
static IMPORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?m)^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b[ \t]*\(?\s*(\w+)?|import[ \t]+([\w.]+))",
    )
    .ok()
});

/// The tests that the module at `directory` brings along, as patterns, unless a run used some of them or the module itself imports
/// them.
pub(super) fn tests_of_module(
    root: &RootDir,
    directory: &Path,
    is_used: &dyn Fn(&PathBuf) -> bool,
) -> Vec<PathBuf> {
    let mut tests = Vec::new();
    let mut has_others = false;
    let mut imported = BTreeSet::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(place) = pending.pop() {
        for name in root.names(&place) {
            let path = place.join(&name);
            if !root.entry(&path).is_some_and(|found| found.is_dir()) {
                if let Some(source) = source(root, &path) {
                    imported.extend(imported_tests(&source, &place, directory));
                }
                continue;
            }
            let is_named = name == "tests";
            if is_named && holds_tests(root, &path) && !is_used(&path) {
                tests.push(path);
            } else {
                has_others |= is_named;
                pending.push(path);
            }
        }
    }
    has_others |= tests.iter().any(|path| imported.contains(path));
    tests.retain(|path| !imported.contains(path));
    let top = directory.join("tests");
    tests.sort();
    if has_others || tests.len() <= 1 {
        return tests;
    }
    let mut patterns = vec![directory.join("*/tests")];
    patterns.extend(tests.into_iter().filter(|path| *path == top));
    patterns
}

/// Whether there are tests in `directory` as pytest and unittest find them.
fn holds_tests(root: &RootDir, directory: &Path) -> bool {
    let names = root.names(directory);
    names
        .iter()
        .map(|name| name.as_encoded_bytes())
        .any(|name| name.starts_with(b"test_") && name.ends_with(b".py"))
}

/// The source of Python at `path`, if it speaks of tests and is for others than those who test.
fn source(root: &RootDir, path: &Path) -> Option<String> {
    let is_source =
        path.extension().is_some_and(|end| end == "py") && !path.ends_with("conftest.py");
    let text = is_source.then(|| root.content(path, LIMIT)).flatten()?;
    memchr::memmem::find(&text, b"tests")?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The directories of tests that `source` imports, which is in the directory `place` of the module `module`.
fn imported_tests(source: &str, place: &Path, module: &Path) -> Vec<PathBuf> {
    let imports = IMPORT
        .iter()
        .flat_map(|pattern| pattern.captures_iter(source));
    let found = imports.filter_map(|import| {
        let from = import.get(1).or_else(|| import.get(3))?.as_str();
        let name = import.get(2).map(|name| name.as_str());
        let names = from.trim_start_matches('.');
        let mut ups = from.len() - names.len();
        // Two points mean the directory above.
        let mut directory = if ups == 0 { module.parent()? } else { place };
        while ups > 1 {
            directory = directory.parent()?;
            ups -= 1;
        }
        let words = names.split('.').filter(|word| !word.is_empty()).chain(name);
        let mut path = directory.to_path_buf();
        for word in words {
            path.push(word);
            if word == "tests" {
                return Some(path);
            }
        }
        None
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_tests(further: &str, used: &str, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let files = ["m/np/tests/test_a.py", "m/np/lib/tests/test_b.py", further];
        for path in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let is_used = |path: &PathBuf| Path::new(used).starts_with(path);
        let found = tests_of_module(&root, Path::new("/m/np"), &is_used);
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(found, expected, "{used}");
    }

    #[test]
    fn tests_of_modules_are_left_out_unless_they_are_used() {
        let (all, each) = (
            ["/m/np/*/tests", "/m/np/tests"],
            ["/m/np/lib/tests", "/m/np/tests"],
        );
        check_tests("m/np/x.py", "/none", &all);
        check_tests("m/np/web/tests/page.py", "/none", &each);
        check_tests("m/np/x.py", "/m/np/tests/test_a.py", &each[..1]);
    }

    #[test]
    fn tests_that_the_module_itself_imports_stay() {
        for (text, expected) in [
            (
                "from .tests import print_versions, test\n",
                "/m/np/lib/tests",
            ),
            ("try:\n    from ..tests.helpers import x\n", "/m/np/tests"),
            ("from . import tests\n", "/m/np/lib/tests"),
            (
                "from .tests import (\n    print_versions,\n)\n",
                "/m/np/lib/tests",
            ),
            ("from .tests import *\n", "/m/np/lib/tests"),
            ("import np.web.tests.page as page\n", "/m/np/web/tests"),
            (
                "from np.testing import tests_of\n# from .tests import x\n",
                "",
            ),
        ] {
            let found = imported_tests(text, Path::new("/m/np/lib"), Path::new("/m/np"));
            let expected: Vec<PathBuf> = Some(expected)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
