//! Writes credentials down, where Docker and others find them.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jettison_oci::base64;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::registry::config_file::{ConfigFile, ConfigFileError, host_of, key_of};
use crate::registry::docker_config;
use crate::registry::helper::Helper;
use crate::surroundings::Surroundings;

/// The file of credentials that logins change.
#[derive(Debug)]
pub(crate) struct Logins {
    path: PathBuf,
    /// Where helpers are.
    search: Option<String>,
}

/// Where credentials have gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In this file, where everybody who may read it can read them.
    File(PathBuf),
    /// With this helper.
    Helper(String),
}

/// The registry that a word on the command line means, as references have it.
pub(crate) fn server_name(word: &str) -> Result<String, Failure> {
    let host = host_of(word.trim());
    let is_host = |text: &str| format!("{text}/a").parse::<jettison_oci::Reference>();
    match is_host(host) {
        Ok(reference) if reference.registry() == host => Ok(host.to_owned()),
        _ => Err(Failure::user(format!("`{word}` is not a registry")).hint(
            "give its host, and its port after a colon, such as registry.example:5000; without one it is docker.io",
        )),
    }
}

impl Logins {
    pub(crate) fn new(surroundings: &Surroundings) -> Result<Logins, Failure> {
        let path = docker_config(surroundings).ok_or_else(|| {
            Failure::user("there is no place for credentials").hint("set HOME or DOCKER_CONFIG")
        })?;
        // A link stays one: the file behind it is replaced.
        let path = fs::canonicalize(&path).unwrap_or(path);
        Ok(Logins {
            path,
            search: surroundings.variables.get("PATH").cloned(),
        })
    }

    /// Keeps a name and a password.
    pub(crate) fn keep(
        &self,
        registry: &str,
        (username, password): (&str, &str),
    ) -> Result<Kept, Failure> {
        let key = key_of(registry);
        // A helper may take its time, and ask its user: nobody waits for it.
        let helper = self.read()?.helper(registry).map(str::to_owned);
        let (kept, entry) = if let Some(name) = helper {
            let stored = Helper::new(&name, self.search.as_ref())
                .and_then(|helper| helper.store(&key, (username, password)));
            stored.map_err(|error| cannot_keep(registry).because(&error))?;
            (Kept::Helper(name), json!({}))
        } else {
            let pair = base64(format!("{username}:{password}").as_bytes());
            (Kept::File(self.path.clone()), json!({ "auth": pair }))
        };
        let failed = |error: io::Error| cannot_keep(registry).because(&error);
        let _alone = self.lock().map_err(failed)?;
        let mut file = self.read()?;
        let auths = file
            .members_mut()
            .entry("auths")
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(auths) = auths.as_object_mut() else {
            let text = format!("`auths` in {} is not an object", self.path.display());
            return Err(Failure::user(text));
        };
        auths.retain(|other, _| *other == key || !is_same(other, registry));
        auths.insert(key, entry);
        self.write(&file)
            .map_err(|error| cannot_keep(registry).because(&error))?;
        Ok(kept)
    }

    /// Forgets the credentials of a registry, and says whether there were any.
    pub(crate) fn forget(&self, registry: &str) -> Result<bool, Failure> {
        let fail = || Failure::user(format!("cannot forget the credentials for {registry}"));
        let helper = self.read()?.helper(registry).map(str::to_owned);
        let mut found = false;
        if let Some(name) = helper {
            let helper = Helper::new(&name, self.search.as_ref());
            let helper = helper.map_err(|error| fail().because(&error))?;
            let server = key_of(registry);
            let known = helper
                .get(&server)
                .map_err(|error| fail().because(&error))?;
            found |= known.is_some();
            helper
                .erase(&server)
                .map_err(|error| fail().because(&error))?;
        }
        if !self.path.exists() {
            return Ok(found);
        }
        let _alone = self.lock().map_err(|error| fail().because(&error))?;
        let mut file = self.read()?;
        let auths = file.members_mut().get_mut("auths");
        if let Some(auths) = auths.and_then(Value::as_object_mut) {
            let before = auths.len();
            auths.retain(|key, _| !is_same(key, registry));
            if auths.len() < before {
                found = true;
                self.write(&file).map_err(|error| fail().because(&error))?;
            }
        }
        Ok(found)
    }

    /// Keeps other processes of ours from changing the file meanwhile, so that no entry is lost. What locks is the
    /// directory: a file of its own would be in the way of others.
    fn lock(&self) -> io::Result<Option<File>> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let directory = File::open(directory)?;
        // Some network file systems have no such locks; there it goes without one.
        Ok(directory.lock().is_ok().then_some(directory))
    }

    fn read(&self) -> Result<ConfigFile, Failure> {
        ConfigFile::read(&self.path)
            .map_err(|error| Failure::user("cannot read the credentials").because(&error))
    }

    /// Replaces the file at once. Nobody else can read it at any time.
    fn write(&self, file: &ConfigFile) -> Result<(), ConfigFileError> {
        let io_error = |source| ConfigFileError::Io {
            action: "write",
            path: file.path.clone(),
            source,
        };
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(io_error)?;
        let temporary = self
            .path
            .with_extension(format!("json.{}", std::process::id()));
        let written = write_private(&temporary, &pretty(file.members()))
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            fs::remove_file(&temporary).unwrap_or_default();
        }
        written.map_err(io_error)
    }
}

/// Whether a key is the registry's own, and not that of a part of it.
fn is_same(key: &str, registry: &str) -> bool {
    let is_part = !key.contains("://") && key.trim_end_matches('/').contains('/');
    !is_part && host_of(key) == registry
}

fn cannot_keep(registry: &str) -> Failure {
    Failure::user(format!("cannot keep the credentials for {registry}"))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// JSON with tabs, as Docker writes it.
fn pretty(members: &Map<String, Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing values to memory cannot fail.
    members.serialize(&mut serializer).unwrap_or_default();
    bytes
}
