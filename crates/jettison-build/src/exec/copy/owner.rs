//! Who owns what is copied or made.

use std::io::{self, Read};
use std::path::Path;

use crate::exec::files::{FileKind, Lookup, resolve};

const PASSWD_LIMIT: u64 = 10 << 20;

/// The user and the group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The owner that `--chown` or `USER` names: a user, a colon, a group, each by name or number, each may
/// be missing. Names are those of the target's own `/etc/passwd` and `/etc/group`; who is in neither is root, and
/// a user's number is also the group's (BuildKit: `readUser`, `ops/user_linux.go`).
pub(crate) fn owner(target: &dyn Lookup, text: &str) -> io::Result<Owner> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let (uid, own_group) = match number(user) {
        _ if user.is_empty() => (0, 0),
        Some(uid) => (uid, uid),
        None => entry(target, "/etc/passwd", user)?.unwrap_or_default(),
    };
    let gid = match number(group) {
        _ if group.is_empty() => own_group,
        Some(gid) => gid,
        None => entry(target, "/etc/group", group)?.map_or(own_group, |(gid, _)| gid),
    };
    Ok(Owner { uid, gid })
}

/// Whether `text` names a user or a group.
pub(crate) fn has_names(text: &str) -> bool {
    let mut parts = text.splitn(2, ':');
    parts.any(|part| !part.is_empty() && number(part).is_none())
}

/// The ID that `text` is; nothing if it is a name. Numbers that have no room in 32 bits are names
/// (BuildKit: `parseUID`, client/llb/fileop.go).
fn number(text: &str) -> Option<u32> {
    let number: i32 = text.parse().ok()?;
    u32::try_from(number).ok()
}

/// The two numbers after the password of `name`'s line; nothing if there is no line or no file.
fn entry(target: &dyn Lookup, file: &str, name: &str) -> io::Result<Option<(u32, u32)>> {
    let real = resolve(target, Path::new(file))?;
    let Some(node) = target.node(&real)? else {
        return Ok(None);
    };
    if node.meta.kind != FileKind::File {
        let message = format!("{file} is not a regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut bytes = Vec::new();
    node.open()?
        .content
        .take(PASSWD_LIMIT + 1)
        .read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > PASSWD_LIMIT {
        let message = format!("{file} exceeds {PASSWD_LIMIT} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let text = String::from_utf8_lossy(&bytes);
    let found = text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let number = |field: Option<&str>| field.and_then(|field| field.parse().ok());
        let fields: Vec<&str> = fields.skip(1).collect();
        let first = number(fields.first().copied()).unwrap_or_default();
        let second = number(fields.get(1).copied()).unwrap_or_default();
        Some((first, second))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::exec::merged::Merged;

    #[test]
    fn owners_are_looked_up_in_the_target() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(
            dir.path().join("etc/passwd"),
            "short:x\napp:x:7:8::/:/bin/sh\n",
        )
        .unwrap();
        let target = Merged::open(&[dir.path().to_path_buf()]).unwrap();
        let check =
            |text: &str, uid, gid| assert_eq!(owner(&target, text).unwrap(), Owner { uid, gid });
        check("app", 7, 8);
        check("app:9", 7, 9);
        check("12", 12, 12);
        check("12:no-group-file", 12, 12);
        check("", 0, 0);
        check(":9", 0, 9);
        check("app:", 7, 8);
        check("short", 0, 0);
        // As BuildKit does, though it is hardly what anyone wants.
        check("ghost", 0, 0);
        check("4294967295", 0, 0);
        check("12:ghost", 12, 12);
        fs::create_dir(dir.path().join("etc/group")).unwrap();
        assert_eq!(
            owner(&target, "0:staff").unwrap_err().to_string(),
            "/etc/group is not a regular file"
        );
    }

    #[test]
    fn a_name_is_not_a_number() {
        for text in ["app", "1:staff", "app:1", "4294967295"] {
            assert!(has_names(text), "{text}");
        }
        for text in ["", "1", "1:2", ":2", "1:"] {
            assert!(!has_names(text), "{text}");
        }
    }
}
