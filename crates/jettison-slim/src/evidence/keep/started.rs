//! Programs that programs of packages start, and scripts that scripts name.
//!
//! A package need not depend on what every Debian system has, and `tar` starts `gzip` only for an archive that is compressed.

use std::path::{Path, PathBuf};

use super::commands::{Sureness, script_commands};
use super::seen::Look;
use super::{Keeper, UseKind};
use crate::evidence::script::script_interpreter;
use crate::rootfs::{RootError, normalise};

/// The largest script of a package that is read, in bytes.
const SCRIPT_LIMIT: u64 = 256 << 10;
/// Programs, and what they start without depending on it: what unpacks, what leads to other machines, the
/// shell that runs a command or a part of themselves.
const STARTED: [(&str, &[&str]); 14] = [
    ("at", &["sh"]),
    ("cron", &["sh"]),
    ("git", &["sh", "basename", "sed", "ssh", "uname"]),
    ("logrotate", &["sh", "gzip"]),
    ("make", &["sh"]),
    ("man", &["gzip", "sh"]),
    ("parallel", &["sh"]),
    ("rsync", &["ssh"]),
    ("runuser", &["sh"]),
    ("script", &["sh"]),
    ("su", &["sh"]),
    ("tar", &["gzip", "bzip2", "xz", "sh"]),
    ("watch", &["sh"]),
    ("xargs", &["echo"]),
];
/// Where programs lie that are started by their names.
pub(super) const PLACES: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];

impl Keeper<'_> {
    /// Keeps what programs of packages that are used, or named, start themselves.
    pub(super) fn add_started(&mut self) -> Result<(), RootError> {
        let programs = self.kept.used.iter().filter(|path| {
            path.parent()
                .is_some_and(|place| PLACES.iter().any(|known| place == Path::new(known)))
        });
        let programs = self.seen.new_ones(Look::Started, programs);
        for path in programs {
            self.seen.note(Look::Started, &path);
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let reason = format!("{} starts it", path.display());
            let known = STARTED.iter().find(|(program, _)| *program == name);
            for other in known.into_iter().flat_map(|(_, others)| *others) {
                self.add_program(other, Sureness::There, &reason)?;
            }
            if !self.owners.is_packaged(&path) {
                continue;
            }
            for other in self.commands_of_script(&path)? {
                self.add_program(&other, Sureness::There, &reason)?;
            }
        }
        Ok(())
    }

    /// The commands in the file at `path`, if it is a script for a shell.
    fn commands_of_script(&self, path: &Path) -> Result<Vec<String>, RootError> {
        let is_small = |path: &Path| {
            let found = self.root.entry(path);
            found.is_some_and(|found| found.is_file() && found.len() <= SCRIPT_LIMIT)
        };
        if !is_small(path) {
            return Ok(Vec::new());
        }
        let bytes = self.root.read(path, SCRIPT_LIMIT)?;
        let is_shell = script_interpreter(&bytes).is_some_and(|interpreter| {
            let name = interpreter
                .path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            ["bash", "dash", "sh"].contains(&&*name)
        });
        if !is_shell {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&bytes);
        Ok(script_commands(&text)
            .into_iter()
            .map(str::to_owned)
            .collect())
    }

    /// Keeps the scripts that the one at `script` names: from where the program starts, or beside itself. Who starts one with
    /// `sh` or `.` uses it only in one branch of many.
    pub(super) fn add_named_scripts(&mut self, script: &Path, text: &str) -> Result<(), RootError> {
        let beside = script.parent().unwrap_or(Path::new("/")).to_path_buf();
        let reason = format!("{} names it", script.display());
        for word in file_words(text) {
            for place in [self.working_dir.clone(), beside.clone()] {
                for path in self.files_named(&normalise(&place.join(word)))? {
                    let is_new = !self.kept.used.contains(&path);
                    if is_new
                        && self.owners.maker(&path).is_some()
                        && !self.owners.is_packaged(&path)
                    {
                        self.add(&path, UseKind::Looked, &reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The small file at `path`, or those that it may be if its name has a variable in it, as `cmd-$1.sh`.
    fn files_named(&self, path: &Path) -> Result<Vec<PathBuf>, RootError> {
        let is_script = |path: &PathBuf| {
            let found = self.root.entry(path);
            found.is_some_and(|found| found.is_file() && found.len() <= SCRIPT_LIMIT)
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (Some((before, _)), Some(place)) = (name.split_once('$'), path.parent()) else {
            return Ok([path.to_path_buf()].into_iter().filter(is_script).collect());
        };
        let after = name
            .rfind('.')
            .and_then(|at| name.get(at..))
            .unwrap_or_default();
        let says_nothing = (before.is_empty() && after.is_empty()) || after.contains('$');
        let names = match self.root.list(place) {
            Ok(names) if !says_nothing => names,
            Ok(_) => Vec::new(),
            Err(error) if error.is_absent() => Vec::new(),
            Err(error) => return Err(error),
        };
        let alike = names.into_iter().filter(|other| {
            let other = other.to_string_lossy();
            other.starts_with(before) && other.ends_with(after)
        });
        Ok(alike
            .map(|other| place.join(other))
            .filter(is_script)
            .collect())
    }
}

/// The words of a script that may be relative names of files: with a slash or an ending. `"$(dirname "$0")/lib.sh"` and
/// `$DIR/lib.sh` end with one.
fn file_words(text: &str) -> impl Iterator<Item = &str> {
    let words = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"'`;|&()<>=".contains(c)));
    words.filter_map(|word| {
        // The variable that a word begins with is a directory.
        let rest = match word.strip_prefix("${") {
            Some(rest) => rest.split_once('}').map_or("", |(_, rest)| rest),
            None if word.starts_with('$') => word.split_once('/').map_or("", |(_, rest)| rest),
            None => word,
        };
        let word = rest.trim_start_matches('/');
        let directory = word.rsplit_once('/').map_or("", |(directory, _)| directory);
        let is_plain = !directory.contains('$') && !word.contains(['*', '\\', '[']);
        (word.len() > 2 && word.contains(['/', '.']) && is_plain).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_others_relative_to_something() {
        let text = "#!/bin/sh\n. \"$(dirname \"$0\")/scripts/lib.sh\"\n# old.sh\nsource $LIB/a.bash; bash scripts/b.sh \"$@\"\n\
            source \"${DIR}/c.sh\"\npython3 worker.py\ncat $1\n. $LIB/cmd-$1.sh\n";
        let found: Vec<&str> = file_words(text).collect();
        assert_eq!(
            found,
            [
                "scripts/lib.sh",
                "a.bash",
                "scripts/b.sh",
                "c.sh",
                "worker.py",
                "cmd-$1.sh"
            ]
        );
    }
}
