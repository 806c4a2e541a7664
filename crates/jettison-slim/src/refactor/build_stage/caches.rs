//! Cache mounts: what package managers and compilers keep for the next time, over the directories that they really wrote.
//!
//! A directory is found in what the original's command wrote, never by its name alone. Where each tool keeps what, as its
//! own documentation says: npm's `cache`, pip's `cache dir`, Go's `GOMODCACHE` and `GOCACHE`, Cargo's home, Maven's local
//! repository, Gradle's user home.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    Edit, EditSet, Instruction, InstructionKind, Keyword, Parse, SimpleCommand, shell_script,
};

/// A command of the original, and what it wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command<'a> {
    /// Its instruction.
    pub(crate) instruction: &'a Instruction,
    /// The environment that it ran in.
    pub(crate) env: &'a [(String, String)],
    /// Whether root ran it.
    pub(crate) is_root: bool,
    /// The directory that holds what it wrote.
    pub(crate) files: &'a Path,
}

/// The tools that share caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Npm,
    Yarn,
    Pnpm,
    Pip,
    Poetry,
    Uv,
    Go,
    Cargo,
    Maven,
    Gradle,
    Composer,
}

const FAMILIES: [(Family, &[&str]); 11] = [
    (Family::Npm, &["npm", "npx"]),
    (Family::Yarn, &["yarn", "yarnpkg"]),
    (Family::Pnpm, &["pnpm", "pnpx"]),
    (Family::Pip, &["pip", "pip3"]),
    (Family::Poetry, &["poetry"]),
    (Family::Uv, &["uv"]),
    (Family::Go, &["go"]),
    (Family::Cargo, &["cargo"]),
    (Family::Maven, &["mvn", "mvnw"]),
    (Family::Gradle, &["gradle", "gradlew"]),
    (Family::Composer, &["composer"]),
];

/// What the commands of a build keep for the next time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caches {
    /// The directories of each family of tools.
    of_families: BTreeMap<Family, BTreeSet<PathBuf>>,
    /// The families of the commands that wrote there, by the text of the instruction: `make` may run any.
    of_lines: BTreeMap<String, BTreeSet<Family>>,
}

impl Caches {
    /// Looks for caches in what `commands` wrote. Those of other users than root are left alone: a mount would be root's.
    pub(crate) fn find(commands: &[Command<'_>]) -> Caches {
        let mut caches = Caches::default();
        for command in commands.iter().filter(|command| command.is_root) {
            for (family, _) in FAMILIES {
                for directory in directories(family, command.env) {
                    let relative = directory.strip_prefix("/").unwrap_or(&directory);
                    let holds_something =
                        fs::read_dir(command.files.join(relative)).is_ok_and(|entries| {
                            entries
                                .flatten()
                                .any(|entry| is_kept_for_later(&entry.file_name()))
                        });
                    if holds_something {
                        caches
                            .of_families
                            .entry(family)
                            .or_default()
                            .insert(directory);
                        let line = command.instruction.logical_line.to_string();
                        caches.of_lines.entry(line).or_default().insert(family);
                    }
                }
            }
        }
        caches
    }

    /// Every directory that is mounted over.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &PathBuf> {
        self.of_families.values().flatten()
    }

    /// The same without the caches of tools that the image's own `commands` start: `npm start` keeps things there, too.
    pub(crate) fn without_tools_of(mut self, commands: &[String]) -> Caches {
        let words: BTreeSet<&str> = commands
            .iter()
            .flat_map(|command| command.split(|c: char| c.is_whitespace() || ";&|()".contains(c)))
            .filter_map(|word| word.rsplit('/').next())
            .collect();
        self.of_families.retain(|family, _| {
            let names = FAMILIES.iter().filter(|(of, _)| of == family);
            let mut names = names.flat_map(|(_, names)| names.iter());
            !names.any(|name| words.contains(name))
        });
        self
    }

    /// The directories above those that are mounted over which variables of the image, `NAME=value`, name: programs look for
    /// them, and who makes a place for a mount takes it away again.
    pub(crate) fn named_above(&self, env: &[String]) -> BTreeSet<PathBuf> {
        let values = env.iter().filter_map(|pair| Some(pair.split_once('=')?.1));
        let named = values.map(Path::new).filter(|path| path.is_absolute());
        let is_above = |path: &&Path| {
            let mut targets = self.targets();
            targets.any(|target| target != path && target.starts_with(path))
        };
        let is_plain =
            |path: &&Path| path.to_str().is_some_and(is_plain) && *path != Path::new("/");
        named
            .filter(is_above)
            .filter(is_plain)
            .map(Path::to_path_buf)
            .collect()
    }

