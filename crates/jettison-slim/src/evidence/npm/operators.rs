//! Scripts of `package.json` that are not for those who write the program, but for those who operate it: `npm run migrate`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{LIMIT, assigned};
use crate::rootfs::RootDir;

/// The first words of the names of scripts for those who write the program, and of the one that starts it.
const OF_DEVELOPERS: [&str; 24] = [
    "bench", "build", "bundle", "check", "clean", "compile", "coverage", "debug", "dev", "develop",
    "docs", "e2e", "format", "generate", "install", "lint", "prepack", "prepare", "preview",
    "release", "serve", "start", "test", "watch",
];

/// The first script of the `package.json` in `directory` that an operator may run: it starts a file of the project's own with Node.js,
/// or a program of a module that the project needs when it runs. The project's main program, of which `is_started` says that it is
/// started anyway, is none; another one is, although a run has started it.
pub(in crate::evidence) fn script_of_operators(
    root: &RootDir,
    directory: &Path,
    is_started: &dyn Fn(&Path) -> bool,
) -> Option<String> {
    let text = root.content(&directory.join("package.json"), LIMIT)?;
    let package: Value = serde_json::from_slice(&text).ok()?;
    let scripts = package.get("scripts")?.as_object()?;
    let of_start = scripts.get("start").and_then(Value::as_str);
    let of_start = of_start.and_then(|command| match words_of(command).as_slice() {
        ["node", file, ..] => Some(directory.join(file)),
        _ => None,
    });
    let main = package.get("main").and_then(Value::as_str);
    let main: Vec<PathBuf> = main
        .map(|file| directory.join(file))
        .into_iter()
        .chain(of_start)
        .collect();
    let is_main = |file: &PathBuf| main.is_empty() || main.contains(file);
    let is_one = |(name, command): &(&String, &Value)| {
        let words = command.as_str().map(words_of).unwrap_or_default();
        let file = match words.as_slice() {
            ["node", file, ..] if !file.starts_with('-') => directory.join(file),
            [program, ..] if is_needed(root, &package, directory, program) => {
                return !is_of_developers(name);
            }
            _ => return false,
        };
        let is_there =
            || root.target(&file).is_some() || root.target(&file.with_extension("js")).is_some();
        let is_started = is_main(&file) && is_started(&file);
        !is_of_developers(name) && !is_started && is_there()
    };
    let found = scripts.iter().find(is_one);
    found.map(|(name, _)| name.clone())
}

/// The words of the command of a script, without the variables that it sets.
fn words_of(command: &str) -> Vec<&str> {
    let command = assigned(command).map(|(_, command)| command);
    command
        .into_iter()
        .flat_map(str::split_whitespace)
        .collect()
}

fn is_of_developers(name: &str) -> bool {
    let word = name.split([':', '-', '.']).next().unwrap_or(name);
    let hooks = ["pre", "post"].into_iter();
    let hooked = hooks.filter_map(|hook| word.strip_prefix(hook));
    hooked
        .chain([word])
        .any(|word| OF_DEVELOPERS.contains(&word))
}

/// Whether `program` is of a module that the project in `directory` needs when it runs.
fn is_needed(root: &RootDir, package: &Value, directory: &Path, program: &str) -> bool {
    let link = directory.join("node_modules/.bin").join(program);
    let is_name = !program.contains('/');
    let Ok(found) = root.resolve(&link) else {
        return false;
    };
    let modules = directory.join("node_modules");
    let Ok(inside) = found.real_path.strip_prefix(&modules) else {
        return false;
    };
    let inside = inside.to_string_lossy();
    let dependencies = package.get("dependencies").and_then(Value::as_object);
    is_name
        && dependencies
            .into_iter()
            .flat_map(|dependencies| dependencies.keys())
            .any(|name| inside.starts_with(&format!("{name}/")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(scripts: &str, expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let package = format!(
            "{{\"scripts\":{{\"start\":\"node a.js\",{scripts}}},\"dependencies\":{{\"knex\":\"3\"}},\"devDependencies\":{{\"eslint\":\"9\"}}}}"
        );
        for (path, text) in [
            ("app/package.json", package.as_str()),
            ("app/a.js", ""),
            ("app/cli.js", ""),
            ("app/scripts/user.js", ""),
            ("app/node_modules/knex/bin/cli.js", ""),
            ("app/node_modules/eslint/bin/eslint.js", ""),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        let programs = dir.path().join("app/node_modules/.bin");
        fs::create_dir(&programs).unwrap();
        for (name, target) in [
            ("eslint", "../eslint/bin/eslint.js"),
            ("knex", "../knex/bin/cli.js"),
        ] {
            std::os::unix::fs::symlink(target, programs.join(name)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let is_started = |file: &Path| file.ends_with("a.js") || file.ends_with("cli.js");
        let found = script_of_operators(&root, Path::new("/app"), &is_started);
        assert_eq!(found.as_deref(), expected, "{scripts}");
    }

    #[test]
    fn scripts_that_start_the_project_s_files_are_for_operators() {
        let user = "node scripts/user.js";
        check(&format!("\"user:add\":\"{user}\""), Some("user:add"));
        let set = r#""user:add":"NODE_ENV=production node scripts/user""#;
        check(set, Some("user:add"));
        let for_developers = format!(
            "\"test\":\"{user}\",\"build:icons\":\"{user}\",\"prebuild\":\"{user}\",\"postinstall\":\"{user}\""
        );
        check(&for_developers, None);
        check(
            r#""serve-all":"node a.js","x":"node gone.js","y":"tsc -p .","z":"node --test""#,
            None,
        );
    }

    #[test]
    fn a_second_program_is_for_operators_although_a_run_has_started_it() {
        check(r#""cli":"node cli.js""#, Some("cli"));
        check(r#""cli":"node cli.js","main":"x""#, Some("cli"));
    }

    #[test]
    fn so_are_those_that_start_programs_of_modules_that_it_needs() {
        check(r#""migrate":"knex migrate:latest""#, Some("migrate"));
        check(r#""test:db":"knex migrate:latest""#, None);
        check(r#""style":"eslint .""#, None);
        check(r#""x":"../knex/bin/cli.js""#, None);
    }
}
