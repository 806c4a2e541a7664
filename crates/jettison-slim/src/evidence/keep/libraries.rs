//! Libraries of modules of Perl, Ruby, PHP and Lua, of which a program loads one when it first needs it.
//!
//! Python's and those of npm know what belongs together by their own lists. Of these, what is installed beside a module that was
//! loaded stays, since nobody knows which of them loads which; and the packages of Debian that bring a module that the program's
//! own sources name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::seen::Look;
use super::{Keeper, UseKind};
use crate::evidence::collect::is_system;
use crate::rootfs::RootError;

/// The largest source that is read, in bytes.
const SOURCE_LIMIT: u64 = 4 << 20;

impl Keeper<'_> {
    /// Keeps the libraries of modules that runs have loaded something of, and what sources in Perl and Ruby name.
    pub(super) fn add_libraries_of_modules(&mut self) -> Result<(), RootError> {
        let looked_at: BTreeSet<PathBuf> = self
            .kept
            .used
            .iter()
            .chain(self.kept.directories.keys())
            .flat_map(|path| path.ancestors())
            .map(Path::to_path_buf)
            .collect();
        for directory in &looked_at {
            for part in self.library_at(directory) {
                let is_own = self.owners.maker(&part).is_some() && !self.owners.is_packaged(&part);
                if is_own && self.root.target(&part).is_some() {
                    self.keep_path(part, "a program may load any of these modules");
                }
            }
        }
        self.add_packaged_modules()
    }

    /// The parts of the library of modules at `directory`, if it is one.
    fn library_at(&self, directory: &Path) -> Vec<PathBuf> {
        let name = directory.file_name().unwrap_or_default();
        let has = |part: &str| self.root.target(&directory.join(part)).is_some();
        if has("gems") && has("specifications") {
            // Not the archives that they were unpacked from, in `cache`.
            let parts = [
                "bin",
                "build_info",
                "bundler",
                "extensions",
                "gems",
                "plugins",
                "specifications",
            ];
            return parts.iter().map(|part| directory.join(part)).collect();
        }
        let is_of_composer = name == "vendor" && has("autoload.php");
        let is_of_perl = directory.starts_with("/usr/local")
            && (name == "perl" || name == "perl5")
            && !is_system(directory);
        let is_of_lua = directory == Path::new("/usr/local/share/lua");
        if is_of_perl {
            // Parts that are compiled lie elsewhere.
            return self.perl_libraries();
        }
        if is_of_composer || is_of_lua {
            return vec![directory.to_path_buf()];
        }
        Vec::new()
    }

    /// The directories in which modules of Perl are installed beside Debian's.
    fn perl_libraries(&self) -> Vec<PathBuf> {
        let mut found = vec![
            PathBuf::from("/usr/local/share/perl"),
            PathBuf::from("/usr/local/lib/perl5"),
        ];
        let libraries = Path::new("/usr/local/lib");
        for name in self.root.names(libraries) {
            if name.to_string_lossy().contains("-linux-") {
                found.push(libraries.join(name).join("perl"));
            }
        }
        found
    }

    /// Keeps the packages of Debian that bring modules which the program's own sources in Perl and Ruby name.
    fn add_packaged_modules(&mut self) -> Result<(), RootError> {
        let own: Vec<PathBuf> = self
            .kept
            .used
            .iter()
            .chain(self.kept.paths.keys())
            .cloned()
            .collect();
        let mut names = BTreeSet::new();
        for path in own {
            if self.owners.is_packaged(&path) || !self.seen.note(Look::Libraries, &path) {
                continue;
            }
            let mut pending = vec![path];
            while let Some(path) = pending.pop() {
                match self.root.symlink_metadata(&path) {
                    Ok(found) if found.is_dir() => {
                        let inside = self.root.names(&path);
                        let inside = inside.into_iter().filter(|name| name != "node_modules");
                        pending.extend(inside.map(|name| path.join(name)));
                    }
                    Ok(found) if found.is_file() => names.extend(self.modules_named_in(&path)),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        let is_named = |path: &Path| {
            let text = path.to_string_lossy();
            let below = PLACES
                .iter()
                .find_map(|place| text.split_once(place))
                .or_else(|| text.split_once("/gems/")?.1.split_once("/lib/"))
                .map(|(_, rest)| rest);
            // `5.36/` and `3.1.0/` come first in some.
            let rest = below.map(|rest| match rest.split_once('/') {
                Some((first, rest)) if first.starts_with(|c: char| c.is_ascii_digit()) => rest,
                Some(_) | None => rest,
            });
            rest.is_some_and(|rest| names.contains(rest))
        };
        let found: BTreeSet<(String, PathBuf)> = self
            .owners
            .all_files()
            .filter(|(package, path)| !self.complete.contains(*package) && is_named(path))
            .map(|(package, path)| (package.to_owned(), path.to_path_buf()))
            .collect();
        for (package, path) in found {
            // What the base image has of it came with its interpreter, and is found by use.
            if self.root.target(&path).is_some() && self.owners.maker(&path).is_some() {
                self.add_unseen_package(&package, &format!("a source names {}", path.display()))?;
                self.add(&path, UseKind::Looked, "a source names it")?;
            }
        }
        Ok(())
    }

    /// The files of modules that the source at `path` names, if it is one in Perl or Ruby, relative to where they are looked for.
    fn modules_named_in(&self, path: &Path) -> BTreeSet<String> {
        let end = path.extension().unwrap_or_default().to_string_lossy();
        let is_named = ["cgi", "pl", "pm", "psgi", "rb", "ru", "t"].contains(&&*end);
        let may_be = end.is_empty() || is_named;
        if !may_be {
            return BTreeSet::new();
        }
        let Some(bytes) = self.root.content(path, SOURCE_LIMIT) else {
            return BTreeSet::new();
        };
        let head = bytes.get(..bytes.len().min(64)).unwrap_or_default();
        let is_script = head.starts_with(b"#!")
            && ["perl", "ruby"]
                .iter()
                .any(|name| memchr::memmem::find(head, name.as_bytes()).is_some());
        if !is_named && !is_script {
            return BTreeSet::new();
        }
        module_files(&String::from_utf8_lossy(&bytes))
    }
}

/// Where Debian's packages have modules of Perl and Ruby.
const PLACES: [&str; 5] = [
    "/perl5/",
    "/perl-base/",
    "/perl/",
    "/vendor_ruby/",
    "/lib/ruby/",
];

/// The files of the modules that a source in Perl or Ruby names: `A::B` is in `A/B.pm`, and `require 'a/b'` loads `a/b.rb`.
fn module_files(text: &str) -> BTreeSet<String> {
    static PERL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\b(?:use|require|no)\s+([A-Z]\w*(?:::\w+)*)|\b([A-Za-z_]\w*(?:::\w+)+)").ok()
    });
    static RUBY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"\b(?:require|load|autoload\s*\(?\s*:\w+\s*,)\s*\(?\s*['"]([\w./-]+)['"]"#)
            .ok()
    });
    let mut files = BTreeSet::new();
    for captures in PERL.iter().flat_map(|pattern| pattern.captures_iter(text)) {
        if let Some(name) = captures.get(1).or_else(|| captures.get(2)) {
            files.insert(format!("{}.pm", name.as_str().replace("::", "/")));
        }
    }
    for captures in RUBY.iter().flat_map(|pattern| pattern.captures_iter(text)) {
        if let Some(name) = captures.get(1) {
            files.insert(format!("{}.rb", name.as_str().trim_end_matches(".rb")));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_name_the_files_of_modules() {
        let text = "use strict; use JSON;\nrequire Text::CSV if $csv;\nmy $c = \"XML::LibXML\";\nrequire 'nokogiri'\n\
            autoload :Y, \"yaml/store\"\n";
        let files = module_files(text);
        for name in [
            "JSON.pm",
            "Text/CSV.pm",
            "XML/LibXML.pm",
            "nokogiri.rb",
            "yaml/store.rb",
        ] {
            assert!(files.contains(name), "{name} in {files:?}");
        }
        assert!(!files.contains("strict.rb"));
    }
}
