//! Whether two images have the same at a path.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::rootfs::RootDir;

/// The largest file that is compared, in bytes.
const LIMIT: u64 = 1 << 30;

/// Whether both have the same at `path`, or both nothing: kind, mode, owner, attributes, content, and the time of what is no
/// directory. What cannot be read is not the same.
pub(super) fn is_alike(roots: [&RootDir; 2], path: &Path) -> bool {
    let found = roots.map(|root| root.symlink_metadata(path));
    let [first, second] = match &found {
        [Ok(first), Ok(second)] => [first, second],
        [Err(first), Err(second)] => return first.is_absent() && second.is_absent(),
        [Ok(_), Err(_)] | [Err(_), Ok(_)] => return false,
    };
    let is_same_entry = first.file_type() == second.file_type()
        && first.mode() == second.mode()
        && (first.uid(), first.gid()) == (second.uid(), second.gid());
    let time = |metadata: &std::fs::Metadata| (metadata.mtime(), metadata.mtime_nsec());
    if !is_same_entry || !(first.is_dir() || time(first) == time(second)) {
        return false;
    }
    let attributes = roots.map(|root| root.attributes(path));
    let [Ok(first_attributes), Ok(second_attributes)] = attributes else {
        return false;
    };
    if first_attributes != second_attributes {
        return false;
    }
    if first.is_file() {
        let contents = roots.map(|root| root.read(path, LIMIT));
        return first.len() == second.len()
            && matches!(contents, [Ok(first), Ok(second)] if first == second);
    }
    if first.is_symlink() {
        let targets = roots.map(|root| root.read_link(path));
        return matches!(targets, [Ok(first), Ok(second)] if first == second);
    }
    if first.is_dir() {
        let names = roots.map(|root| root.list(path));
        return matches!(names, [Ok(first), Ok(second)] if first == second);
    }
    first.rdev() == second.rdev()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[track_caller]
    fn check(change: fn(&Path), expected: &[&str]) {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for directory in &directories {
            let root = directory.path();
            fs::create_dir(root.join("etc")).unwrap();
            fs::write(root.join("etc/app"), "text").unwrap();
            symlink("app", root.join("etc/link")).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(7);
            let file = File::options().write(true).open(root.join("etc/app"));
            file.unwrap().set_modified(time).unwrap();
        }
        // The times of links cannot be set here.
        change(directories[1].path());
        let roots = [0, 1].map(|index| RootDir::open(directories[index].path()).unwrap());
        let paths = ["/etc", "/etc/app", "/etc/none"];
        let other = |path: &&str| !is_alike([&roots[0], &roots[1]], Path::new(path));
        let found: Vec<&str> = paths.into_iter().filter(other).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_not_changed_is_alike() {
        check(|_| {}, &[]);
    }

    #[test]
    fn another_content_time_or_name_is_not_alike() {
        check(
            |root| fs::write(root.join("etc/app"), "Text").unwrap(),
            &["/etc/app"],
        );
        check(
            |root| {
                let file = File::options().write(true).open(root.join("etc/app"));
                file.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            },
            &["/etc/app"],
        );
        check(
            |root| fs::write(root.join("etc/none"), "").unwrap(),
            &["/etc", "/etc/none"],
        );
        check(
            |root| fs::remove_file(root.join("etc/app")).unwrap(),
            &["/etc", "/etc/app"],
        );
    }
}
