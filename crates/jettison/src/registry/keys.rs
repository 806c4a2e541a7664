//! The user's credentials: Docker's file and its helpers, then Podman's files.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jettison_oci::{Credentials, Keys};

use crate::registry::config_file::{ConfigFile, key_of};
use crate::registry::docker_config;
use crate::registry::helper::Helper;
use crate::surroundings::Surroundings;

/// Looks credentials up, each once.
#[derive(Debug)]
pub(crate) struct HostKeys {
    /// The files, in the order in which they are asked.
    files: Vec<PathBuf>,
    /// Where helpers are.
    path: Option<String>,
    known: Mutex<BTreeMap<(String, String), Credentials>>,
}

impl HostKeys {
    pub(crate) fn new(surroundings: &Surroundings) -> HostKeys {
        let variable = |name: &str| {
            let value = surroundings.variables.get(name);
            value.filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let config =
            variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        // containers-auth.json(5): a file that is named counts alone.
        let podman = match variable("REGISTRY_AUTH_FILE") {
            Some(file) => vec![file],
            None => [variable("XDG_RUNTIME_DIR"), config]
                .into_iter()
                .flatten()
                .map(|directory| directory.join("containers/auth.json"))
                .collect(),
        };
        HostKeys {
            files: docker_config(surroundings)
                .into_iter()
                .chain(podman)
                .collect(),
            path: surroundings.variables.get("PATH").cloned(),
            known: Mutex::default(),
        }
    }

    fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        for path in &self.files {
            let file = ConfigFile::read(path)?;
            if let Some(name) = file.helper(registry) {
                let helper = Helper::new(name, self.path.as_ref())?;
                if let Some(found) = helper.get(&key_of(registry))? {
                    return Ok(found);
                }
            }
            if let Some(found) = file.credentials(registry, repository) {
                return Ok(found);
            }
        }
        Ok(Credentials::Anonymous)
    }
}

impl Keys for HostKeys {
    fn credentials(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        let key = (registry.to_owned(), repository.to_owned());
        // Kept while a helper is asked, which may want to talk to the user.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = self.find(registry, repository)?;
        known.insert(key, found.clone());
        Ok(found)
    }
}

/// The same credentials for everything.
#[derive(Debug)]
pub(crate) struct FixedKeys(pub(crate) Credentials);

impl Keys for FixedKeys {
    fn credentials(
        &self,
        _registry: &str,
        _repository: &str,
    ) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}
