//! Package managers, as the rules see them: which command does what to which packages.

use crate::shell::{ShellWord, SimpleCommand};

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Manager {
    /// `apt-get`, `apt`, `aptitude`
    Apt,
    /// `apk`
    Apk,
    /// `yum`, `dnf`, `microdnf`, `tdnf`
    Rpm,
    /// `zypper`
    Zypper,
    /// `pip`, `pip3`, `python -m pip`
    Pip,
    /// `npm`
    Npm,
    /// `yarn`
    Yarn,
    /// `pnpm`
    Pnpm,
}

/// What a package manager is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Install packages that are named, or those of a file.
    Install,
    /// Fetch the lists of what there is.
    Update,
    /// Install newer versions of what is there.
    Upgrade,
    /// Delete caches.
    Clean,
    /// Remove packages.
    Remove,
    /// Anything else.
    Other,
}

/// A command of a package manager.
#[derive(Debug, Clone)]
pub(super) struct PackageCommand<'c> {
    pub(super) manager: Manager,
    /// The word that names the manager.
    pub(super) program: &'c ShellWord,
    pub(super) action: Action,
    /// The word that names the action; `yarn` alone has none.
    pub(super) verb: Option<&'c ShellWord>,
    /// The words after the manager, without the verb: flags, their values and packages.
    pub(super) rest: Vec<&'c ShellWord>,
}

/// Flags of package managers whose value is the next word.
const VALUED: [&str; 26] = [
    "-t",
    "--target-release",
    "--default-release",
    "-o",
    "--option",
    "-c",
    "--config-file",
    "-a",
    "--repository",
    "-X",
    "--virtual",
    "-p",
    "--root",
    "--prefix",
    "-r",
    "--requirement",
    "--constraint",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--target",
    "--registry",
    "--cache-dir",
    "--installroot",
];

/// Reads a command as one of a package manager; wrappers such as `sudo` are looked through.
pub(super) fn package_command(command: &SimpleCommand) -> Option<PackageCommand<'_>> {
    let words = command.unwrapped();
    let program = words.first()?;
    let name = base_name(program.literal.as_deref()?);
    let (manager, rest) = match name {
        "apt-get" | "apt" | "aptitude" => (Manager::Apt, &words[1..]),
        "apk" => (Manager::Apk, &words[1..]),
        "yum" | "dnf" | "microdnf" | "tdnf" | "dnf5" => (Manager::Rpm, &words[1..]),
        "zypper" => (Manager::Zypper, &words[1..]),
        "npm" => (Manager::Npm, &words[1..]),
        "yarn" => (Manager::Yarn, &words[1..]),
        "pnpm" => (Manager::Pnpm, &words[1..]),
        name if is_versioned(name, "pip") => (Manager::Pip, &words[1..]),
        name if is_versioned(name, "python") => (Manager::Pip, after_module_pip(&words[1..])?),
        _ => return None,
    };
    let (verb, rest) = split_verb(manager, rest);
    Some(PackageCommand {
        manager,
        program,
        action: action(manager, verb, &rest),
        verb,
        rest,
    })
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Says whether `name` is `stem` with a version after it: `pip3`, `python3.11`.
fn is_versioned(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem)
        .is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// What follows `-m pip` in the arguments of Python.
fn after_module_pip(words: &[ShellWord]) -> Option<&[ShellWord]> {
    let at = words
        .iter()
        .position(|word| word.literal.as_deref() == Some("-m"))?;
    let module = words.get(at + 1)?.literal.as_deref()?;
    (module == "pip").then(|| &words[at + 2..])
}

fn split_verb(manager: Manager, words: &[ShellWord]) -> (Option<&ShellWord>, Vec<&ShellWord>) {
    let mut verb = None;
    let mut rest = Vec::new();
    let mut is_value = false;
    for word in words {
        let literal = word.literal.as_deref().unwrap_or(&word.text);
        if verb.is_none() && !is_value && !literal.starts_with('-') {
            verb = Some(word);
            continue;
        }
        is_value = !is_value && VALUED.contains(&literal) && takes_value(manager, literal);
        rest.push(word);
    }
    (verb, rest)
}

