//! What dpkg's database says of an image: which package lists which file.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::rootfs::{RootDir, RootError};

/// The largest list of files that is read, in bytes.
const LIST_LIMIT: u64 = 64 << 20;
/// Where dpkg keeps the lists of files.
const INFO: &str = "/var/lib/dpkg/info";

/// The Debian packages of an image, and what they list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packages {
    /// The packages' names and what each of them lists, by real paths.
    packages: Vec<(String, Vec<PathBuf>)>,
    /// Who lists a path first.
    listed: HashMap<PathBuf, usize>,
}

impl Packages {
    /// Reads dpkg's lists below `root`; an image without dpkg has no packages. A list that cannot be read is an error: to take
    /// it for an empty one would make a package's files anybody's.
    pub(crate) fn read(root: &RootDir) -> Result<Packages, RootError> {
        let names = match root.list(Path::new(INFO)) {
            Ok(names) => names,
            Err(error) if error.is_absent() => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut packages = Packages::default();
        let mut directories = HashMap::new();
        for name in names {
            let Some(package) = package_name(&name) else {
                continue;
            };
            let bytes = root.read(&Path::new(INFO).join(&name), LIST_LIMIT)?;
            packages.add(root, package, &bytes, &mut directories)?;
        }
        Ok(packages)
    }

    fn add(
        &mut self,
        root: &RootDir,
        package: String,
        list: &[u8],
        directories: &mut HashMap<PathBuf, Option<PathBuf>>,
    ) -> Result<(), RootError> {
        let index = self.packages.len();
        let mut paths = Vec::new();
        for line in list.split(|byte| *byte == b'\n') {
            let path = Path::new(OsStr::from_bytes(line));
            let Some(real) = real_entry(root, path, directories)? else {
                continue;
            };
            self.listed.entry(real.clone()).or_insert(index);
            paths.push(real);
        }
        self.packages.push((package, paths));
        Ok(())
    }

    /// The package that lists the entry at `path`, which is a real path.
    pub(crate) fn owner(&self, path: &Path) -> Option<&str> {
        let index = self.listed.get(path)?;
        self.packages.get(*index).map(|(name, _)| name.as_str())
    }

    /// The package that lists `path`, whichever side of a merged `/usr` it names.
    pub(crate) fn owner_either_side(&self, path: &Path) -> Option<&str> {
        let relative = path.strip_prefix("/").ok()?;
        let long = Path::new("/usr").join(relative);
        let short = path
            .strip_prefix("/usr")
            .map(|rest| Path::new("/").join(rest));
        self.owner(path)
            .or_else(|| self.owner(&long))
            .or_else(|| self.owner(short.as_deref().ok()?))
    }

    /// What `package` lists and the image may have, by real paths.
    pub(crate) fn files_of(&self, package: &str) -> impl Iterator<Item = &Path> {
        self.packages
            .iter()
            .filter(move |(name, _)| name == package)
            .flat_map(|(_, paths)| paths)
            .map(PathBuf::as_path)
    }

    /// Every path that a package lists, with the package.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.packages.iter().flat_map(|(name, paths)| {
            let paths = paths.iter().map(PathBuf::as_path);
            paths.map(|path| (name.as_str(), path))
        })
    }
}

/// The package whose list has this name.
fn package_name(list: &OsStr) -> Option<String> {
    let package = list.as_bytes().strip_suffix(b".list")?;
    // `libc6:amd64` is the form for packages of which several architectures can be installed.
    let package = package.split(|byte| *byte == b':').next()?;
    // Names become words of commands. Policy 5.6.1: no package has another character in its name.
    let is_name =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(byte);
    let is_plain = !package.is_empty() && !package.starts_with(b"-") && package.iter().all(is_name);
    is_plain.then(|| String::from_utf8_lossy(package).into_owned())
}

/// `path` with the links of the directories above it followed: a package may say `/lib/x` where `/lib` is a link. Nothing if
/// there is no such directory.
fn real_entry(
    root: &RootDir,
    path: &Path,
    directories: &mut HashMap<PathBuf, Option<PathBuf>>,
) -> Result<Option<PathBuf>, RootError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    if let Some(known) = directories.get(parent) {
        return Ok(known.as_ref().map(|real| real.join(name)));
    }
    let real = match root.resolve(parent) {
        Ok(resolved) => Some(resolved.real_path),
        Err(error) if error.is_absent() => None,
        Err(error) => return Err(error),
    };
    let entry = real.as_ref().map(|real| real.join(name));
    directories.insert(parent.to_path_buf(), real);
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// An image with a merged `/usr` and these lists.
    fn image(lists: &[(&str, &str)]) -> (tempfile::TempDir, RootDir) {
        let dir = tempfile::tempdir().unwrap();
        let info = dir.path().join("var/lib/dpkg/info");
        for path in ["usr/lib", "usr/bin", "var/lib/dpkg/info"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("usr/lib", dir.path().join("lib")).unwrap();
        for (name, list) in lists {
            fs::write(info.join(name), list).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        (dir, root)
    }

    #[track_caller]
    fn check(lists: &[(&str, &str)], path: &str, expected: Option<&str>) {
        let (_dir, root) = image(lists);
        let packages = Packages::read(&root).unwrap();
        let owner = packages.owner_either_side(Path::new(path));
        assert_eq!(owner, expected, "{path}");
    }

    #[test]
    fn packages_own_both_sides_of_a_merged_usr() {
        let lists = [
            ("x:amd64.list", "/.\n/lib\n/lib/x.so\n"),
            ("y.list", "/usr/bin\n/usr/bin/y\n"),
        ];
        check(&lists, "/usr/lib/x.so", Some("x"));
        check(&lists, "/lib/x.so", Some("x"));
        check(&lists, "/bin/y", Some("y"));
        check(&lists, "/bin/x.so", None);
        check(&lists, "relative", None);
    }

    #[test]
    fn names_that_no_package_can_have_own_nothing() {
        for name in ["x'; false.list", "-rf.list", "X.list", ".list", "x.md5sums"] {
            check(&[(name, "/usr/bin\n")], "/usr/bin", None);
        }
        check(&[("g++-12.list", "/usr/bin\n")], "/usr/bin", Some("g++-12"));
    }

    #[test]
    fn what_an_image_without_dpkg_has_belongs_to_no_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let packages = Packages::read(&root).unwrap();
        assert_eq!(packages.owner(Path::new("/usr")), None);
        assert_eq!(packages.files_of("x").count(), 0);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_an_error() {
        let (dir, root) = image(&[]);
        fs::create_dir(dir.path().join("var/lib/dpkg/info/x.list")).unwrap();
        let error = Packages::read(&root).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read /var/lib/dpkg/info/x.list: it is not a regular file"
        );
    }
}
