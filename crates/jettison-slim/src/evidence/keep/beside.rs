//! Packages that add something to what is used: a dictionary, a language, a plugin beside those that a run has opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Keeper, is_python_library};
use crate::rootfs::RootError;

/// Directories in which every package may have files, whether they have to do with each other or not.
const COMMON: [&str; 26] = [
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/games",
    "/usr/lib",
    "/usr/lib/debug",
    "/usr/lib/gcc",
    "/usr/lib/jvm",
    "/usr/lib/llvm",
    "/usr/lib/locale",
    "/usr/lib/python3",
    "/usr/lib/systemd",
    "/usr/lib/tmpfiles.d",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share",
    "/usr/share/java",
    "/usr/share/maven-repo",
    "/usr/share/nodejs",
    "/usr/share/perl5",
    "/usr/share/zoneinfo",
    "/var/lib",
];
/// Directories in which, and below which, files are of all kinds.
const WITH_ALL_BELOW: [&str; 12] = [
    "/etc",
    "/usr/include",
    "/usr/lib/gcc",
    "/usr/lib/jvm",
    "/usr/lib/python3",
    "/usr/lib/systemd",
    "/usr/share/doc",
    "/usr/share/icons",
    "/usr/share/locale",
    "/usr/share/man",
    "/usr/share/zoneinfo",
    "/var/lib/dpkg",
];
/// Where fonts are.
const FONTS: &str = "/usr/share/fonts";

impl Keeper<'_> {
    /// Keeps the packages that the Dockerfile has installed and that have files beside one that a run has used, in a directory
    /// that is not everybody's: which of them is used, the input says. And all fonts, if anybody looks for fonts: which one
    /// has a letter, the text says. Who has the Dockerfile ask for some may look for all of them by himself (Pillow).
    pub(super) fn add_beside(&mut self) -> Result<(), RootError> {
        let mut places: BTreeSet<PathBuf> = BTreeSet::new();
        for path in &self.kept.used {
            let place = path.parent().filter(|place| !is_common(place));
            let is_file = || self.root.entry(path).is_some_and(|found| found.is_file());
            if let Some(place) = place
                && self.owners.is_packaged(path)
                && is_file()
            {
                places.insert(place.to_path_buf());
            }
        }
        let shows_text = self.kept.used.iter().any(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libfontconfig.so")
        });
        let unasked = self.unasked()?;
        let is_asked = |package: &str| {
            self.is_asked_for(package) || unasked.as_ref().is_some_and(|all| !all.contains(package))
        };
        let is_font = |path: &Path| path.starts_with(FONTS) && path.extension().is_some();
        let is_meant = |(package, path): (&str, &Path)| {
            is_font(path) && is_asked(package) && self.is_installed_here(package)
        };
        let wants_fonts = self.owners.all_files().any(is_meant);
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            let is_beside = path.parent().is_some_and(|place| places.contains(place));
            let is_wanted = is_font(path) && (shows_text || wants_fonts);
            if (is_beside || is_wanted) && !found.contains_key(package) && !is_for_building(package)
            {
                let reason = if is_beside {
                    format!("its {} lies beside what is used", path.display())
                } else if shows_text {
                    "a text may need any font".to_owned()
                } else {
                    "somebody has asked for fonts to be installed".to_owned()
                };
                found.insert(package.to_owned(), reason);
            }
        }
        self.add_installed_here(found)
    }

    /// Keeps the packages that the Dockerfile has installed and that have plugins in a directory where a package that is kept has
    /// some: formats of pictures, of sound, of databases. Those that came along with it, it may load as well as its own.
    pub(super) fn add_plugins(&mut self) -> Result<(), RootError> {
        let is_plugin = |path: &Path| {
            let is_library = path.extension().is_some_and(|end| end == "so");
            is_library && path.starts_with("/usr/lib")
        };
        let mut places: BTreeMap<&Path, &str> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            let place = path.parent().filter(|place| !is_common(place));
            if let Some(place) = place
                && is_plugin(path)
                && self.kept.packages.contains_key(package)
            {
                places.entry(place).or_insert(package);
            }
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            let by = path.parent().and_then(|place| places.get(place));
            if let Some(by) = by
                && is_plugin(path)
                && !found.contains_key(package)
                && !is_for_building(package)
            {
                let reason = format!("its {} lies beside plugins of {by}", path.display());
                found.insert(package.to_owned(), reason);
            }
        }
        self.add_installed_here(found)
    }

    /// Keeps those of these packages that an instruction of the Dockerfile has installed, each for its reason.
    pub(super) fn add_installed_here(
        &mut self,
        found: BTreeMap<String, String>,
    ) -> Result<(), RootError> {
        for (package, reason) in found {
            let is_new = !self.kept.packages.contains_key(&package);
            if is_new && self.is_installed_here(&package) {
                self.add_unseen_package(&package, &reason)?;
            }
        }
        Ok(())
    }

    /// Whether an instruction of the Dockerfile has installed `package`, and not the base image, or asks for it nevertheless.
    pub(super) fn is_installed_here(&self, package: &str) -> bool {
        let list = |name: &str| PathBuf::from(format!("/var/lib/dpkg/info/{name}.list"));
        let mut files = self
            .owners
            .files_of(package)
            .filter(|path| self.root.entry(path).is_some_and(|found| !found.is_dir()));
        self.is_asked_for(package)
            || self.owners.maker(&list(package)).is_some()
            || files
                .next()
                .is_some_and(|path| self.owners.maker(path).is_some())
    }
}

