//! All packages of an image, taken apart at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jettison_debian::parse_stanzas;

use crate::base::distroless::{DistrolessError, DistrolessRequest, LocalPackage};
use crate::base::unpacked::{Unpacked, UnpackedPackages};

/// The packages by name, taken apart on all cores, the largest first.
pub(super) fn unpack_all<'a>(
    request: &DistrolessRequest<'a>,
) -> Result<BTreeMap<&'a str, (&'a LocalPackage, Unpacked)>, DistrolessError> {
    let packages = UnpackedPackages {
        dir: request.unpacked,
    };
    let mut queue: Vec<&LocalPackage> = request.packages.iter().collect();
    let size = |package: &LocalPackage| std::fs::metadata(&package.path).map_or(0, |m| m.len());
    queue.sort_by_key(|package| std::cmp::Reverse(size(package)));
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut done = Vec::new();
        while let Some(package) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            let unpacked = packages.get(&package.path, package.sha256)?;
            check_name(package, &unpacked)?;
            done.push((package.name.as_str(), (*package, unpacked)));
        }
        Ok(done)
    };
    let results: Vec<Result<Vec<_>, DistrolessError>> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .map(|handle| {
                handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut known = BTreeMap::new();
    for result in results {
        known.extend(result?);
    }
    Ok(known)
}

/// Checks that the package says that it is the one that it is taken for.
fn check_name(package: &LocalPackage, unpacked: &Unpacked) -> Result<(), DistrolessError> {
    let stanzas = parse_stanzas(&unpacked.control).ok();
    let own = stanzas
        .as_ref()
        .and_then(|stanzas| stanzas.first()?.get("Package"));
    if own == Some(package.name.as_str()) {
        return Ok(());
    }
    Err(DistrolessError::Name {
        path: package.path.clone(),
        expected: package.name.clone(),
        actual: own.unwrap_or_default().to_string(),
    })
}
