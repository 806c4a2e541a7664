//! What an image's file system holds that an attacker could use.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::{fs, str};

use rustix::fs::{Mode, OFlags};

/// A database of packages or users that is larger than this is refused.
const DATABASE_LIMIT: u64 = 256 << 20;
/// How many symbolic links one path may go through, as in the kernel.
const LINK_LIMIT: usize = 40;
/// The directories in which programs lie.
const PROGRAM_FOLDERS: &[&[u8]] = &[b"bin", b"sbin", b"busybox"];
const SHELLS: &[&[u8]] = &[
    b"ash", b"bash", b"busybox", b"csh", b"dash", b"fish", b"ksh", b"ksh93", b"mksh", b"rbash",
    b"sh", b"tcsh", b"zsh",
];
const PACKAGE_MANAGERS: &[&[u8]] = &[
    b"apk",
    b"apt",
    b"apt-get",
    b"aptitude",
    b"dnf",
    b"dpkg",
    b"microdnf",
    b"opkg",
    b"pacman",
    b"rpm",
    b"tdnf",
    b"yum",
    b"zypper",
];

/// What was found in an image. Lists are sorted; paths are those inside the image and begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How many entries there are that are not directories.
    pub files: u64,
    /// The installed Debian and Alpine packages; one for each architecture.
    pub packages: Vec<String>,
    /// The shells, not counting symbolic links to them.
    pub shells: Vec<PathBuf>,
    /// The package managers' programs, not counting symbolic links to them.
    pub package_managers: Vec<PathBuf>,
    /// The regular files that run as another user or group than their caller.
    pub setuid_files: Vec<PathBuf>,
    /// The user that the program runs as; `root` for everything that means user 0.
    pub user: String,
}

/// Why an image could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A directory could not be listed.
    #[error("cannot list directory {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An entry's metadata could not be read.
    #[error("cannot inspect {}", path.display())]
    Inspect {
        /// The entry.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database of packages or users could not be read.
    #[error("cannot read database {}", path.display())]
    Read {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A database of packages or users is larger than any real one.
    #[error("cannot read database {}: it is larger than {DATABASE_LIMIT} bytes", path.display())]
    TooLarge {
        /// The database.
        path: PathBuf,
    },
}

/// Audits the file system at `root`, whose image runs its program as `user`.
///
/// No symbolic link leads out of `root`: links are resolved as they would be inside the image.
pub fn audit(root: &Path, user: &str) -> Result<Audit, AuditError> {
    let mut audit = Audit {
        files: 0,
        packages: packages(root)?,
        shells: Vec::new(),
        package_managers: Vec::new(),
        setuid_files: Vec::new(),
        user: user_name(root, user)?,
    };
    let mut folders = vec![PathBuf::from("/")];
    while let Some(folder) = folders.pop() {
        for name in list(&inside(root, &folder))? {
            let path = folder.join(name);
            let metadata = inspect(&inside(root, &path))?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                record(&mut audit, path, &metadata);
            }
        }
    }
    audit.shells.sort();
    audit.package_managers.sort();
    audit.setuid_files.sort();
    Ok(audit)
}

/// Notes one entry that is not a directory.
fn record(audit: &mut Audit, path: PathBuf, metadata: &Metadata) {
    audit.files += 1;
    if !metadata.is_file() {
        return;
    }
    if metadata.mode() & 0o111 != 0 && is_program(&path) {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        if SHELLS.contains(&name) {
            audit.shells.push(path.clone());
        }
        if PACKAGE_MANAGERS.contains(&name) {
            audit.package_managers.push(path.clone());
        }
    }
    if metadata.mode() & 0o6000 != 0 {
        audit.setuid_files.push(path);
    }
}

fn is_program(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|name| PROGRAM_FOLDERS.contains(&name.as_bytes()))
}

