//! What `uv run`, `poetry run` and `pipenv run` start.
//!
//! They look for the program in the project's environment, set `VIRTUAL_ENV`, put the environment's `bin` in front of `PATH`,
//! and start it: poetry and pipenv in place of themselves, uv as a child that gets its signals. The environment is there
//! without them: a program started from its `bin` finds all that belongs to it by its own path (PEP 405). What it does not have
//! then are the variables; a program that speaks of them, or starts others that it may find by `PATH` alone, keeps the tool.

use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;
use memchr::memmem;

use crate::evidence::collect::{Fact, Origin, variable};
use crate::evidence::entrypoint::script_that_mentions;
use crate::evidence::plain_start::{PlainStart, first_that_says, plain_words};
use crate::evidence::program::find_program;
use crate::evidence::traced::Used;
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest description of a project that is read, in bytes.
const LIMIT: u64 = 4 << 20;
/// Options of `uv run` that change nothing about what is started.
const UV_OPTIONS: [&str; 11] = [
    "--frozen",
    "--locked",
    "--no-cache",
    "--no-default-groups",
    "--no-dev",
    "--no-progress",
    "--no-sync",
    "--offline",
    "--quiet",
    "-n",
    "-q",
];
/// Variables that the tools set.
const VARIABLES: [&[u8]; 5] = [
    b"VIRTUAL_ENV",
    b"POETRY_ACTIVE",
    b"PIPENV_ACTIVE",
    b"UV_RUN_RECURSION_DEPTH",
    b"CONDA_PREFIX",
];
/// How sources in Python start programs.
const STARTERS: [&[u8]; 6] = [
    b"subprocess",
    b"os.system",
    b"os.popen",
    b"os.exec",
    b"os.spawn",
    b"shutil.which",
];

/// The command that one of the tools starts, as the words of `ENTRYPOINT` or, without one, of `CMD`; `None` if none does, or
/// if what it does is not known.
pub(super) fn plain_run(root: &RootDir, config: &RunConfig) -> Option<PlainStart> {
    let filled = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let entrypoint = filled(&config.entrypoint);
    let is_tool = |words: &[String]| words.first().is_some_and(|word| is_runner(word));
    let is_entrypoint = entrypoint.as_deref().is_some_and(is_tool);
    let words = match entrypoint {
        Some(words) if is_entrypoint => words,
        Some(_) | None => plain_words(root, config, filled(&config.cmd)?)?,
    };
    let directory = normalise(Path::new(&config.working_dir));
    let (tool, argv) = Tool::read(&words)?;
    let environment = tool.environment(root, config, &directory)?;
    let argv = started(root, config, &environment, argv)?;
    let name = tool.name();
    let text = format!(
        "`{}` starts a program of {}, which is started itself: it finds its modules by its own path, and speaks of no variable that {name} sets",
        words.join(" "),
        environment.display(),
    );
    let mut plain = config.clone();
    let script = argv.join(" ");
    if is_entrypoint {
        plain.entrypoint = Some(argv);
    } else {
        plain.cmd = Some(argv);
    }
    Some(PlainStart {
        config: plain,
        fact: Fact {
            text,
            origin: Origin::ImageConfig,
        },
        directory,
        tool: name.to_owned(),
        script,
    })
}

/// Why the program has to be started by the tool, if it has; `used` is what its runs have used.
pub(super) fn wants_environment(
    root: &RootDir,
    start: &PlainStart,
    used: &[Used],
) -> Result<Option<String>, RootError> {
    let tool = &start.tool;
    let is_of_others = |path: &Path| path == Path::new("/") || is_environment(root, path);
    let own = start.sources(root, &is_code, &is_of_others)?;
    let modules = used.iter().map(|used| &used.path);
    let speaking = own.iter().chain(modules.filter(|path| is_code(path)));
    if let Some(path) = first_that_says(root, speaking, &VARIABLES)? {
        return Ok(Some(format!(
            "{} may look for a variable that {tool} sets",
            path.display()
        )));
    }
    let words = [&start.config.entrypoint, &start.config.cmd].map(|words| words.iter().flatten());
    let [entrypoint, cmd] = words.map(|mut words| words.next().map(String::as_str));
    let names: Vec<&str> = cmd.into_iter().chain([start.tool.as_str()]).collect();
    if let Some(script) = script_that_mentions(root, &start.config, &names) {
        return Ok(Some(format!(
            "{} may ask what is started",
            script.display()
        )));
    }
    let is_entrypoint = entrypoint.is_some_and(|word| start.script.starts_with(word));
    let program = if is_entrypoint { entrypoint } else { cmd };
    // By its name alone: then `PATH` leads to the environment without the tool, too.
    if program.is_none_or(|program| !program.contains('/')) {
        return Ok(None);
    }
    let starting = first_that_says(root, &own, &STARTERS)?;
    Ok(starting.map(|path| {
        format!(
            "{} starts programs, which it may find by the PATH of {tool}",
            path.display()
        )
    }))
}

