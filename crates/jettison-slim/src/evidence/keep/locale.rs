//! Languages and character sets: what a program that honours the locale may be told to use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::bytes::Regex;

use super::{Keeper, UseKind};
use crate::rootfs::{RootDir, RootError};

/// Where the C library looks for locales.
const LOCALES: &str = "/usr/lib/locale";
/// Where programs look for messages in other languages, as they are configured by `make install`.
const CATALOGS: [&str; 2] = ["/usr/share/locale", "/usr/local/share/locale"];
/// The largest archive of locales that is read: all that Debian knows are some 220 MB.
const ARCHIVE_LIMIT: u64 = 1 << 30;

impl Keeper<'_> {
    /// Keeps all locales if a run has looked for one, or a program of one's own may look for one: the next run may be told
    /// another, by `LANG`, `LC_ALL` or an argument.
    pub(super) fn add_locales(&mut self) -> Result<(), RootError> {
        let place = Path::new(LOCALES);
        let is_asked = self.kept.directories.contains_key(place)
            || self.kept.used.iter().any(|path| path.starts_with(place))
            || self
                .habits
                .names_locales
                .iter()
                .any(|path| !self.owners.is_packaged(path));
        if !is_asked || self.root.target(place).is_none() {
            return Ok(());
        }
        self.add(place, UseKind::Looked, "locales are looked for there")?;
        let real = self.root.resolve(place)?.real_path;
        self.keep_path(real, "a run may be told any of these locales");
        Ok(())
    }

    /// Keeps all catalogs of messages that somebody has installed beside those of packages, if a program may look for one: which
    /// one it is, the environment of a run says (`LANGUAGE`, `LC_ALL`, `LC_MESSAGES`, `LANG`).
    pub(super) fn add_catalogs(&mut self) -> Result<(), RootError> {
        if !self.habits.translates {
            return Ok(());
        }
        for place in CATALOGS.map(Path::new) {
            for language in self.root.names(place) {
                let directory = place.join(language).join("LC_MESSAGES");
                for name in self.root.names(&directory) {
                    let path = directory.join(name);
                    let is_catalog = path.extension().is_some_and(|end| end == "mo");
                    if is_catalog && !self.owners.is_packaged(&path) {
                        self.add(&path, UseKind::Looked, "a run may be told any language")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the C library's own messages in the languages that there are locales of: a program that says why it could not open
    /// a file says it in one of these.
    pub(super) fn add_libc_messages(&mut self) {
        let place = Path::new(LOCALES);
        if !self.kept.paths.contains_key(place) {
            return;
        }
        let languages = languages(self.root);
        let catalogs = Path::new(CATALOGS[0]);
        for directory in self.root.names(catalogs) {
            let is_spoken = directory
                .to_str()
                .is_some_and(|name| languages.contains(name));
            let path = catalogs.join(directory).join("LC_MESSAGES/libc.mo");
            if is_spoken && self.root.target(&path).is_some() {
                self.keep_path(path, "the C library's messages in a language that it knows");
            }
        }
    }

    /// Keeps the table of character sets that `iconvconfig` has made, which no package lists.
    pub(super) fn add_character_table(&mut self) -> Result<(), RootError> {
        let libraries = Path::new("/usr/lib");
        for name in self.root.names(libraries) {
            let table = libraries.join(name).join("gconv/gconv-modules.cache");
            let reason = "each conversion begins with a look into it";
            self.add(&table, UseKind::Looked, reason)?;
        }
        Ok(())
    }

    /// Whether the C library's modules for character sets may be asked for: by somebody who converts between character sets
    /// that others name, or by a locale that is not of UTF-8. What is of UTF-8 and of ASCII the C library does by itself
    /// (glibc's `iconv/gconv_builtin.h`).
    pub(super) fn converts_characters(&self) -> bool {
        // It comes with `ldconfig`, and converts only if somebody starts it.
        let is_idle =
            |path: &PathBuf| path.ends_with("bin/iconv") && !self.kept.used.contains(path);
        let mut converters = self.habits.converters.iter();
        converters.any(|path| !is_idle(path)) || has_other_character_sets(self.root)
    }
}

/// The names of languages, alone and with their countries, of which there are locales, as `de` and `de_AT`.
fn languages(root: &RootDir) -> BTreeSet<String> {
    let place = Path::new(LOCALES);
    let mut names = root
        .content(&place.join("locale-archive"), ARCHIVE_LIMIT)
        .unwrap_or_default();
    for name in root.names(place) {
        names.extend_from_slice(name.as_encoded_bytes());
        names.push(0);
    }
    languages_in(&names)
}

fn languages_in(names: &[u8]) -> BTreeSet<String> {
    let Ok(name) = Regex::new(r"(?-u)\b([a-z]{2,3})_([A-Z]{2})\b") else {
        return BTreeSet::new();
    };
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    name.captures_iter(names)
        .flat_map(|found| [text(&found[0]), text(&found[1])])
        .collect()
}

/// Whether there is a locale of another character set than UTF-8 and ASCII.
pub(crate) fn has_other_character_sets(root: &RootDir) -> bool {
    let place = Path::new(LOCALES);
    let archive = root.read(&place.join("locale-archive"), ARCHIVE_LIMIT);
    let directories = root.names(place);
    archive.is_ok_and(|bytes| names_other(&bytes))
        || directories
            .iter()
            .any(|name| names_other(name.as_encoded_bytes()))
}

/// Whether a name of a locale in `bytes`, such as `de_DE.iso88591@euro`, has another character set.
fn names_other(bytes: &[u8]) -> bool {
    let Ok(name) = Regex::new(r"(?-u)[a-z]{2,3}_[A-Z]{2}\.([0-9A-Za-z-]+)") else {
        return true;
    };
    name.captures_iter(bytes)
        .filter_map(|captures| captures.get(1))
        .any(|set| !matches!(set.as_bytes(), b"utf8" | b"UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_locales_tell_their_languages() {
        let found: Vec<String> = languages_in(b"\0de_AT.utf8\0x\0C.utf8\0sv_SE@euro")
            .into_iter()
            .collect();
        assert_eq!(found, ["de", "de_AT", "sv", "sv_SE"]);
    }

    #[test]
    fn names_of_locales_tell_their_character_sets() {
        for (names, expected) in [
            ("\0de_DE.utf8\0sv_SE.utf8\0C.utf8\0", false),
            ("de_DE.utf8\0de_DE.iso885915@euro\0", true),
            ("ja_JP.eucjp", true),
            ("ast_ES.UTF-8", false),
            ("C.utf8", false),
            ("POSIX", false),
        ] {
            assert_eq!(names_other(names.as_bytes()), expected, "{names}");
        }
    }
}
