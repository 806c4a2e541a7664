//! `jettison.toml` beside a Dockerfile, and the user's `config.toml`.
//!
//! The directory's file wins over the user's. Unknown keys are errors, so that a misspelt one is noticed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use jettison_oci::{HostOptions, MirrorParseError};
use jettison_slim::Probe;
use serde::Deserialize;

use crate::bases::OCI_LAYOUT;
use crate::failure::Failure;
use crate::family::in_directory;
use crate::selection::check_name;
use crate::settings::debian::{FileArchive, FilePin, downgrade, freshness, snapshot};
use crate::settings::probe::FileProbe;

mod debian;
mod probe;

pub(crate) use crate::settings::debian::{DebianSettings, FurtherArchive};
pub(crate) use crate::settings::probe::{READY_WITHIN, TIME_LIMIT, request_of};

/// What the settings files say.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Where base images come from, by the name that Dockerfiles have for them.
    pub(crate) bases: BTreeMap<String, String>,
    /// Where Debian's packages come from.
    pub(crate) archive: Option<String>,
    /// Where Debian's security updates come from.
    pub(crate) security_archive: Option<String>,
    /// Where else packages come from, and which versions.
    pub(crate) debian: DebianSettings,
    /// How images are compared.
    pub(crate) probes: Vec<Probe>,
    /// The files that say so, by the names of the probes.
    pub(crate) probe_files: BTreeMap<String, PathBuf>,
    /// Which rules check Dockerfiles.
    pub(crate) check: CheckSettings,
    /// How images are built.
    pub(crate) build: BuildSettings,
    /// How registries are reached.
    pub(crate) registries: RegistrySettings,
    /// The directory whose settings they are: lock files that Dockerfiles name are in it.
    pub(crate) directory: PathBuf,
    /// The directory of the user's settings.
    pub(crate) user_directory: Option<PathBuf>,
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

/// How registries are reached.
#[derive(Debug, Default)]
pub(crate) struct RegistrySettings {
    /// What is said about single registries.
    pub(crate) hosts: BTreeMap<String, HostOptions>,
    /// Files of certificates that single registries are trusted by.
    pub(crate) ca: BTreeMap<String, PathBuf>,
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
    probe: Vec<FileProbe>,
    /// The older spelling.
    #[serde(default)]
    probes: Vec<FileProbe>,
    #[serde(default)]
    registries: BTreeMap<String, FileRegistry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRegistry {
    insecure: Option<bool>,
    #[serde(default)]
    mirrors: Vec<String>,
    ca: Option<PathBuf>,
    chunk: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Debian {
    archive: Option<String>,
    security_archive: Option<String>,
    check_valid_until: Option<bool>,
    allow_older: Option<bool>,
    snapshot: Option<String>,
    #[serde(default)]
    archives: Vec<FileArchive>,
    #[serde(default)]
    pins: Vec<FilePin>,
}

/// Who has written a file of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    User,
    /// Whoever has written what is in the directory.
    Directory,
}

impl Settings {
    /// Reads the settings of `directory` and of the user.
    pub(crate) fn read(directory: &Path, user: Option<&Path>) -> Result<Settings, Failure> {
        let local = directory.join("jettison.toml");
        let user_directory = user.and_then(Path::parent).map(Path::to_path_buf);
        // The user's first, so that the directory's win.
        let user = user.map(|path| (path, Owner::User));
        let settings = Settings::of_files(
            user.into_iter()
                .chain([(local.as_path(), Owner::Directory)]),
        )?;
        Ok(Settings {
            directory: directory.to_path_buf(),
            user_directory,
            ..settings
        })
    }

    /// Where the base that Dockerfiles call `name` comes from: what the settings say, or the name itself.
    ///
    /// A key may have a `*`, which stands for any text, as in its address. A key without one goes before those, and of
    /// those the longest. A lock file is named by its path from where the address is written.
    pub(crate) fn base_address<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        if let Some(address) = self.bases.get(name) {
            return Cow::Borrowed(address);
        }
        let matched = |(pattern, address): (&'a String, &'a String)| {
            let (before, after) = pattern.split_once('*')?;
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            Some((pattern.len(), address.replace('*', middle)))
        };
        match self.bases.iter().filter_map(matched).max() {
            Some((_, address)) => Cow::Owned(address),
            None => in_directory(name, &self.directory),
        }
    }

    /// Reads one file of settings, which has to be there, and those of the user.
    pub(crate) fn of_file(file: &Path, user: Option<&Path>) -> Result<Settings, Failure> {
        if !file.is_file() {
            return Err(Failure::user(format!(
                "there is no file {}",
                file.display()
            )));
        }
        let user = user.map(|path| (path, Owner::User));
        Settings::of_files(user.into_iter().chain([(file, Owner::Directory)]))
    }

    /// Reads the settings of the user alone.
    pub(crate) fn of_user(user: Option<&Path>) -> Result<Settings, Failure> {
        Settings::of_files(user.into_iter().map(|path| (path, Owner::User)))
    }

