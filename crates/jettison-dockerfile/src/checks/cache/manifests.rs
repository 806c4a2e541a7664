//! The files that say what a project depends on.

use crate::checks::cache::install::{Installer, ProjectInstall};
use crate::scope::WorkingDirectory;

/// What can be done so that packages are installed from the manifests alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FromManifests {
    /// These files, relative to the context, are enough for the command; `before` is what is run on them
    /// instead of the command, if that needs more, too.
    Copy {
        files: Vec<String>,
        before: Option<Before>,
    },
    /// More has to be done: a sentence for a person.
    Hint(&'static str),
}

/// What is run before everything is copied, where the command itself comes after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// This command.
    Command(&'static str),
    /// The command itself, with this flag, so that it leaves out what needs the sources.
    WithFlag(&'static str),
}

/// What an install needs.
pub(super) fn from_manifests(
    install: &ProjectInstall<'_>,
    directory: &WorkingDirectory,
) -> FromManifests {
    let copy = |files: &[&str]| FromManifests::Copy {
        files: files.iter().map(|&file| file.to_owned()).collect(),
        before: None,
    };
    match install.installer {
        Installer::Npm => copy(&["package*.json"]),
        Installer::Yarn => copy(&["package.json", "yarn.lock*", ".yarnrc.yml*"]),
        Installer::Pnpm => copy(&["package.json", "pnpm-lock.yaml*", "pnpm-workspace.yaml*"]),
        Installer::Pip => match requirement_files(install, directory) {
            Some(files) => FromManifests::Copy {
                files,
                before: None,
            },
            None => FromManifests::Hint(
                "copy the files that `-r` names, install, and copy the rest afterwards",
            ),
        },
        Installer::GoModules => copy(&["go.mod", "go.sum*"]),
        Installer::GoBuild => FromManifests::Copy {
            files: vec!["go.mod".to_owned(), "go.sum*".to_owned()],
            before: Some(Before::Command("go mod download")),
        },
        Installer::Bundle => copy(&["Gemfile", "Gemfile.lock*"]),
        Installer::Composer => FromManifests::Hint(
            "copy `composer.json` and `composer.lock`, run `composer install --no-scripts --no-autoloader`, \
             copy the rest, and run `composer dump-autoload`",
        ),
        // The project itself is installed from its sources, what it depends on is not.
        Installer::Poetry => FromManifests::Copy {
            files: ["pyproject.toml", "poetry.lock*"]
                .map(str::to_owned)
                .to_vec(),
            before: (!install.has_flag(&["--no-root"])).then_some(Before::WithFlag("--no-root")),
        },
        Installer::Uv => {
            let is_without = install.has_flag(&["--no-install-project", "--no-install-workspace"]);
            FromManifests::Copy {
                files: ["pyproject.toml", "uv.lock*", ".python-version*"]
                    .map(str::to_owned)
                    .to_vec(),
                before: (!is_without).then_some(Before::WithFlag("--no-install-project")),
            }
        }
        Installer::Pipenv => copy(&["Pipfile", "Pipfile.lock*"]),
        Installer::Cargo => FromManifests::Hint(
            "keep what cargo downloads and builds: `--mount=type=cache` over `/usr/local/cargo/registry` and `target`",
        ),
        Installer::Maven => {
            FromManifests::Hint("keep what Maven downloads: `--mount=type=cache,target=/root/.m2`")
        }
        Installer::Gradle => FromManifests::Hint(
            "keep what Gradle downloads: `--mount=type=cache,target=/root/.gradle`",
        ),
    }
}

/// The files after `-r`, relative to the context, if they are below the directory and nothing else is needed.
fn requirement_files(
    install: &ProjectInstall<'_>,
    directory: &WorkingDirectory,
) -> Option<Vec<String>> {
    let mut files = Vec::new();
    for (index, word) in install.arguments.iter().enumerate() {
        let text = word.literal.as_deref()?;
        let file = match text {
            "-r" | "--requirement" => install.arguments.get(index + 1)?.literal.as_deref()?,
            "-c" | "--constraint" => return None,
            _ => match text.strip_prefix("--requirement=") {
                Some(file) => file,
                None => continue,
            },
        };
        let file = match (file.strip_prefix('/'), directory) {
            (None, _) => file.trim_start_matches("./"),
            (Some(_), WorkingDirectory::Absolute(directory)) => {
                file.strip_prefix(directory.as_str())?.strip_prefix('/')?
            }
            (Some(_), WorkingDirectory::BelowBase(_)) => return None,
        };
        // A file in a directory would be copied next to the others.
        if file.is_empty() || file.contains('/') {
            return None;
        }
        files.push(file.to_owned());
    }
    (!files.is_empty()).then_some(files)
}
