//! The packages of Debian that commands ask for by name.

use std::collections::BTreeSet;

/// The packages that the commands in `script` have apt install: the words that are names, up to the end of each command.
pub(crate) fn packages_asked_for(script: &str) -> BTreeSet<String> {
    const INSTALLERS: [&str; 4] = ["apt", "apt-get", "aptitude", "apt-fast"];
    let script = script.replace("\\\n", " ");
    let mut found = BTreeSet::new();
    for command in script.split(['\n', ';', '&', '|', '(', ')', '{', '}']) {
        let mut words = command
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'']));
        let is_installer = |word: &str| {
            let name = word.rsplit('/').next().unwrap_or(word);
            INSTALLERS.contains(&name)
        };
        if words.any(is_installer) && words.any(|word| word == "install") {
            found.extend(words.filter_map(package));
        }
    }
    found
}

/// The name of the package in a word such as `git=1:2.47*`, `git/trixie` or `git:amd64`.
fn package(word: &str) -> Option<String> {
    let name = word.split(['=', '/', ':']).next()?;
    let is_name = name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_the_names_behind_install() {
        for (script, expected) in [
            (
                "apt-get update && apt-get install -y --no-install-recommends git=1:2.47* \\\n libfoo-dev:amd64 && rm -rf /var/lib/apt/lists/*",
                &["git", "libfoo-dev"][..],
            ),
            (
                "DEBIAN_FRONTEND=noninteractive apt install -yq \"curl\" $MORE vim-; echo x",
                &["curl"],
            ),
            (
                "apt-get update\napt-get -qq install g++ 2ping\nmake install all",
                &["2ping", "g++"],
            ),
            ("pip install flask", &[]),
            ("apt-get remove git", &[]),
        ] {
            let found = packages_asked_for(script);
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(found, expected, "{script}");
        }
    }
}
