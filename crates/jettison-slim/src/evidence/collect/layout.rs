//! From files that are needed to paths that `COPY` can name: whole directories where nothing else
//! is in them, targets of links, owners.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::made::is_system;
use super::{NotApplicable, Program, reason};
use crate::evidence::packages::Packages;
use crate::refactor::KeptPath;
use crate::rootfs::RootDir;

/// How often links may lead to further links.
const ROUNDS: usize = 8;

/// Replaces files by the directory that holds nothing but them.
pub(super) fn whole_directories(
    root: &RootDir,
    program: &Program,
    packages: &Packages,
    kept: &mut [KeptPath],
) {
    let paths: BTreeSet<PathBuf> = kept.iter().map(|kept| kept.path.clone()).collect();
    let mut known = BTreeMap::new();
    for file in kept {
        let above: Vec<PathBuf> = file
            .path
            .ancestors()
            .skip(1)
            .map(Path::to_path_buf)
            .collect();
        for directory in above {
            let is_own = !is_system(&directory)
                && !is_shared(&directory)
                && !program.path.starts_with(&directory)
                && !program.real_path.starts_with(&directory)
                && packages.owner_either_side(&directory).is_none();
            if !is_own || !is_whole(root, &directory, &paths, &mut known) {
                break;
            }
            file.path = directory;
        }
    }
}

/// Directories that are everybody's: what lies in one is named by itself.
fn is_shared(directory: &Path) -> bool {
    const SHARED: [&str; 8] = [
        "/opt",
        "/srv",
        "/home",
        "/root",
        "/usr/local/bin",
        "/usr/local/lib",
        "/usr/local/share",
        "/usr/local/etc",
    ];
    SHARED.iter().any(|shared| directory == Path::new(shared))
}

/// Whether everything below `directory` is in `paths`.
fn is_whole(
    root: &RootDir,
    directory: &Path,
    paths: &BTreeSet<PathBuf>,
    known: &mut BTreeMap<PathBuf, bool>,
) -> bool {
    if let Some(known) = known.get(directory) {
        return *known;
    }
    let names = root.names(directory);
    let whole = !names.is_empty()
        && names.iter().all(|name| {
            let path = directory.join(name);
            paths.contains(&path)
                || (root.entry(&path).is_some_and(|metadata| metadata.is_dir())
                    && is_whole(root, &path, paths, known))
        });
    known.insert(directory.to_path_buf(), whole);
    whole
}

/// Adds what links inside of kept directories lead to.
pub(super) fn follow_links(root: &RootDir, kept: &mut Vec<KeptPath>) -> Result<(), NotApplicable> {
    for _ in 0..ROUNDS {
        let mut targets = Vec::new();
        for path in kept.iter().map(|kept| &kept.path) {
            let is_dir = root.entry(path).is_some_and(|metadata| metadata.is_dir());
            // The time zones link to each other only.
            if is_dir && path != Path::new("/usr/share/zoneinfo") {
                links(root, path, &mut targets);
            }
        }
        let mut added = false;
        for (link, target) in targets {
            if kept.iter().any(|kept| target.starts_with(&kept.path)) {
                continue;
            }
            if target.components().count() <= 2 {
                return Err(reason(format!(
                    "{} leads to {}, which is too much to copy",
                    link.display(),
                    target.display()
                )));
            }
            kept.push(KeptPath {
                path: target,
                reason: format!("{} is a link to it", link.display()),
                is_directory: false,
            });
            added = true;
        }
        if !added {
            return Ok(());
        }
    }
    Err(reason("links lead to ever more links"))
}

fn links(root: &RootDir, directory: &Path, targets: &mut Vec<(PathBuf, PathBuf)>) {
    for name in root.names(directory) {
        let path = directory.join(name);
        let Some(metadata) = root.entry(&path) else {
            continue;
        };
        if metadata.is_dir() {
            links(root, &path, targets);
        } else if metadata.is_symlink()
            && let Ok(resolved) = root.resolve(&path)
        {
            targets.push((path, resolved.real_path));
        }
    }
}

/// Each path once, the program first, the rest sorted; nothing below a directory that is kept whole.
pub(super) fn dedup(kept: &mut Vec<KeptPath>) {
    let program = kept.remove(0);
    kept.sort();
    kept.dedup_by(|a, b| a.path == b.path);
    let paths: BTreeSet<PathBuf> = kept.iter().map(|path| path.path.clone()).collect();
    kept.retain(|path| {
        path.path != program.path
            && !path
                .path
                .ancestors()
                .skip(1)
                .any(|above| paths.contains(above))
    });
    kept.insert(0, program);
}

/// The owner of each kept path that does not belong to root.
pub(crate) fn owners(root: &RootDir, kept: &[KeptPath]) -> BTreeMap<PathBuf, (u32, u32)> {
    kept.iter()
        .filter_map(|kept| {
            let metadata = root.target(&kept.path)?;
            let owner = (metadata.uid(), metadata.gid());
            let is_uniform = !metadata.is_dir() || belongs_to(root, &kept.path, owner);
            (owner != (0, 0) && is_uniform).then(|| (kept.path.clone(), owner))
        })
        .collect()
}

fn belongs_to(root: &RootDir, directory: &Path, owner: (u32, u32)) -> bool {
    root.names(directory).into_iter().all(|name| {
        let path = directory.join(name);
        root.entry(&path).is_some_and(|metadata| {
            (metadata.uid(), metadata.gid()) == owner
                && (!metadata.is_dir() || belongs_to(root, &path, owner))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(path: &str) -> KeptPath {
        KeptPath {
            path: path.into(),
            reason: String::new(),
            is_directory: false,
        }
    }

    fn shown(kept: &[KeptPath]) -> Vec<String> {
        kept.iter()
            .map(|kept| kept.path.display().to_string())
            .collect()
    }

    #[test]
    fn paths_below_a_kept_directory_are_left_out() {
        let mut kept = vec![
            keep("/app/app"),
            keep("/usr/share/zoneinfo/UTC"),
            keep("/usr/share/zoneinfo"),
            keep("/etc/group"),
            keep("/etc/group"),
        ];
        dedup(&mut kept);
        assert_eq!(
            shown(&kept),
            ["/app/app", "/etc/group", "/usr/share/zoneinfo"]
        );
    }

    #[test]
    fn a_link_in_a_kept_directory_brings_its_target() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["app/data", "srv/v1"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::fs::write(dir.path().join("srv/v1/x"), "").unwrap();
        std::os::unix::fs::symlink("/srv/v1", dir.path().join("app/data/now")).unwrap();
        std::os::unix::fs::symlink("/gone", dir.path().join("app/data/dangling")).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let mut kept = vec![keep("/app/data")];
        follow_links(&root, &mut kept).unwrap();
        assert_eq!(shown(&kept), ["/app/data", "/srv/v1"]);
    }

    #[test]
    fn a_link_to_everything_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["data", "usr/x"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        std::os::unix::fs::symlink("/usr", dir.path().join("data/all")).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let error = follow_links(&root, &mut vec![keep("/data")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/data/all leads to /usr, which is too much to copy"
        );
    }
}
