//! Lock files: which file a base's address names, what it says, and what was chosen last where there is none.
//!
//! ```text
//! debian://SUITE?lock=FILE   distroless://NAME?lock=FILE
//! downloads/locks/<digest>   what was chosen last for a base without a lock file, from the same archives
//! ```
//!
//! The latter lets a new version of the program assemble a base anew of the same packages, without a network.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jettison_debian::{Architecture, Lock, Sha256, parse_lock};

use crate::family::{BoxError, Family};
use crate::settings::Settings;

/// The largest lock file that is read; each package takes 300 bytes.
const LIMIT: u64 = 16 << 20;
/// The addresses that may name a lock file.
const SCHEMES: [&str; 2] = ["debian://", "distroless://"];
/// How a query says so.
const KEY: &str = "lock=";

/// How the packages of a base are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// As the last time; the newest if there was none.
    Known,
    /// The newest.
    Newest,
    /// As a file says.
    File(LockFile),
}

/// A lock file that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    /// Whether it is made if it is missing.
    pub(crate) is_made: bool,
}

/// What a lock file says about a request.
#[derive(Debug)]
pub(crate) enum Locked {
    /// There is no file, or it does not have the architecture.
    Missing(Option<Lock>),
    /// It is for something else.
    Stale(Lock),
    /// It has the packages.
    Found(Lock),
}

/// What is to be locked.
pub(crate) struct Wanted<'a> {
    /// What the base is called.
    pub(crate) title: &'a str,
    /// What tells its packages from those of others.
    pub(crate) request: Sha256,
    pub(crate) architecture: &'a Architecture,
}

/// The address without the lock file that it names, and that file.
pub(crate) fn split_lock(address: &str) -> Result<(String, Option<PathBuf>), String> {
    let Some((before, query)) = query_of(address) else {
        return Ok((address.to_string(), None));
    };
    let mut locks = query.split('&').filter_map(|pair| pair.strip_prefix(KEY));
    let lock = locks.next();
    if lock == Some("") || locks.next().is_some() {
        return Err(format!(
            "`{address}` does not name one lock file: take ?lock=FILE"
        ));
    }
    let others: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.starts_with(KEY))
        .collect();
    if let Some(other) = others.first()
        && before.starts_with("distroless://")
    {
        return Err(format!(
            "`{other}` in `{address}` is no option: take ?lock=FILE"
        ));
    }
    let address = if others.is_empty() {
        before.to_string()
    } else {
        format!("{before}?{}", others.join("&"))
    };
    Ok((address, lock.map(|lock| PathBuf::from(unescaped(lock)))))
}

/// The address with the lock file that it names taken for one in `directory`.
pub(crate) fn in_directory<'a>(address: &'a str, directory: &Path) -> Cow<'a, str> {
    let Some((before, query)) = query_of(address) else {
        return Cow::Borrowed(address);
    };
    let pair = |pair: &str| match pair.strip_prefix(KEY) {
        Some(file) if !file.is_empty() => {
            let path = directory.join(unescaped(file)).display().to_string();
            format!("{KEY}{}", escaped(&path))
        }
        Some(_) | None => pair.to_string(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    Cow::Owned(format!("{before}?{}", pairs.join("&")))
}

/// A path in which nothing ends a part of a query.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('&', "%26")
}

fn unescaped(text: &str) -> String {
    text.replace("%26", "&").replace("%25", "%")
}

fn query_of(address: &str) -> Option<(&str, &str)> {
    let may_have_one = SCHEMES.iter().any(|scheme| address.starts_with(scheme));
    address.split_once('?').filter(|_| may_have_one)
}

/// The lock file at `path` in a build with `settings`. It has to be in the directory of the settings or of the user's:
/// whoever has written a Dockerfile has no say over other files of the host.
pub(crate) fn lock_file(
    path: &Path,
    settings: &Settings,
    store_root: &Path,
) -> Result<LockFile, BoxError> {
    let shown = path.display();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::canonicalize(parent.unwrap_or(Path::new(".")))
        .map_err(|error| format!("cannot find the directory of the lock file {shown}: {error}"))?;
    let of_settings = fs::canonicalize(&settings.directory).ok();
    let of_user = settings.user_directory.as_deref();
    let of_user = of_user.and_then(|directory| fs::canonicalize(directory).ok());
    let is_in = |directory: &Option<PathBuf>| {
        let directory = directory.as_ref();
        directory.is_some_and(|directory| parent.starts_with(directory))
    };
    if !is_in(&of_settings) && !is_in(&of_user) {
        return Err(format!(
            "the lock file {shown} is not in the build context, nor in the directory of the user's settings"
        )
        .into());
    }
    let path = parent.join(path.file_name().ok_or("a lock file has a name")?);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(format!("the lock file {shown} is not a regular file").into());
        }
        Ok(_) | Err(_) => {}
    }
    // A context that was fetched is gone after the build, and what is written there with it.
    let root = fs::canonicalize(store_root).ok();
    let is_made = !root.is_some_and(|root| parent.starts_with(root));
    Ok(LockFile { path, is_made })
}

