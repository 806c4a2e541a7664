//! `jettison.toml` beside a Dockerfile, and the user's `config.toml`.
//!
//! The directory's file wins over the user's. Unknown keys are errors, so that a misspelt one is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use jettison_slim::Probe;
use serde::Deserialize;

use crate::failure::Failure;
use crate::selection::check_name;

/// A probe's time limit if it gives none.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What the settings files say.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Where base images come from, by the name that Dockerfiles have for them.
    pub(crate) bases: BTreeMap<String, String>,
    /// Where Debian's packages come from.
    pub(crate) archive: Option<String>,
    /// Where Debian's security updates come from.
    pub(crate) security_archive: Option<String>,
    /// How images are compared.
    pub(crate) probes: Vec<Probe>,
    /// Which rules check Dockerfiles.
    pub(crate) check: CheckSettings,
    /// How images are built.
    pub(crate) build: BuildSettings,
}

/// How images are built, where the command line says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BuildSettings {
    /// As `--ca`.
    pub(crate) ca: Option<String>,
    /// As `--jobs`.
    pub(crate) jobs: Option<NonZeroU16>,
}

/// Which rules check Dockerfiles.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckSettings {
    /// These alone, if any are named.
    pub(crate) select: Vec<String>,
    /// Not these.
    pub(crate) ignore: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    bases: BTreeMap<String, String>,
    #[serde(default)]
    debian: Debian,
    #[serde(default)]
    build: BuildSettings,
    #[serde(default)]
    check: CheckSettings,
    #[serde(default)]
    probes: Vec<FileProbe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Debian {
    archive: Option<String>,
    security_archive: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileProbe {
    name: Option<String>,
    arguments: Option<Vec<String>>,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    time_limit: Option<f64>,
    expect_exit: Option<i32>,
    expect_stdout: Option<String>,
}

impl Settings {
    /// Reads the settings of `directory` and of the user.
    pub(crate) fn read(directory: &Path, user: Option<&Path>) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        let local = directory.join("jettison.toml");
        // The user's first, so that the directory's win.
        for path in user.into_iter().chain([local.as_path()]) {
            let text = match fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(
                        Failure::user(format!("cannot read {}", path.display())).because(&error)
                    );
                }
            };
            settings.add(&text, path)?;
        }
        Ok(settings)
    }

    fn add(&mut self, text: &str, path: &Path) -> Result<(), Failure> {
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(String::new, |span| {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!(":{line}")
            });
            Failure::user(format!("{}{place}: {}", path.display(), error.message()))
        })?;
        self.bases.extend(file.bases);
        self.archive = file.debian.archive.or(self.archive.take());
        self.security_archive = file
            .debian
            .security_archive
            .or(self.security_archive.take());
        self.build.ca = file.build.ca.or(self.build.ca.take());
        self.build.jobs = file.build.jobs.or(self.build.jobs);
        for name in file.check.select.iter().chain(&file.check.ignore) {
            check_name(name).map_err(|failure| failure.in_file(path))?;
        }
        if !file.check.select.is_empty() {
            self.check.select = file.check.select;
        }
        self.check.ignore.extend(file.check.ignore);
        for (index, probe) in file.probes.into_iter().enumerate() {
            let probe = probe
                .read(index)
                .map_err(|problem| Failure::user(format!("{}: {problem}", path.display())))?;
            self.probes.push(probe);
        }
        Ok(())
    }
}

impl FileProbe {
    fn read(self, index: usize) -> Result<Probe, String> {
        let name = self.name.unwrap_or_else(|| format!("probe {}", index + 1));
        let time_limit = match self.time_limit {
            None => TIME_LIMIT,
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|limit| !limit.is_zero())
                .ok_or_else(|| {
                    format!("probe `{name}`: time-limit must be a number of seconds above 0")
                })?,
        };
        Ok(Probe {
            name,
            arguments: self.arguments,
            stdin: self.stdin.into_bytes(),
            env: self.env.into_iter().collect(),
            time_limit,
            expect_exit: self.expect_exit,
            expect_stdout: self.expect_stdout,
        })
    }
}

/// A probe that only gives arguments.
pub(crate) fn probe_of(arguments: Option<Vec<String>>, name: &str) -> Probe {
    Probe {
        name: name.to_string(),
        arguments,
        stdin: Vec::new(),
        env: Vec::new(),
        time_limit: TIME_LIMIT,
        expect_exit: None,
        expect_stdout: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let mut settings = Settings::default();
        expected.assert_eq(&match settings.add(text, Path::new("jettison.toml")) {
            Ok(()) => format!("{:?} {} probes", settings.bases, settings.probes.len()),
            Err(failure) => failure
                .lines()
                .iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect::<Vec<_>>()
                .join("\n"),
        });
    }

    #[test]
    fn bases_and_probes_are_read() {
        check(
            "[bases]\n\"ubuntu:latest\" = \"debian://bookworm\"\n[[probes]]\narguments = [\"a\"]\n[[probes]]\nstdin = \"x\"\n",
            expect![[r#"{"ubuntu:latest": "debian://bookworm"} 2 probes"#]],
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_its_line() {
        check(
            "[bases]\n\n[[probes]]\nargument = [\"a\"]\n",
            expect![
                "error: jettison.toml:4: unknown field `argument`, expected one of `name`, `arguments`, `stdin`, `env`, `time-limit`, `expect-exit`, `expect-stdout`"
            ],
        );
    }

    #[test]
    fn a_rule_that_does_not_exist_is_an_error() {
        check(
            "[check]\nignore = [\"MaintainerDepreciated\"]\n",
            expect![[r"
                error: jettison.toml: there is no rule called `MaintainerDepreciated`
                hint: did you mean `MaintainerDeprecated`?
                hint: `jettison check --list-rules` lists rules and categories; `buildkit` and `all` are groups"]],
        );
    }

    #[test]
    fn a_build_has_at_least_one_job() {
        check("[build]\nca = \"host\"\njobs = 2\n", expect!["{} 0 probes"]);
        check(
            "[build]\njobs = 0\n",
            expect!["error: jettison.toml:2: invalid value: integer `0`, expected a nonzero u16"],
        );
    }

    #[test]
    fn a_time_limit_must_be_positive() {
        check(
            "[[probes]]\ntime-limit = -1.0\n",
            expect![
                "error: jettison.toml: probe `probe 1`: time-limit must be a number of seconds above 0"
            ],
        );
    }
}