/// A tool that starts programs of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Uv,
    Poetry,
    Pipenv,
}

fn is_runner(word: &str) -> bool {
    [Tool::Uv, Tool::Poetry, Tool::Pipenv]
        .iter()
        .any(|tool| tool.name() == word)
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Uv => "uv",
            Tool::Poetry => "poetry",
            Tool::Pipenv => "pipenv",
        }
    }

    /// The tool of a command and the words that it starts.
    fn read(words: &[String]) -> Option<(Tool, Vec<String>)> {
        let (tool, rest) = words.split_first()?;
        let all = [Tool::Uv, Tool::Poetry, Tool::Pipenv];
        let tool = all.into_iter().find(|each| each.name() == tool)?;
        let (verb, mut rest) = rest.split_first()?;
        if verb != "run" {
            return None;
        }
        if tool == Tool::Uv {
            while let Some((option, others)) = rest.split_first() {
                if !UV_OPTIONS.contains(&option.as_str()) {
                    break;
                }
                rest = others;
            }
            // As uv does: `-m` and a file are Python's.
            let first = rest.first()?;
            let is_python =
                first == "-m" || Path::new(first).extension().is_some_and(|end| end == "py");
            if is_python {
                let python = ["python".to_owned()].into_iter();
                return Some((tool, python.chain(rest.iter().cloned()).collect()));
            }
        }
        let first = rest.first()?;
        (!first.starts_with('-')).then(|| (tool, rest.to_vec()))
    }

    /// The environment that the tool starts programs of.
    fn environment(self, root: &RootDir, config: &RunConfig, project: &Path) -> Option<PathBuf> {
        let has = |name: &str| root.target(&project.join(name)).is_some();
        let set = |name: &str| variable(&config.env, name);
        let home = set("HOME").or_else(|| is_root(config).then_some("/root"));
        let below_home = |path: &str| Some(Path::new(home?).join(path));
        let named = |name: &str, below: &str, default: Option<PathBuf>| {
            set(name)
                .map(|value| Path::new(value).join(below))
                .or(default)
        };
        let own = project.join(".venv");
        let environment = match self {
            Tool::Uv => {
                // A file of variables, or another project.
                if set("UV_ENV_FILE").is_some() || !has("pyproject.toml") {
                    return None;
                }
                set("UV_PROJECT_ENVIRONMENT").map_or(own, |path| project.join(path))
            }
            Tool::Poetry => {
                if !has("pyproject.toml") {
                    return None;
                }
                let caches = below_home(".cache/pypoetry/virtualenvs");
                let caches = named("POETRY_CACHE_DIR", "virtualenvs", caches);
                let caches = named("POETRY_VIRTUALENVS_PATH", "", caches);
                if is_environment(root, &own) {
                    own
                } else {
                    only_one(root, &caches?)?
                }
            }
            Tool::Pipenv => {
                // Names of its own for commands, and a file of variables.
                let pipfile = root.content(&project.join("Pipfile"), LIMIT)?;
                if has(".env") || memmem::find(&pipfile, b"[scripts]").is_some() {
                    return None;
                }
                let all = named("WORKON_HOME", "", below_home(".local/share/virtualenvs"));
                if is_environment(root, &own) {
                    own
                } else {
                    only_one(root, &all?)?
                }
            }
        };
        is_environment(root, &environment).then_some(environment)
    }
}

fn is_root(config: &RunConfig) -> bool {
    ["", "0", "root", "0:0", "root:root"].contains(&config.user.as_str())
}

fn is_environment(root: &RootDir, path: &Path) -> bool {
    root.target(&path.join("pyvenv.cfg")).is_some()
}

