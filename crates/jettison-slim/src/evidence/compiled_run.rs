//! What `go run` and `cargo run` build and start.
//!
//! Both compile the program when the container starts, which takes the compiler and all sources, and seconds each time. What
//! they start is a file that `go build` and `cargo build` make of the same arguments. `go run` starts it as its child: it exits
//! with 1 whenever the program fails, and says `exit status N`; asked to end, it dies, and the program is killed with its
//! container. `cargo run` says what it has done on the standard error, sets variables (`CARGO_MANIFEST_DIR` and others), and
//! starts the program in place of itself.

use std::path::{Path, PathBuf};

use jettison_oci::RunConfig;
use toml::{Table, Value};

use crate::evidence::collect::{Fact, Origin, variable};
use crate::evidence::plain_start::{PlainStart, first_that_says, plain_words};
use crate::rootfs::{RootDir, RootError, normalise};

/// The largest description of a project that is read, in bytes.
const LIMIT: u64 = 4 << 20;
/// Where programs go that an administrator of a system installs.
const PLACE: &str = "/usr/local/bin";
/// Options of `go run` with a value of their own that `go build` has as well.
const GO_OPTIONS_WITH_VALUE: [&str; 7] = [
    "-asmflags",
    "-gcflags",
    "-ldflags",
    "-mod",
    "-modfile",
    "-p",
    "-tags",
];
/// The same without a value.
const GO_OPTIONS: [&str; 6] = ["-a", "-buildvcs=false", "-race", "-trimpath", "-v", "-x"];
/// Options of `cargo run` with a value that change nothing about where the program is.
const CARGO_OPTIONS_WITH_VALUE: [&str; 5] = ["--bin", "--features", "-F", "-j", "--jobs"];
/// The same without a value.
const CARGO_OPTIONS: [&str; 9] = [
    "--all-features",
    "--frozen",
    "--locked",
    "--no-default-features",
    "--offline",
    "--quiet",
    "--release",
    "-q",
    "-r",
];
/// How sources ask for variables that `cargo run` sets; what `env!` asks for is known when they are compiled.
const CARGO_VARIABLES: [&[u8]; 4] = [
    b"var(\"CARGO",
    b"var_os(\"CARGO",
    b"env::vars(",
    b"env::vars_os(",
];

/// A program that is compiled each time it is started.
#[derive(Clone, Debug)]
pub(crate) struct CompiledRun {
    /// How it is started once it was built.
    pub(crate) start: PlainStart,
    /// The command that builds it, in the directory of the image's `WORKDIR`.
    pub(crate) build: Vec<String>,
    /// What it builds.
    pub(crate) program: PathBuf,
}

/// The program that `config` has `go run` or `cargo run` build and start; `None` if it starts none so, or if what it does is not
/// known.
pub(crate) fn compiled_run(root: &RootDir, config: &RunConfig) -> Option<CompiledRun> {
    let filled = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let directory = normalise(Path::new(&config.working_dir));
    let entrypoint = filled(&config.entrypoint);
    let is_entrypoint = entrypoint.is_some();
    let words = match entrypoint {
        Some(words) => words,
        None => plain_words(root, config, filled(&config.cmd)?)?,
    };
    let (tool, verb, rest) = match words.as_slice() {
        [tool, verb, rest @ ..] => (tool.as_str(), verb.as_str(), rest),
        _ => return None,
    };
    let found = match (tool, verb) {
        ("go", "run") => of_go(root, &directory, rest)?,
        ("cargo", "run" | "r") => of_cargo(root, config, &directory, rest)?,
        _ => return None,
    };
    let Found {
        build,
        program,
        arguments,
    } = found;
    let script = program.to_str()?.to_owned();
    let argv: Vec<String> = [script.clone()].into_iter().chain(arguments).collect();
    let mut plain = config.clone();
    if is_entrypoint {
        plain.entrypoint = Some(argv);
    } else {
        plain.cmd = Some(argv);
    }
    let text = format!(
        "`{}` compiles the program at each start; it is compiled once, by `{}`, and started itself",
        words.join(" "),
        build.join(" ")
    );
    Some(CompiledRun {
        start: PlainStart {
            config: plain,
            fact: Fact {
                text,
                origin: Origin::ImageConfig,
            },
            directory,
            tool: tool.to_owned(),
            script,
        },
        build,
        program,
    })
}

