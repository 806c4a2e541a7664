//! Packages for development in the image that ships.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::{Action, Manager, base_name, package_command, value_or_text};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::checks::size::purpose::{Purpose, purpose, starts_a_server};
use crate::checks::size::run::{Run, runs};
use crate::diagnostic::Severity;
use crate::shell::{ShellWord, SimpleCommand};

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("dev-dependencies-in-image"),
    summary: "Packages that only development needs are installed into the image",
    severity: Severity::Warning,
    categories: &[Category::Size, Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/dev-dependencies-in-image.md"),
    check: dev_dependencies_in_image,
};

/// An installation that takes the packages for development, too.
struct Install<'a> {
    word: &'a ShellWord,
    /// The command, as one says it.
    name: &'static str,
    hint: &'static str,
}

fn dev_dependencies_in_image(input: &CheckInput<'_>, findings: &mut Findings) {
    // A stage below the target may be shared with one for development; the target's own words are certain.
    let Some(stage) = input
        .stages()
        .find(|stage| stage.stage.index == input.target)
    else {
        return;
    };
    if is_for_development(&stage) {
        return;
    }
    let purpose = purpose(&stage);
    let settings = Settings::of(&stage);
    let runs = runs(&stage);
    let last_use = runs.iter().filter_map(last_possible_use).next_back();
    for run in &runs {
        for command in run.commands().filter(|command| command.nesting.is_empty()) {
            let Some(install) = install(&settings, run, command) else {
                continue;
            };
            let is_used = last_use >= Some((run.view.index, command.source_range.end));
            if !is_used && is_started(&stage, &purpose, install.name) {
                findings
                    .add(
                        install.word.range.clone(),
                        format!(
                            "`{}` also installs what only development needs",
                            install.name
                        ),
                    )
                    .hint(install.hint);
            }
        }
    }
}

/// What the scripts of a stage, and of those below it, tell package managers for good.
struct Settings {
    node: bool,
    bundler: bool,
}

impl Settings {
    fn of(stage: &StageView<'_>) -> Settings {
        let runs: Vec<Run<'_>> = stage.chain().iter().flat_map(runs).collect();
        let is_node =
            |word: &&ShellWord| word.text.contains("omit") || word.text.contains("production");
        Settings {
            node: runs.iter().any(|run| {
                run.packages()
                    .any(|(_, packages)| packages.rest.iter().any(is_node))
            }),
            bundler: runs
                .iter()
                .any(|run| run.mentions("without") || run.mentions(".bundle/config")),
        }
    }
}

/// The last command of a `RUN` that may need the packages, or take them away again: its instruction and its place.
fn last_possible_use(run: &Run<'_>) -> Option<(usize, usize)> {
    let is_harmless = |command: &SimpleCommand| {
        let Some(packages) = package_command(command) else {
            let tool = command.tool();
            return command.words.is_empty() || tool.is_some_and(|tool| HARMLESS.contains(&tool));
        };
        let is_node = matches!(
            packages.manager,
            Manager::Npm | Manager::Yarn | Manager::Pnpm
        );
        !is_node || packages.action != Action::Other
    };
    let others = run.commands().filter(|command| !is_harmless(command));
    let is_install = |command: &&SimpleCommand| {
        matches!(
            command.tool(),
            Some("composer" | "composer.phar" | "poetry" | "pipenv" | "bundle")
        ) && command
            .literals()
            .any(|word| word == "install" || word == "config")
    };
    let last = others.filter(|command| !is_install(command)).last()?;
    Some((run.view.index, last.source_range.start))
}

/// Says whether the image is one for development or tests, by its stage's name or its environment.
fn is_for_development(stage: &StageView<'_>) -> bool {
    let parts = ["dev", "test", "ci", "lint", "local", "debug", "build"];
    let is_named = stage.stage.name.as_deref().is_some_and(|name| {
        name.split(['-', '_', '.']).any(|word| {
            parts
                .iter()
                .any(|part| word == *part || word.starts_with(part) && part.len() > 2)
        })
    });
    let modes = [
        "NODE_ENV",
        "APP_ENV",
        "RAILS_ENV",
        "RACK_ENV",
        "SYMFONY_ENV",
        "FLASK_ENV",
        "ENVIRONMENT",
        "ENV",
    ];
    let is_set = modes.iter().any(|name| {
        let value = stage
            .evaluation
            .end
            .lookup(name)
            .unwrap_or_default()
            .to_ascii_lowercase();
        ["dev", "test", "local"]
            .iter()
            .any(|start| value.starts_with(start))
    });
    is_named || is_set
}

/// Says whether a container starts a program of the language, and not one that may be a package for development.
fn is_started(stage: &StageView<'_>, purpose: &Purpose, install: &str) -> bool {
    let Purpose::Program(words) = purpose else {
        let serves = stage.root_reference().is_some_and(starts_a_server);
        return *purpose == Purpose::OfBase && serves && install.starts_with("composer");
    };
    let development = [
        "dev", "test", "watch", "debug", "nodemon", "ts-node", "tsx", "jest", "mocha", "pytest",
        "phpunit", "rspec", "webpack", "vite",
    ];
    let uses_development = words
        .iter()
        .flat_map(|word| word.split([' ', ':', '/', '=']))
        .any(|part| development.contains(&part));
    let first = base_name(words.first().map_or("", String::as_str));
    let is_program = match install.split(' ').next().unwrap_or_default() {
        "npm" | "yarn" | "pnpm" => first == "node",
        _ => !words.is_empty(),
    };
    is_program && !uses_development
}

