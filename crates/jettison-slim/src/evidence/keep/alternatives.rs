//! Other names of programs that Debian's alternatives give (`update-alternatives(1)`): `convert`, `identify` and `mogrify` are links
//! to one program, and no package lists them.

use std::path::{Path, PathBuf};

use super::{Keeper, UseKind};
use crate::rootfs::RootError;

/// Where the links are that lead to the chosen programs.
const ALTERNATIVES: &str = "/etc/alternatives";
/// Where people start programs by their names.
const PLACES: [&str; 6] = [
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/games",
    "/usr/local/bin",
    "/usr/sbin",
];

impl Keeper<'_> {
    /// Keeps all names of the programs of packages that are kept: a package has them as it has its own files.
    pub(super) fn add_alternatives(&mut self) -> Result<(), RootError> {
        if self.kept.packages.len() == self.n_packages_with_names {
            return Ok(());
        }
        self.n_packages_with_names = self.kept.packages.len();
        let alternatives = Path::new(ALTERNATIVES);
        for name in self.root.names(alternatives) {
            let link = alternatives.join(&name);
            let Some((program, package)) = self.alternative(&link)? else {
                continue;
            };
            let reason = format!("it is a name of {} of {package}", program.display());
            for place in PLACES {
                let path = Path::new(place).join(&name);
                let is_link = self
                    .root
                    .entry(&path)
                    .is_some_and(|found| found.is_symlink());
                if is_link && self.root.read_link(&path)? == link {
                    self.add(&path, UseKind::Looked, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// The program that `link` leads to, and its package, if that is kept.
    fn alternative(&self, link: &Path) -> Result<Option<(PathBuf, String)>, RootError> {
        if !self
            .root
            .entry(link)
            .is_some_and(|found| found.is_symlink())
        {
            return Ok(None);
        }
        let target = self.root.read_link(link)?;
        let is_program = target
            .parent()
            .is_some_and(|parent| PLACES.iter().any(|place| parent == Path::new(place)));
        if !is_program || self.root.target(&target).is_none() {
            return Ok(None);
        }
        let package = self.owners.packages().owner_either_side(&target);
        let package = package.filter(|package| self.kept.packages.contains_key(*package));
        Ok(package.map(|package| (target.clone(), package.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn a_package_that_is_kept_has_all_names_of_its_programs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for directory in [
            "etc/alternatives",
            "usr/bin",
            "usr/share/man/man1",
            "var/lib/dpkg/info",
        ] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (package, files) in [
            (
                "magick",
                &["/usr/bin/magick-im7", "/usr/share/man/man1/magick.1.gz"][..],
            ),
            ("mawk", &["/usr/bin/mawk"]),
        ] {
            for file in files {
                fs::write(root.join(file.strip_prefix('/').unwrap()), "").unwrap();
            }
            let list = root.join(format!("var/lib/dpkg/info/{package}.list"));
            fs::write(list, files.join("\n") + "\n").unwrap();
        }
        for (name, target) in [
            ("convert", "/usr/bin/magick-im7"),
            ("identify", "/usr/bin/magick-im7"),
            ("gone", "/usr/bin/no-program"),
            ("awk", "/usr/bin/mawk"),
        ] {
            symlink(target, root.join("etc/alternatives").join(name)).unwrap();
            let link = Path::new(ALTERNATIVES).join(name);
            symlink(link, root.join("usr/bin").join(name)).unwrap();
        }
        symlink(
            "/usr/share/man/man1/magick.1.gz",
            root.join("etc/alternatives/convert.1.gz"),
        )
        .unwrap();
        let root = RootDir::open(root).unwrap();
        let kept = |used: &[&str]| {
            let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
            for path in used {
                keeper
                    .add(Path::new(path), UseKind::Looked, "used")
                    .unwrap();
            }
            keeper.add_alternatives().unwrap();
            let paths = keeper.kept().paths.keys();
            paths
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kept(&["/usr/bin/convert"]),
            [
                "/etc/alternatives/convert",
                "/etc/alternatives/identify",
                "/usr/bin/convert",
                "/usr/bin/identify",
            ]
        );
        assert_eq!(kept(&[]), [""; 0]);
    }
}