    fn of_files<'p>(files: impl Iterator<Item = (&'p Path, Owner)>) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for (path, owner) in files {
            let text = match fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(
                        Failure::user(format!("cannot read {}", path.display())).because(&error)
                    );
                }
            };
            settings.add(&text, path, owner)?;
        }
        Ok(settings)
    }

    fn add(&mut self, text: &str, path: &Path, owner: Owner) -> Result<(), Failure> {
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or_else(String::new, |span| {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!(":{line}")
            });
            Failure::user(format!("{}{place}: {}", path.display(), error.message()))
        })?;
        if owner == Owner::Directory && !file.registries.is_empty() {
            // Who is trusted, and who is sent passwords, is not for those to say whose files are built.
            let text = format!("{}: [registries] is for the user alone", path.display());
            return Err(Failure::user(text)
                .hint("say it in jettison/config.toml below XDG_CONFIG_HOME (~/.config)"));
        }
        let directory = path.parent().unwrap_or(Path::new(""));
        for (name, registry) in file.registries {
            self.registries
                .add(name, registry, directory)
                .map_err(|problem| Failure::user(format!("{}: {problem}", path.display())))?;
        }
        let bases = file.bases.into_iter();
        self.bases.extend(bases.map(|(name, address)| {
            let address = match address.strip_prefix(OCI_LAYOUT) {
                Some(layout) => format!("{OCI_LAYOUT}{}", directory.join(layout).display()),
                None => in_directory(&address, directory).into_owned(),
            };
            (name, address)
        }));
        self.add_debian(file.debian, directory)
            .map_err(|problem| Failure::user(format!("{}: {problem}", path.display())))?;
        self.build.ca = file.build.ca.or(self.build.ca.take());
        self.build.jobs = file.build.jobs.or(self.build.jobs);
        for name in file.check.select.iter().chain(&file.check.ignore) {
            check_name(name).map_err(|failure| failure.in_file(path))?;
        }
        if !file.check.select.is_empty() {
            self.check.select = file.check.select;
        }
        self.check.ignore.extend(file.check.ignore);
        let probes = file.probe.into_iter().chain(file.probes);
        for (index, probe) in probes.enumerate() {
            let probe = probe
                .read(index, directory)
                .map_err(|problem| Failure::user(format!("{}: {problem}", path.display())))?;
            self.probe_files
                .insert(probe.name.clone(), path.to_path_buf());
            self.probes.push(probe);
        }
        Ok(())
    }
}

impl Settings {
    fn add_debian(&mut self, debian: Debian, directory: &Path) -> Result<(), String> {
        self.archive = debian.archive.or(self.archive.take());
        self.security_archive = debian.security_archive.or(self.security_archive.take());
        if let Some(is_checked) = debian.check_valid_until {
            self.debian.freshness = freshness(is_checked);
        }
        if let Some(is_allowed) = debian.allow_older {
            self.debian.downgrade = downgrade(is_allowed);
        }
        if let Some(uri) = &debian.snapshot {
            self.debian.snapshot = Some(snapshot(uri)?);
        }
        for archive in debian.archives {
            self.debian.archives.push(archive.read(directory)?);
        }
        // The first pin counts, so those of the directory go before the user's.
        let pins: Vec<_> = debian
            .pins
            .into_iter()
            .map(FilePin::read)
            .collect::<Result<_, _>>()?;
        self.debian.pins.splice(0..0, pins);
        Ok(())
    }
}

impl RegistrySettings {
    fn add(
        &mut self,
        name: String,
        registry: FileRegistry,
        directory: &Path,
    ) -> Result<(), String> {
        let mut mirrors = Vec::new();
        for mirror in &registry.mirrors {
            let read = mirror.parse();
            mirrors.push(read.map_err(|error: MirrorParseError| error.to_string())?);
        }
        if let Some(ca) = registry.ca {
            self.ca.insert(name.clone(), directory.join(ca));
        }
        let options = HostOptions {
            is_insecure: registry.insecure,
            mirrors,
            chunk: registry.chunk,
        };
        self.hosts.insert(name, options);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_debian::Downgrade;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        check_of(Owner::Directory, text, expected);
    }

