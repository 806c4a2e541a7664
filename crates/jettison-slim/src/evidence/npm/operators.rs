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

/// Programs with which people operate a program, although the modules that bring them are mostly listed for development: they bring
/// a database up to date.
const OF_OPERATORS: [&str; 12] = [
    "db-migrate",
    "drizzle-kit",
    "graphile-migrate",
    "knex",
    "migrate-mongo",
    "mikro-orm",
    "node-pg-migrate",
    "prisma",
    "sequelize",
    "sequelize-cli",
    "typeorm",
    "typeorm-ts-node-commonjs",
];
/// Those of [`OF_OPERATORS`] whose modules are there for nothing else, so that people start them by `npx`.
const BY_NPX: [&str; 8] = [
    "db-migrate",
    "drizzle-kit",
    "graphile-migrate",
    "migrate-mongo",
    "mikro-orm",
    "node-pg-migrate",
    "prisma",
    "sequelize-cli",
];

/// Programs that start a source in TypeScript.
const OF_SOURCES: [&str; 5] = ["esno", "jiti", "ts-node", "tsx", "vite-node"];

/// What an operator may have npm start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// How: `npm run migrate`, `npx prisma`.
    pub(crate) call: String,
    /// The program that it starts and that only a module for development brings.
    pub(crate) of_development: Option<String>,
}

/// The scripts of the `package.json` in `directory` that an operator may run: each starts a file of the project's own with Node.js,
/// or a program of a module that the project needs when it runs. The project's main program, of which `is_started` says that it is
/// started anyway, is none; another one is, although a run has started it. So do scripts that start [`OF_OPERATORS`] or [`OF_SOURCES`],
/// and the calls of [`BY_NPX`], also if their modules are listed for development.
pub(crate) fn scripts_of_operators(
    root: &RootDir,
    directory: &Path,
    is_started: &dyn Fn(&Path) -> bool,
) -> Vec<Script> {
    let text = root.content(&directory.join("package.json"), LIMIT);
    let package = text.and_then(|text| serde_json::from_slice(&text).ok());
    let package: Value = package.unwrap_or_default();
    let none = serde_json::Map::new();
    let scripts = package.get("scripts").and_then(Value::as_object);
    let scripts = scripts.unwrap_or(&none);
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
    let is_there = |file: &Path| {
        root.target(file).is_some() || root.target(&file.with_extension("js")).is_some()
    };
    // What makes something for those who write the program is not to be run by others, whatever tool it is that makes it.
    let is_of_operators = |name: &str| !name.split([':', '-', '.']).any(is_of_developers);
    let started = |name: &str, command: &str| -> Option<Option<String>> {
        let words = words_of(command);
        let (program, arguments) = words.split_first()?;
        let file = arguments.first().filter(|file| !file.starts_with('-'));
        let file = file.map(|file| directory.join(file));
        if *program == "node" {
            let file = file?;
            let is_started = is_main(&file) && is_started(&file);
            return (!is_started && is_there(&file)).then_some(None);
        }
        let needed = |field| is_needed(root, (&package, field), directory, program);
        if needed("dependencies") {
            return Some(None);
        }
        let is_source = || file.is_some_and(|file| root.target(&file).is_some());
        let is_meant =
            OF_OPERATORS.contains(program) || OF_SOURCES.contains(program) && is_source();
        let is_meant = is_meant && is_of_operators(name) && needed("devDependencies");
        is_meant.then(|| Some((*program).to_owned()))
    };
    let found = scripts.iter().filter_map(|(name, command)| {
        let of_development = started(name, command.as_str()?)?;
        (!is_of_developers(name)).then(|| Script {
            call: format!("npm run {name}"),
            of_development,
        })
    });
    let by_npx = BY_NPX.into_iter().filter_map(|program| {
        let needed = |field| is_needed(root, (&package, field), directory, program);
        let is_for_development = !needed("dependencies");
        (!is_for_development || needed("devDependencies")).then(|| Script {
            call: format!("npx {program}"),
            of_development: is_for_development.then(|| program.to_owned()),
        })
    });
    found.chain(by_npx).collect()
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

/// Whether `program` is of a module that `field` of the description of the project in `directory` lists.
fn is_needed(
    root: &RootDir,
    (package, field): (&Value, &str),
    directory: &Path,
    program: &str,
) -> bool {
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
    let dependencies = package.get(field).and_then(Value::as_object);
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
            "{{\"scripts\":{{\"start\":\"node a.js\",{scripts}}},\"dependencies\":{{\"knex\":\"3\"}},\"devDependencies\":{{\"eslint\":\"9\",\"prisma\":\"6\",\"tsx\":\"4\"}}}}"
        );
        for (path, text) in [
            ("app/package.json", package.as_str()),
            ("app/a.js", ""),
            ("app/cli.js", ""),
            ("app/scripts/user.js", ""),
            ("app/node_modules/knex/bin/cli.js", ""),
            ("app/node_modules/eslint/bin/eslint.js", ""),
            ("app/node_modules/prisma/build/index.js", ""),
            ("app/node_modules/tsx/dist/cli.mjs", ""),
            ("app/scripts/seed.ts", ""),
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
            ("prisma", "../prisma/build/index.js"),
            ("tsx", "../tsx/dist/cli.mjs"),
        ] {
            std::os::unix::fs::symlink(target, programs.join(name)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let is_started = |file: &Path| file.ends_with("a.js") || file.ends_with("cli.js");
        let found = scripts_of_operators(&root, Path::new("/app"), &is_started);
        let found = found
            .into_iter()
            .next()
            .map(|script| match script.of_development {
                Some(program) => format!("{} by {program}", script.call),
                None => script.call,
            });
        let expected = expected.map(|name| format!("npm run {name}"));
        let expected = expected.unwrap_or_else(|| "npx prisma by prisma".to_owned());
        assert_eq!(found, Some(expected), "{scripts}");
    }

    #[test]
    fn so_are_those_of_some_tools_that_are_listed_for_development() {
        let migrate = r#""db:deploy":"prisma migrate deploy""#;
        check(migrate, Some("db:deploy by prisma"));
        check(r#""db:generate":"prisma generate""#, None);
        check(r#""seed":"tsx scripts/seed.ts""#, Some("seed by tsx"));
        check(r#""seed":"tsx scripts/gone.ts""#, None);
        check(r#""dev":"tsx scripts/seed.ts""#, None);
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
