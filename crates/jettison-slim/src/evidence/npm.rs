//! What `npm start` runs.
//!
//! npm looks up the script in `package.json`, announces it, and runs it with a shell, as a child that it passes signals on to as
//! well as it can. If the script is one plain command, the program can be started itself: with the same words, in the same
//! directory. What it does not have then are the variables that npm sets (`npm_package_name` and others), and the directory
//! `node_modules/.bin` in `PATH`; a program that speaks of the former, or has files of its own that may start programs of these, keeps
//! npm. So does an `ENTRYPOINT` that is a script and speaks of npm: it may ask what it is to start.

mod operators;
mod starts;

use std::fmt;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;
use memchr::memmem;
use serde_json::Value;

use crate::evidence::collect::{Fact, Origin, variable};
use crate::evidence::entrypoint::script_that_mentions;
use crate::evidence::plain_start::{PlainStart, first_that, plain_words};
use crate::evidence::program::find_program;
use crate::evidence::traced::Used;
use crate::refactor::exec_argv;
use crate::rootfs::{RootDir, RootError, normalise};
pub(crate) use operators::scripts_of_operators;
use starts::starts_own_modules;

/// The largest description of a package that is read, in bytes.
const LIMIT: u64 = 4 << 20;
/// Variables that npm sets.
const VARIABLES: [&[u8]; 5] = [
    b"npm_package_",
    b"npm_lifecycle_",
    b"npm_execpath",
    b"npm_command",
    b"INIT_CWD",
];
/// How the variables begin that npm makes of its settings.
const SETTING: &[u8] = b"npm_config_";
/// The settings of which modules with parts in C ask for what they are built for: npm sets none of them by itself.
const OF_BUILDS: [&str; 14] = [
    "arch",
    "build_from_source",
    "debug",
    "devdir",
    "disturl",
    "libc",
    "nodedir",
    "platform",
    "python",
    "runtime",
    "target",
    "target_arch",
    "target_libc",
    "target_platform",
];
/// The shell with which npm runs scripts.
const SHELL: &str = "/bin/sh";
/// What stands at `path` below a user's home directory.
pub(crate) fn in_home(path: &Path) -> Option<&Path> {
    path.strip_prefix("/root").ok().or_else(|| {
        let mut below = path.strip_prefix("/home").ok()?.components();
        below.next().map(|_| below.as_path())
    })
}

/// Whether npm keeps at `path` what it has said in former runs, or when it last asked for a newer version of itself: their names
/// have the time in them, and nobody reads them to do anything.
pub(crate) fn is_log_of_npm(path: &Path) -> bool {
    const LOGS: [&str; 2] = [".npm/_logs", ".npm/_update-notifier-last-checked"];
    in_home(path).is_some_and(|path| LOGS.iter().any(|log| path.starts_with(log)))
}

/// The command that `CMD` has npm start; `None` if it is not npm's, or needs npm or its shell.
pub(crate) fn plain_start(root: &RootDir, config: &RunConfig) -> Option<PlainStart> {
    let words = plain_words(root, config, config.cmd.clone()?)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let directory = normalise(Path::new(&config.working_dir));
    if let Some(start) = plain_npx(root, config, &directory, &words) {
        return Some(start);
    }
    let name = script_name(&words)?;
    // npm would look further up, and go there.
    let text = root.content(&directory.join("package.json"), LIMIT)?;
    let package: Value = serde_json::from_slice(&text).ok()?;
    let scripts = package.get("scripts")?;
    let has = |hook: &str| scripts.get(format!("{hook}{name}")).is_some();
    if has("pre") || has("post") || has_settings(root, &directory) {
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
        tool: (*words.first()?).to_owned(),
        script: script.to_owned(),
    })
}

