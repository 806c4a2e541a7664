//! What a jar names in its manifest: it is opened when the first class is looked for that is in no jar before.

use std::path::{Path, PathBuf};

use crate::java::zip::{content, entries};

/// The paths that the jar at `path`, with these bytes, adds to the class path (JAR File Specification, `Class-Path`).
pub(super) fn class_path(path: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let Some(directory) = path.parent() else {
        return Vec::new();
    };
    let manifest = entries(bytes).and_then(|entries| {
        let mut entries = entries.iter();
        let manifest =
            entries.find(|entry| entry.name.eq_ignore_ascii_case("META-INF/MANIFEST.MF"))?;
        content(bytes, manifest)
    });
    let manifest = manifest.unwrap_or_default();
    let words = named_in(&String::from_utf8_lossy(&manifest));
    words.iter().map(|word| directory.join(word)).collect()
}

/// The words of `Class-Path`, whose lines go on after a space.
fn named_in(manifest: &str) -> Vec<String> {
    let joined = manifest.replace("\r\n", "\n").replace("\n ", "");
    let main = joined.split("\n\n").next().unwrap_or_default();
    let value = main.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Class-Path").then_some(value)
    });
    let words = value.unwrap_or_default().split_whitespace();
    let words = words.map(|word| word.strip_prefix("file:").unwrap_or(word));
    words.map(|word| word.replace("%20", " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::zip::tests::archive;

    #[test]
    fn a_manifest_names_what_is_loaded_later() {
        let manifest = b"Manifest-Version: 1.0\r\nClass-Path: lib/a.jar lib/b-1\r\n .0.jar file:/opt/c.jar\r\n\r\nName: x\r\nClass-Path: no.jar\r\n";
        let jar = archive(&[("META-INF/MANIFEST.MF", manifest), ("A.class", b"x")]);
        let found = class_path(Path::new("/app/target/app.jar"), &jar);
        let expected = [
            "/app/target/lib/a.jar",
            "/app/target/lib/b-1.0.jar",
            "/opt/c.jar",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert!(class_path(Path::new("/a.jar"), b"no archive").is_empty());
    }
}
