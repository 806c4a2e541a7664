//! Modules that the program's own texts ask for by name, and that start a program for it: `simple-git` bears the name of `git`, and
//! a playbook's `unarchive` is a file of Ansible's that starts `tar`.
//!
//! What modules name is mostly what they can do without, so that it does not count if the base image has it. This does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Keeper;
use super::commands::BUILDERS;
use super::imports::imported;
use super::requires::{Named, named_packages};
use crate::rootfs::RootError;

/// Programs of the base that a module starts for every program, and whose absence it tells: joblib counts cores (loky: `lscpu`).
const STARTED: [(&str, &str); 1] = [("joblib", "lscpu")];
/// The largest playbook that is read, in bytes.
const PLAYBOOK_LIMIT: u64 = 1 << 20;

/// What the program's own texts ask for.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Modules that sources import.
    modules: BTreeSet<String>,
    /// The keys in files of YAML that a `COPY` brought, if they are known already.
    keys: Option<BTreeSet<String>>,
}

impl Requests {
    /// Notes what a source imports; `end` is the extension of its name.
    pub(super) fn note(&mut self, text: &str, end: &str) {
        match end {
            "py" => self.modules.extend(imported(text.as_bytes())),
            "rb" => self.modules.extend(required(text)),
            "cjs" | "js" | "jsx" | "mjs" | "ts" => {
                let named = named_packages(text.as_bytes()).into_iter();
                self.modules.extend(named.filter_map(|named| match named {
                    Named::Whole(name) => Some(name),
                    Named::Start(_) => None,
                }));
            }
            _ => {}
        }
    }
}

impl Keeper<'_> {
    /// Whether the source at `path`, of a module, starts `program` for a text of the program's own that asks for it.
    pub(super) fn starts_for_own(&mut self, path: &Path, program: &str) -> Result<bool, RootError> {
        if BUILDERS.contains(&program) {
            return Ok(false);
        }
        let is_namesake = module_of(path).is_some_and(|module| {
            if STARTED.contains(&(module.as_str(), program)) {
                return true;
            }
            let mut words = module.split(|c: char| !c.is_ascii_alphanumeric());
            words.any(|word| word == program) && self.requests.modules.contains(&module)
        });
        if is_namesake {
            return Ok(true);
        }
        let Some(task) = task_of(path) else {
            return Ok(false);
        };
        let keys = match self.requests.keys.take() {
            Some(keys) => keys,
            None => self.copied_keys()?,
        };
        let is_named = keys.contains(task);
        self.requests.keys = Some(keys);
        Ok(is_named)
    }

    /// The last parts of the keys in the files of YAML that a `COPY` brought.
    fn copied_keys(&self) -> Result<BTreeSet<String>, RootError> {
        let mut keys = BTreeSet::new();
        self.see_copied(&mut |root, path| {
            if path
                .extension()
                .is_some_and(|end| end == "yml" || end == "yaml")
            {
                let bytes = root.content(path, PLAYBOOK_LIMIT).unwrap_or_default();
                keys.extend(keys_in(&String::from_utf8_lossy(&bytes)));
            }
        })?;
        Ok(keys)
    }
}

/// The module that the source at `path` belongs to, as sources ask for it.
fn module_of(path: &Path) -> Option<String> {
    const PLACES: [&str; 4] = ["dist-packages", "gems", "node_modules", "site-packages"];
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let place = parts
        .iter()
        .rposition(|part| PLACES.contains(&part.as_ref()))?;
    let mut inside = parts.get(place + 1..)?.iter();
    let first = inside.next()?;
    if first.starts_with('@') {
        return Some(format!("{first}/{}", inside.next()?));
    }
    if parts.get(place)? == "gems" {
        let (name, version) = first.rsplit_once('-')?;
        let is_version = version.starts_with(|c: char| c.is_ascii_digit());
        return Some(if is_version { name } else { first }.to_owned());
    }
    Some(first.trim_end_matches(".py").to_owned())
}

/// The task of Ansible that the source at `path` does.
fn task_of(path: &Path) -> Option<&str> {
    const PLACES: [&str; 2] = ["ansible", "ansible_collections"];
    const KINDS: [&str; 2] = ["action", "modules"];
    let is_inside = path
        .iter()
        .any(|part| PLACES.iter().any(|place| part == *place));
    let mut above = path.parent()?.iter();
    let is_task = is_inside && above.any(|part| KINDS.iter().any(|kind| part == *kind));
    path.file_stem()?.to_str().filter(|_| is_task)
}

/// What a source in Ruby requires.
fn required(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("require")?.trim_start();
        let rest = rest.strip_prefix(['(', ' ']).unwrap_or(rest).trim_start();
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (name, _) = rest.get(1..)?.split_once(quote)?;
        Some(name.to_owned())
    })
}