/// Why the program has to be started by cargo, if it has.
pub(crate) fn wants_cargo(root: &RootDir, start: &PlainStart) -> Result<Option<String>, RootError> {
    if start.tool != "cargo" {
        return Ok(None);
    }
    let is_code = |path: &Path| path.extension().is_some_and(|ending| ending == "rs");
    let is_of_others = |path: &Path| {
        path == Path::new("/") || path.file_name().is_some_and(|name| name == "target")
    };
    let sources = start.sources(root, &is_code, &is_of_others)?;
    let speaking = first_that_says(root, &sources, &CARGO_VARIABLES)?;
    Ok(speaking.map(|path| format!("{} may look for a variable that cargo sets", path.display())))
}

/// What is built, and what it is given.
struct Found {
    build: Vec<String>,
    program: PathBuf,
    arguments: Vec<String>,
}

/// `words` follow `go run`.
fn of_go(root: &RootDir, directory: &Path, words: &[String]) -> Option<Found> {
    let mut options = Vec::new();
    let mut rest = words;
    while let Some((word, others)) = rest.split_first() {
        if !word.starts_with('-') {
            break;
        }
        let name = word.split('=').next().unwrap_or(word);
        let takes_next = GO_OPTIONS_WITH_VALUE.contains(&word.as_str());
        let is_known = takes_next
            || GO_OPTIONS.contains(&word.as_str())
            || (name != word && GO_OPTIONS_WITH_VALUE.contains(&name));
        if !is_known {
            return None;
        }
        options.push(word.clone());
        rest = others;
        if takes_next {
            let (value, others) = rest.split_first()?;
            options.push(value.clone());
            rest = others;
        }
    }
    let is_source = |word: &&String| Path::new(word).extension().is_some_and(|end| end == "go");
    let n_sources = rest.iter().take_while(is_source).count();
    let (package, arguments) = rest.split_at_checked(n_sources.max(1))?;
    let first = package.first()?;
    // Of another module, or of a version that is downloaded.
    let is_here = first == "." || first.starts_with("./") || n_sources > 0;
    if !is_here || first.contains('@') || first.contains("...") {
        return None;
    }
    let place = normalise(&directory.join(first));
    let name = if n_sources > 0 {
        first.rsplit('/').next()?.strip_suffix(".go")?.to_owned()
    } else if place == directory {
        module_name(root, directory).or_else(|| Some(place.file_name()?.to_str()?.to_owned()))?
    } else {
        place.file_name()?.to_str()?.to_owned()
    };
    let program = Path::new(PLACE).join(&name);
    if !is_plain_name(&name) || root.entry(&program).is_some() {
        return None;
    }
    let mut build: Vec<String> = ["go", "build"].map(str::to_owned).to_vec();
    build.extend(options);
    build.extend(["-o".to_owned(), program.to_str()?.to_owned()]);
    build.extend(package.iter().cloned());
    Some(Found {
        build,
        program,
        arguments: arguments.to_vec(),
    })
}

/// The last part of the name of the module in `directory`, but for its version: `go build` names programs so.
fn module_name(root: &RootDir, directory: &Path) -> Option<String> {
    let text = root.content(&directory.join("go.mod"), LIMIT)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let module = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("module "))?;
    let module = module.split("//").next()?.trim().trim_matches('"');
    let mut parts = module.rsplit('/');
    let last = parts.next()?;
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
    let name = if is_version { parts.next()? } else { last };
    Some(name.to_owned())
}