/// The command that `npx` starts from the project's own modules; nothing is fetched for it.
fn plain_npx(
    root: &RootDir,
    config: &RunConfig,
    directory: &Path,
    words: &[&str],
) -> Option<PlainStart> {
    let (["npx", program, arguments @ ..] | ["npm", "exec", "--", program, arguments @ ..]) = words
    else {
        return None;
    };
    let is_plain = |word: &&str| exec_argv(word).is_some_and(|words| words == [*word]);
    let own = directory.join("node_modules/.bin").join(program);
    let is_own = is_plain(program) && !program.contains(['/', '@']) && !program.starts_with('-');
    // npx looks further up for a project, and settings may choose another shell.
    let is_project = root.target(&directory.join("package.json")).is_some();
    if !is_own
        || !is_project
        || has_settings(root, directory)
        || root.target(&own).is_none()
        || !arguments.iter().all(is_plain)
    {
        return None;
    }
    let mut plain = config.clone();
    let argv = [own.to_str()?].into_iter().chain(arguments.iter().copied());
    plain.cmd = Some(argv.map(str::to_owned).collect());
    Some(PlainStart {
        config: plain,
        fact: Fact {
            text: format!(
                "`{}` starts a program of the project's own modules, which is started itself: then it gets signals itself, and the variables npm_* are not set, which it does not speak of",
                words.join(" ")
            ),
            origin: Origin::File(directory.join("package.json")),
        },
        directory: directory.to_path_buf(),
        tool: (*words.first()?).to_owned(),
        script: std::iter::once(program)
            .chain(arguments)
            .copied()
            .collect::<Vec<&str>>()
            .join(" "),
    })
}

/// Whether npm has settings: these may choose another shell, or options for Node.js.
fn has_settings(root: &RootDir, directory: &Path) -> bool {
    [directory, Path::new("/root")]
        .iter()
        .any(|place| root.target(&place.join(".npmrc")).is_some())
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

/// The words of a script that is one plain command, its program where npm would find it. Variables that the script sets for it are
/// set by a shell, which gives way to the program.
fn argv(root: &RootDir, config: &RunConfig, directory: &Path, script: &str) -> Option<Vec<String>> {
    let (assigned, command) = assigned(script)?;
    let mut argv = exec_argv(command)?;
    let program = argv.first_mut()?;
    let own = directory.join("node_modules/.bin").join(&*program);
    if !program.contains('/') && root.target(&own).is_some() {
        own.to_str()?.clone_into(program);
    }
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    find_program(root, program, directory, path_env).ok()?;
    if assigned.is_empty() {
        return Some(argv);
    }
    root.target(Path::new(SHELL))?;
    let text = argv.join(" ");
    // Words that a shell would take apart otherwise are not put together.
    let is_same = exec_argv(&text).is_some_and(|words| words == argv);
    let command = format!("{assigned} exec {text}");
    is_same.then(|| [SHELL, "-c", &command].map(str::to_owned).to_vec())
}

/// The variables that a script sets for its command, as it sets them, and the command; `None` if one of them is told otherwise than in
/// plain letters, or leads to other programs.
fn assigned(script: &str) -> Option<(&str, &str)> {
    let script = script.trim();
    let mut rest = script;
    while let Some((word, others)) = rest.split_once(' ') {
        let Some((name, value)) = word.split_once('=') else {
            break;
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+".contains(c);
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(is_name)
            || !value.chars().all(is_plain)
            || name == "PATH"
            || name.starts_with("LD_")
        {
            return None;
        }
        rest = others.trim_start();
    }
    let length = script.len() - rest.len();
    Some((script.get(..length)?.trim_end(), rest))
}

/// Why the program is not started without npm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WantsNpm {
    /// This file speaks of a variable that npm sets: one of its own, or a module that it has used.
    Variables(PathBuf),
    /// A run has started npm itself.
    Itself,
    /// This file of its own starts programs, which it may find by npm's `PATH` alone.
    Programs(PathBuf),
    /// This script, which is started first, speaks of npm.
    Script(PathBuf),
    /// An operator may have npm start this: `npm run migrate`.
    Asked(String),
}

impl fmt::Display for WantsNpm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WantsNpm::Variables(path) => write!(
                formatter,
                "{} would not find the variables that npm sets",
                path.display()
            ),
            WantsNpm::Itself => formatter.write_str("a run could not start npm"),
            WantsNpm::Programs(path) => write!(
                formatter,
                "{} starts programs, and would not find those of node_modules/.bin",
                path.display()
            ),
            WantsNpm::Asked(call) => write!(formatter, "`{call}` could not be run"),
            WantsNpm::Script(path) => {
                write!(
                    formatter,
                    "{} may ask whether npm is started",
                    path.display()
                )
            }
        }
    }
}

