//! Data of packages that settings name: `Alias /icons/ "/usr/share/apache2/icons/"`.
//!
//! A run reads all settings and opens the data of one request; which data others ask for, the settings say. A program that is
//! told of data by its settings need not be of the package that brings them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Keeper;
use super::beside::{is_common, is_for_building};
use super::seen::Look;
use crate::evidence::collect::absolute_paths;
use crate::rootfs::RootError;

/// Where packages have data that are the same on every machine.
const DATA: &str = "/usr/share";

impl Keeper<'_> {
    /// Keeps the packages that the Dockerfile has installed and whose data are named by settings that runs have read.
    pub(super) fn add_data_of_settings(&mut self) -> Result<(), RootError> {
        let used = self.kept.used.iter();
        let settings = used.filter(|path| path.starts_with("/etc"));
        let unread = self.seen.new_ones(Look::Settings, settings);
        let mut named: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
        for path in unread {
            if let Some(text) = self.text(&path) {
                for data in data_paths(&absolute_paths(self.root, &without_comments(&text))) {
                    named.entry(data).or_insert_with(|| path.clone());
                }
            }
            self.seen.note(Look::Settings, &path);
        }
        if named.is_empty() {
            return Ok(());
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for (package, path) in self.owners.all_files() {
            let mut above = path.ancestors();
            let setting = above.find_map(|above| Some((above, named.get(above)?)));
            let Some((data, setting)) = setting.filter(|_| !found.contains_key(package)) else {
                continue;
            };
            let is_file = self.root.entry(path).is_some_and(|found| !found.is_dir());
            if is_file && !is_for_building(package) {
                let reason = format!("{} names its {}", setting.display(), data.display());
                found.insert(package.to_owned(), reason);
            }
        }
        self.add_installed_here(found)
    }
}

/// Those of the paths that are data, and not in a directory in which every package may have files.
fn data_paths(paths: &BTreeSet<PathBuf>) -> impl Iterator<Item = PathBuf> {
    paths
        .iter()
        .filter(|path| path.starts_with(DATA) && !is_common(path))
        .cloned()
}

/// The lines that are no comments in any of the usual notations, without those of XML.
pub(super) fn without_comments(text: &[u8]) -> Vec<u8> {
    const COMMENTS: [&[u8]; 3] = [b"#", b";", b"//"];
    let text = without_comments_of_xml(text);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| {
        let line = line.trim_ascii_start();
        !COMMENTS.iter().any(|start| line.starts_with(start))
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

fn without_comments_of_xml(text: &[u8]) -> Vec<u8> {
    const START: &[u8] = b"<!--";
    const END: &[u8] = b"-->";
    let mut rest = text;
    let mut kept = Vec::with_capacity(text.len());
    while let Some((before, comment)) = split_at(rest, START) {
        let Some((_, after)) = split_at(comment, END) else {
            break;
        };
        kept.extend_from_slice(before);
        rest = after;
    }
    kept.extend_from_slice(rest);
    kept
}

/// What is before and after the first `mark`.
fn split_at<'text>(text: &'text [u8], mark: &[u8]) -> Option<(&'text [u8], &'text [u8])> {
    let at = memchr::memmem::find(text, mark)?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::UseKind;
    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    /// Which packages stay if a run has read settings with this text. All but `base-data` were installed by the Dockerfile.
    #[track_caller]
    fn check(setting: &str, expected: &[&str]) {
        const PACKAGES: [(&str, &str); 4] = [
            ("server", "/usr/lib/server/module"),
            ("server-data", "/usr/share/server/icons/a.gif"),
            ("server-doc", "/usr/share/server/manual/a.html"),
            ("base-data", "/usr/share/base/a"),
        ];
        let [image, made] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let write = |dir: &tempfile::TempDir, path: &str, text: &str| {
            let path = dir.path().join(&path[1..]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (package, path) in PACKAGES {
            let list = format!("/var/lib/dpkg/info/{package}.list");
            let directory = Path::new(path).parent().unwrap().display().to_string();
            write(&image, &list, &format!("{directory}\n{path}\n"));
            write(&image, path, "");
            if package != "base-data" {
                write(&made, &list, "");
            }
        }
        write(&image, "/etc/server/a.conf", setting);
        let root = RootDir::open(image.path()).unwrap();
        let steps = [Step {
            files: made.path().to_path_buf(),
            line: 2,
            copies: false,
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper
            .add(Path::new("/etc/server/a.conf"), UseKind::Looked, "used")
            .unwrap();
        keeper.add_data_of_settings().unwrap();
        let found: Vec<&String> = keeper.kept().packages.keys().collect();
        assert_eq!(found, expected, "{setting}");
    }

    #[test]
    fn data_that_settings_name_stay_with_their_package() {
        check(
            "Alias /icons/ \"/usr/share/server/icons/\"\n",
            &["server-data"],
        );
        check("icon /usr/share/server/icons/a.gif;", &["server-data"]);
        // Documentation is no data, nor is a module; and what the base has is there for others.
        check("manual /usr/share/server/manual", &[]);
        check("load /usr/lib/server/module", &[]);
        check("data /usr/share/base", &[]);
        check("everything /usr/share/", &[]);
        check("# Alias /usr/share/server/icons", &[]);
    }

    #[test]
    fn comments_name_nothing() {
        let text = b"# /a\n  ; /b\n//c\nAlias /icons/ \"/d\" # /e\n";
        assert_eq!(without_comments(text), b"Alias /icons/ \"/d\" # /e\n");
        let text = b"<a>/b</a><!-- /c\n<d/> --><e/>\n<!-- /f";
        assert_eq!(without_comments(text), b"<a>/b</a><e/>\n<!-- /f");
    }
}
