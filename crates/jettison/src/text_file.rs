//! Files of the user: read with care, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Reads a text file of at most `limit` bytes. Pipes and devices are refused.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, Failure> {
    let fail = || Failure::user(format!("cannot read {}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| fail().because(&error))?;
    if !metadata.is_file() {
        return Err(fail().hint("it is not a regular file"));
    }
    if metadata.len() > limit {
        return Err(fail().hint(format!("it is larger than {limit} bytes")));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| fail().because(&error))?;
    text(bytes, &path.display().to_string())
}

/// Reads a text of at most `limit` bytes from standard input.
pub(crate) fn read_stdin(limit: u64) -> Result<String, Failure> {
    read_from(io::stdin(), limit)
}

/// Reads a text of at most `limit` bytes from what standard input is.
pub(crate) fn read_from(reader: impl Read, limit: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::user("cannot read standard input").because(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > limit) {
        return Err(Failure::user("cannot read standard input")
            .hint(format!("it is larger than {limit} bytes")));
    }
    text(bytes, "-")
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
        Failure::user(format!("{name}:{line}: this is not UTF-8 text"))
            .hint("save the file as UTF-8")
    })
}

/// Says early that `path` cannot be written. It must not be `kept`, a file that stays as it is.
pub(crate) fn check_destination(path: &Path, kept: &Path) -> Result<(), Failure> {
    let fail = |why: String| Failure::user(format!("cannot write {}: {why}", path.display()));
    if path.is_dir() {
        return Err(fail("it is a directory".to_string()));
    }
    if let (Ok(path), Ok(kept)) = (fs::canonicalize(path), fs::canonicalize(kept))
        && path == kept
    {
        return Err(fail(
            "it is the original Dockerfile, which only --in-place writes over".to_string(),
        ));
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if parent.is_dir() {
        return Ok(());
    }
    Err(fail(format!("{} is not a directory", parent.display())))
}

/// Writes a file in place of the text `old`, which it still has to hold: what somebody has written since is not lost.
pub(crate) fn replace(path: &Path, old: &str, text: &str) -> Result<(), Failure> {
    let fail = || Failure::user(format!("cannot write {}", path.display()));
    let now = fs::read(path).map_err(|error| fail().because(&error))?;
    if now != old.as_bytes() {
        return Err(fail()
            .hint("it was changed while it was optimized: run it again, or write somewhere else with --write"));
    }
    write(path, text)
}

/// Writes a file by rename; what is no regular file, such as a device, is written to. A file that is there keeps
/// its mode.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error: io::Error| {
        Failure::user(format!("cannot write {}", path.display())).because(&error)
    };
    // A symbolic link stays one.
    let path: PathBuf = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let metadata = fs::metadata(&path).ok();
    if metadata.as_ref().is_some_and(|old| !old.is_file()) {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .map_err(fail)?;
        return file.write_all(text.as_bytes()).map_err(fail);
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, text)
        .and_then(|()| match &metadata {
            Some(old) => fs::set_permissions(&temporary, old.permissions()),
            None => Ok(()),
        })
        .and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| {
        // What is left of it is of no use; that it cannot be removed either is not the news.
        fs::remove_file(&temporary).unwrap_or_default();
        fail(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        write(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(target).unwrap(), "new");
    }

    #[test]
    fn a_file_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Dockerfile");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }

    #[test]
    fn a_file_that_was_changed_meanwhile_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Dockerfile");
        fs::write(&path, "new already").unwrap();
        assert!(replace(&path, "old", "mine").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new already");
        replace(&path, "new already", "mine").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_device_is_written_to_and_stays_a_device() {
        write(Path::new("/dev/null"), "text").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn the_original_is_no_destination() {
        let dir = tempfile::tempdir().unwrap();
        let original = dir.path().join("Dockerfile");
        fs::write(&original, "FROM scratch").unwrap();
        let alias = dir.path().join("alias");
        symlink(&original, &alias).unwrap();
        for path in [
            &original,
            &alias,
            &dir.path().join("./Dockerfile"),
            &dir.path().to_path_buf(),
            &dir.path().join("missing/x"),
        ] {
            assert!(
                check_destination(path, &original).is_err(),
                "{}",
                path.display()
            );
        }
        assert!(check_destination(&dir.path().join("new"), &original).is_ok());
    }

    #[test]
    fn only_regular_utf8_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(Path::new("/dev/zero"), 10).is_err());
        assert!(read(dir.path(), 10).is_err());
        let latin = dir.path().join("latin");
        fs::write(&latin, b"a\nb\xe9").unwrap();
        let failure = read(&latin, 10).unwrap_err();
        assert!(
            failure.lines()[0]
                .1
                .ends_with("latin:2: this is not UTF-8 text")
        );
        fs::write(&latin, "12345").unwrap();
        assert!(read(&latin, 4).is_err());
        assert_eq!(read(&latin, 5).unwrap(), "12345");
    }
}
