//! Extended attributes: which of them belong to a layer.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use rustix::io::Errno;

/// What overlayfs notes in an upper for itself.
const OVERLAY: [&[u8]; 2] = [b"user.overlay.", b"trusted.overlay."];
/// The attribute that holds a file's capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// Names of attributes that overlayfs reads when the user mounts with `userxattr`.
pub(crate) const USER_OPAQUE: &str = "user.overlay.opaque";

/// Whether a layer keeps the attribute `name`.
pub(crate) fn is_kept(name: &[u8]) -> bool {
    let is_overlays = OVERLAY.iter().any(|prefix| name.starts_with(prefix));
    !is_overlays && (name == CAPABILITY || name.starts_with(b"user."))
}

/// Extended attributes by name, their namespace included.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What overlayfs noted on a file under `what`.
pub(crate) fn overlay<'x>(xattrs: &'x Xattrs, what: &str) -> Option<&'x [u8]> {
    let value = |prefix: &&[u8]| xattrs.get(&[*prefix, what.as_bytes()].concat());
    OVERLAY.iter().find_map(value).map(Vec::as_slice)
}

/// Whether overlayfs takes a directory with these attributes for one that hides what is below.
pub(crate) fn is_opaque(xattrs: &Xattrs) -> bool {
    overlay(xattrs, "opaque") == Some(b"y")
}

/// The attributes that belong to a layer, in the form that they have there.
pub(crate) fn portable(xattrs: Xattrs) -> Xattrs {
    let kept = xattrs.into_iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (name.clone(), portable_value(&name, value)))
        .collect()
}

/// The attributes that a layer of what a command changed has: capabilities alone, as in BuildKit's layers (containerd:
/// `ChangeWriter.HandleChange`, pkg/archive).
pub(crate) fn recorded(mut xattrs: Xattrs) -> Xattrs {
    xattrs.retain(|name, _| name == CAPABILITY);
    xattrs
}

/// The capabilities of an open file, if it has any.
pub(crate) fn capability(file: impl AsFd) -> Result<Option<Vec<u8>>, Errno> {
    match value(file, CAPABILITY) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All extended attributes of an open file that we may read.
pub(crate) fn read(file: impl AsFd) -> Result<Xattrs, Errno> {
    let mut xattrs = BTreeMap::new();
    for name in list(&file)? {
        match value(&file, &name) {
            Ok(value) => {
                xattrs.insert(name, value);
            }
            // Another namespace's, or just removed.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(xattrs)
}

fn list(file: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    // Hardly any file has more, and the kernel's limit is 64 KiB.
    let mut buffer = [0; 1024];
    let long: Vec<u8>;
    let names = match rustix::fs::flistxattr(&file, &mut buffer[..]) {
        Ok(length) => &buffer[..length],
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            let mut all = vec![0; 64 << 10];
            let length = rustix::fs::flistxattr(&file, &mut all[..])?;
            all.truncate(length);
            long = all;
            &long
        }
        Err(error) => return Err(error),
    };
    let names = names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

fn value(file: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 64 << 10];
    let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// Capabilities without the user namespace that they were given in.
///
/// Version 3 (24 bytes) is version 2 (20 bytes) with the namespace's root user behind it; a layer
/// is unpacked in other namespaces. See `linux/capability.h`.
fn portable_value(name: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    if name == CAPABILITY && value.len() == 24 && value[3] == 3 {
        value.truncate(20);
        value[3] = 2;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_lose_their_namespace() {
        let v2 = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut v3 = [&v2[..], &[0xe8, 3, 0, 0]].concat();
        v3[3] = 3;
        assert_eq!(portable_value(CAPABILITY, v3.clone()), v2);
        assert_eq!(portable_value(CAPABILITY, v2.to_vec()), v2);
        assert_eq!(portable_value(b"user.x", v3.clone()), v3);
    }

    #[test]
    fn overlays_own_notes_are_not_kept() {
        for name in [
            "user.overlay.opaque",
            "trusted.overlay.opaque",
            "trusted.x",
            "security.selinux",
        ] {
            assert!(!is_kept(name.as_bytes()), "{name}");
        }
        for name in ["user.x", "user.overlayx", "security.capability"] {
            assert!(is_kept(name.as_bytes()), "{name}");
        }
        let note = |name: &str, value: &str| {
            Xattrs::from([(name.as_bytes().to_vec(), value.as_bytes().to_vec())])
        };
        assert!(is_opaque(&note("user.overlay.opaque", "y")));
        assert!(is_opaque(&note("trusted.overlay.opaque", "y")));
        assert!(!is_opaque(&note("user.overlay.opaque", "x")));
        assert!(!is_opaque(&note("user.opaque", "y")));
    }
}
