//! Who owns what is copied or made.

use std::io;
use std::path::Path;

use crate::tree::{Owner, Tree};

const PASSWD_LIMIT: u64 = 10 << 20;

/// The owner that `--chown` or `USER` names: a user, a colon, a group, each by name or number, each may
/// be missing. Names are those of the target's own `/etc/passwd` and `/etc/group`; a missing file means
/// 0, and so does a missing user; a user's number is also the group's (BuildKit: `ops/user_linux.go`).
pub(crate) fn owner(target: &Tree, text: &str) -> io::Result<Owner> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let (uid, own_group) = match (user, number(user)?) {
        ("", _) => (0, 0),
        (_, Some(uid)) => (uid, uid),
        (_, None) => match entry(target, "/etc/passwd", user, 2)? {
            Some(fields) => (fields[0], fields[1]),
            None => (0, 0),
        },
    };
    let gid = match (group, number(group)?) {
        ("", _) => own_group,
        (_, Some(gid)) => gid,
        (_, None) => entry(target, "/etc/group", group, 1)?.map_or(0, |fields| fields[0]),
    };
    Ok(Owner { uid, gid })
}

/// The ID that `text` is; nothing if it is a name.
fn number(text: &str) -> io::Result<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id = text
        .parse()
        .ok()
        .filter(|id| *id <= i32::MAX.unsigned_abs());
    id.map(Some).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "`{text}` is not an ID: IDs are numbers from 0 to {}",
                i32::MAX
            ),
        )
    })
}

/// The `count` numbers after the password of `name`'s line; `None` if the file does not exist.
fn entry(target: &Tree, file: &str, name: &str, count: usize) -> io::Result<Option<Vec<u32>>> {
    let text = target.text(Path::new(file), PASSWD_LIMIT)?;
    if text.is_empty() {
        return Ok(None);
    }
    let found = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.first() != Some(&name) {
            return None;
        }
        fields
            .get(2..2 + count)?
            .iter()
            .map(|field| field.parse().ok().filter(|id| *id != u32::MAX))
            .collect::<Option<Vec<u32>>>()
    });
    match found {
        Some(fields) => Ok(Some(fields)),
        None => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("unable to find {name} in {file}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn owners_are_looked_up_in_the_target() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/passwd"), "app:x:7:8::/:/bin/sh\n").unwrap();
        let target = Tree::open(dir.path()).unwrap();
        let check =
            |text: &str, uid, gid| assert_eq!(owner(&target, text).unwrap(), Owner { uid, gid });
        check("app", 7, 8);
        check("app:9", 7, 9);
        check("12", 12, 12);
        check("12:no-group-file", 12, 0);
        check("", 0, 0);
        check(":9", 0, 9);
        check("app:", 7, 8);
        assert_eq!(
            owner(&target, "ghost").unwrap_err().to_string(),
            "unable to find ghost in /etc/passwd"
        );
        assert!(owner(&target, "4294967295").is_err());
        assert!(owner(&target, "0:99999999999").is_err());
    }
}
