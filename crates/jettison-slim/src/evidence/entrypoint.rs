//! What an `ENTRYPOINT` does with the words of `CMD`.
//!
//! Beside an `ENTRYPOINT`, `CMD npm start` becomes the words `/bin/sh -c 'npm start'`, which it gets as its arguments. Whether it
//! may get `npm start` instead depends on it: a script may ask what it is to start.

use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;

use super::collect::variable;
use super::program::find_program;
use super::script::script_interpreter;
use crate::rootfs::{RootDir, normalise};

/// The largest script that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Whether the image's `ENTRYPOINT` starts the words of `CMD` as they are, be they a shell with a command or that command, which
/// begins with `name`: there is none, it only waits for processes, or it is a script that never looks.
pub(crate) fn passes_on(root: &RootDir, config: &RunConfig, name: &str) -> bool {
    let words = config.entrypoint.as_deref().unwrap_or_default();
    let words = without_init(words);
    match words {
        [] => true,
        [script] => script_at(root, config, script)
            .is_some_and(|(_, text)| is_passing(&text) && !mentions(&text, &[name, "sh"])),
        _ => false,
    }
}

/// The script that `ENTRYPOINT` starts and that speaks of one of `names`.
pub(crate) fn script_that_mentions(
    root: &RootDir,
    config: &RunConfig,
    names: &[&str],
) -> Option<PathBuf> {
    let words = config.entrypoint.iter().flatten();
    words
        .filter_map(|word| script_at(root, config, word))
        .find(|(_, text)| mentions(text, names))
        .map(|(path, _)| path)
}

/// The words behind a program that only starts another one and waits for what it leaves behind.
fn without_init(words: &[String]) -> &[String] {
    const INITS: [&str; 5] = [
        "catatonit",
        "docker-init",
        "dumb-init",
        "tini",
        "tini-static",
    ];
    const OPTIONS: [&str; 4] = ["--", "-g", "-s", "-v"];
    let Some((first, rest)) = words.split_first() else {
        return words;
    };
    let name = first.rsplit('/').next().unwrap_or(first);
    if !INITS.contains(&name) {
        return words;
    }
    let is_option = |word: &&String| OPTIONS.contains(&word.as_str());
    let n_options = rest.iter().take_while(is_option).count();
    &rest[n_options..]
}

/// The shell's script that `word` names, and its text.
fn script_at(root: &RootDir, config: &RunConfig, word: &str) -> Option<(PathBuf, String)> {
    const SHELLS: [&str; 4] = ["ash", "bash", "dash", "sh"];
    let directory = normalise(Path::new(&config.working_dir));
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let path = find_program(root, word, &directory, path_env).ok()?;
    let text = root.content(&path, LIMIT)?;
    let interpreter = script_interpreter(&text)?;
    let interpreter = interpreter.path.to_str()?.to_owned()
        + " "
        + interpreter.argument.as_deref().unwrap_or_default();
    let is_shell = interpreter
        .split([' ', '/'])
        .any(|part| SHELLS.contains(&part));
    is_shell.then(|| (path, String::from_utf8_lossy(&text).into_owned()))
}

/// Whether the script starts its own words in the end, and asks neither how many there are nor for any but the first, nor what
/// the first looks like but for a hyphen in front.
fn is_passing(text: &str) -> bool {
    const FORMS: [&str; 8] = [
        "$#", "${#", "shift", "getopts", "$*", "${@", "${1%", "${1##",
    ];
    let asks = |line: &str| {
        let has_first = line.contains("$1") || line.contains("${1");
        let is_pattern = line.contains("=~")
            || (line.contains("[[") && line.contains('*'))
            || (line.contains("case ") && !line.contains(" in -"));
        FORMS.iter().any(|form| line.contains(form))
            || (has_first && is_pattern)
            || ('2'..='9').any(|digit| {
                line.contains(&format!("${digit}")) || line.contains(&format!("${{{digit}"))
            })
    };
    let last = lines(text).last();
    last.is_some_and(|line| line == "exec \"$@\"") && !lines(text).any(asks)
}