/// Some short flags take a value with one manager and none with another.
fn takes_value(manager: Manager, flag: &str) -> bool {
    match (manager, flag) {
        (Manager::Apt, "-t" | "-o" | "-c" | "-a") => true,
        (Manager::Apt, "-p" | "-r" | "-i" | "-f" | "-X") => false,
        (Manager::Apk, "-t" | "-X" | "-p") => true,
        (Manager::Apk, flag) => flag.starts_with("--"),
        (Manager::Rpm, "-c") => true,
        (Manager::Zypper, "-r" | "-c" | "-p" | "-t") => true,
        (Manager::Pip, "-t" | "-r" | "-c" | "-i" | "-f") => true,
        (Manager::Rpm | Manager::Zypper | Manager::Pip, flag)
        | (Manager::Npm | Manager::Yarn | Manager::Pnpm, flag)
        | (Manager::Apt, flag) => flag.starts_with("--"),
    }
}

fn action(manager: Manager, verb: Option<&ShellWord>, rest: &[&ShellWord]) -> Action {
    let Some(verb) = verb else {
        let asks_only = rest.iter().any(|word| {
            matches!(
                word.literal.as_deref(),
                Some("--version" | "-v" | "--help" | "-h")
            )
        });
        return if manager == Manager::Yarn && !asks_only {
            Action::Install
        } else {
            Action::Other
        };
    };
    match (manager, verb.literal.as_deref().unwrap_or_default()) {
        (Manager::Apt, "install" | "build-dep") => Action::Install,
        (Manager::Apt, "update") => Action::Update,
        (Manager::Apt, "upgrade" | "dist-upgrade" | "full-upgrade" | "safe-upgrade") => {
            Action::Upgrade
        }
        (Manager::Apt, "clean" | "autoclean" | "distclean") => Action::Clean,
        (Manager::Apt, "remove" | "purge" | "autoremove" | "autopurge") => Action::Remove,
        (Manager::Apk, "add") => Action::Install,
        (Manager::Apk, "update") => Action::Update,
        (Manager::Apk, "upgrade") => Action::Upgrade,
        (Manager::Apk, "del") => Action::Remove,
        (Manager::Rpm, "install" | "localinstall" | "groupinstall" | "reinstall" | "in") => {
            Action::Install
        }
        (Manager::Rpm, "makecache" | "check-update") => Action::Update,
        (Manager::Rpm, "update" | "upgrade" | "distro-sync") => Action::Upgrade,
        (Manager::Rpm, "clean") => Action::Clean,
        (Manager::Rpm, "remove" | "erase" | "autoremove") => Action::Remove,
        (Manager::Zypper, "install" | "in") => Action::Install,
        (Manager::Zypper, "refresh" | "ref") => Action::Update,
        (Manager::Zypper, "update" | "up" | "dist-upgrade" | "dup") => Action::Upgrade,
        (Manager::Zypper, "clean" | "cc") => Action::Clean,
        (Manager::Zypper, "remove" | "rm") => Action::Remove,
        (Manager::Pip, "install") => Action::Install,
        (Manager::Pip, "cache") => Action::Clean,
        (Manager::Pip, "uninstall") => Action::Remove,
        (Manager::Npm, "install" | "i" | "ci" | "add" | "clean-install") => Action::Install,
        (Manager::Npm | Manager::Yarn, "cache") => Action::Clean,
        (Manager::Yarn, "install" | "add") => Action::Install,
        (Manager::Yarn, "global") => Action::Install,
        (Manager::Pnpm, "install" | "i" | "add") => Action::Install,
        (Manager::Pnpm, "store") => Action::Clean,
        (_, _) => Action::Other,
    }
}

impl<'c> PackageCommand<'c> {
    /// Says whether one of the words is this flag, alone or as `flag=…`, or in a cluster of short ones.
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.rest.iter().any(|word| {
            let literal = word.literal.as_deref().unwrap_or(&word.text);
            let name = literal.split_once('=').map_or(literal, |(name, _)| name);
            let is_in_cluster = flag.len() == 2
                && literal.starts_with('-')
                && !literal.starts_with("--")
                && literal[1..].contains(&flag[1..]);
            name == flag || is_in_cluster
        })
    }

    /// The words that name packages or files: no flags and none of their values.
    pub(super) fn packages(&self) -> Vec<&'c ShellWord> {
        let mut packages = Vec::new();
        let mut is_value = false;
        for word in &self.rest {
            let literal = word.literal.as_deref().unwrap_or(&word.text);
            let is_flag = literal.starts_with('-');
            if !is_value && !is_flag {
                packages.push(*word);
            }
            is_value = !is_value && VALUED.contains(&literal) && takes_value(self.manager, literal);
        }
        packages
    }
}
