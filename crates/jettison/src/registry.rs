//! Registries as this host reaches them: sockets, certificates, credentials and settings. The protocol is `jettison-oci`'s.

mod clock;
mod config_file;
mod failure;
mod helper;
mod keys;
mod login;
mod supplier;
mod transport;

use std::path::PathBuf;

use jettison_oci::{Keys, RegistryClient, RegistryOptions};

pub(crate) use crate::registry::failure::{hint, registry_failure};
pub(crate) use crate::registry::keys::{FixedKeys, HostKeys};
pub(crate) use crate::registry::login::{Kept, Logins, server_name};
pub(crate) use crate::registry::supplier::LayerSupplier;

use crate::registry::clock::HostClock;
use crate::registry::transport::HttpTransport;
use crate::remote::Reach;
use crate::settings::RegistrySettings;
use crate::surroundings::Surroundings;

/// How many layers are carried at a time.
pub(crate) const PARALLEL: u16 = 4;

/// All that a conversation with registries needs of this host.
#[derive(Debug)]
pub(crate) struct Registries {
    transport: HttpTransport,
    keys: HostKeys,
    clock: HostClock,
    options: RegistryOptions,
}

impl Registries {
    /// Registries with the user's settings.
    pub(crate) fn new(
        settings: &RegistrySettings,
        surroundings: &Surroundings,
        parallel: u16,
    ) -> Registries {
        let mut options = RegistryOptions::new(usize::from(parallel));
        options.hosts.clone_from(&settings.hosts);
        let reach = Reach {
            variables: surroundings.variables.clone(),
            ca: None,
        };
        Registries {
            transport: HttpTransport::new(reach, settings.ca.clone(), options.clone()),
            keys: HostKeys::new(surroundings),
            clock: HostClock::new(surroundings.now),
            options,
        }
    }

    /// A conversation with the user's credentials.
    pub(crate) fn client(&self) -> RegistryClient<'_> {
        self.client_with(&self.keys)
    }

    /// A conversation with other credentials.
    pub(crate) fn client_with<'r>(&'r self, keys: &'r dyn Keys) -> RegistryClient<'r> {
        RegistryClient::new(&self.transport, keys, &self.clock, self.options.clone())
    }
}

/// Where Docker keeps its configuration (docker/cli: `Dir`, cli/config/config.go).
pub(crate) fn docker_config(surroundings: &Surroundings) -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = surroundings.variables.get(name);
        value.filter(|value| !value.is_empty()).map(PathBuf::from)
    };
    let directory = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
    Some(directory?.join("config.json"))
}