/// What the file at `path` says about what is wanted.
pub(crate) fn locked(wanted: &Wanted<'_>, path: &Path) -> Result<Locked, BoxError> {
    let fail = |problem: String| format!("cannot read {}: {problem}", path.display());
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(fail("it is not a regular file".to_string()).into());
        }
        Ok(metadata) if metadata.len() > LIMIT => {
            return Err(fail(format!("it is larger than {LIMIT} bytes")).into());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Locked::Missing(None));
        }
        Err(error) => return Err(fail(error.to_string()).into()),
    }
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let lock = parse_lock(&path.display().to_string(), &text)?;
    if lock.request != Some(wanted.request) {
        return Ok(Locked::Stale(lock));
    }
    Ok(match lock.packages(wanted.architecture) {
        Some(_) => Locked::Found(lock),
        None => Locked::Missing(Some(lock)),
    })
}

/// Writes a lock file; it appears whole or not at all.
pub(crate) fn write_lock(path: &Path, lock: &Lock) -> Result<(), BoxError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&new, lock.to_string()).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        fs::remove_file(&new).ok();
        format!("cannot write {}: {error}", path.display()).into()
    })
}

impl Family<'_> {
    /// The lock in `file`, which is made if it is missing.
    pub(super) fn lock_of_file(
        &self,
        wanted: &Wanted<'_>,
        file: &LockFile,
        resolve: &dyn Fn() -> Result<Lock, BoxError>,
    ) -> Result<Lock, BoxError> {
        let shown = file.path.display();
        let others = match locked(wanted, &file.path)? {
            Locked::Found(lock) => return Ok(lock),
            Locked::Stale(_) => {
                return Err(format!(
                    "{shown} is not the lock of {0}: `jettison base update '{0}' --lock {shown}` writes it anew",
                    wanted.title
                )
                .into());
            }
            Locked::Missing(others) => others,
        };
        if !file.is_made {
            return Err(format!(
                "there is no lock of {0} for {1} in {shown}: `jettison base update '{0}' --lock FILE` makes one",
                wanted.title, wanted.architecture
            )
            .into());
        }
        let new = resolve()?;
        let lock = match others {
            Some(others) => others.joined(new),
            None => new,
        };
        write_lock(&file.path, &lock)?;
        self.reporter.note(&format!("wrote the lock file {shown}"));
        Ok(lock)
    }

    /// What was chosen last for what is wanted, from the archives that `sources` describes.
    pub(super) fn last_lock(&self, wanted: &Wanted<'_>, sources: &str) -> Option<Lock> {
        match locked(wanted, &self.last_path(wanted, sources)) {
            Ok(Locked::Found(lock)) => Some(lock),
            // What cannot be read is chosen anew.
            Ok(Locked::Missing(_) | Locked::Stale(_)) | Err(_) => None,
        }
    }

    /// Keeps what was chosen. What cannot be kept is not.
    pub(super) fn keep_lock(&self, wanted: &Wanted<'_>, sources: &str, lock: &Lock) {
        let path = self.last_path(wanted, sources);
        let parent = path.parent().unwrap_or(Path::new(""));
        let _not_kept = fs::create_dir_all(parent).map(|()| write_lock(&path, lock));
    }

    fn last_path(&self, wanted: &Wanted<'_>, sources: &str) -> PathBuf {
        let (request, architecture) = (wanted.request, wanted.architecture);
        let text = format!("{request}\n{architecture}\n{sources}");
        let name = Sha256::of(text.as_bytes()).to_string();
        self.store.root().join("downloads/locks").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(address: &str, expected: Expect) {
        let directory = Path::new("/context");
        expected.assert_eq(&match split_lock(&in_directory(address, directory)) {
            Ok((address, lock)) => format!("{address} {lock:?}"),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn an_address_may_name_a_lock_file() {
        check(
            "distroless://java21:nonroot?lock=locks/java.lock",
            expect![[r#"distroless://java21:nonroot Some("/context/locks/java.lock")"#]],
        );
        check(
            "debian://trixie?include=curl&lock=deb.lock&env=A=1",
            expect![[r#"debian://trixie?include=curl&env=A=1 Some("/context/deb.lock")"#]],
        );
        check(
            "debian://trixie?lock=/elsewhere/deb.lock",
            expect![[r#"debian://trixie Some("/elsewhere/deb.lock")"#]],
        );
        check(
            "debian://trixie?include=a",
            expect!["debian://trixie?include=a None"],
        );
        check("alpine?lock=x", expect!["alpine?lock=x None"]);
    }

    #[test]
    fn a_lock_is_one_file() {
        check(
            "distroless://static?lock=",
            expect![
                "error: `distroless://static?lock=` does not name one lock file: take ?lock=FILE"
            ],
        );
        check(
            "debian://trixie?lock=a&lock=b",
            expect![
                "error: `debian://trixie?lock=/context/a&lock=/context/b` does not name one lock file: take ?lock=FILE"
            ],
        );
        check(
            "distroless://static?lok=a",
            expect!["error: `lok=a` in `distroless://static?lok=a` is no option: take ?lock=FILE"],
        );
    }
}
