//! Commands that install what a project says it depends on.

use crate::checks::packages::{Action, Manager, base_name, package_command};
use crate::shell::{ShellWord, SimpleCommand};

/// The program that installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Installer {
    Npm,
    Yarn,
    Pnpm,
    /// `pip install -r`
    Pip,
    Poetry,
    Uv,
    Pipenv,
    /// `go mod download`
    GoModules,
    /// `go build` and its like, which download what is missing
    GoBuild,
    Bundle,
    Composer,
    Cargo,
    Maven,
    Gradle,
}

/// A command that installs what manifests name.
#[derive(Debug)]
pub(super) struct ProjectInstall<'c> {
    pub(super) installer: Installer,
    /// The words that name the program and what it is to do.
    pub(super) program: &'c ShellWord,
    pub(super) verb: &'c ShellWord,
    /// The words after the verb.
    pub(super) arguments: &'c [ShellWord],
}

impl ProjectInstall<'_> {
    /// What it is called: `npm install`.
    pub(super) fn name(&self) -> String {
        let is_verb_alone = self.program.source_range == self.verb.source_range;
        // The verbs of Maven and Gradle are many, and flags with values come before them.
        let has_verbs = !matches!(self.installer, Installer::Maven | Installer::Gradle);
        if self.installer == Installer::GoModules {
            "go mod download".to_owned()
        } else if has_verbs && !is_verb_alone {
            format!("{} {}", self.program.text, self.verb.text)
        } else {
            self.program.text.clone()
        }
    }

    /// Says whether a word after the verb is one of these flags.
    pub(super) fn has_flag(&self, names: &[&str]) -> bool {
        self.arguments.iter().any(|word| {
            let name = word.text.split('=').next().unwrap_or_default();
            names.contains(&name)
        })
    }
}

/// Reads a command as one that installs what manifests name; packages that the command line names are another matter.
pub(super) fn project_install(command: &SimpleCommand) -> Option<ProjectInstall<'_>> {
    let words = command.unwrapped();
    let (program, rest) = words.split_first()?;
    let name = base_name(program.literal.as_deref()?);
    let is_elsewhere = rest.iter().any(|word| {
        matches!(
            word.text.as_str(),
            "-g" | "--global" | "--prefix" | "-C" | "--cwd" | "--dir" | "--help" | "--version"
        )
    });
    if is_elsewhere {
        return None;
    }
    let verb_at = |is_flag: fn(&str) -> bool| rest.iter().position(|word| !is_flag(&word.text));
    let starts_with_dash = |text: &str| text.starts_with('-');
    let (installer, verb) = match name {
        "npm" | "yarn" | "pnpm" => return javascript(command),
        "pip" | "pip3" => {
            let at = verb_at(starts_with_dash).filter(|&at| rest[at].text == "install")?;
            let has_file = rest
                .iter()
                .any(|word| word.text == "-r" || word.text.starts_with("--requirement"));
            let has_project = rest
                .iter()
                .any(|word| word.text.starts_with('.') || word.text.starts_with("-e"));
            (has_file && !has_project).then_some((Installer::Pip, at))?
        }
        "go" => {
            let at = 0;
            match rest.first()?.text.as_str() {
                "mod" if rest.get(1)?.text == "download" => (Installer::GoModules, 1),
                "build" | "install" | "test" => {
                    let names_version = rest.iter().any(|word| word.text.contains('@'));
                    (!names_version).then_some((Installer::GoBuild, at))?
                }
                _ => return None,
            }
        }
        "cargo" => {
            let at = verb_at(|text| text.starts_with(['-', '+']))?;
            let builds = match rest[at].text.as_str() {
                "build" | "fetch" | "b" => true,
                "install" => rest.iter().any(|word| word.text.starts_with("--path")),
                _ => false,
            };
            builds.then_some((Installer::Cargo, at))?
        }
        "mvn" | "mvnw" | "gradle" | "gradlew" => {
            let installer = if name.starts_with("mvn") {
                Installer::Maven
            } else {
                Installer::Gradle
            };
            (installer, verb_at(starts_with_dash)?)
        }
        other => {
            let (installer, verb) = match other {
                "poetry" => (Installer::Poetry, "install"),
                "uv" => (Installer::Uv, "sync"),
                "pipenv" => (Installer::Pipenv, "install"),
                "bundle" | "bundler" => (Installer::Bundle, "install"),
                "composer" => (Installer::Composer, "install"),
                _ => return None,
            };
            let at = verb_at(starts_with_dash).filter(|&at| rest[at].text == verb)?;
            (installer, at)
        }
    };
    Some(ProjectInstall {
        installer,
        program,
        verb: &rest[verb],
        arguments: &rest[verb + 1..],
    })
}

fn javascript(command: &SimpleCommand) -> Option<ProjectInstall<'_>> {
    let package = package_command(command)?;
    let installer = match package.manager {
        Manager::Npm => Installer::Npm,
        Manager::Yarn => Installer::Yarn,
        Manager::Pnpm => Installer::Pnpm,
        Manager::Apt | Manager::Apk | Manager::Rpm | Manager::Zypper | Manager::Pip => return None,
    };
    let installs = match package.verb.map_or("install", |verb| verb.text.as_str()) {
        "install" | "i" => true,
        "ci" | "clean-install" => installer == Installer::Npm,
        _ => false,
    };
    if !installs || package.action != Action::Install || !package.packages().is_empty() {
        return None;
    }
    let verb = package.verb.unwrap_or(package.program);
    let words = command.unwrapped();
    let after = words
        .iter()
        .position(|word| word.source_range == verb.source_range)?;
    Some(ProjectInstall {
        installer,
        program: package.program,
        verb,
        arguments: &words[after + 1..],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use crate::shell::shell_script;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let parse = parse(&format!("FROM a\nRUN {line}\n"));
        let script = shell_script(parse.text(), parse.escape(), &parse.instructions()[1]).unwrap();
        let shown = match project_install(&script.commands[0]) {
            None => "none".to_owned(),
            Some(install) => format!("{:?}: {}", install.installer, install.name()),
        };
        assert_eq!(shown, expected, "{line}");
    }

    #[test]
    fn installs_of_a_project_are_told_from_installs_of_packages() {
        check("npm install", "Npm: npm install");
        check("npm ci --omit=dev", "Npm: npm ci");
        check("npm install -g npm", "none");
        check("npm install express", "none");
        check("npm run build", "none");
        check("yarn", "Yarn: yarn");
        check("yarn install --frozen-lockfile", "Yarn: yarn install");
        check("yarn build", "none");
        check("pnpm i", "Pnpm: pnpm i");
        check(
            "pip install --no-cache-dir -r requirements.txt",
            "Pip: pip install",
        );
        check("pip install flask", "none");
        check("pip install -r requirements.txt -e .", "none");
        check("go mod download", "GoModules: go mod download");
        check("go build -o /app .", "GoBuild: go build");
        check("go install tool@v1", "none");
        check("cargo +nightly build --release", "Cargo: cargo build");
        check("cargo install ripgrep", "none");
        check("cargo install --path .", "Cargo: cargo install");
        check("mvn -B package", "Maven: mvn");
        check("./gradlew build", "Gradle: ./gradlew");
        check("bundle install --jobs 4", "Bundle: bundle install");
        check("bundle exec rake", "none");
        check("uv sync --locked", "Uv: uv sync");
        check("poetry install --no-root", "Poetry: poetry install");
    }
}
