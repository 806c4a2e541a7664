//! Package managers, as the rules see them: which command does what to which packages.

mod flags;

use crate::checks::packages::flags::{is_valued_letter, starts_two_words, takes_next, verbs};
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
    /// The first of two words that name the action: `global` of `yarn global add`, `group` of `dnf group install`.
    pub(super) group: Option<&'c ShellWord>,
    /// The word that names the action, the last one if there are two; `yarn` alone has none.
    pub(super) verb: Option<&'c ShellWord>,
    /// The words after the manager, without those that name the action: flags, their values and packages.
    pub(super) rest: Vec<&'c ShellWord>,
}

/// Reads a command as one of a package manager; wrappers such as `sudo` are looked through.
pub(super) fn package_command(command: &SimpleCommand) -> Option<PackageCommand<'_>> {
    let words = command.unwrapped();
    let (program, arguments) = words.split_first()?;
    let (manager, arguments) = match base_name(program.literal.as_deref()?) {
        "apt-get" | "apt" | "aptitude" => (Manager::Apt, arguments),
        "apk" => (Manager::Apk, arguments),
        "yum" | "dnf" | "microdnf" | "tdnf" | "dnf5" => (Manager::Rpm, arguments),
        "zypper" => (Manager::Zypper, arguments),
        "npm" => (Manager::Npm, arguments),
        "yarn" | "yarnpkg" => (Manager::Yarn, arguments),
        "pnpm" => (Manager::Pnpm, arguments),
        name if is_versioned(name, "pip") => (Manager::Pip, arguments),
        name if is_versioned(name, "python") => (Manager::Pip, after_module_pip(arguments)?),
        _ => return None,
    };
    let (group, verb, rest) = split_verb(manager, arguments);
    Some(PackageCommand {
        manager,
        program,
        action: action(manager, group, verb, &rest),
        group,
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
    let are_flags = words[..at]
        .iter()
        .all(|word| word.literal.as_deref().is_some_and(is_flag));
    let module = words.get(at + 1)?.literal.as_deref()?;
    (module == "pip" && are_flags).then(|| &words[at + 2..])
}

/// A word's value, or its text if something is expanded in it.
pub(super) fn value_or_text(word: &ShellWord) -> &str {
    word.literal.as_deref().unwrap_or(&word.text)
}

fn is_flag(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1
}

type Verb<'c> = Option<&'c ShellWord>;

fn split_verb(manager: Manager, words: &[ShellWord]) -> (Verb<'_>, Verb<'_>, Vec<&ShellWord>) {
    let (mut group, mut verb) = (None, None);
    let mut rest = Vec::new();
    let mut is_value = false;
    for word in words {
        let value = value_or_text(word);
        let is_operand = !is_value && !is_flag(value);
        let is_group = group.is_none()
            && verb.is_some_and(|verb: &ShellWord| starts_two_words(manager, value_or_text(verb)));
        if is_operand && verb.is_none() {
            verb = Some(word);
        } else if is_operand && is_group {
            group = verb.replace(word);
        } else {
            rest.push(word);
        }
        is_value = !is_value && takes_next(manager, value);
    }
    (group, verb, rest)
}

fn action(manager: Manager, group: Verb<'_>, verb: Verb<'_>, rest: &[&ShellWord]) -> Action {
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
    let verb = verb.literal.as_deref().unwrap_or_default();
    if let Some(group) = group {
        return group_action(value_or_text(group), verb);
    }
    let known = |names: &str| !verb.is_empty() && names.split(' ').any(|name| name == verb);
    let [install, update, upgrade, clean, remove] = verbs(manager);
    if known(install) {
        Action::Install
    } else if known(update) {
        Action::Update
    } else if known(upgrade) {
        Action::Upgrade
    } else if known(clean) {
        Action::Clean
    } else if known(remove) {
        Action::Remove
    } else {
        Action::Other
    }
}

/// What two words such as `group install` and `cache clean` tell a manager to do.
fn group_action(group: &str, verb: &str) -> Action {
    match (group, verb) {
        ("group" | "groups" | "module", "install")
        | ("global", "add")
        | ("workspaces", "focus") => Action::Install,
        ("group" | "groups" | "module" | "global", "remove") => Action::Remove,
        ("cache" | "store", "clean" | "purge" | "remove" | "prune" | "clear") => Action::Clean,
        (_, _) => Action::Other,
    }
}

impl<'c> PackageCommand<'c> {
    /// Says whether one of the words is this flag, alone or as `flag=…`, or in a cluster of short ones.
    pub(super) fn has_flag(&self, flag: &str) -> bool {
        self.flag_words().any(|word| {
            let value = value_or_text(word);
            match flag.strip_prefix("--") {
                Some(_) => value.split('=').next() == Some(flag),
                None => self.has_letter(value, flag.trim_start_matches('-')),
            }
        })
    }

    /// Says whether a cluster of short flags holds this one. What follows a flag with a value is that value.
    fn has_letter(&self, word: &str, flag: &str) -> bool {
        let Some(letters) = word.strip_prefix('-') else {
            return false;
        };
        if letters.starts_with('-') {
            return false;
        }
        let letters = letters.split('=').next().unwrap_or_default();
        let valued = letters.find(|letter| is_valued_letter(self.manager, letter));
        let flags = valued.map_or(letters, |at| &letters[..=at]);
        flags.contains(flag)
    }

    /// The value of a long flag: after `=`, or the next word.
    pub(super) fn flag_value(&self, flag: &str) -> Option<&'c str> {
        let mut words = self.rest.iter();
        while let Some(word) = words.next() {
            let value = value_or_text(word);
            if value == flag {
                return words.next().map(|next| value_or_text(next));
            }
            if let Some(value) = value
                .strip_prefix(flag)
                .and_then(|rest| rest.strip_prefix('='))
            {
                return Some(value);
            }
        }
        None
    }

    /// Says whether a word, as a whole, is something that only running the script can tell, and not by its name
    /// a list of packages: it may be a flag.
    pub(super) fn has_unknown_flags(&self) -> bool {
        self.rest.iter().any(|word| {
            let name = word.variables.first().map(|name| name.to_ascii_lowercase());
            let is_list = name.is_some_and(|name| {
                ["pkg", "package", "dep", "lib", "tool", "version"]
                    .iter()
                    .any(|part| name.contains(part))
            });
            let starts_open = word.text.trim_start_matches('"').starts_with(['$', '`']);
            word.literal.is_none() && starts_open && !is_list
        })
    }

    /// The words that are flags, and no values of them.
    fn flag_words(&self) -> impl Iterator<Item = &'c ShellWord> {
        self.classified()
            .filter(|(_, is_flag)| *is_flag)
            .map(|(word, _)| word)
    }

    /// The words that name packages or files: no flags and none of their values.
    pub(super) fn packages(&self) -> Vec<&'c ShellWord> {
        self.classified()
            .filter(|(_, is_flag)| !is_flag)
            .map(|(word, _)| word)
            .collect()
    }

    /// The words but for the values of flags, and whether each is a flag.
    fn classified(&self) -> impl Iterator<Item = (&'c ShellWord, bool)> {
        let mut is_value = false;
        self.rest.iter().filter_map(move |word| {
            let value = value_or_text(word);
            let was_value = is_value;
            is_value = !is_value && takes_next(self.manager, value);
            (!was_value).then(|| (*word, is_flag(value)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use crate::shell::shell_script;
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    /// Shows what is read out of each command: manager, action, verb, packages.
    #[track_caller]
    fn check(script: &str, expected: Expect) {
        let text = format!("FROM a\nRUN {script}\n");
        let parse = parse(&text);
        let script = shell_script(&text, '\\', &parse.instructions()[1]).unwrap();
        let mut shown = String::new();
        for command in script.commands.iter().filter_map(package_command) {
            let texts = |words: &[&ShellWord]| {
                words
                    .iter()
                    .map(|word| word.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let verb = [command.group, command.verb]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>();
            writeln!(
                shown,
                "{:?} {:?} `{}` packages `{}`",
                command.manager,
                command.action,
                texts(&verb),
                texts(&command.packages()),
            )
            .unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[track_caller]
    fn check_flag(script: &str, flag: &str, expected: bool) {
        let text = format!("FROM a\nRUN {script}\n");
        let parse = parse(&text);
        let script = shell_script(&text, '\\', &parse.instructions()[1]).unwrap();
        let command = package_command(&script.commands[0]).unwrap();
        assert_eq!(command.has_flag(flag), expected, "{text} {flag}");
    }

    #[test]
    fn flags_before_the_verb_are_passed_over() {
        check(
            "apt-get -qy -o A::B=c install -t stable curl git",
            expect![[r"
                Apt Install `install` packages `curl git`
            "]],
        );
        check(
            "apt-get -qyt stable install curl",
            expect![[r"
            Apt Install `install` packages `curl`
        "]],
        );
        check(
            "apk --no-cache add -t .build gcc",
            expect![[r"
            Apk Install `add` packages `gcc`
        "]],
        );
        check(
            "dnf -y --setopt tsflags=nodocs install make",
            expect![[r"
            Rpm Install `install` packages `make`
        "]],
        );
        check(
            "npm --prefix x ci",
            expect![[r"
            Npm Install `ci` packages ``
        "]],
        );
        check(
            "pip --trusted-host h install -r a.txt x==1",
            expect![[r"
            Pip Install `install` packages `x==1`
        "]],
        );
    }

    #[test]
    fn verbs_of_two_words_are_one_action() {
        check(
            "yarn global add a && yarn cache clean && yarn cache dir",
            expect![[r"
                Yarn Install `global add` packages `a`
                Yarn Clean `cache clean` packages ``
                Yarn Other `cache dir` packages ``
            "]],
        );
        check(
            "dnf -y group install 'Development Tools'",
            expect![[r"
            Rpm Install `group install` packages `'Development Tools'`
        "]],
        );
        check(
            "pip cache purge; pip cache dir; pip config set a b",
            expect![[r"
                Pip Clean `cache purge` packages ``
                Pip Other `cache dir` packages ``
                Pip Other `config set` packages `a b`
            "]],
        );
        check(
            "yarn; yarn --frozen-lockfile; yarn --version",
            expect![[r"
                Yarn Install `` packages ``
                Yarn Install `` packages ``
                Yarn Other `` packages ``
            "]],
        );
    }

    #[test]
    fn wrappers_and_modules_lead_to_the_manager() {
        check(
            "sudo -E apt-get update && /usr/bin/apt-get install a",
            expect![[r"
                Apt Update `update` packages ``
                Apt Install `install` packages `a`
            "]],
        );
        check(
            "python3 -m pip install a; python3 -m venv pip; python x.py -m pip install b",
            expect![[r"
                Pip Install `install` packages `a`
            "]],
        );
        check(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y a",
            expect![[r"
                Apt Install `install` packages `a`
            "]],
        );
    }

    #[test]
    fn what_is_not_known_is_another_action() {
        check(
            "apt-get $VERB a; apt-get install -y $PACKAGES",
            expect![[r"
                Apt Other `$VERB` packages `a`
                Apt Install `install` packages `$PACKAGES`
            "]],
        );
    }

    #[test]
    fn clusters_end_at_the_value_of_a_flag() {
        check_flag("apt-get -qy install a", "-y", true);
        check_flag("apt-get install -oAPT::Lazy=y a", "-y", false);
        check_flag("apt-get install -t y a", "-y", false);
        check_flag("apk add -tU a", "-U", false);
        check_flag("apk -U add a", "-U", true);
        check_flag(
            "apt-get install --no-install-recommends a",
            "--no-install-recommends",
            true,
        );
        check_flag("npm ci --omit=dev", "--omit", true);
    }
}
