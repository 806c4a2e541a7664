//! Who a `USER` is, by the image's own `/etc/passwd` and `/etc/group`.
//!
//! The rules are those of libcontainer's `GetExecUser`, which BuildKit uses (executor/oci/user.go): the first line
//! matches that has the word as its name *or* its number, in the order of the file; supplementary groups are only given
//! to a user who is in `/etc/passwd` and only if no group is asked for; a number that nobody has is fine, a name is not.
//! Two numbers are taken as they are; beside another number `root` is one (`ParseUIDGID`).

/// User and groups of a process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The user ID.
    pub uid: u32,
    /// The group ID.
    pub gid: u32,
    /// The supplementary group IDs.
    pub groups: Vec<u32>,
}

/// What the image says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedUser {
    /// The IDs.
    pub user: User,
    /// The home directory; `/` if the image does not say.
    pub home: String,
}

/// Why there is no such user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// Nobody has this name.
    #[error("unable to find user {name}: no matching entries in passwd file")]
    NoUser {
        /// The name.
        name: String,
    },
    /// No group has this name.
    #[error("unable to find group {name}: no matching entries in group file")]
    NoGroup {
        /// The name.
        name: String,
    },
    /// The number is not an ID.
    #[error("uids and gids must be in range 0-2147483647, not {number}")]
    OutOfRange {
        /// The number.
        number: String,
    },
}

/// Finds `user`, which is `name`, `uid`, `name:group`, or any mixture, or empty for root.
pub fn resolve_user(user: &str, passwd: &str, group: &str) -> Result<ResolvedUser, UserError> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, group.split(':').next().unwrap_or_default()),
        None => (user, ""),
    };
    if let (Some(uid), Some(gid)) = (plain_number(user), plain_number(wanted_group)) {
        return Ok(resolved(uid, gid, Vec::new(), passwd));
    }
    let (wanted_user, wanted_uid) = if user.is_empty() {
        ("0", Some(Ok(0)))
    } else {
        (user, number(user))
    };
    let entry = passwd_entries(passwd).find(|entry| {
        entry.name == wanted_user || wanted_uid.clone().is_some_and(|uid| uid == Ok(entry.uid))
    });
    let (uid, gid) = match (&entry, wanted_uid) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, Some(uid)) => (uid?, 0),
        (None, None) => {
            return Err(UserError::NoUser {
                name: user.to_owned(),
            });
        }
    };
    if !wanted_group.is_empty() {
        let gid = find_group(wanted_group, group)?;
        return Ok(resolved(uid, gid, Vec::new(), passwd));
    }
    let groups = match &entry {
        Some(entry) => group_entries(group)
            .filter(|group| group.members.split(',').any(|member| member == entry.name))
            .map(|group| group.gid)
            .collect(),
        None => Vec::new(),
    };
    Ok(resolved(uid, gid, groups, passwd))
}

/// The home directory is that of the first user with the number, whatever the name was (runc: `getUserHome`).
fn resolved(uid: u32, gid: u32, groups: Vec<u32>, passwd: &str) -> ResolvedUser {
    let home = passwd_entries(passwd)
        .find(|entry| entry.uid == uid)
        .map(|entry| entry.home)
        .filter(|home| !home.is_empty())
        .unwrap_or("/")
        .to_owned();
    ResolvedUser {
        user: User { uid, gid, groups },
        home,
    }
}

fn find_group(wanted: &str, group: &str) -> Result<u32, UserError> {
    let number = number(wanted);
    let found = group_entries(group).find(|entry| {
        entry.name == wanted || number.clone().is_some_and(|gid| gid == Ok(entry.gid))
    });
    match (found, number) {
        (Some(entry), _) => Ok(entry.gid),
        (None, Some(gid)) => gid,
        (None, None) => Err(UserError::NoGroup {
            name: wanted.to_owned(),
        }),
    }
}

/// The number of a user or group for which nobody has to look: BuildKit knows root by name (`parseUID`).
fn plain_number(word: &str) -> Option<u32> {
    if word == "root" {
        return Some(0);
    }
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_id: &u32| is_number)
}

