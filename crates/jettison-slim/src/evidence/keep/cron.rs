//! What cron starts at its time, which no run waits for.

use std::path::{Path, PathBuf};

use super::commands::Sureness;
use super::{Keeper, UseKind};
use crate::rootfs::RootError;

/// The largest table that is read, in bytes.
const TABLE_LIMIT: u64 = 1 << 20;
/// The table of the system.
const SYSTEM_TABLE: &str = "/etc/crontab";
/// Directories of tables, and whether their lines name the user before the command.
const TABLES: [(&str, bool); 4] = [
    ("/etc/cron.d", true),
    ("/etc/crontabs", false),
    ("/var/spool/cron", false),
    ("/var/spool/cron/crontabs", false),
];
/// Directories of programs that the table of the system has started.
const PROGRAMS: [&str; 4] = [
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
];

impl Keeper<'_> {
    /// Keeps what the tables start that instructions of the Dockerfile have written, and the tables, if cron is kept.
    pub(super) fn add_jobs_of_cron(&mut self) -> Result<(), RootError> {
        if !self.keeps_cron() {
            return Ok(());
        }
        let mut tables = vec![(PathBuf::from(SYSTEM_TABLE), true)];
        for (directory, with_user) in TABLES {
            let own = self.own_files(Path::new(directory)).into_iter();
            tables.extend(own.map(|path| (path, with_user)));
        }
        for (path, with_user) in tables {
            let Some(bytes) = self.root.content(&path, TABLE_LIMIT) else {
                continue;
            };
            self.add(&path, UseKind::Looked, "cron reads it")?;
            for command in jobs(&String::from_utf8_lossy(&bytes), with_user) {
                self.add_commands(&path, &command, true)?;
                if let Some(place) = place_of(&command) {
                    // What it names is looked for beside the path.
                    self.add_named_scripts(&Path::new(place).join("job"), &command)?;
                }
            }
        }
        for directory in PROGRAMS {
            for path in self.own_files(Path::new(directory)) {
                let name = path.to_string_lossy();
                self.add_program(&name, Sureness::There, "cron starts it")?;
            }
        }
        Ok(())
    }

    fn keeps_cron(&self) -> bool {
        let is_package = ["bcron", "cron", "cronie", "systemd-cron"]
            .iter()
            .any(|name| self.kept.packages.contains_key(*name));
        let is_program = |path: &PathBuf| path.ends_with("cron") || path.ends_with("crond");
        is_package || self.kept.used.iter().any(is_program)
    }

    /// The files in `directory` that instructions of the Dockerfile have written and no package has brought.
    fn own_files(&self, directory: &Path) -> Vec<PathBuf> {
        let names = self.root.names(directory).into_iter();
        names
            .map(|name| directory.join(name))
            .filter(|path| self.root.target(path).is_some_and(|found| found.is_file()))
            .filter(|path| self.owners.maker(path).is_some() && !self.owners.is_packaged(path))
            .collect()
    }
}

/// The commands in a table of cron, and the shell that it has start them; `with_user` if its lines name the user before them.
fn jobs(text: &str, with_user: bool) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        let setting = line
            .split_once('=')
            .map(|(name, value)| (name.trim(), value));
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match setting {
            Some(("SHELL", value)) => {
                found.push(value.trim_matches([' ', '\t', '"', '\'']).to_owned());
                continue;
            }
            Some((name, _)) if is_name(name) => continue,
            Some(_) | None => {}
        }
        let n_fields = if line.starts_with('@') { 1 } else { 5 };
        let mut rest = line;
        for _ in 0..n_fields + usize::from(with_user) {
            let field = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest = rest.split_at(field).1.trim_start();
        }
        // What follows a percent sign is what the command reads, unless the sign is escaped.
        let rest = rest.replace("\\%", "\0");
        let command = rest.split('%').next().unwrap_or_default();
        if !command.is_empty() {
            found.push(command.replace('\0', "%"));
        }
    }
    found
}

/// Where a command goes first: `cd /app && ./backup.sh`.
fn place_of(command: &str) -> Option<&str> {
    let rest = command.strip_prefix("cd ")?.trim_start();
    let place = rest.split([' ', '&', ';']).next()?;
    place.starts_with('/').then_some(place)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn a_job_is_what_follows_the_time_and_the_user() {
        for (line, with_user, expected) in [
            ("*/5 * * * * jq . x | sort", false, &["jq . x | sort"][..]),
            ("*/5 *\t* * * app  jq . x", true, &["jq . x"]),
            ("@daily app jq", true, &["jq"]),
            ("@reboot jq", false, &["jq"]),
            ("0 0 * * * X=1 date +\\%F%input", false, &["X=1 date +%F"]),
            ("SHELL = \"/bin/bash\"", true, &["/bin/bash"]),
            ("PATH=/usr/bin", true, &[]),
            ("# 0 0 * * * jq", false, &[]),
            ("", false, &[]),
        ] {
            assert_eq!(jobs(line, with_user), expected, "{line}");
        }
    }

    #[test]
    fn what_cron_starts_is_kept_with_it() {
        let [dir, made] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (path, text) in [
            (
                "etc/cron.d/app",
                "SHELL=/bin/bash\n0 0 * * * root cd /app && ./save.sh\n",
            ),
            ("etc/cron.daily/clean", "#!/bin/sh\ntidy\n"),
            ("var/spool/cron/crontabs/root", "@daily jq . /x\n"),
            ("app/save.sh", "#!/bin/sh\nbc\n"),
            ("usr/sbin/cron", ""),
            ("usr/bin/bc", ""),
            ("usr/bin/jq", ""),
            ("usr/bin/tidy", ""),
            ("bin/bash", ""),
            ("bin/sh", ""),
        ] {
            for root in [&dir, &made] {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let root = RootDir::open(dir.path()).unwrap();
        let steps = [Step {
            files: made.path().to_path_buf(),
            line: 2,
            copies: false,
            ..Step::default()
        }];
        for (used, expected) in [("/usr/sbin/cron", true), ("/bin/sh", false)] {
            let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
            keeper
                .add(Path::new(used), UseKind::Looked, "test")
                .unwrap();
            keeper.add_helpers().unwrap();
            for path in [
                "/app/save.sh",
                "/bin/bash",
                "/etc/cron.d/app",
                "/etc/cron.daily/clean",
                "/usr/bin/bc",
                "/usr/bin/jq",
                "/usr/bin/tidy",
            ] {
                let is_kept = keeper.kept.used.contains(Path::new(path));
                assert_eq!(is_kept, expected, "{used}: {path}");
            }
        }
    }
}
