//! Commands that make users.

use crate::checks::packages::base_name;
use crate::shell::{ShellWord, SimpleCommand};

/// A user that a command makes.
#[derive(Debug)]
pub(super) struct NewUser<'c> {
    pub(super) name: &'c str,
    /// The word with the name.
    pub(super) word: &'c ShellWord,
    /// Made for a service: below the numbers of people, without a password.
    pub(super) is_system: bool,
}

/// The flags of `useradd` and `adduser` whose value is the next word.
const VALUED: [&str; 36] = [
    "-b",
    "--base-dir",
    "-c",
    "--comment",
    "-d",
    "--home-dir",
    "--home",
    "-e",
    "--expiredate",
    "-f",
    "--inactive",
    "-g",
    "--gid",
    "-G",
    "--groups",
    "-h",
    "-k",
    "--skel",
    "-K",
    "--key",
    "-p",
    "--password",
    "-R",
    "--root",
    "-P",
    "--prefix",
    "-s",
    "--shell",
    "-u",
    "--uid",
    "-Z",
    "--selinux-user",
    "--ingroup",
    "--gecos",
    "--firstuid",
    "--conf",
];

/// The user that `useradd` or `adduser` makes, if its name is literal.
pub(super) fn new_user(command: &SimpleCommand) -> Option<NewUser<'_>> {
    let (program, arguments) = command.unwrapped().split_first()?;
    let program = base_name(program.literal.as_deref()?);
    if !matches!(program, "useradd" | "adduser") {
        return None;
    }
    let mut operands = Vec::new();
    let mut is_value = false;
    let mut is_system = false;
    for word in arguments {
        let text = word.literal.as_deref().unwrap_or(&word.text);
        if is_value {
            is_value = false;
        } else if text.starts_with('-') {
            is_system |= text == "--system" || is_cluster_with(text, program == "useradd");
            is_value = takes_value(text);
        } else {
            operands.push(word);
        }
    }
    // `adduser user group` puts a user that is there into a group.
    let [word] = operands.as_slice() else {
        return None;
    };
    Some(NewUser {
        name: word.literal.as_deref()?,
        word,
        is_system,
    })
}

/// Says whether a cluster has the letter for a system user: `r`, and `S` with `BusyBox`.
fn is_cluster_with(flag: &str, is_useradd: bool) -> bool {
    let letter = if is_useradd { 'r' } else { 'S' };
    flag.strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with('-') && rest.contains(letter))
}

/// The last letter of a cluster may take a value: `-mu 1000`.
fn takes_value(flag: &str) -> bool {
    if VALUED.contains(&flag) {
        return true;
    }
    let cluster = flag.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    cluster
        .and_then(|rest| rest.chars().next_back())
        .is_some_and(|last| {
            let flag = format!("-{last}");
            VALUED.contains(&flag.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use crate::shell::shell_script;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let parse = parse(&format!("FROM a\nRUN {line}\n"));
        let script = shell_script(parse.text(), parse.escape(), &parse.instructions()[1]).unwrap();
        let shown = match new_user(&script.commands[0]) {
            None => "none".to_owned(),
            Some(user) if user.is_system => format!("{}, system", user.name),
            Some(user) => user.name.to_owned(),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn the_name_of_a_user_is_the_only_operand() {
        check("useradd app", "app");
        check("useradd -m -s /bin/bash -u 1000 app", "app");
        check("useradd -mu 1000 app", "app");
        check("useradd --uid=1000 -rg app app", "app, system");
        check("useradd --system app", "app, system");
        check("adduser -D -h /home/app app", "app");
        check("adduser -S -G app app", "app, system");
        check("adduser --disabled-password --gecos '' app", "app");
        check("adduser app docker", "none");
        check("useradd $NAME", "none");
        check("usermod -aG docker app", "none");
    }
}