/// The name of the user that `user` of an image's configuration (`user[:group]`) stands for.
fn user_name(root: &Path, user: &str) -> Result<String, AuditError> {
    let name = user.split_once(':').map_or(user, |(name, _)| name);
    let is_root = match name.parse::<u32>() {
        Ok(id) => id == 0,
        Err(_) => name.is_empty() || name == "root" || has_id_zero(root, name)?,
    };
    Ok(if is_root {
        "root".to_owned()
    } else {
        user.to_owned()
    })
}

fn has_id_zero(root: &Path, name: &str) -> Result<bool, AuditError> {
    let accounts = database(root, "/etc/passwd")?.unwrap_or_default();
    let account = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name));
    Ok(account.is_some_and(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(0_u32))))
}

/// The installed packages' names, sorted.
fn packages(root: &Path) -> Result<Vec<String>, AuditError> {
    // Ordered by name first; the architecture keeps apart packages that are installed for two of them.
    let mut found = BTreeSet::new();
    if let Some(text) = database(root, "/var/lib/dpkg/status")? {
        found.extend(debian_packages(&text));
    }
    let folder = Path::new("/var/lib/dpkg/status.d");
    if let Some(folder) = resolve(root, folder)?
        && inspect(&inside(root, &folder))?.is_dir()
    {
        for name in list(&inside(root, &folder))? {
            let text = database(root, folder.join(name))?.unwrap_or_default();
            found.extend(debian_packages(&text));
        }
    }
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        let text = database(root, path)?.unwrap_or_default();
        found.extend(stanzas(&text).filter_map(|stanza| {
            let name = exact_field(stanza, "P:")?;
            Some((
                name.to_owned(),
                exact_field(stanza, "A:").unwrap_or_default().to_owned(),
            ))
        }));
    }
    Ok(found.into_iter().map(|(name, _)| name).collect())
}

/// Name and architecture of each package that is installed. A stanza without a status, as in distroless images, is.
fn debian_packages(text: &str) -> impl Iterator<Item = (String, String)> {
    stanzas(text).filter_map(|stanza| {
        let name = field(stanza, "Package")?;
        let status = field(stanza, "Status").unwrap_or("install ok installed");
        let architecture = field(stanza, "Architecture").unwrap_or_default();
        (status.split_whitespace().nth(2) == Some("installed"))
            .then(|| (name.to_owned(), architecture.to_owned()))
    })
}

/// The blocks of `text` between empty lines.
fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n")
        .filter(|stanza| !stanza.trim().is_empty())
}

/// A one-line field's value; names are not case-sensitive.
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The value of an Alpine field; names are case-sensitive.
fn exact_field<'a>(stanza: &'a str, prefix: &str) -> Option<&'a str> {
    stanza
        .lines()
        .find_map(|line| line.strip_prefix(prefix))
        .map(str::trim)
}

