//! Which user and group IDs exist inside the user namespace, and how the kernel is told.
//!
//! A map is written once, by a process with the right privileges *outside* of the namespace. So the writers are forked
//! before the namespace is made, wait for a byte, and then write: directly when we are root, else by turning into
//! `newuidmap` and `newgidmap`. Only the map of one's own ID may be written from inside.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, WaitOptions};

use crate::system::{self, Fork};

/// User or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(crate) fn map_file(self) -> &'static str {
        match self {
            Kind::User => "uid_map",
            Kind::Group => "gid_map",
        }
    }

    fn ranges_file(self) -> &'static str {
        match self {
            Kind::User => "/etc/subuid",
            Kind::Group => "/etc/subgid",
        }
    }

    fn helper(self) -> &'static str {
        match self {
            Kind::User => "newuidmap",
            Kind::Group => "newgidmap",
        }
    }

    pub(crate) fn own_id(self) -> u32 {
        match self {
            Kind::User => rustix::process::geteuid().as_raw(),
            Kind::Group => rustix::process::getegid().as_raw(),
        }
    }
}

/// One line of a map: `count` IDs from `inside` on are those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

/// The extents that map every ID of this user namespace to itself.
pub(crate) fn identity(kind: Kind) -> io::Result<Vec<Extent>> {
    let text = fs::read_to_string(Path::new("/proc/self").join(kind.map_file()))?;
    Ok(parse_map(&text)
        .map(|extent| Extent {
            outside: extent.inside,
            ..extent
        })
        .collect())
}

fn parse_map(text: &str) -> impl Iterator<Item = Extent> {
    text.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let extent = Extent {
            inside: numbers.next()??,
            outside: numbers.next()??,
            count: numbers.next()??,
        };
        Some(extent)
    })
}

fn format_map(extents: &[Extent]) -> String {
    let lines = extents
        .iter()
        .map(|extent| format!("{} {} {}\n", extent.inside, extent.outside, extent.count));
    lines.collect::<Vec<_>>().concat()
}

/// What this user may map besides the own ID, and the program that may do it; or why not.
pub(crate) fn subordinate(kind: Kind) -> Result<(PathBuf, Vec<Extent>), String> {
    const DIRECTORIES: [&str; 5] = [
        "/usr/bin",
        "/bin",
        "/usr/local/bin",
        "/usr/sbin",
        "/run/wrappers/bin",
    ];
    let file = kind.ranges_file();
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let uid = Kind::User.own_id();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ranges = parse_ranges(&text, uid, user_name(&passwd, uid));
    if ranges.is_empty() {
        return Err(format!("{file} has no range for user {uid}"));
    }
    let helper = DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(kind.helper()))
        .find(|path| path.exists())
        .ok_or_else(|| format!("{} is not installed", kind.helper()))?;
    Ok((helper, with_own_id(kind.own_id(), &ranges)))
}

fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// The `(start, count)` pairs that a file in the format of subuid(5) grants.
fn parse_ranges(text: &str, uid: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let grant = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let is_ours = Some(owner) == name || owner.parse() == Ok(uid);
        let is_sound = count > 0 && start.checked_add(count).is_some();
        (is_ours && is_sound).then_some((start, count))
    };
    text.lines().filter_map(grant).collect()
}