/// Why the program has to be started by npm, if it has; `used` is what its runs have used.
pub(super) fn wants_npm(
    root: &RootDir,
    start: &PlainStart,
    used: &[Used],
) -> Result<Option<WantsNpm>, RootError> {
    let is_of_others = |path: &Path| path.file_name().is_some_and(|name| name == "node_modules");
    let own = start.sources(root, &is_code, &is_of_others)?;
    let modules = used.iter().map(|used| &used.path);
    let speaking = own.iter().chain(modules.filter(|path| is_code(path)));
    if let Some(path) = first_that(root, speaking, names_variable)? {
        let is_npm = path
            .ancestors()
            .any(|above| above.ends_with("node_modules/npm"));
        return Ok(Some(if is_npm {
            WantsNpm::Itself
        } else {
            WantsNpm::Variables(path.to_path_buf())
        }));
    }
    let starts = |text: &[u8]| starts_own_modules(root, &start.directory, text);
    if let Some(path) = first_that(root, &own, starts)? {
        return Ok(Some(WantsNpm::Programs(path.to_path_buf())));
    }
    let words: Vec<&str> = start
        .config
        .cmd
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let is_started = |file: &Path| words.iter().any(|word| file.ends_with(word));
    let scripts = scripts_of_operators(root, &start.directory, &is_started);
    if let Some(script) = scripts.into_iter().next() {
        return Ok(Some(WantsNpm::Asked(script.call)));
    }
    // A shell that sets variables is in the first line of many a script.
    let names = start.config.cmd.iter().flatten().take(1);
    let names: Vec<&str> = names
        .map(String::as_str)
        .filter(|name| *name != SHELL)
        .chain(["npm", "npx", "pnpm", "yarn"])
        .collect();
    Ok(script_that_mentions(root, &start.config, &names).map(WantsNpm::Script))
}