/// The last parts of the keys in a text of YAML: `tar` of `- community.general.tar: x`.
fn keys_in(text: &str) -> impl Iterator<Item = String> {
    static KEY: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?m)^[ \t-]*(?:\w+\.)*(\w+):(?:[ \t\r]|$)").ok());
    let found = KEY.iter().flat_map(|key| key.captures_iter(text));
    let found = found.filter_map(|captures| captures.get(1));
    found.map(|name| name.as_str().to_owned())
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
    fn modules_have_the_names_that_sources_ask_for() {
        for (path, expected) in [
            (
                "/app/node_modules/simple-git/dist/cjs/index.js",
                Some("simple-git"),
            ),
            (
                "/app/node_modules/x/node_modules/@a/git/lib/a.js",
                Some("@a/git"),
            ),
            ("/usr/lib/python3/dist-packages/git/cmd.py", Some("git")),
            ("/usr/lib/python3/dist-packages/sh.py", Some("sh")),
            ("/usr/lib/ruby/gems/git-1.13.2/lib/git/lib.rb", Some("git")),
            ("/app/lib/git.js", None),
        ] {
            assert_eq!(module_of(Path::new(path)).as_deref(), expected, "{path}");
        }
        let ansible = "/v/site-packages/ansible";
        for (path, expected) in [
            (format!("{ansible}/modules/unarchive.py"), Some("unarchive")),
            (format!("{ansible}/plugins/action/copy.py"), Some("copy")),
            (format!("{ansible}/cli/doc.py"), None),
            (
                "/v/site-packages/other/modules/unarchive.py".to_owned(),
                None,
            ),
        ] {
            assert_eq!(task_of(Path::new(&path)), expected, "{path}");
        }
    }

    #[test]
    fn sources_ask_for_modules_in_their_language() {
        for (text, end, expected) in [
            (
                "const g = require('simple-git');\nimport './b';\n",
                "js",
                "simple-git",
            ),
            ("import git\n", "py", "git"),
            ("from git import Repo\n", "py", "git"),
            ("require 'git'\nrequire_relative 'own'\n", "rb", "git"),
            ("require(\"git\")\n", "rb", "git"),
        ] {
            let mut requests = Requests::default();
            requests.note(text, end);
            let found: Vec<String> = requests.modules.into_iter().collect();
            assert_eq!(found, [expected], "{text}");
        }
        let text = "- hosts: all\n  tasks:\n    - name: x y\n      ansible.builtin.unarchive:\n        src: a.tar\n";
        let keys: Vec<String> = keys_in(text).collect();
        assert_eq!(keys, ["hosts", "tasks", "name", "unarchive", "src"]);
    }

    #[test]
    fn a_program_of_the_base_stays_where_a_module_of_its_name_is_asked_for() {
        const GIT: &str = "const cp = require('child_process');\nconst name = 'git', other = 'curl';\ncp.spawn(name);\n";
        const TAR: &str = "import subprocess\nname = 'tar'\nsubprocess.run([name])\n";
        const CORES: &str = "import subprocess\nsubprocess.run('lscpu --parse=core'.split())\n";
        let cores = "usr/lib/python3/dist-packages/joblib/loky/context.py";
        let dir = tempfile::tempdir().unwrap();
        let copied = tempfile::tempdir().unwrap();
        let git = "app/node_modules/simple-git/index.js";
        let other = "app/node_modules/gitter/index.js";
        let tar = "usr/lib/python3/dist-packages/ansible/modules/unarchive.py";
        for (root, path, text) in [
            (dir.path(), git, GIT),
            (dir.path(), other, GIT),
            (dir.path(), tar, TAR),
            (dir.path(), cores, CORES),
            (dir.path(), "usr/bin/curl", ""),
            (dir.path(), "usr/bin/lscpu", ""),
            (dir.path(), "usr/bin/git", ""),
            (dir.path(), "usr/bin/tar", ""),
            (copied.path(), "app/play.yml", "- unarchive: src=a.tar\n"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let steps = [Step {
            files: copied.path().to_path_buf(),
            line: 4,
            copies: true,
            ..Step::default()
        }];
        let kept_with = |source: &str, module: &str, steps: &[Step]| {
            let mut keeper = Keeper::new(&root, Owners::read(&root, steps).unwrap(), "");
            keeper.requests.note(source, "js");
            let path = Path::new("/").join(module);
            keeper
                .add_named_programs(&path, super::super::helpers::Text::Module)
                .unwrap();
            let kept = keeper
                .kept
                .paths
                .keys()
                .filter(|path| path.starts_with("/usr/bin"));
            kept.map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        let asks = "const git = require('simple-git');\n";
        assert_eq!(kept_with(asks, git, &[]), ["/usr/bin/git"]);
        assert!(kept_with("", git, &[]).is_empty());
        assert!(kept_with("require('gitter')\n", other, &[]).is_empty());
        assert_eq!(kept_with("", tar, &steps), ["/usr/bin/tar"]);
        assert!(kept_with("", tar, &[]).is_empty());
        assert_eq!(kept_with("", cores, &[]), ["/usr/bin/lscpu"]);
    }
}