/// Root is the caller; the granted ranges follow from 1 on.
fn with_own_id(own: u32, ranges: &[(u32, u32)]) -> Vec<Extent> {
    let mut extents = vec![Extent {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut next = 1_u32;
    for (start, count) in ranges {
        let Some(end) = next.checked_add(*count) else {
            break;
        };
        extents.push(Extent {
            inside: next,
            outside: *start,
            count: *count,
        });
        next = end;
    }
    extents
}

/// Writes the map that needs no privilege: root is the caller, and nobody else exists.
pub(crate) fn write_single(kind: Kind, own: u32) -> io::Result<()> {
    if kind == Kind::Group {
        fs::write("/proc/self/setgroups", "deny")?;
    }
    fs::write(
        Path::new("/proc/self").join(kind.map_file()),
        format!("0 {own} 1\n"),
    )
}

/// A process outside of the namespace that will write one of the maps.
#[derive(Debug)]
pub(crate) struct Writer {
    kind: Kind,
    pid: Pid,
    go: PipeWriter,
    complaints: PipeReader,
}

/// Who writes a map.
#[derive(Debug)]
pub(crate) enum Means {
    /// A fork of ours, which is privileged.
    Directly,
    /// The setuid program at this path.
    Helper(PathBuf),
}

impl Writer {
    /// Forks the process that will write `extents` as the map of *this* process.
    pub(crate) fn start(kind: Kind, means: &Means, extents: &[Extent]) -> io::Result<Writer> {
        let (wait, go) = io::pipe()?;
        let (complaints, complain) = io::pipe()?;
        let target = rustix::process::getpid();
        match system::fork()? {
            Fork::Parent(pid) => Ok(Writer {
                kind,
                pid,
                go,
                complaints,
            }),
            Fork::Child => {
                drop((go, complaints));
                let code = write_for(
                    target,
                    wait,
                    complain,
                    &Request {
                        kind,
                        means,
                        extents,
                    },
                );
                std::process::exit(code)
            }
        }
    }

    /// Lets the process write.
    pub(crate) fn tell(&mut self) -> io::Result<()> {
        self.go.write_all(b"!")
    }

    /// Waits until the process has written.
    pub(crate) fn finish(self) -> Result<(), String> {
        let Writer {
            kind,
            pid,
            go,
            mut complaints,
        } = self;
        drop(go);
        let mut text = String::new();
        let heard = complaints.read_to_string(&mut text);
        let succeeded = match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => status.exit_status() == Some(0),
            Ok(None) | Err(_) => false,
        };
        if succeeded && heard.is_ok() {
            return Ok(());
        }
        let text = text.trim();
        Err(if text.is_empty() {
            format!("cannot write {}", kind.map_file())
        } else {
            text.to_owned()
        })
    }
}

struct Request<'a> {
    kind: Kind,
    means: &'a Means,
    extents: &'a [Extent],
}

/// What the forked process does; gives its exit code.
fn write_for(
    target: Pid,
    mut wait: PipeReader,
    complain: PipeWriter,
    request: &Request<'_>,
) -> i32 {
    let Request {
        kind,
        means,
        extents,
    } = request;
    if wait.read_exact(&mut [0]).is_err() {
        return 1;
    }
    let error = match means {
        Means::Directly => {
            let file = format!("/proc/{target}/{}", kind.map_file());
            match fs::write(&file, format_map(extents)) {
                Ok(()) => return 0,
                Err(error) => error,
            }
        }
        Means::Helper(program) => {
            if let Err(error) = rustix::stdio::dup2_stderr(complain.as_fd()) {
                error.into()
            } else {
                let numbers = extents
                    .iter()
                    .flat_map(|extent| [extent.inside, extent.outside, extent.count])
                    .map(|number| number.to_string());
                Command::new(program)
                    .arg(target.to_string())
                    .args(numbers)
                    .exec()
            }
        }
    };
    let mut complain = complain;
    // If even this cannot be said, the exit code says it.
    let _unheard = write!(complain, "cannot write {}: {error}", kind.map_file());
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_ranges(text: &str, expected: &[(u32, u32)]) {
        assert_eq!(parse_ranges(text, 1001, Some("ann")), expected);
    }

    #[test]
    fn ranges_are_granted_by_name_or_by_number() {
        check_ranges(
            "bob:1:5\nann:100000:65536\n1001:300000:10\n",
            &[(100_000, 65_536), (300_000, 10)],
        );
    }

    #[test]
    fn damaged_ranges_grant_nothing() {
        check_ranges("ann\nann:1\nann:x:5\nann:5:0\nann:4294967295:2\n:::\n", &[]);
    }

    #[test]
    fn own_id_is_root_and_ranges_follow_without_gaps() {
        let extents = with_own_id(1001, &[(100_000, 65_536), (300_000, 10)]);
        assert_eq!(
            format_map(&extents),
            "0 1001 1\n1 100000 65536\n65537 300000 10\n"
        );
    }

    #[test]
    fn a_map_survives_printing_and_parsing() {
        let extents = with_own_id(7, &[(9, 2)]);
        assert_eq!(
            parse_map(&format_map(&extents)).collect::<Vec<_>>(),
            extents
        );
    }

    #[test]
    fn a_user_is_found_by_number() {
        assert_eq!(
            user_name("root:x:0:0::/:\nann:x:1001:5::/:\n", 1001),
            Some("ann")
        );
        assert_eq!(user_name("broken\n", 1001), None);
    }
}