/// `words` follow `cargo run`.
fn of_cargo(
    root: &RootDir,
    config: &RunConfig,
    directory: &Path,
    words: &[String],
) -> Option<Found> {
    let mut build: Vec<String> = ["cargo", "build"].map(str::to_owned).to_vec();
    let mut bin = None;
    let mut profile = "debug";
    let mut rest = words;
    while let Some((word, others)) = rest.split_first() {
        if !word.starts_with('-') || word == "--" {
            break;
        }
        let name = word.split('=').next().unwrap_or(word);
        let is_attached = name != word && CARGO_OPTIONS_WITH_VALUE.contains(&name);
        let takes_next = CARGO_OPTIONS_WITH_VALUE.contains(&word.as_str());
        if !is_attached && !takes_next && !CARGO_OPTIONS.contains(&word.as_str()) {
            return None;
        }
        if ["--release", "-r"].contains(&word.as_str()) {
            profile = "release";
        }
        build.push(word.clone());
        rest = others;
        if takes_next {
            let (value, others) = rest.split_first()?;
            build.push(value.clone());
            rest = others;
            if word == "--bin" {
                bin = Some(value.clone());
            }
        } else if let Some(value) = word.strip_prefix("--bin=") {
            bin = Some(value.to_owned());
        }
    }
    let arguments = match rest.split_first() {
        Some((first, others)) if first == "--" => others,
        Some(_) | None => rest,
    };
    // Settings may name another directory, or another machine.
    let is_elsewhere = [
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
    ]
    .iter()
    .any(|name| variable(&config.env, name).is_some());
    let has_settings = [".cargo/config.toml", ".cargo/config"]
        .iter()
        .any(|name| root.entry(&directory.join(name)).is_some());
    if is_elsewhere || has_settings {
        return None;
    }
    let bin = match bin {
        Some(bin) => bin,
        None => only_program(root, directory)?,
    };
    let program = directory.join("target").join(profile).join(&bin);
    is_plain_name(&bin).then_some(Found {
        build,
        program,
        arguments: arguments.to_vec(),
    })
}