/// Whether the script has one of these words anywhere but where it makes them its own words.
fn mentions(text: &str, names: &[&str]) -> bool {
    let names: Vec<&str> = names
        .iter()
        .map(|name| name.rsplit('/').next().unwrap_or(name))
        .collect();
    lines(text).any(|line| {
        let line = line.split("set -- ").next().unwrap_or_default();
        let mut words = line.split(|c: char| !c.is_alphanumeric() && !"_-.".contains(c));
        words.any(|word| names.contains(&word))
    })
}

/// The lines that are no comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// As the official image of Node.js has it.
    const OFFICIAL: &str = "#!/bin/sh\nset -e\n\n# Run command with node if the first argument contains a \"-\"\n\
        if [ \"${1#-}\" != \"${1}\" ] || [ -z \"$(command -v \"${1}\")\" ]; then\n  set -- node \"$@\"\nfi\n\nexec \"$@\"\n";

    fn world(script: &str, entrypoint: &[&str]) -> (tempfile::TempDir, RunConfig) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [("bin/start", script), ("bin/tini", "\x7fELF")] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let config = RunConfig {
            entrypoint: Some(entrypoint.iter().map(ToString::to_string).collect()),
            working_dir: "/".to_owned(),
            ..RunConfig::default()
        };
        (dir, config)
    }

    #[track_caller]
    fn check(script: &str, entrypoint: &[&str], name: &str, expected: bool) {
        let (dir, config) = world(script, entrypoint);
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(
            passes_on(&root, &config, name),
            expected,
            "{script} {entrypoint:?}"
        );
    }

    #[test]
    fn what_never_looks_at_its_words_passes_them_on() {
        check("", &[], "npm", true);
        check(OFFICIAL, &["start"], "npm", true);
        check(OFFICIAL, &["tini", "-g", "--", "start"], "node", true);
        let hyphen = "#!/bin/sh\ncase $1 in -*) set -- node \"$@\" ;; esac\nexec \"$@\"\n";
        check(hyphen, &["start"], "node", true);
        check("", &["/bin/tini", "--"], "npm", true);
    }

    #[test]
    fn what_may_look_does_not() {
        let with = |line: &str| format!("#!/bin/bash\n{line}\nexec \"$@\"\n");
        for line in [
            "if [ \"$1\" = 'npm' ]; then ./migrate; fi",
            "[ $# -gt 1 ] || exit",
            "echo \"$2\"",
            "echo \"${2:-none}\"",
            "shift",
            "case \"$*\" in *x*) ;; esac",
            "case \"$1\" in *.js) ./migrate ;; esac",
            "[[ $1 == *.js ]] && ./migrate",
            "[ \"${1%.js}\" = \"$1\" ] || ./migrate",
            "[ \"$1\" = /bin/sh ] || ./migrate",
        ] {
            check(&with(line), &["start"], "npm", false);
        }
        check(&with("npm_config=1"), &["start"], "npm", true);
        check(OFFICIAL, &["start", "serve"], "npm", false);
        check(
            "#!/bin/sh\nexec gosu app \"$@\"\n",
            &["start"],
            "npm",
            false,
        );
        check(
            "#!/usr/bin/python3\nexec \"$@\"\n",
            &["start"],
            "npm",
            false,
        );
        check("\x7fELF", &["start"], "npm", false);
        check(OFFICIAL, &["none"], "npm", false);
    }

    #[test]
    fn a_script_speaks_of_words_that_it_does_not_make_its_own() {
        let (dir, config) = world(OFFICIAL, &["start"]);
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(script_that_mentions(&root, &config, &["npm", "node"]), None);
        let (dir, config) = world("#!/bin/sh\n[ \"$1\" = npm ] && x\n", &["tini", "start"]);
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(
            script_that_mentions(&root, &config, &["npm"]),
            Some("/bin/start".into())
        );
    }
}
