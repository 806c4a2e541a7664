//! Other names of programs: links in the directories where people start programs. Those of Debian's alternatives
//! (`update-alternatives(1)`) are such, as `convert`, `identify` and `mogrify`, and no package lists them; so are `python` beside
//! `python3.13`, and what an instruction has made by `ln -s`.

use std::path::{Path, PathBuf};

use super::{Keeper, UseKind};
use crate::evidence::java::java_home;
use crate::evidence::owner::Owner;
use crate::rootfs::RootError;

/// Where people start programs by their names, besides the directories of `PATH`.
const PLACES: [&str; 5] = ["/bin", "/sbin", "/usr/bin", "/usr/games", "/usr/sbin"];

impl Keeper<'_> {
    /// Keeps all names of the programs that are kept: whoever runs the image may call them by any.
    pub(super) fn add_alternatives(&mut self) -> Result<(), RootError> {
        let kept = (
            self.kept.packages.len(),
            self.kept.paths.len(),
            self.kept.used.len(),
        );
        if kept == self.kept_with_names {
            return Ok(());
        }
        self.kept_with_names = kept;
        let of_path = self.path_env.split(':').map(Path::new);
        let of_path = of_path.filter(|place| place.is_absolute());
        let places = PLACES.iter().map(Path::new).chain(of_path);
        let places: Vec<PathBuf> = places.map(Path::to_path_buf).collect();
        for place in places {
            // What another directory is called as well has its links there.
            if !self.root.entry(&place).is_some_and(|found| found.is_dir()) {
                continue;
            }
            for name in self.root.names(&place) {
                let path = place.join(name);
                if let Some(program) = self.other_name(&path)? {
                    let reason = format!("it is a name of {}", program.display());
                    self.add(&path, UseKind::Looked, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// The program that the link at `path`, which no package lists, leads to, if that is kept and the link is not.
    fn other_name(&mut self, path: &Path) -> Result<Option<PathBuf>, RootError> {
        let is_link = self
            .root
            .entry(path)
            .is_some_and(|found| found.is_symlink());
        if !is_link || self.owners.is_packaged(path) || self.covers(path) {
            return Ok(None);
        }
        let program = match self.root.resolve(path) {
            Ok(resolved) => resolved.real_path,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_file = self
            .root
            .entry(&program)
            .is_some_and(|found| found.is_file());
        // A runtime may be made anew, with fewer programs.
        if !is_file || java_home(self.root, &program).is_some() {
            return Ok(None);
        }
        let is_kept = match self.owners.of(&program) {
            Owner::Package(package) => self.keeps_package(&package),
            Owner::Module(_) | Owner::Instruction(_) | Owner::Base => self.covers(&program),
        };
        Ok(is_kept.then_some(program))
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
    fn a_program_that_is_kept_has_all_its_names() {
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
            let link = Path::new("/etc/alternatives").join(name);
            symlink(link, root.join("usr/bin").join(name)).unwrap();
        }
        symlink(
            "/usr/share/man/man1/magick.1.gz",
            root.join("etc/alternatives/convert.1.gz"),
        )
        .unwrap();
        fs::create_dir_all(root.join("usr/local/bin")).unwrap();
        fs::write(root.join("usr/local/bin/python3.13"), "").unwrap();
        for (name, target) in [("python3", "python3.13"), ("python", "python3")] {
            symlink(target, root.join("usr/local/bin").join(name)).unwrap();
        }
        let root = RootDir::open(root).unwrap();
        let kept = |used: &[&str]| {
            let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
            for path in used {
                keeper
                    .add(Path::new(path), UseKind::Looked, "used")
                    .unwrap();
            }
            keeper.start_programs_from("/usr/local/bin:/usr/bin", Path::new("/"));
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
        assert_eq!(
            kept(&["/usr/local/bin/python3"]),
            [
                "/usr/local/bin/python",
                "/usr/local/bin/python3",
                "/usr/local/bin/python3.13",
            ]
        );
        assert_eq!(kept(&[]), [""; 0]);
    }
}