/// The program that `cargo run` starts when it is told no name, by `Cargo.toml`.
fn only_program(root: &RootDir, directory: &Path) -> Option<String> {
    let text = root.content(&directory.join("Cargo.toml"), LIMIT)?;
    let manifest: Table = String::from_utf8(text).ok()?.parse().ok()?;
    let package = manifest.get("package")?.as_table()?;
    if let Some(name) = package.get("default-run").and_then(Value::as_str) {
        return Some(name.to_owned());
    }
    let has_main = root.entry(&directory.join("src/main.rs")).is_some();
    let has_others = root.entry(&directory.join("src/bin")).is_some();
    let named = manifest.get("bin").and_then(Value::as_array);
    match named.map(Vec::as_slice) {
        None if has_main && !has_others => {
            Some(package.get("name").and_then(Value::as_str)?.to_owned())
        }
        Some([only]) if !has_others => {
            let is_main = |path: &str| path == "src/main.rs";
            let path = only.get("path").and_then(Value::as_str);
            // With a `main.rs` that it does not name there are two.
            (!has_main || path.is_some_and(is_main))
                .then(|| Some(only.get("name").and_then(Value::as_str)?.to_owned()))?
        }
        None | Some(_) => None,
    }
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What builds the program, and how it is started then.
    #[track_caller]
    fn check(files: &[(&str, &str)], cmd: &[&str], expected: Option<(&str, &str)>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let config = RunConfig {
            cmd: Some(cmd.iter().map(ToString::to_string).collect()),
            working_dir: "/app".to_owned(),
            ..RunConfig::default()
        };
        let found = compiled_run(&root, &config);
        let found = found.map(|run| (run.build.join(" "), run.start.config.cmd.unwrap().join(" ")));
        let expected = expected.map(|(build, start)| (build.to_owned(), start.to_owned()));
        assert_eq!(found, expected, "{cmd:?}");
        let both = RunConfig {
            entrypoint: config.cmd.clone(),
            cmd: Some(vec!["more".to_owned()]),
            ..config
        };
        let started = compiled_run(&root, &both).map(|run| {
            assert_eq!(run.start.config.cmd, both.cmd);
            run.start.config.entrypoint.unwrap().join(" ")
        });
        if !cmd.contains(&"-c") {
            assert_eq!(started, expected.map(|(_, start)| start));
        }
    }

    const MODULE: (&str, &str) = (
        "app/go.mod",
        "module example.org/team/shop/v2 // it\n\ngo 1.24\n",
    );

    #[test]
    fn programs_that_go_runs_are_built_of_the_same_arguments() {
        let files = [
            MODULE,
            ("app/main.go", "package main"),
            ("usr/local/bin/taken", ""),
        ];
        let check = |cmd: &[&str], expected| check(&files, cmd, expected);
        let built = Some(("go build -o /usr/local/bin/shop .", "/usr/local/bin/shop"));
        check(&["go", "run", "."], built);
        check(&["/bin/sh", "-c", "go run ."], built);
        check(
            &["/bin/sh", "-c", "exec go run ./"],
            Some(("go build -o /usr/local/bin/shop ./", "/usr/local/bin/shop")),
        );
        check(
            &["go", "run", "main.go", "util.go", "-port", "80"],
            Some((
                "go build -o /usr/local/bin/main main.go util.go",
                "/usr/local/bin/main -port 80",
            )),
        );
        check(
            &[
                "go",
                "run",
                "-tags",
                "prod",
                "-mod=vendor",
                "./cmd/server",
                "x",
            ],
            Some((
                "go build -tags prod -mod=vendor -o /usr/local/bin/server ./cmd/server",
                "/usr/local/bin/server x",
            )),
        );
        for other in [
            &["go", "run", "example.org/tool@latest"][..],
            &["go", "run", "-exec", "time", "."],
            &["go", "run", "./..."],
            &["go", "run", "./cmd/taken"],
            &["go", "test", "."],
            &["go", "run"],
            &["/bin/sh", "-c", "go run . | tee log"],
        ] {
            check(other, None);
        }
    }

    #[test]
    fn programs_that_cargo_runs_are_where_cargo_builds_them() {
        let manifest = |text: &'static str| [("app/Cargo.toml", text), ("app/src/main.rs", "")];
        let plain = manifest("[package]\nname = \"shop\"\n");
        let built = Some(("cargo build --release", "/app/target/release/shop"));
        check(&plain, &["cargo", "run", "--release"], built);
        check(&plain, &["/bin/sh", "-c", "cargo run --release"], built);
        check(
            &plain,
            &["cargo", "run", "-q", "--bin", "other", "--", "--x", "y"],
            Some((
                "cargo build -q --bin other",
                "/app/target/debug/other --x y",
            )),
        );
        check(
            &manifest("[package]\nname = \"a\"\ndefault-run = \"b\"\n"),
            &["cargo", "run"],
            Some(("cargo build", "/app/target/debug/b")),
        );
        check(
            &manifest("[package]\nname = \"a\"\n[[bin]]\nname = \"c\"\npath = \"src/main.rs\"\n"),
            &["cargo", "run"],
            Some(("cargo build", "/app/target/debug/c")),
        );
        for (files, cmd) in [
            (
                manifest("[workspace]\nmembers = [\"a\"]\n"),
                &["cargo", "run"][..],
            ),
            (
                manifest("[package]\nname = \"a\"\n[[bin]]\nname = \"c\"\n"),
                &["cargo", "run"],
            ),
            (plain, &["cargo", "run", "--target", "x"]),
            (plain, &["cargo", "run", "--example", "x"]),
            (plain, &["cargo", "test"]),
        ] {
            check(&files, cmd, None);
        }
        let settings = [plain[0], plain[1], ("app/.cargo/config.toml", "")];
        check(&settings, &["cargo", "run"], None);
    }

    #[test]
    fn a_program_that_asks_for_what_cargo_sets_keeps_it() {
        let check = |source: &str, expected: Option<&str>| {
            let dir = tempfile::tempdir().unwrap();
            let write = |path: &str, text: &str| {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, text).unwrap();
            };
            write("app/Cargo.toml", "[package]\nname = \"a\"\n");
            write("app/src/main.rs", source);
            write("app/target/x.rs", "env::var(\"CARGO_PKG_NAME\")");
            let root = RootDir::open(dir.path()).unwrap();
            let config = RunConfig {
                cmd: Some(["cargo", "run"].map(str::to_owned).to_vec()),
                working_dir: "/app".to_owned(),
                ..RunConfig::default()
            };
            let run = compiled_run(&root, &config).unwrap();
            let found = wants_cargo(&root, &run.start).unwrap();
            assert_eq!(found.as_deref(), expected);
        };
        check("const A: &str = env!(\"CARGO_PKG_VERSION\");", None);
        check(
            "let a = std::env::var(\"CARGO_MANIFEST_DIR\");",
            Some("/app/src/main.rs may look for a variable that cargo sets"),
        );
    }
}