/// Whether `text` has the name of a variable in it that npm sets.
fn names_variable(text: &[u8]) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_set = |at: usize| {
        let rest = text.get(at + SETTING.len()..).unwrap_or_default();
        let end = rest.iter().position(|byte| !is_of_name(byte));
        let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        !OF_BUILDS.iter().any(|known| name == known.as_bytes())
    };
    VARIABLES
        .iter()
        .any(|word| memmem::find(text, word).is_some())
        || memmem::find_iter(text, SETTING).any(is_set)
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ["js", "cjs", "mjs", "ts", "node"]
            .iter()
            .any(|code| ending == *code)
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
            ("bin/sh", "\x7fELF"),
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

    const PLAIN: &str = r#"{"scripts":{"start":"node server.js --x 'a b'","web":"serve -l 80","hard":"A=$B node x"}}"#;

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
    fn a_program_of_the_project_s_modules_is_started_without_npx() {
        let own = ["/app/node_modules/.bin/serve", "-l", "3000"];
        check(PLAIN, &["npx", "serve", "-l", "3000"], Some(&own));
        check(PLAIN, &["npm", "exec", "--", "serve"], Some(&own[..1]));
        check(PLAIN, &["npx", "elsewhere"], None);
        check(PLAIN, &["npx", "serve@14"], None);
        check(PLAIN, &["npx", "--yes", "serve"], None);
        check(PLAIN, &["npx", "serve", "$PORT"], None);
    }

    #[test]
    fn variables_that_a_script_sets_are_set_by_a_shell_that_gives_way() {
        let check_script = |script: &str, expected: Option<&str>| {
            let package = format!(r#"{{"scripts":{{"start":"{script}"}}}}"#);
            let expected = expected.map(|text| ["/bin/sh", "-c", text]);
            check(
                &package,
                &["npm", "start"],
                expected.as_ref().map(<[&str; 3]>::as_slice),
            );
        };
        check_script(
            "NODE_ENV=production  PORT=80 node a.js --x",
            Some("NODE_ENV=production  PORT=80 exec node a.js --x"),
        );
        check_script(
            "A= serve -l 80",
            Some("A= exec /app/node_modules/.bin/serve -l 80"),
        );
        for script in [
            "A=$B node a.js",
            "A='b c' node a.js",
            "PATH=/x node a.js",
            "LD_PRELOAD=/x.so node a.js",
            "A=1 node 'a b.js'",
            "A=1 node a.js && node b.js",
            "A=1",
            "1=1 node a.js",
        ] {
            check_script(script, None);
        }
    }

    #[track_caller]
    fn check_wants(files: &[(&str, &str)], expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let entrypoint = ["tini", "--", "./start.sh"].map(str::to_owned).to_vec();
        let start = PlainStart {
            config: RunConfig {
                entrypoint: Some(entrypoint),
                cmd: Some(vec!["node".to_owned(), "a.js".to_owned()]),
                working_dir: "/app".to_owned(),
                ..RunConfig::default()
            },
            fact: Fact {
                text: String::new(),
                origin: Origin::ImageConfig,
            },
            directory: "/app".into(),
            tool: "npm".to_owned(),
            script: "node a.js".to_owned(),
        };
        // The second is a directory, and the third is gone.
        fs::create_dir_all(dir.path().join("app/node_modules/ipaddr.js")).unwrap();
        let used = ["m/m.js", "npm/npm.js", "ipaddr.js", "gone.js"].map(|name| Used {
            path: Path::new("/app/node_modules").join(name),
            kind: crate::evidence::keep::UseKind::Looked,
            by: String::new(),
        });
        let found = wants_npm(&root, &start, &used).unwrap();
        let found = found.map(|wants| wants.to_string());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn logs_of_npm_are_those_in_a_home_directory() {
        for (path, expected) in [
            ("/root/.npm/_logs", true),
            (
                "/root/.npm/_logs/2026-11-27T15_00_00_000Z-debug-0.log",
                true,
            ),
            ("/home/node/.npm/_logs/x.log", true),
            ("/home/node/.npm/_update-notifier-last-checked", true),
            ("/root/.npm", false),
            ("/root/.npm/_cacache/index-v5", false),
            ("/app/.npm/_logs/x.log", false),
            ("/home/.npm/_logs/x.log", false),
        ] {
            assert_eq!(is_log_of_npm(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn a_program_that_could_tell_keeps_npm() {
        let module = "app/node_modules/m/m.js";
        check_wants(&[("app/a.js", "listen()"), (module, "child_process")], None);
        check_wants(
            &[(module, "process.env.npm_package_version")],
            Some("/app/node_modules/m/m.js would not find the variables that npm sets"),
        );
        let built = "process.env.npm_config_arch || os.arch(); process.env.npm_config_platform";
        check_wants(&[("app/a.js", built), (module, built)], None);
        check_wants(
            &[(module, "process.env['npm_config_' + name]")],
            Some("/app/node_modules/m/m.js would not find the variables that npm sets"),
        );
        check_wants(
            &[("app/a.js", "require('child_process')")],
            Some("/app/a.js starts programs, and would not find those of node_modules/.bin"),
        );
        check_wants(
            &[(
                "app/node_modules/npm/npm.js",
                "process.env.npm_package_version",
            )],
            Some("a run could not start npm"),
        );
        let script = |text| [("app/start.sh", text), ("app/a.js", "")];
        check_wants(&script("#!/bin/sh\nexec \"$@\"\n"), None);
        check_wants(
            &script("#!/bin/sh\n[ \"$1\" = npm ] && ./migrate\nexec \"$@\"\n"),
            Some("/app/start.sh may ask whether npm is started"),
        );
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
