//! Packages that somebody has asked for and that nobody starts: libraries, plugins of them, data. Nobody asks for these to build
//! something, and which of them an input needs, no run has to show: a format of sound, a character set, a map.

use std::collections::BTreeMap;
use std::path::Path;

use super::beside::is_for_building;
use super::started::PLACES;
use super::{Keeper, is_python_library, left_out_rule};
use crate::rootfs::RootError;

/// Where files are that tools for building read, or what a language looks for by itself: each language has a rule of its own.
const OF_OTHERS: [&str; 33] = [
    "/lib/modules",
    "/usr/include",
    "/usr/lib/R",
    "/usr/lib/bfd-plugins",
    "/usr/lib/erlang",
    "/usr/lib/gcc",
    "/usr/lib/gcc-cross",
    "/usr/lib/ghc",
    "/usr/lib/go",
    "/usr/lib/jvm",
    "/usr/lib/llvm",
    "/usr/lib/node_modules",
    "/usr/lib/ocaml",
    "/usr/lib/php",
    "/usr/lib/python3",
    "/usr/lib/ruby",
    "/usr/lib/rustlib",
    "/usr/share/R",
    "/usr/share/autoconf",
    "/usr/share/cargo",
    "/usr/share/cmake",
    "/usr/share/common-lisp",
    "/usr/share/debhelper",
    "/usr/share/gocode",
    "/usr/share/gradle",
    "/usr/share/java",
    "/usr/share/lua",
    "/usr/share/maven-repo",
    "/usr/share/nodejs",
    "/usr/share/perl5",
    "/usr/share/php",
    "/usr/share/rubygems-integration",
    "/usr/src",
];
/// Packages of which other rules say when they are needed.
const RULED: [&str; 5] = [
    "ca-certificates",
    "libc6",
    "media-types",
    "netbase",
    "tzdata",
];
/// How files end that are linked, included or compiled.
const OF_BUILDS: [&str; 6] = ["a", "c", "cmake", "h", "jar", "m4"];

impl Keeper<'_> {
    /// Keeps the libraries, plugins and data that the Dockerfile asks for by the names of their packages.
    pub(super) fn add_passive(&mut self) -> Result<(), RootError> {
        let mut found = BTreeMap::new();
        let meant = self.meant.iter().map(String::as_str);
        for package in self.owners.asked_for().chain(meant) {
            let is_ruled = RULED.contains(&package) || is_for_building(package);
            if !is_ruled && self.is_passive(package) {
                let reason = "somebody has asked for this library or data to be installed";
                found.insert(package.to_owned(), reason.to_owned());
            }
        }
        self.add_installed_here(found)
    }

    /// Whether `package` has something, and nothing that is started, built with or of a language's own.
    fn is_passive(&self, package: &str) -> bool {
        let mut has_something = false;
        for path in self.owners.files_of(package) {
            let found = self.root.entry(path);
            if !found.is_some_and(|found| found.is_file() || found.is_symlink()) {
                continue;
            }
            let place = path.parent().unwrap_or(path);
            let is_started = PLACES.iter().any(|known| place == Path::new(known))
                || ["games", "libexec", "sbin"]
                    .iter()
                    .any(|known| place.ends_with(known));
            let end = path.extension().unwrap_or_default();
            let is_of_others = OF_OTHERS.iter().any(|known| path.starts_with(known))
                || path.ancestors().any(is_python_library)
                || path
                    .iter()
                    .any(|part| part == "perl5" || part == "perl" || part == "dist-packages")
                || OF_BUILDS.iter().any(|known| end == *known);
            if is_started || is_of_others {
                return false;
            }
            has_something |= !path.starts_with("/usr/share/doc") && left_out_rule(path).is_none();
        }
        has_something
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[track_caller]
    fn check(package: &str, files: &[&str], expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        let list = format!("/var/lib/dpkg/info/{package}.list");
        let text = files.join("\n") + "\n";
        for (path, text) in files
            .iter()
            .map(|path| (*path, "x"))
            .chain([(&*list, &*text)])
        {
            let path = dir.path().join(&path[1..]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let made = tempfile::tempdir().unwrap();
        let steps = [Step {
            files: made.path().to_path_buf(),
            asks_for: [package.to_owned()].into(),
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.add_passive().unwrap();
        let is_kept = keeper.kept().packages.contains_key(package);
        assert_eq!(is_kept, expected, "{package}");
    }

    #[test]
    fn libraries_plugins_and_data_that_are_asked_for_stay() {
        let plugin = "/usr/lib/x86_64-linux-gnu/sox/libsox_fmt_mp3.so";
        let paper = "/usr/share/doc/x/copyright";
        let header = "/usr/include/mp3.h";
        check("libsox-fmt-mp3", &[paper, plugin], true);
        check("geoip-database", &["/usr/share/GeoIP/GeoIP.dat"], true);
        check("default-jdk", &[paper], false);
        check("libmp3-0", &[plugin, header], false);
        check("libsox-dev", &[plugin], false);
        check("sox", &[plugin, "/usr/bin/sox"], false);
        check(
            "openjdk-21-jdk",
            &["/usr/lib/jvm/java-21/lib/modules"],
            false,
        );
        check("libxml-perl", &["/usr/share/perl5/XML.pm"], false);
        let distutils = "/usr/lib/python3.11/distutils/core.py";
        check("python3-distutils", &[distutils], false);
        check("tzdata", &["/usr/share/zoneinfo/UTC"], false);
    }
}