/// `None` if the word is not a number at all.
fn number(word: &str) -> Option<Result<u32, UserError>> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let in_range = word
        .parse()
        .ok()
        .filter(|id: &u32| *id <= i32::MAX.unsigned_abs());
    Some(in_range.ok_or_else(|| UserError::OutOfRange {
        number: word.to_owned(),
    }))
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// The sound lines. One whose IDs cannot be read is nobody's, rather than root's.
fn passwd_entries(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(PasswdEntry {
            name,
            uid,
            gid,
            home: fields.nth(1).unwrap_or_default(),
        })
    })
}

struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn group_entries(text: &str) -> impl Iterator<Item = GroupEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some(GroupEntry {
            name,
            gid,
            members: fields.next().unwrap_or_default(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh

app:x:1000:1001:App:/srv/app:/bin/sh
1000:x:7:8::/odd:
broken:x:y:z::/:
nohome:x:5:5
toor:x:0:0::/elsewhere:
";
    const GROUP: &str = "\
root:x:0:
wheel:x:10:root,app
app:x:1001:
video:x:44:bob,app
audio:x:63:application
broken:x:
";

    #[track_caller]
    fn check(user: &str, expected: Expect) {
        let text = match resolve_user(user, PASSWD, GROUP) {
            Ok(ResolvedUser {
                user: User { uid, gid, groups },
                home,
            }) => {
                format!("{uid}:{gid} {groups:?} {home}")
            }
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn nobody_asked_for_is_root_with_its_groups() {
        check("", expect!["0:0 [10] /root"]);
    }

    #[test]
    fn a_name_brings_its_group_and_supplementary_groups() {
        check("app", expect!["1000:1001 [10, 44] /srv/app"]);
    }

    #[test]
    fn a_number_in_passwd_is_as_good_as_its_name() {
        check("1000", expect!["1000:1001 [10, 44] /srv/app"]);
    }

    #[test]
    fn a_number_that_nobody_has_is_itself_with_group_root() {
        check("4711", expect!["4711:0 [] /"]);
    }

    #[test]
    fn a_group_replaces_the_supplementary_groups() {
        check("app:video", expect!["1000:44 [] /srv/app"]);
        check("app:0", expect!["1000:0 [] /srv/app"]);
        check("app:999", expect!["1000:999 [] /srv/app"]);
        check(":wheel", expect!["0:10 [] /root"]);
    }

    #[test]
    fn two_numbers_are_taken_as_they_are() {
        check("1000:0", expect!["1000:0 [] /srv/app"]);
        check("4711:4712", expect!["4711:4712 [] /"]);
        check("root:root", expect!["0:0 [] /root"]);
        check("4294967295:0", expect!["4294967295:0 [] /"]);
    }

    #[test]
    fn the_home_is_that_of_the_first_with_the_number() {
        check("toor", expect!["0:0 [] /root"]);
    }

    #[test]
    fn names_must_exist() {
        check(
            "nope",
            expect!["error: unable to find user nope: no matching entries in passwd file"],
        );
        check(
            "app:nope",
            expect!["error: unable to find group nope: no matching entries in group file"],
        );
        check(
            "broken",
            expect!["error: unable to find user broken: no matching entries in passwd file"],
        );
    }

    #[test]
    fn numbers_must_be_ids() {
        check(
            "2147483648",
            expect!["error: uids and gids must be in range 0-2147483647, not 2147483648"],
        );
        check(
            "-1",
            expect!["error: uids and gids must be in range 0-2147483647, not -1"],
        );
    }

    #[test]
    fn a_missing_home_is_the_root_directory() {
        check("nohome", expect!["5:5 [] /"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(user in "\\PC{0,20}", passwd in "[a-z0-9:,\n]{0,80}", group in "[a-z0-9:,\n]{0,80}") {
            drop(resolve_user(&user, &passwd, &group));
        }
    }
}