/// Whether every package may have files in the directory at `place`.
pub(super) fn is_common(place: &Path) -> bool {
    COMMON.iter().any(|common| place == Path::new(common))
        || WITH_ALL_BELOW.iter().any(|common| place.starts_with(common))
        // `/usr/lib/x86_64-linux-gnu` and its directories of modules of Perl.
        || place.parent() == Some(Path::new("/usr/lib"))
            && place.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-"))
        || place.ancestors().any(is_python_library)
        || place.iter().any(|part| part == "perl" || part == "perl5" || part == "perl-base")
        || place.iter().any(|part| part == "vendor_ruby" || part == "site-packages" || part == "dist-packages")
}

/// Whether a package serves those who build programs, and read about them.
pub(super) fn is_for_building(package: &str) -> bool {
    const NAMES: [&str; 22] = [
        "autoconf",
        "automake",
        "binutils",
        "build-essential",
        "bundler",
        "cargo",
        "cmake",
        "composer",
        "cpp",
        "g++",
        "gcc",
        "gdb",
        "libtool",
        "make",
        "maven",
        "meson",
        "ninja-build",
        "npm",
        "pkg-config",
        "pkgconf",
        "python3-pip",
        "yarnpkg",
    ];
    // Of these there are many, by versions and machines.
    const STARTS: [&str; 5] = ["binutils-", "cpp-", "g++-", "gcc-", "golang-"];
    const ENDS: [&str; 7] = [
        "-dev", "-doc", "-docs", "-dbg", "-dbgsym", "-source", "-venv",
    ];
    // gcc's own package of licences is a dependency of its libraries.
    let is_base = package.starts_with("gcc-") && package.ends_with("-base");
    NAMES.contains(&package)
        || (!is_base && STARTS.iter().any(|start| package.starts_with(start)))
        || ENDS.iter().any(|end| package.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compilers_are_for_building_and_their_libraries_are_not() {
        for package in [
            "binutils-x86-64-linux-gnu",
            "gcc-12",
            "python3.11-venv",
            "libz-dev",
        ] {
            assert!(is_for_building(package), "{package}");
        }
        for package in ["gcc-12-base", "libgcc-s1", "imagemagick", "python3.11"] {
            assert!(!is_for_building(package), "{package}");
        }
    }

    #[test]
    fn some_directories_are_everybodys() {
        for place in [
            "/usr/bin",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu/perl/5.36",
            "/usr/lib/python3/dist-packages/yaml",
            "/usr/lib/jvm/java-17/bin",
            "/usr/lib/python3.11",
            "/usr/lib/python3.11/lib-dynload",
            "/etc/profile.d",
        ] {
            assert!(is_common(Path::new(place)), "{place}");
        }
        for place in [
            "/usr/lib/aspell",
            "/usr/share/tesseract-ocr/5/tessdata",
            "/usr/lib/x86_64-linux-gnu/gstreamer-1.0",
        ] {
            assert!(!is_common(Path::new(place)), "{place}");
        }
    }
}