/// The environment in `directory`, if there is but one.
fn only_one(root: &RootDir, directory: &Path) -> Option<PathBuf> {
    let names = root.listing(directory)?;
    let paths = names.into_iter().map(|name| directory.join(name));
    let mut found = paths.filter(|path| is_environment(root, path));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The command with the environment's own program: by its name, if `PATH` leads there anyway.
fn started(
    root: &RootDir,
    config: &RunConfig,
    environment: &Path,
    mut argv: Vec<String>,
) -> Option<Vec<String>> {
    let name = argv.first_mut()?;
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    if name.contains('/') {
        return None;
    }
    let bin = environment.join("bin");
    let program = bin.join(&*name);
    root.target(&program)?;
    let found = find_program(root, name, Path::new("/"), path_env);
    if !found.is_ok_and(|found| found == program) {
        program.to_str()?.clone_into(name);
    }
    Some(argv)
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "py")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const UV: &[(&str, &str)] = &[
        ("app/pyproject.toml", ""),
        ("app/.venv/pyvenv.cfg", ""),
        ("app/.venv/bin/shop", "#!"),
        ("app/.venv/bin/python", "\x7fELF"),
    ];
    const POETRY: &[(&str, &str)] = &[
        ("app/pyproject.toml", ""),
        (
            "root/.cache/pypoetry/virtualenvs/app-x-py3.13/pyvenv.cfg",
            "",
        ),
        (
            "root/.cache/pypoetry/virtualenvs/app-x-py3.13/bin/shop",
            "#!",
        ),
    ];
    const PIPENV: &[(&str, &str)] = &[
        ("app/Pipfile", "[packages]"),
        ("root/.local/share/virtualenvs/app-x/pyvenv.cfg", ""),
        ("root/.local/share/virtualenvs/app-x/bin/shop", "#!"),
    ];

    fn world(files: &[(&str, &str)]) -> (tempfile::TempDir, RootDir) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        (dir, root)
    }

    fn config(path_env: &str, entrypoint: &str, cmd: &str) -> RunConfig {
        let words = |text: &str| Some(text.split_whitespace().map(str::to_owned).collect());
        RunConfig {
            entrypoint: words(entrypoint),
            cmd: words(cmd),
            env: vec![format!("PATH={path_env}")],
            working_dir: "/app".to_owned(),
            ..RunConfig::default()
        }
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], entrypoint: &str, cmd: &str, expected: Option<&str>) {
        let (_dir, root) = world(files);
        let found = plain_run(&root, &config("/usr/bin", entrypoint, cmd)).map(|start| {
            let words = start.config.entrypoint.into_iter().chain(start.config.cmd);
            words.flatten().collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref(), expected, "{entrypoint} {cmd}");
    }

    #[test]
    fn a_program_of_an_environment_is_started_itself() {
        check(
            UV,
            "",
            "uv run --no-sync shop --x",
            Some("/app/.venv/bin/shop --x"),
        );
        check(
            UV,
            "",
            "uv run main.py",
            Some("/app/.venv/bin/python main.py"),
        );
        check(
            UV,
            "",
            "uv run -m shop",
            Some("/app/.venv/bin/python -m shop"),
        );
        check(UV, "uv run shop", "--x", Some("/app/.venv/bin/shop --x"));
        let poetry = "/root/.cache/pypoetry/virtualenvs/app-x-py3.13/bin/shop";
        check(POETRY, "", "poetry run shop", Some(poetry));
        let pipenv = "/root/.local/share/virtualenvs/app-x/bin/shop";
        check(PIPENV, "", "pipenv run shop", Some(pipenv));
        let (_dir, root) = world(UV);
        let start = plain_run(&root, &config("/app/.venv/bin:/bin", "", "uv run shop")).unwrap();
        assert_eq!(start.config.cmd.unwrap(), ["shop"]);
    }

    #[test]
    fn what_a_tool_does_besides_keeps_it() {
        check(UV, "", "uv run --with x shop", None);
        check(UV, "", "uv run none", None);
        check(UV, "", "uv sync", None);
        check(UV, "", "shop", None);
        check(&UV[1..], "", "uv run shop", None);
        let two = [
            POETRY,
            &[("root/.cache/pypoetry/virtualenvs/b/pyvenv.cfg", "")],
        ]
        .concat();
        check(&two, "", "poetry run shop", None);
        let scripts = [&[("app/Pipfile", "[scripts]")], &PIPENV[1..]].concat();
        check(&scripts, "", "pipenv run shop", None);
        check(
            &[PIPENV, &[("app/.env", "A=b")]].concat(),
            "",
            "pipenv run shop",
            None,
        );
    }

    #[track_caller]
    fn check_wants(path_env: &str, source: &str, expected: Option<&str>) {
        let files = [UV, &[("app/shop.py", source)]].concat();
        let (_dir, root) = world(&files);
        let start = plain_run(&root, &config(path_env, "", "uv run shop")).unwrap();
        let found = wants_environment(&root, &start, &[]).unwrap();
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_program_that_could_tell_keeps_the_tool() {
        check_wants("/bin", "import os", None);
        check_wants(
            "/app/.venv/bin",
            "os.environ['VIRTUAL_ENV']",
            Some("/app/shop.py may look for a variable that uv sets"),
        );
        check_wants(
            "/bin",
            "import subprocess",
            Some("/app/shop.py starts programs, which it may find by the PATH of uv"),
        );
        check_wants("/app/.venv/bin", "import subprocess", None);
    }
}