    /// The mounts for the commands of `parse`, and what makes the directories `made` before; nothing if no command gets a mount.
    pub(crate) fn edits(&self, parse: &Parse, made: &BTreeSet<PathBuf>) -> Option<EditSet> {
        let mut edits = EditSet::new();
        for instruction in parse.instructions() {
            let targets = self.targets_of(parse, instruction);
            if targets.is_empty() {
                continue;
            }
            let mounts: Vec<String> = targets
                .iter()
                .map(|target| format!(" --mount=type=cache,target={target}"))
                .collect();
            if edits.is_empty() && !made.is_empty() {
                let start = instruction.range.start;
                let paths: Vec<String> =
                    made.iter().map(|path| path.display().to_string()).collect();
                let replacement = format!("RUN mkdir -p {}\n", paths.join(" "));
                let range = start..start;
                edits.insert(Edit { range, replacement }).ok()?;
            }
            let end = instruction.keyword_range.end;
            let inserted = edits.insert(Edit {
                range: end..end,
                replacement: mounts.concat(),
            });
            inserted.ok()?;
        }
        (!edits.is_empty()).then_some(edits)
    }

    /// What is mounted for `instruction`.
    fn targets_of(&self, parse: &Parse, instruction: &Instruction) -> Vec<String> {
        let InstructionKind::Run(run) = &instruction.kind else {
            return Vec::new();
        };
        // Mounts of the author's own have a reason.
        if instruction.keyword != Keyword::Run || !run.mounts.is_empty() {
            return Vec::new();
        }
        let mut families = families(parse, instruction);
        let wrote = self.of_lines.get(&instruction.logical_line.to_string());
        families.extend(wrote.into_iter().flatten());
        let targets = families
            .iter()
            .filter_map(|family| self.of_families.get(family))
            .flatten();
        targets
            .filter_map(|target| target.to_str())
            .filter(|target| is_plain(target))
            .map(str::to_owned)
            .collect()
    }
}

/// Whether a directory that has `name` has something for the next time, and not only what npm has said.
fn is_kept_for_later(name: &OsStr) -> bool {
    name != "_logs" && name != "_update-notifier-last-checked"
}

/// Whether `command` only has npm, yarn or pnpm run what `package.json` says.
fn runs_scripts(command: &SimpleCommand) -> bool {
    const SCRIPTS: [&str; 6] = ["restart", "run", "run-script", "start", "stop", "test"];
    let is_one = command
        .tool()
        .is_some_and(|tool| ["npm", "pnpm", "yarn"].contains(&tool));
    let mut words = command.unwrapped().iter().skip(1);
    let first = words.find_map(|word| {
        word.literal
            .as_deref()
            .filter(|word| !word.starts_with('-'))
    });
    is_one && first.is_some_and(|word| SCRIPTS.contains(&word))
}

/// The families of the tools that an instruction names.
fn families(parse: &Parse, instruction: &Instruction) -> BTreeSet<Family> {
    let Some(script) = shell_script(parse.text(), parse.escape(), instruction) else {
        return BTreeSet::new();
    };
    let tools: BTreeSet<&str> = script
        .commands
        .iter()
        .filter(|command| !runs_scripts(command))
        .filter_map(|command| command.tool())
        .collect();
    FAMILIES
        .iter()
        .filter(|(_, names)| names.iter().any(|name| tools.contains(name)))
        .map(|(family, _)| *family)
        .collect()
}

/// Where the tools of a family keep things.
fn directories(family: Family, env: &[(String, String)]) -> Vec<PathBuf> {
    let value = |names: &[&str]| {
        let mut found = env
            .iter()
            .filter(|(name, value)| names.contains(&name.as_str()) && value.starts_with('/'));
        found.next_back().map(|(_, value)| PathBuf::from(value))
    };
    let home = value(&["HOME"]).unwrap_or_else(|| PathBuf::from("/root"));
    let cache = value(&["XDG_CACHE_HOME"]).unwrap_or_else(|| home.join(".cache"));
    let one = |names: &[&str], usual: PathBuf| vec![value(names).unwrap_or(usual)];
    match family {
        Family::Npm => one(&["npm_config_cache", "NPM_CONFIG_CACHE"], home.join(".npm")),
        Family::Yarn => {
            let berry = home.join(".yarn/berry/cache");
            let usual = PathBuf::from("/usr/local/share/.cache/yarn");
            match value(&["YARN_CACHE_FOLDER"]) {
                Some(directory) => vec![directory],
                None => vec![usual, cache.join("yarn"), berry],
            }
        }
        Family::Pnpm => vec![home.join(".local/share/pnpm/store"), cache.join("pnpm")],
        Family::Pip => one(&["PIP_CACHE_DIR"], cache.join("pip")),
        Family::Poetry => one(&["POETRY_CACHE_DIR"], cache.join("pypoetry")),
        Family::Uv => one(&["UV_CACHE_DIR"], cache.join("uv")),
        Family::Go => {
            let path = value(&["GOPATH"]).unwrap_or_else(|| home.join("go"));
            let modules = value(&["GOMODCACHE"]).unwrap_or_else(|| path.join("pkg/mod"));
            let results = value(&["GOCACHE"]).unwrap_or_else(|| cache.join("go-build"));
            vec![modules, results]
        }
        Family::Cargo => {
            let cargo = value(&["CARGO_HOME"]).unwrap_or_else(|| home.join(".cargo"));
            vec![cargo.join("registry"), cargo.join("git")]
        }
        Family::Maven => vec![home.join(".m2/repository")],
        Family::Gradle => {
            let gradle = value(&["GRADLE_USER_HOME"]).unwrap_or_else(|| home.join(".gradle"));
            vec![gradle.join("caches"), gradle.join("wrapper")]
        }
        Family::Composer => {
            let own = value(&["COMPOSER_CACHE_DIR"]);
            own.map_or_else(
                || vec![cache.join("composer"), home.join(".composer/cache")],
                |directory| vec![directory],
            )
        }
    }
}

