//! What a package recommends and its own programs may start or load: there because the package was asked for, and of no use to
//! anything else (`psutils` for groff's pages of the web, `less` for what shows page by page).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::asked::is_everyday;
use super::beside::is_for_building;
use super::dependencies::is_interpreter;
use super::operators::is_started_by_name;
use super::seen::Look;
use super::{Keeper, LIBRARY_LIMIT};
use crate::evidence::elf::loaded;
use crate::rootfs::RootError;

/// Where packages have programs that only their own start.
const OF_ONE_PACKAGE: [&str; 2] = ["/usr/lib", "/usr/libexec"];
/// A module of Perl's that a script loads.
static PERL_MODULE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)\b(?:require|use)\s+([A-Z]\w*(?:::\w+)+)").ok());

impl Keeper<'_> {
    /// Keeps what a package recommends that somebody has asked for, if a program of it has the name of a program there, or is a
    /// script of Perl that loads a module of what is recommended.
    pub(super) fn add_recommended(&mut self) -> Result<(), RootError> {
        let packages: Vec<String> = self
            .kept
            .packages
            .keys()
            .filter(|package| self.is_asked_for(package) && !is_interpreter(package))
            .cloned()
            .collect();
        for package in packages {
            if !self.seen.note(Look::Recommended, Path::new(&package)) {
                continue;
            }
            let others = self.dependencies()?.recommended(&package);
            let others: Vec<String> = others.map(str::to_owned).collect();
            let others: Vec<String> = others
                .into_iter()
                .filter(|other| !self.kept.packages.contains_key(other))
                .filter(|other| !is_for_building(other) && self.is_installed_here(other))
                .collect();
            if others.is_empty() {
                continue;
            }
            let mut others: BTreeSet<String> = others.into_iter().collect();
            for program in self.programs_of(&package) {
                // One at a time: all of an office suite would not fit.
                let Some(bytes) = self.root.content(&program, LIBRARY_LIMIT) else {
                    continue;
                };
                for other in others.clone() {
                    if self.uses(&bytes, &other)? {
                        let program = program.display();
                        let reason = format!("{package} recommends it, and {program} may use it");
                        self.add_unseen_package(&other, &reason)?;
                        others.remove(&other);
                    }
                }
            }
        }
        Ok(())
    }

    /// The programs of `package`.
    fn programs_of(&self, package: &str) -> Vec<PathBuf> {
        let is_program = |path: &&Path| {
            is_started_by_name(path) || OF_ONE_PACKAGE.iter().any(|place| path.starts_with(place))
        };
        let files = self.owners.files_of(package).filter(is_program);
        let files = files.filter(|path| self.root.entry(path).is_some_and(|found| found.is_file()));
        files.map(Path::to_path_buf).collect()
    }

    /// Whether the program with these bytes may start or load something of the package `other`.
    fn uses(&mut self, bytes: &[u8], other: &str) -> Result<bool, RootError> {
        let closure = self.dependencies()?.closure(other);
        let is_new = |package: &&String| !self.kept.packages.contains_key(*package);
        let new: Vec<&String> = closure.iter().filter(is_new).collect();
        let files = self.owners.files_of(other);
        let names: BTreeSet<&str> = files
            .filter(|path| is_started_by_name(path))
            .filter_map(|path| path.file_name()?.to_str())
            .filter(|name| !is_everyday(name))
            .collect();
        let has_module = |module: String| {
            let mut files = new.iter().flat_map(|package| self.owners.files_of(package));
            files.any(|path| path.ends_with(&module))
        };
        Ok(words(bytes).any(|word| names.contains(word))
            || perl_modules(bytes).into_iter().any(has_module))
    }
}

/// The words of a script, or of the strings of a compiled program.
fn words(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let sections = match loaded(bytes) {
        Ok(sections) => sections,
        Err(_) => vec![bytes],
    };
    let strings = sections
        .into_iter()
        .flat_map(|section| section.split(|byte| *byte == 0));
    let texts = strings.filter_map(|string| std::str::from_utf8(string).ok());
    texts.flat_map(|text| {
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_.+-".contains(letter))
    })
}

/// The files of the modules that a script of Perl loads, as `Compress/Zlib.pm`.
fn perl_modules(bytes: &[u8]) -> Vec<String> {
    let first = bytes.split(|byte| *byte == b'\n').next();
    let is_perl = first
        .is_some_and(|line| line.starts_with(b"#!") && line.windows(4).any(|word| word == b"perl"));
    let (true, Some(pattern)) = (is_perl, PERL_MODULE.as_ref()) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(bytes);
    let found = pattern
        .captures_iter(&text)
        .filter_map(|found| found.get(1));
    found
        .map(|name| format!("{}.pm", name.as_str().replace("::", "/")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn what_an_asked_package_recommends_stays_if_a_program_of_it_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let installed = tempfile::tempdir().unwrap();
        let write = |root: &Path, path: &str, text: &str| {
            let path = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let gropdf = "#!/usr/bin/perl\neval { require Compress::Zlib; };\nuse Gone::Module;\n";
        let packages = [
            ("groff", "/usr/bin/gropdf", gropdf),
            ("groff-base", "/usr/bin/pages", "#!/bin/sh\nwhich whois\n"),
            ("imagemagick", "/usr/bin/convert", ""),
            ("perl", "/usr/bin/perl5", ""),
            ("perl-modules", "/usr/share/perl/Compress/Zlib.pm", ""),
            ("psutils", "/usr/bin/psselect", ""),
            ("units", "/usr/bin/units", ""),
            ("whois", "/usr/bin/whois", ""),
        ];
        for (package, path, text) in packages {
            let list = format!("/var/lib/dpkg/info/{package}.list");
            for root in [dir.path(), installed.path()] {
                write(root, path, text);
                write(root, &list, &format!("{path}\n"));
            }
        }
        let list = "/usr/lib/groff/page\n/usr/bin/gropdf\n";
        write(dir.path(), "/var/lib/dpkg/info/groff.list", list);
        write(
            dir.path(),
            "/usr/lib/groff/page",
            "#!/bin/sh\n# convert\npsselect -q $1\n",
        );
        let status = |package: &str, more: &str| {
            format!("Package: {package}\nStatus: install ok installed\n{more}\n")
        };
        let recommends = "Recommends: imagemagick, psutils, perl, units\n";
        let text: String = packages
            .into_iter()
            .map(|(package, _, _)| match package {
                "groff" => status(package, recommends),
                // Nobody has asked for it.
                "groff-base" => status(package, "Recommends: whois\n"),
                "perl" => status(package, "Depends: perl-modules\n"),
                _ => status(package, ""),
            })
            .collect();
        write(dir.path(), "/var/lib/dpkg/status", &text);
        let root = RootDir::open(dir.path()).unwrap();
        let steps = [Step {
            files: installed.path().to_path_buf(),
            line: 2,
            asks_for: ["groff".to_owned()].into(),
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        for package in ["groff", "groff-base"] {
            keeper.add_package(package, "used");
        }
        keeper.add_recommended().unwrap();
        let kept: Vec<&String> = keeper.kept.packages.keys().collect();
        assert_eq!(
            kept,
            ["groff", "groff-base", "perl", "perl-modules", "psutils"]
        );
        assert_eq!(
            keeper.kept.packages["psutils"],
            "groff recommends it, and /usr/lib/groff/page may use it"
        );
    }
}
