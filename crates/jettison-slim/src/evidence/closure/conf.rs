//! The directories that the system adds for all programs: `/etc/ld.so.conf` and what it includes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::rootfs::{RootDir, RootError};

/// The largest configuration that is read.
const MAX_CONF: u64 = 1 << 20;
/// How many files may include each other.
const MAX_FILES: usize = 1000;

/// The directories of `/etc/ld.so.conf`, in order.
pub(super) fn ld_so_conf(root: &RootDir) -> Result<Vec<PathBuf>, RootError> {
    let mut conf = Conf {
        root,
        read: Vec::new(),
        directories: Vec::new(),
    };
    conf.file(Path::new("/etc/ld.so.conf"))?;
    Ok(conf.directories)
}

/// The directories of a file that separates them by colons or line ends, or none if there is no such file.
pub(super) fn path_file(root: &RootDir, path: &Path) -> Result<Option<Vec<PathBuf>>, RootError> {
    let Some(bytes) = read(root, path)? else {
        return Ok(None);
    };
    let entries = bytes.split(|byte| matches!(byte, b':' | b'\n'));
    let entries = entries.filter(|entry| entry.starts_with(b"/"));
    Ok(Some(
        entries
            .map(|entry| PathBuf::from(OsStr::from_bytes(entry)))
            .collect(),
    ))
}

fn read(root: &RootDir, path: &Path) -> Result<Option<Vec<u8>>, RootError> {
    match root.read(path, MAX_CONF) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.is_absent() => Ok(None),
        Err(cause) => Err(cause),
    }
}

struct Conf<'root> {
    root: &'root RootDir,
    read: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Conf<'_> {
    fn file(&mut self, path: &Path) -> Result<(), RootError> {
        if self.read.len() == MAX_FILES || self.read.iter().any(|read| read == path) {
            return Ok(());
        }
        self.read.push(path.to_owned());
        let bytes = read(self.root, path)?.unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("include") => {
                    for pattern in words {
                        self.include(path, pattern)?;
                    }
                }
                // Old hints about the processor.
                Some("hwcap") | None => {}
                Some(_) => {
                    let separators =
                        |letter: char| letter.is_whitespace() || matches!(letter, ':' | ',');
                    let entries = line
                        .split(separators)
                        .map(|entry| entry.split('=').next().unwrap_or_default());
                    self.directories.extend(
                        entries
                            .filter(|entry| entry.starts_with('/'))
                            .map(PathBuf::from),
                    );
                }
            }
        }
        Ok(())
    }

    fn include(&mut self, from: &Path, pattern: &str) -> Result<(), RootError> {
        let pattern = from.parent().unwrap_or(Path::new("/")).join(pattern);
        let mut paths = vec![PathBuf::from("/")];
        for part in pattern.iter().skip(1) {
            let mut longer = Vec::new();
            for directory in paths {
                if !part
                    .as_bytes()
                    .iter()
                    .any(|byte| matches!(byte, b'*' | b'?'))
                {
                    longer.push(directory.join(part));
                    continue;
                }
                let names = match self.root.list(&directory) {
                    Ok(names) => names,
                    Err(cause) if cause.is_absent() => continue,
                    Err(cause) => return Err(cause),
                };
                let names = names
                    .iter()
                    .filter(|name| matches(part.as_bytes(), name.as_bytes()));
                longer.extend(names.map(|name| directory.join(name)));
            }
            paths = longer;
        }
        paths.iter().try_for_each(|path| self.file(path))
    }
}

/// Whether `name` has the shape of `pattern`, where `*` is anything and `?` is one byte. A leading dot must be written.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut seen) = (0, 0);
    let mut retry = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, from)) = retry else {
                    return false;
                };
                retry = Some((star, from + 1));
                (at, seen) = (star + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_name_matches_its_pattern() {
        let cases = [
            ("*.conf", "libc.conf", true),
            ("*.conf", ".conf", false),
            ("*.conf", "libc.conf.old", false),
            ("l?b*c*", "libabc", true),
            ("l?b*c*", "lb.c", false),
            ("*", "", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn includes_are_followed_in_sorted_order_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let etc = directory.path().join("etc");
        fs::create_dir_all(etc.join("ld.so.conf.d")).unwrap();
        fs::write(
            etc.join("ld.so.conf"),
            "/first # comment\ninclude ld.so.conf.d/*.conf\n/last\n",
        )
        .unwrap();
        fs::write(
            etc.join("ld.so.conf.d/b.conf"),
            "/b1:/b2\ninclude /etc/ld.so.conf\n",
        )
        .unwrap();
        fs::write(etc.join("ld.so.conf.d/a.conf"), "/a\n").unwrap();
        fs::write(etc.join("ld.so.conf.d/c.old"), "/c\n").unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let expected: Vec<PathBuf> = ["/first", "/a", "/b1", "/b2", "/last"]
            .map(PathBuf::from)
            .into();
        assert_eq!(ld_so_conf(&root).unwrap(), expected);
    }
}
