//! Commands that a program finds in its settings and has a shell start: the jobs of a runner of tasks, a hook, a converter.
//!
//! Words of settings are seldom commands. They are taken for some where a source of the program's own starts a shell, and where they
//! are more than one word.

use std::path::{Path, PathBuf};

use super::Keeper;
use super::commands::{BUILDERS, Sureness, script_commands};
use super::helpers::is_of_modules;
use super::named::is_of_tools;
use super::seen::Look;
use crate::rootfs::RootError;

/// How files end that have settings with commands in them.
const SETTINGS: [&str; 8] = [
    "cfg", "conf", "config", "ini", "json", "toml", "yaml", "yml",
];
/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;
/// The most files that are read.
const MOST_FILES: usize = 2_000;

impl Keeper<'_> {
    /// Keeps what the commands start that stand in settings of the program's own, if it starts a shell itself.
    pub(super) fn add_told(&mut self) -> Result<(), RootError> {
        if self.habits.starts_shell.is_none() {
            return Ok(());
        }
        let kept = self.kept.paths.keys().chain(&self.kept.used);
        let unread = self.seen.new_ones(Look::Told, kept);
        let mut settings = Vec::new();
        for path in &unread {
            self.seen.note(Look::Told, path);
            self.list_settings(path, &mut settings);
        }
        for path in settings {
            let Some(bytes) = self.root.content(&path, LIMIT) else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes);
            let reason = format!("{} may have it started", path.display());
            for command in told(&text) {
                for name in script_commands(command) {
                    if !BUILDERS.contains(&name) {
                        self.add_program(name, Sureness::There, &reason)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The settings of the program's own at and below `path`.
    fn list_settings(&self, path: &Path, found: &mut Vec<PathBuf>) {
        let mut pending = vec![path.to_path_buf()];
        while let Some(path) = pending.pop() {
            let Some(metadata) = self.root.entry(&path) else {
                continue;
            };
            if is_of_modules(&path) || path.ancestors().any(super::is_python_library) {
                continue;
            }
            if metadata.is_dir() {
                if self.kept.paths.keys().any(|kept| path.starts_with(kept)) {
                    let names = self.root.names(&path).into_iter();
                    pending.extend(names.map(|name| path.join(name)));
                }
                continue;
            }
            let end = path.extension().unwrap_or_default();
            let is_settings = SETTINGS.iter().any(|known| end == *known) && !is_of_tools(&path);
            let is_own = || !self.owners.is_packaged(&path) && self.owners.maker(&path).is_some();
            if is_settings && metadata.is_file() && is_own() && found.len() < MOST_FILES {
                found.push(path);
            }
        }
    }
}

/// The values in a text of settings that may be commands: those of several words, the lines of blocks, and shells by name.
fn told(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // How far the line is indented that a block belongs to.
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let inside = line.trim_start();
        let indent = line.len() - inside.len();
        let inside = inside.trim_end();
        if inside.is_empty() || inside.starts_with('#') {
            continue;
        }
        if block.is_some_and(|above| indent > above) {
            found.push(inside);
            continue;
        }
        block = None;
        let item = inside.strip_prefix("- ").unwrap_or(inside);
        let value = match item.split_once([':', '=']) {
            Some((key, value)) if !key.trim_end_matches([' ', '"', '\'']).contains(' ') => value,
            Some(_) | None => item,
        };
        let value = value.trim().trim_end_matches(',');
        if matches!(value, "|" | "|-" | "|+" | ">" | ">-" | ">+") {
            block = Some(indent);
            continue;
        }
        let value = unquoted(value);
        let is_shell = ["ash", "bash", "dash", "ksh", "sh", "zsh"].contains(&value);
        if is_shell || value.contains(' ') && !value.starts_with(['[', '{']) {
            found.push(value);
        }
    }
    found
}

/// `value` without the quotes around all of it.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::keep::UseKind;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn values_of_several_words_may_be_commands() {
        for (text, expected) in [
            (
                "about: Pack it\ncommands:\n  - mkdir -p /tmp/a\n",
                &["Pack it", "mkdir -p /tmp/a"][..],
            ),
            ("shell: bash\nkind: date\n", &["bash"]),
            ("- 'date -d @0 +%A'\n", &["date -d @0 +%A"]),
            (
                "run: |\n  tar -x\n  gzip x\nname: sort\n",
                &["tar -x", "gzip x"],
            ),
            ("hook = \"curl -s x\"\nsort = 3\n", &["curl -s x"]),
            ("{\n  \"cmd\": \"find . -name x\",\n", &["find . -name x"]),
            ("# find . x\nkinds: [file, date]\n", &[]),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn commands_of_settings_stay_where_a_source_starts_a_shell() {
        const STARTS: &str = "import subprocess\nsubprocess.run(task, shell=True)\n";
        for (source, expected) in [
            (STARTS, &["/usr/bin/gzip", "/usr/bin/tar"][..]),
            ("import subprocess\nsubprocess.run([task])\n", &[]),
        ] {
            let [dir, copied] = [(); 2].map(|()| tempfile::tempdir().unwrap());
            let write = |root: &Path, path: &str, text: &str| {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            };
            for (path, text) in [
                ("app/run.py", source),
                (
                    "app/tasks/a.yml",
                    "about: x y\nrun: tar -c . | gzip -9\nkind: date\n",
                ),
                (
                    "app/package.json",
                    "{\n\"scripts\": {\n\"x\": \"date -x\"\n}}\n",
                ),
            ] {
                write(dir.path(), path, text);
                write(copied.path(), path, text);
            }
            for path in ["bin/sh", "usr/bin/date", "usr/bin/gzip", "usr/bin/tar"] {
                write(dir.path(), path, "");
            }
            let root = RootDir::open(dir.path()).unwrap();
            let steps = [Step {
                files: copied.path().to_path_buf(),
                line: 4,
                copies: true,
                ..Step::default()
            }];
            let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
            for path in ["/app/run.py", "/app/tasks/a.yml", "/app/package.json"] {
                let path = Path::new(path);
                keeper.add(path, UseKind::Looked, "used").unwrap();
            }
            keeper.add_helpers().unwrap();
            let kept = keeper.kept.paths.keys();
            let kept = kept.filter(|path| path.starts_with("/usr/bin"));
            let kept: Vec<String> = kept.map(|path| path.display().to_string()).collect();
            assert_eq!(kept, expected, "{source}");
        }
    }
}
