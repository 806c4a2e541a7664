//! A linked runtime in the place of the one that the package has.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::base::link::{ARCHIVE, LinkRequest};
use crate::base::tools::{ToolError, at};
use crate::base::unpacked::{MadeData, StoredFile, Unpacked, UnpackedEntry, UnpackedKind};

/// Files that linking makes.
const MADE: [&str; 3] = ["lib/modules", "release", ARCHIVE];

impl LinkRequest<'_> {
    /// The files of the package as far as `made`, the linked runtime, has them, and their contents.
    pub(super) fn merged(
        &self,
        runtime: &Unpacked,
        made: &Path,
    ) -> Result<(Vec<UnpackedEntry>, MadeData), ToolError> {
        let home = format!("{}/", self.home(self.workshop.architecture));
        let below = self.workshop.unpacked;
        let mut data = self
            .workshop
            .kept()
            .made_data()
            .map_err(at("write below", below))?;
        let mut entries = Vec::new();
        let without = self.settings_without_module();
        for entry in &runtime.entries {
            let Some(path) = entry.path.strip_prefix(&home) else {
                if !without.iter().any(|start| entry.path.starts_with(start)) {
                    self.copy(entry, runtime, &mut data, &mut entries)?;
                }
                continue;
            };
            let file = made.join(path);
            let is_linked = file.symlink_metadata().is_ok();
            match &entry.kind {
                UnpackedKind::File(_) if MADE.contains(&path) && is_linked => {
                    let facts = if path == "release" {
                        let linked = fs::read_to_string(&file).map_err(at("read", &file))?;
                        let text = release(&linked, &read(runtime, entry)?);
                        data.store(&mut text.as_bytes())
                    } else {
                        let mut file = File::open(&file).map_err(at("read", &file))?;
                        data.store(&mut file)
                    };
                    let kind = UnpackedKind::File(facts.map_err(at("write below", below))?);
                    entries.push(UnpackedEntry {
                        kind,
                        ..entry.clone()
                    });
                }
                UnpackedKind::Directory | UnpackedKind::File(_) | UnpackedKind::HardLink(_) => {
                    if is_linked {
                        self.copy(entry, runtime, &mut data, &mut entries)?;
                    }
                }
                // Most lead to /etc, where the package has what is below `conf` and more.
                UnpackedKind::Symlink(target) => {
                    let target = target.trim_start_matches('/');
                    if file.parent().is_some_and(Path::is_dir)
                        && !without.iter().any(|start| target.starts_with(start))
                    {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        self.add_archive(made, &mut data, &mut entries)?;
        Ok((entries, data))
    }

    /// Adds the archive of classes where the package has none and a script of its makes it, as those of Java 11 do.
    fn add_archive(
        &self,
        made: &Path,
        data: &mut MadeData,
        entries: &mut Vec<UnpackedEntry>,
    ) -> Result<(), ToolError> {
        let home = self.home(self.workshop.architecture);
        let [path, modules] = [ARCHIVE, "lib/modules"].map(|name| format!("{home}/{name}"));
        let file = made.join(ARCHIVE);
        if entries.iter().any(|entry| entry.path == path) || !file.exists() {
            return Ok(());
        }
        let beside = entries.iter().find(|entry| entry.path == modules);
        if let Some(beside) = beside.cloned() {
            let mut content = File::open(&file).map_err(at("read", &file))?;
            let facts = data
                .store(&mut content)
                .map_err(at("write below", self.workshop.unpacked))?;
            entries.push(UnpackedEntry {
                path,
                kind: UnpackedKind::File(facts),
                ..beside
            });
        }
        Ok(())
    }

    /// What the package has below `/etc` for modules that are not linked.
    fn settings_without_module(&self) -> Vec<String> {
        let has = |name: &str| self.link.modules.contains(name);
        // The modules of the recipes for images are many; those of small ones are named one by one.
        if has("java.se") {
            return Vec::new();
        }
        let settings = [
            ("jdk.jfr", "jfr/"),
            ("java.management", "management/"),
            ("java.desktop", "psfont"),
            ("java.desktop", "sound."),
            ("java.desktop", "swing."),
            ("java.desktop", "accessibility."),
        ];
        settings
            .iter()
            .filter(|(module, _)| !has(module))
            .map(|(_, start)| format!("etc/java-{}-openjdk/{start}", self.link.java))
            .collect()
    }

    fn copy(
        &self,
        entry: &UnpackedEntry,
        from: &Unpacked,
        data: &mut MadeData,
        entries: &mut Vec<UnpackedEntry>,
    ) -> Result<(), ToolError> {
        let mut copy = entry.clone();
        if let UnpackedKind::File(facts) = &entry.kind {
            let mut content = StoredFile::open(&from.data, facts);
            let facts = data
                .store(&mut content)
                .map_err(at("write below", self.workshop.unpacked))?;
            copy.kind = UnpackedKind::File(facts);
        }
        entries.push(copy);
        Ok(())
    }
}

/// The content of a package's file.
fn read(package: &Unpacked, entry: &UnpackedEntry) -> Result<String, ToolError> {
    let mut bytes = Vec::new();
    if let UnpackedKind::File(facts) = &entry.kind {
        StoredFile::open(&package.data, facts)
            .read_to_end(&mut bytes)
            .map_err(at("read", Path::new(&entry.path)))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the package says about itself, with the modules that were linked.
fn release(linked: &str, package: &str) -> String {
    let is_modules = |line: &&str| line.starts_with("MODULES=");
    let modules = linked.lines().find(is_modules).unwrap_or_default();
    let mut text = String::new();
    for line in package.lines().filter(|line| !is_modules(line)) {
        text += line;
        text.push('\n');
    }
    text += modules;
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_file_is_the_packages_but_for_the_modules() {
        let package =
            "IMPLEMENTOR=\"Debian\"\nMODULES=\"java.base jdk.compiler\"\nJAVA_VERSION=\"21.0.1\"\n";
        let linked = "JAVA_VERSION=\"21.0.1\"\nMODULES=\"java.base\"\n";
        assert_eq!(
            release(linked, package),
            "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"21.0.1\"\nMODULES=\"java.base\"\n"
        );
    }
}
