//! What `npm start` runs.
//!
//! npm looks up the script in `package.json`, announces it, and runs it with a shell, as a child that it passes signals on to as
//! well as it can. If the script is one plain command, the program can be started itself: with the same words, in the same
//! directory. What it does not have then are the variables that npm sets (`npm_package_name` and others); a program that
//! speaks of them keeps npm.

use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;
use memchr::memmem;
use serde_json::Value;

use crate::evidence::collect::{Fact, Origin, variable};
use crate::evidence::program::find_program;
use crate::evidence::traced::Used;
use crate::refactor::exec_argv;
use crate::rootfs::{RootDir, normalise};

/// The largest description of a package that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// A command without npm.
#[derive(Clone, Debug)]
pub(crate) struct PlainStart {
    /// The configuration with that command.
    pub(crate) config: RunConfig,
    /// Why it means the same.
    pub(crate) fact: Fact,
    /// The directory of the package.
    pub(crate) directory: PathBuf,
}

/// The command that `CMD` has npm start; `None` if it is not npm's, or needs npm or its shell.
pub(crate) fn plain_start(root: &RootDir, config: &RunConfig) -> Option<PlainStart> {
    let cmd = config.cmd.as_deref().unwrap_or_default();
    let words = match cmd {
        [shell, option, text] if shell == "/bin/sh" && option == "-c" => {
            // Beside an ENTRYPOINT this is no shell.
            let is_alone = config.entrypoint.as_deref().unwrap_or_default().is_empty();
            exec_argv(text).filter(|_| is_alone)?
        }
        words => words.to_vec(),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = script_name(&words)?;
    let directory = normalise(Path::new(&config.working_dir));
    // npm would look further up, and go there.
    let text = root.read(&directory.join("package.json"), LIMIT).ok()?;
    let package: Value = serde_json::from_slice(&text).ok()?;
    let scripts = package.get("scripts")?;
    let has = |hook: &str| scripts.get(format!("{hook}{name}")).is_some();
    // Settings may choose another shell, or options for Node.js.
    let has_settings = [&directory, Path::new("/root")]
        .iter()
        .any(|place| root.metadata(&place.join(".npmrc")).is_ok());
    if has("pre") || has("post") || has_settings {
        return None;
    }
    let script = scripts.get(name)?.as_str()?;
    let argv = argv(root, config, &directory, script)?;
    let text = format!(
        "`{}` runs `{script}`, which is started without npm: then it gets signals itself, npm announces nothing, and the variables npm_* are not set, which it does not speak of",
        words.join(" ")
    );
    let mut plain = config.clone();
    plain.cmd = Some(argv);
    Some(PlainStart {
        config: plain,
        fact: Fact {
            text,
            origin: Origin::File(directory.join("package.json")),
        },
        directory,
    })
}

/// The script that these words run.
fn script_name<'w>(words: &[&'w str]) -> Option<&'w str> {
    match words {
        ["npm" | "yarn" | "pnpm", "start"] => Some("start"),
        ["npm", "run" | "run-script", name] | ["yarn" | "pnpm", "run", name] => {
            (!name.starts_with('-')).then_some(*name)
        }
        _ => None,
    }
}

/// The words of a script that is one plain command, its program where npm would find it.
fn argv(root: &RootDir, config: &RunConfig, directory: &Path, script: &str) -> Option<Vec<String>> {
    let mut argv = exec_argv(script)?;
    let program = argv.first_mut()?;
    let own = directory.join("node_modules/.bin").join(&*program);
    if !program.contains('/') && root.metadata(&own).is_ok() {
        own.to_str()?.clone_into(program);
    }
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    find_program(root, program, directory, path_env).ok()?;
    Some(argv)
}

/// A file of the program that speaks of a variable that npm sets: one of its own, or a module that it has used.
pub(crate) fn speaks_of_npm(root: &RootDir, start: &PlainStart, used: &[Used]) -> Option<PathBuf> {
    let mut files = Vec::new();
    list(root, &start.directory, &mut files);
    files.extend(used.iter().map(|used| used.path.clone()));
    files
        .into_iter()
        .find(|path| is_code(path) && speaks(root, path))
}

/// The files below `directory` that are no modules.
fn list(root: &RootDir, directory: &Path, files: &mut Vec<PathBuf>) {
    for name in root.list(directory).unwrap_or_default() {
        let path = directory.join(&name);
        match root.symlink_metadata(&path) {
            Ok(found) if found.is_dir() && name != "node_modules" => list(root, &path, files),
            Ok(found) if found.is_file() => files.push(path),
            Ok(_) | Err(_) => {}
        }
    }
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ["js", "cjs", "mjs", "ts", "node"]
            .iter()
            .any(|code| ending == *code)
    })
}

fn speaks(root: &RootDir, path: &Path) -> bool {
    const LARGEST: u64 = 64 << 20;
    const VARIABLES: [&[u8]; 6] = [
        b"npm_package_",
        b"npm_config_",
        b"npm_lifecycle_",
        b"npm_execpath",
        b"npm_command",
        b"INIT_CWD",
    ];
    root.read(path, LARGEST).is_ok_and(|text| {
        VARIABLES
            .iter()
            .any(|variable| memmem::find(&text, variable).is_some())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[track_caller]
    fn check(package: &str, cmd: &[&str], expected: Option<&[&str]>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("app/package.json", package),
            ("app/node_modules/.bin/serve", "#!"),
            ("bin/node", "\x7fELF"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let config = RunConfig {
            cmd: Some(cmd.iter().map(ToString::to_string).collect()),
            working_dir: "/app".to_owned(),
            ..RunConfig::default()
        };
        let found = plain_start(&root, &config).map(|start| start.config.cmd.unwrap());
        let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
        assert_eq!(found, expected, "{package} {cmd:?}");
    }

    const PLAIN: &str = r#"{"scripts":{"start":"node server.js --x 'a b'","web":"serve -l 80","hard":"A=1 node x"}}"#;

    #[test]
    fn a_script_that_is_one_command_is_started_itself() {
        let node = ["node", "server.js", "--x", "a b"];
        check(PLAIN, &["npm", "start"], Some(&node));
        check(PLAIN, &["/bin/sh", "-c", "npm start"], Some(&node));
        check(PLAIN, &["yarn", "run", "start"], Some(&node));
        let own = ["/app/node_modules/.bin/serve", "-l", "80"];
        check(PLAIN, &["npm", "run", "web"], Some(&own));
    }

    #[test]
    fn what_needs_npm_or_its_shell_keeps_it() {
        check(PLAIN, &["npm", "run", "hard"], None);
        check(PLAIN, &["npm", "run", "none"], None);
        check(PLAIN, &["npm", "start", "--", "x"], None);
        check(PLAIN, &["npm", "test"], None);
        check(PLAIN, &["node", "server.js"], None);
        check("{", &["npm", "start"], None);
        check("{}", &["npm", "start"], None);
        for hook in ["prestart", "poststart"] {
            let package = format!(r#"{{"scripts":{{"start":"node x","{hook}":"node y"}}}}"#);
            check(&package, &["npm", "start"], None);
        }
        check(
            r#"{"scripts":{"start":"python x"}}"#,
            &["npm", "start"],
            None,
        );
    }
}
