//! Whether layers can be kept where they are to be kept: not every file system can be the upper one of an overlay.

use std::fs;
use std::io;
use std::path::Path;

use super::{Finding, Subject, limited, missing, ok};
use crate::overlay::{MountError, mount_layers};

/// `OVERLAYFS_SUPER_MAGIC` of Linux's include/uapi/linux/magic.h.
const OVERLAY: u64 = 0x794c_7630;

/// Whether an overlay can be mounted with its upper directory in `store`, or where `store` is going to be. Tries it.
pub(super) fn store(store: &Path) -> Finding {
    const ELSEWHERE: &str =
        "give another directory with --root or JETTISON_ROOT, one on a disk of this machine";
    let shown = store.display();
    let Some(existing) = store.ancestors().find(|directory| directory.is_dir()) else {
        return limited(Subject::Store, format!("cannot find {shown}"), ELSEWHERE);
    };
    let scratch = existing.join(format!(".jettison-doctor-{}", std::process::id()));
    let tried = try_in(&scratch);
    // What is left is empty directories.
    let _left = fs::remove_dir_all(&scratch);
    match tried {
        Ok(Ok(())) => ok(Subject::Store, format!("layers can be kept in {shown}")),
        Err(error) => limited(
            Subject::Store,
            format!("cannot write in {}: {error}", existing.display()),
            "give another directory with --root or JETTISON_ROOT",
        ),
        Ok(Err(_)) if is_overlay(existing) => missing(
            Subject::Store,
            format!("commands cannot run: {shown} is on an overlay itself"),
            &format!(
                "in a container, keep it in a volume, such as `--volume jettison:{shown}`; elsewhere, {ELSEWHERE}"
            ),
        ),
        Ok(Err(error)) => missing(
            Subject::Store,
            format!("commands cannot run with {shown} as the store: {error}"),
            ELSEWHERE,
        ),
    }
}

/// Whether a directory can be made, and an overlay be mounted in it.
fn try_in(scratch: &Path) -> io::Result<Result<(), MountError>> {
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| scratch.join(name));
    for directory in [&lower, &upper, &work] {
        fs::create_dir_all(directory)?;
    }
    Ok(mount_layers(&[lower], Some((&upper, &work))).map(drop))
}

fn is_overlay(directory: &Path) -> bool {
    rustix::fs::statfs(directory).is_ok_and(|facts| u64::try_from(facts.f_type) == Ok(OVERLAY))
}