    #[track_caller]
    fn check_of(owner: Owner, text: &str, expected: Expect) {
        let mut settings = Settings::default();
        expected.assert_eq(
            &match settings.add(text, Path::new("jettison.toml"), owner) {
                Ok(()) if owner == Owner::User => format!("{:?}", settings.registries),
                Ok(()) => format!("{:?} {} probes", settings.bases, settings.probes.len()),
                Err(failure) => failure
                    .lines()
                    .iter()
                    .map(|(label, text)| format!("{label}: {text}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            },
        );
    }

    #[test]
    fn bases_and_probes_are_read() {
        check(
            "[bases]\n\"ubuntu:latest\" = \"debian://bookworm\"\n[[probe]]\narguments = [\"a\"]\n[[probes]]\nstdin = \"x\"\n",
            expect![[r#"{"ubuntu:latest": "debian://bookworm"} 2 probes"#]],
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_its_line() {
        check(
            "[bases]\n\n[[probes]]\nargument = [\"a\"]\n",
            expect![
                "error: jettison.toml:4: unknown field `argument`, expected one of `name`, `run`, `arguments`, `stdin`, `stdin-file`, `env`, `files`, `time-limit`, `expect-exit`, `expect-stdout`, `written`, `ignore`, `port`, `http`, `tcp`, `signal`, `after`, `ready-within`"
            ],
        );
    }

    #[test]
    fn archives_and_pins_are_read() {
        let text = "\
[debian]
check-valid-until = false
pins = [\"openssl=3.0.17-1\", { package = \"*\", suite = \"bookworm-backports\", priority = 501 }]
[[debian.archives]]
uri = \"https://packages.example/apt/\"
suite = \"stable\"
components = [\"main\"]
signed-by = \"keys/example.asc\"
with = \"trixie\"
";
        let mut settings = Settings::default();
        let path = Path::new("dir/jettison.toml");
        settings.add(text, path, Owner::Directory).unwrap();
        assert_eq!(settings.debian.pins.len(), 2);
        assert_eq!(settings.debian.archives_for("bookworm").count(), 0);
        let archive = settings.debian.archives_for("trixie").next().unwrap();
        assert_eq!(archive.archive().uri, "https://packages.example/apt");
        let error = archive.source().unwrap_err();
        assert!(
            error.starts_with("cannot read the keys in dir/keys/example.asc: "),
            "{error}"
        );
    }

    #[test]
    fn archives_may_be_of_the_past_and_older_and_have_snapshots() {
        let text = "[debian]\nallow-older = true\nsnapshot = \"https://snapshot.example\"\n";
        let mut settings = Settings::default();
        let path = Path::new("jettison.toml");
        assert_eq!(settings.debian.downgrade, Downgrade::Refused);
        settings.add(text, path, Owner::Directory).unwrap();
        assert_eq!(settings.debian.downgrade, Downgrade::Permitted);
        assert_eq!(
            settings.debian.snapshot.unwrap().uri,
            "https://snapshot.example"
        );
        check(
            "[debian]\nsnapshot = \"/srv/snapshot\"\n",
            expect![
                "error: jettison.toml: snapshot: `/srv/snapshot` is not a URL of http or https"
            ],
        );
    }

    #[test]
    fn lock_files_are_beside_the_settings_that_name_them() {
        let text = "[bases]\n\"gcr.example/*\" = \"distroless://*?lock=locks/*.lock\"\n";
        let mut settings = Settings::default();
        let path = Path::new("dir/jettison.toml");
        settings.add(text, path, Owner::Directory).unwrap();
        assert_eq!(
            settings.base_address("gcr.example/static:nonroot"),
            "distroless://static:nonroot?lock=dir/locks/static:nonroot.lock"
        );
        settings.directory = "app".into();
        assert_eq!(
            settings.base_address("debian://trixie?lock=deb.lock"),
            "debian://trixie?lock=app/deb.lock"
        );
    }

    #[test]
    fn a_pin_says_what_it_is_about() {
        check(
            "[debian]\npins = [\"openssl\"]\n",
            expect!["error: jettison.toml: the pin `openssl` is not `package=version`"],
        );
        check(
            "[debian]\npins = [{ package = \"a\", suite = \"b\", host = \"c\", priority = 1 }]\n",
            expect![
                "error: jettison.toml: the pin for `a` takes one of `version`, `suite`, `origin` and `host`"
            ],
        );
        check(
            "[[debian.archives]]\nuri = \"http://a\"\nsuite = \"b\"\nsigned-by = \"c\"\n",
            expect![
                "error: jettison.toml: the archive http://a: a suite has components, and a suite that ends in a slash has none"
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
    fn registries_are_for_the_user_to_trust() {
        let text =
            "[registries.\"lab:5000\"]\ninsecure = true\nmirrors = [\"m/hub\"]\nca = \"ca.pem\"\n";
        check(
            text,
            expect![[r"
                error: jettison.toml: [registries] is for the user alone
                hint: say it in jettison/config.toml below XDG_CONFIG_HOME (~/.config)"]],
        );
        check_of(
            Owner::User,
            text,
            expect![[
                r#"RegistrySettings { hosts: {"lab:5000": HostOptions { is_insecure: Some(true), mirrors: [Mirror { scheme: Secure, registry: "m", prefix: "hub/" }], chunk: None }}, ca: {"lab:5000": "ca.pem"} }"#
            ]],
        );
        check_of(
            Owner::User,
            "[registries.a]\nmirrors = [\"ftp://m\"]\n",
            expect![
                "error: jettison.toml: `ftp://m` is not a mirror: take [http[s]://]HOST[:PORT][/PREFIX]"
            ],
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