/// Whether a path can be a value in `--mount`.
fn is_plain(path: &str) -> bool {
    path.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_./@+".contains(c))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};
    use jettison_dockerfile::{apply, parse};

    use super::*;

    /// `wrote` are directories with something in them, which the commands of `first` wrote.
    #[track_caller]
    fn check(env: &[(&str, &str)], wrote: &[&str], (first, text): (&str, &str), expected: Expect) {
        let dir = tempfile::tempdir().unwrap();
        for directory in wrote {
            let directory = dir.path().join(directory);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("x"), "").unwrap();
        }
        let env: Vec<(String, String)> = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let original = parse(first);
        let commands: Vec<Command<'_>> = original
            .instructions()
            .iter()
            .filter(|instruction| instruction.keyword == Keyword::Run)
            .map(|instruction| Command {
                instruction,
                env: &env,
                is_root: true,
                files: dir.path(),
            })
            .collect();
        let parsed = parse(text);
        let caches = Caches::find(&commands);
        let image: Vec<String> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut made = caches.named_above(&image);
        // The base of Go has it.
        made.remove(Path::new("/go"));
        let edits = caches.edits(&parsed, &made);
        let shown = edits.map_or_else(
            || "nothing".to_owned(),
            |edits| apply(parsed.text(), &edits).unwrap(),
        );
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_a_tool_wrote_is_mounted_for_all_commands_of_its_kind() {
        let text = "FROM golang:1\nRUN go mod download\nCOPY . .\nRUN make\nRUN go build -o x . && \\\n    strip x\nRUN ls\n";
        check(
            &[("GOPATH", "/go")],
            &["go/pkg/mod/cache", "root/.cache/go-build/00"],
            ("FROM golang:1\nRUN make\n", text),
            expect![[r"
                FROM golang:1
                RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build go mod download
                COPY . .
                RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build make
                RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build go build -o x . && \
                    strip x
                RUN ls
            "]],
        );
    }

    #[test]
    fn what_only_runs_scripts_gets_no_cache_of_npm() {
        let text = "FROM node\nRUN npm ci\nRUN mkdir /data && npm run db:migrate\n";
        check(
            &[],
            &["root/.npm/_cacache", "root/.npm/_logs"],
            ("FROM node\nRUN npm ci\n", text),
            expect![[r"
                FROM node
                RUN --mount=type=cache,target=/root/.npm npm ci
                RUN mkdir /data && npm run db:migrate
            "]],
        );
        check(&[], &["root/.npm/_logs"], (text, text), expect!["nothing"]);
    }

    #[test]
    fn settings_say_where_a_cache_is_and_nothing_is_mounted_where_nothing_was_written() {
        let text = "FROM python\nRUN pip install flask\n";
        let env = [("PIP_CACHE_DIR", "/var/pip")];
        check(
            &env,
            &["var/pip"],
            (text, text),
            expect![[r"
                FROM python
                RUN --mount=type=cache,target=/var/pip pip install flask
            "]],
        );
        check(&env, &["root/.cache/pip"], (text, text), expect!["nothing"]);
        let own = "FROM python\nRUN --mount=type=cache,target=/x pip install flask\n";
        check(&env, &["var/pip"], (own, own), expect!["nothing"]);
    }

    #[test]
    fn a_directory_that_a_variable_names_is_not_made_by_the_mount() {
        let text = "FROM maven\nRUN mvn package\n";
        check(
            &[("MAVEN_CONFIG", "/root/.m2"), ("WORK", "/")],
            &["root/.m2/repository"],
            (text, text),
            expect![[r"
                FROM maven
                RUN mkdir -p /root/.m2
                RUN --mount=type=cache,target=/root/.m2/repository mvn package
            "]],
        );
    }

    #[test]
    fn tools_that_the_image_starts_itself_keep_their_directories() {
        let mut caches = Caches::default();
        for (family, directory) in [
            (Family::Npm, "/root/.npm"),
            (Family::Pip, "/root/.cache/pip"),
        ] {
            caches
                .of_families
                .insert(family, [PathBuf::from(directory)].into());
        }
        let commands = ["/bin/sh", "-c", "cd /app && npm start || python3 x.py"].map(str::to_owned);
        let left = caches.without_tools_of(&commands);
        let left: Vec<&PathBuf> = left.targets().collect();
        assert_eq!(left, [Path::new("/root/.cache/pip")]);
    }
}