/// Programs that have nothing to do with the packages.
const HARMLESS: [&str; 30] = [
    "rm",
    "chown",
    "chmod",
    "mkdir",
    "cp",
    "mv",
    "ln",
    "echo",
    "addgroup",
    "adduser",
    "groupadd",
    "useradd",
    "usermod",
    "set",
    "cd",
    "true",
    "touch",
    "cat",
    "sed",
    "ls",
    "printf",
    "test",
    "[",
    "find",
    "apt-mark",
    "apk",
    "update-ca-certificates",
    "a2enmod",
    "export",
    "ldconfig",
];

fn install<'a>(
    settings: &Settings,
    run: &Run<'a>,
    command: &'a SimpleCommand,
) -> Option<Install<'a>> {
    let words = command.unwrapped();
    if words.iter().any(|word| word.literal.is_none()) {
        return None;
    }
    let has = |flag: &str| {
        words
            .iter()
            .any(|word| value_or_text(word).split('=').next() == Some(flag))
    };
    let verb = words
        .iter()
        .skip(1)
        .find(|word| !word.text.starts_with('-'));
    let is_verb = |name: &str| verb.is_some_and(|verb| verb.text == name);
    match command.tool()? {
        "npm" | "pnpm" | "yarn" => node_install(settings, run, command),
        "composer" | "composer.phar" if is_verb("install") => {
            let is_off = has("--no-dev") || is_known(run, "COMPOSER_NO_DEV");
            (!is_off).then_some(Install {
                word: verb?,
                name: "composer install",
                hint: "add `--no-dev`",
            })
        }
        "poetry" if is_verb("install") => {
            let is_off = [
                "--only",
                "--without",
                "--no-dev",
                "--with",
                "--only-root",
                "--all-groups",
                "--help",
                "--dry-run",
            ]
            .iter()
            .any(|flag| has(flag));
            (!is_off).then_some(Install {
                word: verb?,
                name: "poetry install",
                hint: "add `--only main`",
            })
        }
        "pipenv" if is_verb("install") => {
            let word = words
                .iter()
                .find(|word| matches!(word.text.as_str(), "--dev" | "-d"))?;
            Some(Install {
                word,
                name: "pipenv install --dev",
                hint: "leave `--dev` out",
            })
        }
        "bundle" if is_verb("install") => bundle_install(settings, run, verb?, &has),
        _ => None,
    }
}

fn node_install<'a>(
    settings: &Settings,
    run: &Run<'_>,
    command: &'a SimpleCommand,
) -> Option<Install<'a>> {
    let packages = package_command(command)?;
    let flags = [
        "--omit",
        "--include",
        "--only",
        "--production",
        "--prod",
        "-P",
        "--dev",
        "-D",
        "-g",
        "--global",
        "--help",
        "--dry-run",
        "--package-lock-only",
        "--ignore-workspace",
    ];
    let is_plain = packages.action == Action::Install
        && packages.group.is_none()
        && packages.packages().is_empty()
        && !flags.iter().any(|flag| packages.has_flag(flag));
    let is_yarn = packages.manager == Manager::Yarn;
    // Later versions of yarn have no such flag.
    let is_known_yarn = !is_yarn || packages.has_flag("--frozen-lockfile");
    let is_off = [
        "NODE_ENV",
        "NPM_CONFIG_OMIT",
        "npm_config_omit",
        "NPM_CONFIG_PRODUCTION",
        "npm_config_production",
        "YARN_PRODUCTION",
    ]
    .iter()
    .any(|name| is_known(run, name));
    if !is_plain || !is_known_yarn || is_off || settings.node {
        return None;
    }
    let verb = packages.verb.unwrap_or(packages.program);
    Some(match packages.manager {
        Manager::Yarn => Install {
            word: verb,
            name: "yarn install",
            hint: "add `--production`",
        },
        Manager::Pnpm => Install {
            word: verb,
            name: "pnpm install",
            hint: "add `--prod`",
        },
        _ if verb.text == "ci" => Install {
            word: verb,
            name: "npm ci",
            hint: "add `--omit=dev`",
        },
        _ => Install {
            word: verb,
            name: "npm install",
            hint: "add `--omit=dev`",
        },
    })
}

fn bundle_install<'a>(
    settings: &Settings,
    run: &Run<'_>,
    verb: &'a ShellWord,
    has: &dyn Fn(&str) -> bool,
) -> Option<Install<'a>> {
    let is_production = ["RAILS_ENV", "RACK_ENV"]
        .iter()
        .any(|name| run.view.evaluated.before.lookup(name) == Some("production"));
    let is_off = ["--without", "--with"].iter().any(|flag| has(flag))
        || ["BUNDLE_WITHOUT", "BUNDLE_ONLY"]
            .iter()
            .any(|name| is_known(run, name));
    (is_production && !is_off && !settings.bundler).then_some(Install {
        word: verb,
        name: "bundle install",
        hint: "run `bundle config set --local without \"development test\"` before",
    })
}

/// Says whether a variable is set: by the Dockerfile, or by the script itself.
fn is_known(run: &Run<'_>, name: &str) -> bool {
    let is_set = run.view.evaluated.before.lookup(name).is_some();
    is_set
        || run
            .script
            .variables
            .iter()
            .any(|variable| variable.name == name)
}