/// The text of the regular file at `path` in the image, or `None` if there is none.
fn database(root: &Path, path: impl AsRef<Path>) -> Result<Option<String>, AuditError> {
    let Some(path) = resolve(root, path.as_ref())? else {
        return Ok(None);
    };
    let path = inside(root, &path);
    let metadata = inspect(&path)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() > DATABASE_LIMIT {
        return Err(AuditError::TooLarge { path });
    }
    match read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(source) => Err(AuditError::Read { path, source }),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(DATABASE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where `path` leads inside the image: a path without symbolic links, or `None` if there is nothing.
fn resolve(root: &Path, path: &Path) -> Result<Option<PathBuf>, AuditError> {
    let mut pending: Vec<PathBuf> = parts(path);
    let mut resolved = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.components().next() {
            Some(Component::RootDir) => resolved = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                resolved.pop();
            }
            Some(Component::Normal(name)) => {
                let next = resolved.join(name);
                let host = inside(root, &next);
                match fs::symlink_metadata(&host) {
                    Ok(metadata) if metadata.is_symlink() => {
                        links += 1;
                        if links > LINK_LIMIT {
                            return Ok(None);
                        }
                        let target = fs::read_link(&host)
                            .map_err(|source| AuditError::Inspect { path: host, source })?;
                        pending.extend(parts(&target));
                    }
                    Ok(_) => resolved = next,
                    Err(error) if is_absent(&error) => return Ok(None),
                    Err(source) => return Err(AuditError::Inspect { path: host, source }),
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    Ok(Some(resolved))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The components of `path`, last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components()
        .rev()
        .map(|component| PathBuf::from(component.as_os_str()))
        .collect()
}

/// Where `path` of the image lies on this machine.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn inspect(path: &Path) -> Result<Metadata, AuditError> {
    fs::symlink_metadata(path).map_err(|source| AuditError::Inspect {
        path: path.to_owned(),
        source,
    })
}

/// The names in a directory.
fn list(path: &Path) -> Result<Vec<std::ffi::OsString>, AuditError> {
    let names = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|source| AuditError::List {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A file system in a temporary directory.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            Tree(tempfile::tempdir().unwrap())
        }

        fn file(&self, path: &str, mode: u32, text: &str) -> &Tree {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            self
        }

        fn link(&self, path: &str, target: impl AsRef<Path>) -> &Tree {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
            self
        }

        fn audit(&self) -> Audit {
            self.audit_as("")
        }

        fn audit_as(&self, user: &str) -> Audit {
            audit(self.0.path(), user).unwrap()
        }
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn an_empty_image_holds_nothing_and_runs_as_root() {
        let audit = Tree::new().audit();
        assert_eq!(audit.files, 0);
        assert_eq!(audit.user, "root");
        assert!(audit.packages.is_empty() && audit.shells.is_empty());
    }

    #[test]
    fn everything_that_is_not_a_directory_is_a_file() {
        let tree = Tree::new();
        tree.file("a/b/c", 0o644, "")
            .link("a/dangling", "nowhere")
            .link("a/up", "..");
        assert_eq!(tree.audit().files, 3);
    }

    #[test]
    fn a_link_to_a_shell_is_not_a_second_shell() {
        let tree = Tree::new();
        tree.file("usr/bin/dash", 0o755, "")
            .link("usr/bin/sh", "dash")
            .link("bin", "usr/bin");
        assert_eq!(tree.audit().shells, paths(&["/usr/bin/dash"]));
    }

    #[test]
    fn only_executable_files_in_folders_of_programs_are_shells() {
        let tree = Tree::new();
        tree.file("busybox/sh", 0o755, "")
            .file("opt/tools/sbin/zsh", 0o700, "")
            .file("bin/bash", 0o644, "")
            .file("usr/share/bash", 0o755, "")
            .file("bin/bashful", 0o755, "");
        assert_eq!(
            tree.audit().shells,
            paths(&["/busybox/sh", "/opt/tools/sbin/zsh"])
        );
    }

    #[test]
    fn package_managers_are_found_like_shells() {
        let tree = Tree::new();
        tree.file("usr/bin/dpkg", 0o755, "")
            .file("usr/bin/apt-get", 0o755, "")
            .link("usr/bin/apt", "apt-get");
        assert_eq!(
            tree.audit().package_managers,
            paths(&["/usr/bin/apt-get", "/usr/bin/dpkg"])
        );
    }

    #[test]
    fn files_with_the_setuid_or_setgid_bit_are_listed_and_directories_are_not() {
        let tree = Tree::new();
        tree.file("su", 0o4755, "")
            .file("wall", 0o2755, "")
            .file("plain", 0o1755, "");
        tree.file("shared/file", 0o644, "");
        let shared = tree.0.path().join("shared");
        fs::set_permissions(shared, fs::Permissions::from_mode(0o2775)).unwrap();
        assert_eq!(tree.audit().setuid_files, paths(&["/su", "/wall"]));
    }

    #[test]
    fn only_installed_debian_packages_count() {
        let tree = Tree::new();
        let status = "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\n\n\
            Package: gone\nStatus: deinstall ok config-files\n\n\
            package: held\nstatus: hold ok installed\nDescription: x\n Package: not-a-field\n\n\n\
            Package: half\nStatus: install ok half-installed\n";
        tree.file("var/lib/dpkg/status", 0o644, status);
        assert_eq!(tree.audit().packages, ["held", "zlib1g"]);
    }

    #[test]
    fn a_package_of_two_architectures_is_two_packages() {
        let tree = Tree::new();
        let stanza = |architecture| {
            format!(
                "Package: libc6\nStatus: install ok installed\nArchitecture: {architecture}\n\n"
            )
        };
        tree.file(
            "var/lib/dpkg/status",
            0o644,
            &(stanza("amd64") + &stanza("i386")),
        );
        assert_eq!(tree.audit().packages, ["libc6", "libc6"]);
    }

    #[test]
    fn the_packages_of_a_distroless_image_have_a_file_each() {
        let tree = Tree::new();
        tree.file(
            "var/lib/dpkg/status.d/base",
            0o644,
            "Package: base-files\nVersion: 12\n",
        )
        .file(
            "var/lib/dpkg/status.d/base.md5sums",
            0o644,
            "d41d8cd98f00b204  etc/x\n",
        )
        .file("var/lib/dpkg/status.d/tzdata", 0o644, "Package: tzdata\n");
        assert_eq!(tree.audit().packages, ["base-files", "tzdata"]);
    }

    #[test]
    fn alpine_packages_count_and_two_names_of_one_database_do_not() {
        let tree = Tree::new();
        tree.file(
            "usr/lib/apk/db/installed",
            0o644,
            "P:musl\nA:x86_64\np:so:x\n\nP:busybox\n\n",
        )
        .link("lib", "usr/lib");
        assert_eq!(tree.audit().packages, ["busybox", "musl"]);
    }

    #[test]
    fn links_are_resolved_inside_the_image() {
        let outside = Tree::new();
        outside.file("status", 0o644, "Package: outside\n");
        let tree = Tree::new();
        tree.file("data/status", 0o644, "Package: inside\n")
            .link("var/lib/dpkg", "/../../data")
            .link("lib/apk/db/installed", outside.0.path().join("status"))
            .link("bin", outside.0.path());
        let audit = tree.audit();
        assert_eq!(audit.packages, ["inside"]);
        assert_eq!(audit.files, 4);
    }

    #[test]
    fn links_in_a_circle_end() {
        let tree = Tree::new();
        tree.link("var", "lib").link("lib", "var");
        assert!(tree.audit().packages.is_empty());
    }

    #[test]
    fn a_database_that_is_no_regular_file_is_not_opened() {
        let tree = Tree::new();
        let folder = tree.0.path().join("var/lib/dpkg");
        fs::create_dir_all(&folder).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("status"), fifo, mode, 0).unwrap();
        let audit = tree.audit();
        assert_eq!((audit.packages.len(), audit.files), (0, 1));
    }

    #[test]
    fn a_database_of_absurd_size_is_an_error() {
        let tree = Tree::new();
        tree.file("var/lib/dpkg/status", 0o644, "");
        let status = tree.0.path().join("var/lib/dpkg/status");
        File::options()
            .write(true)
            .open(status)
            .unwrap()
            .set_len(DATABASE_LIMIT + 1)
            .unwrap();
        assert!(matches!(
            audit(tree.0.path(), ""),
            Err(AuditError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_missing_root_is_an_error() {
        let tree = Tree::new();
        assert!(matches!(
            audit(&tree.0.path().join("x"), ""),
            Err(AuditError::List { .. })
        ));
    }

    #[test]
    fn whoever_has_the_id_zero_is_root() {
        let tree = Tree::new();
        tree.file(
            "etc/passwd",
            0o644,
            "root:x:0:0\ntoor:x:0:0:::\napp:x:100:0:::\n",
        );
        for user in [
            "", "0", "00", "0:0", "root", "root:app", ":5", "toor", "toor:app",
        ] {
            assert_eq!(tree.audit_as(user).user, "root", "{user:?}");
        }
        for user in ["app", "app:root", "65532", "1000:0", "unknown"] {
            assert_eq!(tree.audit_as(user).user, user);
        }
    }
}
