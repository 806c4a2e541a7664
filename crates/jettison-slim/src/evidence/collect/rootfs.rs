//! What lies behind links of the system, such as `/lib`: `COPY` would make a directory where the original has a link.

use super::NotApplicable;
use crate::evidence::keep::merged_links;
use crate::refactor::{KeptPath, RootfsStage, Rung};
use crate::rootfs::{RootDir, RootError};

/// Moves what lies behind links from `kept`, whose first is the program, into a stage that can make the links.
///
/// Programs without libraries look for so little that a stage of its own would be more than all the rest.
pub(super) fn behind_links(
    root: &RootDir,
    rung: Rung,
    kept: &mut Vec<KeptPath>,
) -> Result<Option<RootfsStage>, NotApplicable> {
    let mut stage = RootfsStage::default();
    if rung == Rung::Scratch {
        return Ok(None);
    }
    let unread = |error: RootError| NotApplicable::Read(error.to_string());
    let mut others = Vec::new();
    for (index, path) in kept.drain(..).enumerate() {
        let resolved = root.resolve(&path.path).map_err(unread)?;
        let is_behind = path.path != resolved.real_path;
        for link in &resolved.chain {
            if merged_links().any(|merged| merged == *link) {
                let target = root.resolve(link).map_err(unread)?.real_path;
                stage.link_targets.push(target);
                stage.singles.push(link.clone());
            }
        }
        // The program stays where people look for it.
        if index == 0 || !is_behind {
            others.push(path);
            continue;
        }
        stage.singles.extend(resolved.chain);
        if path.is_directory {
            stage.trees.push(resolved.real_path);
        } else {
            stage.singles.push(resolved.real_path);
        }
    }
    *kept = others;
    if stage.link_targets.is_empty() && stage.singles.is_empty() {
        return Ok(None);
    }
    for list in [
        &mut stage.singles,
        &mut stage.trees,
        &mut stage.link_targets,
    ] {
        list.sort();
        list.dedup();
    }
    Ok(Some(stage))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn keep(path: &str) -> KeptPath {
        KeptPath {
            path: path.into(),
            reason: String::new(),
            is_directory: false,
        }
    }

    #[track_caller]
    fn check(rung: Rung, kept: &[&str], copied: &[&str], stage: Option<(&[&str], &[&str])>) {
        let dir = tempfile::tempdir().unwrap();
        for path in ["app/x", "usr/lib/libz.so.1.2", "usr/local/lib/liba.so"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (target, link) in [("usr/lib", "lib"), ("libz.so.1.2", "usr/lib/libz.so.1")] {
            std::os::unix::fs::symlink(target, dir.path().join(link)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let mut kept: Vec<KeptPath> = kept.iter().map(|path| keep(path)).collect();
        let made = behind_links(&root, rung, &mut kept).unwrap();
        let shown: Vec<&Path> = kept.iter().map(|kept| kept.path.as_path()).collect();
        let expected: Vec<&Path> = copied.iter().map(Path::new).collect();
        assert_eq!(shown, expected);
        let paths = |list: &[&str]| -> Vec<PathBuf> { list.iter().map(PathBuf::from).collect() };
        assert_eq!(
            made.map(|stage| (stage.singles, stage.link_targets)),
            stage.map(|(singles, targets)| (paths(singles), paths(targets)))
        );
    }

    #[test]
    fn libraries_behind_links_come_with_the_links() {
        check(
            Rung::Base,
            &["/app/x", "/lib/libz.so.1", "/usr/local/lib/liba.so"],
            &["/app/x", "/usr/local/lib/liba.so"],
            Some((
                &["/lib", "/usr/lib/libz.so.1", "/usr/lib/libz.so.1.2"],
                &["/usr/lib"],
            )),
        );
    }

    #[test]
    fn what_lies_behind_no_link_is_copied() {
        let kept = ["/app/x", "/usr/local/lib/liba.so"];
        check(Rung::Base, &kept, &kept, None);
        let kept = ["/app/x", "/lib/libz.so.1"];
        check(Rung::Scratch, &kept, &kept, None);
    }
}
